import numpy as np
import pytest

from city.errors import BadInput
from routing.driving_rules import DrivingRules
from routing.kerb import points_on
from routing.network import Network
from routing.travel import TravelTimes
from routing.turns import TurnCosts
from tests.routing.town import LAT, LON, STEP_LAT, STEP_LON


def cross(**changes: object) -> Network:
    """Four arms of 200 m around node 0: 1 west, 2 north, 3 east, 4 south; edges 0-3 lead in, 4-7 out."""
    ends = [(-1, 0), (0, 1), (1, 0), (0, -1)]
    facts = {
        "node_lon": [LON, *(LON + STEP_LON * x for x, _ in ends)],
        "node_lat": [LAT, *(LAT + STEP_LAT * y for _, y in ends)],
        "edge_from": [1, 2, 3, 4, 0, 0, 0, 0],
        "edge_to": [0, 0, 0, 0, 1, 2, 3, 4],
        "edge_length_m": np.full(8, 200.0),
        "edge_speed_kph": np.full(8, 30.0),
    }
    return Network(**(facts | changes))


WEST, NORTH, EAST, SOUTH = range(4)


def turn_s(network: Network, arm: int, onto: int, rules: DrivingRules | None = None) -> float:
    """What a movement costs: from the end of an edge in, to the end of an edge out, without driving that."""
    points = points_on(network, [arm, 4 + onto], [1.0, 1.0])
    return float(TravelTimes(network, rules=rules).matrix(points).duration_s[0, 1]) - 24.0


def test_left_costs_more_than_right_and_straight_on_nothing() -> None:
    costs = TurnCosts()
    assert turn_s(cross(), WEST, EAST) == 0.0
    assert turn_s(cross(), WEST, SOUTH) == costs.right_s
    assert turn_s(cross(), WEST, NORTH) == costs.left_s
    assert turn_s(cross(), WEST, WEST) == costs.u_turn_s


def test_lights_delay_every_movement_and_a_faster_road_is_given_way_to() -> None:
    costs = TurnCosts()
    assert turn_s(cross(signal_nodes=[0]), WEST, EAST) == costs.signal_s
    fast = cross(edge_speed_kph=np.tile([30.0, 50.0, 30.0, 50.0], 2))
    points = points_on(fast, [WEST, 4 + SOUTH], [1.0, 1.0])
    duration_s = TravelTimes(fast).matrix(points).duration_s[0, 1]
    assert duration_s == pytest.approx(200.0 / 50.0 * 3.6 + costs.right_s + costs.give_way_s)


def test_where_a_street_ends_turning_round_is_cheaper() -> None:
    points = points_on(cross(), [4 + EAST, EAST], [1.0, 1.0])
    assert TravelTimes(cross()).matrix(points).duration_s[0, 1] == TurnCosts().dead_end_s + 24.0


def test_what_traffic_adds_to_leaving_an_edge_is_on_every_movement_from_it() -> None:
    delay_s = np.zeros(8)
    delay_s[WEST] = 40.0
    points = points_on(cross(), [WEST, 4 + EAST, SOUTH], [1.0, 1.0, 1.0])
    matrix = TravelTimes(cross(), exit_delay_s=delay_s).matrix(points)
    assert matrix.duration_s[0, 1] == 64.0
    assert matrix.duration_s[2, 1] == 24.0 + TurnCosts().right_s
    with pytest.raises(BadInput, match="delay"):
        TravelTimes(cross(), exit_delay_s=delay_s - 1.0)


def test_a_forbidden_turn_is_not_made() -> None:
    network = cross(ban_start=[0, 2], ban_edge=[WEST, 4 + NORTH])
    # On to the east, round at its end, and right from there.
    costs = TurnCosts()
    assert turn_s(network, WEST, NORTH) == 24.0 + costs.dead_end_s + 24.0 + costs.right_s
    assert turn_s(network, EAST, NORTH) == costs.right_s


def test_a_forbidden_sequence_over_a_way_is_not_driven_but_its_parts_are() -> None:
    """In from the west, out to the east and back: forbidden; the same from the south is not."""
    back = [WEST, 4 + EAST, EAST]
    network = cross(ban_start=[0, 3], ban_edge=back)
    assert network.graph.movements.n_states == 9
    points = points_on(network, [WEST, SOUTH, EAST, 4 + EAST], [1.0, 1.0, 1.0, 1.0])
    travel = TravelTimes(network)
    duration_s = travel.matrix(points).duration_s
    dead_end_s, right_s = TurnCosts().dead_end_s, TurnCosts().right_s
    assert duration_s[1, 2] == right_s + 24.0 + dead_end_s + 24.0
    assert duration_s[0, 3] == 24.0
    # Who came from the west leaves another arm first.
    assert duration_s[0, 2] > 24.0 + dead_end_s + 24.0
    for i, j in ((0, 2), (1, 2), (0, 3)):
        way = travel.ways([(int(points[i]), int(points[j]))])[0]
        assert way.duration_s == duration_s[i, j]
        driven = [part.edge for part in way.parts]
        assert back not in [driven[k : k + 3] for k in range(len(driven))]


@pytest.mark.parametrize("cost", [-1.0, np.nan, np.inf])
def test_a_turn_cannot_cost_less_than_nothing(cost: float) -> None:
    with pytest.raises(BadInput, match="left_s"):
        TurnCosts(left_s=cost)


@pytest.mark.parametrize("ban", [[0], [0, 9], [-1, 4]])
def test_a_ban_that_is_none_is_refused(ban: list[int]) -> None:
    with pytest.raises(BadInput, match="ban_"):
        cross(ban_start=[0, len(ban)], ban_edge=ban)
