"""A road network from an OpenStreetMap extract."""

import os
from array import array
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import osmium

from city.errors import BadFile
from routing.geometry import Bools, Ints, distance_m
from routing.network import Network
from routing.osm_access import hours_of
from routing.osm_restrictions import CutEdges, Restriction, barred_at, forbidden_sequences, restriction_of
from routing.osm_tags import blocks, direction, may_enter, speed_kph
from routing.truck_limits import limits_of

# Counts up when the same extract is read in another way: what was made before is then out of date.
READER = 4

_SUFFIXES = ".osm.pbf, .osm, .osm.bz2 or .osm.gz"
_FIX = f"Give an OpenStreetMap extract ({_SUFFIXES}), for instance one of a city cut out with 'osmium extract'."


@dataclass
class _Ways:
    """Ways as flat arrays: way `i` has the nodes `start[i]:start[i + 1]`."""

    start: "array[int]" = field(default_factory=lambda: array("q", [0]))
    node: "array[int]" = field(default_factory=lambda: array("q"))
    lon: "array[float]" = field(default_factory=lambda: array("d"))
    lat: "array[float]" = field(default_factory=lambda: array("d"))
    id: list[int] = field(default_factory=list)
    # Forwards and backwards.
    speed_kph: list[tuple[float, float]] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    limits: list[tuple[float, float, float]] = field(default_factory=list)
    hours: list[tuple[float, float]] = field(default_factory=list)
    is_roundabout: list[bool] = field(default_factory=list)
    signals: set[int] = field(default_factory=set)
    barriers: set[int] = field(default_factory=set)
    restrictions: list[Restriction] = field(default_factory=list)


