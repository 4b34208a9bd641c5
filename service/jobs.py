"""What is to be collected: jobs for crane trucks from fill and its forecast, jobs for grab vehicles from incidents."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from city.findings import Incident
from city.places import Container
from city.plans import Job
from city.register import Register
from routing.service_time import service_s
from service.settings import PlanningSettings
from service.snapshot import UNKNOWN, Snapshot

# Waste as it lies in a container, kg/m³. Residual 40..70 is measured; the others are usual planning figures.
DENSITY_KG_M3 = {"residual": 55.0, "organic": 250.0, "paper": 60.0, "glass": 300.0, "textile": 90.0}


def local_hour(at_s: float, hour: float, timezone: ZoneInfo, days: int = 0) -> float:
    """Return when the local clock shows `hour` on the day that `at_s` lies in, or `days` later."""
    local = datetime.fromtimestamp(at_s, timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    day = local.replace(tzinfo=None) + timedelta(days=days, hours=hour)
    return day.replace(tzinfo=timezone).timestamp()


def hours_from_s(at_s: float, timezone: ZoneInfo) -> float:
    """Return from when the hours of shifts, sites and inner cities count on the local day that `at_s` lies in.

    It is midnight, but on the two days a year on which the clocks change in the night: the hours of the day are those
    that the clock shows.

    >>> from city.clock import parse_time
    >>> hours_from_s(parse_time("2026-03-29T10:00:00+02:00"), ZoneInfo("Europe/Amsterdam")) + 7 * 3600 == parse_time(
    ...     "2026-03-29T07:00:00+02:00"
    ... )
    True
    """
    return local_hour(at_s, 12.0, timezone) - 12 * 3600.0


def next_visit_s(now_s: float, planning: PlanningSettings, timezone: ZoneInfo) -> float:
    """Return by when a container that is left out now will have been visited at the next occasion."""
    return local_hour(now_s, planning.plan_hour, timezone, days=1) + planning.next_visit_margin_s


def day_jobs(register: Register, snapshot: Snapshot, planning: PlanningSettings) -> list[Job]:
    """Return the jobs of a day plan: one for each cluster and stream that is worth a visit today.

    A cluster must be visited when one of its containers overflows before the next occasion almost surely, or is
    nearly full. It may be visited for a prize when that is possible at all; then all its containers of the stream
    that have any risk are emptied. What is unknown is not driven to: the desk hears about sick sensors.
    """
    known = snapshot.containers
    chosen: dict[tuple[str, str], list[tuple[Container, float, float]]] = defaultdict(list)
    for i in np.flatnonzero(known.state != UNKNOWN):
        level, overflow = float(known.level[i]), float(known.overflow[i])
        if overflow >= planning.may_probability or level >= planning.must_fill_ratio:
            container = register.containers[known.ids[i]]
            chosen[container.cluster, container.stream].append((container, level, overflow))
    day_s = hours_from_s(snapshot.now_s, ZoneInfo(register.timezone))
    return [
        empty_job(register, cluster, stream, risks, planning, day_s)
        for (cluster, stream), risks in sorted(chosen.items())
        if _anybody_takes(register, stream)
    ]


def empty_job(
    register: Register,
    cluster: str,
    stream: str,
    risks: list[tuple[Container, float, float]],
    planning: PlanningSettings,
    day_s: float,
    incident: str = "",
) -> Job:
    """Return the job of emptying containers of one stream of a cluster.

    Parameters
    ----------
    risks
        Containers, each with its fill ratio and its probability of overflow.
    day_s
        An inner city's hour counts from it, see `hours_from_s`.
    incident
        What asked for it; such a job must be done.
    """
    place = register.clusters[cluster]
    must = bool(incident) or any(
        overflow > planning.must_probability or level >= planning.must_fill_ratio for _, level, overflow in risks
    )
    volume_m3 = sum(level * container.volume_m3 for container, level, _ in risks)
    spared = 1.0 - float(np.prod([1.0 - overflow for _, _, overflow in risks]))
    return Job(
        id=f"empty-{cluster}-{stream}",
        kind="empty",
        place=cluster,
        lon=place.lon,
        lat=place.lat,
        stream=stream,
        containers=tuple(container.id for container, _, _ in risks),
        volume_m3=round(volume_m3, 3),
        load_kg=round(volume_m3 * DENSITY_KG_M3[stream], 1),
        service_s=service_s(len(risks)),
        must=must,
        prize_s=0.0 if must else round(planning.prize_s * spared * len(risks), 1),
        latest_s=None if place.before_hour is None else day_s + place.before_hour * 3600.0,
        incident=incident,
    )


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
    if incident.cause == "overflow":
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
    by_stream: dict[str, list[tuple[Container, float, float]]] = defaultdict(list)
    for container in register.containers_of(incident.entity):
        i = known.index[container.id]
        level = float(known.level[i])
        if level >= 0.8:
            by_stream[container.stream].append((container, level, float(known.overflow[i])))
    day_s = hours_from_s(snapshot.now_s, ZoneInfo(register.timezone))
    return [
        empty_job(register, incident.entity, stream, risks, planning, day_s, incident.id)
        for stream, risks in sorted(by_stream.items())
        if _anybody_takes(register, stream)
    ]


def _anybody_takes(register: Register, stream: str) -> bool:
    return any(truck.kind == "crane" and stream in truck.streams for truck in register.trucks.values())
