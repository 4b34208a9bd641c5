import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.places import UnloadingSite
from routing.check import check_plan
from routing.geometry import distance_m
from routing.leftover import NO_TIME, NO_TIME_IN_WINDOW, NO_TRUCK, NOT_WORTH, TOO_LARGE
from routing.solve import plan_day
from tests.routing.town import DAY_S, SEVEN_S, corner, crane, grab, job, problem, some_jobs, stops_of, truck_of


def test_a_day_of_a_small_town_is_planned_in_full() -> None:
    day = problem((*some_jobs(40), job("loose", 7, 7, kind="clear")))
    plan = plan_day(day, iterations=300)
    assert check_plan(plan, day).violations == []
    assert plan.unserved == ()
    assert truck_of(plan)["loose"].startswith("grab")
    assert {truck for id_, truck in truck_of(plan).items() if id_ != "loose"} <= {"crane-1", "crane-2"}


def test_a_truck_unloads_when_it_is_full_and_before_it_goes_home() -> None:
    """20 lifts of 250 kg, 16 to a truckload."""
    day = problem(some_jobs(20), trucks=(crane(),))
    plan = plan_day(day, iterations=300)
    assert check_plan(plan, day).violations == []
    kinds = [stop.kind for stop in stops_of(plan, "crane-1")]
    assert kinds.count("unload") == 2
    assert kinds[-2:] == ["unload", "end"]


@pytest.mark.parametrize(("volume_m3", "load_kg"), [(25.0, 10.0), (1.0, 1500.0)], ids=["by volume", "by payload"])
def test_both_volume_and_payload_limit_a_truckload(volume_m3: float, load_kg: float) -> None:
    day = problem(some_jobs(4, volume_m3=volume_m3, load_kg=load_kg), trucks=(crane(),))
    plan = plan_day(day, iterations=300)
    assert check_plan(plan, day).violations == []
    assert plan.unserved == ()
    assert [stop.kind for stop in stops_of(plan, "crane-1")].count("unload") == 2


def test_an_inner_city_is_done_before_its_hour() -> None:
    jobs = [*some_jobs(30, seed=1), job("inner", 11, 11, latest_s=SEVEN_S + 900.0)]
    day = problem(tuple({(j.lon, j.lat): j for j in jobs}.values()))
    plan = plan_day(day, iterations=300)
    assert check_plan(plan, day).violations == []
    done = next(stop for one in plan.rounds for stop in one.stops if stop.job == "inner")
    assert done.leave_s <= SEVEN_S + 900.0


def test_a_truck_that_is_early_leaves_later_or_waits() -> None:
    day = problem((job("late", 5, 5, earliest_s=SEVEN_S + 7200.0),))
    plan = plan_day(day, iterations=50)
    assert check_plan(plan, day).violations == []
    start, stop = stops_of(plan, truck_of(plan)["late"])[:2]
    assert stop.leave_s == pytest.approx(SEVEN_S + 7200.0 + 180.0)
    assert start.leave_s > SEVEN_S + 6000.0


def test_streams_do_not_mix() -> None:
    jobs = (*some_jobs(10, seed=2), *(job(f"p{i}", i, 11, stream="paper") for i in range(6)))
    trucks = (crane("a", streams=("residual", "paper")), crane("b", streams=("residual",)))
    day = problem(jobs, trucks=trucks)
    plan = plan_day(day, iterations=200)
    assert check_plan(plan, day).violations == []
    assert plan.unserved == ()
    assert {truck_of(plan)[f"p{i}"] for i in range(6)} == {"a"}


def test_a_stream_that_no_truck_is_left_for_is_named() -> None:
    jobs = (job("r", 1, 1), job("p", 2, 2, stream="paper"), job("g", 3, 3, stream="glass", must=False))
    day = problem(jobs, trucks=(crane("a", streams=("residual", "paper", "glass")), crane("b")))
    plan = plan_day(day, iterations=50)
    assert {one.job: one.reason for one in plan.unserved} == {"g": NO_TRUCK}


