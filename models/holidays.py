"""Which days are not as other days of the week: public holidays, the days between, school holidays."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.rows import Floats, Integers

HOUR_S = 3600.0
SUNDAY = 6
HOURS_OF_WEEK = 168

# One country per zone; a zone that several share (most of the "backward" links) is named for the largest of them.
COUNTRY_OF_ZONE: Mapping[str, str] = {
    "Europe/Amsterdam": "NL",
    "Europe/Andorra": "AD",
    "Europe/Athens": "GR",
    "Europe/Belgrade": "RS",
    "Europe/Berlin": "DE",
    "Europe/Bratislava": "SK",
    "Europe/Brussels": "BE",
    "Europe/Bucharest": "RO",
    "Europe/Budapest": "HU",
    "Europe/Copenhagen": "DK",
    "Europe/Dublin": "IE",
    "Europe/Helsinki": "FI",
    "Europe/Istanbul": "TR",
    "Europe/Kyiv": "UA",
    "Europe/Lisbon": "PT",
    "Europe/Ljubljana": "SI",
    "Europe/London": "GB",
    "Europe/Luxembourg": "LU",
    "Europe/Madrid": "ES",
    "Europe/Malta": "MT",
    "Europe/Oslo": "NO",
    "Europe/Paris": "FR",
    "Europe/Prague": "CZ",
    "Europe/Riga": "LV",
    "Europe/Rome": "IT",
    "Europe/Sofia": "BG",
    "Europe/Stockholm": "SE",
    "Europe/Tallinn": "EE",
    "Europe/Vaduz": "LI",
    "Europe/Vienna": "AT",
    "Europe/Vilnius": "LT",
    "Europe/Warsaw": "PL",
    "Europe/Zagreb": "HR",
    "Europe/Zurich": "CH",
    "Atlantic/Reykjavik": "IS",
    "America/Chicago": "US",
    "America/Denver": "US",
    "America/Detroit": "US",
    "America/Los_Angeles": "US",
    "America/New_York": "US",
    "America/Phoenix": "US",
    "America/Toronto": "CA",
    "America/Vancouver": "CA",
    "America/Sao_Paulo": "BR",
    "Asia/Hong_Kong": "HK",
    "Asia/Seoul": "KR",
    "Asia/Shanghai": "CN",
    "Asia/Singapore": "SG",
    "Asia/Taipei": "TW",
    "Asia/Tokyo": "JP",
    "Australia/Brisbane": "AU",
    "Australia/Melbourne": "AU",
    "Australia/Sydney": "AU",
    "Pacific/Auckland": "NZ",
}


@dataclass(frozen=True)
class DayKinds:
    """What each hour of a series falls on, in local time; ``(n,)`` arrays, one per hour.

    Parameters
    ----------
    weekday, hour
        int64; Monday = 0, and the hour of the local day.
    slot
        int64; the hour of the week that is used for the profile: a public holiday is a Sunday.
    is_holiday, is_bridge, is_eve, is_after, is_year_end, is_school_holiday
        float64, 0 or 1. A bridge is a working day with a holiday on one side and a free day on the other; an eve and a
        day after are beside a holiday; the year's end is 24 December to 1 January.
    days_from_holiday
        float64; to the nearest public holiday on Monday to Friday, -7..7, negative = it is still to come.
    """

    weekday: Integers
    hour: Integers
    slot: Integers
    is_holiday: Floats
    is_bridge: Floats
    is_eve: Floats
    is_after: Floats
    is_year_end: Floats
    is_school_holiday: Floats
    days_from_holiday: Floats


def country_of(timezone: str) -> str:
    """Return the code of the country that a time zone is named for, empty where none is known.

    >>> country_of("Europe/Amsterdam"), country_of("UTC")
    ('NL', '')
    """
    return COUNTRY_OF_ZONE.get(timezone, "")


def zone_of(timezone: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises
    ------
    BadInput
        There is none of that name.
    """
    try:
        return ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise BadInput(
            f"{timezone!r} is no time zone.", "Give a name of the IANA database, such as Europe/Amsterdam."
        ) from None


