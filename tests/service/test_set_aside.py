"""Which stops leave the rounds when somebody was there and could not, or need not, do them."""

from zoneinfo import ZoneInfo

import pytest

from city.plans import Job, Plan, Round, Stop, Unserved
from routing.leftover import PASSED_BY
from service.refusals import Refusal
from service.set_aside import for_the_solver, refused_jobs, without
from tests.service.small_city import HOUR_S, MONDAY_S

ZONE = ZoneInfo("Europe/Amsterdam")
SINCE_S = MONDAY_S - 8 * HOUR_S


def job(id, place):
    return Job(id, "empty", place, 6.55, 53.2, "residual", (f"{id}-k",), 2.0, 100.0, 180.0)


def stop(kind, place, hour, job="", aboard=0.0):
    at_s = MONDAY_S + hour * HOUR_S
    return Stop(kind, place, 6.55, 53.2, at_s, at_s + 180.0, job, (), aboard, 50.0 * aboard)


def plan(made=-1.0, unserved=()):
    """Truck a does j1, unloads, does j2 and j3; truck b does j4 at the place of j1, much later."""
    a = (
        stop("start", "depot", 0),
        stop("empty", "p1", 0.2, "j1", 2.0),
        stop("unload", "site", 0.5),
        stop("empty", "p2", 1.0, "j2", 2.0),
        stop("empty", "p3", 1.5, "j3", 4.0),
        stop("unload", "site", 2.0),
        stop("end", "depot", 2.2),
    )
    b = (stop("start", "depot", 0), stop("empty", "p1", 3.0, "j4", 2.0), stop("unload", "site", 3.5))
    jobs = (job("j1", "p1"), job("j2", "p2"), job("j3", "p3"), job("j4", "p1"))
    rounds = (Round("a", a, 1.0, 1.0), Round("b", (*b, stop("end", "depot", 4)), 1.0, 1.0))
    return Plan("plan", MONDAY_S + made * HOUR_S, rounds, unserved, jobs)


def at(hour):
    return MONDAY_S + hour * HOUR_S


def refused(said, made=-1.0, done=(), unserved=()):
    return set(refused_jobs(plan(made, unserved), said, done, SINCE_S, ZONE))


@pytest.mark.parametrize(
    ("said", "jobs"),
    [
        # Its own stop, whenever it was planned; of another truck's those before it may be tried again.
        (Refusal("p1", "blocked", at(0.2), "a"), {"j1"}),
        (Refusal("p1", "blocked", at(2.5), "a"), {"j1"}),
        (Refusal("p1", "blocked", at(2.9), "a"), {"j1", "j4"}),
        (Refusal("p1", "not_needed", at(0.2), "a"), {"j1"}),
        (Refusal("p1", None, at(0.2), "a"), {"j1"}),
        (Refusal("p1", "unsafe", at(0.2), "a"), {"j1", "j4"}),
        # The desk says it of all trucks.
        (Refusal("p1", "blocked", at(0.2)), {"j1"}),
        (Refusal("p1", "not_needed", at(0.2)), {"j1", "j4"}),
        (Refusal("p9", "blocked", at(0.2), "a"), set()),
        (Refusal("p1", "blocked", at(-9.0), "a"), set()),
    ],
)
def test_what_is_said_concerns(said, jobs):
    assert refused([said]) == jobs


def test_what_was_given_up_for_today_stays_out_when_an_accepted_change_gives_it_to_another_truck():
    said = [Refusal("p2", "not_needed", at(0.9), "a"), Refusal("p3", "blocked", at(1.4), "a")]
    before = refused_jobs(plan(), said, (), SINCE_S, ZONE)
    a, b = plan(made=-0.5).rounds
    moved = Plan("moved", at(-0.5), (Round("b", a.stops, 1.0, 1.0), Round("a", b.stops, 1.0, 1.0)), (), plan().jobs)
    after = refused_jobs(moved, said, (), SINCE_S, ZONE, before)
    assert after["j2"] == before["j2"]
    # Where it may be tried again, the accepted plan says when.
    assert after.keys() <= {"j2", "j3"}
    assert "j2" not in refused_jobs(moved, said, ("j2",), SINCE_S, ZONE, before)
    assert refused_jobs(moved, [], (), at(12.0), ZONE, before) == {}


def test_what_is_done_was_not_refused():
    assert refused([Refusal("p1", "unsafe", at(0.2), "a")], done=("j1",)) == {"j4"}


def test_a_plan_that_was_made_since_and_comes_when_it_may_be_tried_again_stands():
    said = [Refusal("p2", "blocked", at(0.4), "a")]
    assert refused(said) == {"j2"}
    assert refused(said, made=0.45) == set()
    assert refused([Refusal("p1", "not_needed", at(0.1), "a")], made=0.15) == {"j1"}


def test_of_what_a_later_plan_leaves_out_only_what_was_given_up_was_refused():
    said = [Refusal("p9", "not_needed", at(0.1), "a")]
    left = [(PASSED_BY, {"j9"}), ("not worth the detour today", set())]
    for reason, jobs in left:
        known = plan(0.5, (Unserved("j9", "p9", reason),))
        later = Plan(known.id, known.made_at_s, known.rounds, known.unserved, (*known.jobs, job("j9", "p9")))
        assert set(refused_jobs(later, said, (), SINCE_S, ZONE)) == jobs


def test_a_stop_leaves_its_round_with_its_load_and_an_unloading_of_nothing():
    left = without(plan(), {"j1": "why"})
    (a, b) = left.rounds
    assert [one.kind for one in a.stops] == ["start", "empty", "empty", "unload", "end"]
    assert [one.volume_m3 for one in a.stops] == [0.0, 2.0, 4.0, 0.0, 0.0]
    assert left.unserved == (Unserved("j1", "p1", "why"),)
    assert b == plan().rounds[1]
    later = without(plan(), {"j2": "why"}).rounds[0]
    assert [(one.kind, one.volume_m3, one.load_kg) for one in later.stops[3:5]] == [
        ("empty", 2.0, 100.0),
        ("unload", 0.0, 0.0),
    ]
    nothing = without(plan(), {"j2": "why", "j3": "why"}).rounds[0]
    assert [one.kind for one in nothing.stops] == ["start", "empty", "unload", "end"]
    assert without(plan(), {}) == plan()


def test_why_a_truck_passed_by_is_said_and_other_reasons_stay():
    unserved = (Unserved("j1", "p1", PASSED_BY), Unserved("j2", "p2", "no time left in the shift"))
    said = without(plan(unserved=unserved), {"j1": "blocked", "j2": "blocked"})
    assert {one.job: one.reason for one in said.unserved[:2]} == {"j1": "blocked", "j2": "no time left in the shift"}


def test_the_solver_is_told_that_it_was_passed_by():
    aside = without(plan(), {"j1": "refused", "j2": "refused"})
    told = for_the_solver(aside, {"j1"})
    assert {one.job: one.reason for one in told.unserved} == {"j1": PASSED_BY, "j2": "refused"}
