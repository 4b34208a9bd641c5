import pickle

import numpy as np
import pytest

from city.errors import BadInput
from models.expectation import QUANTITIES, ExpectationModel, ExpectationParameters, ExpectationState
from models.rows import Rows
from tests.models.contract import ModelContract, assert_same_arrays, part
from tests.models.scenes import DAY_S, START_S, approaches

NAMES = [f"a{i}" for i in range(8)]


def model_of(names: list[str] = NAMES, **parameters: float) -> ExpectationModel:
    return ExpectationModel(names, ExpectationParameters(**parameters), timezone="UTC", region="")


class TestContract(ModelContract):
    """What it tells are bands, not findings: those tests ask for bands here."""

    @pytest.fixture
    def model(self) -> ExpectationModel:
        return model_of()

    @pytest.fixture
    def rows(self) -> Rows:
        return approaches(1, days=0.6).rows

    def test_finds_something_in_the_rows_of_this_suite(self, model: ExpectationModel, rows: Rows) -> None:
        state, found = model.update(model.initial_state(), rows)
        assert found == []
        for name in QUANTITIES:
            assert np.isfinite(model.band(state, rows.now_s)[name].expected).all()

    def test_an_entity_is_judged_by_its_own_rows(self, model: ExpectationModel, rows: Rows) -> None:
        state, _ = model.update(model.initial_state(), rows)
        alone, _ = model.update(model.initial_state(), part(rows, rows.entity == 3, now_s=rows.now_s))
        for name in QUANTITIES:
            one, other = (model.forecast(s, rows.now_s + 3600, [3])[name] for s in (state, alone))
            np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.fixture(scope="module")
def learnt() -> tuple[ExpectationModel, ExpectationState, Rows]:
    """Nine days of eight approaches; the last one is not told."""
    rows = approaches(2, days=9).rows
    model = model_of()
    before = part(rows, rows.at_s <= START_S + 8 * DAY_S)
    return model, model.update(model.initial_state(), before)[0], rows


def steps_of(rows: Rows, day: int, name: str) -> np.ndarray:
    """Values of the steps of a day, ``(96, 8)``."""
    inside = (rows.at_s > START_S + day * DAY_S) & (rows.at_s <= START_S + (day + 1) * DAY_S)
    values = rows.value(name)[inside].reshape(96, 15, 8)
    known = np.isfinite(values).sum(1)
    mean = np.where(known > 0, np.nansum(values, axis=1) / np.maximum(known, 1), np.nan)
    return mean * (15 if name == "vehicle_count" else 1)


def middles(day: int) -> np.ndarray:
    return START_S + day * DAY_S + 900.0 * (np.arange(96) + 0.5)


@pytest.mark.parametrize(("name", "error"), [("vehicle_count", 0.16), ("speed_kph", 0.05), ("occupancy_ratio", 0.3)])
def test_the_normal_band_follows_the_day_and_holds_about_80_of_100(
    learnt: tuple[ExpectationModel, ExpectationState, Rows], name: str, error: float
) -> None:
    model, state, rows = learnt
    band = model.band(state, middles(8))[name]
    truth = steps_of(rows, 8, name)
    missed = np.nanmean(np.abs(band.expected.T - truth)) / np.nanmean(truth)
    assert missed < error
    inside = ((truth >= band.low.T) & (truth <= band.high.T))[np.isfinite(truth)].mean()
    assert 0.65 < inside < 0.92
    assert (band.low <= band.expected).all()
    assert (band.expected <= band.high).all()


def test_forecasts_reach_from_the_next_step_to_a_day_ahead_and_widen(
    learnt: tuple[ExpectationModel, ExpectationState, Rows],
) -> None:
    model, state, _ = learnt
    ahead = model.forecast(state, START_S + 8 * DAY_S + np.array([300.0, 3600.0, 6 * 3600.0, DAY_S - 450]))
    for name in QUANTITIES:
        assert ahead[name].expected.shape == (8, 4)
        assert np.isfinite(ahead[name].high).all()
        assert (ahead[name].low >= 0).all()
    assert (ahead["occupancy_ratio"].high <= 1).all()
    later = model.band(state, START_S + 9 * DAY_S - 450)["speed_kph"].expected[:, 0]
    np.testing.assert_allclose(ahead["speed_kph"].expected[:, 3], later, rtol=0.1)


