"""What a container's days so far say about its coming days: features, computed day by day as they become known.

Training and serving read the same features: those of a reading follow from that reading, the container's own readings
before it, and what the whole fleet had shown by the end of the day before.
"""

import copy
from typing import NamedTuple

import numpy as np

from city.errors import BadInput
from models.rows import Booleans, Floats, Integers

Singles = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

LONGEST_D = 14
LEVEL_BANDS = 4
AGE_EDGES_D = (1, 2, 3, 5, 8, 13, 21)
MEMORY_DAYS = (150.0, 30.0)
# How much of the fleet's experience stands in for a container's own: days under watch, and days of filling.
_PRIOR_WATCHES = 8.0
_PRIOR_CASES = 3.0
_PRIOR_DAYS = 5.0
_PRIOR_WEEKDAYS = 8.0
_PRIOR_OF_AGE = 6.0
_PRIOR_EMPTIED = 5.0
_FIRST_RATE = 0.05
_FIRST_HAZARD = 0.1
_SAME = 0.02
_KEPT = LONGEST_D + 1
_AGE_BANDS = len(AGE_EDGES_D) + 1
_CYCLES = 3
_EPSILON = 1e-9


class DailyLevels(NamedTuple):
    """Levels seen about once a day, ``(n,)`` each, in the order in which they were seen.

    `entity` counts from 0, `day` is whole days since 1970, `level` a ratio of the usable volume.
    """

    entity: Integers
    day: Integers
    level: Floats


class Outlook(NamedTuple):
    """What is known at each of ``n`` readings.

    Parameters
    ----------
    now
        ``(n, NOW)``, float32; NaN where the past does not say.
    ahead
        ``(n, LONGEST_D, AHEAD)``, float32, of each day ahead.
    """

    now: Singles
    ahead: Singles


class Watch(NamedTuple):
    """What became of each of ``n`` readings: in how many days it was full (`event`) or last watched (0 = never)."""

    duration_d: Integers
    event: Booleans


NOW = (
    "level", "age_d", "age_is_known", "same_d", "gain_1d", "gain_2d", "gain_3d", "gain_7d",
    "highest_7d", "highest_14d", "mean_7d", "mean_14d",
    "rate_slow", "rate_here_slow", "fleet_rate_slow", "rate_fast", "rate_here_fast", "fleet_rate_fast", "rate_change",
    "falls", "emptyings", "full_days", "since_full_d", "last_cycle_d", "mean_cycle_d", "known_d",
    "fleet_level", "fleet_gain", "fleet_emptied", "slope", "days_of_room", "days_of_room_here", "season_sin",
    "season_cos",
)  # fmt: skip
AHEAD = (
    "fleet_hazard_slow", "hazard_slow", "case_ratio_slow", "case_ratio_here_slow",
    "fleet_hazard_fast", "hazard_fast", "case_ratio_fast", "case_ratio_here_fast",
    "hazard_of_age", "fleet_hazard_of_age",
    "gain_of_weekday", "fleet_gain_of_weekday", "level_by_then", "emptied_of_weekday", "days_ahead", "weekday",
)  # fmt: skip


def watch(levels: DailyLevels, *, full: float = 0.8, emptying: float = 0.4) -> Watch:
    """Return what became of each reading: watching ends when it is seen full, emptied, or not seen for a day.

    A reading at `full` or above is not watched, nor one that the day after has no reading.

    Raises
    ------
    BadInput
        The columns differ in length.

    >>> watch(DailyLevels(np.zeros(4, int), np.arange(4), np.array([0.2, 0.6, 0.8, 0.0]))).duration_d.tolist()
    [2, 1, 0, 0]
    """
    if not len(levels.entity) == len(levels.day) == len(levels.level):
        raise BadInput("The columns differ in length.", "Give one value per reading.")
    n = len(levels.day)
    order = np.lexsort((np.arange(n), levels.day, levels.entity))
    entity, day, level = (column[order] for column in levels)
    # Of several readings in a day the last one stands for it; each of them is watched from where it is.
    is_last = np.r_[(entity[1:] != entity[:-1]) | (np.diff(day) != 0), np.ones(min(n, 1), np.bool_)]
    last = np.flatnonzero(is_last)
    one_entity, one_day, one_level = entity[last], day[last], level[last]
    follows = np.r_[(one_entity[1:] == one_entity[:-1]) & (np.diff(one_day) == 1), np.zeros(min(n, 1), np.bool_)]
    at = np.cumsum(is_last) - is_last
    before = level.copy()
    duration, event = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    open_ = level < full - _EPSILON
    for k in range(1, LONGEST_D + 1):
        open_ = open_ & follows[at]
        at = np.minimum(at + 1, len(last) - 1)
        now = one_level[at]
        reached = open_ & (now >= full - _EPSILON)
        event |= reached
        duration[reached] = k
        open_ &= ~reached & (now - before > -emptying + _EPSILON)
        duration[open_] = k
        before = now
    back = np.empty(n, np.int64)
    back[order] = np.arange(n)
    return Watch(duration[back], event[back])


