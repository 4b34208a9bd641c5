"""A city's own history, in whatever columns it has, turned into the LEVELS and SERIES layouts that a replay reads.

LEVELS is ``time, entity, fill_ratio``; SERIES is ``time, entity, value`` (hourly; a missing hour is a missing row).
"""

import csv
import glob
import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from city.errors import BadFile, BadInput

Layout = Literal["levels", "counts"]
_VALUE_NAME: dict[Layout, str] = {"levels": "fill_ratio", "counts": "value"}


class ColumnMapping(msgspec.Struct, frozen=True):
    """Which columns of a source say what.

    Parameters
    ----------
    time_column
        Time of the measurement; a date alone when `hour_column` is given.
    hour_column
        Hour of the local day (0..23) beside a date, empty when the time column says it all.
    time_format
        ``strptime`` format of the time column; empty = ISO 8601.
    timezone
        IANA name for times without an offset. An hour that the clock change makes doubtful is left out, not guessed.
    scale
        Multiplies every value.
    low, high
        Values outside are left out and counted.
    """

    time_column: str
    entity_column: str
    value_column: str
    hour_column: str = ""
    time_format: str = ""
    timezone: str = "UTC"
    scale: float = 1.0
    low: float = 0.0
    high: float = 1e9
    quality_column: str = ""
    min_quality: float = 0.0


class Imported(NamedTuple):
    """The table, and what was left out of it on the way (row counts)."""

    table: pa.Table
    rows_read: int
    without_value: int
    out_of_range: int
    poor_quality: int
    doubtful_time: int
    double: int

    def summary(self) -> dict[str, int]:
        """Return the counts, for a program to read."""
        return {"rows": self.table.num_rows} | {k: v for k, v in self._asdict().items() if k != "table"}


def find_sources(patterns: Iterable[str]) -> list[Path]:
    """Return the files that the names and glob patterns stand for, sorted, each once.

    Raises
    ------
    BadInput
        A pattern matches nothing.
    """
    found: set[str] = set()
    for pattern in patterns:
        matches = glob.glob(os.path.expanduser(pattern))
        if not matches:
            raise BadInput(f"There is no file {pattern}.", "Check the path; quote a pattern with * in it.")
        found.update(matches)
    return [Path(one) for one in sorted(found)]


def import_table(sources: Sequence[Path], mapping: ColumnMapping, layout: Layout) -> Imported:
    """Return the rows of all sources in the layout, sorted by time and entity, the first of doubles kept.

    Raises
    ------
    BadFile
        A source cannot be read, lacks a column, or holds no usable row.
    """
    parts: list[pa.Table] = []
    counts = [0, 0, 0, 0, 0]
    for source in sources:
        part, left_out = _import_one(source, mapping)
        parts.append(part)
        counts = [a + b for a, b in zip(counts, left_out, strict=True)]
    together = pa.concat_tables(parts)
    ordinal = pa.array(range(together.num_rows), pa.int64())
    first = together.append_column("row", ordinal).group_by(["time", "entity"]).aggregate([("row", "min")])["row_min"]
    single = together.take(first).sort_by([("time", "ascending"), ("entity", "ascending")])
    if single.num_rows == 0:
        raise BadFile(
            "no row could be used.", "Check the columns, the range and the time format.", file=str(sources[0])
        )
    table = single.rename_columns(["time", "entity", _VALUE_NAME[layout]])
    rows_read, without_value, out_of_range, poor_quality, doubtful_time = counts
    return Imported(
        table,
        rows_read=rows_read,
        without_value=without_value,
        out_of_range=out_of_range,
        poor_quality=poor_quality,
        doubtful_time=doubtful_time,
        double=together.num_rows - single.num_rows,
    )


