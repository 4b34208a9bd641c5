"""Counts of other people's counters, read strictly and written as SERIES (``time, entity, value``)."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from city.errors import BadFile, BadInput
from models.traffic_volumes import DAY_S, HOUR_S, volumes
from simulation.table_files import write_table

Floats = npt.NDArray[np.float64]
# An interval of which less was seen says too little to be scaled up.
LEAST_MEASURED = 0.5
_TIME_FIX = "Write 2024-06-03 08:00:00, or with an offset 2024-06-03T08:00:00+02:00."


class CountRows(NamedTuple):
    """Counts per interval, in the order of time and entity.

    Parameters
    ----------
    entity
        ``(n,)``, text.
    start_s
        ``(n,)``, start of the interval, seconds since 1970 UTC.
    interval_s
        ``(n,)``, s.
    counted
        ``(n,)``, vehicles (or road users) in the whole interval.
    measured_share
        ``(n,)``, share of the interval that was seen; a count of less than all of it is an estimate.
    speed_kph
        ``(n,)``, mean speed (NDW) or V85 (Telraam), km/h; NaN = unknown.
    left_out
        How many rows were left out, by reason.
    notes
        What a reader must know.
    """

    entity: npt.NDArray[np.str_]
    start_s: Floats
    interval_s: Floats
    counted: Floats
    measured_share: Floats
    speed_kph: Floats
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def estimates(self) -> int:
        """How many counts are estimates, because part of the interval was not seen."""
        return int((self.measured_share < 0.995).sum())


def write_counts(rows: CountRows, out: Path, *, hourly: bool = False, speed: str = "speed_kph") -> int:
    """Write rows as SERIES, the time being the start of the interval; return how many were written.

    Parameters
    ----------
    hourly
        Sums intervals into hours; an hour of which less than three quarters are known is a missing row. Its speed is
        the mean of its intervals', each counting by its vehicles; for a V85 that is close to the hour's, not the same.
    speed
        What the column of speeds is called.
    """
    if hourly:
        rows = _hourly(rows)
    order = np.lexsort((rows.entity, rows.start_s))
    columns: dict[str, npt.NDArray[np.generic]] = {
        "time": rows.start_s[order],
        "entity": rows.entity[order].astype(object),
        "value": np.round(rows.counted[order], 3),
        "interval_s": rows.interval_s[order],
        "measured_share": np.round(rows.measured_share[order], 4),
    }
    if np.isfinite(rows.speed_kph).any():
        columns[speed] = rows.speed_kph[order]
    write_table(out, columns, times=("time",))
    return len(order)


def renamed(rows: CountRows, names: Sequence[str]) -> CountRows:
    """Return the rows of the places named in ``SOURCE=ID`` pairs, under the new ids; none given keeps all.

    What stands behind a colon (``SOURCE:bike``) stays there.

    Raises
    ------
    BadInput
        A pair is none or names an entity that is not there, or a place or an id stands in two pairs.
    """
    if not names:
        return rows
    told = [_pair(one) for one in names]
    for side, what in enumerate(("place", "id")):
        ones = [one[side] for one in told]
        if twice := [one for one in ones if ones.count(one) > 1]:
            raise BadInput(f"The {what} {twice[0]!r} stands in two pairs.", "Give every place an id of its own, once.")
    pairs = dict(told)
    new = {one: pairs[one.partition(":")[0]] + "".join(one.partition(":")[1:]) for one in _known(rows, pairs)}
    keep = np.isin(rows.entity, list(new))
    entity = np.array([new[one] for one in rows.entity[keep].tolist()], dtype=np.str_)
    return CountRows(
        entity,
        rows.start_s[keep],
        rows.interval_s[keep],
        rows.counted[keep],
        rows.measured_share[keep],
        rows.speed_kph[keep],
        {**rows.left_out, "of other entities": int((~keep).sum())},
        rows.notes,
    )


def _known(rows: CountRows, pairs: dict[str, str]) -> list[str]:
    there = sorted(set(rows.entity.tolist()))
    places = sorted({one.partition(":")[0] for one in there})
    for source in pairs:
        if source not in places:
            shown = ", ".join(places[:5]) + (", …" if len(places) > 5 else "")
            raise BadInput(f"There is no {source!r} in what was read.", f"There are {shown or 'none'}.")
    return [one for one in there if one.partition(":")[0] in pairs]


def read_texts(path: Path, wanted: Sequence[str], optional: Sequence[str], layout: str) -> dict[str, pa.ChunkedArray]:
    """Return columns of a delimited file (may be .gz) as texts; an optional one that is not there is left out.

    Raises
    ------
    BadFile
        It cannot be read, or a wanted column is missing.
    """
    try:
        header = _first_line(path)
        delimiter = max(";,\t|", key=header.count)
        there = [one.strip().strip('"') for one in header.rstrip("\r\n").split(delimiter)]
        for column in wanted:
            if column not in there:
                raise BadFile(
                    f"there is no column {column!r}; there are {', '.join(filter(None, there[:8])) or 'none'}.",
                    f"Give {layout}.",
                    file=str(path),
                    line=1,
                    field=column,
                )
        columns = [*wanted, *(one for one in optional if one in there)]
        table = pacsv.read_csv(
            path,
            parse_options=pacsv.ParseOptions(delimiter=delimiter),
            convert_options=pacsv.ConvertOptions(
                include_columns=columns, column_types={one: pa.string() for one in columns}
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
        raise BadFile(
            f"it cannot be read as a table ({str(error).splitlines()[0]}).", f"Give {layout}.", file=str(path)
        ) from error
    return {one: table[one] for one in columns}


def instants(text: pa.ChunkedArray, timezone: str, path: Path, column: str) -> Floats:
    """Return times as seconds since 1970; those without an offset are of the time zone, doubtful ones NaN.

    Raises
    ------
    BadFile
        A text is no time, or there is no such time zone.
    """
    try:
        first = next((str(one) for one in text.to_pylist() if one), "")
        if first.endswith("Z") or "+" in first[10:] or "-" in first[10:]:
            times = text.cast(pa.timestamp("ms", "UTC"))
        else:
            local = text.cast(pa.timestamp("ms"))
            early = pc.assume_timezone(local, timezone, ambiguous="earliest", nonexistent="earliest")
            late = pc.assume_timezone(local, timezone, ambiguous="latest", nonexistent="latest")
            times = pc.if_else(pc.equal(early, late), early, pa.scalar(None, early.type))
    except pa.ArrowException as error:
        raise BadFile(
            f"a time is none ({str(error).splitlines()[0]}).", _TIME_FIX, file=str(path), field=column
        ) from error
    milliseconds = pc.cast(times.cast(pa.int64()), pa.float64())
    return np.asarray(milliseconds.to_numpy(), np.float64) / 1000.0


def numbers(text: pa.ChunkedArray, path: Path, column: str) -> Floats:
    """Return numbers, decimals with a point or a comma; an empty cell is NaN.

    Raises
    ------
    BadFile
        A text is no number.
    """
    plain = pc.replace_substring(pc.utf8_trim_whitespace(text), ",", ".")
    empty = pc.or_(pc.equal(plain, ""), pc.is_in(pc.utf8_lower(plain), pa.array(["null", "na", "nan"])))
    try:
        cells = pc.if_else(empty, pa.scalar(None, pa.string()), plain).cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise BadFile(
            f"a value is no number ({str(error).splitlines()[0]}).",
            "Give numbers, such as 1200 or 51.5.",
            file=str(path),
            field=column,
        ) from error
    return np.asarray(cells.to_numpy(), np.float64)


def _first_line(path: Path) -> str:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig") as lines:
            return lines.readline()
    with path.open(encoding="utf-8-sig") as lines:
        return lines.readline()


def _pair(text: str) -> tuple[str, str]:
    source, equals, name = text.partition("=")
    if not equals or not source or not name:
        raise BadInput(f"{text!r} is no pair.", "Write SOURCE=ID, for instance RWS01_MONIBAS_0101=kruis-1-noord.")
    return source, name


def _hourly(rows: CountRows) -> CountRows:
    parts: list[tuple[npt.NDArray[np.str_], Floats, Floats, Floats, Floats]] = []
    for entity in np.unique(rows.entity):
        mine = rows.entity == entity
        table = volumes(rows.start_s[mine], rows.counted[mine], rows.interval_s[mine])
        start = (table.first_day * DAY_S + np.arange(table.volume.size) * HOUR_S).astype(np.float64)
        known = np.isfinite(table.volume.ravel())
        hour = (rows.start_s[mine] // HOUR_S * HOUR_S - start[0]) // HOUR_S if len(start) else np.empty(0)
        seen_s = np.bincount(hour.astype(int), (rows.measured_share * rows.interval_s)[mine], len(start))
        share = np.minimum(seen_s / HOUR_S, 1.0)
        speed = _mean_speed(hour.astype(int), rows.speed_kph[mine], rows.counted[mine], len(start))
        parts.append(
            (np.full(known.sum(), entity), start[known], table.volume.ravel()[known], share[known], speed[known])
        )
    if not parts:
        return rows
    entity, start_s, count, share, speed = (np.concatenate(one) for one in zip(*parts, strict=True))
    return CountRows(
        entity, start_s, np.full(len(start_s), float(HOUR_S)), count, share, speed, rows.left_out, rows.notes
    )


def _mean_speed(hour: npt.NDArray[np.int64], speed_kph: Floats, counted: Floats, hours: int) -> Floats:
    """Return the speed of each hour: the mean of its intervals by their vehicles; NaN where none has both."""
    told = np.isfinite(speed_kph) & (counted > 0)
    vehicles = np.bincount(hour[told], counted[told], hours)
    total = np.bincount(hour[told], (speed_kph * counted)[told], hours)
    return np.where(vehicles > 0, total / np.maximum(vehicles, 1e-9), np.nan)
