import stat
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from city.errors import BadFile, BadInput
from city.register_files import read_register, write_register
from simulation.city import SimulatedCity
from simulation.parameters import HOUR_S, CityParameters, local_time
from tests.simulation.conftest import START_S


def test_groningen_has_its_size(groningen: SimulatedCity) -> None:
    register = groningen.register
    assert len(register.clusters) == 850
    assert len(register.containers) == 1120
    assert len(register.junctions) == 24
    assert len(register.approaches) == 96
    assert Counter(t.kind for t in register.trucks.values()) == {"crane": 4, "grab": 2}
    assert len(register.devices) == 850 + 24 + 6
    cameras = [i for i in register.installations if i.channel == "beside"]
    assert len(cameras) == round(0.4 * 850)
    assert {c.volume_m3 for c in register.containers.values()} == {4.0, 5.0}


def test_every_container_approach_and_truck_is_watched_by_one_channel(groningen: SimulatedCity) -> None:
    register = groningen.register
    watched = Counter(i.entity for i in register.installations if i.channel != "beside")
    assert watched == Counter([*register.containers, *register.approaches, *register.trucks])


def test_the_same_seed_gives_the_same_city(town: SimulatedCity) -> None:
    again = SimulatedCity.generate(town.parameters, town.seed, town.start_s)
    other = SimulatedCity.generate(town.parameters, town.seed + 1, town.start_s)
    assert again.planted == town.planted
    assert again.register.clusters == town.register.clusters
    assert again.overflow_at_s == town.overflow_at_s
    assert other.planted != town.planted


def test_a_written_city_is_read_back(town: SimulatedCity, tmp_path: Path) -> None:
    written = town.write(tmp_path / "city")
    read = SimulatedCity.read(tmp_path / "city")
    assert read.planted == town.planted
    assert read.parameters == town.parameters
    assert read.overflow_at_s == town.overflow_at_s
    assert read.register.devices == written.register.devices
    assert read.register.installations == written.register.installations
    assert all(d.is_signed for d in read.register.devices.values())


def test_the_register_is_the_same_after_a_round_trip(groningen: SimulatedCity, tmp_path: Path) -> None:
    write_register(groningen.register, tmp_path / "register")
    read = read_register(tmp_path / "register")
    for kind in ("clusters", "containers", "junctions", "approaches", "depots", "unloading_sites", "trucks"):
        assert getattr(read, kind) == getattr(groningen.register, kind)
    assert sorted(map(repr, read.installations)) == sorted(map(repr, groningen.register.installations))


def test_keys_are_for_their_owner_alone_and_are_kept(town: SimulatedCity, tmp_path: Path) -> None:
    first = town.write(tmp_path / "city")
    again = town.write(tmp_path / "city")
    assert first.register.devices == again.register.devices
    keys = list((tmp_path / "city" / "keys").glob("*.key"))
    assert len(keys) == len(town.register.devices)
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_the_demonstration_has_enough_to_find(groningen: SimulatedCity) -> None:
    def hour(at_s: float) -> float:
        return (at_s - START_S) / HOUR_S + 6.5

    soon = [e for e in groningen.planted if START_S <= e.start_s < START_S + 2.5 * HOUR_S]
    dumpings = [e for e in soon if e.kind == "dumping"]
    assert len(dumpings) >= 6
    assert any(hour(e.start_s) < 8.0 and e.observable for e in dumpings)
    assert 0 < sum(not e.observable for e in dumpings) < len(dumpings) / 2
    jams = [e for e in soon if e.kind == "jam"]
    assert len(jams) >= 3
    for jam in jams:
        assert 7.2 <= hour(jam.start_s) <= 8.8
        assert jam.end_s is not None
        assert 30 * 60 <= jam.end_s - jam.start_s <= 60 * 60
        assert groningen.register.approaches[jam.entity].lanes > 1
    assert sum(e.kind == "stuck" for e in soon) >= 1
    assert sum(e.kind == "silent" for e in soon) >= 2
    assert len(groningen.overflow_at_s) >= 2


def test_troubles_go_on_for_a_week_at_the_rates(groningen: SimulatedCity) -> None:
    later = [e for e in groningen.planted if e.start_s >= START_S + 2.5 * HOUR_S]
    dumpings = [e for e in later if e.kind == "dumping"]
    assert 70 <= len(dumpings) <= 140
    assert 20 <= sum(e.kind == "jam" for e in later) <= 60
    before = [e for e in groningen.planted if e.kind == "dumping" and e.start_s < START_S]
    assert {e.end_s is None for e in before} == {True, False}


def test_nothing_is_planted_twice_at_one_place_and_time(groningen: SimulatedCity) -> None:
    for kind in ("dumping", "jam"):
        by_entity: dict[str, list[Any]] = {}
        for event in groningen.planted:
            if event.kind == kind:
                by_entity.setdefault(event.entity, []).append(event)
        for events in by_entity.values():
            for earlier, later in pairwise(events):
                assert earlier.end_s is not None
                assert earlier.end_s <= later.start_s


def test_what_is_observable_has_a_camera(groningen: SimulatedCity) -> None:
    cameras = {i.entity for i in groningen.register.installations if i.channel == "beside"}
    for event in groningen.planted:
        if event.kind == "dumping":
            assert event.observable == (event.entity in cameras)


def test_the_demonstration_starts_on_a_working_morning() -> None:
    here = local_time(START_S, "Europe/Amsterdam")
    assert (here.hour, here.minute) == (6, 30)
    assert here.weekday() < 5


@pytest.mark.parametrize("clusters", [1, 6, 25, 200])
def test_a_city_may_have_any_size(clusters: int) -> None:
    city = SimulatedCity.generate(CityParameters.of_size(clusters), 5, START_S)
    assert len(city.register.clusters) == clusters
    truth = city.truth()
    truth.advance(START_S)
    assert truth.now_s == START_S


@pytest.mark.parametrize(
    "wrong",
    [
        {"clusters": 0},
        {"containers": 10},
        {"camera_share": 1.5},
        {"city": "Gro ningen"},
        {"dumpings_per_day": float("nan")},
        {"demo_jams": -1},
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        CityParameters(**wrong)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format":"other"}', "\x00"])
def test_a_folder_that_is_no_city_says_how_to_make_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "city.json").write_text(text)
    with pytest.raises(BadFile, match="simulation generate"):
        SimulatedCity.read(tmp_path)


def test_a_small_city_has_fewer_overflows_where_the_busiest_containers_stand_together() -> None:
    city = SimulatedCity.generate(CityParameters.of_size(60), 180969, START_S)
    assert 0 < len(city.overflow_at_s) < city.parameters.demo_overflows
