from datetime import date, timedelta

import pytest

from city.plans import Round, Stop
from simulation.city import SimulatedCity
from simulation.parameters import HOUR_S
from simulation.policies import emptied_by, fixed_rounds, fullest_jobs, overflows, threshold_jobs
from tests.simulation.conftest import START_S


def test_the_rota_visits_250_clusters_a_day_and_everybody_in_turn(groningen: SimulatedCity) -> None:
    day = date(2026, 11, 23)
    jobs = fixed_rounds(groningen.register, day)
    assert len({j.place for j in jobs}) == 250
    seen = {j.place for i in range(4) for j in fixed_rounds(groningen.register, day + timedelta(days=i))}
    assert seen == set(groningen.register.clusters)
    assert jobs == fixed_rounds(groningen.register, day)


def test_a_job_is_of_one_stream_and_knows_its_containers(groningen: SimulatedCity) -> None:
    register = groningen.register
    for job in fixed_rounds(register, date(2026, 11, 23)):
        assert {register.containers[c].stream for c in job.containers} == {job.stream}
        assert {register.containers[c].cluster for c in job.containers} == {job.place}
        assert job.volume_m3 > 0
        assert job.load_kg > 0


def test_the_threshold_takes_what_is_full_and_what_is_unknown(town: SimulatedCity) -> None:
    level = dict.fromkeys(town.register.containers, 0.2)
    full, unknown = list(level)[3], list(level)[5]
    level[full] = 0.7
    del level[unknown]
    taken = [c for job in threshold_jobs(town.register, level) for c in job.containers]
    assert sorted(taken) == sorted([full, unknown])


def test_emptying_what_is_fullest_prevents_overflows(town: SimulatedCity) -> None:
    until_s = START_S + 48 * HOUR_S
    nobody = overflows(town, [], START_S, until_s)
    everybody = overflows(town, [(c, START_S + 60.0) for c in town.register.containers], START_S, until_s)
    assert nobody > everybody
    assert overflows(town, [], START_S, until_s) == nobody


def test_emptying_too_late_prevents_nothing(town: SimulatedCity) -> None:
    until_s = START_S + 24 * HOUR_S
    late = [(c, until_s - 1.0) for c in town.register.containers]
    assert overflows(town, late, START_S, until_s) == overflows(town, [], START_S, until_s)


def test_what_was_emptied_before_the_window_counts(town: SimulatedCity) -> None:
    emptied = [(c, START_S + 60.0) for c in town.register.containers]
    assert overflows(town, emptied, START_S + HOUR_S, START_S + 2 * HOUR_S) == 0


def test_a_planned_round_empties_after_its_arrivals() -> None:
    stops = (
        Stop("start", "depot", 0, 0, 0, 0),
        Stop("empty", "c1", 0, 0, 1000, 1240, "j", ("c1-1", "c1-2")),
        Stop("clear", "c2", 0, 0, 2000, 2200, "k"),
    )
    assert emptied_by([Round("crane-1", stops, 0, 0)]) == [("c1-1", 1120.0), ("c1-2", 1180.0)]


def test_a_rota_of_a_small_city_keeps_the_share(town: SimulatedCity) -> None:
    jobs = fixed_rounds(town.register, date(2026, 11, 23))
    assert len({j.place for j in jobs}) == pytest.approx(40 * 250 / 850, abs=1)


def test_the_fullest_clusters_are_emptied_whole(town: SimulatedCity) -> None:
    level = dict.fromkeys(town.register.containers, 0.2)
    full = next(one for one in town.register.clusters if len(town.register.containers_of(one)) > 1)
    level[town.register.containers_of(full)[0].id] = 0.9
    unknown = next(one for one in town.register.clusters if one != full)
    for one in town.register.containers_of(unknown):
        del level[one.id]
    jobs = fullest_jobs(town.register, level, round(850 * 2 / len(town.register.clusters)))
    assert {one.place for one in jobs} == {full, unknown}
    assert {c for one in jobs for c in one.containers} == {
        c.id for place in (full, unknown) for c in town.register.containers_of(place)
    }