class FillHistory:
    """The days of ``n`` containers so far; `observe` takes the readings of the next day.

    It keeps, with a slow and a fast fading memory, how often a watched level was full 1, 2, … days later, and slowly
    the same by the days since the last emptying; how fast the level rises from each band of levels and on each weekday;
    on which weekdays it is emptied; and the length of the last cycles. A container's own figures are shrunk towards the
    fleet's, so that a new one begins as the fleet is.

    Parameters
    ----------
    n
        Containers.
    full, emptying
        The level that counts as full, and a fall that counts as an emptying.
    """

    def __init__(self, n: int, *, full: float = 0.8, emptying: float = 0.4) -> None:
        self.full, self.emptying = full, emptying
        self._day: int | None = None
        memories = len(MEMORY_DAYS)
        self._recent = np.full((n, _KEPT), np.nan)
        self._watched = np.zeros((n, _KEPT), np.bool_)
        self._events = np.zeros((memories, n, LEVEL_BANDS, LONGEST_D))
        self._at_risk = np.zeros_like(self._events)
        self._gained = np.zeros((memories, n, LEVEL_BANDS))
        self._gained_d = np.zeros_like(self._gained)
        self._weekday_gain, self._weekday_d = np.zeros((n, 7)), np.zeros((n, 7))
        self._recent_aged = np.zeros((n, _KEPT), np.int64)
        self._aged_events = np.zeros((n, LEVEL_BANDS * _AGE_BANDS, LONGEST_D), np.float32)
        self._aged_at_risk = np.zeros_like(self._aged_events)
        self._weekday_emptied, self._weekday_seen = np.zeros((n, 7)), np.zeros((n, 7))
        self._falls, self._rises = np.zeros(n), np.zeros(n)
        self._emptyings, self._full_d, self._seen_d = np.zeros(n), np.zeros(n), np.zeros(n)
        self._same_d = np.zeros(n)
        never = np.full(n, np.nan)
        self._last, self._first_day, self._emptied_day, self._full_day, self._cycle_day = (
            never.copy() for _ in range(5)
        )
        self._cycle_is_full = np.zeros(n, np.bool_)
        self._cycle_d = np.full((n, _CYCLES), np.nan)
        self._fleet_day = np.full(3, np.nan)

    def observe(self, day: int, entity: Integers, level: Floats) -> Outlook:
        """Take the readings of `day` (one a container), which comes after every day before, and return what they say.

        Raises
        ------
        BadInput
            The day is not after the last one, or a container is named twice.
        """
        if self._day is not None and day <= self._day:
            raise BadInput(f"Day {day} does not follow day {self._day}.", "Give the days in order, each once.")
        if len(np.unique(entity)) != len(entity):
            raise BadInput("A container is named twice in one day.", "Give one reading a container and day.")
        step = 1 if self._day is None else day - self._day
        self._fade(step)
        self._day = day
        fleet = _Fleet.of(self)
        self._take(day, entity, level)
        return self._outlook(day, entity, level, fleet)

    def _fade(self, step_d: int) -> None:
        for memory, days in enumerate(MEMORY_DAYS):
            fading = np.exp(-step_d / days)
            for table in (self._events, self._at_risk, self._gained, self._gained_d):
                table[memory] *= fading
        slow = np.exp(-step_d / MEMORY_DAYS[0])
        for weekdays in (self._weekday_gain, self._weekday_d, self._weekday_emptied, self._weekday_seen):
            np.multiply(weekdays, slow, out=weekdays)
        for aged in (self._aged_events, self._aged_at_risk):
            np.multiply(aged, slow, out=aged)
        for column in (self._falls, self._rises, self._emptyings, self._full_d, self._seen_d):
            np.multiply(column, slow, out=column)
        moved = min(step_d, _KEPT)
        self._recent = np.roll(self._recent, moved, axis=1)
        self._recent[:, :moved] = np.nan
        self._recent_aged = np.roll(self._recent_aged, moved, axis=1)
        self._watched = np.roll(self._watched, moved, axis=1)
        self._watched[:, :moved] = False

    def _take(self, day: int, entity: Integers, level: Floats) -> None:
        """Take one reading of each container in `entity`; whose day before is missing is watched no longer."""
        before = self._recent[entity, 1]
        follows = np.isfinite(before)
        gain = level - before
        is_full = level >= self.full - _EPSILON
        fell = follows & (gain <= -self.emptying + _EPSILON)
        emptied = fell | (follows & (before >= self.full - _EPSILON) & (gain < -_EPSILON))
        with np.errstate(invalid="ignore"):
            emptied_unseen = ~follows & (level - self._last[entity] <= -self.emptying + _EPSILON)

        unseen = np.ones(len(self._last), np.bool_)
        unseen[entity] = ~follows
        self._watched[unseen, 1:] = False
        open_ = self._watched[entity, 1:] & ~(fell & ~is_full)[:, None]
        where, lag = np.nonzero(open_)
        band = self._band(self._recent[entity[where], lag + 1])
        reached = is_full[where]
        for memory in range(len(MEMORY_DAYS)):
            np.add.at(self._at_risk[memory], (entity[where], band, lag), 1.0)
            np.add.at(self._events[memory], (entity[where[reached]], band[reached], lag[reached]), 1.0)
        aged = self._recent_aged[entity[where], lag + 1]
        np.add.at(self._aged_at_risk, (entity[where], aged, lag), 1.0)
        np.add.at(self._aged_events, (entity[where[reached]], aged[reached], lag[reached]), 1.0)
        self._watched[entity, 1:] = open_ & ~is_full[:, None]
        self._watched[entity, 0] = ~is_full
        self._recent[entity, 0] = level

        rises = np.flatnonzero(follows & ~emptied & (before < self.full - _EPSILON))
        who, rise = entity[rises], gain[rises]
        here = self._band(before[rises])
        for memory in range(len(MEMORY_DAYS)):
            self._gained[memory, who, here] += rise
            self._gained_d[memory, who, here] += 1
        weekday = (day + 3) % 7
        self._weekday_gain[who, weekday] += rise
        self._weekday_d[who, weekday] += 1
        self._weekday_emptied[entity, weekday] += emptied
        self._weekday_seen[entity, weekday] += 1
        self._falls[who] += rise < -_SAME
        self._rises[who] += 1

        self._emptyings[entity] += emptied
        self._full_d[entity] += is_full
        self._seen_d[entity] += 1
        begins = emptied | emptied_unseen
        filled = entity[is_full & ~self._cycle_is_full[entity] & np.isfinite(self._cycle_day[entity])]
        self._cycle_d[filled, 1:] = self._cycle_d[filled, :-1]
        self._cycle_d[filled, 0] = day - self._cycle_day[filled]
        self._cycle_is_full[entity] |= is_full
        self._cycle_is_full[entity[begins]] = False
        self._cycle_day[entity[begins]] = self._emptied_day[entity[begins]] = day
        self._full_day[entity[is_full]] = day
        self._first_day[entity] = np.where(np.isnan(self._first_day[entity]), day, self._first_day[entity])
        self._same_d[entity] = np.where(follows & (np.abs(gain) < _SAME), self._same_d[entity] + 1, 0)
        self._last[entity] = level
        age_band = np.searchsorted(AGE_EDGES_D, self._age_d(day, entity), side="right")
        self._recent_aged[entity, 0] = self._band(level) * _AGE_BANDS + age_band
        self._fleet_day = np.array(
            [level.mean(), rise.mean() if len(rise) else 0.0, emptied.mean()] if len(level) else [np.nan] * 3
        )

    def _outlook(self, day: int, entity: Integers, level: Floats, fleet: "_Fleet") -> Outlook:
        e, n = entity, len(entity)
        recent = self._recent[e]
        here = self._band(np.minimum(level, self.full - 1e-6))
        age = self._age_d(day, e)
        rate, rate_here = np.empty((len(MEMORY_DAYS), n)), np.empty((len(MEMORY_DAYS), n))
        for m in range(len(MEMORY_DAYS)):
            gained, days = self._gained[m, e], self._gained_d[m, e]
            rate[m] = (gained.sum(1) + fleet.rate[m] * _PRIOR_DAYS) / (days.sum(1) + _PRIOR_DAYS)
            own, own_d = gained[np.arange(n), here], days[np.arange(n), here]
            rate_here[m] = (own + fleet.rate_by_band[m, here] * _PRIOR_DAYS) / (own_d + _PRIOR_DAYS)
        season = 2 * np.pi * day / 365.25
        room = self.full - level
        cycle = self._cycle_d[e]
        cycles = np.isfinite(cycle).sum(1)
        columns = {
            "level": level,
            "age_d": age,
            "age_is_known": np.isfinite(self._emptied_day[e]),
            "same_d": np.minimum(self._same_d[e], 30),
            **{f"gain_{lag}d": level - recent[:, lag] for lag in (1, 2, 3, 7)},
            "highest_7d": np.fmax.reduce(recent[:, :8], axis=1),
            "highest_14d": np.fmax.reduce(recent, axis=1),
            "mean_7d": _mean(recent[:, :8]),
            "mean_14d": _mean(recent),
            "rate_slow": rate[0],
            "rate_fast": rate[1],
            "rate_here_slow": rate_here[0],
            "rate_here_fast": rate_here[1],
            "fleet_rate_slow": np.full(n, fleet.rate[0]),
            "fleet_rate_fast": np.full(n, fleet.rate[1]),
            "rate_change": rate[1] / np.maximum(rate[0], 0.005),
            "falls": (self._falls[e] + 0.3) / (self._rises[e] + 3),
            "emptyings": self._emptyings[e] / np.maximum(self._seen_d[e], 1),
            "full_days": (self._full_d[e] + 0.5) / (self._seen_d[e] + 5),
            "since_full_d": np.where(np.isnan(self._full_day[e]), 99.0, day - self._full_day[e]),
            "last_cycle_d": cycle[:, 0],
            "mean_cycle_d": np.where(cycles, np.nansum(cycle, 1) / np.maximum(cycles, 1), np.nan),
            "known_d": np.minimum(day - self._first_day[e], 200),
            "fleet_level": np.full(n, fleet.day[0]),
            "fleet_gain": np.full(n, fleet.day[1]),
            "fleet_emptied": np.full(n, fleet.day[2]),
            "slope": level / np.maximum(age, 1),
            "days_of_room": room / np.maximum(rate[1], 0.01),
            "days_of_room_here": room / np.maximum(rate_here[0], 0.01),
            "season_sin": np.full(n, np.sin(season)),
            "season_cos": np.full(n, np.cos(season)),
        }
        now = np.column_stack([columns[name] for name in NOW]).astype(np.float32)
        return Outlook(now, self._ahead(day, e, level, here, fleet))

    def _ahead(self, day: int, e: Integers, level: Floats, here: Integers, fleet: "_Fleet") -> Singles:
        shape = (len(e), LONGEST_D)
        columns: dict[str, Floats] = {}
        for m, name in enumerate(("slow", "fast")):
            prior = fleet.hazard[m]
            events, at_risk = self._events[m, e], self._at_risk[m, e]
            own, own_risk = events[np.arange(len(e)), here], at_risk[np.arange(len(e)), here]
            columns[f"fleet_hazard_{name}"] = prior[here]
            columns[f"hazard_{name}"] = (own + _PRIOR_WATCHES * prior[here]) / (own_risk + _PRIOR_WATCHES)
            cases = (events.sum((1, 2)) + _PRIOR_CASES) / ((at_risk * prior).sum((1, 2)) + _PRIOR_CASES)
            cases_here = (own.sum(1) + _PRIOR_CASES) / ((own_risk * prior[here]).sum(1) + _PRIOR_CASES)
            columns[f"case_ratio_{name}"] = np.broadcast_to(cases[:, None], shape)
            columns[f"case_ratio_here_{name}"] = np.broadcast_to(cases_here[:, None], shape)
        weekday = (day + 3 + np.arange(1, LONGEST_D + 1)) % 7
        of_fleet = fleet.weekday_gain[weekday]
        gain = (self._weekday_gain[e][:, weekday] + _PRIOR_WEEKDAYS * of_fleet) / (
            self._weekday_d[e][:, weekday] + _PRIOR_WEEKDAYS
        )
        columns["gain_of_weekday"] = gain
        columns["emptied_of_weekday"] = (
            self._weekday_emptied[e][:, weekday] + _PRIOR_EMPTIED * fleet.weekday_emptied[weekday]
        ) / (self._weekday_seen[e][:, weekday] + _PRIOR_EMPTIED)
        aged = self._recent_aged[e, 0]
        prior_of_age = (columns["hazard_slow"] + fleet.hazard_of_age[aged]) / 2
        columns["fleet_hazard_of_age"] = fleet.hazard_of_age[aged]
        columns["hazard_of_age"] = (self._aged_events[e, aged] + _PRIOR_OF_AGE * prior_of_age) / (
            self._aged_at_risk[e, aged] + _PRIOR_OF_AGE
        )
        columns["fleet_gain_of_weekday"] = np.broadcast_to(of_fleet, shape)
        columns["level_by_then"] = level[:, None] + np.cumsum(gain, axis=1)
        columns["days_ahead"] = np.broadcast_to(np.arange(1.0, LONGEST_D + 1), shape)
        columns["weekday"] = np.broadcast_to(weekday.astype(np.float64), shape)
        return np.stack([columns[name] for name in AHEAD], axis=2).astype(np.float32)

    def _age_d(self, day: int, entity: Integers) -> Floats:
        """Return the days since the last emptying; half a day more than those it is known, if none was seen."""
        never = np.isnan(self._emptied_day[entity])
        known_d = np.minimum(day - self._first_day[entity], 60) + 0.5
        return np.asarray(np.where(never, known_d, day - self._emptied_day[entity]), np.float64)

    def _band(self, level: Floats) -> Integers:
        return np.clip((level / self.full * LEVEL_BANDS + _EPSILON).astype(np.int64), 0, LEVEL_BANDS - 1)


