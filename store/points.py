"""The door of every series store: which points can be stored at all."""

import math
import re
from collections.abc import Iterable

import numpy as np

from city.readings import Quality
from store.series import BadPoint, Point

# A quantity becomes the name of a measurement: InfluxDB reserves a leading underscore and takes # for a comment.
_QUANTITY = re.compile(r"[a-z][a-z0-9_]{0,63}")
QUALITIES: tuple[Quality, ...] = ("good", "suspect", "clock_unsure")
# What stores keep of a quality; a code never changes its meaning.
CODES = {name: code for code, name in enumerate(QUALITIES)}
QUALITY_NAMES = np.array(QUALITIES)
# InfluxDB counts nanoseconds in 64 bits.
_END_MS = 9_000_000_000_000


def sift(points: Iterable[Point]) -> tuple[list[Point], list[BadPoint]]:
    """Return the points that can be stored, and the others each with its reason."""
    good: list[Point] = []
    bad: list[BadPoint] = []
    known_names: set[tuple[str, str]] = set()
    for point in points:
        reason = _reason(point, known_names)
        if reason:
            bad.append(BadPoint(point, reason))
        else:
            good.append(point)
    return good, bad


def is_quantity(text: object) -> bool:
    """Whether `text` can name a quantity in a store."""
    return isinstance(text, str) and _QUANTITY.fullmatch(text) is not None


def is_name(text: object) -> bool:
    """Whether `text` can name an entity in a store."""
    return isinstance(text, str) and 0 < len(text) <= 200 and text.isprintable() and "\\" not in text


def _reason(point: Point, known_names: set[tuple[str, str]]) -> str:
    value = point.value
    if value is not None and (type(value) is not float or not math.isfinite(value)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"the value {value!r} is no number"
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            return f"the value {value!r} is no finite number; unknown is None"
    if type(point.at_ms) is not int or not 0 <= point.at_ms < _END_MS:
        return f"the time {point.at_ms!r} is no whole number of ms since 1970"
    if point.quality not in CODES:
        return f"the quality {point.quality!r} is none of {', '.join(QUALITIES)}"
    names = (point.entity, point.quantity)
    if names not in known_names:
        if not is_quantity(point.quantity):
            return "a quantity is 1 to 64 of a-z, 0-9 and _, beginning with a letter"
        if not is_name(point.entity):
            return "an entity is 1 to 200 printable characters without a backslash"
        known_names.add(names)
    return ""
