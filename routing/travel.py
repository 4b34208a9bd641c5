"""Travel times and distances: along a road network with live congestion, or from a table made elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from city.errors import BadInput
from routing.geometry import Floats, distance_m
from routing.network import Ints, Network

# One Dijkstra gives both duration and distance: an edge weighs its milliseconds times 2**26 plus its decimetres.
# Sums of such whole numbers are exact in float64 up to 2**53: 37 hours and 6,700 km, more than any round.
_DECIMETRES = 2.0**26
_TOO_FAR = 2.0**53
_SOURCES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Matrix:
    """Travel between points: `(n, n)` float64 each, seconds and metres, from the row's point to the column's."""

    duration_s: Floats
    distance_m: Floats

    def __len__(self) -> int:
        return len(self.duration_s)


class Way(NamedTuple):
    """The way from one point to another: `line` `(m, 2)` float64, (lon, lat); what `Matrix` says of it."""

    line: Floats
    duration_s: float
    distance_m: float


class Travel(Protocol):
    """What the collection problem asks of travel times. Points are known by an int that `snap` gave."""

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """Return the points `(n,)` that stand for coordinates `(n,)`, and how many metres away those are."""
        ...

    def matrix(self, points: ArrayLike) -> Matrix:
        """Return travel between all of `points` `(n,)`; inf = no way."""
        ...

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """Return the way of each leg (from point, to point)."""
        ...


class TravelTimes:
    """Travel over a road network, in which each edge takes `edge_factor` times as long as when it is free.

    The fastest way is taken; among equally fast ones the shortest. Turns cost nothing.

    Parameters
    ----------
    network
        The streets.
    edge_factor
        `(n_edges,)` float64, finite, above 0: 1 = free, 3 = takes three times as long. None = all free.

    Raises
    ------
    BadInput
        The factors do not fit the network or are no positive numbers.
    """

    def __init__(self, network: Network, edge_factor: Floats | None = None) -> None:
        self.network = network
        factor = np.ones(network.n_edges) if edge_factor is None else np.asarray(edge_factor, dtype=float)
        if factor.shape != (network.n_edges,):
            raise BadInput(
                f"{factor.size} factors do not fit a network of {network.n_edges} edges.", "Give one for each edge."
            )
        if not (np.isfinite(factor).all() and (factor > 0).all()):
            raise BadInput("A factor of travel time is not a number above 0.", "Use 1 where congestion is unknown.")
        self.edge_factor = factor

    @cached_property
    def edge_duration_s(self) -> Floats:
        """`(n_edges,)` float64, seconds to drive each edge now."""
        return self.network.edge_length_m / (self.network.edge_speed_kph / 3.6) * self.edge_factor

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`: points are nodes of the network from which every other can be reached."""
        nodes = np.atleast_1d(self.network.nearest(np.atleast_1d(lon), np.atleast_1d(lat)))
        return nodes, distance_m(lon, lat, self.network.node_lon[nodes], self.network.node_lat[nodes])

    def matrix(self, points: ArrayLike) -> Matrix:
        """Return travel between all pairs of nodes.

        Parameters
        ----------
        points
            `(n,)` int64, nodes; the same node may stand more than once.

        Returns
        -------
        Matrix
            `(n, n)`; the distance is the one along the fastest way. inf where there is no way.
        """
        nodes, back = np.unique(np.asarray(points, dtype=np.int64), return_inverse=True)
        weight = np.empty((len(nodes), len(nodes)))
        for first in range(0, len(nodes), _SOURCES_AT_ONCE):
            some = nodes[first : first + _SOURCES_AT_ONCE]
            weight[first : first + len(some)] = dijkstra(self._graph, indices=some)[:, nodes]
        unreached = ~(weight < _TOO_FAR)
        weight[unreached] = 0.0
        duration_s = np.floor(weight / _DECIMETRES) / 1000.0
        distance = (weight % _DECIMETRES) / 10.0
        duration_s[unreached] = distance[unreached] = np.inf
        return Matrix(duration_s[np.ix_(back, back)], distance[np.ix_(back, back)])

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """See `Travel.ways`.

        Raises
        ------
        BadInput
            There is no way.
        """
        return [self._way(a, b) for a, b in legs]

    def path(self, a: int, b: int) -> list[tuple[float, float]]:
        """Return (lon, lat) along the streets from node `a` to node `b`.

        Raises
        ------
        BadInput
            There is no way.
        """
        return [(float(lon), float(lat)) for lon, lat in self._way(a, b).line]

    def __getstate__(self) -> dict[str, Any]:
        return {"network": self.network, "edge_factor": self.edge_factor}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _way(self, a: int, b: int) -> Way:
        network = self.network
        weight, before = self._search(a, b)
        edges = []
        node = b
        while node != a:
            previous = int(before[node])
            if previous < 0:
                raise BadInput(f"There is no way from node {a} to node {b}.", "Use nodes that Network.nearest gives.")
            edges.append(self._edge_of[previous, node])
            node = previous
        start = np.array([[network.node_lon[a], network.node_lat[a]]])
        line = np.concatenate([start, *(network.edge_line(edge)[1:] for edge in reversed(edges))])
        return Way(line, np.floor(weight / _DECIMETRES) / 1000.0, weight % _DECIMETRES / 10.0)

    def _search(self, a: int, b: int) -> tuple[float, NDArray[np.int32]]:
        # Legs of a round are short: look in a growing circle around the start, not through the whole city.
        crow_m = float(
            distance_m(
                self.network.node_lon[a], self.network.node_lat[a], self.network.node_lon[b], self.network.node_lat[b]
            )
        )
        reach_s = 60.0 + crow_m / 4.0
        for limit in (reach_s * 1000.0 * _DECIMETRES, np.inf):
            weight, before = dijkstra(self._graph, indices=a, return_predecessors=True, limit=limit)
            if np.isfinite(weight[b]):
                break
        return float(weight[b]), before

    @cached_property
    def _parallel_free(self) -> Ints:
        """Edges of which each is the fastest from its start to its end."""
        network = self.network
        weight = self._weight
        order = np.lexsort((weight, network.edge_to, network.edge_from))
        pairs = np.stack([network.edge_from[order], network.edge_to[order]])
        first = np.r_[True, (np.diff(pairs) != 0).any(axis=0)]
        edges: Ints = order[first]
        proper: Ints = edges[network.edge_from[edges] != network.edge_to[edges]]
        return proper

    @cached_property
    def _weight(self) -> Floats:
        milliseconds = np.maximum(1.0, np.round(self.edge_duration_s * 1000.0))
        return milliseconds * _DECIMETRES + np.round(self.network.edge_length_m * 10.0)

    @cached_property
    def _graph(self) -> Any:
        edges, n = self._parallel_free, self.network.n_nodes
        ends = (self.network.edge_from[edges], self.network.edge_to[edges])
        return csr_matrix((self._weight[edges], ends), shape=(n, n))

    @cached_property
    def _edge_of(self) -> dict[tuple[int, int], int]:
        edges = self._parallel_free
        ends = zip(self.network.edge_from[edges].tolist(), self.network.edge_to[edges].tolist(), strict=True)
        return dict(zip(ends, edges.tolist(), strict=True))


