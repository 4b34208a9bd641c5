"""What is to be collected: jobs for crane trucks from fill and its forecast, jobs for grab vehicles from incidents."""

from collections import defaultdict
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import numpy as np

from city.clock import hours_from_s, local_hour
from city.findings import Incident, cause_group
from city.plans import Job
from city.register import Register
from routing.selection import Outlook, emptying, is_taken, select_emptyings
from service.settings import PlanningSettings
from service.snapshot import UNKNOWN, Snapshot

# Where waste was left for want of room, containers from this level on are emptied with it.
_WORTH_A_CRANE = 0.8


def next_visit_s(now_s: float, planning: PlanningSettings, timezone: ZoneInfo) -> float:
    """Return by when a container that is left out now will have been visited at the next occasion."""
    return local_hour(now_s, planning.plan_hour, timezone, days=1) + planning.next_visit_margin_s


def day_jobs(register: Register, snapshot: Snapshot, planning: PlanningSettings) -> list[Job]:
    """Return the emptyings of a day plan, see `routing.selection`.

    What is unknown is not driven to: the desk hears about sick sensors.
    """
    known = snapshot.containers
    outlook = {known.ids[i]: known.outlook(int(i)) for i in np.flatnonzero(known.state != UNKNOWN)}
    day_s = hours_from_s(snapshot.now_s, ZoneInfo(register.timezone))
    return select_emptyings(register, outlook, planning.selection, day_s)


def clear_job(register: Register, incident: Incident, objects: float, planning: PlanningSettings) -> Job:
    """Return the job of clearing what lies beside a cluster."""
    count = max(objects, 1.0)
    return Job(
        id=f"clear-{incident.id}",
        kind="clear",
        place=incident.entity,
        lon=incident.lon,
        lat=incident.lat,
        stream="residual",
        volume_m3=round(count * planning.object_volume_m3, 3),
        load_kg=round(count * planning.object_kg, 1),
        service_s=planning.clear_s + count * planning.clear_per_object_s,
        must=True,
        incident=incident.id,
    )


def incident_jobs(register: Register, snapshot: Snapshot, incident: Incident, planning: PlanningSettings) -> list[Job]:
    """Return what a dumping asks for: clearing, and where overflow is the cause emptying the fullest containers too."""
    if incident.kind != "dumping" or incident.entity not in register.clusters:
        return []
    jobs: list[Job] = []
    if any(truck.kind == "grab" for truck in register.trucks.values()):
        objects = snapshot.value(incident.entity, "beside", "objects_beside") or 1.0
        jobs.append(clear_job(register, incident, objects, planning))
    if cause_group(incident.cause) == "overflow":
        jobs += _emptying_of(register, snapshot, incident, planning)
    return jobs


def open_dumpings(incidents: Iterable[Incident]) -> list[Incident]:
    """Return the dumpings that somebody has to clear: not over, and nobody said that they are none."""
    return [
        one
        for one in incidents
        if one.kind == "dumping" and one.cleared_at_s is None and one.status in ("open", "confirmed")
    ]


def _emptying_of(register: Register, snapshot: Snapshot, incident: Incident, planning: PlanningSettings) -> list[Job]:
    known = snapshot.containers
    by_stream: dict[str, dict[str, Outlook]] = defaultdict(dict)
    for container in register.containers_of(incident.entity):
        outlook = known.outlook(known.index[container.id])
        if outlook.level >= _WORTH_A_CRANE:
            by_stream[container.stream][container.id] = outlook
    day_s = hours_from_s(snapshot.now_s, ZoneInfo(register.timezone))
    return [
        emptying(register, incident.entity, stream, outlook, planning.selection, day_s, incident.id)
        for stream, outlook in sorted(by_stream.items())
        if is_taken(register, stream)
    ]
