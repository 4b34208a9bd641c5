import numpy as np
import pytest

from city.errors import BadInput
from routing.driving_rules import DrivingRules
from routing.kerb import points_on
from routing.travel import TravelTimes
from routing.truck_limits import TruckSize, limits_of, size_of
from tests.routing.town import NETWORK, crane, grab, grid


@pytest.mark.parametrize(
    ("tags", "height_m", "weight_kg", "length_m"),
    [
        ({}, np.inf, np.inf, np.inf),
        ({"maxheight": "3.8"}, 3.8, np.inf, np.inf),
        ({"maxheight": "3,8 m"}, 3.8, np.inf, np.inf),
        ({"maxheight": "12'6\""}, 3.81, np.inf, np.inf),
        ({"maxheight": "default"}, np.inf, np.inf, np.inf),
        ({"maxheight": "0"}, np.inf, np.inf, np.inf),
        ({"maxweight": "7.5", "maxlength": "10"}, np.inf, 7500.0, 10.0),
        ({"maxweight": "3500 kg", "maxweightrating:hgv": "3"}, np.inf, 3000.0, np.inf),
        ({"maxweight": "none"}, np.inf, np.inf, np.inf),
    ],
)
def test_signs_are_read_in_their_units(
    tags: dict[str, str], height_m: float, weight_kg: float, length_m: float
) -> None:
    assert limits_of(tags) == pytest.approx((height_m, weight_kg, length_m))


@pytest.mark.parametrize(
    ("name", "limit", "fits", "too_much"),
    [
        ("edge_max_height_m", 3.5, TruckSize(height_m=3.5), TruckSize(height_m=3.6)),
        ("edge_max_weight_kg", 7500.0, TruckSize(weight_kg=7500.0), TruckSize(weight_kg=26_000.0)),
        ("edge_max_length_m", 8.0, TruckSize(length_m=8.0), TruckSize(length_m=10.0)),
    ],
)
def test_a_truck_goes_round_a_street_that_is_too_small_for_it(
    name: str, limit: float, fits: TruckSize, too_much: TruckSize
) -> None:
    town = grid(6)
    limits = np.where((town.edge_from < 6) & (town.edge_to < 6), limit, np.inf)
    town = type(town)(**(town.__getstate__() | {name: limits}))
    free = TravelTimes(town).matrix([0, 5]).distance_m[0, 1]
    assert TravelTimes(town, rules=DrivingRules(size=fits)).matrix([0, 5]).distance_m[0, 1] == free == 1000.0
    assert TravelTimes(town, rules=DrivingRules(size=too_much)).matrix([0, 5]).distance_m[0, 1] == 1400.0


def test_a_stop_in_a_street_that_is_too_small_cannot_be_reached() -> None:
    limits = np.full(NETWORK.n_edges, np.inf)
    limits[[0, NETWORK.kerbs.twin[0]]] = 3.0
    town = type(NETWORK)(**(NETWORK.__getstate__() | {"edge_max_height_m": limits}))
    points = points_on(town, [0, 20], [0.5, 0.5])
    matrix = TravelTimes(town, rules=DrivingRules(size=TruckSize(height_m=3.5))).matrix(points)
    assert matrix.duration_s[1, 0] == matrix.duration_s[0, 1] == np.inf
    assert np.isfinite(TravelTimes(town).matrix(points).duration_s).all()


@pytest.mark.parametrize("size", [0.0, -3.0, np.nan])
def test_a_truck_has_a_size(size: float) -> None:
    with pytest.raises(BadInput, match="height_m"):
        TruckSize(height_m=size)


def test_a_fleet_needs_streets_for_its_largest() -> None:
    fleet = (crane(height_m=3.6, weight_kg=26_000.0), grab(weight_kg=7500.0, length_m=7.0))
    assert size_of(fleet) == TruckSize(3.6, 26_000.0, 7.0)
    assert size_of(()) == TruckSize()
