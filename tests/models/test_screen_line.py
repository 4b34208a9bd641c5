import numpy as np
import pytest

from models.figures import Refusal
from models.screen_line import mean_day, screen_line
from tests.models.counted import YEAR_2025, days_of

MONDAY = YEAR_2025 + 5


def members(noise=0.05, days=28):
    rng = np.random.default_rng(4)
    return {
        name: days_of(level * np.exp(noise * rng.normal(size=days)), MONDAY)
        for name, level in (("bridge", 6000.0), ("tunnel", 3000.0), ("ferry", 1000.0))
    }


def test_the_sum_is_that_of_all_members():
    figure = mean_day(screen_line(members(0.0)))
    assert figure.value == pytest.approx(10_000)
    assert (figure.low, figure.high) == (figure.value, figure.value)


def test_a_silent_member_counts_with_its_share_and_widens_the_interval():
    lines = members()
    truth = mean_day(screen_line(members())).value
    lines["tunnel"].volume[20:] = np.nan
    line = screen_line(lines)
    assert line.filled[20:].all()
    assert not line.filled[:20].any()
    figure = mean_day(line)
    assert figure.value == pytest.approx(truth, rel=0.03)
    assert figure.low < truth < figure.high
    assert figure.basis == "28 days, a member silent in 28.6% of their hours"


def test_nothing_is_filled_when_that_is_not_wanted_or_when_most_of_the_line_is_silent():
    lines = members()
    lines["tunnel"].volume[20:] = np.nan
    assert np.isnan(screen_line(lines, fill=False).total[20:]).all()
    lines = members()
    lines["bridge"].volume[20:] = np.nan
    assert np.isnan(screen_line(lines).total[20:]).all()


def test_without_hours_in_which_all_were_measured_nothing_is_known():
    lines = members()
    lines["tunnel"].volume[:] = np.nan
    line = screen_line(lines)
    assert np.isnan(line.total).all()
    assert isinstance(mean_day(line), Refusal)


def test_a_member_that_was_never_heard_is_a_refusal():
    refusal = screen_line({**members(), "canal": days_of([])})
    assert isinstance(refusal, Refusal)
    assert (refusal.has, refusal.needs) == (3, 4)
    assert isinstance(screen_line({}), Refusal)
