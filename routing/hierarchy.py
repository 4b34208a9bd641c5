"""Shortest ways between many vertices at once, over a graph whose weights change and whose arcs do not.

The arcs are put into an elimination order once. New weights are then worked through it (`customized`), and a way
between two vertices is the best one up the order and down again.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu

from routing.geometry import Floats, Ints

# So many rows of a block stay in a core's own cache while all that meets them is added.
_ROWS_AT_ONCE = 96


@dataclass(frozen=True, eq=False)
class Weighted:
    """A hierarchy with weights: `(n_links,)` float64 each, from a link's lower end to its upper one and back."""

    up: Floats
    down: Floats


class Hierarchy:
    """An elimination order of a directed graph, with all links that elimination adds.

    Parameters
    ----------
    n
        Number of vertices.
    tail, head
        `(n_arcs,)` int64: arc `k` leads from `tail[k]` to `head[k]`. Loops are left out.

    References
    ----------
    Dibbelt, Strasser and Wagner (2016), Customizable Contraction Hierarchies. ACM Journal of Experimental
    Algorithmics 21. The order is a minimum-degree one (SuperLU's) instead of a nested dissection: it needs 0.05 s.
    """

    def __init__(self, n: int, tail: ArrayLike, head: ArrayLike) -> None:
        tails, heads = np.asarray(tail, dtype=np.int64), np.asarray(head, dtype=np.int64)
        order = _eliminated(n, tails, heads)
        self.n = n
        self.rank = order.rank
        self._upper, self._parent, self._first = order.upper, order.parent, order.first_below
        self._start = np.searchsorted(order.lower, np.arange(n + 1))
        self._key = order.lower * n + order.upper
        a, b = self.rank[tails], self.rank[heads]
        self._arcs = np.flatnonzero(a != b)
        a, b = a[self._arcs], b[self._arcs]
        self._arc_link = np.searchsorted(self._key, np.minimum(a, b) * n + np.maximum(a, b))
        self._arc_is_up = a < b
        self._steps = self._triangles(order.lower)

    @property
    def n_links(self) -> int:
        """Number of links between vertices, those that elimination added included."""
        return len(self._upper)

    def customized(self, weight: Floats) -> Weighted:
        """Return the links' weights for the arcs' weights.

        Parameters
        ----------
        weight
            `(n_arcs,)` float64, 0 or more; inf = the arc may not be used. Whole numbers up to 2**53 stay exact.
        """
        up, down = np.full(self.n_links, np.inf), np.full(self.n_links, np.inf)
        of_arcs, is_up = weight[self._arcs], self._arc_is_up
        np.minimum.at(up, self._arc_link[is_up], of_arcs[is_up])
        np.minimum.at(down, self._arc_link[~is_up], of_arcs[~is_up])
        for links, starts, a, b in self._steps:
            up[links] = np.minimum(up[links], np.minimum.reduceat(down[a] + up[b], starts))
            down[links] = np.minimum(down[links], np.minimum.reduceat(down[b] + up[a], starts))
        return Weighted(up, down)

    def many_to_many(self, weighted: Weighted, sources: ArrayLike, targets: ArrayLike) -> Floats:
        """Return the weight of the best way from each source `(n,)` to each target `(m,)`.

        Returns
        -------
        `(n, m)` float64, inf = no way.
        """
        source, row_of = np.unique(self.rank[np.asarray(sources, dtype=np.int64)], return_inverse=True)
        target, column_of = np.unique(self.rank[np.asarray(targets, dtype=np.int64)], return_inverse=True)
        best = self._met(self._labels(weighted.up, source), self._labels(weighted.down, target))
        result: Floats = best[np.ix_(row_of, column_of)]
        return result

    def _triangles(self, lower: Ints) -> list[tuple[Ints, Ints, Ints, Ints]]:
        """Group the triangles below each link by the height of the link's lower end."""
        n, start = self.n, self._start
        degree = np.diff(start)
        first: list[Ints] = []
        second: list[Ints] = []
        for k in np.unique(degree[degree >= 2]).tolist():
            i, j = np.triu_indices(k, 1)
            at = start[:-1][degree == k]
            first.append((at[:, None] + i).ravel())
            second.append((at[:, None] + j).ravel())
        steps: list[tuple[Ints, Ints, Ints, Ints]] = []
        if not first:
            return steps
        a, b = np.concatenate(first), np.concatenate(second)
        link = np.searchsorted(self._key, self._upper[a] * n + self._upper[b])
        height = np.zeros(n, dtype=np.int64)
        for vertex, parent in enumerate(self._parent.tolist()):
            if parent >= 0:
                height[parent] = max(height[parent], height[vertex] + 1)
        of_link = height[lower[link]]
        order = np.lexsort((link, of_link))
        a, b, link, of_link = a[order], b[order], link[order], of_link[order]
        edges = np.flatnonzero(np.diff(of_link)) + 1
        for begin, end in zip(np.r_[0, edges], np.r_[edges, len(link)], strict=True):
            some = link[begin:end]
            starts = np.flatnonzero(np.r_[True, np.diff(some) != 0])
            steps.append((some[starts], starts, a[begin:end], b[begin:end]))
        return steps

    def _labels(self, weight: Floats, vertices: Ints) -> "_Labels":
        """Return the best weight from each of `vertices` (ranks, rising) to each vertex above it."""
        low = np.searchsorted(vertices, self._first)
        high = np.searchsorted(vertices, np.arange(self.n), side="right")
        reached = np.flatnonzero(high > low)
        begin = np.zeros(self.n, dtype=np.int64)
        begin[reached] = np.cumsum((high - low)[reached]) - (high - low)[reached]
        value = np.full(int((high - low)[reached].sum()), np.inf)
        value[begin[vertices] + np.arange(len(vertices)) - low[vertices]] = 0.0
        start, shift = self._start, begin - low
        for vertex in reached.tolist():
            links = slice(start[vertex], start[vertex + 1])
            rows = np.arange(low[vertex], high[vertex])
            above = shift[self._upper[links], None] + rows
            through = weight[links, None] + value[shift[vertex] + rows]
            value[above] = np.minimum(value[above], through)
        return _Labels(low, high, begin, value, len(vertices))

    def _met(self, source: "_Labels", target: "_Labels") -> Floats:
        best = np.full((source.n, target.n), np.inf)
        both = np.flatnonzero((source.high > source.low) & (target.high > target.low))
        buffer = np.empty(_ROWS_AT_ONCE * target.n)
        for vertex in both.tolist():
            low, high = int(source.low[vertex]), int(source.high[vertex])
            columns = slice(int(target.low[vertex]), int(target.high[vertex]))
            width = columns.stop - columns.start
            begin = int(target.begin[vertex])
            down = target.value[begin : begin + width]
            offset = int(source.begin[vertex]) - low
            for row in range(low, high, _ROWS_AT_ONCE):
                end = min(high, row + _ROWS_AT_ONCE)
                through = buffer[: (end - row) * width].reshape(end - row, width)
                np.add.outer(source.value[offset + row : offset + end], down, out=through)
                block = best[row:end, columns]
                np.minimum(block, through, out=block)
        return best


