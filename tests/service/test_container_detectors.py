"""What the models of a city are fed with: until when everybody was heard, and nothing that a sick sensor says."""

import pytest

from city.readings import ReadingKey, Row
from service.detectors import Detectors
from service.settings import PlanningSettings
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity


@pytest.fixture
def detectors(tmp_path):
    city = SmallCity(tmp_path / "city")
    yield Detectors(city.register, PlanningSettings())
    city.close()


def row(container, at_s, received_at_s=None, *, interval_s=0, **values):
    key = ReadingKey(f"node-{container[1]}", "log", round(at_s))
    return Row(key, container, "fill", at_s, values, interval_s, "good", True, received_at_s or at_s)


def kinds(findings):
    return [(one.entity, one.kind) for one in findings]


def test_a_backlog_that_is_cut_after_an_outlier_empties_nothing(detectors):
    """What a device kept arrives in pieces: that the next reading is not here yet does not make a fall stay."""
    levels = [0.60, 0.61, 0.62, 0.05, 0.63, 0.64]
    told = [
        row("k0-residual", MONDAY_S + HOUR_S / 2 * k, MONDAY_S + 20 * HOUR_S, fill_ratio=x)
        for k, x in enumerate(levels)
    ]
    found = detectors.feed(told[:4], MONDAY_S + 20 * HOUR_S) + detectors.feed(told[4:], MONDAY_S + 20 * HOUR_S)
    assert ("k0-residual", "emptied") not in kinds(found)
    assert detectors.snapshot(MONDAY_S + 20 * HOUR_S, 0, 0, True).containers.level[0] > 0.6


@pytest.mark.parametrize("tilted", [False, True])
def test_what_a_tilted_sensor_measures_is_no_overflow(detectors, tilted):
    tilt = 60.0 if tilted else 0.0
    found = []
    for k in range(40):
        at_s = MONDAY_S + 900.0 * k
        level = 0.3 if k < 4 else 1.0 - 0.01 * (k % 2)
        told = {"fill_ratio": level, "lid_openings": 1.0, "tilt_deg": tilt}
        found += detectors.feed([row("k0-residual", at_s, interval_s=900, **told)], at_s)
    assert (("k0-residual", "tilt") in kinds(found)) == tilted
    assert (("kamer-0", "dumping") in kinds(found)) != tilted


def test_a_silent_sensors_word_is_worth_nothing_and_what_it_told_before_stands(detectors):
    detectors.feed([row("k0-residual", MONDAY_S + HOUR_S * k, fill_ratio=0.4 + k / 100) for k in range(6)], MONDAY_S)
    now_s = MONDAY_S + 40 * HOUR_S
    assert ("k0-residual", "silent") in kinds(detectors.feed([], now_s))
    known = detectors.snapshot(now_s, 0, 0, True).containers
    assert known.quality[0] == 0.0
    assert known.high[0] - known.low[0] < 0.6
