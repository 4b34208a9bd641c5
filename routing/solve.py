"""A day plan: rounds for all trucks, and a reason for each job that is in none."""

import time
from collections.abc import Callable, Mapping, Sequence

from city.places import Truck
from city.plans import Job, Plan, Round, Unserved
from routing.crew import Crew, Order, Outing, Position
from routing.judged import FaultyPlan, judged
from routing.leftover import drop_until_fits, insert_leftovers, left_out, reasons, unexplained
from routing.problem import CollectionProblem
from routing.rounds import fresh_stops, order_of, plan_of, round_of
from routing.streams import assign_streams, stream_of
from routing.vrp import Search


def plan_day(
    problem: CollectionProblem,
    seconds: float = 5.0,
    seed: int = 0,
    iterations: int | None = None,
    start: Plan | None = None,
    timer: Callable[[], float] = time.perf_counter,
    explains: bool = True,
) -> Plan:
    """Return rounds that do the must jobs, and of the others those that are worth their detour.

    Driving costs by time and distance (see `routing.crew`). A job that is left out stands in `Plan.unserved` with its
    reason, a must job too. The same problem, seed and `iterations` give the same plan.

    Parameters
    ----------
    problem
        The day.
    seconds
        Real seconds for all of it, travel times and lines on the map included (about 1 s of 5 for 250 jobs).
    seed
        Of the search.
    iterations
        Of the search in each crew, instead of seconds.
    start
        A plan for the same trucks to begin with, such as that of a shorter search.
    timer
        Tells seconds; `time.process_time` where the machine is not one's own.
    explains
        Whether to look for the reasons, which takes half as long as a short search where nobody reads them.

    Raises
    ------
    BadProblem
        A place cannot be reached.
    FaultyPlan
        What was found does not hold: a fault of this software.
    """
    deadline = Deadline(seconds, len(problem.jobs), timer)
    outings = [_whole_day(problem, truck) for truck in problem.trucks]
    crews = crews_of(problem, problem.jobs, outings, {}, {})
    first = [_begin(crew, start) for crew in crews]
    found = [
        better_orders(Search(crew, orders, seed), orders, deadline, iterations)
        for crew, orders in zip(crews, first, strict=True)
    ]
    try:
        return judged(plan_of_orders(problem, list(zip(crews, found, strict=True)), explains), problem)
    except FaultyPlan:
        filled = [insert_leftovers(crew, orders) for crew, orders in zip(crews, first, strict=True)]
        return judged(plan_of_orders(problem, list(zip(crews, filled, strict=True)), explains), problem)


def crew_of_day(problem: CollectionProblem) -> Crew:
    """Return all trucks and jobs of a day as one crew."""
    return Crew(problem, problem.jobs, tuple(_whole_day(problem, truck) for truck in problem.trucks))


def plan_of_orders(
    problem: CollectionProblem, found: Sequence[tuple[Crew, Sequence[Order]]], explains: bool = True
) -> Plan:
    """Return the day plan of crews' orders, which fit."""
    rounds: list[Round] = []
    unserved: list[Unserved] = []
    for crew, orders in found:
        unserved += reasons(crew, orders) if explains else unexplained(crew, orders)
        for outing, order in enumerate(orders):
            if order:
                rounds.append(round_of(problem, crew.outings[outing].truck.id, *fresh_stops(crew, outing, order)))
    return plan_of(rounds, unserved, problem.jobs, problem.now_s)


class Deadline:
    """Real time that is shared out over crews by their jobs, with some kept back for drawing rounds."""

    def __init__(
        self,
        seconds: float,
        jobs: int,
        timer: Callable[[], float] = time.perf_counter,
        spare_s: float | None = None,
    ) -> None:
        self.timer = timer
        kept_s = min(0.4 * seconds, 0.1 + 0.0025 * jobs) if spare_s is None else spare_s
        self._ends_s = timer() + seconds - kept_s
        self._jobs_left = jobs

    def share_s(self, jobs: int) -> float:
        """Return the seconds for a search over so many jobs, and count them as done."""
        left_s = max(0.0, self._ends_s - self.timer())
        share = jobs / max(jobs, self._jobs_left, 1)
        self._jobs_left -= jobs
        return left_s * share


def crews_of(
    problem: CollectionProblem,
    jobs: Sequence[Job],
    outings: Sequence[Outing],
    fixed: Mapping[str, str],
    keeper: Mapping[str, str],
) -> list[Crew]:
    """Return the crews of a day: one for each stream that has jobs or trucks under way.

    Parameters
    ----------
    fixed
        Stream that a truck has begun with, by truck.
    keeper
        Truck that has the job in the plan that is being changed, by job.
    """
    stream_by_truck = assign_streams([one.truck for one in outings], jobs, fixed)
    streams = sorted({stream_of(job) for job in jobs} | set(fixed.values()))
    crews = []
    for stream in streams:
        mine = tuple(one for one in outings if stream_by_truck.get(one.truck.id) == stream)
        number = {one.truck.id: i for i, one in enumerate(mine)}
        shared = tuple(job for job in jobs if stream_of(job) == stream)
        keepers = tuple(number.get(keeper.get(job.id, ""), -1) for job in shared)
        crews.append(Crew(problem, shared, mine, keepers))
    return crews


def better_orders(
    search: Search, start: Sequence[Order], deadline: Deadline, iterations: int | None = None
) -> list[Order]:
    """Return orders that fit: what a search finds when it goes on, repaired and filled; `start` if it does more."""
    crew = search.crew
    found = search.go_on(deadline.share_s(len(crew.jobs)), iterations, deadline.timer)
    # What the search calls feasible may not be when sites differ in their hours; then less is done, never too late.
    found = insert_leftovers(crew, drop_until_fits(crew, found))
    return found if _missing(crew, found) <= _missing(crew, start) else [list(order) for order in start]


def _begin(crew: Crew, plan: Plan | None) -> list[Order]:
    """Return what a plan has of the crew's jobs, as far as it fits, or nothing."""
    stops = {one.truck: one.stops for one in plan.rounds} if plan else {}
    orders = [order_of(crew, stops.get(outing.truck.id, ())) for outing in crew.outings]
    return insert_leftovers(crew, drop_until_fits(crew, orders)) if any(orders) else orders


def _missing(crew: Crew, orders: Sequence[Order]) -> int:
    return sum(crew.jobs[j].must for j in left_out(crew, orders))


def _whole_day(problem: CollectionProblem, truck: Truck) -> Outing:
    depot = problem.depot_of[truck.id]
    start_s, end_s = problem.shift(truck)
    free_s = max(start_s, problem.now_s)
    here = Position(depot.id, depot.lon, depot.lat)
    breaks = tuple(due for due in problem.breaks(truck) if due[0] >= free_s)
    return Outing(truck, depot, here, free_s, end_s, breaks=breaks)
