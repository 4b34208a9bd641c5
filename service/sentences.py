"""How the service speaks of places, incidents and times: plain English with names, for titles and reasons."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from city.findings import Incident
from city.register import Register

_CAUSES = {
    "full": "overflow: full",
    "jammed": "overflow: jammed",
    "bulky": "dumped: bulky waste",
    "misuse": "dumped: left in spite of room",
    "fault": "a fault of the sensor",
    "unknown": "cause unknown",
}
_CAUSE_WORDS = {
    "full": "the container is full",
    "jammed": "the container takes nothing although there is room: jammed",
    "bulky": "bulky waste, dumped",
    "misuse": "left beside it in spite of room",
    "fault": "a fault of the sensor: probably nothing lies there",
    "unknown": "unknown",
}
_LEVELS = {0: "free", 1: "busy", 2: "slow", 3: "jammed", -1: "unknown"}


def place_name(register: Register, entity: str) -> str:
    """Return what people call an entity; its id if it has no name."""
    if container := register.containers.get(entity):
        return f"{container.stream} container {container.id} at {place_name(register, container.cluster)}"
    if approach := register.approaches.get(entity):
        junction = place_name(register, approach.junction)
        return approach.name if junction in approach.name else f"{junction}, {approach.name}"
    for places in (
        register.clusters,
        register.junctions,
        register.depots,
        register.unloading_sites,
        register.trucks,
        register.devices,
    ):
        if one := places.get(entity):
            return one.name or one.id
    return register.name if entity == register.city else entity


def incident_title(register: Register, incident: Incident) -> str:
    """Return what happened and where, in one line."""
    place = place_name(register, incident.entity)
    if incident.kind == "dumping":
        cause = _CAUSES.get(incident.cause, incident.cause)
        return f"Waste beside {place}" + (f" ({cause})" if cause else "")
    if incident.kind == "congestion":
        return f"Jam at {place}"
    return {
        "incident": f"Road blocked at {place}",
        "full": f"Full: {place}",
        "silent": f"No readings from {place}",
        "stuck": f"Sensor stuck: {place}",
        "implausible": f"Implausible readings: {place}",
        "blocked": f"Sensor blocked: {place}",
        "drift": f"Sensor drifts: {place}",
        "chatter": f"Sensor flaps: {place}",
        "tilt": f"Leaning container: {place}",
        "fleet_silent": f"Many sensors fell silent together in {place}",
    }.get(incident.kind, f"{incident.kind} at {place}")


def cause_text(incident: Incident) -> str:
    """Return the cause of an incident in words; empty where its kind has none."""
    if incident.kind == "dumping":
        return _CAUSE_WORDS.get(incident.cause, incident.cause or "unknown")
    return incident.cause


def not_observable_text(register: Register, entity: str, why_not: Mapping[str, str]) -> str:
    """Return what cannot be known at a place, and why; empty where everything that is asked can be."""
    container = register.containers.get(entity)
    why = why_not.get(container.cluster if container else entity)
    if not why:
        return ""
    return f"Dumping is not observable here ({why}): only overflow can be told from the levels."


def evidence_line(incident: Incident) -> str:
    """Return the evidence of an incident in one line."""
    return " ".join(one.text for one in incident.evidence) or "No evidence was kept."


def level_text(level: int) -> str:
    """Return the level of congestion in a word."""
    return _LEVELS.get(level, "unknown")


def duration_text(seconds: float) -> str:
    """Return a duration as people say it.

    >>> duration_text(90), duration_text(2100), duration_text(7500)
    ('90 s', '35 min', '2 h 5 min')
    """
    seconds = abs(seconds)
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def clock_text(at_s: float, timezone: ZoneInfo) -> str:
    """Return the time of the local day.

    >>> clock_text(0, ZoneInfo("Europe/Amsterdam"))
    '01:00'
    """
    return datetime.fromtimestamp(at_s, timezone).strftime("%H:%M")


def signed_km(distance_m: float) -> str:
    """Return a difference in distance with its sign.

    >>> signed_km(2130), signed_km(-900)
    ('+2.1 km', '-0.9 km')
    """
    return f"{distance_m / 1000:+.1f} km"


def signed_minutes(seconds: float) -> str:
    """Return a difference in time with its sign.

    >>> signed_minutes(540), signed_minutes(-20)
    ('+9 min', '+0 min')
    """
    minutes = round(seconds / 60)
    return f"{minutes:+d} min"
