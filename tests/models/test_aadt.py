import numpy as np
import pytest

from models.aadt import SeasonalFactors, aadt, annualised, seasonal_factors
from models.figures import Figure, Refusal
from tests.models.counted import YEAR_2025, days_of

WEEK = np.array([1.1, 1.1, 1.1, 1.1, 1.2, 0.8, 0.6])
SEASON = np.array([0.9, 0.9, 0.95, 1.0, 1.05, 1.1, 1.05, 1.05, 1.05, 1.0, 1.0, 0.95])


def year(noise=0.0, seed=1, average=10_000.0):
    table = days_of(np.ones(365))
    rng = np.random.default_rng(seed)
    daily = average * WEEK[table.weekday] * SEASON[table.month - 1] * np.exp(noise * rng.normal(size=365))
    return days_of(daily)


def test_aadt_is_the_mean_over_months_of_the_mean_over_days_of_the_week():
    """FHWA Traffic Monitoring Guide, AASHTO method, by hand: mean(WEEK) = 7.0/7 = 1, mean(SEASON) = 12/12 = 1."""
    figure = aadt(year())
    assert figure.value == pytest.approx(10_000)
    assert (figure.low, figure.high) == pytest.approx((10_000, 10_000))
    assert figure.completeness == 1
    assert figure.basis == "365 whole days of 365"


def test_days_that_were_lost_in_a_busy_month_do_not_lower_it():
    daily = year().day_volume.copy()
    june = days_of(daily).month == 6
    daily[np.flatnonzero(june)[7:]] = np.nan
    assert np.nanmean(daily) < 9_980
    assert aadt(days_of(daily)).value == pytest.approx(10_000)


def test_days_with_lost_hours_count_with_the_hours_that_they_have():
    full = year()
    table = days_of(full.day_volume)
    # Every night from three to four is lost but for the first week of each month.
    late = table.day.astype("datetime64[D]") - table.day.astype("datetime64[D]").astype("datetime64[M]") >= 7
    table.volume[late, 3] = np.nan
    assert table.whole_days < 90
    assert aadt(table).value == pytest.approx(10_000)


def test_the_interval_covers_the_true_average_of_the_year():
    covered = []
    for seed in range(100):
        full = year(0.12, seed)
        lost = np.random.default_rng(1000 + seed).random(365) < 0.25
        figure = aadt(days_of(np.where(lost, np.nan, full.day_volume)))
        if isinstance(figure, Figure):
            covered.append(figure.low <= aadt(full).value <= figure.high)
    assert len(covered) > 50
    assert np.mean(covered) >= 0.9


@pytest.mark.parametrize(("days", "cells"), [(0, 0), (1, 1), (7, 7), (180, 42)])
def test_less_than_a_year_is_refused_with_what_is_missing(days, cells):
    refusal = aadt(days_of(year().day_volume[:days]))
    assert isinstance(refusal, Refusal)
    assert (refusal.has, refusal.needs) == (cells, 84)
    assert f"No AADT: {cells} of at least 84 pairs of a month and a day of the week" in refusal.text
    assert "a part of the year is no year" in refusal.text


def test_factors_are_those_that_the_year_was_made_of_and_make_a_short_count_annual():
    factors = seasonal_factors(year())
    assert isinstance(factors, SeasonalFactors)
    assert factors.monthly == pytest.approx(SEASON)
    assert factors.day_of_week == pytest.approx(WEEK)
    short = days_of(4_000 * WEEK[:3] * SEASON[5], first_day=YEAR_2025 + 152)  # Monday, 2 June 2025
    figure = annualised(short, factors)
    assert isinstance(figure, Figure)
    assert figure.value == pytest.approx(4_000)
    assert "estimate" in figure.notes[0]


def test_a_short_count_is_less_sure_than_the_year_and_one_day_is_refused():
    factors = seasonal_factors(year(0.1))
    short = annualised(days_of(year(0.1).day_volume[150:153], YEAR_2025 + 150), factors)
    assert short.high - short.low > 0.1 * short.value
    assert isinstance(annualised(days_of([5_000.0]), factors), Refusal)
    assert isinstance(seasonal_factors(days_of(np.ones(30))), Refusal)
