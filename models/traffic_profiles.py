"""The usual day and the usual week of a place, with how much days differ."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from models.figures import Refusal
from models.rows import Floats, Integers
from models.traffic_volumes import Volumes

# From fewer days than this a spread would be invented.
MIN_DAYS = 3
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Profile(NamedTuple):
    """What is usual, per kind of moment; NaN where too few days were measured.

    Parameters
    ----------
    median, low, high
        ``(k, n_bins)`` (hours) or ``(k,)`` (days): median, 10th and 90th percentile, vehicles.
    days
        Of the same shape, on how many days each rests.
    """

    median: Floats
    low: Floats
    high: Floats
    days: Integers


class DayOfWeek(NamedTuple):
    """Mean volume per day of the week ``(7,)`` with the interval of the mean (95 %); NaN where it is unknown."""

    mean: Floats
    low: Floats
    high: Floats
    days: Integers


def hour_of_week(table: Volumes) -> Profile | Refusal:
    """Return the profile per day of the week and bin, ``(7, n_bins)``; public holidays are left out.

    Refused where no day of the week was measured on `MIN_DAYS` days.
    """
    return _profile(table, table.weekday, 7, "hour-of-week profile")


def workday_and_weekend(table: Volumes) -> Profile | Refusal:
    """Return the profile of workdays and of weekend days, ``(2, n_bins)``; public holidays are left out."""
    return _profile(table, (table.weekday >= 5).astype(np.int64), 2, "profile of the day")


def day_of_week(table: Volumes) -> DayOfWeek | Refusal:
    """Return the mean volume per day of the week, from whole days; public holidays are left out."""
    known = np.isfinite(table.day_volume) & ~table.excluded
    days = np.bincount(table.weekday[known], minlength=7)
    if days.max(initial=0) < MIN_DAYS:
        return Refusal("profile of the week", "whole days of one day of the week", int(days.max(initial=0)), MIN_DAYS)
    mean, half = np.full(7, np.nan), np.full(7, np.nan)
    for weekday in np.flatnonzero(days >= MIN_DAYS):
        values = table.day_volume[known & (table.weekday == weekday)]
        mean[weekday] = values.mean()
        half[weekday] = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return DayOfWeek(mean, mean - half, mean + half, days)


def weekday_name(weekday: int) -> str:
    """Return the name of a day of the week, 0 = Monday."""
    return _NAMES[weekday]


def _profile(table: Volumes, kind: Integers, kinds: int, name: str) -> Profile | Refusal:
    bins = table.volume.shape[1]
    median, low, high = (np.full((kinds, bins), np.nan) for _ in range(3))
    days = np.zeros((kinds, bins), np.int64)
    for one in range(kinds):
        rows = table.volume[(kind == one) & ~table.excluded]
        days[one] = np.isfinite(rows).sum(axis=0)
        enough = days[one] >= MIN_DAYS
        if enough.any():
            low[one, enough], median[one, enough], high[one, enough] = np.nanpercentile(
                rows[:, enough], (10, 50, 90), axis=0
            )
    if not np.isfinite(median).any():
        return Refusal(name, "days of one kind with the same hour measured", int(days.max(initial=0)), MIN_DAYS)
    return Profile(median, low, high, days)
