"""What the solver is asked and answers: a plan of the day, or ever better changes of one. Pure but for the network."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import msgspec

from city.places import Depot, Truck, UnloadingSite
from city.plans import Difference, Job, Plan, Round
from routing.check import CheckReport, check_plan
from routing.clock import Interval
from routing.congestion import ObservedApproach, edge_congestion
from routing.difference import difference
from routing.driving_rules import DrivingRules
from routing.network import Network
from routing.opening_hours import closed_hours, hours_at
from routing.problem import CollectionProblem
from routing.replan import TruckProgress, as_it_stands, improvements, replan
from routing.rounds import plan_of, round_of
from routing.solve import plan_day
from routing.travel import Travel, TravelTimes
from routing.truck_limits import size_of
from service.valhalla_travel import ValhallaTravel

# Nobody drives through an inner city that is closed to save less than this, and no stop in it stops all planning.
_CLOSED_ENTRY_S = 3600.0
# Share of the seconds that a day plan gets again, when a must job has to be done in a peak after all.
AGAIN = 0.5
# A better change is told when it saves as much as this much driving.
_LEAST_GAIN_S = 60.0
# Leaving out what must be done outweighs any driving.
_MUST_S = 1e6


@dataclass(frozen=True)
class SolveRequest:
    """A day plan to make (`plan` None), or a plan to change for new jobs and for traffic as it is now.

    `in_peak` are must jobs as they may be done if a day has no room for them outside of the peak of their street.
    """

    jobs: tuple[Job, ...]
    trucks: tuple[Truck, ...]
    depots: tuple[Depot, ...]
    unloading_sites: tuple[UnloadingSite, ...]
    day_start_s: float
    now_s: float
    seconds: float
    seed: int
    observed: tuple[ObservedApproach, ...] = ()
    plan: Plan | None = None
    progress: tuple[TruckProgress, ...] = ()
    new_jobs: tuple[Job, ...] = ()
    no_lifting: tuple[Interval, ...] = ()
    in_peak: tuple[Job, ...] = ()


@dataclass(frozen=True)
class SolveAnswer:
    """A plan that was judged by code that shares nothing with the solver; `violations` empty = it may be driven.

    `left_alone` is the old plan with its times as they will be now if nothing is changed; None for a day plan.
    `change` is the difference to it. `took_s` is real time.
    """

    plan: Plan
    violations: tuple[str, ...]
    distance_m: float
    duration_s: float
    took_s: float
    change: Difference | None = None
    left_alone: Plan | None = None
    left_alone_violations: tuple[str, ...] = field(default=())


_network: Network | None = None
_router = ""


def solve_request(request: SolveRequest) -> SolveAnswer:
    """Solve a request in this process; `service.solver_pool` does the same in another one."""
    began_s = time.monotonic()
    problem = _problem(request)
    if request.plan is not None:
        plan = replan(problem, request.plan, request.progress, request.new_jobs, request.seconds, request.seed)
        return _Compared(problem, request).answer(plan, began_s)
    plan = plan_day(problem, request.seconds, request.seed)
    if request.in_peak and _musts_left_out(plan):
        problem, plan = _within_peaks(request, problem, plan)
    report = check_plan(plan, problem)
    return SolveAnswer(plan, tuple(report.violations), report.distance_m, report.duration_s, time.monotonic() - began_s)


def _musts_left_out(plan: Plan) -> int:
    left_out = {one.job for one in plan.unserved}
    return sum(job.must and job.id in left_out for job in plan.jobs)


def _within_peaks(request: SolveRequest, problem: CollectionProblem, plan: Plan) -> tuple[CollectionProblem, Plan]:
    """Return the day and its plan in which musts may stand in a peak, if that leaves out fewer of them."""
    free = {job.id: job for job in request.in_peak}
    freed = replace(problem, jobs=tuple(free.get(job.id, job) for job in problem.jobs))
    found = plan_day(freed, AGAIN * request.seconds, request.seed)
    if _musts_left_out(found) >= _musts_left_out(plan):
        return problem, plan
    leaves_s = {stop.job: stop.leave_s for one in found.rounds for stop in one.stops if stop.job}
    careful = {job.id: job for job in problem.jobs}
    for id in free:
        at_s = leaves_s.get(id)
        begins_s = None if at_s is None else at_s - careful[id].service_s
        if at_s is None or begins_s is None or not any(a < at_s and begins_s < b for a, b in careful[id].avoid):
            free[id] = careful[id]
    jobs = tuple(free.get(job.id, job) for job in problem.jobs)
    return replace(problem, jobs=jobs), msgspec.structs.replace(found, jobs=jobs)


def ever_better(request: SolveRequest, timer: Callable[[], float] = time.perf_counter) -> Iterator[SolveAnswer]:
    """Yield ever better changes of a request's plan in this process: the first at once, each clearly better.

    Parameters
    ----------
    timer
        Tells seconds, as in `routing.replan.improvements`; one that leaps ahead ends the search.
    """
    began_s = time.monotonic()
    if request.plan is None:
        raise RuntimeError("there is no plan to change")
    problem = _problem(request)
    found = improvements(
        problem, request.plan, request.progress, request.new_jobs, request.seconds, request.seed, timer=timer
    )
    compared: _Compared | None = None
    least_s = math.inf
    for plan in found:
        compared = compared or _Compared(problem, request)
        price_s = compared.price_s(plan)
        # Somebody reads what is proposed: it changes for something, not for seconds.
        if price_s <= least_s - _LEAST_GAIN_S or least_s == math.inf:
            least_s = price_s
            yield compared.answer(compared.with_lines(plan), began_s)


def use_network(network: Network, router: str = "") -> None:
    """Solve over this network in this process, or with the travel times of a Valhalla server.

    A worker process loads the network once and keeps it.
    """
    global _network, _router
    _network, _router = network, router


class _Compared:
    """Judges changed plans, and compares them with the plan that they change as it will be now if left alone."""

    def __init__(self, problem: CollectionProblem, request: SolveRequest) -> None:
        assert request.plan is not None  # noqa: S101 - nobody compares a day plan
        self._problem, self._before, self._progress = problem, request.plan, request.progress
        self._alone = as_it_stands(problem, request.plan, request.progress, lines=False)
        self._alone_violations = self._judged(self._alone).violations

    def answer(self, plan: Plan, began_s: float) -> SolveAnswer:
        report = self._judged(plan)
        return SolveAnswer(
            plan,
            tuple(report.violations),
            report.distance_m,
            report.duration_s,
            time.monotonic() - began_s,
            difference(self._alone, plan),
            self._alone,
            tuple(self._alone_violations),
        )

    def price_s(self, plan: Plan) -> float:
        """Return what a plan costs, in seconds of driving; what it leaves undone costs what doing it is worth."""
        jobs = {job.id: job for job in plan.jobs}
        left = [jobs[one.job] for one in plan.unserved if one.job in jobs]
        undone_s = sum(job.prize_s + _MUST_S * job.must for job in left)
        return self._judged(plan).cost / self._problem.prices.driving_second + undone_s

    def with_lines(self, plan: Plan) -> Plan:
        """Return a plan whose rounds have lines: those that were drawn where nothing is changed, others drawn anew."""
        drawn = {one.truck: one.path for one in self._before.rounds}
        alone = {one.truck: _visited(one) for one in self._alone.rounds}
        rounds = [
            one
            if one.path
            else msgspec.structs.replace(one, path=drawn[one.truck])
            if one.truck in drawn and alone.get(one.truck) == _visited(one)
            else round_of(self._problem, one.truck, one.stops, one.breaks)
            for one in plan.rounds
        ]
        return plan_of(rounds, plan.unserved, plan.jobs, plan.made_at_s, plan.based_on)

    def _judged(self, plan: Plan) -> CheckReport:
        return check_plan(plan, self._problem, self._progress, self._before)


def _visited(one: Round) -> list[str]:
    return [stop.place for stop in one.stops]


def _problem(request: SolveRequest) -> CollectionProblem:
    if _network is None:
        raise RuntimeError("the worker has no road network")
    jobs = request.jobs + tuple(job for job in request.new_jobs if job.id not in {one.id for one in request.jobs})
    return CollectionProblem(
        jobs=jobs,
        trucks=request.trucks,
        depots=request.depots,
        unloading_sites=request.unloading_sites,
        day_start_s=request.day_start_s,
        now_s=request.now_s,
        travel=_travel(_network, request),
        no_lifting=request.no_lifting,
    )


def _travel(network: Network, request: SolveRequest) -> Travel:
    # Streets must do for every truck of the fleet: any of them may be sent to a stop.
    size = size_of(request.trucks)
    if _router:
        return ValhallaTravel(_router, size)
    seen = edge_congestion(network, request.observed)
    hour = (request.now_s - request.day_start_s) / 3600.0 % 24.0
    later = _open_later(network, request, hour)
    rules = DrivingRules(size=size, hour=hour, closed_entry_s=_CLOSED_ENTRY_S, open_later=later)
    return TravelTimes(network, seen.factor, seen.exit_delay_s, rules)


def _open_later(network: Network, request: SolveRequest, hour: float) -> frozenset[tuple[float, float]]:
    """Return the hours of streets that open again today for something that is to be done there, see `DrivingRules`."""
    jobs = (*request.jobs, *request.new_jobs)
    opens, closes = hours_at(network, [one.lon for one in jobs], [one.lat for one in jobs])
    ends_hour = max((one.shift_start_hour + one.shift_duration_s / 3600.0 for one in request.trucks), default=24.0)
    return frozenset(
        (float(one), float(other))
        for one, other in zip(opens, closes, strict=True)
        if any(begins <= hour < ends < ends_hour for begins, ends in closed_hours(one, other))
    )
