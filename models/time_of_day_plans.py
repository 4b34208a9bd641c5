"""Which plans a signal should run at which hours: the day cut where the traffic changes, a timing for each piece."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from models.rows import Booleans, Floats
from models.signal_timing import SignalParameters, Timing, control_delay_s, critical_flow_ratios, webster_timing

_CYCLE_STEPS = (0.7, 0.85, 1.0, 1.2, 1.4)
_PIECES_H = (1, 2, 4, 8, 16)


class DayPlan(NamedTuple):
    """A timing from the hour `from_hour` until `until_hour` of the local day."""

    from_hour: int
    until_hour: int
    timing: Timing


@dataclass(frozen=True, eq=False)
class Demand:
    """What comes to a junction.

    Parameters
    ----------
    flow
        ``(n_days, 24, n_approaches)``, vehicles/h; NaN = unknown.
    saturation
        ``(n_approaches,)``, vehicles/h of green.
    phase
        Phase of each approach.
    """

    flow: Floats
    saturation: Floats
    phase: tuple[int, ...]

    @cached_property
    def known(self) -> Booleans:
        """``(n_days, n_hours)``, where every approach is known."""
        known: Booleans = np.asarray(np.isfinite(self.flow).all(axis=2), bool)
        return known

    @cached_property
    def vehicles(self) -> Floats:
        """``(n_days, n_hours)``, vehicles on all approaches; 0 where one is unknown, for sums only."""
        return np.where(self.known, self.flow.sum(axis=2), 0.0)

    def of_hours(self, hours: slice) -> "Demand":
        """Return some hours of it."""
        return Demand(self.flow[:, hours], self.saturation, self.phase)

    def busiest_hour(self) -> int:
        """Return the hour that carries most in the mean of the days."""
        return int((self.vehicles.sum(axis=0) / np.maximum(self.known.sum(axis=0), 1)).argmax())


def total_delay_s(demand: Demand, timing: Timing, p: SignalParameters, saturation_ratio: float = 1.0) -> Floats:
    """Return the delay of all vehicles of each day and hour ``(n_days, 24)``, s; NaN where a flow is unknown.

    It is the delay at the flow of the hour: that of the worst quarter is not what every vehicle of the hour meets.
    """
    green = np.array([timing.green_s[one] for one in demand.phase])
    delay = control_delay_s(demand.flow, demand.saturation * saturation_ratio, timing.cycle_s, green, p)
    total: Floats = (delay * demand.flow).sum(axis=2)
    return total


def best_timing(demand: Demand, hours: slice, p: SignalParameters, cycle_s: float | None = None) -> Timing:
    """Return the timing of the least delay in some hours: Webster's, with longer and shorter cycles beside it.

    Parameters
    ----------
    cycle_s
        Keeps the cycle: only the greens are chosen.
    """
    cut = demand.of_hours(hours)
    flows = cut.flow[cut.known] / p.peak_hour_factor
    tried: dict[Timing, float] = {}
    for level in (flows.mean(axis=0), np.quantile(flows, 0.85, axis=0)):
        y = critical_flow_ratios(level, demand.saturation, demand.phase)
        cycles = {cycle_s} if cycle_s is not None else _cycles(webster_timing(y, p).cycle_s, len(y), p)
        for cycle in sorted(cycles):
            timing = webster_timing(y, p, cycle)
            if timing not in tried:
                tried[timing] = float(np.nansum(total_delay_s(cut, timing, p)))
    return min(tried, key=lambda one: tried[one])


def choose_plans(
    demand: Demand,
    parameters: SignalParameters | None = None,
    *,
    most: int = 4,
    shortest_h: int = 2,
    worth: float = 0.03,
    least_days: int = 3,
) -> list[DayPlan]:
    """Return plans for the hours that are known, by dynamic programming over where the day is cut.

    Parameters
    ----------
    most
        At most so many plans.
    shortest_h
        No plan is shorter, h.
    worth
        One more plan must save this share of the delay of the day.
    least_days
        An hour measured on fewer days is left out: nothing is proposed for it.

    References
    ----------
    R. Bellman, "On the approximation of curves by line segments using dynamic programming", CACM 4, 1961: the same
    recursion, with delay for the error.
    """
    p = parameters or SignalParameters()
    usable = demand.known.sum(axis=0) >= least_days
    plans: list[DayPlan] = []
    for first, last in _runs(usable):
        plans += _segment(demand, p, first, last, most, min(shortest_h, last - first), worth)
    return plans


def _segment(
    demand: Demand, p: SignalParameters, first: int, last: int, most: int, shortest_h: int, worth: float
) -> list[DayPlan]:
    tried = _candidates(demand, p, first, last)
    per_hour = np.stack([np.nansum(total_delay_s(demand, one, p), axis=0) for one in tried])
    until = np.concatenate([np.zeros((len(tried), 1)), np.cumsum(per_hour, axis=1)], axis=1)
    timing: dict[tuple[int, int], Timing] = {}
    cost: dict[tuple[int, int], float] = {}
    for a in range(first, last):
        for b in range(a + shortest_h, last + 1):
            seconds = until[:, b] - until[:, a]
            least = int(seconds.argmin())
            timing[a, b], cost[a, b] = tried[least], float(seconds[least])
    # best[k][b]: least delay of the hours before b with k plans, and where the last of them begins.
    best: list[dict[int, tuple[float, int]]] = [{first: (0.0, first)}]
    for _ in range(most):
        row: dict[int, tuple[float, int]] = {}
        for (a, b), seconds in cost.items():
            if a in best[-1] and (b not in row or best[-1][a][0] + seconds < row[b][0]):
                row[b] = best[-1][a][0] + seconds, a
        best.append(row)
    count = 1
    for k in range(2, most + 1):
        if last in best[k] and best[k][last][0] < best[count][last][0] * (1 - worth) ** (k - count):
            count = k
    cuts, b = [last], last
    for k in range(count, 0, -1):
        b = best[k][b][1]
        cuts.append(b)
    cuts.reverse()
    return [DayPlan(a, b, timing[a, b]) for a, b in pairwise(cuts)]


def _candidates(demand: Demand, p: SignalParameters, first: int, last: int) -> list[Timing]:
    """Return timings worth trying: Webster's for pieces of the day of several lengths, with other cycles beside it."""
    found: dict[Timing, None] = {}
    for length in _PIECES_H:
        for a in range(first, max(first + 1, last - length + 1)):
            piece = demand.of_hours(slice(a, min(a + length, last)))
            flow = piece.flow[piece.known].mean(axis=0) / p.peak_hour_factor
            y = critical_flow_ratios(flow, demand.saturation, demand.phase)
            for cycle in sorted(_cycles(webster_timing(y, p).cycle_s, len(y), p)):
                found[webster_timing(y, p, cycle)] = None
    return list(found)


def _cycles(webster_s: float, n_phases: int, p: SignalParameters) -> set[float]:
    needed = np.ceil(n_phases * (p.lost_s + max(p.min_green_s, p.pedestrian_s)))
    least, most = max(p.min_cycle_s, needed), max(p.max_cycle_s, needed)
    return {float(np.clip(round(webster_s * step), least, most)) for step in _CYCLE_STEPS}


def _runs(usable: Booleans) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(usable, np.int64), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
