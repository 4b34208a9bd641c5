"""One container, cluster, approach, junction or truck with everything that is known about it."""

from collections.abc import Sequence

from city.findings import Incident
from city.plans import Plan
from city.register import Register
from service.answers import (
    ApproachAnswer,
    ClusterAnswer,
    ContainerAnswer,
    IncidentAnswer,
    JunctionAnswer,
    TruckDetailAnswer,
)
from service.attention import incident_answer
from service.place_views import (
    age_s,
    approach_brief,
    cluster_state,
    container_brief,
    finite,
    junction_state,
)
from service.plan_views import truck_detail
from service.problems import Absent
from service.progress import RoundProgress
from service.sensor_words import sensor_answer
from service.sentences import level_text, place_name
from service.service_now import approach_service, junction_service
from service.snapshot import Snapshot
from service.usual_traffic import UsualTraffic


def entity_answer(
    register: Register,
    snapshot: Snapshot,
    id: str,
    incidents: Sequence[Incident],
    plan: Plan | None,
    progress: dict[str, RoundProgress],
    traffic: UsualTraffic,
) -> ContainerAnswer | ClusterAnswer | ApproachAnswer | JunctionAnswer | TruckDetailAnswer:
    """Return an entity; `incidents` are those of the desk, of which its own are picked.

    Raises
    ------
    Absent
        The register has no such container, cluster, approach, junction or truck.
    """
    about = [incident_answer(register, one, snapshot) for one in incidents if one.entity in _family(register, id)]
    if id in register.containers:
        return _container(register, snapshot, id, about)
    if id in register.clusters:
        return _cluster(register, snapshot, id, about)
    if id in register.approaches:
        return _approach(register, snapshot, id, about, traffic)
    if id in register.junctions:
        return _junction(register, snapshot, id, about)
    if id in register.trucks:
        return truck_detail(register, snapshot, id, plan, progress)
    raise Absent(f"There is no {id!r} in the register.", "/v1/places lists what there is; trucks are in /v1/trucks.")


def _family(register: Register, id: str) -> set[str]:
    """Return an entity with its parts: what happens at a part happens at the whole."""
    return {
        id,
        *(one.id for one in register.containers_of(id)),
        *(one.id for one in register.approaches_of(id)),
    }


def _container(register: Register, snapshot: Snapshot, id: str, incidents: list[IncidentAnswer]) -> ContainerAnswer:
    container = register.containers[id]
    brief = container_brief(snapshot, container)
    known, i = snapshot.containers, snapshot.containers.index[id]
    cluster = register.clusters[container.cluster]
    return ContainerAnswer(
        id=id,
        name=place_name(register, id),
        lon=cluster.lon,
        lat=cluster.lat,
        state=brief.state,
        age_s=brief.age_s,
        quantities=["fill_ratio", "distance_mm", "lid_openings"],
        incidents=incidents,
        stream=container.stream,
        volume_m3=container.volume_m3,
        cluster=cluster.id,
        cluster_name=place_name(register, cluster.id),
        fill_ratio=brief.fill_ratio,
        fill_low=brief.fill_low,
        fill_high=brief.fill_high,
        overflow_probability=finite(known.overflow[i], 3),
        emptied_at=finite(known.emptied_at_s[i]),
        sensor=sensor_answer(register, snapshot, id),
    )


def _cluster(register: Register, snapshot: Snapshot, id: str, incidents: list[IncidentAnswer]) -> ClusterAnswer:
    cluster = register.clusters[id]
    briefs = [container_brief(snapshot, one) for one in register.containers_of(id)]
    beside_at_s = snapshot.at_s(id, "beside")
    ages = [one.age_s for one in briefs if one.age_s is not None]
    if (beside_age_s := age_s(snapshot, beside_at_s)) is not None:
        ages.append(beside_age_s)
    observable = bool(snapshot.clusters.observable[snapshot.clusters.index[id]])
    return ClusterAnswer(
        id=id,
        name=place_name(register, id),
        lon=cluster.lon,
        lat=cluster.lat,
        state=cluster_state(register, snapshot, id),
        age_s=min(ages, default=None),
        quantities=["objects_beside"] if observable else [],
        incidents=incidents,
        district=cluster.district,
        before_hour=cluster.before_hour,
        observable=observable,
        not_observable=snapshot.clusters.why_not.get(id, ""),
        objects_beside=snapshot.value(id, "beside", "objects_beside") if observable else None,
        containers=briefs,
    )


def _approach(
    register: Register, snapshot: Snapshot, id: str, incidents: list[IncidentAnswer], traffic: UsualTraffic
) -> ApproachAnswer:
    approach = register.approaches[id]
    junction = register.junctions[approach.junction]
    brief = approach_brief(snapshot, approach)
    known, i = snapshot.approaches, snapshot.approaches.index[id]
    serves = approach_service(register, snapshot, traffic, approach)
    return ApproachAnswer(
        id=id,
        name=place_name(register, id),
        lon=junction.lon,
        lat=junction.lat,
        state=brief.state,
        age_s=brief.age_s,
        quantities=["speed_kph", "vehicle_count", "occupancy_ratio"],
        incidents=incidents,
        junction=junction.id,
        junction_name=place_name(register, junction.id),
        speed_kph=brief.speed_kph,
        free_speed_kph=approach.free_speed_kph,
        vehicle_count=brief.vehicle_count,
        occupancy_ratio=brief.occupancy_ratio,
        speed_ratio=finite(known.speed_ratio[i], 3),
        since=finite(known.since_s[i]),
        state_text=level_text(int(known.level[i])),
        level_of_service=serves.level,
        service_text=serves.text,
        flow_per_h=serves.flow_per_h,
        volume_to_capacity=serves.volume_to_capacity,
        capacity_text=serves.capacity_text,
        queue_text=serves.queue_text,
    )


def _junction(register: Register, snapshot: Snapshot, id: str, incidents: list[IncidentAnswer]) -> JunctionAnswer:
    junction = register.junctions[id]
    briefs = [approach_brief(snapshot, one) for one in register.approaches_of(id)]
    level, text = junction_service(register, snapshot, id)
    return JunctionAnswer(
        id=id,
        name=place_name(register, id),
        lon=junction.lon,
        lat=junction.lat,
        state=junction_state(register, snapshot, id),
        age_s=min((one.age_s for one in briefs if one.age_s is not None), default=None),
        quantities=[],
        incidents=incidents,
        district=junction.district,
        signalised=junction.signalised,
        level_of_service=level,
        service_text=text,
        approaches=briefs,
    )