def test_an_overfull_day_does_what_must_be_and_names_the_rest() -> None:
    musts = some_jobs(10, seed=3, service_s=600.0)
    taken = {(one.lon, one.lat) for one in musts}
    others = [
        job(f"may-{c}-{r}", c, r, must=False, prize_s=3600.0, service_s=600.0)
        for c in range(12)
        for r in range(0, 12, 2)
        if corner(c, r) not in taken
    ]
    day = problem((*musts, *others), trucks=(crane(shift_duration_s=4 * 3600.0),))
    plan = plan_day(day, iterations=1500)
    assert check_plan(plan, day).violations == []
    assert {one.id for one in musts} <= set(truck_of(plan))
    assert Counter(one.reason for one in plan.unserved).keys() == {NO_TIME}
    assert len(truck_of(plan)) + len(plan.unserved) == len(day.jobs)
    assert len(truck_of(plan)) >= 15


def test_every_reason_is_told() -> None:
    jobs = (
        job("worth", 1, 1, must=False, prize_s=3600.0),
        job("not-worth", 11, 11, must=False, prize_s=1.0),
        job("too-large", 2, 2, load_kg=9000.0),
        job("too-early", 10, 10, latest_s=SEVEN_S + 190.0),
        job("before-all", 9, 9, latest_s=SEVEN_S - 3600.0),
    )
    plan = plan_day(problem(jobs), iterations=200)
    assert truck_of(plan).keys() == {"worth"}
    assert {one.job: one.reason for one in plan.unserved} == {
        "not-worth": NOT_WORTH,
        "too-large": TOO_LARGE,
        "too-early": NO_TIME_IN_WINDOW,
        "before-all": NO_TIME_IN_WINDOW,
    }


def test_a_must_job_is_done_whatever_it_costs() -> None:
    day = problem((job("far", 11, 11),))
    assert truck_of(plan_day(day, iterations=20)).keys() == {"far"}


def test_opening_hours_of_the_site_are_kept() -> None:
    site = UnloadingSite("site", "Site", *corner(11, 0), opens_hour=9.0, closes_hour=11.0)
    day = problem(some_jobs(20), trucks=(crane(),), unloading_sites=(site,))
    plan = plan_day(day, iterations=300)
    assert check_plan(plan, day).violations == []
    unloadings = [stop for stop in stops_of(plan, "crane-1") if stop.kind == "unload"]
    assert all(stop.leave_s - 900 >= DAY_S + 9 * 3600 and stop.leave_s <= DAY_S + 11 * 3600 for stop in unloadings)


def test_the_nearer_unloading_site_is_used() -> None:
    far = UnloadingSite("far", "Far", *corner(11, 11))
    near = UnloadingSite("near", "Near", *corner(0, 1))
    day = problem(some_jobs(8), unloading_sites=(far, near))
    plan = plan_day(day, iterations=100)
    assert check_plan(plan, day).violations == []
    assert {stop.place for one in plan.rounds for stop in one.stops if stop.kind == "unload"} == {"near"}


def test_nothing_to_do_is_an_empty_plan() -> None:
    plan = plan_day(problem(), seconds=0.2)
    assert (plan.rounds, plan.unserved) == ((), ())


def test_after_the_shift_nothing_is_driven_and_everything_is_named() -> None:
    day = problem(some_jobs(5), now_s=DAY_S + 15 * 3600.0)
    plan = plan_day(day, seconds=0.2)
    assert plan.rounds == ()
    assert {one.reason for one in plan.unserved} == {NO_TIME}


def test_windows_that_are_all_over_are_named() -> None:
    plan = plan_day(problem((job("over", 1, 1, latest_s=SEVEN_S - 3600.0),)), seconds=0.2)
    assert [one.reason for one in plan.unserved] == [NO_TIME_IN_WINDOW]