def read_osm(path: str | os.PathLike[str]) -> Network:
    """Return the streets of an OSM file that a truck may drive, cut to the part where every street reaches every other.

    Nodes are junctions, traffic lights, barriers and ends of ways; what lies between becomes the shape of an edge.
    One-way streets, roundabouts, turn restrictions (via a node or via ways), bollards and gates, the largest height,
    weight and length, and hours at which a street is open are kept. The speed of an edge is `maxspeed`, or the default
    of its class, times 0.8, at most 80 km/h.

    Raises
    ------
    BadFile
        The file is missing, is no OSM file, is cut off, or holds no streets.

    References
    ----------
    Tags: https://wiki.openstreetmap.org/wiki/Key:highway, Key:oneway, Key:maxspeed, Key:access, Key:barrier. The share
    of the limit is the one that OSRM's car profile uses (`speed_reduction`).
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
    wanted = osmium.filter.KeyFilter("highway", "barrier", "restriction", "restriction:hgv")
    for one in osmium.FileProcessor(str(file)).with_locations().with_filter(wanted):
        if one.is_node():
            if one.tags.get("highway") == "traffic_signals":
                ways.signals.add(one.id)
            if blocks(one.tags):
                ways.barriers.add(one.id)
        elif one.is_way() and may_enter(one.tags):
            _add_way(ways, one)
        elif one.is_relation():
            found = restriction_of(one.tags, [(member.type, member.ref, member.role) for member in one.members])
            ways.restrictions += [found] if found else []
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
    ways.id.append(way.id)
    ways.speed_kph.append((speed_kph(way.tags), speed_kph(way.tags, forwards=False)))
    ways.direction.append(direction(way.tags))
    ways.is_roundabout.append(way.tags.get("junction") in ("roundabout", "circular"))
    ways.limits.append(limits_of(way.tags))
    ways.hours.append(hours_of(way.tags) or (0.0, 24.0))
    ways.name.append(way.tags.get("name") or (way.tags.get("ref") or "").replace(";", " / "))


def _to_network(ways: _Ways) -> Network:
    refs, lon, lat = np.array(ways.node), np.array(ways.lon), np.array(ways.lat)
    start = np.array(ways.start)
    known, index, count = np.unique(refs, return_inverse=True, return_counts=True)
    is_node = count > 1
    ends = np.r_[start[:-1], start[1:] - 1]
    is_node[index[ends]] = True
    is_node[np.isin(known, list(ways.signals | ways.barriers))] = True
    number = np.cumsum(is_node) - 1
    first_seen = np.full(len(known), 0)
    first_seen[index[::-1]] = np.arange(len(refs))[::-1]

    steps_m = np.r_[0.0, np.cumsum(distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]))]
    cuts = np.flatnonzero(is_node[index])
    way_of = np.searchsorted(start, cuts, side="right") - 1
    pieces = [(a, b, w) for a, b, w, v in zip(cuts[:-1], cuts[1:], way_of[:-1], way_of[1:], strict=True) if w == v]

    way_of_edge, first, last, lengths, speeds = [], [], [], [], []
    shapes: list[Ints] = []
    for a, b, way in pieces:
        between = np.arange(a + 1, b)
        both = ((a, b, between), (b, a, between[::-1]))
        for backwards in range(ways.direction[way] < 0, 1 if ways.direction[way] > 0 else 2):
            here, there, shape = both[backwards]
            way_of_edge.append(int(way))
            first.append(int(index[here]))
            last.append(int(index[there]))
            lengths.append(max(0.1, steps_m[b] - steps_m[a]))
            speeds.append(ways.speed_kph[way][backwards])
            shapes.append(shape)
    bends = np.concatenate(shapes).astype(np.int64)
    limits, hours = np.array(ways.limits)[way_of_edge], np.array(ways.hours)[way_of_edge]
    cut = CutEdges([ways.id[way] for way in way_of_edge], known[first].tolist(), known[last].tolist())
    bans = sorted({*forbidden_sequences(cut, ways.restrictions), *barred_at(cut, ways.barriers)})
    return Network(
        node_lon=lon[first_seen[is_node]],
        node_lat=lat[first_seen[is_node]],
        edge_from=number[first],
        edge_to=number[last],
        edge_length_m=np.array(lengths),
        edge_speed_kph=np.array(speeds),
        edge_name=np.array(ways.name, dtype=np.str_)[way_of_edge],
        shape_start=np.r_[0, np.cumsum([len(shape) for shape in shapes])],
        shape_lon=lon[bends],
        shape_lat=lat[bends],
        signal_nodes=number[np.isin(known, list(ways.signals)) & is_node],
        edge_max_height_m=limits[:, 0],
        edge_max_weight_kg=limits[:, 1],
        edge_max_length_m=limits[:, 2],
        edge_opens_hour=hours[:, 0],
        edge_closes_hour=hours[:, 1],
        roundabout_edges=np.flatnonzero(np.array(ways.is_roundabout)[way_of_edge]),
        ban_start=np.r_[0, np.cumsum([len(one) for one in bans])],
        ban_edge=np.array([edge for one in bans for edge in one], dtype=np.int64),
    )


def _largest_part(network: Network) -> Network:
    # Without streets that lead nowhere, a forbidden sequence may have lost its beginning: look again.
    while not network.core_edges.all():
        network = _only(network, network.core_edges)
    return network


def _only(network: Network, kept_edge: Bools) -> Network:
    """Return the network of some edges and the nodes that they join."""
    kept = np.flatnonzero(kept_edge)
    kept_node = np.zeros(network.n_nodes, dtype=bool)
    kept_node[network.edge_from[kept]] = kept_node[network.edge_to[kept]] = True
    number, edge_number = np.cumsum(kept_node) - 1, np.cumsum(kept_edge) - 1
    sizes = np.diff(network.shape_start)[kept]
    bends = np.concatenate([np.arange(network.shape_start[e], network.shape_start[e + 1]) for e in kept])
    bans = [one for one in np.split(network.ban_edge, network.ban_start[1:-1]) if len(one) and kept_edge[one].all()]
    of_edges = ("length_m", "speed_kph", "name", "max_height_m", "max_weight_kg", "max_length_m", "opens_hour")
    return replace(
        network,
        node_lon=network.node_lon[kept_node],
        node_lat=network.node_lat[kept_node],
        edge_from=number[network.edge_from[kept]],
        edge_to=number[network.edge_to[kept]],
        shape_start=np.r_[0, np.cumsum(sizes)],
        shape_lon=network.shape_lon[bends],
        shape_lat=network.shape_lat[bends],
        signal_nodes=number[network.signal_nodes[kept_node[network.signal_nodes]]],
        roundabout_edges=edge_number[network.roundabout_edges[kept_edge[network.roundabout_edges]]],
        ban_start=np.r_[0, np.cumsum([len(one) for one in bans])],
        ban_edge=edge_number[np.concatenate(bans)] if bans else np.empty(0, dtype=np.int64),
        **{f"edge_{name}": getattr(network, f"edge_{name}")[kept] for name in (*of_edges, "closes_hour")},
    )
