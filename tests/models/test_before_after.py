import numpy as np
import pytest

from models.before_after import change
from models.figures import Refusal
from tests.models.counted import YEAR_2025, days_of

MONDAY = YEAR_2025 + 5
WEEK = np.array([1.0, 1.05, 1.1, 1.05, 1.2, 0.8, 0.6])


def weeks(n, level=1000.0, first=MONDAY, noise=0.0, seed=0, memory=0.0):
    rng = np.random.default_rng(seed)
    deviation = np.zeros(7 * n)
    for i in range(7 * n):
        deviation[i] = (memory * deviation[i - 1] if i else 0) + noise * rng.normal() * np.sqrt(1 - memory**2)
    return days_of(level * np.tile(WEEK, n) * np.exp(deviation), first)


def test_a_change_is_the_ratio_of_days_of_the_same_weekday():
    figure = change(weeks(4), weeks(4, 900.0, MONDAY + 28))
    assert figure.value == pytest.approx(-10)
    assert "4 weeks (28 days) before" in figure.basis
    assert figure.low < -10 < figure.high < 0


def test_a_change_that_roads_show_without_any_measure_is_not_called_one():
    assert "no change is shown" in change(weeks(20), weeks(20, 970.0, MONDAY + 140)).notes[0]


def test_weekdays_that_one_period_lacks_do_not_make_a_change():
    after = weeks(4, first=MONDAY + 28)
    after.volume[np.isin(after.weekday, [5, 6])] = np.nan
    assert change(weeks(4), after).value == pytest.approx(0, abs=1e-9)


def test_what_happened_to_the_comparison_road_too_is_no_effect():
    season = (weeks(4, 500.0), weeks(4, 400.0, MONDAY + 28))
    figure = change(weeks(4), weeks(4, 800.0, MONDAY + 28), season)
    assert figure.value == pytest.approx(0, abs=1e-9)
    assert "comparison road's change is taken out" in figure.notes[1]


def test_the_interval_holds_though_days_resemble_the_day_before():
    wrong = 0
    for seed in range(200):
        before, after = (weeks(6, noise=0.1, seed=2 * seed + i, memory=0.6) for i in (0, 1))
        figure = change(before, after)
        wrong += not figure.low <= 0 <= figure.high
    assert wrong <= 20


def test_a_change_that_chance_explains_is_said_to_be_none():
    figure = change(weeks(6, noise=0.1, seed=3), weeks(6, noise=0.1, seed=4))
    assert "no change is shown" in figure.notes[0]
    assert change(weeks(6, noise=0.02), weeks(6, 800.0, noise=0.02, seed=9)).notes[0].startswith("More than chance")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (weeks(2), weeks(4)),
        (weeks(4), days_of([])),
        (days_of([1000.0] * 2, MONDAY), days_of([900.0] * 2, MONDAY + 7)),
    ],
)
def test_a_few_days_are_refused(before, after):
    assert isinstance(change(before, after), Refusal)
