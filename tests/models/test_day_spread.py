import numpy as np
import pytest

from models.day_spread import DaySpread, after_a_day
from models.fill import DAY_S, FillModel, FillState
from models.rows import Rows
from models.spill import expected_spill

START_S = 1_767_571_200.0
HOUR_S = 3600.0
N = 150


def lived(spread: float, days: int, *, seed: int = 1, empty: bool = True) -> tuple[FillModel, FillState, DaySpread]:
    """Containers of 4 m³ that fill by .12 a day, luck of the day aside, each emptied every fifth morning."""
    rng = np.random.default_rng(seed)
    model = FillModel([f"c{i}" for i in range(N)])
    state, known = model.initial_state(), DaySpread.unknown(model)
    level = rng.uniform(0.0, 0.5, N)
    for day in range(days):
        luck = rng.lognormal(-(spread**2) / 2, spread, N)
        if empty:
            mine = np.flatnonzero(np.arange(N) % 5 == day % 5)
            at_s = START_S + day * DAY_S + 60.0
            state, _ = model.update(state, Rows.of_columns(at_s, mine, at_s, {}, is_visit=True))
            level[mine] = 0.0
        for hour in range(1, 25, 3):
            count = rng.poisson(0.12 / 8 * luck * 4000 / 33.3, N)
            level = level + count * 33.3 / 4000
            at_s = START_S + day * DAY_S + hour * HOUR_S
            said = np.clip(level + rng.normal(0, 0.02, N), 0, 1.5)
            state, _ = model.update(state, Rows.of_columns(at_s, np.arange(N), at_s, {"fill_ratio": said}))
            known = after_a_day(known, model, state, at_s)
    return model, state, known


def test_where_nothing_was_compared_the_parameter_holds() -> None:
    model = FillModel(["a", "b"])
    known = DaySpread.unknown(model)
    assert known.misfit == pytest.approx(model.parameters.misfit)
    assert after_a_day(known, model, model.initial_state(), START_S).misfit == pytest.approx(model.parameters.misfit)


def test_days_that_differ_are_told_from_days_that_do_not() -> None:
    even, uneven = (lived(spread, 30)[2].misfit for spread in (0.0, 0.4))
    assert even < 0.12
    assert 0.25 < uneven < 0.45


def test_a_day_that_nobody_heard_of_is_no_comparison() -> None:
    model, state, known = lived(0.0, 8)
    later = after_a_day(known, model, state, known.since_s + 3 * DAY_S)
    assert later.misfit == known.misfit
    assert later.since_s == known.since_s + 3 * DAY_S


def test_nothing_changes_before_a_day_has_passed() -> None:
    model, state, known = lived(0.0, 4)
    assert after_a_day(known, model, state, known.since_s + 20 * HOUR_S) is known


def test_the_less_days_differ_the_surer_is_what_will_not_fit() -> None:
    model, state, _ = lived(0.0, 5, empty=False)
    by_s = START_S + 6 * DAY_S
    sure, unsure = (expected_spill(model, state, by_s, misfit=misfit)[0] for misfit in (0.02, 1.0))
    assert ((sure > 0.9) | (sure < 0.1)).mean() > ((unsure > 0.9) | (unsure < 0.1)).mean()


def test_a_visit_at_any_time_before_spills_less_than_one_at_the_end() -> None:
    model, state, _ = lived(0.0, 5, empty=False)
    by_s = START_S + 6 * DAY_S
    overflow, spill = expected_spill(model, state, by_s)
    earlier_overflow, earlier_spill = expected_spill(model, state, by_s, over_s=8 * HOUR_S)
    first_overflow, first_spill = expected_spill(model, state, by_s - 8 * HOUR_S)
    assert first_spill.sum() < earlier_spill.sum() < spill.sum()
    assert (earlier_overflow <= overflow + 1e-12).all()
    assert (first_overflow <= earlier_overflow + 1e-12).all()
