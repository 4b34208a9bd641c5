import numpy as np
import pytest

from models.figures import Refusal
from models.traffic_profiles import day_of_week, hour_of_week, workday_and_weekend
from tests.models.counted import SHAPE, YEAR_2025, days_of

MONDAY = YEAR_2025 + 5


def test_the_profile_of_a_week_has_a_median_and_a_spread_per_hour():
    daily = np.tile([1000.0] * 5 + [500.0] * 2, 10) * np.repeat(np.linspace(0.9, 1.1, 10), 7)
    profile = hour_of_week(days_of(daily, MONDAY))
    assert profile.median[0] == pytest.approx(1000 * SHAPE)
    assert profile.median[6] == pytest.approx(500 * SHAPE)
    assert (profile.low[0] < profile.median[0]).all()
    assert (profile.days == 10).all()
    both = workday_and_weekend(days_of(daily, MONDAY))
    assert both.median[:, 17] == pytest.approx([90, 45])


def test_hours_known_on_too_few_days_stay_unknown_and_holidays_are_left_out():
    table = days_of([1000.0] * 28, MONDAY)
    table.volume[:-2, 3] = np.nan
    table.volume[0] = 1e6
    table.excluded[0] = True
    profile = hour_of_week(table)
    assert np.isnan(profile.median[0, 3])
    assert profile.median[0, 17] == pytest.approx(90)
    assert profile.days[0, 17] == 3


def test_the_mean_day_of_the_week_comes_with_the_interval_of_the_mean():
    """By hand: 900, 1,000 and 1,100 have the mean 1,000 and the interval 1,000 +- 4.303 * 100 / sqrt(3)."""
    daily = np.concatenate([np.full(7, v) for v in (900.0, 1000.0, 1100.0)])
    figure = day_of_week(days_of(daily, MONDAY))
    assert figure.mean == pytest.approx(np.full(7, 1000))
    assert figure.low == pytest.approx(np.full(7, 1000 - 4.30265 * 100 / np.sqrt(3)), rel=1e-4)


@pytest.mark.parametrize("make", [hour_of_week, workday_and_weekend, day_of_week])
def test_one_day_is_no_profile(make):
    assert isinstance(make(days_of([1000.0], MONDAY)), Refusal)
    assert isinstance(make(days_of([])), Refusal)
