"""The planner: a plan of the day when it is time, and ever better proposals to change it when something happens."""

import logging
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from city.clock import Clock, local_midnight_s
from city.errors import RondeError
from city.findings import Incident
from city.plans import Job, Plan, Proposal
from city.register import Register
from models.rows import Floats
from service.causes import Causes, stale_jobs
from service.day_limits import DayLimits
from service.dispatch import Dispatcher
from service.jobs import day_jobs, hours_from_s, incident_jobs, local_hour, open_dumpings
from service.occasions import is_occasion, lifts_in_wind, retries, trucks_in_wind, winds
from service.plan_requests import PlanRequests
from service.progress import RoundProgress, done_jobs, plan_progress
from service.proposing import PLANNER, Change, Proposer, good_until_s
from service.set_aside import SetAside, for_the_solver, refused_jobs, without
from service.settings import PlanningSettings
from service.snapshot import Snapshot
from service.solver_pool import Search, SolverPool
from service.solving import SolveAnswer, SolveRequest
from store.desk import Desk, PlaceVeto

logger = logging.getLogger(__name__)

# A plan is not worth making when every shift ends sooner than this.
_LEAST_SHIFT_S = 1800.0
# So many of the containers with a sensor have to be known for a plan of the day to be called complete.
_ENOUGH_KNOWN = 0.9
_MAY_BE_UNREAD = 200
_DAY_S = 86_400.0
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
        self._dispatcher = dispatcher
        self._planning = planning
        self._publish = publish
        self._timezone = ZoneInfo(register.timezone)
        self._lock = threading.RLock()
        self._answered = threading.Event()
        self._day: _Day | None = None
        self._change: Change | None = None
        self._searched_at_s = 0.0
        self._retry_at_s = 0.0
        self._ready_since_s: float | None = None
        self._incomplete = False
        self._measured = [
            one.entity
            for one in register.installations
            if one.entity in register.containers and one.valid_until_s is None
        ]
        self._limits = limits or DayLimits(register)
        self._requests = PlanRequests(register, clock, planning, self._limits, seed=seed, usual_ratio=usual_ratio)
        self._causes = Causes(register, planning)
        self._proposer = Proposer(register, desk, clock, planning, self._causes, publish)
        self._causes.remember_rejected(desk.proposals("rejected"), {one.id: one for one in desk.incidents()})
        self._plan = desk.current_plan()
        # The current plan without the stops that drivers refused, and why each of these is not in it.
        self._driven = self._plan
        self._aside: dict[str, SetAside] = {}
        self._snapshot: Snapshot | None = None
        self._told_at_s = self._decided_at_s()
        self.fault = ""
        self.solved = 0

    @property
    def plan(self) -> Plan | None:
        """The current plan."""
        return self._plan

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
        return good_until_s(proposal, self._plan, self._planning.outdated_s)

    def note_of(self, incident: str) -> str:
        """Return why nothing is proposed for an incident, empty if there is nothing to say."""
        return self._causes.notes.get(incident, "")

    def todays_plan(self, now_s: float) -> Plan | None:
        """Return the current plan, without the stops that were refused, if it is of the local day of `now_s`."""
        plan = self._driven
        if plan is None or plan.made_at_s < local_midnight_s(now_s, self._timezone):
            return None
        return plan

    def progress(self, snapshot: Snapshot) -> dict[str, RoundProgress]:
        """Return how far the trucks are in today's plan."""
        plan = self.todays_plan(snapshot.now_s)
        return self._progress_in(plan, snapshot) if plan is not None else {}

    def _progress_in(self, plan: Plan, snapshot: Snapshot) -> dict[str, RoundProgress]:
        since_s = local_midnight_s(snapshot.now_s, self._timezone)
        return plan_progress(self._register, plan, snapshot, since_s, self._told_at_s)

    def resume(self) -> None:
        """After a start: send the rounds of today's plan again; trucks know those that they have."""
        now_s = self._clock.now_s()
        if plan := self.todays_plan(now_s):
            self._send(plan, [one.truck for one in plan.rounds])

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
            self._snapshot = snapshot
            self._tell_of_refusals(snapshot)
            if self._day is not None:
                if self._day.future.done():
                    day, self._day = self._day, None
                    self._take_day(day)
                return
            if self._change is not None and self._change.future.done():
                self._take(self._change, snapshot)
            if time.monotonic() < self._retry_at_s or (self._change is not None and not self._change.answers):
                return
            if self._day_plan_is_due(snapshot):
                self._begin_day(snapshot, incidents)
            elif plan := self.todays_plan(snapshot.now_s):
                if self._incomplete and self._enough_is_known(snapshot):
                    self._complete_day(snapshot, plan)
                else:
                    self._consider(snapshot, incidents)

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
            self._drive(decided.plan)
            self._causes.settled(decided.incidents)
            self._send(self._driven or decided.plan, list(decided.difference.trucks))
            self._publish("plan", {"id": decided.plan.id})
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

    def _decided_at_s(self) -> float:
        """Return when the current plan became that, as the desk knows; 0 if there is none."""
        if self._plan is None:
            return 0.0
        for one in self._desk.proposals("accepted", limit=1):
            if one.plan.id == self._plan.id and one.decided_at_s is not None:
                return one.decided_at_s
        return self._plan.made_at_s

    def _day_plan_is_due(self, snapshot: Snapshot) -> bool:
        now_s = snapshot.now_s
        if self.todays_plan(now_s) or now_s < local_hour(now_s, self._planning.plan_hour, self._timezone):
            return False
        from_s = hours_from_s(now_s, self._timezone)
        ends_s = [
            from_s + one.shift_start_hour * 3600.0 + one.shift_duration_s for one in self._register.trucks.values()
        ]
        if max(ends_s, default=0.0) < now_s + _LEAST_SHIFT_S:
            return False
        waited_s = time.monotonic() - (self._ready_since_s or time.monotonic())
        return waited_s > self._planning.wait_for_late_s or self._enough_is_known(snapshot)

    def _enough_is_known(self, snapshot: Snapshot) -> bool:
        known = sum(snapshot.containers.level[snapshot.containers.index[one]] >= 0 for one in self._measured)
        is_read = snapshot.entries - snapshot.position <= _MAY_BE_UNREAD
        return is_read and not snapshot.late_devices and bool(known >= _ENOUGH_KNOWN * len(self._measured))

    def _begin_day(self, snapshot: Snapshot, incidents: list[Incident]) -> None:
        jobs = {one.id: one for one in day_jobs(self._register, snapshot, self._planning)}
        for incident in open_dumpings(incidents):
            for job in incident_jobs(self._register, snapshot, incident, self._planning):
                jobs[job.id] = job
        if not jobs:
            self._retry_at_s = time.monotonic() + _RETRY_S
            return
        self._incomplete = not self._enough_is_known(snapshot)
        self._ask(self._requests.day(snapshot, tuple(jobs.values())))

    def _complete_day(self, snapshot: Snapshot, plan: Plan) -> None:
        """Add what was not known when the plan of the day was made."""
        self._incomplete = False
        known = {one.id for one in plan.jobs}
        missing = tuple(job for job in day_jobs(self._register, snapshot, self._planning) if job.id not in known)
        if missing:
            self._end_search()
            self._ask(self._requests.complete(snapshot, self._to_change(plan), self.progress(snapshot), missing))

    def _ask(self, request: SolveRequest) -> None:
        try:
            future = self._pool.submit(request)
        except Exception as error:
            self._failed(f"The solver does not start: {error}")
            return
        self._day = _Day(request, future)
        future.add_done_callback(lambda _: self._answered.set())

    def _take_day(self, day: _Day) -> None:
        try:
            answer = day.future.result()
        except Exception as error:
            self._failed(_why(error))
            return
        self.solved += 1
        if answer.violations:
            self._failed(_broken(answer.violations[0]))
            return
        self.fault = ""
        if day.request.plan is None or (self._plan is not None and day.request.plan.id == self._plan.id):
            self._use(answer)
        else:
            # A proposal was accepted meanwhile: what is missing has to be added to that plan now.
            self._incomplete = True

    def _consider(self, snapshot: Snapshot, incidents: list[Incident]) -> None:
        plan = self.todays_plan(snapshot.now_s)
        if plan is None:
            return
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
        new_jobs: dict[str, Job] = {}
        known = {one.id for one in plan.jobs}
        for incident in causes:
            for job in incident_jobs(self._register, snapshot, incident, self._planning):
                if job.id not in known:
                    new_jobs[job.id] = job
        # What a crane is bound to and may not lift when it gets there is taken from it, so that it can be done later.
        no_lifting = self._limits.wind().no_lifting(snapshot.now_s)
        must_know = trucks_in_wind(plan, progress, no_lifting, snapshot.now_s)
        held = lifts_in_wind(plan, progress, no_lifting, snapshot.now_s)
        if held:
            plan = without(plan, held)
            progress = self._progress_in(plan, snapshot)
        request = self._requests.change(snapshot, self._to_change(plan), progress, tuple(new_jobs.values()))
        self._search(request, tuple(causes), must_know)

    def _drive(self, plan: Plan) -> None:
        """Let a plan be the current one from now on."""
        self._plan = plan
        self._told_at_s = self._clock.now_s()
        self._set_aside(self._snapshot)

    def _set_aside(self, snapshot: Snapshot | None) -> None:
        """Take stops that drivers refused today out of the current plan."""
        plan, aside = self._plan, dict[str, SetAside]()
        if plan is not None and snapshot is not None and snapshot.refusals:
            since_s = local_midnight_s(snapshot.now_s, self._timezone)
            done = done_jobs(plan, [one for one in snapshot.visits if one.at_s >= since_s])
            if plan.made_at_s >= since_s:
                aside = refused_jobs(plan, snapshot.refusals, done, since_s, self._timezone)
            plan = without(plan, {id: one.text(self._register, self._timezone) for id, one in aside.items()})
        # Others read it while we write: it is never half done.
        self._driven, self._aside = plan, aside

    def _tell_of_refusals(self, snapshot: Snapshot) -> None:
        """Let stops that drivers refused leave their rounds at once; trucks that still have one are told."""
        before = self._aside
        self._set_aside(snapshot)
        plan, aside = self._driven, self._aside
        if plan is None or aside == before:
            return
        has = {stop.job: one.truck for one in (self._plan or plan).rounds for stop in one.stops if stop.job}
        new = aside.keys() - before.keys()
        # Whoever refused it has driven on already.
        trucks = {has[id] for id in new if id in has and has[id] != aside[id].refusal.truck}
        trucks |= {has[id] for id in before if id not in aside and id in has}
        if trucks:
            known_by = zlib.crc32(" ".join(sorted(aside)).encode())
            self._send(msgspec.structs.replace(plan, id=f"{plan.id}-{known_by:x}"), sorted(trucks))
        self._publish("plan", {"id": plan.id})
        for id in sorted(new):
            logger.info("%s leaves its round: %s.", id, aside[id].text(self._register, self._timezone))

    def _to_change(self, plan: Plan) -> Plan:
        """Return a plan as the solver is given it: what is not to be tried again today stays left out."""
        return for_the_solver(plan, {id for id, one in self._aside.items() if one.again_s is None})

    def _occasions(self, plan: Plan, progress: dict[str, RoundProgress], snapshot: Snapshot) -> list[Incident]:
        """Return what asks for another plan besides incidents."""
        from_s = hours_from_s(snapshot.now_s, self._timezone)
        ends_s = [
            from_s + one.shift_start_hour * 3600.0 + one.shift_duration_s for one in self._register.trucks.values()
        ]
        left_out = {one.job for one in plan.unserved}
        aside = {id: one for id, one in self._aside.items() if id in left_out}
        wind = self._limits.wind()
        return [
            *retries(self._register, plan, aside, max(ends_s, default=0.0)),
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
        if answer.violations:
            change.fault = answer.violations[0]
            logger.error("%s", _broken(change.fault))
        else:
            self.fault = ""
            self._proposer.propose(change, answer, snapshot)
        change.future = self._next(change.search)

    def _use(self, answer: SolveAnswer) -> None:
        plan = answer.plan
        now_s = self._clock.now_s()
        before = self.todays_plan(now_s)
        self._desk.put_plan(plan)
        self._desk.set_current_plan(plan.id, now_s, PLANNER)
        self._desk.supersede_open_proposals(now_s, PLANNER)
        self._drive(plan)
        rounds = (*plan.rounds, *(before.rounds if before else ()))
        self._send(self._driven or plan, sorted({one.truck for one in rounds}))
        self._publish("plan", {"id": plan.id})
        logger.info(
            "The plan of the day is made: %d rounds, %.0f km, %d jobs, %d left for another day.",
            len(plan.rounds),
            plan.distance_m / 1000,
            len(plan.jobs),
            len(plan.unserved),
        )

    def _send(self, plan: Plan, trucks: list[str]) -> None:
        expires = {
            one.truck: one.stops[-1].leave_s + self._planning.command_margin_s for one in plan.rounds if one.stops
        }
        # A truck that has no round any more is told so: what it was told before would hold otherwise.
        for truck in set(trucks) - expires.keys():
            expires[truck] = local_midnight_s(self._clock.now_s(), self._timezone) + _DAY_S
        self._dispatcher.send(plan, trucks, expires)

    def _failed(self, problem: str) -> None:
        self.fault = problem
        self._retry_at_s = time.monotonic() + _RETRY_S
        logger.error("%s", problem)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, RondeError) else f"The solver failed: {error or type(error).__name__}."


def _broken(violation: str) -> str:
    return f"A plan was thrown away because it breaks a rule: {violation}"
