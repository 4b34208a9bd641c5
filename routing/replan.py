"""Changing a plan while trucks are out: what is driven stays, the next stop stays, the rest may change."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from city.plans import Job, Plan, Round, Stop, Unserved
from routing.clock import Interval
from routing.crew import Crew, Order
from routing.judged import FaultyPlan, judged
from routing.leftover import CUT_OFF, NOT_PLANNED, PASSED_BY, drop_until_fits, insert_leftovers, left_out, reasons
from routing.problem import CollectionProblem, Unreachable, check_jobs
from routing.progress import Situation, Standing, TruckProgress, situation_of
from routing.rounds import fresh_stops, later_stops, line_of, order_of, plan_of, round_of
from routing.solve import Deadline, better_orders, crews_of
from routing.vrp import Search

logger = logging.getLogger(__name__)

__all__ = ["KEEP_S", "TruckProgress", "as_it_stands", "crews_under_way", "improvements", "replan"]

# A stop moves to another truck when that saves more than this: drivers know their round. With 60 s a jam moved one stop
# in nine, with 120 s one in eleven, at the same cost.
KEEP_S = 120.0
# A search cools down as its time runs out, and has to be warm for what comes next: few long ones beat many short ones.
_FIRST_SLICE_S, _LONGER = 0.5, 8.0


def replan(
    problem: CollectionProblem,
    plan: Plan,
    progress: Sequence[TruckProgress],
    new_jobs: Sequence[Job] = (),
    seconds: float = 3.0,
    seed: int = 0,
    iterations: int | None = None,
    keep_s: float = KEEP_S,
    timer: Callable[[], float] = time.perf_counter,
) -> Plan:
    """Return the plan changed for how things are now: new jobs, other travel times, trucks where they are.

    Of each truck's round, the stops behind it and the one that it is committed to stay; so do those that it sets out to
    between its report and `now_s`, going on as it was told. The rest is free to change.
    A truck without a round stands at its depot and gets one if that is better; a truck that is home may go out again.
    A truck that is out and has not been heard of keeps its round as it is. What one that is no longer in the fleet did
    stays; others do the rest. A job that no street leads to any more is left out, with that reason.

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
    timer
        Tells seconds.

    Raises
    ------
    BadProblem
        A new job or a report is wrong, or a place cannot be reached.
    FaultyPlan
        What was found does not hold: a fault of this software.
    """
    began_s = timer()
    change = _Change(problem, plan, progress, new_jobs)
    deadline = Deadline(seconds - (timer() - began_s), len(change.now.open_jobs), timer)
    first = [one.inserted() for one in change.crews]
    found = [
        better_orders(Search(one.crew, orders, seed, keep_s), orders, deadline, iterations)
        for one, orders in zip(change.crews, first, strict=True)
    ]
    try:
        return change.plan(found)
    except FaultyPlan:
        return change.plan(first)


def improvements(
    problem: CollectionProblem,
    plan: Plan,
    progress: Sequence[TruckProgress],
    new_jobs: Sequence[Job] = (),
    seconds: float = 60.0,
    seed: int = 0,
    keep_s: float = KEEP_S,
    timer: Callable[[], float] = time.perf_counter,
) -> Iterator[Plan]:
    """Yield changed plans, as `replan` makes them: the first at once, then each that is better, until time is over.

    The first has the new jobs put where they fit best and nothing else changed; it comes before anything is searched
    for, and its rounds have no lines (`Round.path`) yet. Whoever accepts one stops asking.

    Parameters
    ----------
    problem, plan, progress, new_jobs, seconds, seed, keep_s, timer
        As in `replan`.

    Raises
    ------
    BadProblem
        A new job or a report is wrong, or a place cannot be reached.
    FaultyPlan
        Not even the first holds: a fault of this software.
    """
    ends_s = timer() + seconds
    change = _Change(problem, plan, progress, new_jobs)
    best = [one.inserted() for one in change.crews]
    yield change.plan(best, lines=False)
    price, drawn, writing_s = change.price(best, keep_s), False, 0.0
    searches, slice_s = change.searches(best, seed, keep_s), _FIRST_SLICE_S
    while not drawn or timer() + writing_s < ends_s:
        left_s = ends_s - writing_s - timer()
        # What is left after a slice has to be worth a slice of its own.
        some_s = slice_s if left_s > 1.5 * slice_s + writing_s else left_s
        deadline = Deadline(some_s, len(change.now.open_jobs), timer, spare_s=0.0)
        found = [better_orders(search, orders, deadline) for search, orders in zip(searches, best, strict=True)]
        slice_s *= _LONGER
        new_price = change.price(found, keep_s)
        if drawn and new_price >= price:
            continue
        began_s = timer()
        try:
            better = change.plan(found if new_price < price else best)
        except FaultyPlan as error:
            logger.warning("A better plan was dropped: %s", error)
            seed += 1
            searches = change.searches(best, seed, keep_s)
            if drawn or timer() < ends_s:
                continue
            better, found = change.plan(best), best
        if new_price < price and found is not best:
            best, price = found, new_price
        drawn, writing_s = True, timer() - began_s
        yield better


@dataclass(frozen=True)
class _Part:
    """A crew and the orders that it has now."""

    crew: Crew
    kept: list[Order]

    def inserted(self) -> list[Order]:
        """Return the orders with what is new put in, and without what no longer fits."""
        return insert_leftovers(self.crew, drop_until_fits(self.crew, self.kept))


class _Change:
    """A plan that is being changed: how things stand, and by crew what is open."""

    def __init__(
        self, problem: CollectionProblem, plan: Plan, progress: Sequence[TruckProgress], new_jobs: Sequence[Job]
    ) -> None:
        given_up = frozenset(one.job for one in plan.unserved if one.reason == PASSED_BY)
        check_jobs(problem, new_jobs)
        self.problem, self.before, self.progress = problem, plan, progress
        self.now = situation_of(problem, plan, progress, new_jobs, given_up)
        crews, self.cut_off = _crews(problem, self.now)
        self.crews = [_Part(crew, _kept_orders(crew, self.now)) for crew in crews]
        # Most rounds stay as they are from one answer to the next: each line is drawn once.
        self._lines: dict[tuple[str, ...], tuple[tuple[float, float], ...]] = {}

    def searches(self, start: Sequence[Sequence[Order]], seed: int, keep_s: float) -> list[Search]:
        """Return for each crew a search that begins with its orders."""
        return [Search(one.crew, orders, seed, keep_s) for one, orders in zip(self.crews, start, strict=True)]

    def price(self, found: Sequence[Sequence[Order]], keep_s: float) -> tuple[int, float]:
        """Return how many must jobs are left out, and what all of it costs: driving, moves, and prizes not earned."""
        missing, price = 0, 0.0
        for one, orders in zip(self.crews, found, strict=True):
            crew = one.crew
            for outing, order in enumerate(orders):
                price += crew.price(outing, order, crew.drive(outing, order))
                moved = sum(item >= 0 and crew.keeper[item] not in (-1, outing) for item in order)
                price += moved * keep_s * crew.problem.prices.driving_second
            out = left_out(crew, orders)
            missing += sum(crew.jobs[j].must for j in out)
            price += sum(crew.prize(j) for j in out if not crew.jobs[j].must)
        return missing, price

    def plan(self, found: Sequence[Sequence[Order]], lines: bool = True) -> Plan:
        """Return the plan of orders, judged."""
        orders: dict[str, tuple[Crew, int, Order]] = {}
        unserved = [*_passed_by(self.now), *self.cut_off]
        for one, mine in zip(self.crews, found, strict=True):
            unserved += reasons(one.crew, mine)
            for outing, order in enumerate(mine):
                orders[one.crew.outings[outing].truck.id] = one.crew, outing, order
        rounds = _rounds(self.problem, self.now, orders, lines=False)
        if lines:
            rounds = [one if one.path else self._drawn(one) for one in rounds]
        changed = plan_of(rounds, unserved, self.now.jobs, self.problem.now_s, based_on=self.before.id)
        return judged(changed, self.problem, self.progress, self.before)

    def _drawn(self, one: Round) -> Round:
        places = (one.truck, *(stop.job or stop.place for stop in one.stops))
        if places not in self._lines:
            self._lines[places] = line_of(self.problem, one.stops)
        return msgspec.structs.replace(one, path=self._lines[places])


def crews_under_way(
    problem: CollectionProblem, plan: Plan, progress: Sequence[TruckProgress], new_jobs: Sequence[Job] = ()
) -> list[Crew]:
    """Return what `replan` has to decide, by crew: what is open, and from where and when each truck is free."""
    return [one.crew for one in _Change(problem, plan, progress, new_jobs).crews]


def as_it_stands(problem: CollectionProblem, plan: Plan, progress: Sequence[TruckProgress], lines: bool = True) -> Plan:
    """Return the plan unchanged, with its times as they will be now: what a changed plan has to be compared with.

    Nothing is moved, added or dropped, so it may end after the shift. Without `lines` its rounds have no `Round.path`.
    """
    given_up = frozenset(one.job for one in plan.unserved)
    now = situation_of(problem, plan, progress, (), given_up)
    orders: dict[str, tuple[Crew, int, Order]] = {}
    crews, cut_off = _crews(problem, now)
    for crew in crews:
        for outing, order in enumerate(_kept_orders(crew, now)):
            orders[crew.outings[outing].truck.id] = crew, outing, order
    rounds = _rounds(problem, now, orders, lines)
    planned = {stop.job for one in rounds for stop in one.stops} | {one.job for one in plan.unserved}
    unserved = [*plan.unserved, *(one for one in _passed_by(now) if one.job not in planned)]
    unserved += [one for one in cut_off if one.job not in {other.job for other in unserved}]
    planned |= {one.job for one in unserved}
    unserved += [Unserved(job.id, job.place, NOT_PLANNED) for job in now.open_jobs if job.id not in planned]
    return plan_of(rounds, unserved, now.jobs, problem.now_s, based_on=plan.id)


def _crews(problem: CollectionProblem, now: Situation) -> tuple[list[Crew], list[Unserved]]:
    """Return the crews, and the jobs that streets which are closed now cut off."""
    outings = [one.outing for one in now.standings if one.outing is not None]
    fixed = {one.truck: one.stream for one in now.standings if one.outing is not None and one.stream}
    jobs = {job.id: job for job in now.open_jobs}
    cut_off: list[Unserved] = []
    while True:
        try:
            return crews_of(problem, tuple(jobs.values()), outings, fixed, now.keeper), cut_off
        except Unreachable as error:
            if error.what not in jobs:
                raise
            cut_off.append(Unserved(error.what, jobs.pop(error.what).place, CUT_OFF))


def _kept_orders(crew: Crew, now: Situation) -> list[Order]:
    rest = {one.truck: one.rest for one in now.standings}
    return [order_of(crew, rest[outing.truck.id]) for outing in crew.outings]


def _rounds(
    problem: CollectionProblem, now: Situation, orders: dict[str, tuple[Crew, int, Order]], lines: bool = True
) -> list[Round]:
    rounds = []
    for one in now.standings:
        if one.round is not None:
            rounds.append(one.round)
            continue
        stops, breaks = _stops(one, orders.get(one.truck))
        if stops:
            rounds.append(round_of(problem, one.truck, stops, breaks, lines))
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
