import numpy as np
import pytest

from city.errors import BadInput
from models.fill import FillModel
from models.fill_parameters import FillParameters
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import DAY_S, START_S, containers

HOUR_S = 3600.0
NAMES = [f"c{i}" for i in range(6)]


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> FillModel:
        return FillModel(NAMES)

    @pytest.fixture
    def rows(self) -> Rows:
        return containers(3).rows


def readings(*pairs: tuple[float, float]) -> Rows:
    """Readings (hour, fill) of one container."""
    hours, fill = zip(*pairs, strict=True)
    at_s = START_S + HOUR_S * np.array(hours)
    return Rows.of_columns(float(at_s[-1]), np.zeros(len(at_s), int), at_s, {"fill_ratio": fill})


def visit(hour: float, **values: float) -> Rows:
    at_s = START_S + HOUR_S * hour
    return Rows.of_columns(at_s, [0], [at_s], {k: [v] for k, v in values.items()}, is_visit=True)


def run(*parts: Rows, parameters: FillParameters | None = None):  # type: ignore[no-untyped-def]
    model = FillModel(["a"], parameters)
    state, found = model.initial_state(), []
    for one in parts:
        state, more = model.update(state, one)
        found += more
    return model, state, found


def test_emptyings_are_found_and_outliers_are_not() -> None:
    """Over 12 seeds at 1 % outliers: nearly every emptying is found, nearly none is made up."""
    hits = misses = false = 0
    for seed in range(20, 32):
        world = containers(seed)
        _, found = FillModel(NAMES).update(FillModel(NAMES).initial_state(), world.rows)
        told = [(int(f.entity[1:]), f.raised_at_s) for f in found if f.kind == "emptied"]
        due = [e for e in world.emptied if e[1] < world.rows.now_s - 3 * HOUR_S]
        hit = [any(i == j and -1 <= at - when <= 3 * HOUR_S for j, at in told) for i, when in due]
        hits, misses = hits + sum(hit), misses + len(hit) - sum(hit)
        false += sum(not any(i == j and -1 <= at - when <= 3 * HOUR_S for j, when in world.emptied) for i, at in told)
    assert hits / (hits + misses) > 0.97
    assert hits / (hits + false) > 0.97


def test_one_outlier_makes_no_emptying_and_no_alarm() -> None:
    _, state, found = run(readings((0, 0.6), (6, 0.63), (6.25, 0.02), (6.5, 0.63), (7, 0.99), (7.25, 0.64)))
    assert found == []
    assert state.level[0] == pytest.approx(0.64, abs=0.02)


def test_a_fall_is_an_emptying_when_the_next_reading_confirms_it_or_nothing_takes_it_back() -> None:
    _, _, confirmed = run(readings((0, 0.6), (6, 0.7), (6.5, 0.03), (7, 0.04)))
    assert [(f.kind, f.cause, f.raised_at_s) for f in confirmed] == [("emptied", "level", START_S + 7 * HOUR_S)]
    later = Rows.of_columns(START_S + 12 * HOUR_S, np.array([], int), [], {})
    _, state, stayed = run(readings((5, 0.6), (5.5, 0.6), (6, 0.7), (6.5, 0.03)), later)
    assert [(f.kind, f.raised_at_s) for f in stayed] == [("emptied", START_S + 7.5 * HOUR_S)]
    assert state.level[0] == pytest.approx(0.03)


@pytest.mark.parametrize("interval_h", [2.0, 24.0])
def test_a_sensor_that_seldom_reports_may_take_an_outlier_back(interval_h: float) -> None:
    """The clock goes on between readings; that none came yet does not confirm the last one."""
    levels = [0.30, 0.31, 0.32, 0.02, 0.33, 0.34]
    parts = []
    for k, level in enumerate(levels):
        parts.append(readings((interval_h * k, level)))
        tick_s = START_S + HOUR_S * interval_h * (k + 0.9)
        parts.append(Rows.of_columns(tick_s, np.array([], int), [], {}))
    _, state, found = run(*parts)
    assert found == []
    assert state.level[0] == pytest.approx(0.34, abs=0.02)


def test_a_level_that_is_back_after_a_false_fall_is_no_waste_brought_in() -> None:
    """A reading is missing after the outlier, so that it is believed for a while."""
    steady = [(float(h), 0.6) for h in range(24)]
    honest = run(readings(*steady, *((float(h), 0.6) for h in range(28, 40))))
    _, state, found = run(readings(*steady, (24.0, 0.05), *((float(h), 0.6) for h in range(28, 40))))
    assert [f.kind for f in found] == ["emptied"]
    assert state.level[0] == pytest.approx(0.6, abs=0.02)
    assert state.gained[0] == pytest.approx(honest[1].gained[0], abs=0.03)
    assert np.isnan(state.emptied_at_s[0])


def test_a_visit_sets_the_level_back_at_once_and_is_told_once() -> None:
    model, state, found = run(readings((0, 0.8), (6, 0.9)), visit(7), readings((7.25, 0.05), (7.5, 0.05)))
    assert [(f.kind, f.cause) for f in found] == [("emptied", "visit")]
    assert model.forecast(state, [START_S + 8 * HOUR_S]).level[0, 0] < 0.1


