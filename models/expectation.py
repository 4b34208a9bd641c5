"""What is usual on an approach now and in the next day, as a band, and what is expected given how it is now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from city.findings import Finding
from models.contract import index_of
from models.holidays import country_of, day_kinds, zone_of
from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats, Integers, Rows

QUANTITIES = ("vehicle_count", "speed_kph", "occupancy_ratio")
HOUR_S = 3600.0
HOURS = 24
SLOTS = 168
_COUNT, _SPEED, _OCCUPANCY = range(3)
Float32s = npt.NDArray[np.float32]
Some = Integers | slice
_PART = 8192
# More than there are steps in a thousand years.
_STEPS = 1e9
_LEAST_SIZE = 1e-3
_LASTS = 0.8


@dataclass(frozen=True)
class ExpectationParameters:
    """Numbers of the expectation.

    Parameters
    ----------
    step_s
        Rows are gathered into steps of this length; counts and bands are per step.
    least_covered
        Share of a step that must have been counted for it to be known.
    learns
        Share by which the usual value of an hour of the week moves in that hour, once it has seen some.
    shrinks
        So many hours weigh as much as the same hour of the other working days.
    fast_s, slow_s
        Time constants in which what is unusual now is told, and is forgotten, over hours and over days.
    coverage
        Share of the values that the band is to hold.
    band_learns
        Share of the spread by which an edge of the band moves each step.
    memory_steps
        Memory of the spread, and of how far what is unusual now tells of the next step.
    """

    step_s: float = 900.0
    least_covered: float = 0.5
    learns: float = 0.15
    shrinks: float = 0.5
    fast_s: float = 3600.0
    slow_s: float = 86_400.0
    coverage: float = 0.8
    band_learns: float = 0.03
    memory_steps: float = 200.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self)
        if not self.coverage < 1 or not self.least_covered <= 1:
            raise BadInput("coverage or least_covered is too large.", "Give shares of at most 1.")
        if HOUR_S % self.step_s:
            raise BadInput(f"step_s is {self.step_s}.", "Give a part of an hour, such as 300 or 900.")


class ExpectationState(NamedTuple):
    """What is known of ``n`` entities and the three `QUANTITIES`; constant in size.

    `usual` is a tuple of `SLOTS` arrays ``(n, 3)``, float32, one per hour of the week (knots between which it is
    straight), `usual_h` of ``(n, 3)``, how many hours each has seen: a tick touches two of them and the others are
    shared with the state before it. `seen_s`, `step`, `gathered`, `weight` are of the step that is being gathered;
    the rest is of the last step: its middle `at_s`, residuals `fast` and `slow` in units of the natural spread, their
    `size`, `product` and `square` (how far the last residual tells of the next), and the band's edges one step ahead
    (`near_low`, `near_high`) and far ahead, in units of `size`. All ``(n, 3)`` unless said otherwise.
    """

    now_s: Floats
    seen_s: Floats
    step: Floats
    gathered: Floats
    weight: Floats
    at_s: Floats
    level: Floats
    level_steps: Floats
    fast: Floats
    slow: Floats
    size: Floats
    product: Floats
    square: Floats
    near_low: Floats
    near_high: Floats
    far_low: Floats
    far_high: Floats
    usual: tuple[Float32s, ...]
    usual_h: tuple[Float32s, ...]


class Band(NamedTuple):
    """What is expected of ``n`` entities at ``k`` times, ``(n, k)`` each; NaN = unknown.

    Counts are vehicles per step. `low` and `high` hold `coverage` of the values.
    """

    low: Floats
    expected: Floats
    high: Floats


class ExpectationModel:
    """The usual hour of the week of every entity, and how what is unusual now fades over the next hours.

    Parameters
    ----------
    entities
        Ids of the approaches.
    timezone
        IANA name of the time that people live by.
    region
        Country or country-subdivision whose public holidays are Sundays; None = the time zone's country.

    Raises
    ------
    BadInput
        An entity is named twice, or the time zone or the region is unknown.

    References
    ----------
    Edges of the band: stochastic approximation of a quantile, H. Robbins and S. Monro, 1951.
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: ExpectationParameters | None = None,
        *,
        timezone: str = "Europe/Amsterdam",
        region: str | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or ExpectationParameters()
        self._timezone = zone_of(timezone).key
        self._region = country_of(timezone) if region is None else region
        # Also reads what the library knows of the country, which takes longer than a tick may.
        _slot(0, self._timezone, self._region)

    def initial_state(self) -> ExpectationState:
        """Return the state of entities never heard of."""
        n = len(self.entities)
        never, unknown, zero = np.full(n, np.nan), np.full((n, 3), np.nan), np.zeros((n, 3))
        empty = np.zeros((n, 3), np.float32)
        edge = np.ones((n, 3))
        return ExpectationState(
            now_s=np.array(np.nan),
            seen_s=never,
            step=never,
            gathered=zero,
            weight=zero,
            at_s=unknown,
            level=unknown,
            level_steps=zero,
            fast=zero,
            slow=zero,
            size=edge,
            product=zero + 0.5,
            square=edge,
            near_low=-1.6 * edge,
            near_high=1.6 * edge,
            far_low=-1.6 * edge,
            far_high=1.6 * edge,
            usual=(empty,) * SLOTS,
            usual_h=(empty,) * SLOTS,
        )

    def update(
        self, state: ExpectationState, rows: Rows, alarmed: npt.ArrayLike = False
    ) -> tuple[ExpectationState, list[Finding]]:
        """Return the state after `rows` (vehicle_count, speed_kph, occupancy_ratio); it finds nothing of its own.

        Parameters
        ----------
        alarmed
            ``(n,)`` or one, bool; while something is wrong with an entity, what is usual on it is not learnt.
        """
        work = _Work(state)
        work.now_s[...] = rows.now_s
        frozen = np.broadcast_to(np.asarray(alarmed, np.bool_), (len(self.entities),))
        count, speed, occupancy = (rows.value(name) for name in QUANTITIES)
        told = np.stack([count, np.where(count == 0, np.nan, speed), occupancy], 1)
        tells = np.flatnonzero(~rows.is_visit & ~rows.is_report & np.isfinite(told).any(1))
        k = tells[np.argsort(rows.entity[tells], kind="stable")]
        k = k[~(rows.at_s[k] <= work.seen_s[rows.entity[k]])]
        e, at_s = rows.entity[k], rows.at_s[k]
        again = np.flatnonzero((e[1:] == e[:-1]) & (at_s[1:] <= at_s[:-1])) + 1
        if len(again):
            k = np.delete(k, again)
            e, at_s = rows.entity[k], rows.at_s[k]
        step = np.fmax(np.floor((at_s - rows.interval_s[k] / 2) / self.parameters.step_s), work.step[e])
        # A longer interval may end later and have its middle earlier: it counts for the step that is being gathered.
        step = np.maximum.accumulate(e * _STEPS + step) - e * _STEPS
        begins = np.flatnonzero(np.r_[True, (e[1:] != e[:-1]) | (step[1:] != step[:-1])][: len(k)])
        lengths = np.diff(np.r_[begins, len(k)])
        for wave in rows.waves(e[begins]):
            first, length = begins[wave], lengths[wave]
            self._close(work, e[first][step[first] > work.step[e[first]]], frozen)
            own = first
            if (length > 1).any():
                own = np.repeat(first - np.r_[0, np.cumsum(length)[:-1]], length) + np.arange(length.sum())
            self._gather(
                work, e[own], step[own], at_s[own], rows.interval_s[k[own]], told[k[own]], len(own) > len(first)
            )
        return work.state(), []

    def band(self, state: ExpectationState, at_s: npt.ArrayLike, which: npt.ArrayLike | None = None) -> dict[str, Band]:
        """Return what is normal at `at_s` (the middle of a step), whatever it is like now, per quantity.

        Parameters
        ----------
        at_s
            ``(k,)`` or one, s since 1970 UTC.
        which
            ``(m,)``, indices of entities; all of them if it is left out.
        """
        return self._answer(state, at_s, which, given_now=False)

    def forecast(
        self, state: ExpectationState, at_s: npt.ArrayLike, which: npt.ArrayLike | None = None
    ) -> dict[str, Band]:
        """Return what is expected at `at_s`, given how it was until now; like `band`."""
        return self._answer(state, at_s, which, given_now=True)

    def _answer(
        self, s: ExpectationState, at_s: npt.ArrayLike, which: npt.ArrayLike | None, *, given_now: bool
    ) -> dict[str, Band]:
        p = self.parameters
        times = np.atleast_1d(np.asarray(at_s, np.float64))
        e = np.arange(len(self.entities)) if which is None else np.asarray(which, np.int64)
        out = np.full((3, len(e), len(times), 3), np.nan)
        for j, time_s in enumerate(times.tolist()):
            usual = self._usual(s.usual, s.usual_h, s.level, e, time_s)
            unit = _unit(usual)
            ahead_s = np.maximum(np.nan_to_num(time_s - s.at_s[e], nan=np.inf), p.step_s)
            if given_now:
                middle = _expected_residual(s, e, ahead_s, p)
                near = np.exp(-2 * (ahead_s - p.step_s) / p.fast_s)
            else:
                middle, near = np.zeros_like(usual), np.zeros_like(usual)
            low = middle + s.size[e] * (s.far_low[e] + near * (s.near_low[e] - s.far_low[e]))
            high = middle + s.size[e] * (s.far_high[e] + near * (s.near_high[e] - s.far_high[e]))
            for k, residual in enumerate((np.minimum(low, middle), middle, np.maximum(high, middle))):
                value = np.maximum(usual + unit * residual, 0.0)
                value[:, _OCCUPANCY] = np.minimum(value[:, _OCCUPANCY], 1.0)
                out[k, :, j] = value
        return {name: Band(out[0, :, :, q], out[1, :, :, q], out[2, :, :, q]) for q, name in enumerate(QUANTITIES)}

    @staticmethod
    def _gather(
        work: "_Work", e: Integers, step: Floats, at_s: Floats, interval_s: Floats, told: Floats, repeats: bool
    ) -> None:
        work.step[e] = step
        work.seen_s[e] = at_s
        seconds = np.where(interval_s > 0, interval_s, 60.0)[:, None]
        weight = np.where(np.isfinite(told), seconds, 0.0)
        # The mean speed of a step is over its vehicles.
        weight[:, _SPEED] *= np.where(np.isfinite(told[:, _COUNT]), told[:, _COUNT], 1.0)
        share = np.where(weight > 0, np.nan_to_num(told) * weight, 0.0)
        share[:, _COUNT] = np.nan_to_num(told[:, _COUNT])
        if repeats:
            np.add.at(work.gathered, e, share)
            np.add.at(work.weight, e, weight)
        else:
            work.gathered[e] += share
            work.weight[e] += weight

    def _close(self, work: "_Work", e: Integers, frozen: Booleans) -> None:
        """Learn from the gathered steps of `e`, and begin new ones."""
        if not len(e):
            return
        work.own()
        p = self.parameters
        weight = work.weight[e]
        least = np.array([p.least_covered * p.step_s, 0.0, p.least_covered * p.step_s])
        known = (weight > 0) & (weight >= least)
        value = np.where(known, work.gathered[e] / np.maximum(weight, 1e-9), np.nan)
        value[:, _COUNT] *= p.step_s
        work.gathered[e], work.weight[e] = 0.0, 0.0
        steps = work.step[e]
        for step in np.unique(steps):
            mine = steps == step
            if mine.all() and len(e) == len(self.entities) and (np.diff(e) == 1).all():
                # Everybody in order, as at most ticks: views, and parts that stay in the processor's cache.
                for first in range(0, len(e), _PART):
                    part = slice(first, first + _PART)
                    self._learn(work, part, (step + 0.5) * p.step_s, value[part], frozen[part])
            else:
                self._learn(work, e[mine], (step + 0.5) * p.step_s, value[mine], frozen[e[mine]])

    def _learn(self, work: "_Work", e: Some, at_s: float, value: Floats, frozen: Booleans) -> None:
        p = self.parameters
        seen = np.isfinite(value)
        usual = self._usual(work.usual, work.usual_h, work.level, e, at_s)
        unit = _unit(usual)
        residual = np.where(np.isfinite(usual) & seen, (value - usual) / unit, np.nan)
        told = np.isfinite(residual)
        learns = seen & ~frozen[:, None]
        judged = told & learns

        elapsed_s = np.maximum(np.nan_to_num(at_s - work.at_s[e], nan=np.inf), 0.0)
        ahead = _expected_residual(work, e, np.maximum(elapsed_s, p.step_s), p)
        size = work.size[e]
        steps = work.level_steps[e]
        memory = np.maximum(1 / (steps + 5), 1 / p.memory_steps)
        # The band is learnt quickly at first: the first values of an hour are far from what is usual.
        pace = np.maximum(2 / (steps + 10), p.band_learns)
        side = (1 - p.coverage) / 2
        missed = residual - ahead
        for low, high, error in (
            (work.near_low, work.near_high, np.where(elapsed_s <= 1.5 * max(p.step_s, 1.0), missed, np.nan)),
            (work.far_low, work.far_high, residual - np.exp(-86_400.0 / p.slow_s) * work.slow[e]),
        ):
            counts = judged & np.isfinite(error)
            sizes = error / size
            low[e] += np.where(counts, pace * (side - (sizes < low[e])), 0.0)
            high[e] += np.where(counts, pace * (1 - side - (sizes < high[e])), 0.0)
        kept = np.where(np.isfinite(usual), usual + np.clip(value - usual, -4 * unit * size, 4 * unit * size), value)
        clipped = np.clip(residual, -6 * size, 6 * size)
        work.size[e] = np.maximum(size + np.where(judged, memory * (np.abs(clipped) - size), 0.0), _LEAST_SIZE)

        # What is unusual now is told also while it is not learnt as usual.
        before = work.fast[e] * np.exp(-elapsed_s / p.fast_s)
        now = clipped - work.slow[e]
        work.product[e] += np.where(judged, memory * (now * before - work.product[e]), 0.0)
        work.square[e] += np.where(judged, memory * (before * before - work.square[e]), 0.0)
        weight = -np.expm1(-np.minimum(elapsed_s, 2 * p.fast_s) / (0.5 * p.fast_s))
        work.fast[e] = np.where(told, before + weight * (now - before), work.fast[e])
        weight = -np.expm1(-np.minimum(elapsed_s, HOUR_S) / p.slow_s)
        work.slow[e] += np.where(judged, weight * (clipped - work.slow[e]), 0.0)
        work.at_s[e] = np.where(told | seen, at_s, work.at_s[e])

        level = work.level[e]
        work.level_steps[e] += learns
        weight = np.maximum(1 / np.maximum(work.level_steps[e], 1), p.step_s / (14 * 86_400))
        work.level[e] = np.where(learns, np.where(np.isnan(level), value, level + weight * (value - level)), level)
        for slot, share in self._knots(at_s):
            table, hours = work.slot(slot)
            part = share * p.step_s / HOUR_S
            hours[e] += np.where(learns, part, 0.0)
            weight = np.maximum(part / np.maximum(hours[e], 0.5), p.learns * part)
            fresh = hours[e] <= part
            table[e] = np.where(
                learns, np.where(fresh, value, table[e] + weight * (np.nan_to_num(kept) - table[e])), table[e]
            )

    def _usual(
        self,
        usual: Sequence[Float32s],
        usual_h: Sequence[Float32s],
        level: Floats,
        e: Some,
        at_s: float,
    ) -> Floats:
        """Return what is usual of `e` at a time, ``(len(e), 3)``: straight between the middles of hours."""
        out = np.zeros_like(level[e])
        for slot, share in self._knots(at_s):
            out += share * self._knot(usual, usual_h, level, e, slot)
        return out

    def _knot(
        self, usual: Sequence[Float32s], usual_h: Sequence[Float32s], level: Floats, e: Some, slot: int
    ) -> Floats:
        day, hour = divmod(slot, HOURS)
        alike = range(5) if day < 5 else (day,)
        total, hours = np.zeros_like(level[e]), np.zeros_like(level[e])
        for other in alike:
            h = usual_h[other * HOURS + hour][e]
            total += h * usual[other * HOURS + hour][e]
            hours += h
        of_days = np.where(hours > 0, total / np.maximum(hours, 1e-9), level[e])
        mine = usual_h[slot][e]
        weight = mine / (mine + self.parameters.shrinks)
        return np.where(mine > 0, weight * usual[slot][e] + (1 - weight) * of_days, of_days)

    def _knots(self, at_s: float) -> tuple[tuple[int, float], tuple[int, float]]:
        before_s = at_s - HOUR_S / 2
        hour, share = divmod(before_s / HOUR_S, 1.0)
        before, after = (_slot(int(one), self._timezone, self._region) for one in (hour, hour + 1))
        return (before, 1 - share), (after, share)


