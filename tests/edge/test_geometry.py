import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import BadInput
from edge.geometry import check_depth_table, distance_from_fill, fill_from_distance

BULGING = ((2600.0, 0.0), (1500.0, 0.6), (400.0, 1.0))


@pytest.mark.parametrize(
    ("distance_mm", "fill"),
    [(2500.0, 0.0), (2600.0, 0.0), (1250.0, 0.5), (0.0, 1.0), (2626.0, None), (-1.0, None)],
)
def test_straight_shaft(distance_mm, fill):
    assert fill_from_distance(distance_mm, 2500.0) == fill


@pytest.mark.parametrize(
    ("distance_mm", "fill"), [(2600.0, 0.0), (2050.0, 0.3), (1500.0, 0.6), (950.0, 0.8), (400.0, 1.0)]
)
def test_table_is_linear_between_its_points(distance_mm, fill):
    assert fill_from_distance(distance_mm, 1.0, BULGING) == pytest.approx(fill)


def test_waste_above_the_usable_volume_is_over_one():
    assert fill_from_distance(235.0, 1.0, BULGING) == pytest.approx(1.06)


@given(st.floats(0.0, 1.1), st.sampled_from([(), BULGING]))
def test_distance_is_the_inverse(fill, table):
    distance_mm = distance_from_fill(fill, 2500.0, table)
    assert fill_from_distance(distance_mm, 2500.0, table) == pytest.approx(min(fill, 1.0) if not table else fill)


@given(st.floats(-100.0, 5000.0))
def test_less_distance_is_never_less_fill(distance_mm):
    here = fill_from_distance(distance_mm, 1.0, BULGING)
    nearer = fill_from_distance(distance_mm - 1.0, 1.0, BULGING)
    if here is not None and nearer is not None:
        assert nearer >= here


@pytest.mark.parametrize("table", [(), ((1.0, 0.0),), ((1.0, 0.0), (2.0, 1.0)), ((2.0, 0.5), (1.0, 0.5))])
def test_a_table_that_is_no_shape_is_said(table):
    with pytest.raises(BadInput):
        check_depth_table(table)
