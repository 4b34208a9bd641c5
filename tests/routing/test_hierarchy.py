import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from routing.hierarchy import Hierarchy


def graph(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    tail, head = rng.integers(0, n, m), rng.integers(0, n, m)
    pairs = np.unique(np.stack([tail, head])[:, tail != head], axis=1)
    return pairs[0], pairs[1], rng.integers(1, 1000, pairs.shape[1]).astype(float)


@pytest.mark.parametrize(("seed", "n", "m"), [(0, 2, 1), (1, 30, 25), (2, 60, 240), (3, 200, 300), (4, 80, 1500)])
def test_ways_are_the_shortest_also_where_parts_are_apart(seed: int, n: int, m: int) -> None:
    tail, head, weight = graph(seed, n, m)
    expected = dijkstra(coo_matrix((weight, (tail, head)), shape=(n, n)).tocsr())
    hierarchy = Hierarchy(n, tail, head)
    everyone = np.arange(n)
    found = hierarchy.many_to_many(hierarchy.customized(weight), everyone, everyone)
    np.testing.assert_array_equal(found, expected)


def test_new_weights_need_no_new_order() -> None:
    tail, head, weight = graph(7, 50, 200)
    hierarchy = Hierarchy(50, tail, head)
    rng = np.random.default_rng(1)
    for _ in range(3):
        now = weight * rng.choice([1.0, 5.0, np.inf], len(weight), p=[0.7, 0.2, 0.1])
        open_ = np.isfinite(now)
        expected = dijkstra(coo_matrix((now[open_], (tail[open_], head[open_])), shape=(50, 50)).tocsr())
        sources, targets = rng.integers(0, 50, 20), rng.integers(0, 50, 9)
        found = hierarchy.many_to_many(hierarchy.customized(now), sources, targets)
        np.testing.assert_array_equal(found, expected[np.ix_(sources, targets)])


def test_a_way_through_nothing_is_infinite() -> None:
    hierarchy = Hierarchy(3, [0, 1], [1, 0])
    found = hierarchy.many_to_many(hierarchy.customized(np.array([2.0, 3.0])), [0, 2], [1, 2])
    assert found.tolist() == [[2.0, np.inf], [np.inf, 0.0]]
