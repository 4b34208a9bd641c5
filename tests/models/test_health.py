import numpy as np
import pytest

from city.errors import BadInput
from city.findings import Finding
from models.health import WORTH, HealthModel, HealthParameters
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import DAY_S, START_S, approaches

HOUR_S = 3600.0


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> HealthModel:
        return HealthModel([f"a{i}" for i in range(8)], HealthParameters(silence_at_least_s=600))

    @pytest.fixture
    def rows(self) -> Rows:
        rows = approaches(5, days=1).rows
        minute = (rows.at_s - START_S) / 60
        silent = (rows.entity == 2) & (minute > 500) & (minute < 560)
        stuck = (rows.entity == 4) & (minute > 700) & (minute < 800)
        values = {name: np.where(stuck, 7.0 if name == "vehicle_count" else 0.31, v) for name, v in rows.values.items()}
        suspect = (rows.entity == 6) & (minute > 900) & (minute < 910)
        keep = ~silent
        return Rows.of_columns(
            rows.now_s,
            rows.entity[keep],
            rows.at_s[keep],
            {name: np.where(suspect, np.nan, v)[keep] for name, v in values.items()},
            60,
            is_suspect=suspect[keep],
        )

    def test_each_sickness_is_told_and_over(self, model: HealthModel, rows: Rows) -> None:
        _, found = model.update(model.initial_state(), rows)
        told = [(f.entity, f.kind, f.cleared_at_s is None) for f in found]
        expected = [("a2", "silent"), ("a4", "stuck"), ("a6", "implausible")]
        assert told == [(entity, kind, begins) for entity, kind in expected for begins in (True, False)]


def fills(hours: list[float], fill: list[float], now_h: float | None = None) -> Rows:
    at_s = START_S + HOUR_S * np.array(hours)
    now_s = START_S + HOUR_S * (hours[-1] if now_h is None else now_h)
    return Rows.of_columns(now_s, np.zeros(len(hours), int), at_s, {"fill_ratio": fill})


def find(rows: Rows, **given: object) -> list[Finding]:
    model = HealthModel(["a"], **given)  # type: ignore[arg-type]
    return model.update(model.initial_state(), rows)[1]


def test_a_container_that_reports_on_change_is_not_silent_between_its_heartbeats() -> None:
    hours = [0, 1, 1.5, 2, 8, 14, 14.25, 20, 26]
    fill = [0.1, 0.15, 0.2, 0.25, 0.27, 0.31, 0.36, 0.38, 0.4]
    assert find(fills(hours, fill, now_h=26 + 17), interval_s=[6 * HOUR_S]) == []
    found = find(fills(hours, fill, now_h=26 + 19), interval_s=[6 * HOUR_S])
    assert [(f.kind, f.raised_at_s) for f in found] == [("silent", START_S + (26 + 18) * HOUR_S)]


def test_what_never_reported_is_silent_once_it_is_overdue() -> None:
    nothing = np.array([], int)
    model = HealthModel(["a"], interval_s=[HOUR_S])
    state, found = model.update(model.initial_state(), Rows.of_columns(START_S, nothing, [], {}))
    assert found == []
    _, found = model.update(state, Rows.of_columns(START_S + 4 * HOUR_S, nothing, [], {}))
    assert [f.raised_at_s for f in found] == [START_S + 3 * HOUR_S]


def test_a_sensor_whose_history_begins_later_than_that_of_others_was_not_silent() -> None:
    at_s = START_S + HOUR_S * np.array([0.0, 24, 48])
    rows = Rows.of_columns(START_S + 48 * HOUR_S, [0, 0, 1], at_s, {"fill_ratio": [0.1, 0.2, 0.3]})
    assert (
        HealthModel(["a", "b"], interval_s=[DAY_S, HOUR_S]).update(
            HealthModel(["a", "b"], interval_s=[DAY_S, HOUR_S]).initial_state(), rows
        )[1]
        == []
    )


def test_a_level_that_stands_still_for_a_day_is_stuck_but_an_empty_one_is_not() -> None:
    hours = [float(h) for h in range(0, 49, 6)]
    assert [f.kind for f in find(fills(hours, [0.37] * 9))] == ["stuck"]
    assert find(fills(hours, [0.0] * 9)) == []
    assert find(fills(hours, [0.37, 0.37, 0.37, 0.38, 0.38, 0.38, 0.39, 0.39, 0.39])) == []


