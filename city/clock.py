"""Time as an argument: a clock is handed to whoever needs to know what time it is."""

import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from city.errors import BadInput


class Clock(Protocol):
    """What the product asks of a clock."""

    @property
    def speed_up(self) -> float:
        """City seconds that pass in one real second (1 outside a simulation)."""
        ...

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC in the city."""
        ...

    def real_s(self, city_s: float) -> float:
        """Real seconds that `city_s` seconds in the city take."""
        ...


class WallClock:
    """The city's time is the machine's time."""

    speed_up = 1.0

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return time.time()

    def real_s(self, city_s: float) -> float:
        """See `Clock.real_s`."""
        return city_s


class ScaledClock:
    """City time that begins at `start_s` when the machine's clock shows `epoch_s` and runs `speed_up` times as fast.

    Several processes that are given the same three numbers agree on the time.

    >>> clock = ScaledClock(start_s=1000.0, speed_up=60.0, epoch_s=0.0)
    >>> clock.real_s(120.0)
    2.0
    """

    def __init__(self, start_s: float, speed_up: float, epoch_s: float) -> None:
        if speed_up <= 0:
            raise BadInput(
                f"A speed-up of {speed_up} does not let time pass.", "Use a number above 0, for instance 60."
            )
        self.start_s = start_s
        self.speed_up = speed_up
        self.epoch_s = epoch_s

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return self.start_s + (time.time() - self.epoch_s) * self.speed_up

    def real_s(self, city_s: float) -> float:
        """See `Clock.real_s`."""
        return city_s / self.speed_up

    def spec(self) -> str:
        """Text that `parse_clock` turns into the same clock, for the command line of another process."""
        return f"{self.start_s!r},{self.speed_up!r},{self.epoch_s!r}"


class SteppedClock:
    """A clock that stands still until it is moved: for tests, and for playing history faster than any speed-up."""

    speed_up = 1.0

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return self._now_s

    def real_s(self, city_s: float) -> float:
        """See `Clock.real_s`."""
        return city_s

    def set(self, now_s: float) -> None:
        """Move the clock to `now_s`; it may move backwards, as a real one may."""
        self._now_s = now_s


def parse_clock(spec: str | None) -> Clock:
    """Return the clock that `ScaledClock.spec` described; none given is the wall clock."""
    if not spec:
        return WallClock()
    try:
        start_s, speed_up, epoch_s = (float(part) for part in spec.split(","))
    except ValueError:
        raise BadInput(f"{spec!r} is no clock.", "Give START_S,SPEED_UP,EPOCH_S, three numbers.") from None
    return ScaledClock(start_s, speed_up, epoch_s)


def utc(at_s: float) -> datetime:
    """Return `at_s` seconds since 1970 as an aware UTC datetime.

    >>> utc(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(at_s, UTC)


def local_midnight_s(at_s: float, timezone: tzinfo) -> float:
    """Return the start of the local day that `at_s` lies in, seconds since 1970.

    >>> from zoneinfo import ZoneInfo
    >>> local_midnight_s(7200, ZoneInfo("Europe/Amsterdam"))
    -3600.0
    """
    local = datetime.fromtimestamp(at_s, timezone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def local_hour(at_s: float, hour: float, timezone: tzinfo, days: int = 0) -> float:
    """Return when the local clock shows `hour` on the day that `at_s` lies in, or `days` later."""
    local = datetime.fromtimestamp(at_s, timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    day = local.replace(tzinfo=None) + timedelta(days=days, hours=hour)
    return day.replace(tzinfo=timezone).timestamp()


def hours_from_s(at_s: float, timezone: tzinfo) -> float:
    """Return from when the hours of shifts, sites and inner cities count on the local day that `at_s` lies in.

    It is midnight, but on the two days a year on which the clocks change in the night: the hours of the day are those
    that the clock shows.

    >>> from zoneinfo import ZoneInfo
    >>> hours_from_s(parse_time("2026-03-29T10:00:00+02:00"), ZoneInfo("Europe/Amsterdam")) + 7 * 3600 == parse_time(
    ...     "2026-03-29T07:00:00+02:00"
    ... )
    True
    """
    return local_hour(at_s, 12.0, timezone) - 12 * 3600.0


def parse_time(text: str) -> float:
    """Return ISO 8601 text with an offset as seconds since 1970.

    Raises
    ------
    BadInput
        The text is no time, or has no offset (a naive time is a guess).

    >>> parse_time("1970-01-01T01:00:00+01:00")
    0.0
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no time.", "Use ISO 8601 with an offset, such as 2026-03-02T06:00:00Z.") from None
    if at.tzinfo is None:
        raise BadInput(f"{text!r} has no offset from UTC.", f"Write {text}Z, or {text}+01:00.")
    return at.timestamp()
