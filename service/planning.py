"""The planner: a plan of the day when it is time, and proposals to change it when something happens."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from city.clock import Clock, local_midnight_s
from city.errors import RondeError
from city.findings import JAM_KINDS, Incident
from city.plans import Job, Plan, Proposal
from city.register import Register
from models.rows import Floats
from routing.replan import TruckProgress
from service.causes import Causes, stale_jobs
from service.dispatch import Dispatcher
from service.jobs import day_jobs, hours_from_s, incident_jobs, local_hour, open_dumpings
from service.observed_traffic import NOW_S, observed_approaches, over_a_shift_s
from service.progress import RoundProgress, plan_progress
from service.reasons import proposal_reason
from service.sentences import clock_text
from service.settings import PlanningSettings
from service.snapshot import Snapshot
from service.solving import SolveAnswer, SolveRequest, SolverPool
from store.desk import Desk

logger = logging.getLogger(__name__)

PLANNER = "ronde"
# A plan is not worth making when every shift ends sooner than this.
_LEAST_SHIFT_S = 1800.0
# So many of the containers with a sensor have to be known for a plan of the day to be called complete.
_ENOUGH_KNOWN = 0.9
_MAY_BE_UNREAD = 200
_DAY_S = 86_400.0
# Real seconds until what failed is tried again.
_RETRY_S = 15.0


@dataclass
class _Running:
    """A request that the worker has."""

    request: SolveRequest
    causes: tuple[Incident, ...] = ()
    completes: bool = False
    future: "Future[SolveAnswer] | None" = None


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
    ) -> None:
        self._register = register
        self._desk = desk
        self._clock = clock
        self._pool = pool
        self._dispatcher = dispatcher
        self._planning = planning
        self._seed = seed
        self._publish = publish
        self._usual_ratio = usual_ratio
        self._timezone = ZoneInfo(register.timezone)
        self._lock = threading.RLock()
        self._running: _Running | None = None
        self._retry_at_s = 0.0
        self._ready_since_s: float | None = None
        self._incomplete = False
        self._measured = [
            one.entity
            for one in register.installations
            if one.entity in register.containers and one.valid_until_s is None
        ]
        self._number = 0
        self._causes = Causes(register, planning)
        self._causes.remember_rejected(desk.proposals("rejected"), {one.id: one for one in desk.incidents()})
        self._plan = desk.current_plan()
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
        return self._running is not None

    def note_of(self, incident: str) -> str:
        """Return why nothing is proposed for an incident, empty if there is nothing to say."""
        return self._causes.notes.get(incident, "")

    def todays_plan(self, now_s: float) -> Plan | None:
        """Return the current plan if it is of the local day that `now_s` lies in."""
        plan = self._plan
        if plan is None or plan.made_at_s < local_midnight_s(now_s, self._timezone):
            return None
        return plan

    def progress(self, snapshot: Snapshot) -> dict[str, RoundProgress]:
        """Return how far the trucks are in today's plan."""
        plan = self.todays_plan(snapshot.now_s)
        if plan is None:
            return {}
        since_s = local_midnight_s(snapshot.now_s, self._timezone)
        return plan_progress(self._register, plan, snapshot, since_s, self._told_at_s)

    def resume(self) -> None:
        """After a start: send the rounds of today's plan again; trucks know those that they have."""
        now_s = self._clock.now_s()
        if plan := self.todays_plan(now_s):
            self._send(plan, [one.truck for one in plan.rounds])

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
            if self._running is not None:
                running = self._running
                if running.future is None or running.future.done():
                    self._running = None
                    self._take(running, snapshot)
                return
            if time.monotonic() < self._retry_at_s:
                return
            if self._day_plan_is_due(snapshot):
                self._begin_day(snapshot, incidents)
            elif plan := self.todays_plan(snapshot.now_s):
                if self._incomplete and self._enough_is_known(snapshot):
                    self._complete_day(snapshot, plan)
                else:
                    self._consider(snapshot, incidents)

    def accept(self, id: str, by: str, reason: str) -> Proposal:
        """Accept a proposal: its plan becomes the current one, and the trucks that it changes are told.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or it is no longer open.
        """
        with self._lock:
            decided = self._desk.decide_proposal(id, True, by, reason, self._clock.now_s())
            self._plan = decided.plan
            self._told_at_s = self._clock.now_s()
            self._causes.settled(decided.incidents)
            self._send(decided.plan, list(decided.difference.trucks))
            self._publish("plan", {"id": decided.plan.id})
            self._publish("proposal", {"id": id, "status": decided.status})
            return decided

    def reject(self, id: str, by: str, reason: str) -> Proposal:
        """Reject a proposal; the same is not proposed again unless things change.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or it is no longer open.
        BadInput
            No reason is given.
        """
        with self._lock:
            decided = self._desk.decide_proposal(id, False, by, reason, self._clock.now_s())
            self._causes.remember_rejected([decided], {one: self._desk.incident(one) for one in decided.incidents})
            self._publish("proposal", {"id": id, "status": decided.status})
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
        ahead_s = over_a_shift_s(self._register)
        self._submit(_Running(self._request(snapshot, tuple(jobs.values()), self._planning.solver_s, ahead_s)))

    def _complete_day(self, snapshot: Snapshot, plan: Plan) -> None:
        """Add what was not known when the plan of the day was made."""
        self._incomplete = False
        known = {one.id for one in plan.jobs}
        missing = tuple(job for job in day_jobs(self._register, snapshot, self._planning) if job.id not in known)
        if missing:
            request = self._request(snapshot, plan.jobs, self._planning.solver_s)
            progress = self._truck_progresses(plan, snapshot)
            request = replace(request, plan=plan, progress=progress, new_jobs=missing)
            self._submit(_Running(request, completes=True))

    def _consider(self, snapshot: Snapshot, incidents: list[Incident]) -> None:
        plan = self._plan
        if plan is None:
            return
        progress = self.progress(snapshot)
        standing = self._desk.proposals("open")
        going_on = {one.id for one in incidents}
        asked_by = {incident for one in standing for incident in one.incidents}
        if asked_by and not asked_by & going_on:
            self._withdraw(standing, snapshot, "what it was made for is over")
            standing = []
        since_s = local_midnight_s(snapshot.now_s, self._timezone)
        stale = bool(standing) and (
            not asked_by <= going_on or any(stale_jobs(one, plan, snapshot.visits, since_s) for one in standing)
        )
        causes = self._causes.due(snapshot, incidents, plan, progress, standing, force=stale)
        if not causes:
            return
        new_jobs: dict[str, Job] = {}
        known = {one.id for one in plan.jobs}
        for incident in causes:
            for job in incident_jobs(self._register, snapshot, incident, self._planning):
                if job.id not in known:
                    new_jobs[job.id] = job
        request = self._request(snapshot, plan.jobs, self._planning.replan_s)
        request = replace(
            request,
            plan=plan,
            progress=self._truck_progresses(plan, snapshot),
            new_jobs=tuple(new_jobs.values()),
        )
        self._submit(_Running(request, tuple(causes)))

    def _request(
        self, snapshot: Snapshot, jobs: tuple[Job, ...], seconds: float, ahead_s: Sequence[float] = NOW_S
    ) -> SolveRequest:
        register = self._register
        # The plan begins when it is there, not when it is asked for.
        now_s = self._clock.now_s() + (seconds + 1.0) * self._clock.speed_up
        return SolveRequest(
            jobs=jobs,
            trucks=tuple(register.trucks.values()),
            depots=tuple(register.depots.values()),
            unloading_sites=tuple(register.unloading_sites.values()),
            day_start_s=hours_from_s(snapshot.now_s, self._timezone),
            now_s=now_s,
            seconds=seconds,
            seed=self._seed,
            observed=observed_approaches(register, snapshot, self._usual_ratio, ahead_s),
        )

    def _truck_progresses(self, plan: Plan, snapshot: Snapshot) -> tuple[TruckProgress, ...]:
        return tuple(self._truck_progress(one, snapshot) for one in self.progress(snapshot).values())

    def _truck_progress(self, one: RoundProgress, snapshot: Snapshot) -> TruckProgress:
        depot = self._register.depots[self._register.trucks[one.truck].depot]
        return TruckProgress(
            truck=one.truck,
            lon=depot.lon if one.lon is None else one.lon,
            lat=depot.lat if one.lat is None else one.lat,
            at_s=snapshot.now_s if one.at_s is None else one.at_s,
            done_jobs=one.done_jobs,
            next_stop_index=one.next_index,
            volume_m3=one.volume_m3,
            load_kg=one.load_kg,
        )

    def _submit(self, running: _Running) -> None:
        try:
            running.future = self._pool.submit(running.request)
            self._running = running
        except Exception as error:
            self._failed(f"The solver does not start: {error}")

    def _take(self, running: _Running, snapshot: Snapshot) -> None:
        if running.future is None:
            return
        try:
            answer = running.future.result()
        except RondeError as error:
            self._failed(str(error))
            return
        except Exception as error:
            self._failed(f"The solver failed: {error or type(error).__name__}.")
            return
        self.solved += 1
        if answer.violations:
            self._causes.answered(running.causes, "the change that was found breaks a rule")
            self._failed(f"A plan was thrown away because it breaks a rule: {answer.violations[0]}")
            return
        self.fault = ""
        if running.request.plan is None or (running.completes and running.request.plan == self._plan):
            self._use(answer)
        elif running.completes:
            # A proposal was accepted meanwhile: what is missing has to be added to that plan now.
            self._incomplete = True
        elif self._plan is not None and running.request.plan.id == self._plan.id:
            self._propose(running, answer, snapshot)

    def _use(self, answer: SolveAnswer) -> None:
        plan = answer.plan
        now_s = self._clock.now_s()
        before = self.todays_plan(now_s)
        self._desk.put_plan(plan)
        self._desk.set_current_plan(plan.id, now_s, PLANNER)
        self._desk.supersede_open_proposals(now_s, PLANNER)
        self._plan = plan
        self._told_at_s = now_s
        rounds = (*plan.rounds, *(before.rounds if before else ()))
        self._send(plan, sorted({one.truck for one in rounds}))
        self._publish("plan", {"id": plan.id})
        logger.info(
            "The plan of the day is made: %d rounds, %.0f km, %d jobs, %d left for another day.",
            len(plan.rounds),
            plan.distance_m / 1000,
            len(plan.jobs),
            len(plan.unserved),
        )

    def _propose(self, running: _Running, answer: SolveAnswer, snapshot: Snapshot) -> None:
        change, before = answer.change, running.request.plan
        if change is None or before is None:
            return
        unserved = {one.job: one.reason for one in answer.plan.unserved}
        asked = {job.id: job.incident for job in running.request.new_jobs}
        served = {incident for job, incident in asked.items() if job not in unserved}
        jams = [one for one in running.causes if one.kind in JAM_KINDS]
        alone = answer.left_alone or before
        saved_s = alone.duration_s - answer.plan.duration_s
        relieved = bool(answer.left_alone_violations) or saved_s >= self._planning.min_gain_s
        helps = [one for one in running.causes if one.id in served or (one in jams and relieved)]
        for one in running.causes:
            if one not in helps:
                reason = next(
                    (unserved[job] for job, incident in asked.items() if incident == one.id and job in unserved), ""
                )
                self._causes.answered((one,), f"no change is worth it{': ' + reason if reason else ''}")
        standing = self._desk.proposals("open")
        if not helps or not change.trucks:
            self._causes.answered(helps, "the rounds are as good as they can be")
            self._withdraw(standing, snapshot, "it no longer helps")
            return
        now_s = self._clock.now_s()
        self._number += 1
        proposal = Proposal(
            id=f"proposal-{now_s:.0f}-{self._number}",
            made_at_s=now_s,
            reason=proposal_reason(
                self._register,
                snapshot,
                answer.plan,
                helps,
                distance_m=change.distance_m,
                duration_s=change.duration_s,
                saved_s=saved_s if jams else None,
            ),
            incidents=tuple(one.id for one in helps),
            plan_before=before.id,
            plan=answer.plan,
            difference=change,
        )
        self._withdraw(standing, snapshot, "a better one takes its place")
        self._desk.put_proposal(proposal)
        self._causes.proposed(helps)
        self._publish("proposal", {"id": proposal.id, "status": "open"})
        logger.info("Proposed: %s", proposal.reason)

    def _withdraw(self, standing: list[Proposal], snapshot: Snapshot, why: str) -> None:
        if not standing:
            return
        for id in self._desk.supersede_open_proposals(self._clock.now_s(), PLANNER):
            self._publish("proposal", {"id": id, "status": "superseded"})
            logger.info("Proposal %s is withdrawn at %s: %s.", id, clock_text(snapshot.now_s, self._timezone), why)

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
