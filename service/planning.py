"""The planner: a plan of the day when it is time, and ever better proposals to change it when something happens."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from city.clock import Clock, local_midnight_s
from city.errors import RondeError
from city.findings import Incident
from city.plans import Plan, Proposal
from city.register import Register
from models.rows import Floats
from service.causes import Causes, stale_jobs
from service.day_limits import DayLimits
from service.day_work import DayWork
from service.dispatch import Dispatcher
from service.driven_plan import DrivenPlan
from service.occasions import is_occasion, lifts_in_wind, retries, trucks_in_wind, winds
from service.plan_requests import PlanRequests
from service.progress import RoundProgress
from service.proposing import PLANNER, Change, Proposer, good_until_s
from service.set_aside import without
from service.settings import PlanningSettings
from service.snapshot import Snapshot
from service.solver_pool import Search, SolverPool
from service.solving import SolveAnswer, SolveRequest
from store.desk import AlreadyDecided, Desk, PlaceVeto

logger = logging.getLogger(__name__)

# Real seconds until what failed is tried again.
_RETRY_S = 15.0
# Real seconds that a proposal stands at least before it is reckoned anew because its times have passed: where the
# city's time runs fast, people still read slowly.
_LEAST_STANDING_S = 15.0


class _Day(NamedTuple):
    """A request for the plan of the day, or for what is missing in it (then it has a plan), that the worker has."""

    request: SolveRequest
    future: "Future[SolveAnswer]"


class Planner:
    """Decides when to plan, what about, and what becomes of the answer. Driven by `step`, from one thread.

    A plan that `routing.check` has not judged, or that it found fault with, never becomes the current one and is
    never proposed.

    Parameters
    ----------
    publish
        Takes the name and the data of a live event.
    usual_ratio
        Returns the usual speed of approaches at moments, see `observed_approaches`.
    limits
        When nobody may work at a place; None = nothing is known of that.
    """

    def __init__(
        self,
        register: Register,
        desk: Desk,
        clock: Clock,
        pool: SolverPool,
        dispatcher: Dispatcher,
        planning: PlanningSettings,
        *,
        seed: int,
        publish: Callable[[str, Any], None],
        usual_ratio: Callable[[Sequence[float]], Floats] | None = None,
        limits: DayLimits | None = None,
    ) -> None:
        self._register = register
        self._desk = desk
        self._clock = clock
        self._pool = pool
        self._planning = planning
        self._timezone = ZoneInfo(register.timezone)
        self._lock = threading.RLock()
        self._answered = threading.Event()
        self._day: _Day | None = None
        self._change: Change | None = None
        self._searched_at_s = 0.0
        self._retry_at_s = 0.0
        self._ready_since_s: float | None = None
        self._incomplete = False
        self._work = DayWork(register, planning)
        self._limits = limits or DayLimits(register)
        self._requests = PlanRequests(register, clock, planning, self._limits, seed=seed, usual_ratio=usual_ratio)
        self._causes = Causes(register, planning)
        self._proposer = Proposer(register, desk, clock, planning, self._causes, publish)
        self._causes.remember_rejected(desk.proposals("rejected"), {one.id: one for one in desk.incidents()})
        self._driven = DrivenPlan(register, desk, clock, dispatcher, planning, publish)
        self.fault = ""
        self.solved = 0

    @property
    def plan(self) -> Plan | None:
        """The current plan."""
        return self._driven.current

    @property
    def is_solving(self) -> bool:
        """Whether the worker has a request."""
        return self._day is not None or self._change is not None

    @property
    def improving(self) -> str:
        """Id of the proposal that a better plan is being searched for; empty if there is none."""
        change = self._change
        return change.proposal if change is not None else ""

    def good_until_s(self, proposal: Proposal) -> float | None:
        """Return until when the times of an open proposal hold; None for one that is decided."""
        if proposal.status != "open":
            return None
        return good_until_s(proposal, self._driven.current, self._planning.outdated_s)

    def note_of(self, incident: str) -> str:
        """Return why nothing is proposed for an incident, empty if there is nothing to say."""
        return self._causes.notes.get(incident, "")

    def todays_plan(self, now_s: float) -> Plan | None:
        """Return the current plan, without the stops that were refused, if it is of the local day of `now_s`."""
        return self._driven.today(now_s)

    def progress(self, snapshot: Snapshot) -> dict[str, RoundProgress]:
        """Return how far the trucks are in today's plan."""
        return self._driven.progress(snapshot)

    def resume(self) -> None:
        """After a start: send the rounds of today's plan again; trucks know those that they have."""
        self._driven.resume()

    def wait(self, seconds: float) -> None:
        """Return when the solver has answered, or after so many real seconds."""
        self._answered.wait(seconds)
        self._answered.clear()

    def step(self, snapshot: Snapshot, incidents: list[Incident]) -> None:
        """Look at the city and do what is due.

        Parameters
        ----------
        incidents
            Those of the desk that go on and that nobody dismissed.
        """
        if not snapshot.ready:
            return
        with self._lock:
            self._ready_since_s = self._ready_since_s or time.monotonic()
            self._driven.refuse(snapshot)
            if self._day is not None:
                if self._day.future.done():
                    day, self._day = self._day, None
                    self._take_day(day)
                return
            if self._change is not None and self._change.future.done():
                self._take(self._change, snapshot)
            if time.monotonic() < self._retry_at_s or (self._change is not None and not self._change.answers):
                return
            plan = self.todays_plan(snapshot.now_s)
            if plan is None:
                if self._work.is_due(snapshot, time.monotonic() - self._ready_since_s):
                    self._begin_day(snapshot, incidents)
            elif self._incomplete and self._work.is_known(snapshot):
                self._complete_day(snapshot, plan)
            else:
                self._consider(snapshot, incidents, plan)

    def accept(self, id: str, by: str, reason: str, plan: str | None = None) -> Proposal:
        """Accept a proposal: its plan becomes the current one, and the trucks that it changes are told.

        Parameters
        ----------
        plan
            Id of the plan that was looked at: if a better one has taken its place, it is accepted all the same. None =
            the newest.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or it is no longer open.
        ReckonedAnew
            The plan that was looked at is no longer proposed.
        """
        with self._lock:
            decided = self._desk.decide_proposal(id, True, by, reason, self._clock.now_s(), plan=plan)
            self._end_search()
            self._causes.settled(decided.incidents)
            self._driven.change(decided.plan, list(decided.difference.trucks))
            self._proposer.announce(decided, improving=False)
            return decided

    def reject(self, id: str, by: str, reason: str, veto: PlaceVeto | None = None) -> Proposal:
        """Reject a proposal; the same is not proposed again unless things change.

        Parameters
        ----------
        veto
            What it says of one of its places, if that is the reason: it is remembered like a driver's.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or it is no longer open.
        BadInput
            No reason is given.
        """
        with self._lock:
            decided = self._desk.decide_proposal(id, False, by, reason, self._clock.now_s(), veto=veto)
            self._end_search()
            known = {one: self._desk.incident(one) for one in decided.incidents if not is_occasion(one)}
            self._causes.remember_rejected([decided], known)
            self._proposer.announce(decided, improving=False)
            return decided

    def _begin_day(self, snapshot: Snapshot, incidents: list[Incident]) -> None:
        jobs = self._work.jobs(snapshot, incidents)
        if not jobs:
            self._retry_at_s = time.monotonic() + _RETRY_S
            return
        self._incomplete = not self._work.is_known(snapshot)
        self._ask(self._requests.day(snapshot, jobs))

    def _complete_day(self, snapshot: Snapshot, plan: Plan) -> None:
        """Add what was not known when the plan of the day was made."""
        self._incomplete = False
        if missing := self._work.missing(snapshot, plan):
            self._end_search()
            plan = self._driven.for_the_solver(plan)
            self._ask(self._requests.complete(snapshot, plan, self.progress(snapshot), missing))

    def _ask(self, request: SolveRequest) -> None:
        try:
            future = self._pool.submit(request)
        except Exception as error:
            self._day_failed(request, f"The solver does not start: {error}")
            return
        self._day = _Day(request, future)
        future.add_done_callback(lambda _: self._answered.set())

    def _take_day(self, day: _Day) -> None:
        try:
            answer = day.future.result()
        except Exception as error:
            self._day_failed(day.request, _why(error))
            return
        self.solved += 1
        if answer.violations:
            self._day_failed(day.request, _broken(answer.violations[0]))
            return
        self.fault = ""
        if day.request.plan is None or (self.plan is not None and day.request.plan.id == self.plan.id):
            self._use(answer)
        else:
            # A proposal was accepted meanwhile: what is missing has to be added to that plan now.
            self._incomplete = True

    def _day_failed(self, request: SolveRequest, why: str) -> None:
        # What was missing in the plan of the day is still missing.
        self._incomplete = self._incomplete or request.plan is not None
        self._failed(why)

    def _consider(self, snapshot: Snapshot, incidents: list[Incident], plan: Plan) -> None:
        progress = self.progress(snapshot)
        incidents = [*incidents, *self._occasions(plan, progress, snapshot)]
        standing = self._desk.proposals("open")
        going_on = {one.id for one in incidents}
        asked_by = {incident for one in standing for incident in one.incidents}
        if asked_by and not asked_by & going_on:
            self._proposer.withdraw(standing, snapshot, "what it was made for is over")
            standing, asked_by = [], set()
        searched = {one.id for one in self._change.causes} if self._change else set()
        if searched and not searched & going_on:
            self._end_search()
        causes = self._causes.due(snapshot, incidents, plan, progress, asked_by | searched)
        if not causes and self._is_stale(standing, going_on, plan, snapshot):
            causes = self._causes.due(snapshot, incidents, plan, progress, asked_by, force=True)
        if not causes:
            return
        known = {one.id for one in plan.jobs}
        new_jobs = tuple(job for id, job in self._work.asked(snapshot, causes).items() if id not in known)
        # What a crane is bound to and may not lift when it gets there is taken from it, so that it can be done later.
        no_lifting = self._limits.wind().no_lifting(snapshot.now_s)
        must_know = trucks_in_wind(plan, progress, no_lifting, snapshot.now_s)
        held = lifts_in_wind(plan, progress, no_lifting, snapshot.now_s)
        if held:
            plan = without(plan, held)
            progress = self._driven.progress_in(plan, snapshot)
        request = self._requests.change(snapshot, self._driven.for_the_solver(plan), progress, new_jobs)
        self._search(request, tuple(causes), must_know)

    def _occasions(self, plan: Plan, progress: dict[str, RoundProgress], snapshot: Snapshot) -> list[Incident]:
        """Return what asks for another plan besides incidents."""
        left_out = {one.job for one in plan.unserved}
        aside = {id: one for id, one in self._driven.aside.items() if id in left_out}
        wind = self._limits.wind()
        return [
            *retries(self._register, plan, aside, self._work.ends_s(snapshot.now_s)),
            *winds(self._register, plan, progress, wind, snapshot.now_s),
        ]

    def _is_stale(self, standing: list[Proposal], going_on: set[str], plan: Plan, snapshot: Snapshot) -> bool:
        """Say whether what stands has to be reckoned anew, and is not being so."""
        if self._change is not None and self._change.proposal not in {one.id for one in standing}:
            return False
        since_s = local_midnight_s(snapshot.now_s, self._timezone)
        for one in standing:
            if not going_on.issuperset(one.incidents) or stale_jobs(one, plan, snapshot.visits, since_s):
                return True
            rested = time.monotonic() >= self._searched_at_s + _LEAST_STANDING_S
            if rested and snapshot.now_s > good_until_s(one, plan, self._planning.outdated_s):
                return True
        return False

    def _search(self, request: SolveRequest, causes: tuple[Incident, ...], must_know: frozenset[str]) -> None:
        """Begin to search for a change; the search that went on ends."""
        self._end_search()
        try:
            search = self._pool.search(request)
            self._change = Change(request, causes, search, self._next(search), must_know=must_know)
        except Exception as error:
            self._failed(f"The solver does not start: {error}")
        self._searched_at_s = time.monotonic()

    def _next(self, search: Search) -> "Future[SolveAnswer | None]":
        future = search.next()
        future.add_done_callback(lambda _: self._answered.set())
        return future

    def _end_search(self) -> None:
        if self._change is not None:
            self._change.search.end()
            self._change = None

    def _take(self, change: Change, snapshot: Snapshot) -> None:
        """Take the next answer of a search; what it has found before stands whatever becomes of it."""
        try:
            answer = change.future.result()
        except Exception as error:
            self._end_search()
            if change.proposal:
                logger.warning("The search for a better plan has ended: %s", _why(error))
                self._proposer.over(change, snapshot)
            else:
                self._failed(_why(error))
            return
        if answer is None:
            self._end_search()
            if change.fault and not change.proposal:
                self._causes.answered(change.causes, "the change that was found breaks a rule")
                self._failed(_broken(change.fault))
            else:
                self._proposer.over(change, snapshot)
            return
        self.solved += 1
        change.answers += 1
        change.future = self._next(change.search)
        if answer.violations:
            change.fault = answer.violations[0]
            logger.error("%s", _broken(change.fault))
            return
        self.fault = ""
        try:
            self._proposer.propose(change, answer, snapshot)
        except AlreadyDecided as error:
            logger.info("%s", error)
            self._end_search()

    def _use(self, answer: SolveAnswer) -> None:
        plan = answer.plan
        now_s = self._clock.now_s()
        before = self.todays_plan(now_s)
        self._desk.put_plan(plan)
        self._desk.set_current_plan(plan.id, now_s, PLANNER)
        self._desk.supersede_open_proposals(now_s, PLANNER)
        rounds = (*plan.rounds, *(before.rounds if before else ()))
        self._driven.change(plan, sorted({one.truck for one in rounds}))
        logger.info(
            "The plan of the day is made: %d rounds, %.0f km, %d jobs, %d left for another day.",
            len(plan.rounds),
            plan.distance_m / 1000,
            len(plan.jobs),
            len(plan.unserved),
        )

    def _failed(self, problem: str) -> None:
        self.fault = problem
        self._retry_at_s = time.monotonic() + _RETRY_S
        logger.error("%s", problem)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, RondeError) else f"The solver failed: {error or type(error).__name__}."


def _broken(violation: str) -> str:
    return f"A plan was thrown away because it breaks a rule: {violation}"
