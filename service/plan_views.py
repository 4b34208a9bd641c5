"""Plans, rounds, proposals and trucks as answers of the API."""

from typing import Any, Literal, NamedTuple

from city.clock import Clock
from city.plans import Difference, Job, Plan, Proposal, Round, Stop
from city.register import Register
from service.answers import (
    CostAnswer,
    DifferenceAnswer,
    IncidentAnswer,
    MovedAnswer,
    NextStop,
    PlanAnswer,
    ProposalAnswer,
    ProposalSummary,
    RoundAnswer,
    ShiftedAnswer,
    StopAnswer,
    TruckAnswer,
    TruckDetailAnswer,
    UnservedAnswer,
)
from service.occasions import is_occasion
from service.place_views import age_s
from service.progress import RoundProgress
from service.sentences import place_name
from service.snapshot import Snapshot

_DECIMALS = 6


def plan_answer(register: Register, plan: Plan, progress: dict[str, RoundProgress], wind: str = "") -> PlanAnswer:
    """Return a plan with all its rounds; `wind` says when cranes may not lift."""
    return PlanAnswer(
        id=plan.id,
        made_at=plan.made_at_s,
        based_on=plan.based_on,
        rounds=[round_answer(register, plan, one, progress.get(one.truck)) for one in plan.rounds],
        unserved=[
            UnservedAnswer(job=one.job, place=one.place, name=place_name(register, one.place), reason=one.reason)
            for one in plan.unserved
        ],
        wind=wind,
        distance_km=km(plan.distance_m),
        duration_min=minutes(plan.duration_s),
    )


def round_answer(register: Register, plan: Plan, one: Round, progress: RoundProgress | None) -> RoundAnswer:
    """Return a round; a stop is done when its job is, or when the truck is past it."""
    jobs = {job.id: job for job in plan.jobs}
    done = set(progress.done_jobs) if progress else set()
    past = progress.next_index if progress else 0
    return RoundAnswer(
        truck=one.truck,
        name=place_name(register, one.truck),
        stops=[
            stop_answer(register, stop, stop.job in done if stop.job else index < past, jobs.get(stop.job))
            for index, stop in enumerate(one.stops)
        ],
        path=[[round(lon, _DECIMALS), round(lat, _DECIMALS)] for lon, lat in one.path],
        distance_km=km(one.distance_m),
        duration_min=minutes(one.duration_s),
    )


def stop_answer(register: Register, stop: Stop, done: bool, job: Job | None) -> StopAnswer:
    """Return a stop."""
    return StopAnswer(
        kind=stop.kind,
        place=stop.place,
        name=place_name(register, stop.place),
        lon=stop.lon,
        lat=stop.lat,
        arrive=stop.arrive_s,
        leave=stop.leave_s,
        job=stop.job,
        containers=list(stop.containers),
        overflow_probability=job.overflow_probability if job else None,
        volume_m3=round(stop.volume_m3, 2),
        load_kg=round(stop.load_kg, 1),
        done=done,
        incident=job.incident if job else "",
        note=job.note if job else "",
    )


class Standing(NamedTuple):
    """How it stands with a proposal: whether a better plan is being searched for, and until when its times hold."""

    improving: bool = False
    good_until_s: float | None = None


def proposal_summary(register: Register, proposal: Proposal, clock: Clock, standing: Standing) -> ProposalSummary:
    """Return a proposal without its rounds."""
    return ProposalSummary(**_summary(register, proposal, clock, standing))


def proposal_answer(
    register: Register,
    proposal: Proposal,
    before: Plan | None,
    progress: dict[str, RoundProgress],
    clock: Clock,
    standing: Standing,
    causes: list[IncidentAnswer],
) -> ProposalAnswer:
    """Return a proposal with what it answers, and the rounds of the trucks that it touches, before and after."""
    difference = proposal.difference
    touched = set(difference.trucks)
    return ProposalAnswer(
        **_summary(register, proposal, clock, standing),
        causes=causes,
        before=_rounds(register, before, touched, progress),
        after=_rounds(register, proposal.plan, touched, progress),
        difference=DifferenceAnswer(
            added=list(difference.added),
            dropped=list(difference.dropped),
            moved=[
                MovedAnswer(job=one.job, place=one.place, from_truck=one.from_truck, to_truck=one.to_truck)
                for one in difference.moved
            ],
            shifted=[
                ShiftedAnswer(
                    job=one.job,
                    place=one.place,
                    name=place_name(register, one.place),
                    truck=one.truck,
                    later_min=minutes(one.later_s),
                )
                for one in difference.shifted
            ],
            trucks=list(difference.trucks),
            later_min=minutes(difference.later_s),
            **_cost(difference),
        ),
        plan_before=proposal.plan_before,
    )


