"""What is usual at an hour of the week: learnt hour by hour for many entities, shrunken where little is known."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats, Integers

HOURS = 24
SLOTS = 168
CLASSES = 3
# Before a deviation is known it is taken to be this share of the level, with the weight of so many values.
_FIRST_SCALE_RATIO = 0.3
_FIRST_SCALE_WEIGHT = 3.0
_LEVEL_HOURS = 336


@dataclass(frozen=True)
class RollingProfileParameters:
    """Numbers of the profile.

    Parameters
    ----------
    learns
        Share by which an hour of the week moves towards a new value, once it has seen some.
    class_learns
        The same for an hour of a class of days (working day, Saturday, Sunday), which sees up to five a week.
    shrinks
        So many values weigh as much as what the class of days says.
    outlier_scales
        A value further than so many scales from what is usual counts as that far.
    scale_learns
        Share by which the scale (mean absolute deviation at an hour of a class of days) moves.
    """

    learns: float = 0.25
    class_learns: float = 0.15
    shrinks: float = 0.7
    outlier_scales: float = 3.0
    scale_learns: float = 0.05

    def __post_init__(self) -> None:
        check_finite_and_positive(self)


class Profile(NamedTuple):
    """What was usual at every hour, ``(hours, entities)``: the value and the mean absolute deviation; NaN = unknown."""

    value: Floats
    scale: Floats


def rolling_profile(
    values: Floats, slot: Integers, delay_h: int, parameters: RollingProfileParameters | None = None
) -> Profile:
    """Return what was usual at every hour, from the values up to `delay_h` hours before it.

    Parameters
    ----------
    values
        ``(hours, entities)``; NaN = unknown.
    slot
        ``(hours,)``, the hour of the week of each.
    delay_h
        At least as long as the longest forecast that is to use the profile.
    """
    p = parameters or RollingProfileParameters()
    hours, n = values.shape
    day, hour = np.divmod(slot, HOURS)
    of_class = np.where(day < 5, 0, day - 4) * HOURS + hour
    week, week_n = np.zeros((SLOTS, n)), np.zeros((SLOTS, n))
    days, days_n = np.zeros((CLASSES * HOURS, n)), np.zeros((CLASSES * HOURS, n))
    deviation, deviation_n = np.zeros((CLASSES * HOURS, n)), np.zeros((CLASSES * HOURS, n))
    level, level_n = np.zeros(n), np.zeros(n)
    usual, scale = np.full((hours, n), np.nan), np.full((hours, n), np.nan)

    def read(w: int, d: int) -> Floats:
        of_days = np.where(days_n[d] > 0, days[d], np.where(level_n > 0, level, np.nan))
        guess: Floats = (week_n[w] * week[w] + p.shrinks * of_days) / (week_n[w] + p.shrinks)
        return guess

    def spread(d: int) -> Floats:
        broad = _FIRST_SCALE_RATIO * np.abs(level) + 1e-6
        told: Floats = (deviation_n[d] * deviation[d] + _FIRST_SCALE_WEIGHT * broad) / (
            deviation_n[d] + _FIRST_SCALE_WEIGHT
        )
        return told

    for s in range(hours):
        t = s - delay_h
        if t >= 0 and not np.isnan(values[t]).all():
            w, d, now = int(slot[t]), int(of_class[t]), values[t]
            seen = ~np.isnan(now)
            before = read(w, d)
            error = np.where(np.isnan(before), 0.0, now - before)
            far = np.where(deviation_n[d] >= _FIRST_SCALE_WEIGHT, p.outlier_scales * spread(d), np.inf)
            kept = np.where(np.isnan(before), now, before + np.clip(error, -far, far))
            for table, count, k, learns in ((week, week_n, w, p.learns), (days, days_n, d, p.class_learns)):
                count[k] += seen
                _towards(table[k], kept, np.maximum(1.0 / np.maximum(count[k], 1), learns), seen)
            deviation_n[d] += seen
            step = np.maximum(1.0 / np.maximum(deviation_n[d], 1), p.scale_learns)
            _towards(deviation[d], np.minimum(np.abs(error), 2 * far), step, seen)
            level_n += seen
            _towards(level, now, np.maximum(1.0 / np.maximum(level_n, 1), 1 / _LEVEL_HOURS), seen)
        w, d = int(slot[s]), int(of_class[s])
        usual[s] = read(w, d)
        scale[s] = np.where(level_n > 0, spread(d), np.nan)
    return Profile(usual, scale)


def _towards(table: Floats, new: Floats, step: Floats, seen: Booleans) -> None:
    table += np.where(seen, step * (new - table), 0.0)
