from dataclasses import replace

import numpy as np
import pytest

from service.detectors import Detectors
from service.observed_traffic import HALF_LIFE_S, NEXT_HOURS_S, observed_approaches, over_a_shift_s
from service.settings import PlanningSettings
from tests.service.small_city import MONDAY_S, SmallCity


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("observed") / "city")
    yield city
    city.close()


def snapshot_of(city, ratio):
    snapshot = Detectors(city.register, PlanningSettings()).snapshot(MONDAY_S, 0, 0, ready=True)
    return replace(snapshot, approaches=replace(snapshot.approaches, speed_ratio=np.array(ratio)))


def usual(*ratios):
    return lambda at_s: np.repeat(np.array(ratios)[:, None], len(at_s), 1)


def ratios(observed):
    return [round(one.speed_ratio, 3) for one in observed]


def test_now_is_what_is_seen_now_and_what_is_not_seen_is_left_out(city):
    snapshot = snapshot_of(city, [0.2, np.nan])
    (seen,) = observed_approaches(city.register, snapshot, ahead_s=[0.0])
    junction = city.register.junctions["kruis-1"]
    assert (seen.lon, seen.lat, seen.bearing_deg, seen.speed_ratio) == (junction.lon, junction.lat, 0.0, 0.2)
    assert np.isnan(seen.delay_s)
    assert observed_approaches(city.register, snapshot_of(city, [np.nan, np.nan])) == ()


def test_what_is_not_seen_now_is_as_usual_and_unknown_usual_changes_nothing(city):
    snapshot = snapshot_of(city, [0.2, np.nan])
    assert ratios(observed_approaches(city.register, snapshot, usual(0.9, 0.6), [0.0])) == [0.2, 0.6]
    assert ratios(observed_approaches(city.register, snapshot, usual(np.nan, np.nan), [0.0])) == [0.2]


def test_a_jam_of_now_is_half_gone_after_half_an_hour_and_counts_for_the_next_hours(city):
    snapshot = snapshot_of(city, [0.2, 0.8])
    (later, _) = ratios(observed_approaches(city.register, snapshot, usual(0.8, 0.8), [HALF_LIFE_S]))
    assert later == 0.5
    (over_hours, calm) = ratios(observed_approaches(city.register, snapshot, usual(0.8, 0.8)))
    assert 0.2 < over_hours < 0.8 == calm
    (over_hours_again, _) = ratios(observed_approaches(city.register, snapshot, usual(0.8, 0.8), NEXT_HOURS_S))
    assert over_hours_again == over_hours


def test_over_a_shift_a_jam_of_now_fades_into_the_usual(city):
    snapshot = snapshot_of(city, [0.2, 0.8])
    ahead_s = over_a_shift_s(city.register)
    assert ahead_s == tuple(3600.0 * hour for hour in range(7))
    jammed, calm = ratios(observed_approaches(city.register, snapshot, usual(0.8, 0.8), ahead_s))
    assert 0.2 < jammed < calm == 0.8


def test_the_detectors_tell_the_usual_speed_and_say_nothing_before_they_know_it(city):
    detectors = Detectors(city.register, PlanningSettings())
    assert np.isnan(detectors.usual_speed_ratio([MONDAY_S, MONDAY_S + 3600])).all()
    assert detectors.usual_speed_ratio([MONDAY_S]).shape == (2, 1)
