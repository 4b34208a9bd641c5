import numpy as np
import pytest

from city.errors import BadInput
from models.traffic_volumes import DAY_S, HOUR_S, QUARTER_S, volumes
from tests.models.counted import YEAR_2025, minutes

MIDNIGHT = YEAR_2025 * DAY_S


def test_counts_of_minutes_become_volumes_of_hours_and_quarters():
    start, count = minutes(YEAR_2025, 2, 3)
    hours = volumes(start, count, 60)
    assert hours.volume.shape == (2, 24)
    assert (hours.volume == 180).all()
    assert hours.day_volume.tolist() == [4320, 4320]
    assert volumes(start, count, 60, bin_s=QUARTER_S).per_hour().volume.tolist() == hours.volume.tolist()


def test_unknown_is_not_zero_and_an_hour_half_seen_is_unknown():
    start, count = minutes(YEAR_2025, 1, 2)
    count[:30] = np.nan
    count[60:] = 0
    hours = volumes(start, count, 60)
    assert np.isnan(hours.volume[0, 0])
    assert hours.volume[0, 1] == 0
    assert np.isnan(hours.day_volume[0])
    assert hours.completeness == pytest.approx(23 / 24)


def test_an_hour_of_which_most_was_seen_is_scaled_up():
    start, count = minutes(YEAR_2025, 1, 2)
    count[:12] = np.nan
    assert volumes(start, count, 60).volume[0, 0] == pytest.approx(120)


def test_an_interval_across_an_edge_is_shared():
    hours = volumes([MIDNIGHT + 1800.0, MIDNIGHT + 1800.0 + HOUR_S], [60, 100], HOUR_S, min_coverage=0.4)
    assert hours.volume[0, :3].tolist() == [60, 80, 100]


def test_what_is_seen_twice_is_averaged_as_in_the_night_when_the_clock_is_put_back():
    hours = volumes([MIDNIGHT, MIDNIGHT], [60, 80], HOUR_S)
    assert hours.volume[0, 0] == 70


def test_intervals_longer_than_a_bin_say_nothing_about_it():
    assert volumes([MIDNIGHT], [60], HOUR_S, bin_s=QUARTER_S).n_days == 0


def test_the_calendar_is_the_local_one():
    table = volumes([MIDNIGHT, MIDNIGHT + 40 * DAY_S], [1, 1], HOUR_S, holidays=[YEAR_2025])
    assert table.weekday[0] == 2  # 2025-01-01 was a Wednesday
    assert (table.month[30], table.month[31]) == (1, 2)
    assert not table.is_workday[0]
    assert table.is_workday[1]
    assert np.unique(table.week[:6]).size == 2


def test_days_outside_what_was_measured_are_unknown():
    table = volumes(*minutes(YEAR_2025, 2, 1), 60).of_days(YEAR_2025 - 1, YEAR_2025 + 1)
    assert np.isnan(table.volume[0]).all()
    assert table.day_volume[1:].tolist() == [1440, 1440]
    assert table.of_days(YEAR_2025 + 9, YEAR_2025 + 9).completeness == 0


@pytest.mark.parametrize(
    ("start", "count", "bin_s", "said"),
    [
        ([0.0], [1, 2], HOUR_S, "do not fit together"),
        ([0.0], [-1], HOUR_S, "never negative"),
        ([0.0], [1], 7, "does not divide an hour"),
    ],
)
def test_input_that_makes_no_sense_is_named(start, count, bin_s, said):
    with pytest.raises(BadInput, match=said):
        volumes(start, count, 60, bin_s=bin_s)


def test_an_interval_told_twice_is_seen_once():
    """Half an hour told twice is half an hour, which is too little; three quarters with a double are three quarters."""
    start = YEAR_2025 * DAY_S + np.array([0.0, 900, 0, 900])
    assert np.isnan(volumes(start, [10, 20, 10, 20], 900).volume).all()
    start = YEAR_2025 * DAY_S + np.array([0.0, 900, 1800, 1800])
    assert volumes(start, [10, 20, 30, 50], 900).volume[0, 0] == pytest.approx((10 + 20 + 40) / 3 * 4)