def public_holidays(region: str) -> Callable[[int], frozenset[date]]:
    """Return a function from a year to the public holidays of `region`: a country, or country-subdivision.

    Raises
    ------
    BadInput
        The library of holidays knows no such country or subdivision.

    >>> date(2024, 4, 1) in public_holidays("DE-BE")(2024)
    True
    """
    country, _, subdivision = region.partition("-")
    country = country.upper()
    if not country:
        return lambda year: frozenset()

    known = holidays.list_supported_countries()
    if country not in known or (subdivision and subdivision not in known[country]):
        raise BadInput(
            f"No public holidays are known for {region!r}.",
            "Give an ISO 3166 code such as NL, DE or DE-BE, or 'none'.",
        )
    return lambda year: _of_year(country, subdivision, year)


def local_hours(at_s: Floats, timezone: str) -> npt.NDArray[np.int64]:
    """Return the local time of moments as hours since 1970-01-01 00:00 of the local calendar, ``(n,)``, int64."""
    zone = zone_of(timezone)
    if not len(at_s):
        return np.zeros(0, np.int64)
    # The offset changes seldom: it is looked up once a UTC day, and hour by hour only on the days on which it does.
    day = np.floor(at_s / 86_400.0).astype(np.int64)
    days, inverse = np.unique(day, return_inverse=True)
    edges = np.array([_offset_s(float(one) * 86_400.0, zone) for one in [*days, days[-1] + 1]])
    next_day = np.array([_offset_s(float(one + 1) * 86_400.0, zone) for one in days])
    offset = edges[:-1][inverse].astype(np.float64)
    changes = (edges[:-1] != next_day)[inverse]
    for k in np.flatnonzero(changes):
        offset[k] = _offset_s(float(at_s[k]), zone)
    return np.floor((at_s + offset) / HOUR_S).astype(np.int64)


def day_kinds(
    at_s: Floats,
    timezone: str,
    region: str | None = None,
    school_holidays: Iterable[date] = (),
) -> DayKinds:
    """Return what the hours that begin at `at_s` fall on.

    Parameters
    ----------
    at_s
        ``(n,)``, s since 1970 UTC.
    timezone
        IANA name of the local time.
    region
        Country or country-subdivision of the public holidays; None = the time zone's country, empty = none.
    school_holidays
        Local days without school.

    Raises
    ------
    BadInput
        The time zone or the region is unknown.
    """
    of_year = public_holidays(country_of(timezone) if region is None else region)
    local = local_hours(at_s, timezone)
    day, hour = np.divmod(local, 24)
    days, inverse = np.unique(day, return_inverse=True)
    weekday = (days + 3) % 7
    school = {(one - date(1970, 1, 1)).days for one in school_holidays}
    free: dict[int, bool] = {}

    def is_free(number: int) -> bool:
        if number not in free:
            one = date(1970, 1, 1) + timedelta(days=number)
            free[number] = one in of_year_cached(one.year)
        return free[number]

    years: dict[int, frozenset[date]] = {}

    def of_year_cached(year: int) -> frozenset[date]:
        if year not in years:
            years[year] = of_year(year)
        return years[year]

    def no_work(number: int) -> bool:
        return is_free(number) or (number + 3) % 7 >= 5

    columns = np.zeros((7, len(days)))
    for k, number in enumerate(days.tolist()):
        one = date(1970, 1, 1) + timedelta(days=number)
        holiday = is_free(number)
        before, after = is_free(number - 1), is_free(number + 1)
        working = not no_work(number)
        bridge = working and (before or after) and no_work(number - 1) and no_work(number + 1)
        year_end = (one.month, one.day) >= (12, 24) or (one.month, one.day) == (1, 1)
        near = [d for d in range(-7, 8) if is_free(number - d) and (number - d + 3) % 7 < 5]
        nearest = min(near, key=abs, default=8 if not holiday else 0)
        columns[:, k] = holiday, bridge, after, before, year_end, number in school, nearest
    slot_day = np.where(columns[0] > 0, SUNDAY, weekday)
    return DayKinds(
        weekday[inverse],
        hour,
        (slot_day[inverse] * 24 + hour).astype(np.int64),
        *(column[inverse] for column in columns),
    )


@lru_cache(maxsize=4096)
def _of_year(country: str, subdivision: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=[year]))


def _offset_s(at_s: float, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0
