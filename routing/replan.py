"""Changing a plan while trucks are out: what is driven stays, the next stop stays, the rest may change."""

from collections.abc import Sequence

from city.plans import Job, Plan, Round, Stop, Unserved
from routing.clock import Interval
from routing.crew import Crew, Order
from routing.leftover import NOT_PLANNED, PASSED_BY, reasons
from routing.problem import CollectionProblem, check_jobs
from routing.progress import Situation, Standing, TruckProgress, situation_of
from routing.rounds import fresh_stops, later_stops, order_of, plan_of, round_of
from routing.solve import Deadline, best_orders, crews_of

__all__ = ["KEEP_S", "TruckProgress", "as_it_stands", "replan"]

# A stop moves to another truck when that saves more than this: drivers know their round.
KEEP_S = 60.0


def replan(
    problem: CollectionProblem,
    plan: Plan,
    progress: Sequence[TruckProgress],
    new_jobs: Sequence[Job] = (),
    seconds: float = 3.0,
    seed: int = 0,
    iterations: int | None = None,
    keep_s: float = KEEP_S,
) -> Plan:
    """Return the plan changed for how things are now: new jobs, other travel times, trucks where they are.

    Of each truck's round, the stops behind it and the one that it is committed to stay; so do those that it sets out to
    between its report and `now_s`, going on as it was told. The rest is free to change.
    A truck without a round stands at its depot and gets one if that is better; a truck that is home may go out again.
    A truck that is out and has not been heard of keeps its round as it is.

    Parameters
    ----------
    problem
        The day as it is now: the fleet, sites, `now_s` and travel. Its jobs are added to the plan's.
    plan
        What trucks are driving.
    progress
        The last report of each truck.
    new_jobs
        Jobs that came up since.
    seconds
        Real seconds for all of it.
    seed, iterations
        As in `routing.solve.plan_day`.
    keep_s
        Seconds of driving that moving a stop to another truck must save.

    Raises
    ------
    BadProblem
        A new job or a report is wrong, or a place cannot be reached.
    """
    given_up = frozenset(one.job for one in plan.unserved if one.reason == PASSED_BY)
    now = situation_of(problem, plan, progress, new_jobs, given_up)
    check_jobs(problem, new_jobs)
    deadline = Deadline(seconds, len(now.open_jobs))
    orders: dict[str, tuple[Crew, int, Order]] = {}
    unserved = _passed_by(now)
    for crew in _crews(problem, now):
        found = best_orders(crew, _kept_orders(crew, now), deadline, seed, iterations, keep_s)
        unserved += reasons(crew, found)
        for outing, order in enumerate(found):
            orders[crew.outings[outing].truck.id] = crew, outing, order
    return plan_of(_rounds(problem, now, orders), unserved, now.jobs, problem.now_s, based_on=plan.id)


def as_it_stands(problem: CollectionProblem, plan: Plan, progress: Sequence[TruckProgress]) -> Plan:
    """Return the plan unchanged, with its times as they will be now: what a changed plan has to be compared with.

    Nothing is moved, added or dropped, so it may end after the shift.
    """
    given_up = frozenset(one.job for one in plan.unserved)
    now = situation_of(problem, plan, progress, (), given_up)
    orders: dict[str, tuple[Crew, int, Order]] = {}
    for crew in _crews(problem, now):
        for outing, order in enumerate(_kept_orders(crew, now)):
            orders[crew.outings[outing].truck.id] = crew, outing, order
    rounds = _rounds(problem, now, orders)
    planned = {stop.job for one in rounds for stop in one.stops} | {one.job for one in plan.unserved}
    unserved = [*plan.unserved, *(one for one in _passed_by(now) if one.job not in planned)]
    planned |= {one.job for one in unserved}
    unserved += [Unserved(job.id, job.place, NOT_PLANNED) for job in now.open_jobs if job.id not in planned]
    return plan_of(rounds, unserved, now.jobs, problem.now_s, based_on=plan.id)


def _crews(problem: CollectionProblem, now: Situation) -> list[Crew]:
    outings = [one.outing for one in now.standings if one.outing is not None]
    fixed = {one.truck: one.stream for one in now.standings if one.outing is not None and one.stream}
    return crews_of(problem, now.open_jobs, outings, fixed, now.keeper)


def _kept_orders(crew: Crew, now: Situation) -> list[Order]:
    rest = {one.truck: one.rest for one in now.standings}
    return [order_of(crew, rest[outing.truck.id]) for outing in crew.outings]


def _rounds(problem: CollectionProblem, now: Situation, orders: dict[str, tuple[Crew, int, Order]]) -> list[Round]:
    rounds = []
    for one in now.standings:
        if one.round is not None:
            rounds.append(one.round)
            continue
        stops, breaks = _stops(one, orders.get(one.truck))
        if stops:
            rounds.append(round_of(problem, one.truck, stops, breaks))
    return rounds


def _stops(one: Standing, free: tuple[Crew, int, Order] | None) -> tuple[list[Stop], tuple[Interval, ...]]:
    frozen = list(one.frozen)
    if free is None:
        return frozen, one.breaks
    crew, outing, order = free
    if not frozen or [stop.kind for stop in frozen] == ["start"]:
        return fresh_stops(crew, outing, order) if order else ([], ())
    if frozen[-1].kind == "end" and not order:
        return frozen, one.breaks
    stops, breaks = later_stops(crew, outing, order)
    return frozen + stops, (*one.breaks, *breaks)


def _passed_by(now: Situation) -> list[Unserved]:
    places = {job.id: job.place for job in now.jobs}
    return [Unserved(job, places[job], PASSED_BY) for job in now.passed_by]
