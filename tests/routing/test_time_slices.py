import pickle

import numpy as np
import pytest

from city.errors import BadInput
from routing.congestion import ObservedApproach, edge_congestion
from routing.driving_rules import DrivingRules
from routing.time_slices import Slice, TimeSlicedTravel, expected_travel
from routing.travel import TravelTimes
from tests.routing.town import NETWORK, SEVEN_S, SIDE, corner, grid

WEST, EAST = 5 * SIDE + 4, 5 * SIDE + 5
JAM = edge_congestion(NETWORK, [ObservedApproach(*corner(5, 5), bearing_deg=90.0, speed_ratio=0.5)])


def test_a_jam_fades_into_what_is_usual() -> None:
    usual = np.full(NETWORK.n_edges, 1.2)
    travel = expected_travel(NETWORK, SEVEN_S, JAM, lambda _: usual, half_life_s=1800.0)
    seconds = [travel.matrix([WEST, EAST], SEVEN_S + after).duration_s[0, 1] for after in (0, 1800, 3600, 14400)]
    assert seconds == pytest.approx([48.0, 24 * (1.2 + 0.4), 24 * (1.2 + 0.2), 24 * 1.2], abs=0.2)
    # Where nothing is seen, the usual holds from now on.
    assert travel.matrix([0, 1]).duration_s[0, 1] == pytest.approx(24 * 1.2)


def test_a_leg_is_driven_as_it_is_when_it_begins() -> None:
    travel = expected_travel(NETWORK, SEVEN_S, JAM)
    now, later = travel.ways([(WEST, EAST), (WEST, EAST)], [SEVEN_S, SEVEN_S + 7200.0])
    assert now.duration_s == travel.matrix([WEST, EAST]).duration_s[0, 1] > later.duration_s
    assert travel.ways([(WEST, EAST)])[0].duration_s == now.duration_s
    assert [from_s for from_s, _ in travel.matrices([WEST, EAST])] == [one.from_s for one in travel.slices]
    assert travel.at(SEVEN_S - 999.0) is travel.at()
    with pytest.raises(BadInput, match="do not fit"):
        travel.ways([(WEST, EAST)], [])


def test_a_delay_at_the_stop_line_fades_too() -> None:
    queue = edge_congestion(NETWORK, [ObservedApproach(*corner(5, 5), 90.0, float("nan"), delay_s=40.0)])
    beyond = 5 * SIDE + 6
    travel = expected_travel(NETWORK, SEVEN_S, queue)
    seconds = [travel.matrix([WEST, beyond], SEVEN_S + after).duration_s[0, 1] for after in (0, 1800)]
    assert seconds == pytest.approx([48.0 + 40.0, 48.0 + 20.0])
    assert travel.matrix([beyond, WEST]).duration_s[0, 1] == 48.0


def test_rules_may_depend_on_the_time() -> None:
    hours = []

    def rules(at_s: float) -> DrivingRules:
        hours.append((at_s - SEVEN_S) / 3600.0 + 7.0)
        return DrivingRules(hour=hours[-1])

    expected_travel(NETWORK, SEVEN_S, JAM, slices_s=(0.0, 3600.0), rules=rules)
    assert hours == [7.0, 8.0]


def test_slices_pickle_and_keep_one_network() -> None:
    travel = pickle.loads(pickle.dumps(expected_travel(NETWORK, SEVEN_S, JAM)))
    assert all(one.travel.network is travel.network for one in travel.slices)


def test_slices_are_of_one_network_and_in_order() -> None:
    here, there = TravelTimes(NETWORK), TravelTimes(grid())
    for slices, says in (
        ([], "in order"),
        ([Slice(5.0, here), Slice(5.0, here)], "in order"),
        ([Slice(np.nan, here)], "in order"),
        ([Slice(1.0, here), Slice(2.0, there)], "different networks"),
    ):
        with pytest.raises(BadInput, match=says):
            TimeSlicedTravel(slices)
    with pytest.raises(BadInput, match="half-life"):
        expected_travel(NETWORK, SEVEN_S, JAM, half_life_s=0.0)
