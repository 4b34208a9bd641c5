from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from city.errors import BadInput
from city.findings import Finding
from models.rows import Rows
from models.series_fault_parameters import SeriesFaultParameters
from models.series_faults import SeriesFaultModel, SeriesFaultState
from tests.models.contract import ModelContract, part
from tests.models.scenes import START_S

HOUR_S = 3600.0
DAYS = 60


def counts(seed: int, n: int, days: int = DAYS, scale: float = 1.0) -> np.ndarray:
    """``(hours, n)``: hourly counts with a rush in the morning and in the evening, quiet at weekends."""
    rng = np.random.default_rng(seed)
    hour = np.arange(days * 24)
    day = 0.05 + np.exp(-0.5 * ((hour % 24 - 8) / 2) ** 2) + np.exp(-0.5 * ((hour % 24 - 17) / 2.5) ** 2)
    rhythm = day * np.where(hour // 24 % 7 >= 5, 0.6, 1.0)
    usual = scale * rhythm[:, None] * rng.uniform(150, 700, n)
    return rng.poisson(usual * np.exp(rng.normal(0, 0.08, usual.shape))).astype(float)


def series(values: np.ndarray, stop: int | None = None) -> Rows:
    hours, n = values[:stop].shape
    at_s = START_S + HOUR_S * np.repeat(np.arange(hours), n)
    known = np.isfinite(values[:stop].ravel())
    return Rows.of_columns(
        float(at_s[-1]) + HOUR_S,
        np.tile(np.arange(n), hours)[known],
        at_s[known],
        {"vehicle_count": values[:stop].ravel()[known]},
        HOUR_S,
    )


def find(values: np.ndarray, **given: Any) -> list[Finding]:
    model = SeriesFaultModel([f"q{i}" for i in range(values.shape[1])], **given)
    return model.update(model.initial_state(), series(values))[1]


def told(found: list[Finding]) -> set[tuple[str, str]]:
    return {(f.entity, f.kind) for f in found}


def hour_of(finding: Finding) -> float:
    return (finding.raised_at_s - START_S) / HOUR_S


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> SeriesFaultModel:
        return SeriesFaultModel([f"q{i}" for i in range(6)], SeriesFaultParameters(learnt_rows=240))

    @pytest.fixture
    def rows(self) -> Rows:
        values = counts(1, 6, 24)
        values[500:530, 1] = values[500, 1]
        values[480:500, 2] = np.floor(0.05 * values[480:500, 2])
        values[490, 3] = 6 * values[490, 3] + 50
        values[400:, 4] *= 1.5
        return series(values)


def test_each_fault_is_found_in_its_time_and_nothing_else() -> None:
    values = counts(2, 12)
    start = 45 * 24 + 10
    values[start : start + 12, 1] = values[start, 1]
    values[start : start + 12, 2] = np.floor(0.1 * values[start : start + 12, 2] + [0, 1] * 6)
    values[start, 3] = 5 * values[start, 3] + 50
    ramp = np.r_[np.linspace(1, 1.6, 240), np.full(len(values) - start - 240, 1.6)]
    values[start:, 4] = np.round(values[start:, 4] * ramp)
    found = [f for f in find(values) if f.cleared_at_s is None]
    assert [(f.entity, f.kind) for f in found if f.kind != "drift"] == [
        ("q3", "spike"),
        ("q1", "stuck"),
        ("q2", "blocked"),
    ]
    assert [hour_of(f) - start for f in found if f.kind == "spike"] == [1]
    assert all(0 < hour_of(f) - start <= 6 for f in found if f.kind in ("stuck", "blocked"))
    drift = next(f for f in found if f.kind == "drift")
    assert drift.entity == "q4"
    assert 24 < hour_of(drift) - start <= 132
    assert {f.entity for f in found if f.kind == "drift"} == {"q4"}


def test_what_is_said_of_a_time_is_the_same_when_the_series_ends_there() -> None:
    values = counts(3, 14)
    values[1000:1030, 1] = values[1000, 1]
    values[1040:1070, 2] *= 0.05
    values[1090, 3] *= 6
    model = SeriesFaultModel([f"q{i}" for i in range(14)])
    whole = model.update(model.initial_state(), series(values))[1]
    for stop in (1005, 1091, 1092):
        cut = model.update(model.initial_state(), series(values, stop))[1]
        assert cut == [f for f in whole if hour_of(f) < stop and (f.cleared_at_s or 0) < START_S + stop * HOUR_S]


def test_a_holiday_and_a_strike_are_no_drift_of_every_sensor() -> None:
    values = counts(4, 20)
    values[45 * 24 : 47 * 24] *= 0.35
    values[50 * 24 : 57 * 24] *= 0.7
    assert [one for one in find(np.floor(values)) if one.kind == "drift"] == []


def test_a_lasting_change_is_told_once_and_then_is_the_usual() -> None:
    values = counts(5, 12, 95)
    values[60 * 24 :, 1] = np.round(0.08 * values[60 * 24 :, 1])
    found = [f for f in find(values) if f.entity == "q1" and f.kind in ("blocked", "drift")]
    begun = [f for f in found if f.cleared_at_s is None]
    assert begun[0].kind == "blocked"
    assert len(begun) <= 3
    assert all(hour_of(f) < 80 * 24 for f in begun)


@pytest.mark.parametrize("scale", [0.003, 0.02])
def test_quiet_streets_repeat_small_counts_and_zeros_honestly(scale: float) -> None:
    found = find(counts(6, 12, 80, scale))
    assert len([f for f in found if f.cleared_at_s is None]) <= 1


def test_a_dead_sensor_that_says_zero_is_blocked() -> None:
    values = counts(7, 12)
    values[1090:1120, 0] = 0
    assert ("q0", "blocked") in told(find(values))


def test_a_missing_night_is_neither_blocked_nor_a_spike_after_it() -> None:
    values = counts(8, 12)
    values[1090:1200, :3] = np.nan
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    assert find(values) == []


def test_local_time_follows_the_clock_of_people() -> None:
    """Where the clocks are put back in the middle, a profile of UTC sees the rush come an hour late."""
    start = np.datetime64("2025-09-01T00:00:00", "s").astype(float)
    local = counts(9, 12, 90)
    change = int((np.datetime64("2025-10-26T01:00:00", "s").astype(float) - start) / HOUR_S)
    values = np.r_[local[2 : change + 2], local[change + 1 : -2]]
    shift = start - START_S
    rows = series(values)
    rows = Rows.of_columns(rows.now_s + shift, rows.entity, rows.at_s + shift, rows.values, HOUR_S)
    model = SeriesFaultModel([f"q{i}" for i in range(12)], timezone="Europe/Berlin")
    assert model.update(model.initial_state(), rows)[1] == []


def test_minutes_are_gathered_into_hours() -> None:
    values = counts(10, 3, 3)
    minutes = np.repeat(values, 4, axis=0) / 4
    at_s = START_S + 900.0 * (np.repeat(np.arange(len(minutes)), 3) + 1)
    rows = Rows.of_columns(
        float(at_s[-1]), np.tile(np.arange(3), len(minutes)), at_s, {"vehicle_count": minutes.ravel()}, 900
    )
    model = SeriesFaultModel(["a", "b", "c"])
    state, _ = model.update(model.initial_state(), rows)
    hourly = series(values)
    same, _ = model.update(
        model.initial_state(),
        Rows.of_columns(hourly.now_s, hourly.entity, hourly.at_s + HOUR_S, hourly.values, HOUR_S),
    )
    half = [part(rows, slice(0, 100)), part(rows, slice(100, None))]
    in_two = model.initial_state()
    for one in half:
        in_two, _ = model.update(in_two, one)
    for name in ("rows", "value", "level", "variance"):
        np.testing.assert_array_equal(getattr(in_two, name), getattr(state, name))
    assert (same.rows == state.rows).all()


def test_an_hour_of_which_half_is_missing_is_unknown() -> None:
    rows = Rows.of_columns(START_S + 7200, [0, 0], [START_S + 900, START_S + 1800], {"vehicle_count": [5, 6]}, 900)
    model = SeriesFaultModel(["a"])
    state, found = model.update(model.initial_state(), rows)
    assert (found, state.rows.tolist()) == ([], [0])


def test_the_state_is_a_flat_tuple_of_arrays() -> None:
    assert all(np.asarray(one).ndim in (1, 2) for one in SeriesFaultModel(["a", "b"]).initial_state())
    assert set(SeriesFaultState._fields) >= {"level", "variance"}


@pytest.mark.parametrize("bad", [{"stuck_nats": 0}, {"drift_slack": -1}, {"quiet_h": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        SeriesFaultParameters(**bad)


def test_an_hour_that_the_clock_closed_is_not_judged_again_when_the_next_one_begins() -> None:
    """Hours that come one by one, each closed before the next is heard, give what they give all at once."""
    values = counts(11, 12, 40)
    values[900, 3] = 6 * values[900, 3] + 50
    whole = series(values)
    model = SeriesFaultModel([f"q{i}" for i in range(12)])
    at_once = model.update(model.initial_state(), replace(whole, now_s=float(whole.at_s[-1]) + 1900))
    state, found = model.initial_state(), []
    for hour in range(len(values)):
        one = part(whole, slice(12 * hour, 12 * hour + 12))
        state, more = model.update(state, replace(one, now_s=float(one.at_s[-1]) + 1900))
        found += more
    assert found == at_once[1]
    assert {(f.entity, f.kind) for f in found} == {("q3", "spike")}
    for name in ("weary", "last", "rows", "level"):
        np.testing.assert_array_equal(getattr(state, name), getattr(at_once[0], name))


def test_what_comes_after_its_hour_was_closed_is_left_out() -> None:
    model = SeriesFaultModel(["a", "b"])
    hour_s = START_S + HOUR_S
    first = Rows.of_columns(hour_s + 1900, [0], [hour_s], {"vehicle_count": [50.0]}, HOUR_S)
    state, _ = model.update(model.initial_state(), first)
    late = Rows.of_columns(hour_s + 2000, [1], [hour_s], {"vehicle_count": [70.0]}, HOUR_S)
    state, _ = model.update(state, late)
    assert (state.rows.tolist(), state.covered_s.tolist()) == ([1, 0], [0, 0])
