"""Better plans take the place of a standing proposal's, until somebody decides; whatever happens to who searches."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import httpx
import msgspec
import pytest

from city.clock import hours_from_s
from routing.network import Network
from routing.problem import CollectionProblem
from routing.replan import as_it_stands
from routing.travel import TravelTimes
from service.settings import Settings
from store.desk import Desk
from tests.service.running import QUICK, client_of, runtime_of, settings_for, until
from tests.service.small_city import SmallCity


def in_disorder(plan, runtime):
    """Return the plan with every round driven in an order that nobody would choose."""
    now_s = runtime.clock.now_s()
    rounds = []
    for one in plan.rounds:
        jobs = [stop for stop in one.stops if stop.job]
        order = iter(jobs[::3] + jobs[1::3] + jobs[2::3])
        stops = tuple(next(order) if stop.job else stop for stop in one.stops)
        rounds.append(msgspec.structs.replace(one, stops=stops, path=()))
    register = runtime.register
    problem = CollectionProblem(
        jobs=plan.jobs,
        trucks=tuple(register.trucks.values()),
        depots=tuple(register.depots.values()),
        unloading_sites=tuple(register.unloading_sites.values()),
        day_start_s=hours_from_s(now_s, runtime.timezone),
        now_s=min(one.stops[0].leave_s for one in plan.rounds),
        travel=TravelTimes(Network.load(runtime.settings.folder / "network.npz")),
    )
    return as_it_stands(problem, msgspec.structs.replace(plan, rounds=tuple(rounds)), ())


@pytest.fixture
def city(tmp_path):
    """A city whose plan of the day leaves much to be bettered."""
    city = SmallCity(tmp_path / "city")
    city.history(full=tuple(f"k{i}-{stream}" for i in range(12) for stream in ("residual", "paper")))
    with runtime_of(settings_for(city)) as runtime:
        plan = until(runtime.todays_plan)
        worse = in_disorder(plan, runtime)
        assert worse.duration_s > plan.duration_s + 600.0
        runtime.desk.put_plan(worse)
        runtime.desk.set_current_plan(worse.id, runtime.clock.now_s(), "test")
    yield city
    city.close()


def dump(city, runtime, cluster="kamer-2"):
    until(runtime.todays_plan)
    city.now_s = runtime.clock.now_s()
    city.dump(cluster)


def told(runtime, version):
    """Return what pages were told of a version of the proposal."""
    said = [json.loads(one.text) for one in list(runtime.hub._recent) if one.name == "proposal"]
    return next((one for one in said if one.get("version") == version), None)


def slower(city, **planning):
    """Settings under which the city's time runs at five times real time."""
    settings = settings_for(city, speed_up=5.0)
    return Settings(settings.service, msgspec.structs.replace(QUICK, debounce_s=1.0, **planning))


def test_a_better_plan_takes_its_place_and_what_was_looked_at_is_what_is_accepted(city):
    with runtime_of(slower(city)) as runtime, client_of(runtime) as client:
        dump(city, runtime)
        first = until(lambda: told(runtime, 1))
        second = until(lambda: told(runtime, 2))
        assert (first["id"], first["improving"]) == (second["id"], True)
        (listed,) = client.get("/v1/proposals?status=open").json()["items"]
        assert listed["id"] == first["id"]
        assert listed["version"] >= 2
        assert listed["improvedAt"] is not None
        # The search ends by itself, and the page is told.
        until(lambda: not client.get(f"/v1/proposals/{first['id']}").json()["improving"])
        newest = client.get(f"/v1/proposals/{first['id']}").json()
        assert newest["status"] == "open"
        assert newest["goodUntil"] is not None
        assert runtime.planner.fault == ""
        assert len(runtime.desk.proposals()) == 1

        said = {"decision": "accept", "by": "dispatcher 3", "plan": first["plan"]}
        accepted = client.post(f"/v1/proposals/{first['id']}/decision", json=said).json()
        assert (accepted["status"], accepted["planAfter"]) == ("accepted", first["plan"])
        assert accepted["cost"]["durationMin"] > newest["cost"]["durationMin"]
        current = client.get("/v1/plans/current").json()
        assert current["id"] == first["plan"]
        assert all(len(one["path"]) > 2 for one in current["rounds"])


def test_a_decision_ends_the_search(city):
    with runtime_of(slower(city, improve_s=60.0)) as runtime:
        dump(city, runtime)
        first = until(lambda: told(runtime, 1))
        accepted = runtime.planner.accept(first["id"], "me", "", first["plan"])
        assert not runtime.planner.is_solving
        # The worker is free for the next cause at once.
        began_s = time.monotonic()
        dump(city, runtime, "kamer-5")
        (other,) = until(lambda: runtime.desk.proposals("open"))
        assert other.plan_before == accepted.plan.id
        assert time.monotonic() - began_s < 20
        assert runtime.desk.proposal(first["id"]).plan.id == first["plan"]


