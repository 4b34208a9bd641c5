"""What needs a person now: open proposals and incidents that nothing has been done about, the most urgent first."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal
from zoneinfo import ZoneInfo

from city.findings import JAM_KINDS, Incident
from city.plans import Plan, Proposal
from city.register import Register
from service.answers import AttentionAnswer, AttentionItem, EvidenceAnswer, IncidentAnswer
from service.sentences import cause_text, clock_text, evidence_line, incident_title, not_observable_text, place_name
from service.snapshot import FleetSilence, Snapshot

_URGENT_SEVERITY = 0.5


def attention(
    register: Register,
    incidents: Iterable[Incident],
    proposals: Sequence[Proposal],
    plan: Plan | None,
    now_s: float,
    note_of: Callable[[str], str] = lambda _: "",
    fleet_silence: FleetSilence | None = None,
) -> AttentionAnswer:
    """Return what waits for somebody.

    An incident that an open proposal would settle stands behind the proposal, and one that a round of the current
    plan takes care of needs nobody any more. Where many sensors are silent together, that one thing is said first,
    and not of each of them.
    """
    by_id = {one.id: one for one in incidents}
    proposed = {incident for one in proposals for incident in one.incidents}
    planned = {job.incident for job in plan.jobs if job.incident} if plan else set()
    unserved = {one.job for one in plan.unserved} if plan else set()
    forgotten = {job.incident for job in plan.jobs if job.id in unserved} if plan else set()
    items = [_of_proposal(register, one, by_id, now_s) for one in proposals]
    for incident in by_id.values():
        if incident.cleared_at_s is not None or incident.status != "open":
            continue
        if incident.id in proposed or incident.id in planned - forgotten:
            continue
        if fleet_silence and incident.kind == "silent" and incident.entity in register.containers:
            continue
        items.append(_of_incident(register, incident, now_s, note_of(incident.id)))
    items.sort(key=lambda one: (one.urgency != "urgent", one.type != "proposal", -one.since))
    summary = _summary(items)
    if fleet_silence:
        summary = f"{_fleet_line(register, fleet_silence)}. {summary}"
    return AttentionAnswer(summary=summary, items=items)


def incident_answer(register: Register, incident: Incident, snapshot: Snapshot) -> IncidentAnswer:
    """Return an incident as the API says it."""
    now_s = snapshot.now_s
    why_not = snapshot.clusters.why_not if incident.kind == "dumping" else {}
    end_s = now_s if incident.cleared_at_s is None else incident.cleared_at_s
    return IncidentAnswer(
        id=incident.id,
        kind=incident.kind,
        entity=incident.entity,
        title=incident_title(register, incident),
        place="" if incident.entity == register.city else incident.entity,
        place_name=place_name(register, incident.entity),
        lon=incident.lon,
        lat=incident.lat,
        raised_at=incident.raised_at_s,
        cleared_at=incident.cleared_at_s,
        age_s=round(max(0.0, end_s - incident.raised_at_s), 1),
        cause=incident.cause,
        cause_text=cause_text(incident),
        not_observable=not_observable_text(register, incident.entity, why_not),
        probability=round(incident.probability, 3),
        severity=round(incident.severity, 3),
        urgency=urgency(incident),
        evidence=[
            EvidenceAnswer(text=one.text, quantity=one.quantity, at=one.at_s or None, value=one.value)
            for one in incident.evidence
        ],
        status=incident.status,
        decided_by=incident.decided_by,
        decided_at=incident.decided_at_s,
        note=incident.note,
    )


def urgency(incident: Incident) -> Literal["urgent", "watch"]:
    """Return how urgent an incident is: waste on the street and a fleet of silent sensors are, a jam if it is bad."""
    if incident.kind in ("dumping", "fleet_silent"):
        return "urgent"
    if incident.kind in JAM_KINDS and incident.severity >= _URGENT_SEVERITY:
        return "urgent"
    return "watch"


def _of_proposal(register: Register, proposal: Proposal, incidents: dict[str, Incident], now_s: float) -> AttentionItem:
    about = next((incidents[one] for one in proposal.incidents if one in incidents), None)
    trucks = " and ".join(place_name(register, one) for one in proposal.difference.trucks)
    stop = next((one for round_ in proposal.plan.rounds for one in round_.stops), None)
    lon, lat = (about.lon, about.lat) if about else (stop.lon, stop.lat) if stop else (0.0, 0.0)
    return AttentionItem(
        id=proposal.id,
        type="proposal",
        urgency="urgent",
        title=f"Reroute {trucks}",
        detail=proposal.reason,
        place=about.entity if about else "",
        lon=lon,
        lat=lat,
        since=proposal.made_at_s,
        age_s=round(max(0.0, now_s - proposal.made_at_s), 1),
    )


def _of_incident(register: Register, incident: Incident, now_s: float, note: str) -> AttentionItem:
    detail = evidence_line(incident) + (f" Not proposed: {note}." if note else "")
    return AttentionItem(
        id=incident.id,
        type="incident",
        urgency=urgency(incident),
        title=incident_title(register, incident),
        detail=detail,
        place="" if incident.entity == register.city else incident.entity,
        lon=incident.lon,
        lat=incident.lat,
        since=incident.raised_at_s,
        age_s=round(max(0.0, now_s - incident.raised_at_s), 1),
    )


def _fleet_line(register: Register, fleet: FleetSilence) -> str:
    since = clock_text(fleet.since_s, ZoneInfo(register.timezone))
    return f"{fleet.silent:,} of {fleet.known:,} sensors fell silent at {since}; decisions go on from forecasts"


def _summary(items: Sequence[AttentionItem]) -> str:
    urgent = sum(one.urgency == "urgent" for one in items)
    watch = len(items) - urgent
    if not items:
        return "Nothing needs you now"
    if not urgent:
        return f"Nothing is urgent; {watch} thing{'s' if watch != 1 else ''} to watch"
    return f"{urgent} thing{'s need' if urgent != 1 else ' needs'} you now"
