"""Where on the streets a place lies: at which kerb of which edge, and how far along it."""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from city.errors import BadInput
from routing.geometry import Bools, Floats, Ints, distance_m, local_metres

if TYPE_CHECKING:
    from routing.network import Network

# A position this near the middle of the road, or a junction, says nothing about a side.
NO_SIDE_M = 2.5

_PLACES = 1024
_SAMPLE_M = 20.0


class OnStreet(NamedTuple):
    """Points taken apart, `(n,)` each: `node` or -1; `edge` or -1; `share` of the edge that lies before the point.

    `either` is True where the truck may as well stand on the other side, driving the other way.
    """

    node: Ints
    edge: Ints
    share: Floats
    either: Bools


def points_on(network: "Network", edge: ArrayLike, share: ArrayLike, either: ArrayLike = False) -> Ints:
    """Return the points `(n,)` at a share of each edge, in steps of a thousandth; nodes are their own points."""
    place = np.round(np.asarray(share, dtype=float) * (_PLACES - 1)).astype(np.int64)
    point: Ints = network.n_nodes + (np.asarray(edge, dtype=np.int64) * _PLACES + place) * 2 + np.asarray(either)
    return np.atleast_1d(point)


def taken_apart(network: "Network", points: ArrayLike) -> OnStreet:
    """Return what points `(n,)` stand for.

    Raises
    ------
    BadInput
        A number is no point of this network.
    """
    known = np.atleast_1d(np.asarray(points, dtype=np.int64))
    is_node = known < network.n_nodes
    rest, either = np.divmod(np.where(is_node, 0, known - network.n_nodes), 2)
    edge, place = np.divmod(rest, _PLACES)
    if (known < 0).any() or (edge >= network.n_edges).any():
        raise BadInput("A point is not on this road network.", "Use points that snap gave for the same network.")
    return OnStreet(
        np.where(is_node, known, -1), np.where(is_node, -1, edge), place / (_PLACES - 1), (either == 1) & ~is_node
    )


