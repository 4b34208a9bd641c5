"""The one standing proposal: made of the solver's answers, bettered in its place, withdrawn when it no longer holds."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from city.clock import Clock
from city.findings import JAM_KINDS, Incident
from city.plans import Difference, Plan, Proposal, Round
from city.register import Register
from service.causes import Causes
from service.occasions import is_occasion, occasion_part, tried_again
from service.reasons import proposal_reason
from service.sentences import clock_text
from service.settings import PlanningSettings
from service.snapshot import Snapshot
from service.solver_pool import Search
from service.solving import SolveAnswer, SolveRequest
from store.desk import Desk

logger = logging.getLogger(__name__)

PLANNER = "ronde"


@dataclass
class Change:
    """A search for ever better changes of the current plan, and what has come of it.

    `proposal` is the id of the proposal that its answers are versions of, empty until one of them helps; `notes` says
    of each cause why the last answer does nothing about it; `fault` names a rule that an answer broke. `must_know` are
    trucks that cannot do what they were told, and have to be told anything else.
    """

    request: SolveRequest
    causes: tuple[Incident, ...]
    search: Search
    future: "Future[SolveAnswer | None]"
    answers: int = 0
    proposal: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    must_know: frozenset[str] = frozenset()


class Proposer:
    """Keeps the one proposal that stands.

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
        planning: PlanningSettings,
        causes: Causes,
        publish: Callable[[str, Any], None],
    ) -> None:
        self._register = register
        self._desk = desk
        self._clock = clock
        self._planning = planning
        self._causes = causes
        self._publish = publish
        self._timezone = ZoneInfo(register.timezone)
        self._number = 0

    def propose(self, change: Change, answer: SolveAnswer, snapshot: Snapshot) -> None:
        """Let an answer that helps be what stands; one that does not leaves what stands alone."""
        before, difference = change.request.plan, answer.change
        if before is None or difference is None:
            return
        # Left alone, cranes would wait: that is no reason not to tell them to.
        trucks = tuple(sorted({*difference.trucks, *change.must_know}))
        difference = msgspec.structs.replace(difference, trucks=trucks)
        helps = self._helped(change, answer, before)
        if not helps or not difference.trucks:
            return
        now_s = self._clock.now_s()
        standing = self._desk.proposals("open")
        incidents = tuple(one.id for one in helps)
        mine = next((one for one in standing if one.id == change.proposal), None)
        # The same causes reckoned anew are the same question: it keeps its place.
        again = next((one for one in standing if set(one.incidents) == set(incidents)), None)
        self._number += 1
        proposal = Proposal(
            id=f"proposal-{now_s:.0f}-{self._number}",
            made_at_s=now_s,
            reason=self._reason(change, answer, difference, helps, snapshot),
            incidents=incidents,
            plan_before=before.id,
            plan=answer.plan,
            difference=difference,
        )
        if (known := mine or again) and known.plan_before == before.id:
            proposal = self._improve(proposal, known, anew=mine is None)
        else:
            self.withdraw(standing, snapshot, "a better one takes its place")
            self._desk.put_proposal(proposal)
            logger.info("Proposed: %s", proposal.reason)
        change.proposal = proposal.id
        self._causes.proposed(helps)
        self.announce(proposal, improving=True)

    def over(self, change: Change, snapshot: Snapshot) -> None:
        """Take note that a search has found all that it will find."""
        for cause in change.causes:
            if cause.id in change.notes:
                self._causes.answered((cause,), change.notes[cause.id])
        standing = self._desk.proposals("open")
        if not change.proposal:
            unsaid = [one for one in change.causes if one.id not in change.notes]
            self._causes.answered(unsaid, "the rounds are as good as they can be")
            self.withdraw(standing, snapshot, "it no longer helps")
        for one in standing:
            if one.id == change.proposal:
                self.announce(one, improving=False)

    def withdraw(self, standing: list[Proposal], snapshot: Snapshot, why: str) -> None:
        """Take back what stands."""
        if not standing:
            return
        for id in self._desk.supersede_open_proposals(self._clock.now_s(), PLANNER):
            self._publish("proposal", {"id": id, "status": "superseded"})
            logger.info("Proposal %s is withdrawn at %s: %s.", id, clock_text(snapshot.now_s, self._timezone), why)

    def announce(self, proposal: Proposal, *, improving: bool) -> None:
        """Tell pages which plan is proposed now."""
        said = {"id": proposal.id, "status": proposal.status, "plan": proposal.plan.id, "version": proposal.version}
        self._publish("proposal", {**said, "improving": improving})

    def _helped(self, change: Change, answer: SolveAnswer, before: Plan) -> list[Incident]:
        """Return the causes that an answer does something about, and note why it does nothing about the others."""
        unserved = {one.job: one.reason for one in answer.plan.unserved}
        asked = {job.id: job.incident for job in change.request.new_jobs}
        served = {incident for job, incident in asked.items() if job not in unserved}
        saved_s = _saved_s(answer, before)
        relieved = bool(answer.left_alone_violations) or saved_s >= self._planning.min_gain_s
        helps = [
            one
            for one in change.causes
            if one.id in served
            or (one.kind in JAM_KINDS and relieved)
            or (one.kind == "refused" and tried_again(answer.plan, before, one.entity))
            or (one.kind == "wind" and bool(change.must_know))
        ]
        change.notes = {}
        for one in change.causes:
            if one not in helps:
                reasons = (unserved[job] for job, incident in asked.items() if incident == one.id and job in unserved)
                reason = next(reasons, "")
                change.notes[one.id] = f"no change is worth it{': ' + reason if reason else ''}"
        return helps

    def _reason(
        self,
        change: Change,
        answer: SolveAnswer,
        difference: Difference,
        helps: list[Incident],
        snapshot: Snapshot,
    ) -> str:
        is_about_jams = any(one.kind in JAM_KINDS for one in helps)
        before = change.request.plan or answer.plan
        return proposal_reason(
            self._register,
            snapshot,
            answer.plan,
            helps,
            also=[occasion_part(self._register, answer.plan, before, one) for one in helps if is_occasion(one.id)],
            distance_m=difference.distance_m,
            duration_s=difference.duration_s,
            saved_s=_saved_s(answer, change.request.plan) if is_about_jams else None,
        )

    def _improve(self, better: Proposal, known: Proposal, *, anew: bool) -> Proposal:
        kept = self._desk.improve_proposal(
            Proposal(
                id=known.id,
                made_at_s=known.made_at_s,
                reason=better.reason,
                incidents=better.incidents,
                plan_before=better.plan_before,
                plan=better.plan,
                difference=better.difference,
                improved_at_s=better.made_at_s,
            ),
            anew=anew,
        )
        logger.info("%s (version %d): %s", "Reckoned anew" if anew else "Bettered", kept.version, kept.reason)
        return kept


def good_until_s(proposal: Proposal, before: Plan | None, margin_s: float) -> float:
    """Return until when the times of a proposal hold: a margin after a first truck would have left its old round.

    Parameters
    ----------
    before
        The plan that is driven.
    """
    was = {one.truck: one for one in before.rounds} if before else {}
    will = {one.truck: one for one in proposal.plan.rounds}
    leaves_s = [_parts_s(was.get(truck), will[truck]) for truck in proposal.difference.trucks if truck in will]
    return max(min(leaves_s, default=0.0), proposal.plan.made_at_s) + margin_s


def _parts_s(was: Round | None, will: Round) -> float:
    """Return when a truck leaves the last stop that is the same in both rounds."""
    same = [(stop.kind, stop.place, stop.job) for stop in was.stops] if was else []
    for at, (here, there) in enumerate(pairwise(will.stops), start=1):
        if same[at : at + 1] != [(there.kind, there.place, there.job)]:
            return here.leave_s
    return will.stops[-1].leave_s if will.stops else 0.0


def _saved_s(answer: SolveAnswer, before: Plan | None) -> float:
    alone = answer.left_alone or before
    return alone.duration_s - answer.plan.duration_s if alone else 0.0
