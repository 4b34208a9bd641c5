"""A register's folder: read with every error found, written whole or not at all.

The folder holds `city.toml` and, as far as there is something to say, a file of each of `register_tables.TABLES`.
"""

import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from city.csv_rows import csv_text, parse_csv
from city.devices import check_id
from city.errors import BadFile, BadInput, BadRegister
from city.geojson_features import features_text, parse_features
from city.register import Register
from city.register_checks import At, Fault, find_faults, find_strays
from city.register_tables import TABLES, Rows, Table, build_rows
from city.spelling import did_you_mean, nearest_word
from city.toml_text import key_line, toml_value

CITY_FILE = "city.toml"
_CITY_KEYS = ("id", "name", "timezone")
_FILES = (CITY_FILE, *(table.file for table in TABLES))
_DEGREES_PER_HOUR = 15.0


class _City(NamedTuple):
    id: str
    name: str
    timezone: str


def read_register(folder: Path | str) -> Register:
    """Read the register that stands in a folder.

    Raises
    ------
    BadRegister
        Something in the files is wrong; all errors of all files are in it.
    """
    folder = Path(folder)
    errors: list[BadFile] = []
    try:
        if not folder.is_dir():
            there_is = "is no folder" if folder.exists() else "does not exist"
            raise BadRegister([BadFile(f"The register's folder {there_is}.", "Name another one.", file=str(folder))])
        errors += _misnamed(folder)
    except OSError as error:
        problem = f"The register's folder cannot be read: {error.strerror}."
        raise BadRegister([BadFile(problem, "Check its rights, or name another one.", file=str(folder))]) from None
    texts = {}
    for file in _FILES:
        try:
            if (folder / file).exists() or file == CITY_FILE:
                texts[file] = (folder / file).read_bytes()
        except OSError as error:
            what = error.strerror or type(error).__name__
            fix = "Every register needs it." if file == CITY_FILE else "Check the file and its rights."
            errors.append(BadFile(f"The file cannot be read: {what}.", fix, file=str(folder / file)))
    return parse_register(texts, str(folder), errors)


def parse_register(files: Mapping[str, bytes], folder: str = "", errors: list[BadFile] | None = None) -> Register:
    """Return the register that the contents of these files describe; see `read_register`.

    Parameters
    ----------
    files
        Contents by the name of the file.
    folder
        Stands before the names of files in errors.
    errors
        Errors that are known already; they are raised together with the others.
    """
    errors = [] if errors is None else errors
    city = _parse_city(files, folder, errors)
    rows = {table.name: _read_table(table, files, folder) for table in TABLES}
    for one in rows.values():
        errors += one.errors
    kinds = {name: one.values for name, one in rows.items()}
    excused = {id for one in rows.values() for id in one.unread}
    partial = {name for name, one in rows.items() if not one.is_whole}
    for fault in find_faults(kinds, excused, partial):
        errors.append(_placed(fault, rows, folder))
    for fault in find_strays(kinds, _meridian_deg(city.timezone) if city else None):
        errors.append(_placed(fault, rows, folder))
    if errors or city is None:
        raise BadRegister(errors)
    return Register(city.id, city.timezone, name=city.name, **kinds)


def write_register(register: Register, folder: Path | str) -> None:
    """Write a register to a folder, which `read_register` reads as the same register.

    What was written is complete or not there at all: the files are made in a new folder that then takes the place of
    the old one.

    Raises
    ------
    BadInput
        The folder holds something else than a register, or it cannot be written.
    """
    folder = Path(folder).absolute()
    try:
        foreign = sorted(one.name for one in folder.iterdir() if one.name not in _FILES) if folder.exists() else []
        if foreign:
            raise BadInput(f"{folder} holds more than a register: {foreign[0]}.", "Choose an empty folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write_files(register, work / "new")
            _put_in_place(work / "new", folder, work / "old")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}.", "Choose another folder.") from error