class Kerbs:
    """Finds the kerb at which a place lies, on streets from which every other can be reached.

    A truck keeps to the right: a place beside a two-way street lies at the edge that has it on its right hand. Of a
    one-way street both sides will do.
    """

    def __init__(self, network: "Network") -> None:
        self.network = network

    @cached_property
    def twin(self) -> Ints:
        """`(n_edges,)` int64: the same street driven the other way, -1 = there is none."""
        net = self.network
        low, high = np.minimum(net.edge_from, net.edge_to), np.maximum(net.edge_from, net.edge_to)
        order = np.lexsort((np.round(net.edge_length_m, 2), high, low))
        a, b = order[:-1], order[1:]
        same = (
            (net.edge_from[a] == net.edge_to[b])
            & (net.edge_to[a] == net.edge_from[b])
            & (np.abs(net.edge_length_m[a] - net.edge_length_m[b]) < 0.01)
        )
        twin = np.full(net.n_edges, -1, dtype=np.int64)
        for one, other in zip(a[same].tolist(), b[same].tolist(), strict=True):
            if twin[one] < 0 and twin[other] < 0:
                twin[one], twin[other] = other, one
        return twin

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """Return the points `(n,)` nearest to coordinates `(n,)`, and how many metres away the street is.

        A place within 2.5 m of a junction is that node; one within 2.5 m of the middle of a street has no side.

        Raises
        ------
        BadInput
            A coordinate is not finite.
        """
        net = self.network
        xy = local_metres(np.atleast_1d(lon), np.atleast_1d(lat), self._origin)
        if not np.isfinite(xy).all():
            raise BadInput("A coordinate that is not a number has no nearest street.", "Give lon and lat in degrees.")
        if not len(xy):
            return np.empty(0, dtype=np.int64), np.empty(0)
        piece, along, away_m = self._nearest(xy)
        edge = self._edge[piece]
        share = np.clip((self._before_m[piece] + along * self._length_m[piece]) / self._drawn_m[edge], 0.0, 1.0)
        direction, offset = self._b[piece] - self._a[piece], xy - self._a[piece]
        is_left = direction[:, 0] * offset[:, 1] - direction[:, 1] * offset[:, 0] > 0
        twin = self.twin[edge]
        has_twin = (twin >= 0) & net.core_edges[twin]
        other_way = is_left & has_twin
        edge, share = np.where(other_way, twin, edge), np.where(other_way, 1.0 - share, share)
        points = points_on(net, edge, share, (away_m <= NO_SIDE_M) & has_twin)
        node = np.where(share < 0.5, net.edge_from[edge], net.edge_to[edge])
        to_node_m = distance_m(lon, lat, net.node_lon[node], net.node_lat[node])
        at_node = (to_node_m <= NO_SIDE_M) & net.core[node]
        return np.where(at_node, node, points), np.where(at_node, to_node_m, away_m)

    def place(self, point: int) -> tuple[float, float]:
        """Return (lon, lat) of a point, in the middle of the street."""
        at = taken_apart(self.network, point)
        if at.node[0] >= 0:
            return float(self.network.node_lon[at.node[0]]), float(self.network.node_lat[at.node[0]])
        lon, lat = self.line(int(at.edge[0]), float(at.share[0]), float(at.share[0]))[0]
        return float(lon), float(lat)

    def line(self, edge: int, first: float, last: float) -> Floats:
        """Return `(n, 2)` float64, (lon, lat) along an edge from one share of it to another."""
        line = self.network.edge_line(edge)
        if first <= 0.0 and last >= 1.0:
            return line
        metres = local_metres(line[:, 0], line[:, 1], self._origin)
        at = np.r_[0.0, np.cumsum(np.hypot(*np.diff(metres, axis=0).T))]
        total = at[-1]
        inside = (at > first * total) & (at < last * total)
        ends = [np.array([[np.interp(s * total, at, line[:, k]) for k in (0, 1)]]) for s in (first, last)]
        return np.concatenate([ends[0], line[inside], ends[1]])

    def _nearest(self, xy: Floats) -> tuple[Ints, Floats, Floats]:
        """Return the nearest straight piece of each point, the share of it before the point, and metres to it."""
        first_m, _ = self._tree.query(xy)
        # The nearest piece has a sample within half a step of its own nearest point.
        near = self._tree.query_ball_point(xy, np.atleast_1d(first_m) + _SAMPLE_M / 2 + 0.01)
        counts = np.array([len(one) for one in near])
        row = np.repeat(np.arange(len(xy)), counts)
        piece = self._sample_piece[np.concatenate([np.asarray(one, dtype=np.int64) for one in near])]
        a, step = self._a[piece], self._b[piece] - self._a[piece]
        along = np.einsum("ij,ij->i", xy[row] - a, step) / np.maximum(np.einsum("ij,ij->i", step, step), 1e-12)
        along = np.clip(along, 0.0, 1.0)
        away_m = np.hypot(*(xy[row] - a - along[:, None] * step).T)
        best = np.lexsort((piece, np.round(away_m, 6), row))
        first = best[np.r_[0, np.cumsum(counts)[:-1]]]
        return piece[first], along[first], away_m[first]

    @cached_property
    def _origin(self) -> tuple[float, float]:
        west, south, east, north = self.network.bounds
        return (west + east) / 2, (south + north) / 2

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats, Ints, Floats, Floats]:
        net = self.network
        chosen = net.core_edges if net.core_edges.any() else np.ones(net.n_edges, dtype=bool)
        edges = np.flatnonzero(chosen & ((self.twin < 0) | (np.arange(net.n_edges) < self.twin) | ~chosen[self.twin]))
        lines = [local_metres(line[:, 0], line[:, 1], self._origin) for line in map(net.edge_line, edges.tolist())]
        lengths = [np.hypot(*np.diff(line, axis=0).T) for line in lines]
        before = [np.r_[0.0, np.cumsum(one)[:-1]] for one in lengths]
        drawn = np.ones(net.n_edges)
        drawn[edges] = [max(float(one.sum()), 1e-6) for one in lengths]
        owner = np.repeat(edges, [len(one) for one in lengths])
        a = np.concatenate([line[:-1] for line in lines])
        b = np.concatenate([line[1:] for line in lines])
        return a, b, owner, np.concatenate(before), drawn

    @cached_property
    def _a(self) -> Floats:
        return self._pieces[0]

    @cached_property
    def _b(self) -> Floats:
        return self._pieces[1]

    @cached_property
    def _edge(self) -> Ints:
        return self._pieces[2]

    @cached_property
    def _before_m(self) -> Floats:
        return self._pieces[3]

    @cached_property
    def _drawn_m(self) -> Floats:
        return self._pieces[4]

    @cached_property
    def _length_m(self) -> Floats:
        result: Floats = np.hypot(*(self._b - self._a).T)
        return result

    @cached_property
    def _sampled(self) -> tuple[cKDTree, Ints]:
        steps = np.maximum(1, np.ceil(self._length_m / _SAMPLE_M).astype(np.int64))
        piece = np.repeat(np.arange(len(steps)), steps + 1)
        nth = np.arange(len(piece)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
        share = nth / steps[piece]
        return cKDTree(self._a[piece] + share[:, None] * (self._b - self._a)[piece]), piece

    @property
    def _tree(self) -> cKDTree:
        return self._sampled[0]

    @property
    def _sample_piece(self) -> Ints:
        return self._sampled[1]
