"""Fixed-time signals: Webster's cycle and greens, and the control delay of the Highway Capacity Manual."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.parameters import check_finite_and_positive
from models.rows import Floats

LEVELS = ("A", "B", "C", "D", "E", "F")
# Upper bounds of the control delay of levels A..E at a signal, s per vehicle.
LEVEL_BOUNDS_S = (10.0, 20.0, 35.0, 55.0, 80.0)
# The sum of critical flow ratios above which Webster's cycle has no meaning.
MOST_LOADED = 0.95


@dataclass(frozen=True)
class SignalParameters:
    """Numbers of a signalised junction.

    Parameters
    ----------
    saturation_flow
        Vehicles an hour that one lane lets through while it is green.
    lost_s
        Time lost per phase: start and end of green, and the red that clears the junction.
    min_green_s
        Shortest green of a phase.
    pedestrian_s
        Green that pedestrians need beside a phase; 0 where they have none.
    min_cycle_s, max_cycle_s
        Bounds of the cycle. Dutch practice stays at or below 120 s: people on foot do not wait longer.
    analysis_h
        Length of the period that is analysed, h.
    peak_hour_factor
        Turns a volume of an hour into the flow of its worst quarter; used for hourly counts.
    incremental_factor
        k of the incremental delay: 0.5 for fixed time, less for signals that follow the traffic.

    References
    ----------
    Highway Capacity Manual 2000, ch. 16: 1,900 pc/h/lane, lost time 4 s a phase, T = 0.25 h, k = 0.5, PHF 0.92.
    """

    saturation_flow: float = 1900.0
    lost_s: float = 4.0
    min_green_s: float = 6.0
    pedestrian_s: float = 0.0
    min_cycle_s: float = 40.0
    max_cycle_s: float = 120.0
    analysis_h: float = 0.25
    peak_hour_factor: float = 0.92
    incremental_factor: float = 0.5

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("pedestrian_s", "lost_s"))
        if self.min_cycle_s > self.max_cycle_s:
            raise BadInput(
                f"The shortest cycle is {self.min_cycle_s:g} s, the longest {self.max_cycle_s:g} s.",
                "Give a shortest cycle below the longest.",
            )
        if not 0.25 <= self.peak_hour_factor <= 1 or not self.incremental_factor <= 0.5:
            raise BadInput(
                f"peak_hour_factor is {self.peak_hour_factor}, incremental_factor {self.incremental_factor}.",
                "A peak hour factor lies from 0.25 to 1, k at or below 0.5.",
            )


@dataclass(frozen=True)
class Timing:
    """A fixed-time plan: the cycle and the effective green of each phase, s, in the order of the phases."""

    cycle_s: float
    green_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not np.isfinite([self.cycle_s, *self.green_s]).all() or not all(one > 0 for one in self.green_s):
            raise BadInput(
                f"A cycle of {self.cycle_s:g} s has greens of {', '.join(f'{g:g}' for g in self.green_s)} s.",
                "Give every phase a green above 0 s; leave out a phase that has none.",
            )
        if not self.cycle_s > 0 or not self.green_s or sum(self.green_s) > self.cycle_s + 1e-6:
            raise BadInput(
                f"Greens of {', '.join(f'{g:g}' for g in self.green_s)} s do not fit in a cycle of {self.cycle_s:g} s.",
                "Give greens that together with the lost time make the cycle.",
            )


def critical_flow_ratios(flow: npt.ArrayLike, saturation: npt.ArrayLike, phase: Sequence[int]) -> Floats:
    """Return y of each phase ``(n_phases,)``: the largest v/s of the approaches that have green in it.

    Parameters
    ----------
    flow, saturation
        ``(n_approaches,)``, vehicles/h that come, and that would pass if it were always green.
    phase
        Phase of each approach, 0, 1, …
    """
    ratio = np.asarray(flow, np.float64) / np.asarray(saturation, np.float64)
    y = np.zeros(max(phase) + 1)
    np.maximum.at(y, np.asarray(phase), ratio)
    return y


def webster_cycle_s(y: npt.ArrayLike, lost_total_s: float) -> float:
    """Return the cycle of the least delay, C0 = (1.5 L + 5) / (1 - Y); infinite from Y = 1 on.

    References
    ----------
    F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, 1958, eq. 7.

    >>> round(webster_cycle_s([0.25, 0.35], 10.0), 6)
    50.0
    """
    total = float(np.sum(y))
    return (1.5 * lost_total_s + 5.0) / (1.0 - total) if total < 1 else float("inf")


def webster_timing(
    y: npt.ArrayLike, parameters: SignalParameters | None = None, cycle_s: float | None = None
) -> Timing:
    """Return a plan for critical flow ratios: Webster's cycle within bounds, greens in proportion to y.

    Parameters
    ----------
    cycle_s
        Keeps this cycle and divides it only.

    Raises
    ------
    BadInput
        The cycle has no room for the shortest greens.

    References
    ----------
    F. V. Webster, Traffic Signal Settings, 1958: g_i = y_i / Y (C - L).
    """
    p = parameters or SignalParameters()
    ratios = np.maximum(np.asarray(y, np.float64), 1e-6)
    n = len(ratios)
    lost, shortest = n * p.lost_s, max(p.min_green_s, p.pedestrian_s)
    needed = lost + n * shortest
    if cycle_s is None:
        wanted = webster_cycle_s(ratios, lost) if ratios.sum() <= MOST_LOADED else p.max_cycle_s
        least = float(np.ceil(needed))
        cycle_s = float(np.clip(round(wanted), max(p.min_cycle_s, least), max(p.max_cycle_s, least)))
    if cycle_s < needed - 1e-9:
        raise BadInput(
            f"A cycle of {cycle_s:g} s has no room for {n} phases of {shortest:g} s green and {p.lost_s:g} s lost.",
            f"Use a cycle of at least {np.ceil(needed):g} s.",
        )
    return Timing(cycle_s, tuple(float(g) for g in _divided(ratios, cycle_s - lost, shortest)))


def control_delay_s(
    flow: npt.ArrayLike,
    saturation: npt.ArrayLike,
    cycle_s: npt.ArrayLike,
    green_s: npt.ArrayLike,
    parameters: SignalParameters | None = None,
) -> Floats:
    """Return the control delay, s per vehicle, of arrivals at random: d = d1 + d2; arrays broadcast.

    References
    ----------
    Highway Capacity Manual 2000, eq. 16-9 (d = d1 PF + d2 + d3; here PF = 1, no queue at the start), 16-11
    (d1 = 0.5 C (1 - g/C)^2 / (1 - min(1, X) g/C)) and 16-12
    (d2 = 900 T [(X - 1) + sqrt((X - 1)^2 + 8 k I X / (c T))]; I = 1); 6th edition, eq. 19-19 and 19-26.
    """
    p = parameters or SignalParameters()
    v, s, cycle, green = (np.asarray(one, np.float64) for one in (flow, saturation, cycle_s, green_s))
    share = np.maximum(green / cycle, 1e-6)
    capacity = s * share
    x = v / capacity
    uniform = 0.5 * cycle * (1 - share) ** 2 / np.maximum(1 - np.minimum(1.0, x) * share, 1e-9)
    t = p.analysis_h
    excess = x - 1
    incremental = 900 * t * (excess + np.sqrt(excess**2 + 8 * p.incremental_factor * x / (capacity * t)))
    delay: Floats = np.asarray(uniform + incremental, np.float64)
    return delay


def level_of_service(delay_s: float) -> str:
    """Return the level of service of a control delay at a signal; "unknown" for NaN.

    References
    ----------
    Highway Capacity Manual 2000, exhibit 16-2: A up to 10 s, B 20, C 35, D 55, E 80.

    >>> level_of_service(20.0), level_of_service(81)
    ('B', 'F')
    """
    if not np.isfinite(delay_s):
        return "unknown"
    return LEVELS[int(np.searchsorted(LEVEL_BOUNDS_S, delay_s))]


def _divided(ratios: Floats, available_s: float, shortest_s: float) -> Floats:
    """Return greens in proportion to the ratios, none below the shortest, whole seconds where that fits."""
    fixed = np.zeros(len(ratios), bool)
    while True:
        free = available_s - fixed.sum() * shortest_s
        green = np.where(fixed, shortest_s, free * ratios / max(ratios[~fixed].sum(), 1e-9))
        short = ~fixed & (green < shortest_s - 1e-9)
        if not short.any():
            break
        fixed |= short
    whole = np.floor(green + 1e-9)
    left = round(available_s - whole.sum())
    if 0 < left <= len(green):
        whole[np.argsort(whole - green)[:left]] += 1
    return whole if abs(whole.sum() - available_s) < 1e-6 else green
