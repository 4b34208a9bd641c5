from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from city.errors import BadInput
from city.findings import Finding
from models.congestion import CongestionModel, CongestionParameters
from models.local_days import LocalDays
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import START_S, approaches

NAMES = [f"a{i}" for i in range(8)]
JAMS = ((1, 31.0, "slow"), (2, 32.5, "blocked"), (3, 33.0, "gone"), (4, 12.0, "slow"), (5, 40.5, "blocked"))


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> CongestionModel:
        return CongestionModel(NAMES)

    @pytest.fixture
    def rows(self) -> Rows:
        return approaches(1, days=0.6, jams=((1, 9.0, "slow"), (2, 10.5, "blocked"), (3, 8.0, "gone"))).rows


def find(rows: Rows, n: int = 8) -> list[Finding]:
    model = CongestionModel([f"a{i}" for i in range(n)])
    return model.update(model.initial_state(), rows)[1]


def minutes(count: list[float], occupancy: list[float], speed: list[float], interval_s: float = 60.0) -> Rows:
    at_s = START_S + interval_s * np.arange(1, len(count) + 1)
    values = {"vehicle_count": count, "occupancy_ratio": occupancy, "speed_kph": speed}
    return Rows.of_columns(float(at_s[-1]), np.zeros(len(count), int), at_s, values, interval_s)


def states(rows: Rows, n: int = 1):  # type: ignore[no-untyped-def]
    model = CongestionModel(NAMES[:n])
    return model.states(model.update(model.initial_state(), rows)[0])


def test_jams_are_found_within_minutes_and_nothing_else_is() -> None:
    """Eighty approaches and 2 days with regular peaks, fifty jams."""
    jams = tuple((8 * k + i, hour, kind) for k in range(10) for i, hour, kind in JAMS)
    world = approaches(20, n=80, jams=jams)
    raised = [(int(f.entity[1:]), f.raised_at_s) for f in find(world.rows, 80) if f.cleared_at_s is None]
    delays = []
    for i, a, b, _ in world.jams:
        delays += [(at - a) / 60 for j, at in raised if i == j and a <= at <= b + 300][:1]
    false = sum(not any(i == j and a <= at <= b + 900 for j, a, b, _ in world.jams) for i, at in raised)
    assert len(delays) / 50 >= 0.95
    assert np.mean(delays) <= 5
    assert false <= 2, "a few a day over a city of 96 approaches would be about 3 here"


@pytest.mark.parametrize("cause", ["slow", "blocked", "flow-gone"])
def test_each_kind_of_jam_is_called_by_its_name_and_ends(cause: str) -> None:
    kind = {"flow-gone": "gone"}.get(cause, cause)
    found = find(approaches(3, jams=((2, 32.5, kind),)).rows)
    assert [(f.entity, f.cause, f.cleared_at_s is None) for f in found] == [("a2", cause, True), ("a2", cause, False)]


def test_a_peak_that_comes_every_day_is_no_incident() -> None:
    assert find(approaches(7, n=24, days=4).rows, 24) == []


def test_states_tell_free_slow_and_jammed() -> None:
    free = states(minutes([10] * 60, [0.1] * 60, [48.0] * 60))
    assert free.level.tolist() == [0]
    assert free.speed_ratio[0] == pytest.approx(0.95, abs=0.06)
    slow = states(minutes([10] * 60, [0.1] * 40 + [0.3] * 20, [48.0] * 40 + [19.0] * 20))
    assert slow.level.tolist() == [2]
    jam = states(minutes([10] * 60, [0.1] * 40 + [0.7] * 20, [48.0] * 40 + [5.0] * 20))
    assert jam.level.tolist() == [3]
    assert START_S + 40 * 60 < jam.since_s[0] <= START_S + 50 * 60


def test_a_full_block_without_any_speed_is_jammed_and_not_unknown() -> None:
    nan = float("nan")
    state = states(minutes([10] * 40 + [0] * 15, [0.1] * 40 + [1.0] * 15, [48.0] * 40 + [nan] * 15))
    assert state.level.tolist() == [3]
    assert state.speed_ratio[0] <= 0.1