def test_a_sensor_of_coarse_levels_may_say_the_same_for_days_but_not_for_weeks() -> None:
    days, daily = [24.0 * d for d in range(20)], {"interval_s": [24 * HOUR_S]}
    assert find(fills(days[:8], [0.2, 0.4, 0.4, 0.4, 0.4, 0.4, 0.6, 0.6]), **daily) == []
    assert find(fills(days[:8], [0.4] * 8), **daily) == []
    assert [f.kind for f in find(fills(days, [0.2, 0.4, *[0.4] * 18]), **daily)] == ["stuck"]


@pytest.mark.parametrize("occupancy", [0.0, 1.0])
def test_a_quiet_night_and_a_standing_queue_are_not_stuck(occupancy: float) -> None:
    n = 300
    at_s = START_S + 60.0 * np.arange(n)
    values = {"vehicle_count": np.zeros(n), "occupancy_ratio": np.full(n, occupancy), "speed_kph": np.full(n, np.nan)}
    assert find(Rows.of_columns(float(at_s[-1]), np.zeros(n, int), at_s, values, 60)) == []


def test_a_stuck_sensor_with_exact_heartbeats_is_seen_and_an_unused_container_is_not_called_stuck() -> None:
    lively = [0.1 + 0.013 * i for i in range(30)]
    hours = [6.0 * i for i in range(60)]
    assert [f.kind for f in find(fills(hours, [*lively, *[lively[-1]] * 30]))] == ["stuck"]
    # Read to whole hundredths, nobody throws anything in, and the echo wavers about a boundary.
    rng = np.random.default_rng(3)
    unused = np.round(0.37 + 0.002 * np.cumsum(rng.random(400) < 0.15), 2)
    kinds = [f.kind for f in find(fills([6.0 * i for i in range(400)], unused.tolist())) if f.cleared_at_s is None]
    assert len(kinds) <= 3


def test_quality_is_next_to_nothing_while_a_sensor_is_sick_and_whole_again_after_it() -> None:
    model = HealthModel(["a", "b"])
    hours = [float(h) for h in range(0, 49, 6)]
    state, _ = model.update(model.initial_state(), fills(hours, [0.37] * 9))
    assert model.quality(state).tolist() == [WORTH["stuck"], 1.0]
    state, _ = model.update(state, fills([54.0], [0.4]))
    assert model.quality(state).tolist() == [1.0, 1.0]


def test_a_visit_is_no_sign_of_life_of_the_sensor() -> None:
    model = HealthModel(["a"], interval_s=[HOUR_S])
    state, _ = model.update(model.initial_state(), fills([0, 1], [0.1, 0.2]))
    at_s = START_S + 4 * HOUR_S + 1
    _, found = model.update(state, Rows.of_columns(at_s, [0], [at_s], {"lift_kg": [200.0]}, is_visit=True))
    assert [f.kind for f in found] == ["silent"]


def test_what_comes_late_ends_the_silence() -> None:
    """After an outage the outbox sends what was measured meanwhile."""
    model = HealthModel(["a"], interval_s=[HOUR_S])
    state, _ = model.update(model.initial_state(), fills([0, 1], [0.1, 0.2]))
    state, found = model.update(state, Rows.of_columns(START_S + DAY_S, np.array([], int), [], {}))
    assert [f.kind for f in found] == ["silent"]
    _, found = model.update(state, fills([2, 3, 4], [0.2, 0.3, 0.35], now_h=4))
    assert [f.cleared_at_s for f in found] == [found[0].raised_at_s]


@pytest.mark.parametrize("bad", [{"silent_intervals": 0}, {"stuck_s": -1}, {"stuck_rows": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        HealthParameters(**bad)


def test_what_people_tell_does_not_make_a_silent_sensor_speak() -> None:
    model = HealthModel(["a"], interval_s=[HOUR_S])
    state, _ = model.update(model.initial_state(), fills([0, 1, 2], [0.1, 0.2, 0.3]))
    hours = START_S + HOUR_S * np.array([3.0, 4, 5, 6, 7])
    told = Rows.of_columns(float(hours[-1]), np.zeros(5, int), hours, {"seen_fill_ratio": [0.9] * 5}, is_report=True)
    assert [f.kind for f in model.update(state, told)[1]] == ["silent"]
