import numpy as np
import pytest

from city.errors import BadInput
from models.travel_factors import PeakWindow, movement_delays_s, peaks_to_avoid, speed_factors

NAN = np.nan


def test_what_is_seen_now_fades_into_what_is_usual() -> None:
    (factors,) = speed_factors(np.array([0.2]), np.full((1, 4), 0.9), [0, 1800, 36_000])
    assert factors[0] == pytest.approx(0.2)
    assert 0.2 < factors[1] < 0.9
    assert factors[2] == pytest.approx(0.9, abs=0.001)


def test_an_unknown_now_is_the_usual_and_an_unknown_usual_is_the_now() -> None:
    usual = np.array([[0.7, 0.7], [NAN, NAN], [NAN, NAN]])
    assert speed_factors(np.array([NAN, 0.4, NAN]), usual, [600]).ravel().tolist() == [0.7, 0.4, 1.0]


def test_a_movement_has_the_delay_of_the_approach_that_it_leaves() -> None:
    delays = movement_delays_s(np.array([12.0, NAN]), [0, 0, 1], [0.0, 3.0, 0.0])
    assert delays[:2].tolist() == [12.0, 15.0]
    assert np.isnan(delays[2])


def test_stops_near_a_full_approach_keep_out_of_its_peaks() -> None:
    usual = np.full((2, 24), 0.4)
    usual[0, 7:9], usual[0, 17] = 0.95, 0.9
    usual[1] = NAN
    windows = peaks_to_avoid(["near", "far"], [[6.5, 53.2], [6.6, 53.2]], ["a", "b"], [[6.5, 53.2003]] * 2, usual)
    assert windows == [PeakWindow("near", "a", 7, 9, 0.95), PeakWindow("near", "a", 17, 18, 0.9)]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput):
        speed_factors(np.ones(2), np.ones((2, 2)), [1, 2])
    with pytest.raises(BadInput):
        peaks_to_avoid(["a"], [[0, 0]], ["b"], [[0, 0]], np.ones((1, 23)))
