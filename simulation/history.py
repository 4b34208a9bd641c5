"""Files of what a city measured: LEVELS (``time, entity, fill_ratio``) and SERIES (``time, entity, value``)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from city.clock import utc
from city.errors import BadFile, BadInput
from city.quantities import QUANTITIES
from simulation.parameters import DAY_S, local_time

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WEEK_S = 7 * DAY_S
_TIME_FIX = "Write ISO 8601 with an offset, such as 2024-06-03T08:00:00+02:00."


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
    table = _table(path, value, layout)
    missing = [name for name in ("time", "entity", value) if name not in table.column_names]
    if missing:
        raise BadFile(
            f"The column {missing[0]!r} is missing; there are {', '.join(table.column_names) or 'none'}.",
            f"Name the columns as in {layout}.",
            file=str(path),
            field=missing[0],
        )
    time = table.column("time")
    if not pa.types.is_timestamp(time.type) or time.type.tz is None:
        raise BadFile("The times have no offset from UTC.", _TIME_FIX, file=str(path), field="time")
    try:
        at_s = time.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64()).to_numpy() / 1000.0
        values = table.column(value).cast(pa.float64()).to_numpy()
        names = table.column("entity").cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadFile(f"A column cannot be read: {error}.", f"See {layout}.", file=str(path)) from None
    encoded = names.combine_chunks().dictionary_encode()
    index = encoded.indices.to_numpy(zero_copy_only=False).astype(float)
    known = np.isfinite(at_s) & np.isfinite(values) & np.isfinite(index)
    if not known.any():
        raise BadFile("There is no value in it.", f"See {layout}.", file=str(path))
    at_s, values, index = at_s[known], values[known], index[known].astype(np.int64)
    wrong = np.flatnonzero((values < 0) | (values > high))
    if wrong.size:
        raise BadFile(
            f"{value} is {values[wrong[0]]:g} at {utc(float(at_s[wrong[0]])).isoformat()}.",
            f"It must be from 0 to {high:g}.",
            file=str(path),
            field=value,
        )
    entities = tuple(str(name) for name in encoded.dictionary.to_pylist())
    order = np.lexsort((index, at_s))
    # The same hour of the same entity twice: the last one stands.
    twice = np.r_[(np.diff(at_s[order]) == 0) & (np.diff(index[order]) == 0), False]
    order = order[~twice]
    return History(entities, at_s[order], index[order], values[order])


def _table(path: Path, value: str, layout: str) -> pa.Table:
    columns = ["time", "entity", value]
    try:
        if path.name.lower().endswith((".parquet", ".pq")):
            schema = pa_parquet.read_schema(path)
            return pa_parquet.read_table(path, columns=[name for name in columns if name in schema.names])
        options = pa_csv.ConvertOptions(
            column_types={"time": pa.timestamp("us", tz="UTC"), "entity": pa.string(), value: pa.float64()}
        )
        table = pa_csv.read_csv(path, convert_options=options, read_options=pa_csv.ReadOptions(use_threads=False))
        # Names are decoded here, where what is no text can still be called no table.
        if not table.column_names:
            raise BadFile("There are no columns.", f"Give {layout}.", file=str(path))
        return table
    except FileNotFoundError:
        raise BadFile("There is no such file.", "Check the path.", file=str(path)) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        if "zone offset" in text:
            raise BadFile("A time has no offset from UTC.", _TIME_FIX, file=str(path), field="time") from None
        raise BadFile(
            f"This is no such table: {text[:160]}.", f"Give CSV or Parquet as in {layout}.", file=str(path)
        ) from None


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
