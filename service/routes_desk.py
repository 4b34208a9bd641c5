"""Routes of the desk: what needs a person, incidents, proposals, plans and trucks, and what people decide."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from city.errors import BadInput
from city.findings import Incident
from city.plans import Proposal
from city.register import Register
from service.answers import (
    AttentionAnswer,
    DecidedAnswer,
    IncidentAnswer,
    IncidentDecision,
    IncidentList,
    PlanAnswer,
    ProposalAnswer,
    ProposalDecision,
    ProposalList,
    TruckList,
)
from service.attention import incident_answer
from service.occasions import is_occasion
from service.plan_views import Standing, plan_answer, proposal_answer, proposal_summary
from service.problems import Absent, problem_answers
from service.runtime import Runtime
from store.desk import Decision, NotFound, PlaceVeto

_DECISIONS: dict[str, Decision] = {"confirm": "confirmed", "dismiss": "dismissed", "close": "closed"}
Limit = Annotated[int, Query(ge=1, le=1000)]


def desk_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1")
    register, desk = runtime.register, runtime.desk

    def shown(incident: Incident) -> IncidentAnswer:
        return incident_answer(register, incident, runtime.snapshot)

    def standing(proposal: Proposal) -> Standing:
        return Standing(runtime.planner.improving == proposal.id, runtime.planner.good_until_s(proposal))

    @routes.get("/attention", tags=["desk"], summary="What needs a person now")
    def attention() -> AttentionAnswer:
        """Return open proposals and incidents that nothing has been done about, the most urgent first."""
        return runtime.attention()

    @routes.get("/incidents", tags=["desk"], summary="Incidents, the newest first")
    def incidents(
        status: Literal["open", "confirmed", "dismissed", "closed"] | None = None, limit: Limit = 200
    ) -> IncidentList:
        """Return what the detectors found. `closed` is over, by itself or because somebody said so."""
        return IncidentList(items=[shown(one) for one in desk.incidents(status, limit=limit)])

    @routes.get("/incidents/{id}", tags=["desk"], summary="One incident", responses=problem_answers(404))
    def incident(id: str) -> IncidentAnswer:
        """Return an incident with its evidence and what was decided."""
        return shown(desk.incident(id))

    @routes.post(
        "/incidents/{id}/decision",
        tags=["desk"],
        summary="Confirm, dismiss or close an incident",
        responses=problem_answers(400, 404, 409, 422),
    )
    def decide_incident(id: str, decision: IncidentDecision) -> IncidentAnswer:
        """Write down what a person decided: once. What was confirmed can still be closed."""
        said = _DECISIONS[decision.decision]
        decided = desk.decide_incident(id, said, decision.by, decision.note, runtime.clock.now_s())
        runtime.detection.decided(decided)
        runtime.announce_attention()
        return shown(decided)

    @routes.get("/proposals", tags=["desk"], summary="Proposals, the newest first")
    def proposals(
        status: Literal["open", "accepted", "rejected", "superseded"] | None = None, limit: Limit = 100
    ) -> ProposalList:
        """Return proposals to change the rounds that are driven."""
        return ProposalList(
            items=[
                proposal_summary(register, one, runtime.clock, standing(one))
                for one in desk.proposals(status, limit=limit)
            ]
        )

    @routes.get("/proposals/{id}", tags=["desk"], summary="One proposal", responses=problem_answers(404))
    def proposal(id: str) -> ProposalAnswer:
        """Return a proposal with the rounds that it touches, before and after."""
        one = desk.proposal(id)
        # Stops that drivers refused are in no round any more.
        before = runtime.todays_plan()
        if before is None or before.id != one.plan_before:
            try:
                before = desk.plan(one.plan_before)
            except NotFound:
                before = None
        progress = runtime.planner.progress(runtime.snapshot)
        causes = [shown(desk.incident(id)) for id in one.incidents if not is_occasion(id)]
        return proposal_answer(register, one, before, progress, runtime.clock, standing(one), causes)

    @routes.post(
        "/proposals/{id}/decision",
        tags=["desk"],
        summary="Accept or reject a proposal",
        responses=problem_answers(400, 404, 409, 422),
    )
    def decide_proposal(id: str, decision: ProposalDecision) -> ProposalAnswer:
        """Accept: its plan becomes the current one, and the trucks are told. Reject: say why; it is kept and respected.

        Who accepts names the plan that was looked at. If a better one has taken its place, what was looked at is
        accepted; if it was reckoned anew because trucks have moved on, the answer is 409. Of all who decide about a
        proposal exactly one succeeds; the others get 409.
        """
        if decision.decision == "accept":
            if not decision.plan:
                raise BadInput("The plan that is accepted is not named.", "Give the proposal's planAfter as plan.")
            runtime.planner.accept(id, decision.by, decision.reason, decision.plan)
        else:
            runtime.reject(id, decision.by, decision.reason, _veto(register, decision))
        runtime.announce_attention()
        return proposal(id)

    @routes.get(
        "/plans/current", tags=["rounds"], summary="The plan that is driven today", responses=problem_answers(404)
    )
    def current_plan() -> PlanAnswer:
        """Return today's rounds with their stops."""
        plan = runtime.todays_plan()
        if plan is None:
            hour = runtime.settings.planning.plan_hour
            raise Absent(
                "There is no plan for today yet.",
                f"It is made at {int(hour):02d}:{round(hour % 1 * 60):02d} local time.",
            )
        now_s = runtime.snapshot.now_s
        return plan_answer(register, plan, runtime.planner.progress(runtime.snapshot), runtime.limits.wind_text(now_s))

    @routes.get("/plans/{id}", tags=["rounds"], summary="One plan", responses=problem_answers(404))
    def plan(id: str) -> PlanAnswer:
        """Return a plan, also one that is no longer driven."""
        today = runtime.todays_plan()
        progress = runtime.planner.progress(runtime.snapshot) if today and today.id == id else {}
        return plan_answer(register, desk.plan(id), progress)

    @routes.get("/trucks", tags=["rounds"], summary="Where the trucks are")
    def trucks() -> TruckList:
        """Return positions with their age, and how far each round is."""
        return runtime.trucks()

    @routes.get("/decisions", tags=["desk"], summary="Who decided what")
    def decisions(limit: Limit = 200) -> dict[str, list[DecidedAnswer]]:
        """Return the trail of decisions, the newest first."""
        return {
            "items": [
                DecidedAnswer(
                    at=one.at_s, by=one.by, what=one.decision, subject=f"{one.subject} {one.id}", note=one.reason
                )
                for one in desk.trail(limit)
            ]
        }

    return routes


def _veto(register: Register, decision: ProposalDecision) -> PlaceVeto | None:
    """Return what a rejection says of a place, None if it is about none."""
    if not decision.place and decision.place_reason is None:
        return None
    if decision.place not in register.clusters or decision.place_reason is None:
        raise BadInput(
            f"A rejection about the place {decision.place!r} with the reason {decision.place_reason} is about none.",
            "Name a cluster and one of blocked, not_needed and unsafe, or neither.",
        )
    return PlaceVeto(decision.place, decision.place_reason)
