"""Counts as volumes per local hour or quarter of an hour: what every planner's figure is made of."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.rows import Booleans, Floats, Integers

DAY_S = 86_400
HOUR_S = 3600
QUARTER_S = 900
WORKDAYS = (0, 1, 2, 3, 4)
# Berlin's own rule for an hourly value, and the share of a healthy detector's hour that may be lost.
MIN_COVERAGE = 0.75


@dataclass(frozen=True, eq=False)
class Volumes:
    """Vehicles per bin of the local day, day by day; NaN = unknown, which is never zero.

    Parameters
    ----------
    first_day
        Days since 1970-01-01 of the first row, local calendar.
    volume
        ``(n_days, n_bins)``, vehicles in a bin, scaled up where only part of it (at least `MIN_COVERAGE`) was seen.
    excluded
        ``(n_days,)``, days that count as measured but are no ordinary days (public holidays).
    """

    first_day: int
    volume: Floats
    excluded: Booleans

    @property
    def n_days(self) -> int:
        """Days from the first to the last."""
        return len(self.volume)

    @property
    def bin_s(self) -> int:
        """Length of a bin, s."""
        return DAY_S // int(self.volume.shape[1])

    @cached_property
    def day(self) -> Integers:
        """``(n_days,)``, days since 1970-01-01, local calendar."""
        return self.first_day + np.arange(self.n_days)

    @cached_property
    def weekday(self) -> Integers:
        """``(n_days,)``, 0 = Monday."""
        return (self.day + 3) % 7

    @cached_property
    def month(self) -> Integers:
        """``(n_days,)``, 1..12."""
        return self.day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1

    @cached_property
    def week(self) -> Integers:
        """``(n_days,)``, number of the week, which begins on Monday."""
        return (self.day + 3) // 7

    @cached_property
    def is_workday(self) -> Booleans:
        """``(n_days,)``, Monday to Friday and no excluded day."""
        return (self.weekday < 5) & ~self.excluded

    @cached_property
    def day_volume(self) -> Floats:
        """``(n_days,)``, vehicles per day; NaN unless every bin of the day is known."""
        total: Floats = self.volume.sum(axis=1)
        return total

    @cached_property
    def whole_days(self) -> int:
        """Days of which every bin is known."""
        return int(np.isfinite(self.day_volume).sum())

    @property
    def completeness(self) -> float:
        """Share of the bins from the first to the last day that are known."""
        return float(np.isfinite(self.volume).mean()) if self.volume.size else 0.0

    def per_hour(self) -> "Volumes":
        """Return the same in hours; an hour is known where all its bins are."""
        bins = HOUR_S // self.bin_s
        return Volumes(self.first_day, self.volume.reshape(self.n_days, 24, bins).sum(axis=2), self.excluded)

    def of_days(self, first_day: int, last_day: int) -> "Volumes":
        """Return the days from `first_day` to `last_day`, both included; what lies outside is unknown."""
        n = max(0, last_day - first_day + 1)
        volume = np.full((n, self.volume.shape[1]), np.nan)
        excluded = np.zeros(n, bool)
        low, high = max(first_day, self.first_day), min(last_day, self.first_day + self.n_days - 1)
        if low <= high:
            there, here = (
                slice(low - self.first_day, high - self.first_day + 1),
                slice(low - first_day, high - first_day + 1),
            )
            volume[here], excluded[here] = self.volume[there], self.excluded[there]
        return Volumes(first_day, volume, excluded)


def volumes(
    local_start_s: npt.ArrayLike,
    count: npt.ArrayLike,
    interval_s: npt.ArrayLike,
    *,
    bin_s: int = HOUR_S,
    holidays: npt.ArrayLike = (),
    min_coverage: float = MIN_COVERAGE,
) -> Volumes:
    """Return counts per interval as volumes per bin.

    An interval across an edge is shared between the two bins. What is seen twice (the hour that the clock repeats in
    autumn, two rows of one interval) is averaged. Intervals longer than a bin say nothing about it and are left out.

    Parameters
    ----------
    local_start_s
        ``(n,)``, start of each interval, seconds since 1970-01-01 on the local clock.
    count
        ``(n,)``, vehicles in the interval; NaN = unknown.
    interval_s
        ``(n,)`` or one for all, s.
    bin_s
        Length of a bin; divides an hour.
    holidays
        Days since 1970-01-01 (local) that are no ordinary days.
    min_coverage
        Share of a bin below which it is unknown.

    Raises
    ------
    BadInput
        The arrays do not fit together, a count is negative, or a bin does not divide an hour.
    """
    start, counted = np.asarray(local_start_s, np.float64), np.asarray(count, np.float64)
    if start.ndim != 1 or start.shape != counted.shape:
        raise BadInput(
            f"{start.shape} times and {counted.shape} counts do not fit together.", "Give one count for each time."
        )
    if bin_s <= 0 or HOUR_S % bin_s:
        raise BadInput(f"A bin of {bin_s} s does not divide an hour.", "Use 3600, 900 or 300.")
    if (counted < 0).any():
        raise BadInput(f"A count is {np.nanmin(counted):g}.", "A count is never negative; unknown is NaN.")
    length = np.broadcast_to(np.asarray(interval_s, np.float64), start.shape)
    used = np.isfinite(start) & np.isfinite(counted) & (length > 0) & (length <= bin_s * 1.001)
    start, counted, length = _once(start[used], counted[used], np.minimum(length[used], bin_s))
    if not start.size:
        return Volumes(0, np.full((0, DAY_S // bin_s), np.nan), np.zeros(0, bool))
    first = np.floor(start / bin_s).astype(np.int64)
    share = np.clip(((first + 1) * bin_s - start) / length, 0.0, 1.0)
    first_day, last_day = int(first.min() * bin_s // DAY_S), int(np.ceil((start + length).max() / DAY_S)) - 1
    last_day = max(first_day, last_day)
    n, offset = (last_day - first_day + 1) * (DAY_S // bin_s), first_day * DAY_S // bin_s
    at = np.concatenate([first, first + 1]) - offset
    part = np.concatenate([share, 1.0 - share])
    inside = (part > 0) & (at < n)
    at, part = at[inside], part[inside]
    seen_s = np.bincount(at, part * np.tile(length, 2)[inside], n)
    total = np.bincount(at, part * np.tile(counted, 2)[inside], n)
    known = seen_s >= min_coverage * bin_s - 1e-6
    volume = np.where(known, total * bin_s / np.where(known, seen_s, 1.0), np.nan).reshape(-1, DAY_S // bin_s)
    special = np.isin(first_day + np.arange(len(volume)), np.asarray(holidays, np.int64).reshape(-1))
    return Volumes(first_day, volume, special)


def _once(start_s: Floats, counted: Floats, length_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Return every interval once, with the mean of what is counted in it: a second row of it has seen no more."""
    each, which, rows = np.unique(np.stack([start_s, length_s]), axis=1, return_inverse=True, return_counts=True)
    return each[0], np.bincount(which.reshape(-1), counted, len(rows)) / rows, each[1]
