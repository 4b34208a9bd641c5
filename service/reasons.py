"""Why a proposal is made, in one sentence: evidence, what the trucks do about it, and what it costs."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from city.findings import JAM_KINDS, Incident
from city.plans import Plan, Stop
from city.register import Register
from service.sentences import clock_text, duration_text, place_name, signed_km, signed_minutes
from service.snapshot import Snapshot

# A sentence that names more places than this is read by nobody.
_NAMED = 3
_WHAT = {
    "overflow": "Overflow beside",
    "full": "Overflow beside",
    "jammed": "Bags before the jammed lid of",
    "dumped": "Bulky waste beside",
    "bulky": "Bulky waste beside",
    "misuse": "Bags left beside",
}


def proposal_reason(
    register: Register,
    snapshot: Snapshot,
    plan: Plan,
    causes: Sequence[Incident],
    *,
    distance_m: float,
    duration_s: float,
    saved_s: float | None = None,
    also: Sequence[str] = (),
) -> str:
    """Return the reason of a proposal.

    Parameters
    ----------
    distance_m, duration_s
        What it adds against leaving things as they are.
    saved_s
        What a way around a jam saves; None where nothing is about a jam.
    also
        What is done about causes of other kinds.
    """
    zone = ZoneInfo(register.timezone)
    dumpings = sorted((one for one in causes if one.kind == "dumping"), key=lambda one: -one.severity)
    parts = [_dumping_part(register, snapshot, plan, one, zone) for one in dumpings[:_NAMED]]
    if more := len(dumpings) - _NAMED:
        parts += [f"{more} more place{'s' if more > 1 else ''} with waste beside the containers"] if more > 0 else []
    jams = [one for one in causes if one.kind in JAM_KINDS]
    if jams:
        names = " and ".join(place_name(register, one.entity) for one in jams)
        saving = f", which saves {duration_text(saved_s)}" if saved_s and saved_s > 0 else ""
        parts.append(f"Jam at {names}: rounds go around it{saving}")
    parts += also
    return f"{'; '.join(parts)}, {signed_km(distance_m)}, {signed_minutes(duration_s)}."


def _dumping_part(register: Register, snapshot: Snapshot, plan: Plan, incident: Incident, zone: ZoneInfo) -> str:
    what = _WHAT.get(incident.cause, "Waste beside")
    place = place_name(register, incident.entity)
    deeds = []
    for truck, stop in _stops_for(plan, incident):
        name = place_name(register, truck)
        deed = "clears it" if stop.kind == "clear" else "empties its containers"
        deeds.append(f"{name} {deed} at {clock_text(stop.arrive_s, zone)}")
    return f"{what} {place} ({_seen(snapshot, incident)}): {' and '.join(deeds) or 'nobody can come today'}"


def _seen(snapshot: Snapshot, incident: Incident) -> str:
    lasting = duration_text(max(0.0, snapshot.now_s - incident.raised_at_s))
    seen = snapshot.value(incident.entity, "beside", "objects_beside")
    counted = [one.value for one in incident.evidence if one.quantity == "objects_beside" and one.value]
    objects = seen or next(iter(counted), None)
    if objects:
        return f"camera: {objects:.0f} object{'s' if objects != 1 else ''} for {lasting}"
    evidence = incident.evidence[0].text.rstrip(".") if incident.evidence else f"{incident.probability:.0%} sure"
    return f"{evidence}, for {lasting}"


def _stops_for(plan: Plan, incident: Incident) -> list[tuple[str, Stop]]:
    asked = {job.id for job in plan.jobs if job.incident == incident.id}
    return [(one.truck, stop) for one in plan.rounds for stop in one.stops if stop.job in asked]
