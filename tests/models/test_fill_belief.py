"""What the belief of a level makes of lids, lifts, glances and reports."""

import pickle

import numpy as np
import pytest

from models.fill import FillModel, FillState
from models.fill_pace import HOURS_OF_WEEK, add_to_hours, pace_of_week, paced_s
from models.rows import Rows
from tests.models.scenes import DAY_S, START_S, containers

HOUR_S = 3600.0


def run(model: FillModel, *parts: Rows) -> FillState:
    state = model.initial_state()
    for one in parts:
        state, _ = model.update(state, one)
    return state


def at(hours: list[float], kind: str = "", **values: list[float]) -> Rows:
    at_s = START_S + HOUR_S * np.array(hours)
    return Rows.of_columns(
        float(at_s[-1]),
        np.zeros(len(hours), int),
        at_s,
        values,
        HOUR_S if "lid_openings" in values else 0.0,
        is_visit=kind == "visit",
        is_report=kind == "report",
    )


def level_at(model: FillModel, state: FillState, hour: float) -> tuple[float, float]:
    ahead = model.forecast(state, [START_S + HOUR_S * hour])
    return float(ahead.level[0, 0]), float(ahead.high[0, 0] - ahead.low[0, 0])


def test_lids_carry_the_level_on_while_the_sensor_is_silent() -> None:
    """Twenty deposits of 33 litres in 4 m3 are a sixth; with none the level stays, and the time counts for nothing."""
    model = FillModel(["a"])
    read = at([0, 1, 2], fill_ratio=[0.30, 0.30, 0.30])
    busy = run(model, read, at(list(range(3, 13)), lid_openings=[2.0] * 10))
    calm = run(model, read, at(list(range(3, 13)), lid_openings=[0.0] * 10))
    assert level_at(model, busy, 12)[0] == pytest.approx(0.30 + 20 * 0.0333 / 4, abs=0.02)
    assert level_at(model, calm, 12)[0] == pytest.approx(0.30, abs=0.01)


def test_litres_per_deposit_are_learned_for_the_container() -> None:
    """Where each deposit brings twice the usual, lids alone soon say so."""
    model = FillModel(["a"])
    hours = list(range(100))
    double = 2 * 0.0333 / 4
    read = at(hours, fill_ratio=[double * h for h in hours[:50]] + [np.nan] * 50, lid_openings=[1.0] * 100)
    state = run(model, read)
    assert level_at(model, state, 99)[0] > double * 99 - 0.25
    assert level_at(model, state, 99)[0] > 0.0333 / 4 * 99 + 0.4


def test_a_container_with_lids_alone_has_a_belief_that_an_emptying_makes_sharp() -> None:
    model = FillModel(["a"])
    counted = at(list(range(24)), lid_openings=[1.0] * 24)
    before = run(model, counted)
    _, width = level_at(model, before, 24)
    after = run(model, counted, at([24.5], kind="visit"), at(list(range(25, 49)), lid_openings=[2.0] * 24))
    level, sharper = level_at(model, after, 48)
    assert width > 0.6
    assert level == pytest.approx(0.03 + 48 * 0.0333 / 4, abs=0.06)
    assert sharper < 0.6 * width


@pytest.mark.parametrize(("kg", "heavy"), [(20.0, False), (220.0, True)])
def test_without_any_sensor_lifts_teach_the_rate(kg: float, heavy: bool) -> None:
    """Every four days a lift: what it weighed says how fast the container fills."""
    model = FillModel(["a"])
    visits = [at([96.0 * k], kind="visit", lift_kg=[kg]) for k in range(8)]
    state = run(model, *visits)
    rate = level_at(model, state, 96 * 7 + 48)[0] - level_at(model, state, 96 * 7 + 24)[0]
    assert rate == pytest.approx(kg / (4 * 60) / 4, abs=0.06)
    assert (level_at(model, state, 96 * 7 + 72)[0] > 0.4) == heavy


def test_lifts_next_to_a_sensor_teach_the_density() -> None:
    model = FillModel(["a"])
    parts = []
    for k in range(6):
        hours = [96.0 * k + h for h in range(1, 95)]
        parts.append(at(hours, fill_ratio=list(np.linspace(0.02, 0.8, 94))))
        parts.append(at([96.0 * k + 94.5], kind="visit", lift_kg=[0.8 * 4 * 150]))
    state = run(model, *parts)
    assert state.lifted_kg[0] / state.lifted_m3[0] == pytest.approx(150, rel=0.1)


def test_a_glance_counts_where_the_sensor_is_silent_and_hardly_where_it_has_just_spoken() -> None:
    model = FillModel(["a"])
    read = at([0, 1, 2], fill_ratio=[0.3, 0.3, 0.3])
    glance = 1.0
    just = run(model, read, at([2.1], kind="report", seen_fill_ratio=[glance]))
    later = run(model, read, at([74], kind="report", seen_fill_ratio=[glance]))
    assert level_at(model, just, 2.1)[0] < 0.4
    unsaid = level_at(model, run(model, read), 74)[0]
    assert unsaid + 0.05 < level_at(model, later, 74)[0] < glance