@dataclass(frozen=True, eq=False)
class _Labels:
    """Weights by vertex: those of rows `low[v]:high[v]` begin at `value[begin[v]]`."""

    low: Ints
    high: Ints
    begin: Ints
    value: Floats
    n: int


class _Elimination(NamedTuple):
    """Ranks of vertices, and by rank: links (lower and upper end, sorted), the tree, and where a subtree begins."""

    rank: Ints
    lower: Ints
    upper: Ints
    parent: Ints
    first_below: Ints


def _eliminated(n: int, tail: Ints, head: Ints) -> _Elimination:
    rank = _least_degree_first(n, tail, head)
    above: list[set[int]] = [set() for _ in range(n)]
    a, b = rank[tail], rank[head]
    for low, high in zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True):
        if low != high:
            above[low].add(high)
    parent = np.full(n, -1, dtype=np.int64)
    size = np.ones(n, dtype=np.int64)
    for vertex, links in enumerate(above):
        if links:
            next_ = min(links)
            parent[vertex] = next_
            size[next_] += size[vertex]
            above[next_] |= links
            above[next_].discard(next_)
    # Numbered again so that what is below a vertex is one range: this changes neither the links nor the tree.
    number = np.empty(n, dtype=np.int64)
    free = np.empty(n, dtype=np.int64)
    last = n
    for vertex in range(n - 1, -1, -1):
        up = int(parent[vertex])
        end = last if up < 0 else int(free[up])
        if up < 0:
            last -= int(size[vertex])
        else:
            free[up] -= size[vertex]
        number[vertex] = free[vertex] = end - 1
    counts = np.array([len(links) for links in above])
    lower = np.repeat(number, counts)
    upper = number[np.fromiter((one for links in above for one in links), dtype=np.int64, count=int(counts.sum()))]
    order = np.lexsort((upper, lower))
    by_number = np.argsort(number)
    parents = np.where(parent >= 0, number[parent], -1)[by_number]
    return _Elimination(
        number[rank], lower[order], upper[order], parents, np.arange(n, dtype=np.int64) - size[by_number] + 1
    )


def _least_degree_first(n: int, tail: Ints, head: Ints) -> Ints:
    graph = coo_matrix((np.ones(len(tail)), (tail, head)), shape=(n, n))
    joined = (graph + graph.T).tocsr()
    joined.setdiag(0.0)
    joined.eliminate_zeros()
    joined.data[:] = -1.0
    # Only the order is used; a dominant diagonal keeps the factorisation from looking for other pivots.
    degree = 1.0 - np.asarray(joined.sum(axis=0)).ravel()
    factors = splu(
        (joined + diags(degree)).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.asarray(factors.perm_c, dtype=np.int64)
