import numpy as np
import pytest

from routing.congestion import LARGEST_FACTOR, ObservedApproach, edge_congestion, edge_factors
from routing.travel import TravelTimes
from tests.routing.town import NETWORK, SIDE, corner


def edge(a: tuple[int, int], b: tuple[int, int]) -> int:
    """The edge from corner a to corner b, both (column, row)."""
    start, end = a[1] * SIDE + a[0], b[1] * SIDE + b[0]
    return int(np.flatnonzero((NETWORK.edge_from == start) & (NETWORK.edge_to == end))[0])


def eastbound(column: int, row: int, ratio: float) -> ObservedApproach:
    return ObservedApproach(*corner(column, row), bearing_deg=90.0, speed_ratio=ratio)


def test_the_street_into_the_junction_takes_longer_and_its_other_direction_does_not() -> None:
    factor = edge_factors(NETWORK, [eastbound(5, 5, 0.25)], radius_m=150.0)
    assert factor[edge((4, 5), (5, 5))] == pytest.approx(4.0)
    assert np.flatnonzero(factor != 1.0).tolist() == [edge((4, 5), (5, 5))]


def test_congestion_fades_upstream_along_the_street() -> None:
    factor = edge_factors(NETWORK, [eastbound(5, 5, 0.25)], radius_m=500.0)
    street = [factor[edge((c, 5), (c + 1, 5))] for c in (4, 3, 2, 1)]
    assert street == pytest.approx([4.0, 1 + 3 * 0.6, 1 + 3 * 0.2, 1.0])
    assert (factor > 1).sum() == 3


def test_of_two_observations_the_worse_counts() -> None:
    both = [eastbound(5, 5, 0.5), eastbound(5, 5, 0.2), eastbound(5, 5, 0.9)]
    assert edge_factors(NETWORK, both)[edge((4, 5), (5, 5))] == pytest.approx(5.0)


@pytest.mark.parametrize(("ratio", "factor"), [(0.0, LARGEST_FACTOR), (0.01, LARGEST_FACTOR), (1.0, 1.0), (1.3, 1.0)])
def test_a_factor_is_never_endless_and_never_below_free(ratio: float, factor: float) -> None:
    found = edge_congestion(NETWORK, [eastbound(5, 5, ratio)])
    assert found.factor[edge((4, 5), (5, 5))] == pytest.approx(factor)
    assert found.known[edge((4, 5), (5, 5))]


def test_unknown_changes_nothing_and_is_told_from_free() -> None:
    unknown = edge_congestion(NETWORK, [eastbound(5, 5, float("nan"))])
    assert (unknown.factor == 1.0).all()
    assert not unknown.known.any()


def test_nothing_observed_is_nothing_known() -> None:
    nothing = edge_congestion(NETWORK, [])
    assert (nothing.factor == 1.0).all()
    assert not nothing.known.any()


def test_factors_are_taken_by_travel_times() -> None:
    factor = edge_factors(NETWORK, [eastbound(5, 5, 0.1)])
    west, east = 5 * SIDE + 4, 5 * SIDE + 5
    jammed = TravelTimes(NETWORK, factor).matrix([west, east]).duration_s
    assert jammed[0, 1] > 2 * jammed[1, 0]