class TravelTable:
    """Travel from a table that something else made: another router, or a benchmark instance.

    Parameters
    ----------
    lon, lat
        `(n,)` float64, degrees (any plane coordinates will do): where the points are.
    duration_s, distance_m
        `(n, n)` float64, seconds and metres.

    Raises
    ------
    BadInput
        The table does not fit the points.
    """

    def __init__(self, lon: ArrayLike, lat: ArrayLike, duration_s: ArrayLike, distance_m: ArrayLike) -> None:
        self.lon, self.lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
        self.duration_s = np.asarray(duration_s, dtype=float)
        self.distance_m = np.asarray(distance_m, dtype=float)
        n = len(self.lon)
        if not (len(self.lat) == n and self.duration_s.shape == self.distance_m.shape == (n, n)):
            raise BadInput(
                f"A table of {self.duration_s.shape} and {self.distance_m.shape} does not fit {n} points.",
                "Give one row and one column for each point.",
            )

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`: the nearest of the table's points."""
        lons, lats = np.atleast_1d(np.asarray(lon, dtype=float)), np.atleast_1d(np.asarray(lat, dtype=float))
        away = distance_m(lons[:, None], lats[:, None], self.lon, self.lat)
        points = np.argmin(away, axis=1)
        return points, away[np.arange(len(points)), points]

    def matrix(self, points: ArrayLike) -> Matrix:
        """See `Travel.matrix`."""
        chosen = np.asarray(points, dtype=np.int64)
        return Matrix(self.duration_s[np.ix_(chosen, chosen)], self.distance_m[np.ix_(chosen, chosen)])

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """See `Travel.ways`: lines are straight."""
        return [
            Way(
                np.array([[self.lon[a], self.lat[a]], [self.lon[b], self.lat[b]]]),
                float(self.duration_s[a, b]),
                float(self.distance_m[a, b]),
            )
            for a, b in legs
        ]
