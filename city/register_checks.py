"""What can be wrong between the places, devices and installations of a city. Pure."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from city.spelling import nearest_word

# Each kind of a register, with what one of it is called. Together the kinds of places share one space of ids.
PLACE_KINDS = {
    "clusters": "cluster",
    "junctions": "junction",
    "depots": "depot",
    "unloading_sites": "unloading site",
    "containers": "container",
    "approaches": "approach",
    "trucks": "truck",
}
KINDS = {**PLACE_KINDS, "devices": "device", "installations": "installation"}

_REFERENCES = (
    ("containers", "cluster", ("clusters",)),
    ("approaches", "junction", ("junctions",)),
    ("trucks", "depot", ("depots",)),
    ("installations", "device", ("devices",)),
    ("installations", "entity", ("containers", "clusters", "approaches", "junctions", "trucks")),
)

# Unloading sites may stand in another region; everything else of a city is near.
_FAR_KM = {"clusters": 60.0, "junctions": 60.0, "depots": 60.0, "unloading_sites": 200.0}
_ENOUGH_PLACES = 5
# A file of another city has thousands of strange ids, and to look for the nearest of each would take minutes.
_SEARCHES = 20
_KM_PER_DEGREE = 111.2


class At(NamedTuple):
    """Number `number` (from 0) of a kind (`clusters`, `containers`, …)."""

    kind: str
    number: int


class Fault(NamedTuple):
    """Something wrong: where, in which field, and where the thing stands that it contradicts."""

    at: At
    field: str
    problem: str
    fix: str
    other: At | None = None


def find_faults(
    kinds: Mapping[str, Sequence[Any]], excused: Collection[str] = (), partial: Collection[str] = ()
) -> Iterator[Fault]:
    """Yield what contradicts itself between the parts of a register.

    Parameters
    ----------
    kinds
        The values of each kind, by the name of the register's attribute.
    excused
        Ids of things that exist but could not be read: to refer to them is no fault.
    partial
        Kinds of which not everything could be read: to refer to what is not known of them is no fault either.
    """
    yield from _double_ids(kinds, PLACE_KINDS)
    yield from _double_ids(kinds, ("devices",))
    yield from _dangling(kinds, excused, partial)
    yield from _overlaps(kinds.get("installations", ()))


def find_strays(kinds: Mapping[str, Sequence[Any]], meridian_deg: float | None = None) -> Iterator[Fault]:
    """Yield places that cannot be where they say they are.

    A sensor's or an export's usual faults: longitude and latitude swapped, a degree off, or 0, 0. A place is judged by
    the median of all the city's places, and a whole city by the meridian that its time zone belongs to.

    Parameters
    ----------
    meridian_deg
        Longitude (degrees) in the middle of the city's time zone, None if it is not known.
    """
    places = [(At(kind, i), place) for kind in _FAR_KM for i, place in enumerate(kinds.get(kind, ()))]
    if not places:
        return
    lon, lat = _median([place.lon for _, place in places]), _median([place.lat for _, place in places])
    # No time zone reaches further than 45 degrees from its meridian (China does), and there lat is no nearer.
    lon_off, lat_off = (_degrees_apart(one, meridian_deg or 0.0) for one in (lon, lat))
    if meridian_deg is not None and lon_off > 30 and lat_off < lon_off - 25:
        for at, place in places:
            yield Fault(at, "lon", *_swapped(place.lon, place.lat))
        return
    if len(places) < _ENOUGH_PLACES:
        return
    for at, place in places:
        distance_km = _distance_km(place.lon, place.lat, lon, lat)
        if distance_km <= _FAR_KM[at.kind]:
            continue
        if _distance_km(place.lat, place.lon, lon, lat) <= _FAR_KM[at.kind]:
            yield Fault(at, "lon", *_swapped(place.lon, place.lat))
        else:
            problem = f"{place.lon:g}, {place.lat:g} is {distance_km:,.0f} km from the middle of the city's places."
            yield Fault(at, "lon", problem, "Correct the coordinates.")


def _swapped(lon: float, lat: float) -> tuple[str, str]:
    return f"lon and lat look swapped: {lon:g}, {lat:g}.", f"Write {lat:g}, {lon:g}: lon comes first."


def _double_ids(kinds: Mapping[str, Sequence[Any]], names: Collection[str]) -> Iterator[Fault]:
    first: dict[str, At] = {}
    for kind in names:
        for index, one in enumerate(kinds.get(kind, ())):
            at = At(kind, index)
            known = first.setdefault(one.id, at)
            if known.kind != kind:
                problem = f"The id {one.id!r} is used for a {KINDS[known.kind]} and a {KINDS[kind]}."
                yield Fault(at, "id", problem, "Give one of them another id.", known)
            elif known != at:
                yield Fault(at, "id", f"The id {one.id!r} is used twice.", "Every id must be unique.", known)


def _dangling(
    kinds: Mapping[str, Sequence[Any]], excused: Collection[str], partial: Collection[str]
) -> Iterator[Fault]:
    for kind, field, targets in _REFERENCES:
        if not set(partial).isdisjoint(targets):
            continue
        known = {one.id for target in targets for one in kinds.get(target, ())}
        searched = 0
        for index, one in enumerate(kinds.get(kind, ())):
            target = getattr(one, field)
            if target not in known and target not in excused:
                name = f"{one.device}/{one.channel}" if kind == "installations" else one.id
                problem = f"The {field} {target!r} of {KINDS[kind]} {name!r} is not in the register."
                fix = f"Add the {' or '.join(KINDS[one] for one in targets)}, or correct the {field}."
                if searched < _SEARCHES:
                    searched += 1
                    nearest = nearest_word(target, sorted(known))
                    fix = f"Did you mean {nearest!r}?" if nearest else fix
                yield Fault(At(kind, index), field, problem, fix)


def _overlaps(installations: Sequence[Any]) -> Iterator[Fault]:
    by_channel: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, one in enumerate(installations):
        by_channel[one.device, one.channel].append(index)
    for indices in by_channel.values():
        indices.sort(key=lambda index: installations[index].valid_from_s)
        for earlier, later in pairwise(indices):
            if installations[earlier].covers(installations[later].valid_from_s):
                one = installations[later]
                yield Fault(
                    At("installations", later),
                    "valid_from",
                    f"Channel {one.channel!r} of device {one.device!r} watches two things at the same time.",
                    "End the earlier installation (valid_until) where the later one begins.",
                    At("installations", earlier),
                )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _degrees_apart(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


def _distance_km(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    east = _degrees_apart(lon, other_lon) * math.cos(math.radians(other_lat))
    return math.hypot(east, lat - other_lat) * _KM_PER_DEGREE
