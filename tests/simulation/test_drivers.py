from collections.abc import Sequence

import numpy as np
import pytest

from edge.driver import Driver, Measurement
from simulation.city import SimulatedCity
from simulation.drivers import ApproachDriver, BesideDriver, FillDriver, SensorNoise, StuckSpells
from simulation.field import SimulatedField
from simulation.parameters import HOUR_S
from simulation.planted import PlantedEvent
from tests.simulation.conftest import START_S


@pytest.fixture
def field(town: SimulatedCity) -> SimulatedField:
    field = SimulatedField(town)
    field.advance(START_S)
    return field


def fill_driver(
    field: SimulatedField, at: int, planted: Sequence[PlantedEvent] = (), noise: SensorNoise | None = None
) -> FillDriver:
    container = list(field.register.containers.values())[at]
    return FillDriver("fill-1", container, field.truth, planted, noise or SensorNoise(), 1)


def test_a_fill_sensor_sees_the_level_within_a_few_points(field: SimulatedField) -> None:
    errors = []
    for at in range(len(field.register.containers)):
        fill = fill_driver(field, at).read(START_S).values["fill_ratio"]
        if fill is not None:
            errors.append(fill - field.truth.level[at])
    assert len(errors) >= 0.9 * len(field.register.containers)
    assert np.median(np.abs(errors)) < 0.02
    assert np.percentile(np.abs(errors), 90) < 0.05


def test_outliers_of_single_echoes_do_not_reach_the_reading(field: SimulatedField) -> None:
    driver = fill_driver(field, 3, noise=SensorNoise(outlier=0.15, gap=0.0))
    fills = [driver.read(START_S).values["fill_ratio"] or 0.0 for _ in range(300)]
    assert np.mean(np.abs(np.array(fills) - field.truth.level[3]) < 0.04) > 0.97


def test_where_no_echo_comes_the_level_is_unknown_and_not_zero(field: SimulatedField) -> None:
    values = fill_driver(field, 3, noise=SensorNoise(no_echo=0.95)).read(START_S).values
    assert values["fill_ratio"] is None
    assert values["lid_openings"] is not None


def test_lid_openings_add_up_to_the_deposits(field: SimulatedField) -> None:
    driver = fill_driver(field, 0)
    before = int(field.truth.openings[0])
    seen = 0.0
    for i in range(1, 97):
        field.advance(START_S + 900.0 * i)
        seen += driver.read(START_S + 900.0 * i).values["lid_openings"] or 0.0
    assert seen == field.truth.openings[0] - before
    assert seen > 0


def test_a_stuck_sensor_says_what_it_said_first(field: SimulatedField) -> None:
    container = next(iter(field.register.containers))
    stuck = PlantedEvent("s", "stuck", container, START_S + 900, START_S + 20 * HOUR_S, "sensor", True)
    driver = fill_driver(field, 0, [stuck], SensorNoise(gap=0.0))
    seen = []
    for i in range(1, 60):
        field.advance(START_S + 900.0 * i)
        seen.append(driver.read(START_S + 900.0 * i).values["distance_mm"])
    assert len(set(seen)) == 1
    field.advance(START_S + 21 * HOUR_S)
    assert driver.read(START_S + 21 * HOUR_S).values["distance_mm"] != seen[0]


@pytest.mark.parametrize("kind", ["jam", "silent"])
def test_other_troubles_do_not_make_a_sensor_stuck(kind: str) -> None:
    event = PlantedEvent("x", kind, "a", 0.0, None, "", True)  # type: ignore[arg-type]
    spells = StuckSpells("a", [event])
    assert spells.hold({"v": 1.0}, 5.0) == {"v": 1.0}
    assert spells.hold({"v": 2.0}, 6.0) == {"v": 2.0}


def test_a_camera_sees_a_dumping_and_that_it_is_gone(field: SimulatedField) -> None:
    event = next(e for e in field.planted if e.kind == "dumping" and e.observable and e.start_s > START_S)
    driver = BesideDriver("beside", event.entity, field.truth, SensorNoise(), 1)

    def typical(from_s: float) -> float:
        field.advance(from_s)
        return float(np.median([driver.read(from_s + 300.0 * i).values["objects_beside"] or 0.0 for i in range(9)]))

    before = typical(event.start_s - HOUR_S)
    during = typical(event.start_s + 60.0)
    field.truth.clear(event.entity, event.start_s + HOUR_S)
    after = typical(event.start_s + HOUR_S + 60.0)
    assert during >= before + 2
    assert after == before


def test_an_approach_is_read_once_a_minute(field: SimulatedField) -> None:
    approach = next(iter(field.register.approaches))
    driver = ApproachDriver("arm-1", approach, field.truth, ())
    first = driver.read(START_S)
    assert isinstance(first, Measurement)
    assert first.interval_s == 60
    assert driver.read(START_S + 30) is None
    assert driver.read(START_S + 60) is not None


def test_a_jam_shows_at_its_detector(field: SimulatedField) -> None:
    jam = next(e for e in field.planted if e.kind == "jam" and START_S < e.start_s < START_S + 9000)
    driver = ApproachDriver("arm-1", jam.entity, field.truth, ())
    inside = [driver.read(jam.start_s + 600 + 60.0 * i) for i in range(10)]
    occupancy = [m.values["occupancy_ratio"] or 0.0 for m in inside if m]
    assert np.median(occupancy) > 0.6


def test_a_minute_without_vehicles_has_a_null_speed(field: SimulatedField) -> None:
    driver = ApproachDriver("arm-1", list(field.register.approaches)[-1], field.truth, ())
    night = [driver.read(START_S - 4 * HOUR_S + 60.0 * i) for i in range(120)]
    empty = [m for m in night if m and m.values["vehicle_count"] == 0.0]
    assert empty
    assert all(m.values["speed_kph"] is None for m in empty)


def test_every_channel_but_the_trucks_has_a_driver(field: SimulatedField) -> None:
    register = field.register
    for device in register.devices:
        drivers: list[Driver] = field.drivers(device)
        channels = {i.channel for i in register.installations if i.device == device and i.entity not in register.trucks}
        assert {d.channel for d in drivers} == channels
