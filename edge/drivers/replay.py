"""A sensor that plays a file back: a city's own history, or a bench without sensors."""

import csv
import math
import os
from bisect import bisect_right
from pathlib import Path
from typing import Self

from city.clock import parse_time
from city.errors import BadFile, BadInput
from city.readings import ReadingKind
from edge.driver import Measurement


class ReplayDriver:
    """Says at each moment what the file says for it.

    Parameters
    ----------
    channel, kind
        Of its readings.
    quantity
        What the values are (`city.quantities`).
    times_s, values
        Rising times (seconds since 1970) and what was measured then; None = unknown.
    interval_s
        City seconds between two readings, and how long a value holds when no other follows.
    """

    def __init__(
        self,
        channel: str,
        kind: ReadingKind,
        quantity: str,
        times_s: list[float],
        values: list[float | None],
        interval_s: float,
    ) -> None:
        self.channel = channel
        self.kind: ReadingKind = kind
        self.interval_s = interval_s
        self._quantity = quantity
        self._times_s = times_s
        self._values = values

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], channel: str, kind: ReadingKind, quantity: str, interval_s: float
    ) -> Self:
        """Read a CSV file with the columns ``time,value``: ISO 8601 with an offset, and a number or nothing.

        Raises
        ------
        BadFile
            It cannot be read, or a line of it cannot; file and line are said.
        """
        name = os.fspath(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(f"The file cannot be read: {error}.", "Name a CSV file.", file=name) from None
        times_s: list[float] = []
        values: list[float | None] = []
        rows = csv.reader(text.splitlines())
        if next(rows, None) != ["time", "value"]:
            raise BadFile("The first line is not 'time,value'.", "Name the columns so.", file=name, line=1)
        for line, row in enumerate(rows, 2):
            try:
                at, value = row
                times_s.append(parse_time(at))
                values.append(_number(value))
            except (ValueError, OverflowError) as error:
                raise BadFile(
                    f"{','.join(row)!r} is no time and value ({error}).",
                    "Write for instance 2026-03-02T06:00:00Z,0.4",
                    file=name,
                    line=line,
                    field="time,value",
                ) from None
            if len(times_s) > 1 and times_s[-1] <= times_s[-2]:
                raise BadFile("The time does not rise.", "Sort the lines by time.", file=name, line=line, field="time")
        return cls(channel, kind, quantity, times_s, values, interval_s)

    def read(self, now_s: float) -> Measurement | None:
        """Return the latest value that is not older than an interval; None where the file has nothing."""
        at = bisect_right(self._times_s, now_s) - 1
        if at < 0 or now_s - self._times_s[at] >= self.interval_s:
            return None
        interval_s = int(self.interval_s) if self.kind == "traffic" else 0
        return Measurement({self._quantity: self._values[at]}, interval_s=interval_s)


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    value = float(text)
    if not math.isfinite(value):
        raise BadInput(f"{text!r} is not finite.")
    return value
