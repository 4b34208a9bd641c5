import numpy as np
import pytest

from city.errors import BadInput
from routing.network import Network
from routing.travel import TravelTimes
from simulation.streets import StreetParameters, district_at, generate_network


@pytest.fixture(scope="module")
def network() -> Network:
    return generate_network(7)


def test_the_same_seed_gives_the_same_streets(network: Network) -> None:
    again, other = generate_network(7), generate_network(8)
    assert np.array_equal(again.node_lon, network.node_lon)
    assert np.array_equal(again.edge_from, network.edge_from)
    assert not np.array_equal(other.node_lon[:100], network.node_lon[:100])


def test_a_groningen_has_a_citys_size_and_place(network: Network) -> None:
    assert 3000 <= network.n_nodes <= 8000
    west, south, east, north = network.bounds
    assert 6.48 <= west < east <= 6.66
    assert 53.18 <= south < north <= 53.26


def test_every_street_can_be_reached_from_every_other(network: Network) -> None:
    assert network.core.all()


def test_there_are_one_ways_and_speeds_by_class(network: Network) -> None:
    pairs = set(zip(network.edge_from.tolist(), network.edge_to.tolist(), strict=True))
    one_way = sum((b, a) not in pairs for a, b in pairs) / len(pairs)
    assert 0.02 < one_way < 0.2
    speeds = dict(zip(*np.unique(network.edge_speed_kph, return_counts=True), strict=True))
    assert set(speeds) == {30.0, 50.0, 80.0}
    assert speeds[30.0] > speeds[50.0] > speeds[80.0]


def test_signals_stand_where_streets_meet(network: Network) -> None:
    arms = np.bincount(network.edge_to, minlength=network.n_nodes)
    assert len(network.signal_nodes) >= 24
    assert (arms[network.signal_nodes] >= 4).all()


def test_a_trip_across_the_city_takes_as_long_as_one(network: Network) -> None:
    a, b = network.nearest(np.array([6.50, 6.63]), np.array([53.21, 53.23]))
    matrix = TravelTimes(network).matrix([a, b])
    assert 9_000 < matrix.distance_m[0, 1] < 16_000
    assert 500 < matrix.duration_s[0, 1] < 1_500


def test_the_centre_is_the_inner_city() -> None:
    p = StreetParameters()
    assert district_at(np.array([p.lon]), np.array([p.lat]), p) == ["Binnenstad"]


@pytest.mark.parametrize("size_m", [100.0, 500.0])
def test_a_city_without_room_is_refused(size_m: float) -> None:
    with pytest.raises(BadInput, match="no room"):
        StreetParameters(half_width_m=size_m)


@pytest.mark.parametrize("seed", range(4))
def test_small_cities_are_connected_too(seed: int) -> None:
    small = generate_network(seed, StreetParameters(half_width_m=1000.0, half_height_m=800.0))
    assert small.core.all()
    assert small.n_nodes > 100
