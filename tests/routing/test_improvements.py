"""A first answer at once, better ones after it; streets that are closed; nothing leaves unjudged."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from city.plans import Plan
from routing.check import check_plan
from routing.judged import FaultyPlan, judged
from routing.leftover import CUT_OFF
from routing.problem import CollectionProblem, Unreachable
from routing.replan import as_it_stands, improvements, replan
from routing.solve import plan_day
from routing.travel import TravelTable
from tests.routing.town import (
    DEPOT,
    SEVEN_S,
    SITE,
    crane,
    grab,
    job,
    later,
    problem,
    reported,
    some_jobs,
    truck_of,
    with_stop,
)

EIGHT_S = SEVEN_S + 3600.0
FLEET = (crane("crane-1"), crane("crane-2"), grab("grab-1"))
NEW = tuple(job(f"new-{i}", 2 * i, 11 - i, kind="clear") for i in range(4))


class Ticks:
    """A timer that moves on by itself: a search of so many looks at the time, whatever the machine does."""

    def __init__(self, tick_s: float = 0.004) -> None:
        self.now_s, self.tick_s = 0.0, tick_s

    def __call__(self) -> float:
        self.now_s += self.tick_s
        return self.now_s


@pytest.fixture(scope="module")
def day() -> CollectionProblem:
    return problem(some_jobs(50, seed=4), trucks=FLEET)


@pytest.fixture(scope="module")
def plan(day: CollectionProblem) -> Plan:
    return plan_day(day, iterations=3)


def answers(day: CollectionProblem, plan: Plan, seconds: float = 4.0) -> Iterator[Plan]:
    return improvements(later(day, EIGHT_S), plan, reported(plan, EIGHT_S), NEW, seconds, timer=Ticks())


def test_each_answer_holds_and_is_better_than_the_one_before(day: CollectionProblem, plan: Plan) -> None:
    """Loose waste that came up in no order: where each piece fits best is not the best order of it all."""
    at_s = SEVEN_S + 600.0
    now, progress = later(day, at_s), reported(plan, at_s)
    new = tuple(job(f"new-{i}", 7 * i % 12, 5 * i % 11, kind="clear") for i in range(12))
    found = list(improvements(now, plan, progress, new, 4.0, timer=Ticks()))
    assert len(found) >= 2
    assert all(check_plan(one, now, progress, plan).violations == [] for one in found)
    assert all({one.id for one in new} <= truck_of(answer).keys() for answer in found)
    costs = [check_plan(one, now, progress, plan).cost for one in found]
    assert costs[-1] < costs[0]


def test_the_first_answer_comes_before_any_search_and_the_next_has_lines(day: CollectionProblem, plan: Plan) -> None:
    first, second = islice(answers(day, plan), 2)
    assert all(not one.path for one in first.rounds)
    assert all(one.path for one in second.rounds)


def test_without_time_there_are_still_two_answers(day: CollectionProblem, plan: Plan) -> None:
    assert len(list(answers(day, plan, seconds=0.0))) == 2


def test_a_job_that_closed_streets_cut_off_is_left_out_and_named_and_the_rest_goes_on() -> None:
    jobs = (job("one", 1, 0), job("two", 2, 0), job("three", 3, 0))
    lon = np.array([DEPOT.lon, SITE.lon, *(one.lon for one in jobs)])
    lat = np.array([DEPOT.lat, SITE.lat, *(one.lat for one in jobs)])
    seconds = np.full((5, 5), 120.0)
    day = problem(jobs, trucks=(crane(),), travel=TravelTable(lon, lat, seconds, seconds * 8))
    plan = plan_day(day, iterations=20)
    closed = seconds.copy()
    closed[:, 3] = np.inf
    closed[3, 3] = 0.0
    now = replace(day, now_s=SEVEN_S - 300.0, travel=TravelTable(lon, lat, closed, closed * 8))
    for changed in (replan(now, plan, (), iterations=20), as_it_stands(now, plan, ())):
        assert [(one.job, one.reason) for one in changed.unserved] == [("two", CUT_OFF)]
        assert truck_of(changed).keys() == {"one", "three"}
    with pytest.raises(Unreachable, match="two"):
        plan_day(now, iterations=20)


def test_a_plan_that_does_not_hold_is_refused_with_what_is_wrong(day: CollectionProblem, plan: Plan) -> None:
    wrong = with_stop(plan, plan.rounds[0].truck, 1, arrive_s=SEVEN_S - 3600.0)
    with pytest.raises(FaultyPlan, match="sooner than it can drive") as caught:
        judged(wrong, day)
    assert caught.value.plan is wrong
    assert judged(plan, day) is plan


def test_a_truck_that_breaks_down_hands_its_stops_over_in_the_first_answer(day: CollectionProblem, plan: Plan) -> None:
    progress = reported(plan, EIGHT_S)
    rest = replace(day, now_s=EIGHT_S, trucks=FLEET[1:])
    first = next(improvements(rest, plan, progress, NEW, 1.0, timer=Ticks()))
    assert check_plan(first, rest, progress, plan).violations == []
    done = {one for report in progress if report.truck == "crane-1" for one in report.done_jobs}
    assert {one for one, truck in truck_of(first).items() if truck == "crane-1"} == done
