"""The peak hour and its factor, and the K and D factors of a road's design hour."""

import numpy as np
from scipy.stats import binom
from scipy.stats import t as student

from models.figures import Answer, Figure, Refusal
from models.rows import Floats
from models.traffic_volumes import HOUR_S, QUARTER_S, Volumes

_MIN_PEAK_DAYS = 3
_MIN_YEAR_HOURS = 0.75 * 8760
_YEAR_DAYS = 365


def peak_hour(quarters: Volumes, *, from_hour: float = 0.0, until_hour: float = 24.0) -> tuple[Answer, float | None]:
    """Return the volume of the usual peak hour of workdays, and at which hour of the day it begins.

    It is the hour, beginning at any bin, that has the largest mean over workdays. With hourly counts it can only begin
    at a whole hour, and is then a little too low.
    """
    found = _peak(quarters, from_hour, until_hour)
    if isinstance(found, int):
        return Refusal("peak hour", "workdays with the hours in question measured", found, _MIN_PEAK_DAYS), None
    start, hourly, _ = found
    begins = start * quarters.bin_s / HOUR_S
    value, low, high = _mean_interval(hourly)
    ends = begins + 1.0
    return Figure(
        "peak hour",
        value,
        "vehicles/h",
        low,
        high,
        quarters.completeness,
        f"{len(hourly)} workdays, {_clock(begins)} to {_clock(ends)}",
        "mean of workdays of the 60 minutes that carry most",
        notes=() if quarters.bin_s <= QUARTER_S else ("Counts are hourly: the peak cannot begin within an hour.",),
    ), begins


def peak_hour_factor(quarters: Volumes, *, from_hour: float = 0.0, until_hour: float = 24.0) -> Answer:
    """Return PHF = V / (4 V15) of the usual peak hour, the mean of the workdays'.

    References
    ----------
    Highway Capacity Manual 2000, ch. 7 (eq. 7-2): hourly volume / (4 * peak volume of 15 minutes within the hour).
    """
    if quarters.bin_s != QUARTER_S:
        return Refusal(
            "peak hour factor", "counts per quarter of an hour", 0, 4, "Hourly counts do not show the peak within."
        )
    found = _peak(quarters, from_hour, until_hour)
    if isinstance(found, int):
        return Refusal("peak hour factor", "workdays with the hours in question measured", found, _MIN_PEAK_DAYS)
    start, hourly, fifteen = found
    busy = hourly > 0
    if busy.sum() < _MIN_PEAK_DAYS:
        return Refusal("peak hour factor", "workdays with traffic in the peak hour", int(busy.sum()), _MIN_PEAK_DAYS)
    value, low, high = _mean_interval(hourly[busy] / (4.0 * fifteen[busy].max(axis=1)))
    begins = start / 4.0
    return Figure(
        "peak hour factor",
        value,
        "",
        max(0.25, low),
        min(1.0, high),
        quarters.completeness,
        f"{int(busy.sum())} workdays, {_clock(begins)} to {_clock(begins + 1)}",
        "V / (4 V15) of each workday, their mean",
    )


def k_factor(hours: Volumes, rank: int = 30) -> Answer:
    """Return K: the `rank`-th highest hourly volume of a year / AADT of the same days.

    Where hours are missing, the rank is taken as a share of them, and the interval says how far the true hour can
    be from the one that was seen: of the `rank` highest hours a binomial number was measured.

    References
    ----------
    AASHTO, A Policy on Geometric Design of Highways and Streets: design hourly volume = 30th highest hour; FHWA,
    Traffic Monitoring Guide, 2022: K = DHV / AADT.
    """
    hours = hours.per_hour()
    name = f"K{rank}"
    known = hours.volume[np.isfinite(hours.volume)]
    if hours.n_days < _YEAR_DAYS or len(known) < _MIN_YEAR_HOURS:
        return Refusal(name, "hours of a whole year", len(known), _MIN_YEAR_HOURS)
    seen = int(np.isfinite(hours.volume).any(axis=0).sum())
    if seen < 24:
        return Refusal(name, "hours of the day that were ever measured", seen, 24)
    average = float(np.nanmean(hours.volume, axis=0).sum())
    if average <= 0:
        return Refusal(name, "vehicles", 0, 1)
    share = min(1.0, len(known) / (hours.n_days * 24))
    descending = np.sort(known)[::-1]
    per_year = _YEAR_DAYS / hours.n_days
    at = max(1, round(rank * share / per_year))
    value = descending[at - 1] / average
    low, high = value, value
    if share < 1:
        few, many = (max(1, int(binom.ppf(q, rank, share) / per_year)) for q in (0.025, 0.975))
        low, high = descending[many - 1] / average, descending[few - 1] / average
    return Figure(
        name,
        float(value),
        "",
        float(low),
        float(high),
        hours.completeness,
        f"{len(known):,} hours of {hours.n_days} days",
        f"{rank}th highest hour of the year / average daily traffic",
    )


