"""The wind that is expected, from a file that somebody else keeps up to date; what is not known forbids nothing."""

import csv
import io
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from city.clock import parse_time, utc
from city.errors import BadInput
from routing.windows import STRONGEST_WIND_BEAUFORT, too_windy
from service.sentences import clock_text

logger = logging.getLogger(__name__)

HOUR_S = 3600.0
_STRONGEST = 17.0
_FIX = "Write a header time,beaufort and a row for each hour, such as 2026-03-02T13:00:00+01:00,7."
# A forecast that names more faults than this is read by nobody.
_NAMED = 3
_LARGEST_BYTES = 10_000_000


@dataclass(frozen=True)
class Wind:
    """What is expected of the wind.

    Parameters
    ----------
    hours
        (city time at which the hour begins, wind force in Beaufort, None = not known), by rising time.
    problem
        What is wrong with the forecast; empty = nothing, or there is none.
    """

    hours: tuple[tuple[float, float | None], ...] = ()
    problem: str = ""

    @property
    def until_s(self) -> float:
        """Until when anything is known; -inf = nothing is."""
        return max((at_s + HOUR_S for at_s, force in self.hours if force is not None), default=-math.inf)

    def no_lifting(self, now_s: float) -> tuple[tuple[float, float], ...]:
        """Return the (from, until), city time, that are not over and in which no crane may lift."""
        return tuple(one for one in too_windy(self.hours) if one[1] > now_s)

    def strongest(self, from_s: float, until_s: float) -> float | None:
        """Return the strongest force of the hours that begin from one time on and before another; None = unknown."""
        return max(
            (force for at_s, force in self.hours if force is not None and from_s <= at_s < until_s), default=None
        )

    def told(self, now_s: float, timezone: ZoneInfo) -> tuple[str, bool]:
        """Return in words what is known of the wind, and whether all is well with the forecast."""
        spans = self.no_lifting(now_s)
        said = "; ".join(lifting_text(self, one, timezone) for one in spans)
        if self.until_s <= now_s:
            said = "The wind is not known, which forbids nothing: look at the cranes."
            if self.hours and not self.problem:
                said = f"The forecast is old: it ends at {_moment(self.until_s, timezone)}. {said}"
        elif not said:
            said = f"No wind above force {STRONGEST_WIND_BEAUFORT} is expected until {_moment(self.until_s, timezone)}."
        is_well = not self.problem and self.until_s > now_s
        return f"{self.problem} {said}".strip(), is_well


class WindForecast:
    """A file `time,beaufort`, looked at again whenever it has changed.

    Parameters
    ----------
    file
        None = there is none, and nothing is known.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._wind = Wind()

    @property
    def is_there(self) -> bool:
        """Whether a file was named."""
        return self._file is not None

    def now(self) -> Wind:
        """Return what the file says now."""
        if self._file is None:
            return self._wind
        try:
            about = self._file.stat()
            stamp = about.st_mtime_ns, about.st_size
            if stamp != self._stamp:
                if about.st_size > _LARGEST_BYTES:
                    raise ValueError("it is larger than any forecast")
                self._take(parse_wind(self._file.read_text(encoding="utf-8-sig"), str(self._file)))
                self._stamp = stamp
        except (OSError, ValueError, csv.Error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._stamp = None
            self._take(Wind((), f"The forecast {self._file} cannot be read ({why})."))
        return self._wind

    def _take(self, wind: Wind) -> None:
        if wind.problem and wind.problem != self._wind.problem:
            logger.warning("%s", wind.problem)
        self._wind = wind


def parse_wind(text: str, file: str = "") -> Wind:
    """Return the forecast that a file holds; an hour that cannot be read is unknown, and `problem` says why."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [cell.strip().lower() for cell in next(reader, [])]
    if "time" not in header or "beaufort" not in header:
        return Wind((), f"{file} has no columns time and beaufort. {_FIX}".strip())
    time_at, force_at = header.index("time"), header.index("beaufort")
    hours: dict[float, float | None] = {}
    faults: list[str] = []
    for line, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            if len(cells) <= max(time_at, force_at):
                raise BadInput("a cell is missing", _FIX)
            at_s = parse_time(cells[time_at].strip())
            hours[at_s] = None
            hours[at_s] = _force(cells[force_at].strip())
        except BadInput as error:
            faults.append(f"line {line}: {error.problem}")
    if not faults:
        return Wind(tuple(sorted(hours.items(), key=lambda one: one[0])))
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    problem = f"{file} has hours that cannot be read ({'; '.join(faults[:_NAMED])}{more}). {_FIX}".strip()
    return Wind(tuple(sorted(hours.items(), key=lambda one: one[0])), problem)


def lifting_text(wind: Wind, span: tuple[float, float], timezone: ZoneInfo) -> str:
    """Return in words that nothing is lifted in a span, and why."""
    return (
        f"No lifting from {clock_text(span[0], timezone)} to {clock_text(span[1], timezone)}: {force_text(wind, span)}"
    )


def force_text(wind: Wind, span: tuple[float, float]) -> str:
    """Return how strong the wind is in a span, in words."""
    force = wind.strongest(*span)
    return f"wind force {force:.0f}" if force is not None else "too much wind"


def _force(cell: str) -> float | None:
    if not cell:
        return None
    try:
        force = float(cell)
    except ValueError:
        force = math.nan
    if not 0 <= force <= _STRONGEST:
        raise BadInput(f"{cell!r} is no wind force from 0 to {_STRONGEST:.0f}", _FIX)
    return force


def _moment(at_s: float, timezone: ZoneInfo) -> str:
    return utc(at_s).astimezone(timezone).strftime("%d-%m %H:%M")


def overlapping(spans: Iterable[tuple[float, float]], from_s: float, until_s: float) -> tuple[float, float] | None:
    """Return the first span that shares time with another one; None if none does."""
    return next((one for one in spans if one[0] < until_s and from_s < one[1]), None)
