from zoneinfo import ZoneInfo

import numpy as np
import pytest

from city.clock import local_hour, parse_time
from city.findings import Evidence, Incident
from city.quantities import DEPOSIT_L
from service.detectors import Detectors
from service.jobs import day_jobs, incident_jobs, next_visit_s, open_dumpings
from service.settings import PlanningSettings
from tests.service.small_city import MONDAY_S, SmallCity

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.fixture
def city(tmp_path):
    city = SmallCity(tmp_path / "city")
    yield city
    city.close()


def snapshot_of(city, **levels):
    """What is known when containers have these levels and everything else was never heard of."""
    snapshot = Detectors(city.register, PlanningSettings()).snapshot(MONDAY_S, 0, 0, True)
    known = snapshot.containers
    for id, (level, overflow) in levels.items():
        i = known.index[id.replace("_", "-")]
        known.level[i], known.overflow[i], known.state[i] = level, overflow, 0
        known.spill[i] = 0.1 * overflow
    return snapshot


def incident(**changes):
    values = {
        "id": "dumping-kamer-2-1", "kind": "dumping", "entity": "kamer-2", "lon": 6.5, "lat": 53.2, "raised_at_s": 1.0,
        "cleared_at_s": None, "cause": "dumped", "probability": 0.9, "severity": 0.9,
        "evidence": (Evidence("seen"),),
    } | changes  # fmt: skip
    return Incident(**values)


def test_what_overflows_surely_or_is_full_must_and_what_may_overflow_earns_a_prize(city):
    snapshot = snapshot_of(
        city, k1_residual=(0.5, 0.995), k2_residual=(1.02, 0.2), k3_residual=(0.6, 0.5), k4_residual=(0.1, 0.0)
    )
    jobs = {one.place: one for one in day_jobs(city.register, snapshot, PlanningSettings())}
    assert set(jobs) == {"kamer-1", "kamer-2", "kamer-3"}
    assert (jobs["kamer-1"].must, jobs["kamer-2"].must, jobs["kamer-3"].must) == (True, True, False)
    assert jobs["kamer-3"].prize_s == pytest.approx(PlanningSettings().spared_s * 0.05 * 4000 / DEPOSIT_L, abs=0.1)
    assert jobs["kamer-3"].volume_m3 == pytest.approx(2.4)
    assert jobs["kamer-3"].service_s == 180.0


def test_what_is_unknown_is_not_driven_to(city):
    snapshot = snapshot_of(city, k1_residual=(0.99, 1.0))
    snapshot.containers.state[snapshot.containers.index["k1-residual"]] = -1
    assert day_jobs(city.register, snapshot, PlanningSettings()) == []
    assert np.isnan(snapshot.containers.level).sum() == 23


def test_each_stream_of_a_cluster_is_a_job_of_its_own(city):
    snapshot = snapshot_of(city, k1_residual=(0.97, 1.0), k1_paper=(0.97, 1.0))
    assert {one.stream for one in day_jobs(city.register, snapshot, PlanningSettings())} == {"residual", "paper"}


def test_dumped_waste_is_cleared_and_overflow_is_emptied_too(city):
    snapshot = snapshot_of(city, k2_residual=(0.99, 1.0), k2_paper=(0.2, 0.0))
    (clear,) = incident_jobs(city.register, snapshot, incident(), PlanningSettings())
    assert (clear.kind, clear.place, clear.must, clear.incident) == ("clear", "kamer-2", True, "dumping-kamer-2-1")
    both = incident_jobs(city.register, snapshot, incident(cause="overflow"), PlanningSettings())
    assert [one.kind for one in both] == ["clear", "empty"]
    assert both[1].containers == ("k2-residual",)
    assert both[1].must


def test_only_what_lies_there_and_nobody_denied_is_cleared():
    said = [
        incident(id="a"), incident(id="b", status="dismissed"), incident(id="c", cleared_at_s=5.0),
        incident(id="d", status="confirmed"), incident(id="e", kind="congestion"),
    ]  # fmt: skip
    assert [one.id for one in open_dumpings(said)] == ["a", "d"]


def test_hours_are_of_the_local_day_also_across_the_change_of_clocks():
    saturday_s = parse_time("2026-03-28T12:00:00+01:00")
    assert local_hour(saturday_s, 7.0, AMSTERDAM) == parse_time("2026-03-28T07:00:00+01:00")
    assert local_hour(saturday_s, 7.0, AMSTERDAM, days=1) == parse_time("2026-03-29T07:00:00+02:00")
    planning = PlanningSettings(next_visit_margin_s=3600.0)
    assert next_visit_s(saturday_s, planning, AMSTERDAM) == parse_time("2026-03-29T08:00:00+02:00")
