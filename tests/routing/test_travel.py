import heapq
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest

from city.errors import BadInput
from routing.driving_rules import DrivingRules
from routing.geometry import distance_m
from routing.network import Network
from routing.osm import read_osm
from routing.travel import TravelTable, TravelTimes
from routing.turns import TurnCosts
from tests.parts import require
from tests.routing.town import NETWORK, grid


def random_network(seed: int, n: int = 40, m: int = 160) -> Network:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, n, m), rng.integers(0, n, m)
    ring = np.arange(n)
    a, b = np.r_[a, ring], np.r_[b, np.roll(ring, -1)]
    return Network(
        6.5 + rng.random(n) / 50,
        53.2 + rng.random(n) / 80,
        a,
        b,
        rng.integers(50, 3000, len(a)).astype(float),
        rng.choice([15.0, 30.0, 50.0, 80.0], len(a)),
    )


def by_hand(
    network: Network, factor: np.ndarray, costs: TurnCosts, closed: np.ndarray | None = None, entry_s: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds between nodes, and of the fastest ways the metres of the shortest: a plain search from edge to edge.

    Entering a closed edge counts as `entry_s` in the choice of the way, and is left out of its seconds.
    """
    n, seconds = network.n_nodes, network.edge_length_m / (network.edge_speed_kph / 3.6) * factor
    neighbours = [set() for _ in range(n)]
    for a, b in zip(network.edge_from.tolist(), network.edge_to.tolist(), strict=True):
        if a != b:
            neighbours[a].add(b)
            neighbours[b].add(a)
    at = np.stack([network.node_lon * np.cos(np.radians(network.node_lat.mean())), network.node_lat], axis=1)

    def turn_s(e: int, f: int) -> float:
        via = network.edge_to[e]
        cost = costs.signal_s if via in network.signal_nodes else 0.0
        if network.edge_to[f] == network.edge_from[e] and network.edge_length_m[e] == network.edge_length_m[f]:
            return cost + (costs.dead_end_s if len(neighbours[via]) <= 1 else costs.u_turn_s)
        if len(neighbours[via]) < 3:
            return cost
        (x, y), (u, v) = at[via] - at[network.edge_from[e]], at[network.edge_to[f]] - at[via]
        angle = np.degrees(np.arctan2(x * v - y * u, x * u + y * v))
        share = min(1.0, max(0.0, (abs(angle) - 30.0) / 60.0))
        cost += share * (costs.left_s if angle > 0 else costs.right_s)
        faster = network.edge_speed_kph[f] > network.edge_speed_kph[e] + 8 and via not in network.signal_nodes
        return cost + (costs.give_way_s if faster else 0.0)

    closed = np.zeros(network.n_edges, dtype=bool) if closed is None else closed
    entry_ms = round(entry_s * 1000)
    borders = set(network.edge_from[~closed].tolist())
    best, driven = np.full((n, n, 2), np.inf), np.full((n, n, 2), np.inf)
    for source in range(n):
        best[source, source] = driven[source, source] = 0.0
        queue = []
        for e in np.flatnonzero(network.edge_from == source).tolist():
            enters = int(closed[e] and source in borders)
            ms = int(round(seconds[e], 3) * 1000 + 0.5) + enters * entry_ms
            queue.append((ms, round(network.edge_length_m[e] * 10), e, enters))
        heapq.heapify(queue)
        done = set()
        while queue:
            ms, dm, e, entries = heapq.heappop(queue)
            if e in done:
                continue
            done.add(e)
            node = network.edge_to[e]
            if (ms, dm) < tuple(best[source, node]):
                best[source, node] = ms, dm
                driven[source, node] = ms - entries * entry_ms, dm
            for f in np.flatnonzero(network.edge_from == node).tolist():
                turn_ms = round(turn_s(e, f) * 1000)
                step_ms = round(float(seconds[f]) * 1000)
                more = int(closed[f] and not closed[e])
                next_ms = ms + turn_ms + step_ms + more * entry_ms
                heapq.heappush(queue, (next_ms, dm + round(network.edge_length_m[f] * 10), f, entries + more))
    return driven[..., 0] / 1000, driven[..., 1] / 10


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_travel_is_the_fastest_way_and_its_length(seed: int) -> None:
    network = random_network(seed)
    factor = np.random.default_rng(seed).choice([1.0, 1.0, 4.0], network.n_edges)
    seconds, metres = by_hand(network, factor, TurnCosts())
    matrix = TravelTimes(network, factor).matrix(np.arange(network.n_nodes))
    np.testing.assert_allclose(matrix.duration_s, seconds, atol=0.02)
    same = np.abs(matrix.duration_s - seconds) < 0.001
    np.testing.assert_allclose(matrix.distance_m[same], metres[same], atol=0.2)
    assert same.mean() > 0.8


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_closed_street_that_may_be_entered_at_a_cost_is_told_without_it(seed: int) -> None:
    network = random_network(seed)
    rng = np.random.default_rng(seed)
    inside = rng.random(network.n_nodes) < 0.5
    closed = inside[network.edge_from] & inside[network.edge_to]
    opens, closes = np.where(closed, 6.0, 0.0), np.where(closed, 11.0, 24.0)
    zoned = replace(network, edge_opens_hour=opens, edge_closes_hour=closes)
    free = np.ones(network.n_edges)
    seconds, metres = by_hand(network, free, TurnCosts(), closed, 60.0)
    travel = TravelTimes(zoned, rules=DrivingRules(hour=12.0, closed_entry_s=60.0))
    matrix = travel.matrix(np.arange(network.n_nodes))
    np.testing.assert_allclose(matrix.duration_s, seconds, atol=0.02)
    same = np.abs(matrix.duration_s - seconds) < 0.001
    np.testing.assert_allclose(matrix.distance_m[same], metres[same], atol=0.2)
    assert (np.abs(seconds - by_hand(network, free, TurnCosts())[0]) > 1.0).mean() > 0.02
    for i, way in enumerate(travel.ways([(i, i + 1) for i in range(20)])):
        assert (way.duration_s, way.distance_m) == (matrix.duration_s[i, i + 1], matrix.distance_m[i, i + 1])


def test_a_way_says_what_the_matrix_says_and_follows_the_streets() -> None:
    network = random_network(3)
    travel = TravelTimes(network)
    matrix = travel.matrix(np.arange(10))
    for way, (a, b) in zip(travel.ways([(0, 9), (9, 0), (4, 4)]), [(0, 9), (9, 0), (4, 4)], strict=True):
        assert way.duration_s == matrix.duration_s[a, b]
        assert way.distance_m == matrix.distance_m[a, b]
        assert way.line[0].tolist() == [network.node_lon[a], network.node_lat[a]]
        assert way.line[-1].tolist() == [network.node_lon[b], network.node_lat[b]]
    corners = {tuple(point) for point in zip(NETWORK.node_lon.tolist(), NETWORK.node_lat.tolist(), strict=True)}
    path = TravelTimes(NETWORK).path(0, 143)
    assert set(path) <= corners
    steps = distance_m(*zip(*path[:-1], strict=True), *zip(*path[1:], strict=True))
    assert steps.max() < 205.0


def test_a_jam_costs_time_and_is_driven_around() -> None:
    network = grid(6)
    along_first_row = (network.edge_from < 6) & (network.edge_to < 6)
    free, jammed = TravelTimes(network), TravelTimes(network, np.where(along_first_row, 8.0, 1.0))
    assert free.matrix([0, 5]).duration_s[0, 1] == pytest.approx(120.0)
    around = jammed.matrix([0, 5])
    # Two right turns; how a node is left or come to first costs nothing.
    assert around.duration_s[0, 1] == pytest.approx(7 * 24.0 + 2 * 2.0)
    assert around.distance_m[0, 1] == pytest.approx(1400.0)


def test_points_may_stand_more_than_once() -> None:
    matrix = TravelTimes(NETWORK).matrix([5, 5, 0])
    assert matrix.duration_s[0].tolist() == matrix.duration_s[1].tolist()
    assert matrix.duration_s[0, 1] == 0.0


def test_no_way_is_infinite_not_a_number_of_seconds() -> None:
    network = Network([6.0, 6.001], [53.0, 53.0], [0], [1], [67.0], [30.0])
    matrix = TravelTimes(network).matrix([0, 1])
    assert matrix.duration_s.tolist() == [[0.0, pytest.approx(8.04)], [np.inf, 0.0]]
    assert np.isposinf(matrix.distance_m[1, 0])
    with pytest.raises(BadInput, match="no way"):
        TravelTimes(network).path(1, 0)


@pytest.mark.parametrize("factor", [np.nan, 0.0, -1.0, np.inf])
def test_a_factor_that_is_no_positive_number_is_refused(factor: float) -> None:
    factors = np.ones(NETWORK.n_edges)
    factors[3] = factor
    with pytest.raises(BadInput, match="above 0"):
        TravelTimes(NETWORK, factors)


def test_factors_for_another_network_are_refused() -> None:
    with pytest.raises(BadInput, match="do not fit"):
        TravelTimes(NETWORK, np.ones(3))


def test_travel_times_pickle() -> None:
    travel = TravelTimes(NETWORK)
    before = travel.matrix([0, 100]).duration_s
    again = pickle.loads(pickle.dumps(travel))
    np.testing.assert_array_equal(again.matrix([0, 100]).duration_s, before)


def test_a_table_made_elsewhere_serves_as_travel() -> None:
    table = TravelTable([6.0, 6.1], [53.0, 53.0], [[0, 60], [90, 0]], [[0, 500], [700, 0]])
    points, away_m = table.snap([6.099], [53.0])
    assert points.tolist() == [1]
    assert away_m[0] == pytest.approx(67, abs=1)
    assert table.matrix([1, 0]).duration_s.tolist() == [[0, 90], [60, 0]]
    assert table.ways([(1, 0)])[0].distance_m == 700
    with pytest.raises(BadInput, match="does not fit"):
        TravelTable([6.0], [53.0], [[0, 1]], [[0, 1]])


def test_the_matrix_of_a_real_city_is_quick_and_complete() -> None:
    """300 x 300 take about 0.2 s of one core."""
    network = read_osm(require("shared-data") / "osm" / "heidelberg.test.osm.pbf")
    nodes = np.random.default_rng(0).choice(network.n_nodes, 300, replace=False)
    began_s = time.process_time()
    matrix = TravelTimes(network).matrix(nodes)
    assert time.process_time() - began_s < 2.0
    assert np.isfinite(matrix.duration_s).all()
    assert (matrix.distance_m[~np.eye(300, dtype=bool)] > 0).all()
