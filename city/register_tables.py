"""The files of a register: which columns or properties each has, and what becomes of a row."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import msgspec

from city.devices import Device, Installation
from city.errors import BadFile, BadInput
from city.fields import (
    Field,
    choice,
    choices,
    day_breaks,
    degrees,
    depth_table,
    identifier,
    moment,
    number,
    public_key,
    text,
    whole,
    yes_no,
)
from city.places import (
    STREAMS,
    Approach,
    Cluster,
    Container,
    Depot,
    Junction,
    Truck,
    TruckKind,
    UnloadingSite,
)
from city.spelling import did_you_mean


class RawRow(NamedTuple):
    """A row or feature as text; `line` is where it begins (1-based).

    A row that `is_broken` is in the file, but its form is wrong, which has been said already.
    """

    line: int
    cells: Mapping[str, str]
    is_broken: bool = False


class RawRows(NamedTuple):
    """The rows of one file and what is wrong with their form; `is_whole` is False if rows may be missing."""

    rows: Sequence[RawRow]
    errors: Sequence[BadFile]
    is_whole: bool


class Table(NamedTuple):
    """One file of a register. `name` is also the register's attribute that holds the values."""

    name: str
    file: str
    struct: type[msgspec.Struct]
    fields: Sequence[Field]

    @property
    def is_geojson(self) -> bool:
        """Whether the file holds features; otherwise it holds comma-separated values."""
        return self.file.endswith(".geojson")


class Rows(NamedTuple):
    """What was read from one file. `lines[i]` is where `values[i]` begins.

    `unread` are the ids of rows that have an error: something that refers to them is not wrong as well. `is_whole` is
    False if there may be rows that are not even in `unread`.
    """

    values: list[Any]
    lines: list[int]
    unread: set[str]
    errors: list[BadFile]
    is_whole: bool = True


_PLACE = (identifier("id"), text("name"), degrees("lon", 180), degrees("lat", 90))

TABLES: tuple[Table, ...] = (
    Table("clusters", "clusters.geojson", Cluster, (*_PLACE, text("district"), number("before_hour", 0, 24))),
    Table("junctions", "junctions.geojson", Junction, (*_PLACE, text("district"), yes_no("signalised"))),
    Table("depots", "depots.geojson", Depot, _PLACE),
    Table(
        "unloading_sites",
        "unloading_sites.geojson",
        UnloadingSite,
        (*_PLACE, number("opens_hour", 0, 24), number("closes_hour", 0, 24), number("unloading_s", 0, 86_400)),
    ),
    Table(
        "containers",
        "containers.csv",
        Container,
        (
            identifier("id"),
            identifier("cluster"),
            choice("stream", STREAMS),
            number("volume_m3", 0, 100, required=True, above=True),
            number("depth_mm", 0, 10_000, above=True),
            depth_table("depth_table"),
        ),
    ),
    Table(
        "approaches",
        "approaches.csv",
        Approach,
        (
            identifier("id"),
            identifier("junction"),
            text("name"),
            number("bearing_deg", 0, 360, required=True),
            whole("lanes", 1, 20),
            number("free_speed_kph", 0, 150, above=True),
        ),
    ),
    Table(
        "trucks",
        "trucks.csv",
        Truck,
        (
            identifier("id"),
            text("name"),
            choice("kind", get_args(TruckKind)),
            identifier("depot"),
            choices("streams", STREAMS),
            number("volume_m3", 0, 1_000, required=True, above=True),
            number("payload_kg", 0, 100_000, required=True, above=True),
            number("shift_start_hour", 0, 24),
            number("shift_duration_s", 0, 86_400, above=True),
            day_breaks("breaks"),
            number("overtime_s", 0, 86_400),
            number("volume_per_day_m3", 0, 10_000, above=True),
            number("height_m", 0, 10, above=True),
            number("weight_kg", 0, 100_000, above=True),
            number("length_m", 0, 30, above=True),
        ),
    ),
    Table("devices", "devices.csv", Device, (identifier("id"), text("name"), public_key("public_key"))),
    Table(
        "installations",
        "installations.csv",
        Installation,
        (
            identifier("device"),
            text("channel", required=True),
            identifier("entity"),
            moment("valid_from", "valid_from_s", required=True),
            moment("valid_until", "valid_until_s"),
        ),
    ),
)