def write_table(table: pa.Table, out: Path) -> None:
    """Write the table as Parquet or CSV by the suffix of `out`; the file appears whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(out.name + ".part")
    try:
        if out.suffix == ".parquet":
            pq.write_table(table, unfinished)
        else:
            text = pc.strftime(table["time"], format="%Y-%m-%dT%H:%M:%SZ")
            pacsv.write_csv(table.set_column(0, "time", text), unfinished, pacsv.WriteOptions(quoting_style="needed"))
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _import_one(source: Path, mapping: ColumnMapping) -> tuple[pa.Table, list[int]]:
    raw = _read(source, mapping)
    total = raw.num_rows
    value = _numbers(raw, mapping.value_column, source)
    known = pc.fill_null(pc.is_finite(value), False)
    without_value = total - _count(known)
    good = known
    if mapping.quality_column:
        quality = _numbers(raw, mapping.quality_column, source)
        good = pc.and_(known, pc.fill_null(pc.greater_equal(quality, mapping.min_quality), False))
    poor = _count(known) - _count(good)
    value = pc.multiply(value, mapping.scale)
    inside = pc.and_(
        good,
        pc.fill_null(pc.and_(pc.greater_equal(value, mapping.low), pc.less_equal(value, mapping.high)), False),
    )
    out_of_range = _count(good) - _count(inside)
    time = _times(raw, mapping, source)
    timed = pc.and_(inside, pc.is_valid(time))
    entity = raw[mapping.entity_column].cast(pa.string())
    table = pa.table({"time": time, "entity": entity, "value": value}).filter(
        pc.and_(timed, pc.fill_null(pc.not_equal(entity, ""), False))
    )
    return table, [total, without_value, out_of_range, poor, _count(inside) - _count(timed)]


def _read(source: Path, mapping: ColumnMapping) -> pa.Table:
    wanted = [
        one
        for one in (
            mapping.time_column,
            mapping.hour_column,
            mapping.entity_column,
            mapping.value_column,
            mapping.quality_column,
        )
        if one
    ]
    try:
        if source.suffix == ".parquet":
            there = pq.read_schema(source).names
            _check_columns(source, wanted, there)
            return pq.read_table(source, columns=wanted)
        delimiter, there = _header(source)
        _check_columns(source, wanted, there)
        as_text = {one: pa.string() for one in wanted if one != mapping.hour_column}
        return pacsv.read_csv(
            source,
            parse_options=pacsv.ParseOptions(delimiter=delimiter),
            convert_options=pacsv.ConvertOptions(include_columns=wanted, column_types=as_text),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
        if isinstance(error, BadFile):
            raise
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadFile(
            f"it cannot be read as a table ({first_line}).",
            "Give a CSV (may be .gz) or Parquet file with a line of column names.",
            file=str(source),
        ) from error


def _header(source: Path) -> tuple[str, list[str]]:
    if source.suffix == ".gz":
        with gzip.open(source, "rt", encoding="utf-8-sig") as lines:
            line = lines.readline()
    else:
        with open(source, encoding="utf-8-sig") as lines:
            line = lines.readline()
    delimiter = max(";,\t|", key=line.count)
    return delimiter, next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])


def _check_columns(source: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    for column in wanted:
        if column not in there:
            raise BadFile(
                f"there is no column {column!r}.",
                f"It has {', '.join(there) or 'no columns'}.",
                file=str(source),
                line=1,
                field=column,
            )


def _numbers(raw: pa.Table, column: str, source: Path) -> Any:
    values = raw[column]
    if pa.types.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    try:
        return values.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise BadFile(
            f"a value is no number ({str(error).splitlines()[0]}).",
            "Give a column of numbers with a decimal point.",
            file=str(source),
            field=column,
        ) from error


def _times(raw: pa.Table, mapping: ColumnMapping, source: Path) -> Any:
    column = raw[mapping.time_column]
    utc = pa.timestamp("s", "UTC")
    try:
        if not pa.types.is_timestamp(column.type):
            text = column.cast(pa.string())
            if mapping.time_format:
                column = pc.strptime(text, format=mapping.time_format, unit="s")
            elif _has_offset(text):
                return text.cast(utc)
            else:
                column = text.cast(pa.timestamp("s"))
        if column.type.tz:
            return column.cast(utc)
        local = column.cast(pa.timestamp("s"))
        if mapping.hour_column:
            seconds = pc.multiply(raw[mapping.hour_column].cast(pa.int64()), 3600).cast(pa.duration("s"))
            local = pc.add(local, seconds)
        early = pc.assume_timezone(local, mapping.timezone, ambiguous="earliest", nonexistent="earliest")
        late = pc.assume_timezone(local, mapping.timezone, ambiguous="latest", nonexistent="latest")
    except pa.ArrowException as error:
        raise BadFile(
            f"a time is none ({str(error).splitlines()[0]}).",
            "Give --time-format and --timezone that fit the column.",
            file=str(source),
            field=mapping.time_column,
        ) from error
    return pc.if_else(pc.equal(early, late), early, pa.scalar(None, early.type)).cast(utc)


def _has_offset(text: Any) -> bool:
    valid = text.drop_null()
    if len(valid) == 0:
        return False
    first = str(valid[0].as_py())
    return first.endswith("Z") or "+" in first[10:] or "-" in first[10:]


def _count(mask: Any) -> int:
    return int(pc.sum(mask).as_py() or 0)