def test_a_glance_into_an_empty_container_ends_the_cycle() -> None:
    model = FillModel(["a"])
    state = run(model, at([0, 1], fill_ratio=[0.85, 0.86]), at([6], kind="report", seen_fill_ratio=[0.05]))
    assert level_at(model, state, 6)[0] == pytest.approx(0.05, abs=0.02)


def test_waste_beside_raises_a_doubtful_level_and_leaves_a_known_one() -> None:
    model = FillModel(["a"])
    read = at([0, 1, 2], fill_ratio=[0.5, 0.5, 0.5])
    known = run(model, read, at([2.1], kind="report", waste_beside=[1.0]))
    doubtful = run(model, read, at([60], kind="report", waste_beside=[1.0]))
    assert level_at(model, known, 2.1)[0] == pytest.approx(level_at(model, run(model, read), 2.1)[0], abs=0.01)
    assert level_at(model, doubtful, 60)[0] > level_at(model, run(model, read), 60)[0] + 0.005


def test_a_report_about_a_container_never_heard_of_is_the_first_that_is_known() -> None:
    model = FillModel(["a"])
    state = run(model, at([1], kind="report", seen_fill_ratio=[0.7]))
    level, width = level_at(model, state, 1)
    assert level == pytest.approx(0.7)
    assert width > 0.2
    silent = run(model, at([1], kind="report", waste_beside=[1.0]))
    assert np.isnan(level_at(model, silent, 1)[0])


def test_a_sensor_that_is_not_trusted_widens_the_interval() -> None:
    model = FillModel(["a"])
    state = run(model, at([0, 1, 2], fill_ratio=[0.5, 0.5, 0.5]))
    sure = model.forecast(state, [START_S + 2 * HOUR_S])
    doubted = model.forecast(state, [START_S + 2 * HOUR_S], doubt_sd=np.array([0.2]))
    assert doubted.high[0, 0] - doubted.low[0, 0] > sure.high[0, 0] - sure.low[0, 0] + 0.3
    assert doubted.overflow_probability[0, 0] >= sure.overflow_probability[0, 0]


def test_forecasts_rise_in_the_hours_in_which_people_come() -> None:
    """The scene's people come mostly from 9 to 22 hours: the night adds less than the day."""
    world = containers(7, outliers=0.0, gaps=0.0)
    model = FillModel([f"c{i}" for i in range(6)])
    state, _ = model.update(model.initial_state(), world.rows)
    midnight = START_S + 13 * DAY_S
    ahead = model.forecast(state, midnight + HOUR_S * np.array([0, 8, 12, 20])).level
    night, day = ahead[:, 1] - ahead[:, 0], ahead[:, 3] - ahead[:, 2]
    rises = ahead[:, 3] < 0.95
    assert rises.any()
    assert (day[rises] > 1.5 * night[rises]).all()


def test_a_week_that_nobody_saw_is_even_and_time_passes_at_its_pace() -> None:
    nothing = np.zeros(HOURS_OF_WEEK)
    even = pace_of_week(nothing, nothing, DAY_S)
    np.testing.assert_array_equal(even, 1.0)
    passed = paced_s(even, np.array([START_S, np.nan]), np.array([START_S - 5.0, START_S + 90.0]))
    np.testing.assert_allclose(passed, [[0.0, 90.0], [np.nan, np.nan]], atol=1e-6)
    gain, time_s = nothing.copy(), nothing.copy()
    newest_s = np.full(1, np.nan)
    add_to_hours(gain, time_s, newest_s, DAY_S, np.array([5400.0]), np.array([3600.0]), np.array([0.2]))
    assert time_s[:2].tolist() == [1800.0, 1800.0]
    assert gain[:2].tolist() == pytest.approx([0.1, 0.1])


def test_the_pace_of_long_ago_fades_in_whatever_order_it_is_told() -> None:
    at_s, elapsed_s, gain = np.array([5400.0, 9 * DAY_S]), np.array([3600.0, 3600.0]), np.array([0.2, 0.3])
    told = []
    for orders in ([[0, 1]], [[0], [1]], [[1], [0]]):
        one = np.zeros(HOURS_OF_WEEK), np.zeros(HOURS_OF_WEEK), np.full(1, np.nan)
        for k in orders:
            add_to_hours(*one, 3 * DAY_S, at_s[k], elapsed_s[k], gain[k])
        told.append(one)
    for one in told:
        np.testing.assert_allclose(np.concatenate(one), np.concatenate(told[0]), rtol=1e-9)
    assert told[0][1][0] == pytest.approx(1800 * np.exp(-(9 * DAY_S - 5400) / (3 * DAY_S)))
    assert told[0][1].max() == 3600.0


def test_a_snapshot_goes_on_with_the_same_findings() -> None:
    world = containers(8)
    model = FillModel([f"c{i}" for i in range(6)])
    half = world.rows.at_s < START_S + 6 * DAY_S

    def part(which: np.ndarray, now_s: float) -> Rows:
        values = {"fill_ratio": world.rows.value("fill_ratio")[which]}
        return Rows.of_columns(now_s, world.rows.entity[which], world.rows.at_s[which], values)

    state, _ = model.update(model.initial_state(), part(half, START_S + 6 * DAY_S))
    again = pickle.loads(pickle.dumps(state))
    rest = part(~half, world.rows.now_s)
    assert model.update(again, rest)[1] == model.update(state, rest)[1]