def build_rows(table: Table, raw: RawRows, file: str) -> Rows:
    """Make the structs of a table of its raw rows, with every error of form and of single rows, by line."""
    result = Rows([], [], set(), list(raw.errors), raw.is_whole)
    for row in raw.rows:
        if row.is_broken:
            result.unread.add(row.cells.get("id", ""))
            continue
        values, errors = _parse_cells(table, row, file)
        if not errors:
            errors = [
                BadFile(e.problem, e.fix, file=file, line=row.line, field=name) for name, e in _row_faults(values)
            ]
        if errors:
            result.errors.extend(errors)
            result.unread.add(row.cells.get("id", ""))
        else:
            result.values.append(table.struct(**values))
            result.lines.append(row.line)
    result.errors.sort(key=lambda error: error.line)
    return result


def cells_of(table: Table, value: msgspec.Struct) -> dict[str, str]:
    """Return the cells of one value, by the name of the field; the reverse of `build_rows`."""
    return {field.name: field.write(getattr(value, field.attribute)) for field in table.fields}


def unknown_fields(table: Table, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each name that is no field of the table, with a sentence that helps."""
    known = [field.name for field in table.fields]
    return [(name, did_you_mean(name, known)) for name in names if name not in known]


def _parse_cells(table: Table, row: RawRow, file: str) -> tuple[dict[str, Any], list[BadFile]]:
    values: dict[str, Any] = {}
    errors = []
    defaults = {field.name: field for field in msgspec.structs.fields(table.struct) if not field.required}
    for field in table.fields:
        cell = row.cells.get(field.name, "")
        if cell:
            try:
                values[field.attribute] = field.parse(cell)
            except BadInput as error:
                errors.append(BadFile(error.problem, error.fix, file=file, line=row.line, field=field.name))
        elif field.required:
            what = "is empty" if field.name in row.cells else "is missing"
            errors.append(BadFile(f"The {field.name} {what}.", "Give one.", file=file, line=row.line, field=field.name))
        elif field.attribute not in defaults:
            values[field.attribute] = field.parse(cell)
    return values, errors


def _row_faults(values: Mapping[str, Any]) -> list[tuple[str, BadInput]]:
    """Return what is wrong between fields of one row, with the name of the field to mend."""
    if "closes_hour" in values and values["closes_hour"] <= values.get("opens_hour", 0.0):
        problem = f"The site closes at {values['closes_hour']:g} h, before it opens."
        return [("closes_hour", BadInput(problem, "Give an hour after opens_hour, 24 for midnight."))]
    if fault := _break_fault(values):
        return [("breaks", fault)]
    if values.get("valid_until_s") is not None and values["valid_until_s"] <= values["valid_from_s"]:
        return [("valid_until", BadInput("The installation ends before it begins.", "Give a time after valid_from."))]
    return []


def _break_fault(values: Mapping[str, Any]) -> BadInput | None:
    """Return what is wrong with the breaks of a truck's row: one outside of its shift would never be taken."""
    breaks: Sequence[tuple[float, float]] = values.get("breaks", ())
    starts = values.get("shift_start_hour", _field_default(Truck, "shift_start_hour"))
    ends = starts + values.get("shift_duration_s", _field_default(Truck, "shift_duration_s")) / 3600.0
    for hour, minutes in breaks:
        if not (starts < hour and hour + minutes / 60.0 <= ends):
            return BadInput(
                f"The break at {hour:g} h is not within the shift, which lasts from {starts:g} to {ends:g} h.",
                "Move the break, or correct shift_start_hour or shift_duration_s (breaks are part of it).",
            )
    return None


def _field_default(struct: type[msgspec.Struct], name: str) -> float:
    return next(float(field.default) for field in msgspec.structs.fields(struct) if field.name == name)