def test_an_empty_road_is_free_when_the_detector_says_so() -> None:
    state = states(minutes([0] * 30, [0.0] * 30, [float("nan")] * 30))
    assert state.level.tolist() == [0]


def test_silence_unknown_values_and_a_detector_never_heard_are_unknown() -> None:
    model = CongestionModel(NAMES[:2])
    state, _ = model.update(model.initial_state(), minutes([10] * 20, [0.1] * 20, [48.0] * 20))
    assert model.states(state).level.tolist() == [0, -1]
    later, _ = model.update(state, Rows.of_columns(START_S + 3600 * 2, np.array([], int), [], {}))
    answer = model.states(later)
    assert answer.level.tolist() == [-1, -1]
    assert np.isnan(answer.speed_ratio).all()
    assert answer.since_s[0] == START_S + 1200


def test_a_count_alone_makes_neither_a_state_nor_a_finding() -> None:
    """Hourly counts, as old detectors give them, fall to nothing every night."""
    hours = np.arange(24 * 14)
    count = np.random.default_rng(0).poisson(20 + 400 * (np.sin(hours / 24 * 2 * np.pi) > 0)).astype(float)
    at_s = START_S + 3600.0 * (hours + 1)
    rows = Rows.of_columns(float(at_s[-1]), np.zeros(len(hours), int), at_s, {"vehicle_count": count}, 3600)
    model = CongestionModel(["a"])
    state, found = model.update(model.initial_state(), rows)
    assert found == []
    assert model.states(state).level.tolist() == [-1]


def test_hourly_speeds_give_a_state_and_no_finding() -> None:
    n = 24
    rows = minutes([300] * n, [float("nan")] * n, [48.0] * 20 + [10.0] * 4, 3600)
    model = CongestionModel(["a"])
    state, found = model.update(model.initial_state(), rows)
    assert found == []
    assert model.states(state).level.tolist() == [3]


def test_a_jam_whose_detector_falls_silent_ends_unknown() -> None:
    nan = float("nan")
    model = CongestionModel(["a"])
    rows = minutes([10] * 40 + [0] * 15, [0.1] * 40 + [1.0] * 15, [48.0] * 40 + [nan] * 15)
    state, found = model.update(model.initial_state(), rows)
    assert len(found) == 1
    _, found = model.update(state, Rows.of_columns(START_S + 4 * 3600, np.array([], int), [], {}))
    assert [f.cleared_at_s for f in found] == [START_S + 55 * 60 + 1800]


def test_what_is_usual_is_learnt_by_the_clock_on_the_wall_and_apart_for_days_off() -> None:
    """Every working day is slow from 8 to 9; on the Sunday between, the clocks go forward, and Monday is a holiday."""
    zone = ZoneInfo("Europe/Amsterdam")
    clock = LocalDays("Europe/Amsterdam", [date(2026, 3, 30)])
    start_s = datetime(2026, 3, 26, tzinfo=zone).timestamp()
    at_s = start_s + 300.0 * np.arange(1, 6 * 288)
    local = [datetime.fromtimestamp(at, zone) for at in at_s]
    busy = np.array([one.hour == 8 and one.weekday() in (1, 3, 4) for one in local])
    values = {
        "vehicle_count": np.full(len(at_s), 20.0),
        "occupancy_ratio": np.full(len(at_s), 0.1),
        "speed_kph": np.where(busy, 30.0, 48.0),
    }
    model = CongestionModel(["a"], free_speed_kph=[50.0], local_days=clock)
    rows = Rows.of_columns(float(at_s[-1]), np.zeros(len(at_s), int), at_s, values, 300.0)
    usual = model.update(model.initial_state(), rows)[0].usual_ratio[0].reshape(2, 24)
    assert usual[0, 8] < 0.75
    assert (np.delete(usual[0], [8, 9]) > 0.9).all()
    assert (usual[1] > 0.9).all()


@pytest.mark.parametrize("bad", [{"missing_share": 1.0}, {"smoothing_s": 0}, {"slow_ratio": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        CongestionParameters(**bad)
