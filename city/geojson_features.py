"""Point features of a register's GeoJSON files as raw rows, and back. Pure: text in, values out.

References
----------
RFC 7946, The GeoJSON Format: coordinates are longitude then latitude, in degrees of WGS 84.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from city.errors import BadFile, BadInput
from city.register_tables import RawRow, RawRows, Table, cells_of, unknown_fields


def parse_features(table: Table, content: str, file: str) -> RawRows:
    """Return the features of a FeatureCollection of points, each with its line, and what is wrong with their form.

    The coordinates become the cells `lon` and `lat`.
    """
    rows: list[RawRow] = []
    errors: list[BadFile] = []
    line = 1
    try:
        for line, feature in _features(content.removeprefix("\ufeff")):
            cells: dict[str, str] = {}
            try:
                cells |= _properties(feature)
                cells |= _coordinates(feature)
            except BadInput as error:
                errors.append(BadFile(error.problem, error.fix, file=file, line=line))
                rows.append(RawRow(line, cells, is_broken=True))
                continue
            for name, fix in unknown_fields(table, cells):
                errors.append(BadFile(f"{name!r} is no known property.", fix, file=file, line=line, field=name))
            rows.append(RawRow(line, cells))
    except json.JSONDecodeError as error:
        errors.append(BadFile(f"This is not JSON: {error.msg}.", "Mend it there.", file=file, line=error.lineno))
    except RecursionError:
        errors.append(BadFile("This is no GeoJSON: it is nested too deeply.", "Export it again.", file=file, line=line))
    except BadInput as error:
        errors.append(BadFile(error.problem, error.fix, file=file))
    except ValueError as error:
        errors.append(BadFile(f"This is no GeoJSON: {error}.", "Export it again.", file=file, line=line))
    else:
        return RawRows(rows, errors, is_whole=True)
    return RawRows(rows, errors, is_whole=False)


def features_text(table: Table, values: Iterable[msgspec.Struct]) -> str:
    """Return the GeoJSON file of a table, one feature a line."""
    lines = ",\n".join(json.dumps(_feature(table, value), ensure_ascii=False) for value in values)
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


def _feature(table: Table, value: msgspec.Struct) -> dict[str, Any]:
    defaults = {field.name: field.default for field in msgspec.structs.fields(value) if not field.required}
    properties = {
        field.name: getattr(value, field.attribute)
        for field in table.fields
        if field.name not in ("lon", "lat")
        and not (field.attribute in defaults and getattr(value, field.attribute) == defaults[field.attribute])
    }
    cells = cells_of(table, value)
    coordinates = [float(cells["lon"]), float(cells["lat"])]
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": coordinates}, "properties": properties}


def _features(content: str) -> Iterator[tuple[int, Any]]:
    """Yield each feature of the collection with its line; members of the collection are walked in their order."""
    decoder = json.JSONDecoder(object_pairs_hook=_Object)
    at = _expect(content, 0, "{", "a GeoJSON FeatureCollection")
    seen: dict[str, Any] = {}
    line, counted = 1, 0
    while content[at : at + 1] != "}":
        name, at = decoder.raw_decode(content, at)
        at = _expect(content, _skip(content, at), ":", "a colon")
        if name == "features":
            at = _expect(content, at, "[", "the list of features")
            while content[at : at + 1] != "]":
                line += content.count("\n", counted, at)
                counted = at
                feature, at = decoder.raw_decode(content, at)
                yield line, feature
                at = _after_item(content, at, "]")
            at += 1
            seen[name] = None
        else:
            seen[name], at = decoder.raw_decode(content, at)
        at = _after_item(content, at, "}")
    _check_collection(seen)


def _check_collection(members: dict[str, Any]) -> None:
    if members.get("type") != "FeatureCollection" or "features" not in members:
        raise BadInput(
            f"This is no FeatureCollection, its type is {members.get('type')!r}.",
            "Export the layer as GeoJSON (RFC 7946) with points.",
        )
    crs = json.dumps(members.get("crs"))
    if members.get("crs") is not None and not any(known in crs for known in ("CRS84", "4326")):
        raise BadInput(f"The coordinates are in another system: {crs}.", "Export it as WGS 84 (EPSG:4326).")


class _Object(dict[str, Any]):
    """An object of JSON that remembers which of its names stood there twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = [] if len(self) == len(names) else [name for name in self if names.count(name) > 1]


def _properties(feature: Any) -> dict[str, str]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise BadInput("This is no Feature.", 'Every item must be an object with "type": "Feature".')
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        raise BadInput("The feature has no properties.", 'Give it "properties" with at least an id.')
    for one in (feature, properties, feature.get("geometry")):
        if isinstance(one, _Object) and one.twice:
            raise BadInput(f"{one.twice[0]!r} stands there twice.", "Keep one of them.")
    return {name: _cell(name, value) for name, value in properties.items()}


def _coordinates(feature: dict[str, Any]) -> dict[str, str]:
    geometry = feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind != "Point":
        what = f"is a {kind}" if kind else "is missing"
        raise BadInput(f"The geometry {what}.", "Every place is a Point; use the middle of an area.")
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if (
        not isinstance(coordinates, list)
        or len(coordinates) not in (2, 3)
        or not all(isinstance(number, int | float) and not isinstance(number, bool) for number in coordinates)
    ):
        raise BadInput(f"{json.dumps(coordinates)} are no coordinates.", "Give [lon, lat], two numbers in degrees.")
    return {"lon": repr(coordinates[0]), "lat": repr(coordinates[1])}


def _cell(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    raise BadInput(f"The property {name!r} is a list or an object.", "Give a text, a number, true or false.")


def _skip(content: str, at: int) -> int:
    while content[at : at + 1] and content[at] in " \t\r\n":
        at += 1
    return at


def _expect(content: str, at: int, mark: str, what: str) -> int:
    at = _skip(content, at)
    if content[at : at + 1] != mark:
        raise json.JSONDecodeError(f"expected {what}", content, at)
    return _skip(content, at + 1)


def _after_item(content: str, at: int, end: str) -> int:
    at = _skip(content, at)
    if content[at : at + 1] == end:
        return at
    at = _expect(content, at, ",", f"a comma or {end}")
    if content[at : at + 1] == end:
        raise json.JSONDecodeError("a comma stands before the end", content, at)
    return at
