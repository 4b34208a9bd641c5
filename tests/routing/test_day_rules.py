"""Breaks, overtime, wind, times to keep away and a day's volume: kept by plans, and found by the check when broken."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from city.plans import Plan
from routing.check import check_plan
from routing.leftover import TOO_WINDY
from routing.problem import BadProblem, CollectionProblem
from routing.replan import replan
from routing.solve import plan_day
from tests.routing.town import DAY_S, SEVEN_S, crane, grab, job, later, problem, reported, some_jobs, stops_of

HOUR_S = 3600.0
EIGHT_S = SEVEN_S + HOUR_S
TWO_BREAKS = ((8.0, 30.0), (9.0, 30.0))
change = msgspec.structs.replace


@pytest.fixture(scope="module")
def day() -> CollectionProblem:
    fleet = (crane("crane-1", breaks=TWO_BREAKS), crane("crane-2", breaks=TWO_BREAKS), grab(breaks=TWO_BREAKS))
    return problem((*some_jobs(60, seed=4), job("window", 11, 11, latest_s=EIGHT_S + 1200.0)), trucks=fleet)


@pytest.fixture(scope="module")
def plan(day: CollectionProblem) -> Plan:
    made = plan_day(day, iterations=300)
    assert check_plan(made, day).violations == []
    return made


def test_breaks_are_taken_when_a_way_or_a_stop_is_done(plan: Plan) -> None:
    for one in plan.rounds:
        due = [DAY_S + hour * HOUR_S for hour, _ in TWO_BREAKS if DAY_S + hour * HOUR_S < one.stops[-1].arrive_s]
        assert len(one.breaks) == len(due) > 0
        for at_s, (since_s, until_s) in zip(due, one.breaks, strict=True):
            assert at_s <= since_s < at_s + 1200.0
            assert until_s - since_s == 1800.0


def test_work_takes_as_long_as_without_breaks(day: CollectionProblem, plan: Plan) -> None:
    free = replace(day, trucks=tuple(change(truck, breaks=()) for truck in day.trucks))
    without = plan_day(free, iterations=300)
    rested_s = sum(until - since for one in plan.rounds for since, until in one.breaks)
    assert plan.duration_s - rested_s == pytest.approx(without.duration_s, rel=0.03)


@pytest.mark.parametrize("after_s", range(300, 3 * 3600, 1500))
def test_breaks_hold_whenever_the_plan_is_changed(day: CollectionProblem, plan: Plan, after_s: int) -> None:
    now_s = SEVEN_S + after_s
    now, progress = later(day, now_s), reported(plan, now_s)
    loose = job("new", 6, 6, kind="clear")
    changed = replan(now, plan, progress, [loose], iterations=20)
    assert check_plan(changed, now, progress, plan).violations == []


def test_a_truck_in_its_break_is_not_sent_on_before_it_is_over(day: CollectionProblem, plan: Plan) -> None:
    one = plan.rounds[0]
    since_s, until_s = one.breaks[0]
    now_s = since_s + 300.0
    changed = replan(later(day, now_s), plan, reported(plan, now_s), [], iterations=20)
    after = next(other for other in changed.rounds if other.truck == one.truck)
    assert after.breaks[0] == (since_s, until_s)
    assert not any(since_s < stop.leave_s < until_s for stop in after.stops[1:])


def test_overtime_is_used_when_there_is_no_other_way_and_costs() -> None:
    jobs = some_jobs(20, seed=1)
    strict = problem(jobs, trucks=(crane(shift_duration_s=5400.0),))
    lenient = problem(jobs, trucks=(crane(shift_duration_s=5400.0, overtime_s=7200.0),))
    less, all_ = plan_day(strict, iterations=300), plan_day(lenient, iterations=300)
    assert less.unserved
    assert not all_.unserved
    assert check_plan(all_, lenient).violations == []
    assert any("after its shift" in one for one in check_plan(all_, strict).violations)
    report, rounds = check_plan(all_, lenient), all_.rounds
    over_s = rounds[0].stops[-1].arrive_s - SEVEN_S - 5400.0
    plain = lenient.prices.metre * report.distance_m + lenient.prices.second * report.duration_s
    assert report.cost == pytest.approx(plain + lenient.prices.overtime_second * over_s)


def test_a_day_volume_bounds_all_loads_together() -> None:
    jobs = some_jobs(20, seed=2)
    trucks = tuple(crane(f"crane-{i}", volume_m3=12.0, volume_per_day_m3=33.0) for i in range(2))
    day = problem(jobs, trucks=trucks)
    made = plan_day(day, iterations=300)
    assert check_plan(made, day).violations == []
    assert sorted(sum(bool(stop.job) for stop in one.stops) for one in made.rounds) == [9, 10] or not made.unserved
    for one in made.rounds:
        assert sum(bool(stop.job) for stop in one.stops) <= 11
    tight = replace(day, trucks=tuple(change(truck, volume_per_day_m3=20.0) for truck in trucks))
    assert any("m3 in a day" in one for one in check_plan(made, tight).violations)


def test_nothing_is_lifted_in_too_much_wind_but_loose_waste_is_cleared() -> None:
    storm = ((SEVEN_S, EIGHT_S), (EIGHT_S + HOUR_S, EIGHT_S + 2 * HOUR_S))
    jobs = (*some_jobs(12, seed=3), job("loose", 5, 5, kind="clear"))
    day = problem(jobs, trucks=(crane(), grab()), no_lifting=storm)
    made = plan_day(day, iterations=300)
    assert check_plan(made, day).violations == []
    assert not made.unserved
    lifts = [(stop.leave_s - 180.0, stop.leave_s) for stop in stops_of(made, "crane-1") if stop.job]
    assert all(until <= since or begin >= end for begin, until in lifts for since, end in storm)
    assert stops_of(made, "grab-1")[1].leave_s < EIGHT_S
    assert any("nobody may" in one for one in check_plan(plan_day(replace(day, no_lifting=())), day).violations)


def test_a_day_of_storm_names_what_is_not_lifted() -> None:
    jobs = some_jobs(4, earliest_s=SEVEN_S, latest_s=EIGHT_S)
    made = plan_day(problem(jobs, no_lifting=((SEVEN_S - 1.0, EIGHT_S + 1.0),)), iterations=20)
    assert {one.reason for one in made.unserved} == {TOO_WINDY}


def test_a_street_is_not_blocked_in_the_peak() -> None:
    peak = ((SEVEN_S, SEVEN_S + 2 * HOUR_S),)
    jobs = (*some_jobs(10, seed=5), job("street", 1, 1, avoid=peak))
    day = problem(jobs, trucks=(crane(),))
    made = plan_day(day, iterations=200)
    assert check_plan(made, day).violations == []
    stop = next(stop for stop in stops_of(made, "crane-1") if stop.job == "street")
    assert stop.leave_s - 180.0 >= peak[0][1]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (lambda: problem(trucks=(crane(breaks=((10.0, 30.0), (10.2, 30.0))),)), "do not follow"),
        (lambda: problem(trucks=(crane(breaks=((10.0, 0.0),)),)), "do not follow"),
        (lambda: problem(trucks=(crane(overtime_s=-1.0),)), "overtime_s"),
        (lambda: problem(trucks=(crane(volume_per_day_m3=0.0),)), "volume_per_day_m3"),
        (lambda: problem(no_lifting=((5.0, 5.0),)), "too much wind"),
        (lambda: problem((job("a", 1, 1, avoid=((9.0, float("nan")),)),)), "avoids"),
        (
            lambda: problem((job("a", 1, 1, earliest_s=0.0, latest_s=500.0, avoid=((100.0, 450.0),)),)),
            "impossible",
        ),
    ],
)
def test_rules_that_no_day_can_keep_are_named(bad: Callable[[], CollectionProblem], says: str) -> None:
    with pytest.raises(BadProblem, match=says):
        bad()


def test_breaks_that_are_broken_are_found(day: CollectionProblem, plan: Plan) -> None:
    def with_breaks(breaks: tuple[tuple[float, float], ...]) -> list[str]:
        rounds = (change(plan.rounds[0], breaks=breaks), *plan.rounds[1:])
        return check_plan(change(plan, rounds=rounds), day).violations

    first, *rest = plan.rounds[0].breaks
    since_s, until_s = first
    assert any("misses a break" in one for one in with_breaks(()))
    assert with_breaks(((since_s, until_s - 600.0), *rest))
    assert with_breaks(((since_s - 1800.0, until_s - 1800.0), *rest))
    assert with_breaks(((since_s + 600.0, until_s + 600.0), *rest))
    assert with_breaks((first, first, *rest))
