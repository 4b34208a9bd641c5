import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.places import UnloadingSite
from city.plans import Plan
from routing.check import check_plan
from routing.difference import difference
from routing.leftover import NO_TIME, NOT_PLANNED, PASSED_BY
from routing.network import Network
from routing.problem import BadProblem, CollectionProblem
from routing.replan import TruckProgress, as_it_stands, replan
from routing.solve import plan_day
from routing.travel import TravelTimes
from tests.routing.town import (
    DEPOT,
    FLEET,
    LAT,
    LON,
    NETWORK,
    SEVEN_S,
    corner,
    crane,
    grab,
    job,
    later,
    problem,
    reported,
    some_jobs,
    stops_of,
    truck_of,
)

EIGHT_S = SEVEN_S + 3600.0
LOOSE = job("new", 6, 6, kind="clear", incident="incident-1")


@pytest.fixture(scope="module")
def day() -> CollectionProblem:
    return problem(some_jobs(60, seed=4))


@pytest.fixture(scope="module")
def plan(day: CollectionProblem) -> Plan:
    return plan_day(day, iterations=400)


def signature(stops) -> list[tuple[str, str]]:
    return [(stop.kind, stop.place) for stop in stops]


def test_loose_waste_goes_to_a_grab_vehicle_that_had_no_round(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    assert not any(one.truck.startswith("grab") for one in plan.rounds)
    changed = replan(now, plan, progress, [LOOSE], iterations=50)
    assert check_plan(changed, now, progress, plan).violations == []
    truck = truck_of(changed)["new"]
    assert truck.startswith("grab")
    assert signature(stops_of(changed, truck)) == [
        ("start", "depot"),
        ("clear", "at-new"),
        ("unload", "site"),
        ("end", "depot"),
    ]
    assert stops_of(changed, truck)[0].leave_s >= EIGHT_S
    assert changed.based_on == plan.id


def test_a_grab_vehicle_that_is_home_goes_out_again(day: CollectionProblem) -> None:
    day = replace(day, jobs=(job("first", 1, 1, kind="clear"),), trucks=(grab(),))
    plan = plan_day(day, iterations=20)
    noon_s = SEVEN_S + 5 * 3600.0
    now, progress = later(day, noon_s), reported(plan, noon_s)
    assert progress[0].next_stop_index == len(plan.rounds[0].stops)
    changed = replan(now, plan, progress, [LOOSE], iterations=20)
    assert check_plan(changed, now, progress, plan).violations == []
    kinds = [stop.kind for stop in stops_of(changed, "grab-1")]
    assert kinds == ["start", "clear", "unload", "end", "clear", "unload", "end"]


def test_what_is_driven_and_the_next_stop_stay(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    jam = np.where(np.random.default_rng(0).random(NETWORK.n_edges) < 0.3, 6.0, 1.0)
    now = replace(now, travel=TravelTimes(NETWORK, jam))
    changed = replan(now, plan, progress, [LOOSE], iterations=300)
    assert check_plan(changed, now, progress, plan).violations == []
    for report in progress:
        frozen = report.next_stop_index + 1
        before, after = stops_of(plan, report.truck), stops_of(changed, report.truck)
        assert signature(after[:frozen]) == signature(before[:frozen])
    assert {one.id for one in day.jobs} <= truck_of(changed).keys() | {one.job for one in changed.unserved}


def test_what_was_done_ahead_of_its_turn_is_behind_the_truck_and_what_was_put_before_it_is_next(
    day: CollectionProblem, plan: Plan
) -> None:
    """A stop was put into a round after the truck had set out to the one behind it."""
    at_s, progress, at = next(
        (at_s, list(reports), i)
        for at_s in np.arange(SEVEN_S + 600.0, EIGHT_S + 3600.0, 300.0)
        for reports in [reported(plan, at_s)]
        for i, one in enumerate(reports)
        if [bool(stop.job) for stop in stops_of(plan, one.truck)[one.next_stop_index :][:2]] == [True, True]
    )
    one = progress[at]
    skipped, ahead = stops_of(plan, one.truck)[one.next_stop_index :][:2]
    job = next(job for job in day.jobs if job.id == ahead.job)
    progress[at] = msgspec.structs.replace(
        one,
        lon=ahead.lon,
        lat=ahead.lat,
        done_jobs=(*one.done_jobs, ahead.job),
        volume_m3=one.volume_m3 + job.volume_m3,
        load_kg=one.load_kg + job.load_kg,
    )
    now = later(day, at_s)
    changed = replan(now, plan, progress, [LOOSE], iterations=50)
    assert check_plan(changed, now, progress, plan).violations == []
    order = [stop.job for stop in stops_of(changed, one.truck)]
    assert order.index(ahead.job) < order.index(skipped.job)
    assert order.index(skipped.job) == one.next_stop_index + 1
    assert PASSED_BY not in {left.reason for left in changed.unserved}


def test_a_truck_goes_on_as_it_was_told_until_now(day: CollectionProblem, plan: Plan) -> None:
    """Reports are a quarter of an hour old: what trucks have set out to since is not taken from them any more."""
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S - 900.0)
    jam = np.where(np.random.default_rng(2).random(NETWORK.n_edges) < 0.3, 3.0, 1.0)
    now = replace(now, travel=TravelTimes(NETWORK, jam))
    changed = replan(now, plan, progress, [LOOSE], iterations=300)
    assert check_plan(changed, now, progress, plan).violations == []
    for report in progress:
        before, after = stops_of(plan, report.truck), stops_of(changed, report.truck)
        set_out = [i for i, stop in enumerate(after) if i == 0 or after[i - 1].leave_s < EIGHT_S]
        assert len(set_out) > report.next_stop_index + 1
        assert signature(after[: len(set_out)]) == signature(before[: len(set_out)])


def test_a_truck_that_stands_past_its_stop_in_a_one_way_street_is_at_it() -> None:
    """The legal way back leads around the block: nobody drives it to be where the truck already works."""
    around = [corner(c, r) for c, r in [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (2, 2), (1, 2), (0, 2), (0, 1)]]
    n = len(around)
    lon, lat = np.array(around).T
    ring = Network(lon, lat, np.arange(n), (np.arange(n) + 1) % n, np.full(n, 200.0), np.full(n, 30.0))
    here, next_ = job("here", 3, 1), job("next", 1, 2)
    site = UnloadingSite("site", "Site", *corner(0, 2))
    travel = TravelTimes(ring)
    day = replace(problem((here, next_)), trucks=(crane(),), unloading_sites=(site,), travel=travel)
    plan = plan_day(day, iterations=20)
    at = next(i for i, stop in enumerate(plan.rounds[0].stops) if stop.job == "here")
    stop = plan.rounds[0].stops[at]
    midway_s = (stop.arrive_s + stop.leave_s) / 2
    # The street goes on to the north; travel has become slower since.
    report = TruckProgress("crane-1", stop.lon, stop.lat + 25.0 / 111_000.0, midway_s, (), at)
    now = replace(later(day, midway_s), travel=TravelTimes(ring, np.full(n, 1.5)))
    changed = replan(now, plan, [report], iterations=20)
    assert changed.rounds[0].stops[at] == msgspec.structs.replace(stop, volume_m3=here.volume_m3, load_kg=here.load_kg)


def test_a_jam_moves_times_not_loads(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    jammed = replace(now, travel=TravelTimes(NETWORK, np.full(NETWORK.n_edges, 2.0)))
    free, slow = as_it_stands(now, plan, progress), as_it_stands(jammed, plan, progress)
    assert slow.duration_s > free.duration_s + 600.0
    assert slow.distance_m == pytest.approx(free.distance_m)
    for one, other in zip(free.rounds, slow.rounds, strict=True):
        assert [s.load_kg for s in one.stops] == [s.load_kg for s in other.stops]


def test_stops_stay_with_their_truck_unless_moving_saves_enough(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, SEVEN_S + 600.0), reported(plan, SEVEN_S + 600.0)
    jam = np.where(np.random.default_rng(1).random(NETWORK.n_edges) < 0.3, 6.0, 1.0)
    now = replace(now, travel=TravelTimes(NETWORK, jam))

    def moved(keep_s: float) -> int:
        changed = replan(now, plan, progress, (), iterations=400, keep_s=keep_s)
        assert check_plan(changed, now, progress, plan).violations == []
        return len(difference(as_it_stands(now, plan, progress), changed).moved)

    assert moved(3600.0) == 0
    assert moved(0.0) > 0


def test_what_is_aboard_counts(day: CollectionProblem) -> None:
    """A crane truck that says it is nearly full unloads before it goes on."""
    day = replace(day, jobs=tuple(some_jobs(8)), trucks=(crane(),))
    plan = plan_day(day, iterations=50)
    assert [stop.kind for stop in plan.rounds[0].stops].count("unload") == 1
    report = reported(plan, SEVEN_S + 900.0)[0]
    heavy = msgspec.structs.replace(report, load_kg=3700.0)
    now = later(day, SEVEN_S + 900.0)
    changed = replan(now, plan, [heavy], iterations=100)
    assert check_plan(changed, now, [heavy], plan).violations == []
    kinds = [stop.kind for stop in stops_of(changed, "crane-1")]
    assert kinds[report.next_stop_index + 1] == "unload"
    assert kinds.count("unload") == 2


def test_a_truck_that_breaks_down_keeps_what_it_did_and_others_take_the_rest(
    day: CollectionProblem, plan: Plan
) -> None:
    progress = reported(plan, EIGHT_S)
    lost = plan.rounds[0].truck
    now = replace(later(day, EIGHT_S), trucks=tuple(one for one in FLEET if one.id != lost))
    changed = replan(now, plan, progress, (), iterations=200)
    assert check_plan(changed, now, progress, plan).violations == []
    done = next(one.done_jobs for one in progress if one.truck == lost)
    assert {id_ for id_, truck in truck_of(changed).items() if truck == lost} == set(done)
    assert truck_of(changed).keys() | {one.job for one in changed.unserved} == {one.id for one in day.jobs}
    assert any(truck_of(plan)[id_] == lost != truck for id_, truck in truck_of(changed).items())


def test_a_truck_that_is_not_heard_of_keeps_its_round(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    heard = [one for one in progress if one.truck != plan.rounds[0].truck]
    changed = replan(now, plan, heard, [LOOSE], iterations=100)
    assert check_plan(changed, now, heard, plan).violations == []
    assert changed.rounds[0] == plan.rounds[0]


def test_before_the_shift_everything_is_free(day: CollectionProblem, plan: Plan) -> None:
    changed = replan(day, plan, (), [LOOSE], iterations=100)
    assert check_plan(changed, day, (), plan).violations == []
    assert truck_of(changed).keys() == truck_of(plan).keys() | {"new"}


def test_a_stop_that_was_passed_by_is_named_not_lost(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    skipped = progress[0].done_jobs[2]
    without = tuple(id_ for id_ in progress[0].done_jobs if id_ != skipped)
    said = [msgspec.structs.replace(progress[0], done_jobs=without), *progress[1:]]
    changed = replan(now, plan, said, (), iterations=50)
    assert check_plan(changed, now, said, plan).violations == []
    assert {one.job: one.reason for one in changed.unserved} == {skipped: PASSED_BY}
    again = replan(now, changed, reported(changed, EIGHT_S), (), iterations=50)
    assert {one.job: one.reason for one in again.unserved} == {skipped: PASSED_BY}


def test_too_late_for_the_rest_of_the_day_is_said(day: CollectionProblem, plan: Plan) -> None:
    """With ten times the travel time the day no longer fits: trucks still go home, and the rest is named."""
    now = replace(later(day, EIGHT_S), travel=TravelTimes(NETWORK, np.full(NETWORK.n_edges, 25.0)))
    progress = reported(plan, EIGHT_S)
    changed = replan(now, plan, progress, (), iterations=100)
    assert check_plan(changed, now, progress, plan).violations == []
    assert {one.reason for one in changed.unserved} == {NO_TIME}
    left = as_it_stands(now, plan, progress)
    assert any("after its shift" in one for one in check_plan(left, now, progress, plan).violations)


def test_as_it_stands_names_what_it_does_not_do(day: CollectionProblem, plan: Plan) -> None:
    now, progress = replace(later(day, EIGHT_S), jobs=(*day.jobs, LOOSE)), reported(plan, EIGHT_S)
    left = as_it_stands(now, plan, progress)
    assert check_plan(left, now, progress, plan).violations == []
    assert {one.job: one.reason for one in left.unserved} == {"new": NOT_PLANNED}
    assert {one.truck: signature(one.stops) for one in left.rounds} == {
        one.truck: signature(one.stops) for one in plan.rounds
    }


def test_a_changed_plan_can_be_changed_again(day: CollectionProblem, plan: Plan) -> None:
    at_s, current = SEVEN_S, plan
    for hour in range(1, 6):
        at_s = SEVEN_S + hour * 3600.0
        now, progress = later(day, at_s), reported(current, at_s)
        new = job(f"loose-{hour}", 2 * hour, 11 - hour, kind="clear")
        changed = replan(now, current, progress, [new], iterations=60, seed=hour)
        assert check_plan(changed, now, progress, current).violations == []
        assert check_plan(changed, now, progress).violations == []
        current = changed
    assert len(truck_of(current)) + len(current.unserved) == 65


def test_the_first_answer_comes_within_a_second(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    began_s = time.process_time()
    changed = replan(now, plan, progress, [LOOSE], seconds=0.0)
    assert time.process_time() - began_s < 1.0
    assert check_plan(changed, now, progress, plan).violations == []
    assert "new" in truck_of(changed)


def test_the_same_seed_gives_the_same_change(day: CollectionProblem, plan: Plan) -> None:
    now, progress = later(day, EIGHT_S), reported(plan, EIGHT_S)
    assert replan(now, plan, progress, [LOOSE], iterations=80, seed=2) == replan(
        now, plan, progress, [LOOSE], iterations=80, seed=2
    )


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (TruckProgress("nobody", LON, LAT, EIGHT_S), "not there"),
        (TruckProgress("crane-1", float("nan"), LAT, EIGHT_S), "no position"),
        (TruckProgress("crane-1", LAT, LON, EIGHT_S), "cannot be reached"),
    ],
)
def test_a_report_that_cannot_be_is_refused(
    day: CollectionProblem, plan: Plan, report: TruckProgress, says: str
) -> None:
    with pytest.raises(BadProblem, match=says):
        replan(later(day, EIGHT_S), plan, [report], iterations=10)


def test_two_reports_of_one_truck_are_refused(day: CollectionProblem, plan: Plan) -> None:
    one = TruckProgress("crane-1", DEPOT.lon, DEPOT.lat, EIGHT_S)
    with pytest.raises(BadProblem, match="two reports"):
        replan(later(day, EIGHT_S), plan, [one, one], iterations=10)


@settings(max_examples=25)
@given(data=st.data())
def test_whenever_and_wherever_the_changed_plan_holds(data: st.DataObject, day: CollectionProblem, plan: Plan) -> None:
    at_s = SEVEN_S + data.draw(st.integers(-600, 7 * 3600))
    progress = []
    older = {one.truck: one for one in reported(plan, at_s - 1200.0)}
    for one in reported(plan, at_s):
        lon, lat = corner(data.draw(st.integers(0, 11)), data.draw(st.integers(0, 11)))
        late_s = data.draw(st.sampled_from([0.0, 1200.0]))
        said = older.get(one.truck) if late_s == 1200.0 else one
        if said is not None:
            progress.append(msgspec.structs.replace(said, lon=lon, lat=lat, at_s=at_s - late_s))
    jam = np.random.default_rng(data.draw(st.integers(0, 9))).choice([1.0, 1.0, 5.0], NETWORK.n_edges)
    new = [
        job(f"n{i}", data.draw(st.integers(0, 11)), data.draw(st.integers(0, 11)), kind=kind, must=i % 2 == 0)
        for i, kind in enumerate(data.draw(st.lists(st.sampled_from(["clear", "empty"]), max_size=3)))
    ]
    now = replace(later(day, at_s), travel=TravelTimes(NETWORK, jam))
    changed = replan(now, plan, progress, new, iterations=30)
    assert check_plan(changed, now, progress, plan).violations == []
    assert truck_of(changed).keys() | {one.job for one in changed.unserved} == {one.id for one in (*day.jobs, *new)}