class _Fleet(NamedTuple):
    """The fleet by the end of the day before."""

    rate: Floats
    rate_by_band: Floats
    hazard: Floats
    hazard_of_age: Floats
    weekday_gain: Floats
    weekday_emptied: Floats
    day: Floats

    @classmethod
    def of(cls, history: FillHistory) -> "_Fleet":
        gained, days = history._gained.sum(1), history._gained_d.sum(1)
        rate = (gained.sum(1) + _FIRST_RATE) / (days.sum(1) + 1)
        by_band = (gained + rate[:, None] * _PRIOR_DAYS) / (days + _PRIOR_DAYS)
        hazard = (history._events.sum(1) + _FIRST_HAZARD) / (history._at_risk.sum(1) + 0.5)
        weekday = (history._weekday_gain.sum(0) + rate[0] * 10) / (history._weekday_d.sum(0) + 10)
        of_age = (history._aged_events.sum(0) + _PRIOR_CASES * np.repeat(hazard[0], _AGE_BANDS, axis=0)) / (
            history._aged_at_risk.sum(0) + _PRIOR_CASES
        )
        emptied = (history._weekday_emptied.sum(0) + 1) / (history._weekday_seen.sum(0) + 10)
        return cls(
            rate, by_band, np.minimum(hazard, 1.0), np.minimum(of_age, 1.0), weekday, emptied, history._fleet_day
        )


