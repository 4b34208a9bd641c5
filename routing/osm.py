"""A road network from an OpenStreetMap extract."""

import os
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import osmium

from city.errors import BadFile
from routing.geometry import Ints, distance_m
from routing.network import Network

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
}

# A truck drives slower than the limit even on a free street, and never faster than its own limit.
DRIVEN_SHARE_OF_LIMIT = 0.8
TRUCK_LIMIT_KPH = 80.0

_ZONE_KPH = {"walk": 7.0, "living_street": 7.0, "urban": 50.0, "rural": 80.0, "trunk": 80.0, "motorway": 100.0}
_NO_ENTRY = frozenset({"no", "private", "agricultural", "forestry", "military", "emergency"})
_SUFFIXES = ".osm.pbf, .osm, .osm.bz2 or .osm.gz"
_FIX = f"Give an OpenStreetMap extract ({_SUFFIXES}), for instance one of a city cut out with 'osmium extract'."


@dataclass
class _Ways:
    """Ways as flat arrays: way `i` has the nodes `start[i]:start[i + 1]`."""

    start: "array[int]" = field(default_factory=lambda: array("q", [0]))
    node: "array[int]" = field(default_factory=lambda: array("q"))
    lon: "array[float]" = field(default_factory=lambda: array("d"))
    lat: "array[float]" = field(default_factory=lambda: array("d"))
    speed_kph: list[float] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    signals: set[int] = field(default_factory=set)


def read_osm(path: str | os.PathLike[str]) -> Network:
    """Return the streets of an OSM file that a truck may drive, cut to the part where every street reaches every other.

    Nodes are junctions, traffic lights and ends of ways; what lies between becomes the shape of an edge. One-way
    streets and roundabouts are kept. Turn restrictions are not read yet. The speed of an edge is `maxspeed`, or the
    default of its class, times 0.8, at most 80 km/h.

    Raises
    ------
    BadFile
        The file is missing, is no OSM file, is cut off, or holds no streets.

    References
    ----------
    Tags: https://wiki.openstreetmap.org/wiki/Key:highway, Key:oneway, Key:maxspeed, Key:access. The share of the limit
    is the one that OSRM's car profile uses (`speed_reduction`).
    """
    file = Path(path)
    if not file.is_file():
        raise BadFile("There is no such file.", _FIX, file=str(path))
    try:
        ways = _read_ways(file)
    except (RuntimeError, ValueError, OSError) as error:
        raise BadFile(f"This is no OSM file, or it is cut off ({error}).", _FIX, file=str(path)) from None
    if not ways.name:
        raise BadFile("There is no street in it that a truck may drive.", _FIX, file=str(path))
    return _largest_part(_to_network(ways))


def _read_ways(file: Path) -> _Ways:
    ways = _Ways()
    wanted = osmium.filter.KeyFilter("highway")
    for one in osmium.FileProcessor(str(file)).with_locations().with_filter(wanted):
        if one.is_node():
            if one.tags.get("highway") == "traffic_signals":
                ways.signals.add(one.id)
        elif one.is_way() and one.tags.get("highway") in DEFAULT_SPEED_KPH and _may_enter(one.tags):
            _add_way(ways, one)
    return ways


def _add_way(ways: _Ways, way: osmium.osm.Way) -> None:
    # An extract holds ways that reach out of its area: their far nodes have no place.
    nodes = [(n.ref, n.location.lon, n.location.lat) for n in way.nodes if n.location.valid()]
    nodes = [n for i, n in enumerate(nodes) if i == 0 or n[1:] != nodes[i - 1][1:]]
    if len(nodes) < 2:
        return
    for ref, lon, lat in nodes:
        ways.node.append(ref)
        ways.lon.append(lon)
        ways.lat.append(lat)
    ways.start.append(len(ways.node))
    ways.speed_kph.append(_speed_kph(way.tags))
    ways.direction.append(_direction(way.tags))
    ways.name.append(way.tags.get("name") or way.tags.get("ref") or "")


def _may_enter(tags: Mapping[str, str]) -> bool:
    # The more specific key wins: `motor_vehicle=yes` opens a street that has `access=no`.
    for key in ("hgv", "motor_vehicle", "vehicle", "access"):
        if value := tags.get(key):
            return value not in _NO_ENTRY
    return True


