"""What a sensor looks like to the agent."""

from typing import Protocol

import msgspec

from city.readings import Quality, ReadingKind


class Measurement(msgspec.Struct, frozen=True):
    """What a driver measured: the values of a reading, without the time and the number that the agent adds.

    `interval_s` is the length that counts and ratios are over, 0 = a moment. A value that is `None` was looked for and
    is unknown.
    """

    values: dict[str, float | None]
    quality: Quality = "good"
    interval_s: int = 0
    place: str | None = None


class Driver(Protocol):
    """A sensor that is asked every `interval_s` city seconds.

    `kind` and `channel` are those of its readings.
    """

    @property
    def kind(self) -> ReadingKind:
        """What its readings are about."""
        ...

    @property
    def channel(self) -> str:
        """The channel of the device; the register says what it watches."""
        ...

    @property
    def interval_s(self) -> float:
        """City seconds between two samples."""
        ...

    def read(self, now_s: float) -> Measurement | None:
        """Return what is measured at `now_s` (city time, seconds since 1970); None if now is no time to measure."""
        ...