def outlooks(levels: DailyLevels, *, full: float = 0.8, emptying: float = 0.4) -> Outlook:
    """Return what is known at each reading, walking through the days once.

    Of several readings of a container in one day, each stands for that day until the next one comes.

    Raises
    ------
    BadInput
        The columns differ in length.
    """
    if not len(levels.entity) == len(levels.day) == len(levels.level):
        raise BadInput("The columns differ in length.", "Give one value per reading.")
    n = len(levels.day)
    known = Outlook(np.empty((n, len(NOW)), np.float32), np.empty((n, LONGEST_D, len(AHEAD)), np.float32))
    if not n:
        return known
    history = FillHistory(int(levels.entity.max(initial=-1)) + 1, full=full, emptying=emptying)
    order = np.argsort(levels.day, kind="stable")
    days, starts = np.unique(levels.day[order], return_index=True)
    for day, mine in zip(days, np.split(order, starts[1:]), strict=True):
        turn = _turn(levels.entity[mine])
        yesterday = copy.deepcopy(history) if turn.any() else history
        for k in range(int(turn.max()) + 1):
            these = mine[turn == k]
            until_then = copy.deepcopy(yesterday) if turn.any() else history
            seen = until_then.observe(int(day), levels.entity[these], levels.level[these])
            known.now[these], known.ahead[these] = seen
        if turn.any():
            _, from_end = np.unique(levels.entity[mine][::-1], return_index=True)
            final = mine[np.sort(len(mine) - 1 - from_end)]
            history.observe(int(day), levels.entity[final], levels.level[final])
    return known


def _turn(entity: Integers) -> Integers:
    """Return how many readings of the same container come before each."""
    order = np.argsort(entity, kind="stable")
    ordered = entity[order]
    first = np.searchsorted(ordered, ordered, side="left")
    turn = np.empty(len(entity), np.int64)
    turn[order] = np.arange(len(entity)) - first
    return turn


def _mean(values: Floats) -> Floats:
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0.0).sum(1) / np.maximum(known.sum(1), 1), np.float64)
