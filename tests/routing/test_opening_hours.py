import numpy as np
import pytest

from city.errors import BadInput
from routing.driving_rules import DrivingRules
from routing.opening_hours import closed_at, hours_at, with_zone
from routing.travel import TravelTimes
from tests.routing.town import NETWORK, SIDE, corner


def zoned(opens: float = 6.0, closes: float = 11.0) -> object:
    """The inner city: corners 4 to 7 each way, until 11:00."""
    (west, south), (east, north) = corner(3, 3), corner(8, 8)
    lon = np.array([west, east, east, west]) + np.array([1, -1, -1, 1]) * 1e-4
    lat = np.array([south, south, north, north]) + np.array([1, 1, -1, -1]) * 1e-4
    return with_zone(NETWORK, lon, lat, opens, closes)


def at(column: int, row: int) -> int:
    return row * SIDE + column


def travel(hour: float | None) -> TravelTimes:
    return TravelTimes(zoned(), rules=DrivingRules(hour=hour))


def test_before_eleven_the_inner_city_is_driven_through_and_after_it_round() -> None:
    ends = [at(2, 5), at(9, 5)]
    assert travel(9.0).matrix(ends).distance_m[0, 1] == 1400.0
    assert travel(11.0).matrix(ends).distance_m[0, 1] > 1800.0
    assert travel(None).matrix(ends).distance_m[0, 1] == 1400.0


def test_after_eleven_nobody_gets_in_and_whoever_is_inside_gets_out() -> None:
    ends = [at(5, 5), at(6, 6), at(9, 5)]
    matrix = travel(12.0).matrix(ends)
    assert np.isfinite(matrix.duration_s[:2, :]).all()
    assert np.isposinf(matrix.duration_s[2, :2]).all()
    assert np.isposinf(matrix.distance_m[2, :2]).all()


def test_where_entering_has_to_be_possible_it_chooses_the_way_and_adds_nothing_to_what_is_driven() -> None:
    ends = [at(2, 5), at(5, 5), at(9, 5)]
    rules = DrivingRules(hour=12.0, closed_entry_s=3600.0)
    town = zoned()
    matrix, closed, free = (
        TravelTimes(town, rules=one).matrix(ends) for one in (rules, DrivingRules(hour=12.0), DrivingRules())
    )
    assert matrix.duration_s[0, 1] == free.duration_s[0, 1]
    assert matrix.duration_s[1, 2] == free.duration_s[1, 2]
    assert matrix.duration_s[0, 2] == closed.duration_s[0, 2]
    way = TravelTimes(town, rules=rules).ways([(ends[0], ends[1])])[0]
    assert way.duration_s == matrix.duration_s[0, 1]
    assert way.distance_m == matrix.distance_m[0, 1] == free.distance_m[0, 1]


@pytest.mark.parametrize("wrong", [{"hour": 25.0}, {"hour": np.nan}, {"closed_entry_s": -1.0}])
def test_rules_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        DrivingRules(**wrong)


@pytest.mark.parametrize(
    ("opens", "closes", "hour", "is_closed"),
    [
        (6, 11, 5.9, True),
        (6, 11, 6, False),
        (6, 11, 11, True),
        (19, 7.5, 23, False),
        (19, 7.5, 7, False),
        (19, 7.5, 12, True),
        (0, 24, 24, False),
    ],
)
def test_hours_may_reach_over_midnight(opens: float, closes: float, hour: float, is_closed: bool) -> None:
    assert closed_at(zoned(opens, closes), hour).any() == is_closed


@pytest.mark.parametrize("hour", [-1.0, 24.5, np.nan])
def test_an_hour_that_is_none_is_refused(hour: float) -> None:
    with pytest.raises(BadInput, match="hour"):
        closed_at(NETWORK, hour)


def test_a_zone_is_an_area() -> None:
    with pytest.raises(BadInput, match="no area"):
        with_zone(NETWORK, [6.5, 6.6], [53.2, 53.2], 6, 11)
    with pytest.raises(BadInput, match="edge_opens_hour"):
        with_zone(NETWORK, [6.0, 7.0, 7.0, 6.0], [53.0, 53.0, 54.0, 54.0], -3, 11)
    with pytest.raises(BadInput, match="opens and closes at 11"):
        with_zone(NETWORK, [6.0, 7.0, 7.0, 6.0], [53.0, 53.0, 54.0, 54.0], 11, 11)


def test_a_place_has_the_hours_of_its_street_and_at_a_junction_those_of_the_street_open_longest() -> None:
    inside, edge, outside = corner(5, 5), corner(3, 5), corner(1, 1)
    lon, lat = zip(inside, edge, outside, strict=True)
    town = zoned()
    opens, closes = hours_at(town, lon, lat)
    assert (opens.tolist(), closes.tolist()) == ([6.0, 0.0, 0.0], [11.0, 24.0, 24.0])
    halfway = (inside[0] + corner(6, 5)[0]) / 2
    opens, closes = hours_at(town, [halfway], [inside[1] + 0.00005])
    assert (opens.tolist(), closes.tolist()) == ([6.0], [11.0])
    assert [one.size for one in hours_at(town, [], [])] == [0, 0]


def test_a_zone_in_which_something_is_done_when_it_opens_is_no_reason_to_stay_away() -> None:
    town, ends = zoned(), [at(2, 5), at(5, 5)]
    shut = TravelTimes(town, rules=DrivingRules(hour=5.0)).matrix(ends)
    assert np.isposinf(shut.duration_s[0, 1])
    later = TravelTimes(town, rules=DrivingRules(hour=5.0, open_later=frozenset({(6.0, 11.0)}))).matrix(ends)
    assert np.isfinite(later.duration_s).all()
    other = TravelTimes(town, rules=DrivingRules(hour=5.0, open_later=frozenset({(7.0, 11.0)}))).matrix(ends)
    assert np.isposinf(other.duration_s[0, 1])