def _write_files(register: Register, folder: Path) -> None:
    folder.mkdir()
    city = {"id": register.city, "name": register.name, "timezone": register.timezone}
    texts = {CITY_FILE: "".join(f"{key} = {toml_value(value)}\n" for key, value in city.items())}
    for table in TABLES:
        values = getattr(register, table.name)
        values = list(values.values()) if isinstance(values, dict) else values
        if values:
            texts[table.file] = (features_text if table.is_geojson else csv_text)(table, values)
    for name, text in texts.items():
        with open(folder / name, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _put_in_place(new: Path, folder: Path, old: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise


def _read_table(table: Table, files: Mapping[str, bytes], folder: str) -> Rows:
    file = os.path.join(folder, table.file)
    if table.file not in files:
        return Rows([], [], set(), [])
    try:
        text = _decoded(files[table.file], file)
    except BadFile as error:
        return Rows([], [], set(), [error], is_whole=False)
    raw = (parse_features if table.is_geojson else parse_csv)(table, text, file)
    return build_rows(table, raw, file)


def _parse_city(files: Mapping[str, bytes], folder: str, errors: list[BadFile]) -> _City | None:
    if CITY_FILE not in files:
        return None
    file = os.path.join(folder, CITY_FILE)
    try:
        text = _decoded(files[CITY_FILE], file)
        city = tomllib.loads(text)
    except BadFile as error:
        errors.append(error)
        return None
    except (ValueError, RecursionError) as error:
        # What is no TOML, and numbers and depths that Python does not take.
        errors.append(BadFile(f"This is not TOML: {error}.", "Mend it there.", file=file))
        return None
    before = len(errors)
    for key in city:
        if key not in _CITY_KEYS:
            fix = did_you_mean(key, _CITY_KEYS)
            errors.append(BadFile(f"{key!r} is no known key.", fix, file=file, line=key_line(text, key), field=key))
    for key in _CITY_KEYS:
        try:
            _check_city_key(key, city.get(key))
        except BadInput as error:
            errors.append(BadFile(error.problem, error.fix, file=file, line=key_line(text, key), field=key))
    return _City(*(city[key] for key in _CITY_KEYS)) if len(errors) == before else None


def _check_city_key(key: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        example = {"id": "groningen", "name": "Groningen", "timezone": "Europe/Amsterdam"}[key]
        problem = f"The {key} is missing." if value in (None, "") else f"The {key} {value!r} is no text."
        raise BadInput(problem, f'Give one, such as {key} = "{example}".')
    if key == "id":
        check_id(value)
    if key == "timezone":
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            fix = did_you_mean(value, available_timezones())
            raise BadInput(f"{value!r} is no known time zone.", fix) from None


def _misnamed(folder: Path) -> Iterator[BadFile]:
    for one in sorted(folder.iterdir()):
        if one.name not in _FILES and one.suffix.lower() in (".csv", ".geojson", ".json", ".toml"):
            meant = nearest_word(one.name, _FILES)
            if meant and not (folder / meant).exists():
                yield BadFile("This is no file of a register.", f"Did you mean {meant!r}?", file=str(one))


def _decoded(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"The byte 0x{content[error.start]:02x} is not UTF-8."
        raise BadFile(problem, "Save the file as UTF-8.", file=file, line=line) from None


def _placed(fault: Fault, rows: Mapping[str, Rows], folder: str) -> BadFile:
    fix = fault.fix
    if fault.other:
        file, line = _where(fault.other, rows)
        fix = f"The first is at {file}:{line}. {fix}"
    file, line = _where(fault.at, rows)
    return BadFile(fault.problem, fix, file=os.path.join(folder, file), line=line, field=fault.field)


def _where(at: At, rows: Mapping[str, Rows]) -> tuple[str, int]:
    file = next(table.file for table in TABLES if table.name == at.kind)
    return file, rows[at.kind].lines[at.number]


def _meridian_deg(timezone: str) -> float:
    # Noon of a winter day in both halves of the world: the smaller offset is the one without summer time.
    offsets = [datetime(2026, month, 1, 12, tzinfo=ZoneInfo(timezone)).utcoffset() for month in (1, 7)]
    hours = min(offset.total_seconds() / 3600 for offset in offsets if offset is not None)
    return hours * _DEGREES_PER_HOUR