def _speed_kph(tags: Mapping[str, str]) -> float:
    limit = _limit_kph(tags.get("maxspeed") or "") or DEFAULT_SPEED_KPH[tags.get("highway") or ""]
    return min(limit, TRUCK_LIMIT_KPH) * DRIVEN_SHARE_OF_LIMIT


def _limit_kph(text: str) -> float | None:
    number = re.match(r"\s*(\d+(?:\.\d+)?)\s*(mph)?", text)
    if number:
        limit = float(number[1]) * (1.609344 if number[2] else 1.0)
        return limit if limit >= 3.0 else None
    if text == "none":
        return 130.0
    return _ZONE_KPH.get(text.rpartition(":")[2])


def _direction(tags: Mapping[str, str]) -> int:
    """1 = only forwards, -1 = only backwards, 0 = both."""
    oneway = tags.get("oneway") or ""
    if oneway in ("-1", "reverse"):
        return -1
    if oneway in ("yes", "true", "1"):
        return 1
    implied = tags.get("junction") in ("roundabout", "circular") or tags.get("highway") in ("motorway", "motorway_link")
    return 1 if implied and oneway != "no" else 0


def _to_network(ways: _Ways) -> Network:
    refs, lon, lat = np.array(ways.node), np.array(ways.lon), np.array(ways.lat)
    start = np.array(ways.start)
    known, index, count = np.unique(refs, return_inverse=True, return_counts=True)
    is_node = count > 1
    ends = np.r_[start[:-1], start[1:] - 1]
    is_node[index[ends]] = True
    is_node[np.isin(known, list(ways.signals))] = True
    number = np.cumsum(is_node) - 1
    first_seen = np.full(len(known), 0)
    first_seen[index[::-1]] = np.arange(len(refs))[::-1]

    steps_m = np.r_[0.0, np.cumsum(distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]))]
    cuts = np.flatnonzero(is_node[index])
    way_of = np.searchsorted(start, cuts, side="right") - 1
    pieces = [(a, b, w) for a, b, w, v in zip(cuts[:-1], cuts[1:], way_of[:-1], way_of[1:], strict=True) if w == v]

    edges: dict[str, list[float]] = {"from": [], "to": [], "length": [], "speed": []}
    names: list[str] = []
    shapes: list[Ints] = []
    for a, b, way in pieces:
        between = np.arange(a + 1, b)
        both = ((a, b, between), (b, a, between[::-1]))
        for here, there, shape in both[ways.direction[way] < 0 : 1 if ways.direction[way] > 0 else 2]:
            edges["from"].append(number[index[here]])
            edges["to"].append(number[index[there]])
            edges["length"].append(max(0.1, steps_m[b] - steps_m[a]))
            edges["speed"].append(ways.speed_kph[way])
            names.append(ways.name[way])
            shapes.append(shape)
    bends = np.concatenate(shapes).astype(np.int64)
    return Network(
        node_lon=lon[first_seen[is_node]],
        node_lat=lat[first_seen[is_node]],
        edge_from=np.array(edges["from"], dtype=np.int64),
        edge_to=np.array(edges["to"], dtype=np.int64),
        edge_length_m=np.array(edges["length"]),
        edge_speed_kph=np.array(edges["speed"]),
        edge_name=np.array(names, dtype=np.str_),
        shape_start=np.r_[0, np.cumsum([len(shape) for shape in shapes])],
        shape_lon=lon[bends],
        shape_lat=lat[bends],
        signal_nodes=number[np.isin(known, list(ways.signals)) & is_node],
    )


def _largest_part(network: Network) -> Network:
    kept_node = network.core
    number = np.cumsum(kept_node) - 1
    kept = np.flatnonzero(kept_node[network.edge_from] & kept_node[network.edge_to])
    sizes = np.diff(network.shape_start)[kept]
    bends = np.concatenate([np.arange(network.shape_start[e], network.shape_start[e + 1]) for e in kept])
    return Network(
        node_lon=network.node_lon[kept_node],
        node_lat=network.node_lat[kept_node],
        edge_from=number[network.edge_from[kept]],
        edge_to=number[network.edge_to[kept]],
        edge_length_m=network.edge_length_m[kept],
        edge_speed_kph=network.edge_speed_kph[kept],
        edge_name=network.edge_name[kept],
        shape_start=np.r_[0, np.cumsum(sizes)],
        shape_lon=network.shape_lon[bends],
        shape_lat=network.shape_lat[bends],
        signal_nodes=number[network.signal_nodes[kept_node[network.signal_nodes]]],
    )