class _Work:
    """A state that is being worked on: arrays of its own, but for the hours of the week, copied when first touched."""

    def __init__(self, state: ExpectationState) -> None:
        self.now_s = state.now_s.copy()
        self.seen_s = state.seen_s.copy()
        self.step = state.step.copy()
        self.gathered = state.gathered.copy()
        self.weight = state.weight.copy()
        self.at_s = state.at_s
        self.level = state.level
        self.level_steps = state.level_steps
        self.fast = state.fast
        self.slow = state.slow
        self.size = state.size
        self.product = state.product
        self.square = state.square
        self.near_low = state.near_low
        self.near_high = state.near_high
        self.far_low = state.far_low
        self.far_high = state.far_high
        self.usual = list(state.usual)
        self.usual_h = list(state.usual_h)
        self._touched: set[int] = set()
        self._owned = False

    def slot(self, slot: int) -> tuple[Float32s, Float32s]:
        if slot not in self._touched:
            self._touched.add(slot)
            self.usual[slot] = self.usual[slot].copy()
            self.usual_h[slot] = self.usual_h[slot].copy()
        return self.usual[slot], self.usual_h[slot]

    def own(self) -> None:
        """Copy what only the end of a step changes."""
        if not self._owned:
            self._owned = True
            for name in _OF_STEP:
                setattr(self, name, getattr(self, name).copy())

    def state(self) -> ExpectationState:
        own = {name: getattr(self, name) for name in ExpectationState._fields[:-2]}
        return ExpectationState(**own, usual=tuple(self.usual), usual_h=tuple(self.usual_h))


