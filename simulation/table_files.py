"""Tables of measurements, CSV or Parquet by suffix: read strictly, written so that they appear whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pa_compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from city.errors import BadFile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["time", "text", "number"]

_TIME_FIX = "Write ISO 8601 with an offset, such as 2024-06-03T08:00:00+02:00."
_TYPES = {"time": pa.timestamp("us", tz="UTC"), "text": pa.string(), "number": pa.float64()}


class Texts(NamedTuple):
    """A column of texts.

    Parameters
    ----------
    names
        Each text that occurs, once, in the order of first appearance.
    code
        ``(n,)``, int64, of each row, index into `names`; -1 where the cell is empty or blank.
    """

    names: tuple[str, ...]
    code: Ints


class Table(NamedTuple):
    """Columns of one length by name: times as seconds since 1970 UTC and numbers as float64 (NaN = empty), texts."""

    numbers: dict[str, Floats]
    texts: dict[str, Texts]


def read_table(path: Path, kinds: Mapping[str, Kind], layout: str, *, optional: Sequence[str] = ()) -> Table:
    """Read the columns that `kinds` names; others are left alone, and an `optional` one may be missing.

    Parameters
    ----------
    layout
        What the file is called and has, for the reader of an error.

    Raises
    ------
    BadFile
        It is missing, is no table, lacks a column, or holds a time without offset or a value that cannot be read.
    """
    table = _table(path, kinds, layout)
    missing = [name for name in kinds if name not in table.column_names and name not in optional]
    if missing:
        raise BadFile(
            f"The column {missing[0]!r} is missing; there are {', '.join(table.column_names) or 'none'}.",
            f"Name the columns as in {layout}.",
            file=str(path),
            field=missing[0],
        )
    read = Table({}, {})
    for name, kind in kinds.items():
        if name not in table.column_names:
            continue
        column = table.column(name)
        if kind == "time" and (not pa.types.is_timestamp(column.type) or column.type.tz is None):
            raise BadFile("The times have no offset from UTC.", _TIME_FIX, file=str(path), field=name)
        try:
            if kind == "text":
                read.texts[name] = _texts(column)
            else:
                read.numbers[name] = _seconds(column) if kind == "time" else _floats(column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadFile(f"A column cannot be read: {error}.", f"See {layout}.", file=str(path), field=name) from None
    return read


def write_table(path: Path, columns: Mapping[str, Any], *, times: Sequence[str] = ()) -> None:
    """Write columns, those called `times` from seconds since 1970 (NaN = empty) to UTC times.

    The file appears whole or not at all. Folders that are missing are made.
    """
    arrays = {
        name: _times(np.asarray(column, np.float64)) if name in times else pa.array(column, from_pandas=True)
        for name, column in columns.items()
    }
    table = pa.table(arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    if _is_parquet(path):
        pa_parquet.write_table(table, draft)
    else:
        for position, name in enumerate(table.column_names):
            if name in times:
                text = pa_compute.strftime(table.column(name), format="%Y-%m-%dT%H:%M:%S+00:00")
                table = table.set_column(position, name, text)
        pa_csv.write_csv(table, draft, pa_csv.WriteOptions(quoting_style="needed"))
    os.replace(draft, path)


def _table(path: Path, kinds: Mapping[str, Kind], layout: str) -> pa.Table:
    try:
        if _is_parquet(path):
            schema = pa_parquet.read_schema(path)
            return pa_parquet.read_table(path, columns=[name for name in kinds if name in schema.names])
        options = pa_csv.ConvertOptions(column_types={name: _TYPES[kind] for name, kind in kinds.items()})
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
            raise BadFile("A time has no offset from UTC.", _TIME_FIX, file=str(path)) from None
        raise BadFile(
            f"This is no such table: {text[:160]}.", f"Give CSV or Parquet as in {layout}.", file=str(path)
        ) from None


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith((".parquet", ".pq"))


def _seconds(column: pa.ChunkedArray) -> Floats:
    milliseconds = column.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64())
    return _floats(milliseconds) / 1000.0


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def _texts(column: pa.ChunkedArray) -> Texts:
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    index = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    # CSV knows no difference between an empty text and none.
    is_named = np.array([bool(name.strip()) for name in names] + [False])
    place = np.where(is_named, np.cumsum(is_named) - 1, -1)
    return Texts(tuple(name for name in names if name.strip()), place[index])


def _times(at_s: Floats) -> pa.Array:
    known = np.isfinite(at_s)
    milliseconds = np.where(known, np.round(np.where(known, at_s, 0.0) * 1000.0), 0.0).astype(np.int64)
    return pa.array(milliseconds, pa.int64(), mask=~known).cast(pa.timestamp("ms", tz="UTC"))