def truck_answer(
    register: Register, snapshot: Snapshot, truck: str, plan: Plan | None, progress: dict[str, RoundProgress]
) -> TruckAnswer:
    """Return where a truck is, and how far its round is."""
    one = register.trucks[truck]
    row = snapshot.latest.get((truck, "truck"))
    values = row.values if row else {}
    at_s = row.at_s if row else None
    driven = next((r for r in plan.rounds if r.truck == truck), None) if plan else None
    how_far = progress.get(truck)
    jobs = [stop for stop in driven.stops if stop.job] if driven else []
    done = len(how_far.done_jobs) if how_far else 0
    ahead = driven.stops[how_far.next_index :] if driven and how_far else ()
    following = next((stop for stop in ahead if not (how_far and stop.job in how_far.done_jobs)), None)
    state: Literal["driving", "idle", "done"] = "idle" if not jobs else "done" if following is None else "driving"
    return TruckAnswer(
        id=truck,
        name=one.name or truck,
        truck_kind=one.kind,
        streams=list(one.streams),
        lon=values.get("lon_deg"),
        lat=values.get("lat_deg"),
        at=at_s,
        age_s=age_s(snapshot, at_s),
        load_kg=values.get("load_kg"),
        payload_kg=one.payload_kg,
        state="unknown" if row is None or truck in snapshot.sick else state,
        done_stops=done,
        total_stops=len(jobs),
        next_stop=NextStop(place=following.place, name=place_name(register, following.place), arrive=following.arrive_s)
        if following
        else None,
    )


def truck_detail(
    register: Register, snapshot: Snapshot, truck: str, plan: Plan | None, progress: dict[str, RoundProgress]
) -> TruckDetailAnswer:
    """Return a truck with the stops of its round."""
    driven = next((one for one in plan.rounds if one.truck == truck), None) if plan else None
    answer = round_answer(register, plan, driven, progress.get(truck)) if plan and driven else None
    return TruckDetailAnswer(
        **dict(truck_answer(register, snapshot, truck, plan, progress)),
        distance_km=answer.distance_km if answer else None,
        duration_min=answer.duration_min if answer else None,
        stops=answer.stops if answer else [],
        quantities=["load_kg"],
    )


def km(distance_m: float) -> float:
    """Return kilometres, to ten metres."""
    return round(distance_m / 1000, 2)


def minutes(seconds: float) -> float:
    """Return minutes, to a tenth."""
    return round(seconds / 60, 1)


def _cost(difference: Difference) -> dict[str, Any]:
    overflows, co2_kg = difference.overflows, difference.co2_kg
    return {
        "distance_km": km(difference.distance_m),
        "duration_min": minutes(difference.duration_s),
        "overflows": None if overflows is None else round(overflows, 3),
        "co2_kg": None if co2_kg is None else round(co2_kg, 2),
    }


def _summary(register: Register, proposal: Proposal, clock: Clock, standing: Standing) -> dict[str, Any]:
    difference = proposal.difference
    return {
        "id": proposal.id,
        "made_at": proposal.made_at_s,
        "age_s": round(max(0.0, clock.now_s() - proposal.made_at_s), 1),
        "status": proposal.status,
        "reason": proposal.reason,
        "incidents": [one for one in proposal.incidents if not is_occasion(one)],
        "trucks": [place_name(register, one) for one in difference.trucks],
        "cost": CostAnswer.model_validate(_cost(difference)),
        "plan_after": proposal.plan.id,
        "version": proposal.version,
        "improved_at": proposal.improved_at_s,
        "improving": standing.improving,
        "good_until": standing.good_until_s,
        "decided_by": proposal.decided_by,
        "decided_at": proposal.decided_at_s,
        "decision_reason": proposal.decision_reason,
    }


def _rounds(
    register: Register, plan: Plan | None, trucks: set[str], progress: dict[str, RoundProgress]
) -> list[RoundAnswer]:
    if plan is None:
        return []
    return [round_answer(register, plan, one, progress.get(one.truck)) for one in plan.rounds if one.truck in trucks]