def test_when_the_worker_dies_what_was_proposed_stands_and_the_next_cause_gets_another_worker(city):
    with runtime_of(slower(city, improve_s=60.0)) as runtime:
        dump(city, runtime)
        first = until(lambda: told(runtime, 1))
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGKILL)
        until(lambda: not runtime.planner.improving)
        assert runtime.planner.fault == ""
        (standing,) = runtime.desk.proposals("open")
        assert standing.id == first["id"]
        dump(city, runtime, "kamer-5")
        other = until(lambda: [one for one in runtime.desk.proposals("open") if len(one.incidents) == 2])[0]
        assert runtime.pool.restarts == 1
        assert runtime.planner.accept(other.id, "me", "", other.plan.id).status == "accepted"


def test_when_the_worker_dies_over_what_a_plan_of_the_day_lacked_it_is_asked_again(tmp_path):
    city = SmallCity(tmp_path / "late")
    city.history(full=("k3-residual",), nodes=range(6))
    settings = settings_for(city, speed_up=1.0)
    settings = Settings(settings.service, msgspec.structs.replace(QUICK, wait_for_late_s=1.0))
    with runtime_of(settings) as runtime:
        until(runtime.todays_plan)
        city.history(full=("k8-paper",), nodes=range(6, 12))
        until(lambda: runtime.planner.is_solving)
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGKILL)
        until(lambda: runtime.planner.fault)
        assert "kamer-8" not in places(runtime)
        until(lambda: "kamer-8" in places(runtime))
        assert runtime.planner.fault == ""
    city.close()


def places(runtime):
    """Where trucks are sent to empty something today."""
    return {stop.place for one in runtime.todays_plan().rounds for stop in one.stops if stop.job}


def test_when_its_times_have_passed_it_is_reckoned_anew_and_the_old_plan_is_refused(city):
    settings = settings_for(city, speed_up=30.0)
    settings = Settings(settings.service, msgspec.structs.replace(QUICK, outdated_s=60.0))
    with runtime_of(settings) as runtime, client_of(runtime) as client:
        dump(city, runtime)
        first = until(lambda: told(runtime, 1))
        began_s = runtime.desk.proposal(first["id"]).plan.made_at_s

        def anew():
            one = runtime.desk.proposal(first["id"])
            return one if one.plan.made_at_s > began_s else None

        one = until(anew, 60.0)
        assert (one.status, one.plan_before) == ("open", runtime.planner.plan.id)
        said = {"decision": "accept", "by": "me", "plan": first["plan"]}
        refused = client.post(f"/v1/proposals/{one.id}/decision", json=said)
        assert refused.status_code == 409
        assert "reckoned anew" in refused.json()["detail"]
        assert runtime.desk.proposal(one.id).status == "open"


def test_a_service_that_is_killed_in_the_middle_leaves_a_proposal_that_can_be_accepted(city, tmp_path):
    settings = slower(city, improve_s=60.0)
    file, ready = tmp_path / "ronde.toml", tmp_path / "ready"
    file.write_text("[planning]\nsolver_s = 1.0\ndebounce_s = 1.0\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", "--config", str(file), "--data", str(city.folder), "--port", "0",
         "--broker", "", "--clock", settings.service.clock, "--ready-file", str(ready)],
        start_new_session=True,
    )  # fmt: skip
    try:
        until(ready.exists)
        url = json.loads(ready.read_text())["url"]
        until(lambda: httpx.get(url + "v1/plans/current", timeout=5).status_code == 200)
        city.now_s = city.now_s + 5.0
        city.dump("kamer-2")
        with Desk(settings.desk_url) as desk:
            first = until(lambda: desk.proposals("open"))[0]
            until(lambda: desk.proposal(first.id).version > first.version)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    with runtime_of(replace_clock(settings, city)) as runtime:
        until(lambda: runtime.is_ready)
        (standing,) = runtime.desk.proposals("open")
        assert standing.id == first.id
        accepted = runtime.planner.accept(first.id, "me", "", first.plan.id)
        assert runtime.todays_plan().id == accepted.plan.id == first.plan.id


def replace_clock(settings, city):
    """Return settings under which it is as late as the city's test says."""
    return Settings(msgspec.structs.replace(settings.service, clock=city.clock(1.0).spec()), settings.planning)
