"""Kinds of fields of a register's files: how a cell's text becomes a value, and a value a cell's text.

A parser takes the text of one cell, which is never empty, and raises `BadInput` when it cannot be used.
"""

import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from city.clock import parse_time, utc
from city.devices import check_id
from city.errors import BadInput
from city.spelling import did_you_mean

_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


class Field(NamedTuple):
    """A column of a CSV file or a property of a GeoJSON feature.

    `attribute` is what the value is called in the struct. A cell of a required field may not be empty; an empty
    cell of another one means the struct's default.
    """

    name: str
    attribute: str
    parse: Callable[[str], Any]
    write: Callable[[Any], str]
    required: bool


def identifier(name: str, attribute: str = "") -> Field:
    """Return a field that holds an id."""
    return Field(name, attribute or name, lambda text: check_id(text, name), str, required=True)


def text(name: str, *, required: bool = False) -> Field:
    """Return a field that holds any text."""
    return Field(name, name, str, str, required)


def choice(name: str, known: Sequence[str]) -> Field:
    """Return a field that holds one of the known words."""

    def parse(cell: str) -> str:
        if cell not in known:
            raise BadInput(f"{cell!r} is no known {name}.", did_you_mean(cell, known))
        return cell

    return Field(name, name, parse, str, required=True)


def choices(name: str, known: Sequence[str]) -> Field:
    """Return a field that holds known words with spaces between them."""
    one = choice(name.removesuffix("s"), known)

    def parse(cell: str) -> tuple[str, ...]:
        words = tuple(one.parse(word) for word in cell.split())
        if len(set(words)) < len(words):
            raise BadInput(f"{cell!r} names one of them twice.", "Name each once.")
        return words

    return Field(name, name, parse, " ".join, required=False)


def number(name: str, low: float, high: float, *, required: bool = False, above: bool = False) -> Field:
    """Return a field that holds a number within `low..high` (`above` = `low` itself is not allowed)."""

    def parse(cell: str) -> float:
        value = _finite(cell)
        if not (low < value if above else low <= value) or value > high:
            range_ = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
            raise BadInput(f"{cell.strip()} is out of range.", f"It must be {range_}.")
        return value

    return Field(name, name, parse, _number_text, required)


def degrees(name: str, limit: float) -> Field:
    """Return a required field that holds a coordinate in degrees within ±`limit`."""

    def parse(cell: str) -> float:
        value = _finite(cell)
        if abs(value) > 360:
            fix = "Metres of a projection (EPSG:28992, UTM) must be converted to WGS 84 (EPSG:4326)."
            raise BadInput(f"{cell.strip()} is no coordinate in degrees.", fix)
        if abs(value) > limit:
            fix = f"It must be from {-limit:g} to {limit:g}; lon comes before lat."
            raise BadInput(f"{cell.strip()} is out of range.", fix)
        return value

    return Field(name, name, parse, _number_text, required=True)


def whole(name: str, low: int, high: int) -> Field:
    """Return an optional field that holds a whole number within `low..high`."""
    as_number = number(name, low, high)

    def parse(cell: str) -> int:
        value = float(as_number.parse(cell))
        if not value.is_integer():
            raise BadInput(f"{cell.strip()} is not a whole number.", f"Use {round(value)}.")
        return int(value)

    return Field(name, name, parse, str, required=False)


def yes_no(name: str) -> Field:
    """Return an optional field that holds `true` or `false`."""

    def parse(cell: str) -> bool:
        if cell not in ("true", "false"):
            raise BadInput(f"{cell!r} is neither true nor false.", "Write true or false.")
        return cell == "true"

    return Field(name, name, parse, lambda value: "true" if value else "false", required=False)


def moment(name: str, attribute: str, *, required: bool = False) -> Field:
    """Return a field that holds a time, ISO 8601 with an offset; kept to the microsecond."""
    return Field(name, attribute, lambda cell: parse_time(cell.strip()), _time_text, required)


def public_key(name: str) -> Field:
    """Return an optional field that holds an Ed25519 public key in hex."""

    def parse(cell: str) -> str:
        if not _PUBLIC_KEY.fullmatch(cell):
            raise BadInput(
                f"A key of {len(cell)} characters that begins with {cell[:8]!r} is no Ed25519 public key.",
                "Give 64 hexadecimal digits in lower case, or leave the cell empty for an unsigned device.",
            )
        return cell

    return Field(name, name, parse, str, required=False)


def depth_table(name: str) -> Field:
    """Return an optional field that holds a depth table as `mm:ratio mm:ratio …`, mm falling and ratio rising."""

    def parse(cell: str) -> tuple[tuple[float, float], ...]:
        pairs = []
        for pair in cell.split():
            mm, colon, ratio = pair.partition(":")
            if not colon:
                raise BadInput(f"{pair!r} is no pair.", "Write mm:ratio, for instance 2500:0 1300:0.5 200:1.")
            pairs.append((_finite(mm), _finite(ratio)))
        steps = list(pairwise(pairs))
        if not steps or any(mm <= next_mm or ratio >= next_ratio for (mm, ratio), (next_mm, next_ratio) in steps):
            raise BadInput(
                f"{cell!r} does not fall in mm while it rises in ratio.",
                "Give two or more pairs from the empty container to the full one, such as 2500:0 200:1.",
            )
        return tuple(pairs)

    def write(table: tuple[tuple[float, float], ...]) -> str:
        return " ".join(f"{_number_text(mm)}:{_number_text(ratio)}" for mm, ratio in table)

    return Field(name, name, parse, write, required=False)


def day_breaks(name: str) -> Field:
    """Return an optional field that holds the breaks of a working day as `hour/minutes hour/minutes …`, in order."""

    def parse(cell: str) -> tuple[tuple[float, float], ...]:
        breaks: list[tuple[float, float]] = []
        for one in cell.split():
            hour, slash, minutes = one.partition("/")
            if not slash:
                raise BadInput(f"{one!r} is no break.", "Write hour/minutes, for instance 10/30 12.5/30.")
            breaks.append((_finite(hour), _finite(minutes)))
        if any(not (0 <= hour <= 24 and minutes > 0) for hour, minutes in breaks) or any(
            hour + minutes / 60 > next_hour for (hour, minutes), (next_hour, _) in pairwise(breaks)
        ):
            raise BadInput(
                f"The breaks {cell!r} do not follow each other in one day.",
                "Give hours of the day in order and minutes above 0, such as 10/30 12/30.",
            )
        return tuple(breaks)

    def write(breaks: tuple[tuple[float, float], ...]) -> str:
        return " ".join(f"{_number_text(hour)}/{_number_text(minutes)}" for hour, minutes in breaks)

    return Field(name, name, parse, write, required=False)


def _finite(cell: str) -> float:
    try:
        value = float(cell.replace("_", "?"))  # Python's own 1_000 is no number to anybody else
    except ValueError:
        fix = "Write a number with a point for the decimals, without a unit."
        raise BadInput(f"{cell!r} is no number.", fix) from None
    if not math.isfinite(value):
        raise BadInput(f"{cell!r} is no finite number.", "Leave the cell empty if it is not known.")
    return value


def _number_text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _time_text(value: float | None) -> str:
    return "" if value is None else utc(value).isoformat().replace("+00:00", "Z")
