import numpy as np
import pytest

from city.errors import BadInput
from city.places import Approach, Cluster, Junction
from city.register import Register
from models.rows import Rows
from service.peak_windows import peak_windows, usual_by_hour
from service.usual_traffic import UsualTraffic

# A Monday, 00:00 in Amsterdam.
DAY_S = 1_772_406_000.0
LON, LAT = 6.55, 53.2
M_DEGREE = 1 / 111_195.0


def register_of(lanes=1):
    return Register(
        "stadje",
        "Europe/Amsterdam",
        clusters=[
            Cluster("near", "Near", LON, LAT + 40 * M_DEGREE),
            Cluster("far", "Far", LON, LAT + 90 * M_DEGREE),
        ],
        junctions=[Junction("j", "J", LON, LAT)],
        approaches=[Approach("in", "j", "in", 0.0, lanes), Approach("out", "j", "out", 180.0, lanes)],
    )


def flows(*busy):
    """Vehicles per hour of two approaches: 900 in the busy hours of each, else 200."""
    usual = np.full((2, 24), 200.0)
    for i, hours in enumerate(busy):
        usual[i, list(hours)] = 900.0
    return usual


def test_a_cluster_at_the_junction_keeps_away_from_its_peaks_and_one_further_off_need_not():
    assert peak_windows(register_of(), flows((7, 8), (16, 17, 18))) == {"near": ((7.0, 9.0), (16.0, 19.0))}


def test_peaks_of_several_approaches_that_touch_are_one():
    assert peak_windows(register_of(), flows((7, 8), (8, 9, 10))) == {"near": ((7.0, 11.0),)}
    assert peak_windows(register_of(), flows((7,), (8,))) == {"near": ((7.0, 9.0),)}


def test_more_lanes_have_more_room_and_the_bounds_are_parameters():
    assert peak_windows(register_of(lanes=2), flows((7, 8), ())) == {}
    assert set(peak_windows(register_of(), flows((7, 8), ()), within_m=100.0)) == {"near", "far"}
    assert peak_windows(register_of(), flows((7, 8), ()), above=1.2) == {}


def test_what_is_unknown_is_no_reason_to_keep_away():
    usual = flows((7, 8), ())
    usual[0, 8] = np.nan
    assert peak_windows(register_of(), usual) == {"near": ((7.0, 8.0),)}
    assert peak_windows(register_of(), np.full((2, 24), np.nan)) == {}


def test_a_city_without_junctions_has_no_peaks():
    assert peak_windows(Register("leeg", "UTC"), np.empty((0, 24))) == {}


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(BadInput, match="shape"):
        peak_windows(register_of(), np.zeros((1, 24)))


def test_what_was_learnt_tells_the_peaks_of_the_local_day():
    register = register_of()
    traffic = UsualTraffic(register)
    assert peak_windows(register, usual_by_hour(traffic, DAY_S)) == {}
    at_s = DAY_S + 900.0 * np.arange(1, 4 * 96 + 1)
    hour = (at_s - 450 - DAY_S) / 3600 % 24
    count = 25 + 250 * np.exp(-0.5 * ((hour - 8.5) / 1.2) ** 2)
    values = {"vehicle_count": np.repeat(count, 2)}
    traffic.feed(Rows.of_columns(at_s[-1], np.tile([0, 1], len(at_s)), np.repeat(at_s, 2), values, 900.0), ())
    ((begin, end),) = peak_windows(register, usual_by_hour(traffic, DAY_S + 4 * 86_400))["near"]
    assert (begin, end) == (7.0, 10.0)
