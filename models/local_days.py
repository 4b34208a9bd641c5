"""Which local hour it is and which kind of day: people live by the clock on the wall."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from city.errors import BadInput
from models.holidays import country_of, public_holidays
from models.rows import Floats, Integers

DAY_S = 86_400.0
# Offsets from UTC change at whole quarters of an hour only.
_QUARTER_S = 900.0
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# No clock is asked: a replay of the past knows the same days.
_YEARS = range(2000, 2061)


class LocalDays:
    """The local clock of one time zone.

    Parameters
    ----------
    timezone
        IANA name.
    holidays
        Days on which traffic is as on a Sunday.

    Raises
    ------
    BadInput
        There is no such time zone.

    >>> LocalDays("Europe/Amsterdam").of(np.array([1_780_000_000.0]))
    (array([0]), array([22.44444444]))
    """

    def __init__(self, timezone: str = "UTC", holidays: Iterable[date] = ()) -> None:
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise BadInput(f"There is no time zone {timezone!r}.", "Give an IANA name, as Europe/Amsterdam.") from None
        self._holidays = np.array(sorted(one.toordinal() - _EPOCH_ORDINAL for one in holidays), np.int64)

    @classmethod
    def of_country(cls, timezone: str) -> "LocalDays":
        """Return the clock of a time zone with the public holidays, 2000 to 2060, of the country it is named for.

        >>> LocalDays.of_country("Europe/Amsterdam").of(np.array([1_777_280_400.0]))
        (array([1]), array([11.]))
        """
        of_year = public_holidays(country_of(timezone))
        return cls(timezone, [day for year in _YEARS for day in of_year(year)])

    def of(self, at_s: Floats) -> tuple[Integers, Floats]:
        """Return the kind of day, 0 working day or 1 weekend and holiday, and the local hour 0..24, ``(n,)`` each."""
        quarters, which = np.unique(np.floor(at_s / _QUARTER_S), return_inverse=True)
        offsets = np.array([_offset_s(self._zone, float(one)) for one in quarters], np.float64)
        local_s = at_s + offsets[which.reshape(at_s.shape)] if len(quarters) else at_s
        day = np.floor(local_s / DAY_S).astype(np.int64)
        # 1970-01-01 was a Thursday.
        free = ((day + 3) % 7 >= 5) | np.isin(day, self._holidays)
        return free.astype(np.int64), (local_s - day * DAY_S) / 3600.0


@lru_cache(maxsize=4096)
def _offset_s(zone: ZoneInfo, quarter: float) -> float:
    offset = datetime.fromtimestamp(quarter * _QUARTER_S, zone).utcoffset()
    return offset.total_seconds() if offset else 0.0
