import numpy as np
import pytest

from city.errors import BadInput
from routing.kerb import points_on, taken_apart
from routing.network import Network
from routing.osm import read_osm
from routing.travel import TravelTimes
from tests.parts import require
from tests.routing.town import LAT, LON, NETWORK, STEP_LAT, STEP_LON, corner


def edge(a: tuple[int, int], b: tuple[int, int]) -> int:
    (ax, ay), (bx, by) = a, b
    found = (NETWORK.edge_from == ay * 12 + ax) & (NETWORK.edge_to == by * 12 + bx)
    return int(np.flatnonzero(found)[0])


def beside(column: float, row: float, east_m: float = 0.0, north_m: float = 0.0) -> tuple[float, float]:
    lon, lat = LON + STEP_LON * column, LAT + STEP_LAT * row
    return lon + east_m / 66_600.0, lat + north_m / 111_320.0


@pytest.mark.parametrize(
    ("place", "way"),
    [
        (beside(3.25, 4, north_m=-6), ((3, 4), (4, 4))),
        (beside(3.25, 4, north_m=6), ((4, 4), (3, 4))),
        (beside(3, 4.6, east_m=5), ((3, 4), (3, 5))),
        (beside(3, 4.6, east_m=-5), ((3, 5), (3, 4))),
    ],
    ids=["south", "north", "east", "west"],
)
def test_a_truck_stops_with_the_place_on_its_right(
    place: tuple[float, float], way: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    points, away_m = NETWORK.kerbs.snap(*place)
    on = taken_apart(NETWORK, points)
    assert on.edge[0] == edge(*way)
    assert not on.either[0]
    assert 4.5 < away_m[0] < 6.5


def test_the_other_side_of_the_street_is_driven_to_round_the_block_or_by_turning() -> None:
    """Beside the middle of a block, 12 m apart: next to one another on foot, not for a truck."""
    points, _ = NETWORK.kerbs.snap(*zip(beside(3.5, 4, north_m=-6), beside(3.5, 4, north_m=6), strict=True))
    matrix = TravelTimes(NETWORK).matrix(points)
    assert 60.0 < matrix.duration_s[0, 1] < 110.0
    assert matrix.distance_m[0, 1] >= 190.0


def test_what_lies_behind_on_the_same_kerb_costs_a_way_round() -> None:
    points, _ = NETWORK.kerbs.snap(*zip(beside(3.3, 4, north_m=-6), beside(3.7, 4, north_m=-6), strict=True))
    travel = TravelTimes(NETWORK)
    matrix = travel.matrix(points)
    assert matrix.duration_s[0, 1] == pytest.approx(0.4 * 24.0, abs=0.1)
    assert matrix.duration_s[1, 0] > 60.0
    there, back = travel.ways([(int(points[0]), int(points[1])), (int(points[1]), int(points[0]))])
    assert (there.duration_s, there.distance_m) == (matrix.duration_s[0, 1], matrix.distance_m[0, 1])
    assert (back.duration_s, back.distance_m) == (matrix.duration_s[1, 0], matrix.distance_m[1, 0])
    assert len(there.parts) == 1
    assert back.parts[0].edge == back.parts[-1].edge == there.parts[0].edge


@pytest.mark.parametrize("away_m", [0.0, 1.5])
def test_a_place_in_the_middle_of_the_street_has_no_side(away_m: float) -> None:
    points, _ = NETWORK.kerbs.snap(*zip(beside(3.5, 4, north_m=away_m), corner(3, 4), corner(4, 4), strict=True))
    assert taken_apart(NETWORK, points).either[0]
    assert points[1:].tolist() == [4 * 12 + 3, 4 * 12 + 4]
    duration_s = TravelTimes(NETWORK).matrix(points).duration_s
    assert duration_s[0, 1:].tolist() == pytest.approx([12.0, 12.0], abs=0.1)
    assert duration_s[1:, 0].tolist() == pytest.approx([12.0, 12.0], abs=0.1)


def test_a_one_way_street_has_both_kerbs() -> None:
    ring = Network(
        [6.0, 6.001, 6.001], [53.0, 53.0, 53.001], [0, 1, 2], [1, 2, 0], [67.0, 111.0, 130.0], [30.0, 30.0, 30.0]
    )
    points, _ = ring.kerbs.snap([6.0005, 6.0005], [53.0001, 52.9999])
    assert taken_apart(ring, points).edge.tolist() == [0, 0]


def test_points_are_the_same_for_every_travel_over_a_network() -> None:
    points = points_on(NETWORK, [5, 9], [0.25, 1.0])
    on = taken_apart(NETWORK, points)
    assert on.edge.tolist() == [5, 9]
    np.testing.assert_allclose(on.share, [0.25, 1.0], atol=0.001)
    with pytest.raises(BadInput, match="not on this road network"):
        taken_apart(NETWORK, [NETWORK.n_nodes + NETWORK.n_edges * 2048])


def test_no_coordinate_has_no_kerb() -> None:
    with pytest.raises(BadInput, match="not a number"):
        NETWORK.kerbs.snap([np.nan], [LAT])


def test_no_places_are_no_points_and_an_empty_matrix() -> None:
    points, away_m = NETWORK.kerbs.snap([], [])
    assert len(points) == len(away_m) == 0
    assert TravelTimes(NETWORK).matrix(points).duration_s.shape == (0, 0)
    assert TravelTimes(NETWORK).ways([]) == []


def test_in_a_real_city_ways_say_what_the_matrix_says_and_end_where_they_should() -> None:
    network = read_osm(require("shared-data") / "osm" / "heidelberg.test.osm.pbf")
    rng = np.random.default_rng(4)
    nodes = rng.integers(0, network.n_nodes, 60)
    lon, lat = network.node_lon[nodes] + rng.normal(0, 3e-4, 60), network.node_lat[nodes] + rng.normal(0, 2e-4, 60)
    factor = rng.choice([1.0, 2.5], network.n_edges)
    travel = TravelTimes(network, factor)
    points, away_m = travel.snap(lon, lat)
    assert np.median(away_m) < 40.0
    assert (taken_apart(network, points).edge >= 0).mean() > 0.8
    matrix = travel.matrix(points)
    assert np.isfinite(matrix.duration_s).all()
    legs = [(int(points[i]), int(points[(i * 7 + 1) % 60])) for i in range(30)]
    for (i, way), (a, b) in zip(enumerate(travel.ways(legs)), legs, strict=True):
        assert way.duration_s == matrix.duration_s[i, (i * 7 + 1) % 60]
        assert way.distance_m == matrix.distance_m[i, (i * 7 + 1) % 60]
        np.testing.assert_allclose(way.line[0], network.kerbs.place(a))
        np.testing.assert_allclose(way.line[-1], network.kerbs.place(b))
