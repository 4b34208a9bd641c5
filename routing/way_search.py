"""The fastest ways between points on streets: weights of many at once, and one way edge by edge."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from city.errors import BadInput
from routing.geometry import Bools, Floats, Ints, distance_m
from routing.hierarchy import Weighted
from routing.kerb import OnStreet, taken_apart
from routing.network import Network

# A weight is a duration and a distance in one number: milliseconds times 2**26 plus decimetres. Sums of such whole
# numbers are exact in float64 up to 2**53.
DECIMETRES = 2.0**26
# How often closed streets are entered is counted above the decimetres, so that its price can be told from driving: up
# to 7 times, on ways of up to 839 km.
_ENTRIES = 2.0**23

_SLOWEST_M_PER_S = 4.0


class EdgePart(NamedTuple):
    """A piece of an edge that is driven, from one share of it to another."""

    edge: int
    first: float
    last: float


def entry_weight(seconds: float) -> float:
    """Return the weight of entering a closed street that counts as these seconds."""
    return round(seconds * 1000.0) * DECIMETRES + _ENTRIES


def driven(weight: Floats, entry_s: float | None = None) -> tuple[Floats, Floats]:
    """Return the seconds and metres that weights `(...)` stand for, without `entry_s` for each closed street entered.

    Parameters
    ----------
    weight
        Finite.
    entry_s
        What `entry_weight` was given; None = no way enters a closed street.
    """
    milliseconds, decimetres = np.floor(weight / DECIMETRES), weight % DECIMETRES
    if entry_s is not None:
        milliseconds = milliseconds - np.floor(decimetres / _ENTRIES) * round(entry_s * 1000.0)
        decimetres = decimetres % _ENTRIES
    return milliseconds / 1000.0, decimetres / 10.0


class WaySearch:
    """Searches ways under fixed weights.

    Parameters
    ----------
    network
        The streets.
    edge_weight
        `(n_edges,)` float64; inf = the edge may not be driven.
    movement_weight
        `(n_movements,)` float64.
    closed
        `(n_edges,)` bool: edges that may be left, but entered from others that are not closed only at a cost; None =
        none.
    entry_weight
        That cost, see the function of this name; inf = they may not be entered.
    """

    def __init__(
        self,
        network: Network,
        edge_weight: Floats,
        movement_weight: Floats,
        closed: Bools | None = None,
        entry_weight: float = np.inf,
    ) -> None:
        self.network, self.graph = network, network.graph
        self._edge_weight = edge_weight
        leaving = edge_weight
        if closed is not None:
            movements = self.graph.movements
            into = closed[movements.state_edge[movements.to_state]]
            enters = into & ~closed[movements.state_edge[movements.from_state]]
            movement_weight = movement_weight + np.where(enters, entry_weight, 0.0)
            outside = np.zeros(network.n_nodes, dtype=bool)
            outside[network.edge_from[~closed]] = True
            leaving = edge_weight + np.where(closed & outside[network.edge_from], entry_weight, 0.0)
        self._arc_weight = self.graph.weights(edge_weight, movement_weight, leaving)

    def weights_between(self, points: Ints) -> Floats:
        """Return `(n, n)` float64: the weight of the best way between points `(n,)`, inf = none."""
        at = self._both_sides(taken_apart(self.network, points))
        owner = at.owner
        best = self.graph.hierarchy.many_to_many(self._weighted, at.source, at.target)
        best += at.rest[:, None]
        best += at.over[None, :]
        for edge in self._shared(at.on.edge):
            self._around(best, at, edge)
        if len(owner) > len(points):
            first = np.flatnonzero(np.r_[True, np.diff(owner) > 0])
            best = np.minimum.reduceat(np.minimum.reduceat(best, first, axis=0), first, axis=1)
        np.fill_diagonal(best, 0.0)
        return best

    def way_between(self, a: int, b: int) -> tuple[float, list[EdgePart]]:
        """Return the weight of the best way, and the parts of edges that it consists of.

        Raises
        ------
        BadInput
            There is no way.
        """
        if a == b:
            return 0.0, []
        start = self._both_sides(taken_apart(self.network, a))
        end = self._both_sides(taken_apart(self.network, b))
        found = [(*self._route(start, i, end, j), i, j) for i in range(len(start.owner)) for j in range(len(end.owner))]
        weight, vertices, i, j = min(found, key=lambda one: one[0])
        if not np.isfinite(weight):
            raise BadInput(f"There is no way from point {a} to point {b}.", "Use points that snap gives.")
        edges = [int(edge) for edge in self.graph.edge_of_vertex[vertices] if edge >= 0]
        first = float(start.on.share[i]) if start.on.edge[i] >= 0 else 0.0
        last = float(end.on.share[j]) if end.on.edge[j] >= 0 else 1.0
        parts = [EdgePart(edge, 0.0, 1.0) for edge in edges]
        parts[0] = parts[0]._replace(first=first)
        parts[-1] = parts[-1]._replace(last=last)
        return weight, parts

    @cached_property
    def _weighted(self) -> Weighted:
        return self.graph.hierarchy.customized(self._arc_weight)

    @cached_property
    def _arcs(self) -> Any:
        usable = np.isfinite(self._arc_weight)
        ends = (self.graph.tail[usable], self.graph.head[usable])
        return csr_matrix((self._arc_weight[usable], ends), shape=(self.graph.n, self.graph.n))

    def _both_sides(self, on: OnStreet) -> "_Ends":
        """Return where ways begin and end: a point that has no side has two of each, side by side."""
        twin = self.network.kerbs.twin
        owner = np.repeat(np.arange(len(on.node)), np.where(on.either & (twin[on.edge] >= 0), 2, 1))
        second = np.r_[False, np.diff(owner) == 0]
        edge = np.where(second, twin[on.edge[owner]], on.edge[owner])
        share = np.where(second, 1.0 - on.share[owner], on.share[owner])
        node = on.node[owner]
        is_node = node >= 0
        whole = np.where(is_node, 0.0, self._edge_weight[edge])
        before = _part(whole, share)
        rest = np.where(np.isfinite(whole), whole - before, np.inf)
        over = np.where(np.isfinite(whole), before - whole, np.inf)
        graph = self.graph
        return _Ends(
            owner,
            OnStreet(node, edge, share, on.either[owner]),
            np.where(is_node, graph.leave[node], edge),
            np.where(is_node, graph.reach[node], graph.arrive[edge]),
            np.where(is_node, 0.0, rest),
            np.where(is_node, 0.0, over),
        )

    def _shared(self, edge: Ints) -> list[int]:
        known, count = np.unique(edge[edge >= 0], return_counts=True)
        return [int(one) for one in known[count > 1]]

    def _around(self, best: Floats, at: "_Ends", edge: int) -> None:
        """Put right what a way costs to a point that lies behind on the same edge: round the block."""
        here = np.flatnonzero(at.on.edge == edge)
        behind = at.on.share[here][:, None] > at.on.share[here][None, :]
        if not behind.any():
            return
        onward, cost = self._onward(edge)
        loop = np.inf
        if len(onward):
            target = self.graph.arrive[[edge]]
            loop = float((cost + self.graph.hierarchy.many_to_many(self._weighted, onward, target)[:, 0]).min())
        around = at.rest[here][:, None] + loop + at.over[here][None, :]
        best[np.ix_(here, here)] = np.where(behind, around, best[np.ix_(here, here)])

    def _onward(self, vertex: int) -> tuple[Ints, Floats]:
        """Return the vertices that follow a vertex, and what each costs."""
        arcs = self._arcs
        some = slice(arcs.indptr[vertex], arcs.indptr[vertex + 1])
        is_state = arcs.indices[some] < self.graph.movements.n_states
        return arcs.indices[some][is_state].astype(np.int64), arcs.data[some][is_state]

    def _route(self, start: "_Ends", i: int, end: "_Ends", j: int) -> tuple[float, list[int]]:
        """Return the weight of a way and the vertices along it, first to last."""
        if not (np.isfinite(start.rest[i]) and np.isfinite(end.over[j])):
            return np.inf, []
        source, target = int(start.source[i]), int(end.target[j])
        fixed = float(start.rest[i] + end.over[j])
        if start.on.edge[i] < 0 or start.on.edge[i] != end.on.edge[j]:
            weight, vertices = self._fastest(source, target)
            return weight + fixed, vertices
        if start.on.share[i] <= end.on.share[j]:
            return fixed, [source]
        onward, cost = self._onward(source)
        loops = [(*self._fastest(int(one), target), float(more)) for one, more in zip(onward, cost, strict=True)]
        if not loops:
            return np.inf, []
        weight, vertices, more = min(loops, key=lambda one: one[0] + one[2])
        return weight + more + fixed, [source, *vertices]

    def _fastest(self, source: int, target: int) -> tuple[float, list[int]]:
        # Legs of a round are short: look in a growing circle around the start, not through the whole city.
        reach_s = 60.0 + self._crow_m(source, target) / _SLOWEST_M_PER_S
        for limit in (reach_s * 1000.0 * DECIMETRES, np.inf):
            weight, before = dijkstra(self._arcs, indices=source, return_predecessors=True, limit=limit)
            if np.isfinite(weight[target]):
                break
        else:
            return np.inf, []
        vertices = [target]
        while vertices[-1] != source:
            vertices.append(int(before[vertices[-1]]))
        return float(weight[target]), vertices[::-1]

    def _crow_m(self, source: int, target: int) -> float:
        net = self.network
        a, b = self.graph.node_of_vertex[[source, target]]
        return float(distance_m(net.node_lon[a], net.node_lat[a], net.node_lon[b], net.node_lat[b]))


class _Ends(NamedTuple):
    """Where ways begin and end, `(n,)` each.

    `owner` is the point; `rest` the weight from it to its `source` vertex; `over` what its `target` is beyond, below 0.
    """

    owner: Ints
    on: OnStreet
    source: Ints
    target: Ints
    rest: Floats
    over: Floats


def _part(weight: Floats, share: Floats) -> Floats:
    """Return the weight of the first share of an edge, in whole milliseconds and decimetres."""
    known = np.where(np.isfinite(weight), weight, 0.0)
    milliseconds, decimetres = np.floor(known / DECIMETRES), known % DECIMETRES
    result: Floats = np.round(milliseconds * share) * DECIMETRES + np.round(decimetres * share)
    return result
