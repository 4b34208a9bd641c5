"""Files of what a city measured: LEVELS (``time, entity, fill_ratio``) and SERIES (``time, entity, value``)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from city.clock import utc
from city.errors import BadFile, BadInput
from city.quantities import QUANTITIES
from simulation.parameters import DAY_S, local_time
from simulation.table_files import read_table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WEEK_S = 7 * DAY_S


@dataclass(frozen=True, eq=False)
class History:
    """Measured values in the order of time.

    Parameters
    ----------
    entities
        Names as in the file.
    at_s
        `(n,)` float64, seconds since 1970 UTC, rising.
    entity
        `(n,)` int64, index into `entities`.
    value
        `(n,)` float64.
    """

    entities: tuple[str, ...]
    at_s: Floats
    entity: Ints
    value: Floats

    def between(self, from_s: float, until_s: float) -> slice:
        """Return the rows with `from_s` < time <= `until_s`."""
        first, last = np.searchsorted(self.at_s, [from_s, until_s], side="right")
        return slice(int(first), int(last))


def read_levels(path: Path) -> History:
    """Read a LEVELS file, CSV or Parquet; see `read_counts` for what raises."""
    return _read(path, "fill_ratio", QUANTITIES["fill_ratio"].high, "LEVELS: time, entity, fill_ratio")


def read_counts(path: Path) -> History:
    """Read a SERIES file of hourly counts, CSV or Parquet. A missing hour is a missing row and stays missing.

    Raises
    ------
    BadFile
        It is missing, is no table, lacks a column, or holds a time without offset or a value that cannot be.
    """
    return _read(path, "value", QUANTITIES["vehicle_count"].high, "SERIES: time, entity, value")


def week_shift_s(history: History, start_s: float, timezone: str, from_s: float | None = None) -> float:
    """Return what to add to the history's times so that a week of it is played from `start_s` on.

    Weekday and local hour stay what they were, across changes of summer time.

    Parameters
    ----------
    from_s
        Any time in the first day to play; None takes the last week that the history has whole.

    Raises
    ------
    BadInput
        The history ends before `from_s`, or begins after it.
    """
    zone = ZoneInfo(timezone)
    first_s, last_s = float(history.at_s[0]), float(history.at_s[-1])
    start = local_time(start_s, timezone)
    if from_s is not None and not first_s - DAY_S <= from_s <= last_s:
        raise BadInput(
            f"The history has nothing at {utc(from_s):%Y-%m-%d}.",
            f"Choose a day from {utc(first_s):%Y-%m-%d} to {utc(last_s):%Y-%m-%d}.",
        )
    latest = local_time(last_s - _WEEK_S if from_s is None else from_s + DAY_S, timezone)
    # The same weekday and wall-clock time, at or before the latest start that leaves a whole week.
    begin = datetime.combine(latest.date(), start.time(), zone)
    begin -= timedelta(days=(begin.weekday() - start.weekday()) % 7)
    if begin.timestamp() > latest.timestamp():
        begin -= timedelta(days=7)
    return start_s - begin.timestamp()


def _read(path: Path, value: str, high: float, layout: str) -> History:
    table = read_table(path, {"time": "time", "entity": "text", value: "number"}, layout)
    at_s, values, names = table.numbers["time"], table.numbers[value], table.texts["entity"]
    known = np.isfinite(at_s) & np.isfinite(values) & (names.code >= 0)
    if not known.any():
        raise BadFile("There is no value in it.", f"See {layout}.", file=str(path))
    at_s, values, index = at_s[known], values[known], names.code[known]
    wrong = np.flatnonzero((values < 0) | (values > high))
    if wrong.size:
        raise BadFile(
            f"{value} is {values[wrong[0]]:g} at {utc(float(at_s[wrong[0]])).isoformat()}.",
            f"It must be from 0 to {high:g}.",
            file=str(path),
            field=value,
        )
    order = np.lexsort((index, at_s))
    # The same hour of the same entity twice: the last one stands.
    twice = np.r_[(np.diff(at_s[order]) == 0) & (np.diff(index[order]) == 0), False]
    order = order[~twice]
    return History(names.names, at_s[order], index[order], values[order])


def slugs(names: Sequence[str], prefix: str) -> list[str]:
    """Return an id for each name: the name itself where it can be one, else a number.

    >>> slugs(["TE001", "Grote Markt (N)"], "d")
    ['d-te001', 'd-grote-markt-n']
    """
    made: list[str] = []
    seen: set[str] = set()
    width = int(math.log10(max(10, len(names)))) + 1
    for number, name in enumerate(names, start=1):
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
        text = f"{prefix}-" + "-".join(part for part in plain.split("-") if part)
        if text in seen or not 2 + len(prefix) <= len(text) <= 26:
            text = f"{prefix}-{number:0{width}d}"
        seen.add(text)
        made.append(text)
    return made
