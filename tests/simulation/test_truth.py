from dataclasses import replace

import numpy as np
import pytest

from city.errors import BadInput
from simulation.city import SimulatedCity
from simulation.deposits import DepositProcess
from simulation.parameters import DAY_S, HOUR_S, QUARTER_S
from simulation.planted import PlantedEvent
from simulation.truth import Truth
from tests.simulation.conftest import START_S


def at_start(city: SimulatedCity) -> Truth:
    truth = city.truth()
    truth.advance(START_S)
    return truth


def test_deposits_are_the_same_in_any_order(town: SimulatedCity) -> None:
    first = DepositProcess(town.register, town.parameters, 3)
    second = DepositProcess(town.register, town.parameters, 3)
    quarter = int(START_S / QUARTER_S)
    later = second.quarter(quarter + 5)
    assert np.array_equal(first.quarter(quarter).ratio, second.quarter(quarter).ratio)
    assert np.array_equal(first.quarter(quarter + 5).ratio, later.ratio)
    other = DepositProcess(town.register, town.parameters, 4).quarter(quarter + 50)
    assert not np.array_equal(other.ratio, first.quarter(quarter + 50).ratio)


def test_deposits_do_not_depend_on_trucks(town: SimulatedCity) -> None:
    """Whoever empties what, the same bags arrive: levels differ by the emptied one alone."""
    alone, visited = at_start(town), at_start(town)
    container = visited.container_ids[4]
    visited.empty(container, START_S + 100.0)
    for truth in (alone, visited):
        truth.advance(START_S + 6 * HOUR_S)
    assert np.array_equal(alone.openings, visited.openings)
    others = np.arange(len(alone.level)) != 4
    assert np.array_equal(alone.level[others], visited.level[others])
    assert visited.level[4] < alone.level[4]


def test_how_time_is_cut_does_not_matter(town: SimulatedCity) -> None:
    coarse, fine = at_start(town), at_start(town)
    coarse.advance(START_S + 3 * HOUR_S)
    for i in range(1, 3 * 60 + 1):
        fine.advance(START_S + 60.0 * i)
    assert np.array_equal(coarse.level, fine.level)
    assert np.array_equal(coarse.bags, fine.bags)


def test_a_container_gets_about_a_seventh_of_its_volume_a_day(groningen: SimulatedCity) -> None:
    process = DepositProcess(groningen.register, groningen.parameters, groningen.seed)
    first = int(START_S / QUARTER_S)
    per_day = process.total_ratio(first, first + 7 * 96) / 7
    assert 0.12 < per_day.mean() < 0.16
    assert np.percentile(per_day, 5) < 0.06
    assert np.percentile(per_day, 95) > 0.25


def test_a_deposit_is_thirty_three_litres_on_average(groningen: SimulatedCity) -> None:
    process = DepositProcess(groningen.register, groningen.parameters, groningen.seed)
    quarters = [process.quarter(int(START_S / QUARTER_S) + i) for i in range(96)]
    litres = sum(float((q.ratio * process.volume_l).sum()) for q in quarters)
    assert litres / sum(int(q.number.sum()) for q in quarters) == pytest.approx(33.3, abs=0.5)


def test_the_city_begins_as_one_that_was_served_yesterday(groningen: SimulatedCity) -> None:
    truth = at_start(groningen)
    assert 0.3 < truth.level.mean() < 0.5
    assert (truth.level >= 1.0).sum() < 0.03 * len(truth.level)
    full_enough = {int(k) for k in truth.cluster_of[truth.level > 0.55]}
    assert 150 <= len(full_enough) <= 320
    emptied = [h for h in truth.happenings if h.event == "emptied"]
    assert 2 * 150 <= len(emptied) <= 2 * 280


def test_some_containers_overflow_within_the_day_if_nobody_comes(groningen: SimulatedCity) -> None:
    truth = at_start(groningen)
    before = (truth.level >= 1.0).sum()
    truth.advance(START_S + DAY_S)
    assert 10 <= (truth.level >= 1.0).sum() - before <= 120


def test_chosen_containers_overflow_in_the_demonstration(groningen: SimulatedCity) -> None:
    truth = at_start(groningen)
    truth.take_happenings()
    truth.advance(START_S + 4 * HOUR_S)
    overflowed = {h.container: h for h in truth.take_happenings() if h.event == "overflow"}
    met = [c for c in groningen.overflow_at_s if c in overflowed]
    assert len(met) >= 2
    for container in met:
        assert overflowed[container].at_s >= groningen.overflow_at_s[container] - QUARTER_S
        assert overflowed[container].observable


def test_bags_come_only_beside_what_is_full(town: SimulatedCity) -> None:
    truth = at_start(town)
    truth.advance(START_S + 5 * DAY_S)
    for k in np.flatnonzero(truth.bags):
        assert (truth.level[truth.cluster_of == k] >= 1.0).any()
    assert truth.bags.sum() > 0


