import numpy as np
import pytest

from city.findings import Finding
from models.rows import Rows
from service.detectors import Detectors
from service.service_now import approach_service, junction_service
from service.settings import PlanningSettings
from service.trends import against_usual
from service.usual_traffic import UsualTraffic
from store.series import Series
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("usual") / "city")
    yield city
    city.close()


def rows_of(days, until_s=MONDAY_S, interval_s=300.0, speed=45.0, seed=1):
    """Two arms that are busier by day."""
    rng = np.random.default_rng(seed)
    at_s = until_s - np.arange(0, days * DAY_S, interval_s)[::-1]
    mean = interval_s / 60 * (3 + 2 * np.sin((at_s % DAY_S) / DAY_S * 2 * np.pi))
    n = 2 * len(at_s)
    values = {
        "vehicle_count": rng.poisson(np.repeat(mean, 2)).astype(float),
        "speed_kph": rng.normal(speed, 2, n),
        "occupancy_ratio": np.clip(rng.normal(0.1, 0.01, n), 0, 1),
    }
    return Rows.of_columns(until_s, np.tile([0, 1], len(at_s)), np.repeat(at_s, 2), values, interval_s)


def series_of(at_s, value):
    return Series(at_s, value, np.full(len(at_s), "good"))


def finding(raised_s, cleared_s=None, entity="arm-0"):
    return Finding("f", "congestion", entity, raised_s, "", 0.9, 0.5, (), cleared_s)


@pytest.fixture(scope="module")
def learnt(city):
    traffic = UsualTraffic(city.register)
    traffic.feed(rows_of(5), ())
    return traffic


def test_the_band_is_of_the_interval_that_is_drawn(learnt):
    at_s = np.array([MONDAY_S + 1800.0])
    step, part, hour = (learnt.usual("arm-0", "vehicle_count", at_s, one) for one in (None, 300.0, 3600.0))
    assert part.expected[0] == pytest.approx(step.expected[0] / 3, rel=0.1)
    assert hour.expected[0] == pytest.approx(step.expected[0] * 4, rel=0.1)
    # What is counted in less time varies more, for its size.
    assert (part.high - part.low)[0] / part.expected[0] > (step.high - step.low)[0] / step.expected[0]
    ahead = learnt.expected("arm-0", "speed_kph", at_s)
    assert ahead.low[0] < ahead.expected[0] < ahead.high[0]
    assert ahead.expected[0] == pytest.approx(45, abs=2)


def test_what_was_never_heard_is_unknown_and_what_is_no_quantity_of_traffic_is_none(city, learnt):
    never = UsualTraffic(city.register)
    assert np.isnan(never.usual("arm-0", "speed_kph", np.array([MONDAY_S])).expected).all()
    assert np.isnan(never.flow_per_h("arm-0", MONDAY_S))
    assert learnt.usual("arm-0", "fill_ratio", np.array([MONDAY_S])) is None
    assert learnt.usual("kamer-1", "speed_kph", np.array([MONDAY_S])) is None
    assert len(learnt.usual("arm-0", "speed_kph", np.empty(0)).low) == 0


def test_only_the_time_of_a_finding_is_not_learnt_also_when_days_are_read_at_once(city):
    jam = rows_of(1, MONDAY_S, speed=8.0)
    calm = rows_of(3, MONDAY_S - DAY_S)
    both = Rows.of_columns(
        MONDAY_S,
        np.r_[calm.entity, jam.entity],
        np.r_[calm.at_s, jam.at_s],
        {name: np.r_[calm.values[name], jam.values[name]] for name in calm.values},
        300.0,
    )
    # A Monday morning: days before it taught what is usual then, and the jam was then too.
    at_s = np.array([MONDAY_S - 3 * HOUR_S])
    usual = []
    for findings in (
        (),
        (finding(MONDAY_S - DAY_S),),
        (finding(MONDAY_S - DAY_S), finding(MONDAY_S - DAY_S, MONDAY_S)),
    ):
        traffic = UsualTraffic(city.register)
        traffic.feed(both, findings)
        usual.append([traffic.usual(arm, "speed_kph", at_s).expected[0] for arm in ("arm-0", "arm-1")])
    (learnt_0, learnt_1), (open_0, open_1), (over_0, over_1) = usual
    assert open_0 == pytest.approx(45, abs=1.5)
    assert over_0 == open_0
    assert learnt_0 < open_0 - 1
    assert learnt_1 == open_1 == over_1


def test_one_call_or_many_give_the_same(city):
    whole, parts = UsualTraffic(city.register), UsualTraffic(city.register)
    rows = rows_of(1)
    whole.feed(rows, ())
    for first in range(0, len(rows), 50):
        span = slice(first, first + 50)
        some = Rows.of_columns(
            float(rows.at_s[span][-1]),
            rows.entity[span],
            rows.at_s[span],
            {name: one[span] for name, one in rows.values.items()},
            300.0,
        )
        parts.feed(some, ())
    at_s = MONDAY_S + np.arange(4) * HOUR_S
    for one, other in zip(*(t.expected("arm-1", "vehicle_count", at_s) for t in (whole, parts)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert whole.flow_per_h("arm-1", MONDAY_S) == pytest.approx(parts.flow_per_h("arm-1", MONDAY_S))


def test_flow_is_of_the_last_quarter_and_is_forgotten(learnt):
    assert learnt.flow_per_h("arm-0", MONDAY_S) == pytest.approx(
        60 * (3 + 2 * np.sin(MONDAY_S % DAY_S / DAY_S * 6.28)), rel=0.35
    )
    assert np.isnan(learnt.flow_per_h("arm-0", MONDAY_S + HOUR_S))


@pytest.mark.parametrize(("speed", "word"), [(45.0, "as fast as usual"), (20.0, "slower than"), (70.0, "faster than")])
def test_the_latest_quarter_is_said_against_the_usual(learnt, speed, word):
    at_s = MONDAY_S - 300.0 * np.arange(12)[::-1]
    found = series_of(at_s, np.r_[np.full(9, 45.0), np.full(3, speed)])
    said = against_usual(learnt, "arm-0", "speed_kph", found, 300.0)
    assert said.startswith(word)
    assert f": {speed:.0f} km/h, usually " in said


def test_too_little_is_not_said_against_the_usual(city, learnt):
    one = series_of(np.array([MONDAY_S]), np.array([20.0]))
    assert against_usual(learnt, "arm-0", "speed_kph", one, 300.0) == ""
    assert against_usual(UsualTraffic(city.register), "arm-0", "speed_kph", one, 900.0) == ""
    assert against_usual(learnt, "arm-0", "speed_kph", series_of(np.empty(0), np.empty(0)), 300.0) == ""


def test_level_of_service_and_capacity_are_said_and_unknown_when_nothing_is_heard(city):
    detectors = Detectors(city.register, PlanningSettings())
    arm = city.register.approaches["arm-0"]
    silent = detectors.snapshot(MONDAY_S, 0, 0, ready=True)
    nothing = approach_service(city.register, silent, detectors.traffic, arm)
    assert (nothing.level, nothing.text, nothing.flow_per_h, nothing.volume_to_capacity) == (
        None,
        "unknown",
    ) + (None,) * 2
    assert "too little" in nothing.capacity_text
    assert junction_service(city.register, silent, "kruis-1") == (
        None,
        "unknown: the speed is known on 0 of 2 approaches",
    )
    assert "unknown" in nothing.queue_text
