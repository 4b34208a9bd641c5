import numpy as np
import pytest

from models.figures import Figure, Refusal
from models.peak import d_factor, k_factor, peak_hour, peak_hour_factor
from models.traffic_volumes import Volumes
from tests.models.counted import YEAR_2025, days_of, quarters_of

# Highway Capacity Manual 2000, ch. 7: 15-minute volumes 1,000, 1,200, 1,100 and 1,000 make 4,300 in the hour.
HCM = [1000, 1200, 1100, 1000]
MONDAY = YEAR_2025 + 5


def test_the_peak_hour_factor_is_that_of_the_manuals_example():
    """By hand: 4,300 / (4 * 1,200) = 0.896."""
    factor = peak_hour_factor(quarters_of([HCM] * 5, MONDAY))
    assert factor.value == pytest.approx(4300 / 4800)
    volume, begins = peak_hour(quarters_of([HCM] * 5, MONDAY))
    assert (volume.value, begins) == (4300, 16.0)
    assert "16:00 to 17:00" in volume.basis


def test_the_peak_may_begin_at_any_quarter_and_weekends_do_not_count():
    table = quarters_of([HCM] * 7, MONDAY)
    table.volume[:, 68] = 1150
    table.volume[5:, 20:24] = 9000
    volume, begins = peak_hour(table)
    assert (volume.value, begins) == (4450, 16.25)
    assert peak_hour(table, until_hour=12)[0].value == 40


def test_few_days_or_coarse_counts_are_refused():
    assert isinstance(peak_hour(quarters_of([HCM] * 2, MONDAY))[0], Refusal)
    refusal = peak_hour_factor(days_of([10_000.0] * 20))
    assert isinstance(refusal, Refusal)
    assert "Hourly counts do not show the peak within" in refusal.text
    assert isinstance(peak_hour(days_of([]))[0], Refusal)


def design_year():
    """A year of 10,000 a day in which the highest hours are 1,500, 1,499, 1,498, …, one on each of the first days."""
    table = days_of([10_000.0] * 365)
    table.volume[:200, 17] = 1500.0 - np.arange(200)
    return table


def test_k_is_the_thirtieth_highest_hour_over_the_average_day():
    """By hand: the thirtieth highest is 1,471; a day is 9,100 + its hour 17 (mean (200 * 1400.5 + 165 * 900) / 365)."""
    average = 9_100 + (200 * 1400.5 + 165 * 900) / 365
    figure = k_factor(design_year())
    assert figure.value == pytest.approx(1471 / average)
    assert (figure.low, figure.high) == (figure.value, figure.value)
    assert k_factor(design_year(), 100).value == pytest.approx(1401 / average)


def test_k_of_a_year_with_gaps_says_how_far_it_may_be_off_and_half_a_year_is_refused():
    table = design_year()
    rng = np.random.default_rng(3)
    table.volume[rng.random(table.volume.shape) < 0.2] = np.nan
    figure = k_factor(table)
    truth = k_factor(design_year()).value
    assert figure.low < truth < figure.high
    assert figure.value == pytest.approx(truth, rel=0.01)
    assert isinstance(k_factor(days_of([10_000.0] * 180)), Refusal)


def test_k_is_refused_where_an_hour_of_the_day_is_never_measured():
    table = design_year()
    table.volume[:, 3] = np.nan
    refusal = k_factor(table)
    assert isinstance(refusal, Refusal)
    assert (refusal.has, refusal.needs) == (23, 24)
    assert "hours of the day" in refusal.text


def test_d_is_the_busier_directions_share_of_the_design_hour():
    """By hand: 900 of 1,500 vehicles in every design hour is 0.6."""
    both = design_year()
    one, other = (Volumes(both.first_day, both.volume * share, both.excluded) for share in (0.6, 0.4))
    assert d_factor(one, other).value == pytest.approx(0.6)
    assert d_factor(other, one).value == pytest.approx(0.6)
    assert "30th highest" in d_factor(one, other).basis


def test_d_of_a_few_weeks_is_of_the_peak_hour_and_says_so():
    one, other = days_of([6_000.0] * 14, MONDAY), days_of([4_000.0] * 14, MONDAY)
    figure = d_factor(one, other)
    assert isinstance(figure, Figure)
    assert figure.value == pytest.approx(0.6)
    assert figure.basis == "10 workdays, 17:00 to 18:00"
    assert isinstance(d_factor(one, days_of([])), Refusal)