def test_a_must_job_that_nobody_can_do_does_not_spoil_the_rest() -> None:
    impossible = [job(f"never-{c}", c, 11, load_kg=4500.0) for c in range(6)]
    late = [job(f"late-{c}", c, 10, latest_s=SEVEN_S + 200.0) for c in range(6)]
    jobs = (*[one for one in some_jobs(25) if one.lat < corner(0, 10)[1] - 1e-4], *impossible, *late)
    plan = plan_day(problem(jobs), iterations=150)
    assert {one.job for one in plan.unserved} == {one.id for one in (*impossible, *late)}


def test_the_same_seed_gives_the_same_plan() -> None:
    day = problem(some_jobs(40, seed=5))
    assert plan_day(day, seed=3, iterations=200) == plan_day(day, seed=3, iterations=200)


def test_the_line_on_the_map_follows_the_streets_and_is_short() -> None:
    plan = plan_day(problem(some_jobs(30, seed=6)), iterations=100)
    for one in plan.rounds:
        lon, lat = zip(*one.path, strict=True)
        drawn_m = float(distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]).sum())
        assert drawn_m == pytest.approx(one.distance_m, rel=0.02)
        assert len(one.path) < 400


def test_seconds_are_kept() -> None:
    day = problem(some_jobs(100, seed=7))
    began = time.perf_counter()
    plan = plan_day(day, seconds=1.0)
    assert time.perf_counter() - began < 2.5
    assert check_plan(plan, day).violations == []


@settings(max_examples=50)
@given(data=st.data())
def test_whatever_the_day_the_plan_holds(data: st.DataObject) -> None:
    """Any mix of jobs, windows, loads and fleets: the independent check finds nothing, and no job is lost."""
    n = data.draw(st.integers(1, 14))
    jobs = []
    for i in range(n):
        kind = data.draw(st.sampled_from(["empty", "empty", "clear"]))
        earliest = data.draw(st.sampled_from([None, None, SEVEN_S + 3600.0]))
        latest = data.draw(st.sampled_from([None, None, SEVEN_S - 60.0, SEVEN_S + 5400.0, SEVEN_S + 30_000.0]))
        if earliest and latest and latest < earliest + 3600:
            earliest = None
        jobs.append(
            job(
                f"j{i}",
                data.draw(st.integers(0, 11)),
                data.draw(st.integers(0, 11)),
                kind=kind,
                stream=data.draw(st.sampled_from(["residual", "paper"])),
                volume_m3=data.draw(st.sampled_from([0.0, 2.5, 30.0, 70.0])),
                load_kg=data.draw(st.sampled_from([0.0, 200.0, 2500.0])),
                service_s=data.draw(st.sampled_from([0.0, 180.0, 3000.0])),
                must=data.draw(st.booleans()),
                prize_s=data.draw(st.sampled_from([0.0, 300.0, 5000.0])),
                earliest_s=earliest,
                latest_s=latest,
            )
        )
    trucks = (
        crane("c1", streams=("residual", "paper")),
        crane("c2", streams=("paper",), shift_duration_s=data.draw(st.sampled_from([1800.0, 20_000.0]))),
        grab("g1"),
    )
    closes = data.draw(st.sampled_from([24.0, 9.0]))
    sites = (
        UnloadingSite("s1", "S1", *corner(11, 0), opens_hour=0.0, closes_hour=closes),
        UnloadingSite("s2", "S2", *corner(6, 11), opens_hour=8.5, closes_hour=13.0),
    )
    day = problem(tuple(jobs), trucks=trucks, unloading_sites=sites)
    plan = plan_day(day, iterations=40, seed=data.draw(st.integers(0, 3)))
    assert check_plan(plan, day).violations == []
    assert truck_of(plan).keys() | {one.job for one in plan.unserved} == {one.id for one in jobs}
