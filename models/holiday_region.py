"""Whose public holidays a series keeps: told by the days on which it is not as usual."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import holidays
import numpy as np

from models.holidays import COUNTRY_OF_ZONE, country_of, local_hours, public_holidays
from models.rows import Floats, Integers

_EPOCH = date(1970, 1, 1)
_LEAST_WEEKS = 8
_LARGEST = 4.0
# Odds (as a logarithm) by which another region must explain the days better than the zone's own country.
_CLEARLY = 6.0
_SLIGHTLY = 2.0


def region_of_series(values: Floats, at_s: Floats, timezone: str) -> str:
    """Return the region (``NL``, ``DE-BE``) whose holidays on working days the values keep best.

    The time zone's country is taken unless another one on the same continent explains the unusual working days
    clearly better, and its subdivision where one does so slightly better: a zone holds many regions, and a wrong
    calendar teaches a wrong profile. With less than two months of data it is the zone's country.

    Parameters
    ----------
    values
        ``(hours, entities)``, of the past only; NaN = unknown.
    at_s
        ``(hours,)``, when each hour begins, s since 1970 UTC.
    """
    own = country_of(timezone)
    days, unusual = _unusual_working_days(values, local_hours(at_s, timezone))
    if len(days) < 5 * _LEAST_WEEKS:
        return own
    of_day = dict(zip(days.tolist(), unusual.tolist(), strict=True))
    years = range((_EPOCH + timedelta(days=int(days[0]))).year, (_EPOCH + timedelta(days=int(days[-1]))).year + 1)

    def gain(region: str) -> float:
        of_year = public_holidays(region)
        return _gain(of_day, (one for year in years for one in of_year(year)))

    continent = timezone.partition("/")[0]
    countries = sorted({code for zone, code in COUNTRY_OF_ZONE.items() if zone.startswith(f"{continent}/")} | {own})
    gains = {code: gain(code) for code in countries if code}
    if not gains:
        return own
    best = max(gains, key=lambda code: gains[code])
    if own and gains[best] < gains[own] + _CLEARLY:
        best = own
    regions = {f"{best}-{part}": gain(f"{best}-{part}") for part in _subdivisions(best)}
    if not regions:
        return best
    closest = max(regions, key=lambda code: regions[code])
    return closest if regions[closest] > gains[best] + _SLIGHTLY else best


def _unusual_working_days(values: Floats, local_h: Integers) -> tuple[Integers, Floats]:
    """Return working days (since 1970) and how far each is from the same weekday around it, in robust scales."""
    day = local_h // 24
    days, inverse = np.unique(day, return_inverse=True)
    total, hours = np.zeros((len(days), values.shape[1])), np.zeros((len(days), values.shape[1]))
    np.add.at(total, inverse, np.nan_to_num(values))
    np.add.at(hours, inverse, ~np.isnan(values))
    mean = np.where(hours >= 20, total / np.maximum(hours, 1), np.nan)
    mean = mean / np.maximum(np.nanmedian(np.where(np.isnan(mean).all(0), 1.0, mean), axis=0), 1e-9)
    known = ~np.isnan(mean)
    city = np.array([np.median(row[seen]) if seen.any() else np.nan for row, seen in zip(mean, known, strict=True)])
    difference = np.full(len(days), np.nan)
    place = {int(one): k for k, one in enumerate(days)}
    for k, one in enumerate(days.tolist()):
        around = [place[one + 7 * w] for w in (-3, -2, -1, 1, 2, 3) if one + 7 * w in place]
        near = city[around]
        near = near[~np.isnan(near)]
        if (one + 3) % 7 < 5 and len(near) >= 2:
            difference[k] = city[k] - np.median(near)
    working = ~np.isnan(difference)
    spread = 1.4826 * np.median(np.abs(difference[working])) if working.any() else 1.0
    return days[working], np.clip(difference[working] / max(float(spread), 1e-9), -2 * _LARGEST, 2 * _LARGEST)


def _gain(unusual: Mapping[int, float], free: Iterable[date]) -> float:
    """Return how much better (log likelihood) the days are explained when the `free` ones have a mean of their own."""
    of_free = [unusual[number] for one in free if (number := (one - _EPOCH).days) in unusual]
    if not of_free:
        return 0.0
    return len(of_free) * float(np.mean(of_free)) ** 2 / 2 - len(of_free)


def _subdivisions(country: str) -> tuple[str, ...]:
    return tuple(holidays.country_holidays(country).subdivisions)