def d_factor(one_way: Volumes, other_way: Volumes, *, rank: int = 30) -> Answer:
    """Return D: the share of the busier direction in the design hour, or, with less than a year, in the peak hour.

    Parameters
    ----------
    one_way, other_way
        The two directions of one road.
    rank
        The design hour is the `rank`-th highest of both together; D is the mean of the 21 hours about it.

    References
    ----------
    FHWA, Traffic Monitoring Guide, 2022: D = volume of the peak direction in the design hour / both directions.
    """
    one, other = one_way.per_hour(), other_way.per_hour()
    first = min(one.first_day, other.first_day) if one.n_days and other.n_days else 0
    last = max(one.first_day + one.n_days, other.first_day + other.n_days) - 1
    one, other = one.of_days(first, last), other.of_days(first, last)
    both = Volumes(first, one.volume + other.volume, one.excluded | other.excluded)
    known = np.isfinite(both.volume)
    if both.n_days >= _YEAR_DAYS and known.sum() >= _MIN_YEAR_HOURS:
        order = np.argsort(np.where(known, both.volume, -1.0), axis=None)[::-1]
        near = order[max(0, rank - 11) : rank + 10]
        a, total = one.volume.ravel()[near], both.volume.ravel()[near]
        basis, method = f"the 21 hours about the {rank}th highest of the year", "busier direction / both"
    else:
        found = _peak(both, 0.0, 24.0)
        if isinstance(found, int):
            return Refusal("D", "workdays with both directions measured in the peak hour", found, _MIN_PEAK_DAYS)
        days = both.is_workday & np.isfinite(both.volume[:, found[0]])
        a, total = one.volume[days, found[0]], both.volume[days, found[0]]
        basis, method = f"{len(a)} workdays, {_clock(found[0])} to {_clock(found[0] + 1)}", "busier direction / both"
    shares = a[total > 0] / total[total > 0]
    if len(shares) < _MIN_PEAK_DAYS:
        return Refusal("D", "hours with traffic", len(shares), _MIN_PEAK_DAYS)
    value, low, high = _mean_interval(shares)
    if value < 0.5:
        value, low, high = 1 - value, 1 - high, 1 - low
    return Figure("D", value, "", max(0.5, low), min(1.0, high), both.completeness, basis, method)


def _peak(table: Volumes, from_hour: float, until_hour: float) -> tuple[int, Floats, Floats] | int:
    """Return first bin, volume of each workday and its bins, or the number of workdays if they are too few."""
    bins = HOUR_S // table.bin_s
    days = table.volume[table.is_workday]
    windows = np.lib.stride_tricks.sliding_window_view(days, bins, axis=1) if len(days) else np.empty((0, 1, bins))
    volume = windows.sum(axis=2)
    n = np.isfinite(volume).sum(axis=0)
    begins = np.arange(volume.shape[1]) * table.bin_s / HOUR_S
    usable = (n >= _MIN_PEAK_DAYS) & (begins >= from_hour) & (begins <= until_hour - 1)
    if not usable.any() or n.max() < _MIN_PEAK_DAYS:
        return int(n.max()) if n.size else 0
    # Hours that only few of the days have would win by chance.
    usable &= n >= n[usable].max() / 2
    mean = np.where(usable, np.nansum(volume, axis=0) / np.maximum(n, 1), -1.0)
    start = int(mean.argmax())
    known = np.isfinite(volume[:, start])
    return start, volume[known, start], windows[known, start]


def _mean_interval(values: Floats) -> tuple[float, float, float]:
    mean, n = float(values.mean()), len(values)
    half = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return mean, mean - half, mean + half


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"
