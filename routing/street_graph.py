"""The graph in which ways are searched: being at the end of an edge, leaving a node, having come to one."""

from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from routing.geometry import Bools, Floats, Ints
from routing.hierarchy import Hierarchy
from routing.turns import Movements


class StreetGraph:
    """Vertices and arcs over movements; the weights of its arcs come from `weights`.

    A vertex is: a state (the end of its edge is reached), a node that is left by any edge, a node that was reached by
    any edge, or the end of an edge that was reached in whichever of its states.

    Parameters
    ----------
    n_nodes
        Number of nodes.
    edge_from, edge_to
        `(n_edges,)` int64.
    movements
        What may follow what.
    """

    def __init__(self, n_nodes: int, edge_from: Ints, edge_to: Ints, movements: Movements) -> None:
        n_edges, n_states = len(edge_from), movements.n_states
        self.movements = movements
        copied, copy_of = np.unique(movements.state_edge[n_edges:], return_inverse=True)
        self.leave = n_states + np.arange(n_nodes, dtype=np.int64)
        self.reach = self.leave + n_nodes
        self.arrive = np.arange(n_edges, dtype=np.int64)
        self.arrive[copied] = n_states + 2 * n_nodes + np.arange(len(copied))
        self.n = n_states + 2 * n_nodes + len(copied)
        states = np.arange(n_states, dtype=np.int64)
        self.tail = np.concatenate([movements.from_state, self.leave[edge_from], states, copied, states[n_edges:]])
        self.head = np.concatenate(
            [
                movements.to_state,
                np.arange(n_edges),
                self.reach[edge_to[movements.state_edge]],
                self.arrive[copied],
                self.arrive[copied][copy_of],
            ]
        )
        self.edge_of_vertex = np.full(self.n, -1, dtype=np.int64)
        self.edge_of_vertex[:n_states] = movements.state_edge
        nodes = np.arange(n_nodes, dtype=np.int64)
        self.node_of_vertex = np.concatenate([edge_to[movements.state_edge], nodes, nodes, edge_to[copied]])
        self._n_edges = n_edges

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """The order in which ways are searched for many points at once; independent of weights."""
        return Hierarchy(self.n, self.tail, self.head)

    @cached_property
    def core_states(self) -> Bools:
        """`(n_states,)` bool: in the largest part in which every state can be reached from every other."""
        m = self.movements
        graph = coo_matrix((np.ones(len(m.from_state)), (m.from_state, m.to_state)), shape=(m.n_states,) * 2)
        _, part = connected_components(graph.tocsr(), directed=True, connection="strong")
        result: Bools = part == np.argmax(np.bincount(part))
        return result

    def weights(self, edge: Floats, movement: Floats, leaving: Floats) -> Floats:
        """Return `(n_arcs,)` float64 for the weights of edges, movements, and edges that are the first of a way."""
        m = self.movements
        into = edge[m.state_edge[m.to_state]] + movement
        free = np.zeros(len(self.tail) - len(into) - self._n_edges)
        return np.concatenate([into, leaving, free])