_OF_STEP = ExpectationState._fields[5:-2]


@lru_cache(maxsize=4096)
def _slot(hour: int, timezone: str, region: str) -> int:
    """Return the hour of the week that the `hour`-th since 1970 UTC is like."""
    return int(day_kinds(np.array([hour * HOUR_S]), timezone, region).slot[0])


def _unit(usual: Floats) -> Floats:
    """Return the natural spread of each quantity at what is usual: counts vary like the root of their number."""
    unit = np.empty_like(usual)
    unit[:, _COUNT] = np.sqrt(np.maximum(usual[:, _COUNT], 0.0) + 1.0)
    unit[:, _SPEED] = 0.1 * np.maximum(usual[:, _SPEED], 1.0)
    share = np.clip(usual[:, _OCCUPANCY], 0.0, 1.0)
    unit[:, _OCCUPANCY] = 0.3 * np.sqrt(share * (1 - share)) + 0.005
    return unit


def _expected_residual(s: "ExpectationState | _Work", e: Some, ahead_s: Floats, p: ExpectationParameters) -> Floats:
    gain = np.clip(s.product[e] / np.maximum(s.square[e], 1e-6), 0.0, 1.2)
    # What is far from usual for half an hour stays so for a while, also where small differences are mere noise.
    gain = np.maximum(gain, np.clip(0.5 * np.abs(s.fast[e]) / s.size[e] - 1.0, 0.0, _LASTS))
    fades = np.exp(-np.minimum(ahead_s, 1e9) / p.fast_s)
    told: Floats = gain * s.fast[e] * fades + s.slow[e] * np.exp(-np.minimum(ahead_s, 1e9) / p.slow_s)
    return told