def test_emptying_weighs_what_was_in_and_leaves_the_bags(groningen: SimulatedCity) -> None:
    truth = at_start(groningen)
    i = int(np.argmax(truth.level))
    level, k = float(truth.level[i]), int(truth.cluster_of[i])
    truth.bags[k] = 3
    kg = truth.empty(truth.container_ids[i], START_S)
    assert 40 * 4 * level <= kg <= 70 * 5 * level
    assert truth.level[i] == 0.0
    assert truth.bags[k] == 3


def test_a_dumping_lies_until_it_is_cleared(groningen: SimulatedCity) -> None:
    truth = groningen.truth()
    event = next(e for e in groningen.planted if e.kind == "dumping" and e.start_s > START_S)
    k = truth.cluster_index(event.entity)
    truth.advance(event.start_s + 1)
    assert truth.objects_beside(event.start_s - 60)[k] == truth.bags[k]
    assert truth.objects_beside(event.start_s + 1)[k] >= 2
    assert truth.clear(event.entity, event.start_s + 600) >= 2
    assert truth.objects_beside(event.start_s + 601)[k] == 0
    assert truth.happenings[-1].event == "cleared"


def test_a_place_that_is_not_there_is_refused(town: SimulatedCity) -> None:
    truth = town.truth()
    with pytest.raises(BadInput, match="no container 'x'"):
        truth.empty("x", START_S)
    with pytest.raises(BadInput, match="no cluster 'x'"):
        truth.clear("x", START_S)


def test_a_jam_is_slow_full_and_thin(groningen: SimulatedCity) -> None:
    truth = groningen.truth()
    traffic = truth.traffic
    jams = [e for e in groningen.planted if e.kind == "jam" and START_S < e.start_s < START_S + 9000]
    assert jams
    for jam in jams:
        i = truth.approach_ids.index(jam.entity)
        assert jam.end_s is not None
        middle = np.floor((jam.start_s + jam.end_s) / 120) * 60
        inside = [traffic.minute(middle + 60 * m) for m in range(-5, 6)]
        before = [traffic.minute(np.floor(jam.start_s / 60) * 60 - 60 * m) for m in range(2, 13)]
        assert np.mean([m.occupancy_ratio[i] for m in inside]) > 0.6
        assert np.mean([m.occupancy_ratio[i] for m in before]) < 0.35
        assert np.nanmean([m.speed_kph[i] for m in inside]) < 0.35 * traffic.free_speed_kph[i]
        assert np.mean([m.vehicles[i] for m in inside]) < 0.6 * np.mean([m.vehicles[i] for m in before])
        assert truth.speed_ratio_true(middle)[i] < 0.25
        assert traffic.jammed(middle)[i]
        assert not traffic.jammed(jam.end_s + 900)[i]


def test_the_morning_is_slower_than_the_night_and_no_jam(groningen: SimulatedCity) -> None:
    calm = Truth(groningen.register, groningen.parameters, [], {}, groningen.seed, START_S)
    night, morning = calm.speed_ratio_true(START_S - 4 * HOUR_S), calm.speed_ratio_true(START_S + 1.6 * HOUR_S)
    assert night.mean() > 0.98
    assert 0.7 < morning.mean() < 0.95
    assert morning.min() > 0.5
    counts = [calm.traffic.minute(START_S - 4 * HOUR_S + 60 * m).vehicles.sum() for m in range(30)]
    busy = [calm.traffic.minute(START_S + 1.6 * HOUR_S + 60 * m).vehicles.sum() for m in range(30)]
    assert np.mean(busy) > 8 * np.mean(counts)


def test_a_minute_without_vehicles_has_no_speed(groningen: SimulatedCity) -> None:
    traffic = groningen.truth().traffic
    minutes = [traffic.minute(START_S - 4 * HOUR_S + 60 * m) for m in range(60)]
    empty = np.concatenate([m.vehicles == 0 for m in minutes])
    speed = np.concatenate([m.speed_kph for m in minutes])
    assert empty.any()
    assert np.isnan(speed[empty]).all()
    assert np.isfinite(speed[~empty]).all()


def test_traffic_of_a_minute_is_the_same_whenever_it_is_asked_for(groningen: SimulatedCity) -> None:
    first, second = groningen.truth().traffic, groningen.truth().traffic
    second.minute(START_S)
    a, b = first.minute(START_S + 600), second.minute(START_S + 600)
    assert np.array_equal(a.vehicles, b.vehicles)
    assert np.array_equal(a.speed_kph, b.speed_kph, equal_nan=True)
    assert 0 <= a.occupancy_ratio.min() <= a.occupancy_ratio.max() <= 1


def test_a_jam_without_end_stays(town: SimulatedCity) -> None:
    approach = next(iter(town.register.approaches))
    jam = PlantedEvent("jam-x", "jam", approach, START_S, None, "incident", True)
    truth = replace(town, planted=(jam,)).truth()
    assert truth.speed_ratio_true(START_S + 5 * DAY_S)[0] < 0.25
