"""The plan that is driven: the current one, without what drivers refused today, and what trucks are told of it."""

import logging
import zlib
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from city.clock import Clock, local_midnight_s
from city.plans import Plan
from city.register import Register
from service.dispatch import Dispatcher
from service.progress import RoundProgress, done_jobs, plan_progress
from service.set_aside import SetAside, for_the_solver, refused_jobs, without
from service.settings import PlanningSettings
from service.snapshot import Snapshot
from store.desk import Desk

logger = logging.getLogger(__name__)

_DAY_S = 86_400.0


class DrivenPlan:
    """Knows the current plan, how far it is driven, and lets trucks know of it.

    Parameters
    ----------
    publish
        Takes the name and the data of a live event.
    """

    def __init__(
        self,
        register: Register,
        desk: Desk,
        clock: Clock,
        dispatcher: Dispatcher,
        planning: PlanningSettings,
        publish: Callable[[str, Any], None],
    ) -> None:
        self._register = register
        self._clock = clock
        self._dispatcher = dispatcher
        self._planning = planning
        self._publish = publish
        self._timezone = ZoneInfo(register.timezone)
        self._current = desk.current_plan()
        # The current plan without the stops that drivers refused, and why each of these is not in it.
        self._driven = self._current
        self._aside: dict[str, SetAside] = {}
        self._snapshot: Snapshot | None = None
        self._told_at_s = self._decided_at_s(desk)

    @property
    def current(self) -> Plan | None:
        """The current plan, as it was made."""
        return self._current

    @property
    def aside(self) -> dict[str, SetAside]:
        """What drivers refused of it today, by job."""
        return self._aside

    def today(self, now_s: float) -> Plan | None:
        """Return the current plan, without the stops that were refused, if it is of the local day of `now_s`."""
        plan = self._driven
        if plan is None or plan.made_at_s < local_midnight_s(now_s, self._timezone):
            return None
        return plan

    def progress(self, snapshot: Snapshot) -> dict[str, RoundProgress]:
        """Return how far the trucks are in today's plan."""
        plan = self.today(snapshot.now_s)
        return self.progress_in(plan, snapshot) if plan is not None else {}

    def progress_in(self, plan: Plan, snapshot: Snapshot) -> dict[str, RoundProgress]:
        """Return how far the trucks are in a plan that leaves out some stops of the one that they were told."""
        since_s = local_midnight_s(snapshot.now_s, self._timezone)
        return plan_progress(self._register, plan, snapshot, since_s, self._told_at_s)

    def resume(self) -> None:
        """After a start: send the rounds of today's plan again; trucks know those that they have."""
        now_s = self._clock.now_s()
        if plan := self.today(now_s):
            self._send(plan, [one.truck for one in plan.rounds])

    def change(self, plan: Plan, trucks: list[str]) -> None:
        """Let a plan be the current one from now on, and tell these trucks."""
        self._current = plan
        self._told_at_s = self._clock.now_s()
        self._set_aside()
        self._send(self._driven or plan, trucks)
        self._publish("plan", {"id": plan.id})

    def refuse(self, snapshot: Snapshot) -> None:
        """Let stops that drivers refused leave their rounds at once; trucks that still have one are told."""
        before, self._snapshot = self._aside, snapshot
        self._set_aside()
        plan, aside = self._driven, self._aside
        if plan is None or aside == before:
            return
        has = {stop.job: one.truck for one in (self._current or plan).rounds for stop in one.stops if stop.job}
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

    def for_the_solver(self, plan: Plan) -> Plan:
        """Return a plan as the solver is given it: what is not to be tried again today stays left out."""
        return for_the_solver(plan, {id for id, one in self._aside.items() if one.again_s is None})

    def _decided_at_s(self, desk: Desk) -> float:
        """Return when the current plan became that, as the desk knows; 0 if there is none."""
        if self._current is None:
            return 0.0
        for one in desk.proposals("accepted", limit=1):
            if one.plan.id == self._current.id and one.decided_at_s is not None:
                return one.decided_at_s
        return self._current.made_at_s

    def _set_aside(self) -> None:
        """Take stops that drivers refused today out of the current plan."""
        plan, snapshot, aside = self._current, self._snapshot, dict[str, SetAside]()
        if plan is not None and snapshot is not None and snapshot.refusals:
            since_s = local_midnight_s(snapshot.now_s, self._timezone)
            done = done_jobs(plan, [one for one in snapshot.visits if one.at_s >= since_s])
            if plan.made_at_s >= since_s:
                aside = refused_jobs(plan, snapshot.refusals, done, since_s, self._timezone, self._aside)
            plan = without(plan, {id: one.text(self._register, self._timezone) for id, one in aside.items()})
        # Others read it while we write: it is never half done.
        self._driven, self._aside = plan, aside

    def _send(self, plan: Plan, trucks: list[str]) -> None:
        expires = {
            one.truck: one.stops[-1].leave_s + self._planning.command_margin_s for one in plan.rounds if one.stops
        }
        # A truck that has no round any more is told so: what it was told before would hold otherwise.
        for truck in set(trucks) - expires.keys():
            expires[truck] = local_midnight_s(self._clock.now_s(), self._timezone) + _DAY_S
        self._dispatcher.send(plan, trucks, expires)
