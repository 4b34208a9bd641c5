"""The road network: nodes and directed edges as arrays, so that it is small, quick to load and quick to pickle."""

import os
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from city.errors import BadFile, BadInput
from routing.geometry import Bools, Floats, Ints, bearing_deg, distance_m, local_metres
from routing.kerb import Kerbs
from routing.network_file import FIX, read_arrays, write_arrays
from routing.street_graph import StreetGraph
from routing.turns import Streets, find_movements

__all__ = ["Ints", "Network"]

_LARGEST_EXTENT_M = 500_000.0
_WHOLE = frozenset({"edge_from", "edge_to", "shape_start", "signal_nodes", "roundabout_edges", "ban_start", "ban_edge"})
_USUAL = {
    "edge_max_height_m": np.inf,
    "edge_max_weight_kg": np.inf,
    "edge_max_length_m": np.inf,
    "edge_opens_hour": 0.0,
    "edge_closes_hour": 24.0,
}


def _no_floats() -> Floats:
    return np.empty(0)


def _no_ints() -> Ints:
    return np.empty(0, dtype=np.int64)


def _no_names() -> NDArray[np.str_]:
    return np.empty(0, dtype=np.str_)


@dataclass(frozen=True, eq=False)
class Network:
    """Streets as a directed graph. A street that may be driven both ways is two edges.

    Parameters
    ----------
    node_lon, node_lat
        `(n_nodes,)` float64, degrees, WGS 84.
    edge_from, edge_to
        `(n_edges,)` int64, indices of nodes.
    edge_length_m
        `(n_edges,)` float64, metres, above 0.
    edge_speed_kph
        `(n_edges,)` float64, km/h that a truck drives there when nothing hinders it, above 0.
    edge_name
        `(n_edges,)` str, name of the street, empty = none known. May be left out.
    shape_start
        `(n_edges + 1,)` int64: edge `e` bends at the points `shape_start[e]:shape_start[e + 1]` of `shape_lon` and
        `shape_lat`, in the direction of driving, its end nodes not included. May be left out: straight edges.
    shape_lon, shape_lat
        `(n_points,)` float64, degrees.
    signal_nodes
        `(n_signals,)` int64, nodes with traffic lights.
    edge_max_height_m, edge_max_weight_kg, edge_max_length_m
        `(n_edges,)` float64: the largest truck that may drive there, inf = no limit. May be left out.
    edge_opens_hour, edge_closes_hour
        `(n_edges,)` float64: between which hours of the local day a truck may enter, 0 and 24 = always; an edge that
        opens later than it closes is open over midnight. May be left out.
    roundabout_edges
        `(n_roundabout_edges,)` int64, edges of roundabouts. May be left out.
    ban_start, ban_edge
        `(n_bans + 1,)` and `(n,)` int64: the edges `ban_edge[ban_start[i]:ban_start[i + 1]]`, two or more, may not be
        driven one after the other. May be left out.

    Raises
    ------
    BadInput
        The arrays do not fit together, or hold what no street can have.
    """

    node_lon: Floats
    node_lat: Floats
    edge_from: Ints
    edge_to: Ints
    edge_length_m: Floats
    edge_speed_kph: Floats
    edge_name: NDArray[np.str_] = field(default_factory=_no_names)
    shape_start: Ints = field(default_factory=_no_ints)
    shape_lon: Floats = field(default_factory=_no_floats)
    shape_lat: Floats = field(default_factory=_no_floats)
    signal_nodes: Ints = field(default_factory=_no_ints)
    edge_max_height_m: Floats = field(default_factory=_no_floats)
    edge_max_weight_kg: Floats = field(default_factory=_no_floats)
    edge_max_length_m: Floats = field(default_factory=_no_floats)
    edge_opens_hour: Floats = field(default_factory=_no_floats)
    edge_closes_hour: Floats = field(default_factory=_no_floats)
    roundabout_edges: Ints = field(default_factory=_no_ints)
    ban_start: Ints = field(default_factory=_no_ints)
    ban_edge: Ints = field(default_factory=_no_ints)

    def __post_init__(self) -> None:
        for one in fields(self):
            kind: type = np.float64
            if one.name in _WHOLE:
                kind = np.int64
            elif one.name == "edge_name":
                kind = np.str_
            value: Any = np.ascontiguousarray(getattr(self, one.name), dtype=kind)
            object.__setattr__(self, one.name, value)
        if not len(self.edge_name):
            object.__setattr__(self, "edge_name", np.full(self.n_edges, "", dtype=np.str_))
        if not len(self.shape_start):
            object.__setattr__(self, "shape_start", np.zeros(self.n_edges + 1, dtype=np.int64))
        if not len(self.ban_start):
            object.__setattr__(self, "ban_start", np.zeros(1, dtype=np.int64))
        for name, value in _USUAL.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(self.n_edges, value))
        self._check()

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_lon)

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return len(self.edge_from)

    @cached_property
    def graph(self) -> StreetGraph:
        """The graph over allowed movements from edge to edge, in which ways are searched."""
        streets = Streets(
            self.n_nodes,
            self.edge_from,
            self.edge_to,
            self.edge_length_m,
            self.edge_speed_kph,
            self.edge_start_bearing_deg,
            self.edge_bearing_deg,
            self.signal_nodes,
        )
        bans = np.split(self.ban_edge, self.ban_start[1:-1]) if len(self.ban_edge) else []
        movements = find_movements(streets, [tuple(one.tolist()) for one in bans])
        return StreetGraph(self.n_nodes, self.edge_from, self.edge_to, movements)

    def prepare(self) -> None:
        """Work out beforehand what the first search and the first place would otherwise wait for, about a second."""
        self.graph.hierarchy  # noqa: B018 - a cached property
        self.kerbs.snap(self.node_lon[:1], self.node_lat[:1])

    @cached_property
    def kerbs(self) -> Kerbs:
        """Finds the kerb at which a place lies."""
        return Kerbs(self)

    @cached_property
    def core_edges(self) -> Bools:
        """`(n_edges,)` bool: in the largest part in which every edge can be reached from every other."""
        return self.graph.core_states[: self.n_edges]

    @cached_property
    def core(self) -> Bools:
        """`(n_nodes,)` bool: nodes from which, and to which, every edge of the largest part can be reached."""
        leaves, enters = np.zeros(self.n_nodes, dtype=bool), np.zeros(self.n_nodes, dtype=bool)
        leaves[self.edge_from[self.core_edges]] = True
        enters[self.edge_to[self.core_edges]] = True
        both: Bools = leaves & enters
        # A lone one-way street has no such node: what leads somewhere must do.
        return both if both.any() else leaves

    @cached_property
    def edge_bearing_deg(self) -> Floats:
        """`(n_edges,)` float64: heading at the end of each edge, where it meets its junction; 0 = north."""
        lon, lat = self.node_lon[self.edge_from], self.node_lat[self.edge_from]
        bent = np.flatnonzero(np.diff(self.shape_start))
        last = self.shape_start[bent + 1] - 1
        lon[bent], lat[bent] = self.shape_lon[last], self.shape_lat[last]
        return bearing_deg(lon, lat, self.node_lon[self.edge_to], self.node_lat[self.edge_to])

    @cached_property
    def edge_start_bearing_deg(self) -> Floats:
        """`(n_edges,)` float64: heading at the start of each edge; 0 = north."""
        lon, lat = self.node_lon[self.edge_to], self.node_lat[self.edge_to]
        bent = np.flatnonzero(np.diff(self.shape_start))
        first = self.shape_start[bent]
        lon[bent], lat[bent] = self.shape_lon[first], self.shape_lat[first]
        return bearing_deg(self.node_lon[self.edge_from], self.node_lat[self.edge_from], lon, lat)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in degrees."""
        return (
            float(self.node_lon.min()),
            float(self.node_lat.min()),
            float(self.node_lon.max()),
            float(self.node_lat.max()),
        )

    def nearest(self, lon: ArrayLike, lat: ArrayLike) -> Any:
        """Return the nearest nodes of the largest strongly connected part.

        Parameters
        ----------
        lon, lat
            `(n,)` or a number, degrees.

        Returns
        -------
        `(n,)` int64 indices of nodes; an int for numbers.

        Raises
        ------
        BadInput
            A coordinate is not finite.
        """
        points = local_metres(lon, lat, self._origin)
        if not np.isfinite(points).all():
            raise BadInput("A coordinate that is not a number has no nearest street.", "Give lon and lat in degrees.")
        nodes = self._core_nodes[self._tree.query(points)[1]]
        return int(nodes) if np.ndim(nodes) == 0 else nodes

    def edge_line(self, edge: int) -> Floats:
        """Return `(n, 2)` float64: (lon, lat) along an edge, its two nodes included."""
        first, last = int(self.shape_start[edge]), int(self.shape_start[edge + 1])
        line = np.empty((last - first + 2, 2))
        line[0] = self.node_lon[self.edge_from[edge]], self.node_lat[self.edge_from[edge]]
        line[1:-1, 0] = self.shape_lon[first:last]
        line[1:-1, 1] = self.shape_lat[first:last]
        line[-1] = self.node_lon[self.edge_to[edge]], self.node_lat[self.edge_to[edge]]
        return line

    def to_geojson(self, decimals: int = 6) -> dict[str, Any]:
        """Return the streets as a GeoJSON FeatureCollection of lines for a base map.

        The two directions of a street are one line. Properties: `name`, `speedKph`, `oneWay`.
        """
        # Two one-way streets may join the same nodes: only a street's own other direction is left out.
        twin = self.kerbs.twin
        features = []
        for edge in range(self.n_edges):
            if 0 <= twin[edge] < edge:
                continue
            features.append(
                {
                    "type": "Feature",
                    "geometry": {
                        "type": "LineString",
                        "coordinates": np.round(self.edge_line(edge), decimals).tolist(),
                    },
                    "properties": {
                        "name": str(self.edge_name[edge]),
                        "speedKph": round(float(self.edge_speed_kph[edge]), 1),
                        "oneWay": bool(twin[edge] < 0),
                    },
                }
            )
        return {"type": "FeatureCollection", "features": features}

    def save(self, path: str | os.PathLike[str], made_from: str = "") -> None:
        """Write the network to one compressed `.npz` file; the file appears whole or not at all.

        `made_from` is kept beside it, for `routing.network_file.source_of`.
        """
        write_arrays(path, self.__getstate__(), made_from)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Network":
        """Read a network that `save` wrote.

        Raises
        ------
        BadFile
            The file is missing, is not such a file, or what it holds does not fit together.
        """
        arrays = read_arrays(path)
        try:
            return cls(**{one.name: arrays[one.name] for one in fields(cls)})
        except KeyError as error:
            raise BadFile(f"This is no road network: it has no {error.args[0]}.", FIX, file=str(path)) from None
        except BadInput as error:
            raise BadFile(error.problem, FIX, file=str(path)) from None

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @cached_property
    def _origin(self) -> tuple[float, float]:
        west, south, east, north = self.bounds
        return (west + east) / 2, (south + north) / 2

    @cached_property
    def _core_nodes(self) -> Ints:
        return np.flatnonzero(self.core)

    @cached_property
    def _tree(self) -> Any:
        nodes = self._core_nodes
        return cKDTree(local_metres(self.node_lon[nodes], self.node_lat[nodes], self._origin))

    def _check(self) -> None:
        def demand(holds: Any, problem: str) -> None:
            if not np.all(holds):
                raise BadInput(f"A road network is wrong: {problem}.", "Correct the arrays that it is made from.")

        demand(self.n_nodes > 0 and self.n_edges > 0, "it has no streets")
        demand(len(self.node_lat) == self.n_nodes, "node_lon and node_lat differ in length")
        for name in ("edge_to", "edge_length_m", "edge_speed_kph", "edge_name", *_USUAL):
            demand(len(getattr(self, name)) == self.n_edges, f"{name} and edge_from differ in length")
        for name in ("edge_from", "edge_to", "signal_nodes"):
            nodes = getattr(self, name)
            demand((nodes >= 0) & (nodes < self.n_nodes), f"{name} speaks of a node that is not there")
        demand(np.abs(self.node_lon) <= 180.0, "a longitude is not within -180..180 degrees")
        demand(np.abs(self.node_lat) <= 90.0, "a latitude is not within -90..90 degrees")
        for name in ("edge_length_m", "edge_speed_kph"):
            values = getattr(self, name)
            demand(np.isfinite(values) & (values > 0), f"{name} holds a value that is not above 0")
        for name in ("edge_max_height_m", "edge_max_weight_kg", "edge_max_length_m"):
            demand(getattr(self, name) > 0, f"{name} holds a value that is not above 0")
        for name in ("edge_opens_hour", "edge_closes_hour"):
            hours = getattr(self, name)
            demand((hours >= 0) & (hours <= 24), f"{name} holds an hour that is not within 0..24")
        for name in ("ban_edge", "roundabout_edges"):
            edges = getattr(self, name)
            demand((edges >= 0) & (edges < self.n_edges), f"{name} speaks of an edge that is not there")
        demand(
            self.ban_start[0] == 0
            and self.ban_start[-1] == len(self.ban_edge)
            and bool((np.diff(self.ban_start) >= 2).all()),
            "ban_start does not divide ban_edge into sequences of two or more",
        )
        demand(len(self.shape_start) == self.n_edges + 1, "shape_start must have one entry more than there are edges")
        demand(len(self.shape_lon) == len(self.shape_lat), "shape_lon and shape_lat differ in length")
        demand(
            self.shape_start[0] == 0
            and self.shape_start[-1] == len(self.shape_lon)
            and bool((np.diff(self.shape_start) >= 0).all()),
            "shape_start does not divide the points of shape_lon",
        )
        west, south, east, north = self.bounds
        demand(
            distance_m(west, south, east, north) < _LARGEST_EXTENT_M,
            f"it is wider than {_LARGEST_EXTENT_M / 1000:.0f} km, so a coordinate must be wrong",
        )
