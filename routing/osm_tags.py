"""What the tags of an OpenStreetMap way or node mean for a truck."""

import re
from collections.abc import Mapping

from routing.osm_access import MODES, NO_ENTRY, open_minutes

# km/h where `maxspeed` is not tagged: the usual limit of such a road.
DEFAULT_SPEED_KPH: Mapping[str, float] = {
    "motorway": 100.0,
    "motorway_link": 60.0,
    "trunk": 80.0,
    "trunk_link": 50.0,
    "primary": 50.0,
    "primary_link": 40.0,
    "secondary": 50.0,
    "secondary_link": 40.0,
    "tertiary": 50.0,
    "tertiary_link": 40.0,
    "unclassified": 40.0,
    "residential": 30.0,
    "living_street": 10.0,
    "road": 30.0,
    "pedestrian": 8.0,
}

# A truck drives slower than the limit even on a free street, and never faster than its own limit.
DRIVEN_SHARE_OF_LIMIT = 0.8
TRUCK_LIMIT_KPH = 80.0

_ZONE_KPH = {"walk": 7.0, "living_street": 7.0, "urban": 50.0, "rural": 80.0, "trunk": 80.0, "motorway": 100.0}
_BLOCKS = frozenset({"bollard", "block", "jersey_barrier", "cycle_barrier", "chain", "debris", "log", "planter"})
_GATES = frozenset({"gate", "lift_gate", "swing_gate", "sliding_gate", "hampshire_gate", "barrier"})
_MOVES_AWAY = frozenset({"rising", "removable", "foldable", "retractable"})


def may_enter(tags: Mapping[str, str]) -> bool:
    """Return whether a truck may drive a way, if only at certain hours."""
    return tags.get("highway") in DEFAULT_SPEED_KPH and bool(open_minutes(tags).any())


def blocks(tags: Mapping[str, str]) -> bool:
    """Return whether a node stops a truck: a bollard that stands fast, a gate that is not for it."""
    barrier = tags.get("barrier")
    for key in MODES:
        if (barrier in _BLOCKS or barrier in _GATES) and (value := tags.get(key)):
            return value in NO_ENTRY
    return barrier in _BLOCKS and tags.get("bollard") not in _MOVES_AWAY


def speed_kph(tags: Mapping[str, str], forwards: bool = True) -> float:
    """Return how fast a truck drives a free way in one direction."""
    own = tags.get("maxspeed:forward" if forwards else "maxspeed:backward") or ""
    limit = _limit_kph(own) or _limit_kph(tags.get("maxspeed") or "") or DEFAULT_SPEED_KPH[tags.get("highway") or ""]
    return min(limit, TRUCK_LIMIT_KPH) * DRIVEN_SHARE_OF_LIMIT


def direction(tags: Mapping[str, str]) -> int:
    """Return 1 if a way is driven only forwards, -1 if only backwards, 0 if both."""
    oneway = tags.get("oneway") or ""
    if oneway in ("-1", "reverse"):
        return -1
    if oneway in ("yes", "true", "1"):
        return 1
    implied = tags.get("junction") in ("roundabout", "circular") or tags.get("highway") in ("motorway", "motorway_link")
    return 1 if implied and oneway != "no" else 0


def _limit_kph(text: str) -> float | None:
    number = re.match(r"\s*(\d+(?:\.\d+)?)\s*(mph)?", text)
    if number:
        limit = float(number[1]) * (1.609344 if number[2] else 1.0)
        return limit if limit >= 3.0 else None
    if text == "none":
        return 130.0
    return _ZONE_KPH.get(text.rpartition(":")[2])