@pytest.mark.parametrize("hour", [6.9, 7.1])
def test_a_visit_told_after_the_sensor_saw_it_is_the_same_emptying(hour: float) -> None:
    _, state, found = run(readings((0, 0.8), (6, 0.9), (7, 0.02), (7.25, 0.03)), visit(hour), readings((8, 0.03)))
    assert [f.kind for f in found] == ["emptied"]
    assert state.level[0] < 0.06
    _, state, found = run(readings((0, 0.8), (6, 0.9), (7, 0.02)), visit(hour), readings((8, 0.03), (14, 0.04)))
    assert [f.kind for f in found] == ["emptied"]
    assert state.level[0] < 0.08


def test_full_is_raised_once_and_over_when_emptied() -> None:
    found = run(readings((0, 0.9), (6, 0.96), (12, 0.97), (18, 0.94), (24, 0.96)), visit(25))[2]
    told = [(f.kind, f.cleared_at_s is None) for f in found]
    assert told.count(("full", True)) == 1
    assert told.count(("full", False)) == 1
    assert told[0] == ("full", True)


def test_a_silent_container_goes_on_filling_and_the_risk_rises() -> None:
    model, state, _ = run(readings(*((6 * k, 0.05 * k) for k in range(11))))
    ahead = START_S + 60 * HOUR_S + DAY_S * np.arange(8)
    forecast = model.forecast(state, ahead)
    assert forecast.level[0, 1] - forecast.level[0, 0] == pytest.approx(0.2, abs=0.06)
    assert (np.diff(forecast.level[0]) >= 0).all()
    assert (np.diff(forecast.overflow_probability[0]) >= 0).all()
    assert forecast.overflow_probability[0, 0] < 0.01
    assert forecast.overflow_probability[0, 7] > 0.9
    assert (forecast.low <= forecast.level).all()
    assert (forecast.level <= forecast.high).all()


def test_a_container_never_heard_of_is_unknown_and_not_empty() -> None:
    model = FillModel(["a", "b"])
    state, _ = model.update(model.initial_state(), readings((0, 0.5)))
    forecast = model.forecast(state, [START_S + DAY_S])
    assert np.isfinite(forecast.level[0, 0])
    assert np.isnan(np.array([one[1, 0] for one in forecast])).all()


def test_times_of_a_forecast_may_come_in_any_order() -> None:
    model, state, _ = run(readings((0, 0.5), (24, 0.6)))
    forward = model.forecast(state, START_S + DAY_S * np.array([1, 2, 5]))
    mixed = model.forecast(state, START_S + DAY_S * np.array([5, 1, 2]))
    for a, b in zip(forward, mixed, strict=True):
        np.testing.assert_allclose(a[:, [2, 0, 1]], b)


def test_forecasts_hold_what_they_promise() -> None:
    """Two days ahead on containers never seen: the 80 % interval covers, and the risk is calibrated."""
    inside, expected, happened = [], 0.0, 0
    for seed in range(50, 62):
        world = containers(seed, n=20, days=14, outliers=0.0)
        model = FillModel([str(i) for i in range(20)])
        then = START_S + 11 * DAY_S
        k = world.rows.at_s <= then
        state, _ = model.update(
            model.initial_state(),
            Rows.of_columns(
                then, world.rows.entity[k], world.rows.at_s[k], {"fill_ratio": world.rows.value("fill_ratio")[k]}
            ),
        )
        forecast = model.forecast(state, [then + 2 * DAY_S], full_at=0.8)
        span = world.level[11 * 48 : 13 * 48]
        kept = np.array(
            [not any(i == j and then - 7200 < at <= then + 2 * DAY_S for j, at in world.emptied) for i in range(20)]
        )
        reached = span.max(axis=0) >= 0.8
        below = state.level < 0.75
        inside += list((forecast.low[:, 0] <= span[-1])[kept] & (span[-1] <= forecast.high[:, 0])[kept])
        expected += forecast.overflow_probability[below, 0].sum()
        happened += int(reached[below].sum())
    assert 0.7 <= np.mean(inside) <= 0.97
    assert expected == pytest.approx(happened, rel=0.25)


@pytest.mark.parametrize("bad", [{"full_ratio": 0}, {"sensor_sd": -1}, {"stays_s": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        FillParameters(**bad)


@pytest.mark.parametrize("volume", [[1.0], [1.0, -2.0], [0.0, 3.0]])
def test_volumes_that_make_no_sense_are_refused(volume: list[float]) -> None:
    with pytest.raises(BadInput):
        FillModel(["a", "b"], volume_m3=volume)


def test_an_entity_named_twice_is_refused() -> None:
    with pytest.raises(BadInput, match="twice"):
        FillModel(["a", "a"])


@pytest.mark.parametrize("at_s", [[float("nan")], [[1.0]], 5.0])
def test_times_that_are_no_row_are_refused(at_s: object) -> None:
    model = FillModel(["a"])
    with pytest.raises(BadInput):
        model.forecast(model.initial_state(), at_s)  # type: ignore[arg-type]


def test_what_a_truck_leaves_behind_is_not_learnt_as_a_rate() -> None:
    """Emptied every two days to the very bottom, a container fills by .3 a day, whatever was believed to be left."""
    parts = []
    for cycle in range(10):
        hours = 48 * cycle + np.arange(0.5, 48)
        parts += [readings(*((hour, 0.3 * (hour - 48 * cycle) / 24) for hour in hours)), visit(48.0 * (cycle + 1))]
    model, state, _ = run(*parts, readings((480.5, 0.0)))
    assert state.gained[0] / state.exposure_s[0] * DAY_S == pytest.approx(0.3, rel=0.02)
    ahead = model.forecast(state, [START_S + 480.5 * HOUR_S + 2 * DAY_S]).level[0, 0]
    assert ahead == pytest.approx(0.6, abs=0.04)
