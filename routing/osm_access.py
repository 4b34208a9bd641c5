"""When a truck may enter a way of OpenStreetMap: its access tags and the conditional ones, most specific first."""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from routing.geometry import Bools

# From the most to the least specific: `motor_vehicle=yes` opens a street that has `access=no`.
MODES = ("hgv", "motor_vehicle", "vehicle", "access")
NO_ENTRY = frozenset({"no", "private", "agricultural", "forestry", "military", "emergency"})

_OPEN = frozenset({"yes", "delivery", "destination", "permissive", "designated", "permit"})
_CONDITION = re.compile(r"([^@;]+)@\s*(\([^)]*\)|[^;]*)")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DAY = 24 * 60


def open_minutes(tags: Mapping[str, str]) -> Bools:
    """Return `(1440,)` bool: the minutes of the local day in which a truck may enter a way.

    A conditional "yes" opens the key that it stands with, and a more specific key still shuts the way; a conditional
    "no" shuts and never opens. Days of the week are not looked at: a way that is shut on some days counts as shut on
    all. Conditions that name no times are not looked at either. A pedestrian street is one only where its tags let
    vehicles in.

    References
    ----------
    https://wiki.openstreetmap.org/wiki/Conditional_restrictions
    """
    shut = np.zeros(_DAY, dtype=bool)
    for key in MODES:
        value = tags.get(key)
        opened = None
        for word, minutes in _conditions(tags.get(f"{key}:conditional") or ""):
            if word in _OPEN:
                opened = minutes if opened is None else opened | minutes
            elif word in NO_ENTRY:
                shut = shut | minutes
        if opened is not None:
            return opened & ~shut
        if value:
            return np.full(_DAY, value not in NO_ENTRY) & ~shut
    return np.full(_DAY, tags.get("highway") != "pedestrian") & ~shut


def hours_of(tags: Mapping[str, str]) -> tuple[float, float] | None:
    """Return from which to which hour a truck may enter a way; None = its tags say nothing of hours.

    A street has one span of hours: of several, such as 07:00-09:00,16:00-18:00, the longest is taken, the first of
    equally long ones. A truck is then never sent in when it may not be there.
    """
    minutes = open_minutes(tags)
    begins = np.flatnonzero(minutes & ~np.roll(minutes, 1))
    ends = np.flatnonzero(~minutes & np.roll(minutes, 1))
    if not len(begins):
        return None
    # Over midnight the first end is that of the last span.
    ends = ends if ends[0] > begins[0] else np.roll(ends, -1)
    longest = int(np.argmax((ends - begins) % _DAY))
    return float(begins[longest] / 60), float(ends[longest] / 60) or 24.0


def _conditions(text: str) -> Iterator[tuple[str, Bools]]:
    """Yield each value of a conditional tag and the minutes for which it holds, where it names times."""
    for value, when in _CONDITION.findall(text):
        # Clauses between semicolons are for different days.
        clauses = [spans for spans in map(_SPAN.findall, when.split(";")) if spans]
        known = [minutes for minutes in map(_minutes, clauses) if minutes.any()]
        if known:
            word = value.strip()
            yield word, (np.logical_and if word in _OPEN else np.logical_or).reduce(known)


def _minutes(spans: list[tuple[str, str, str, str]]) -> Bools:
    minutes, at = np.zeros(_DAY, dtype=bool), np.arange(_DAY)
    for span in spans:
        first, last = ((int(span[i]) * 60 + int(span[i + 1])) % _DAY for i in (0, 2))
        # A span of the whole day tells of days, which are not looked at.
        inside = (first <= at) & (at < last) if first <= last else (at >= first) | (at < last)
        minutes |= inside
    return minutes