def test_what_is_unusual_now_is_forecast_to_fade(learnt: tuple[ExpectationModel, ExpectationState, Rows]) -> None:
    model, state, rows = learnt
    morning = part(rows, (rows.at_s > START_S + 8 * DAY_S) & (rows.at_s <= START_S + 8 * DAY_S + 12 * 3600))
    half = {**morning.values, "vehicle_count": 0.5 * morning.value("vehicle_count")}
    state, _ = model.update(
        state, Rows.of_columns(morning.now_s, morning.entity, morning.at_s, half, morning.interval_s)
    )
    at_s = morning.now_s + np.array([450.0, 3 * 3600.0])
    said, usual = (f(state, at_s)["vehicle_count"].expected for f in (model.forecast, model.band))
    ratio = (said / usual).mean(0)
    assert ratio[0] < 0.75
    assert ratio[0] < ratio[1] < 1


def test_while_alarmed_nothing_is_learnt_as_usual(learnt: tuple[ExpectationModel, ExpectationState, Rows]) -> None:
    model, state, rows = learnt
    day = part(rows, rows.at_s > START_S + 8 * DAY_S)
    jam = {**day.values, "speed_kph": np.full(len(day), 5.0)}
    jammed = Rows.of_columns(day.now_s, day.entity, day.at_s, jam, day.interval_s)
    alarmed = np.arange(8) == 2
    after, _ = model.update(state, jammed, alarmed)
    at_s = middles(15)[40]
    before_kph, after_kph = (model.band(s, at_s)["speed_kph"].expected[:, 0] for s in (state, after))
    assert after_kph[2] == before_kph[2]
    assert (after_kph[~alarmed] < before_kph[~alarmed] - 1).all()
    soon_s = day.now_s + 450
    said, usual = (f(after, soon_s)["speed_kph"].expected[2, 0] for f in (model.forecast, model.band))
    assert said < usual - 3, "it is told"


def test_nothing_known_is_unknown_and_one_day_stands_for_the_others_until_they_come() -> None:
    model = model_of()
    state = model.initial_state()
    assert np.isnan(model.band(state, START_S)["vehicle_count"].expected).all()
    rows = approaches(3, days=1.1).rows
    only = part(rows, (rows.entity < 4))
    state, _ = model.update(state, only)
    thursday = model.band(state, START_S + 3 * DAY_S + 8.5 * 3600)["vehicle_count"].expected[:, 0]
    night = model.band(state, START_S + 3 * DAY_S + 3.0 * 3600)["vehicle_count"].expected[:, 0]
    assert (thursday[:4] > 2 * night[:4]).all()
    assert np.isnan(thursday[4:]).all()


def test_a_step_that_was_hardly_counted_is_not_learnt() -> None:
    model = model_of(["a"])
    rows = approaches(4, n=1, days=1).rows
    few = part(rows, (np.arange(len(rows)) % 15) < 3)
    state, _ = model.update(model.initial_state(), few)
    assert np.isnan(model.band(state, START_S + DAY_S)["vehicle_count"].expected).all()
    assert np.isfinite(model.band(state, START_S + DAY_S)["speed_kph"].expected).all()


def test_hourly_rows_are_understood_as_vehicles_per_step() -> None:
    model = model_of(["a"])
    hours = np.arange(24 * 21)
    count = 400 + 300 * np.sin(hours / 24 * 2 * np.pi)
    at_s = START_S + 3600.0 * (hours + 1)
    rows = Rows.of_columns(float(at_s[-1]), np.zeros(len(hours), int), at_s, {"vehicle_count": count}, 3600.0)
    state, _ = model.update(model.initial_state(), rows)
    said = model.band(state, at_s[-1] + 1800 + 3600.0 * np.arange(24))["vehicle_count"].expected[0]
    np.testing.assert_allclose(said, count[:24] / 4, rtol=0.2)


def test_a_state_is_of_a_size_that_does_not_grow() -> None:
    model = model_of()
    rows = approaches(5, days=2).rows
    one, _ = model.update(model.initial_state(), part(rows, slice(0, 8 * 1440)))
    two, _ = model.update(one, part(rows, slice(8 * 1440, None)))
    assert len(pickle.dumps(two)) <= 8 * 168 * 3 * 8 + 8 * 3 * 8 * 20 + 40_000
    assert_same_arrays(one, model.update(model.initial_state(), part(rows, slice(0, 8 * 1440)))[0])


@pytest.mark.parametrize(
    "bad", [{"step_s": 700.0}, {"coverage": 1.0}, {"least_covered": 1.5}, {"learns": 0.0}, {"fast_s": float("nan")}]
)
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        ExpectationParameters(**bad)


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="time zone"):
        ExpectationModel(["a"], timezone="Europe/Grunn")
