"""Places as GeoJSON features, with their state now: what the map and the list show."""

import math
from typing import Any

from city.places import Approach, Cluster, Container, Junction
from city.register import Register
from service.answers import ApproachBrief, ContainerBrief, PlaceState
from service.sentences import place_name
from service.snapshot import STATE_NAMES, URGENT, Snapshot, worst


def place_features(register: Register, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return every cluster, junction, depot and unloading site as a GeoJSON feature."""
    dumped = {
        one.entity for one in snapshot.active.values() if one.kind == "dumping" and one.entity in register.clusters
    }
    features = [_cluster_feature(register, snapshot, one, one.id in dumped) for one in register.clusters.values()]
    features += [_junction_feature(register, snapshot, one) for one in register.junctions.values()]
    features += [_feature(one.id, "depot", one.name, one.lon, one.lat, "ok") for one in register.depots.values()]
    features += [
        _feature(one.id, "unloading-site", one.name, one.lon, one.lat, "ok")
        for one in register.unloading_sites.values()
    ]
    return features


def container_brief(snapshot: Snapshot, container: Container) -> ContainerBrief:
    """Return the latest state of a container."""
    known = snapshot.containers
    i = known.index[container.id]
    row = snapshot.latest.get((container.id, "fill"))
    at_s = row.at_s if row else finite(known.at_s[i])
    return ContainerBrief(
        id=container.id,
        stream=container.stream,
        fill_ratio=finite(known.level[i], 3),
        fill_low=finite(known.low[i], 3),
        fill_high=finite(known.high[i], 3),
        at=at_s,
        age_s=age_s(snapshot, at_s),
        state=state_name(int(known.state[i])),
    )


def approach_brief(snapshot: Snapshot, approach: Approach) -> ApproachBrief:
    """Return the latest state of an approach."""
    row = snapshot.latest.get((approach.id, "traffic"))
    values = row.values if row else {}
    at_s = row.at_s if row else None
    return ApproachBrief(
        id=approach.id,
        name=approach.name,
        speed_kph=_rounded(values.get("speed_kph"), 1),
        vehicle_count=values.get("vehicle_count"),
        occupancy_ratio=_rounded(values.get("occupancy_ratio"), 3),
        at=at_s,
        age_s=age_s(snapshot, at_s),
        state=approach_state(snapshot, approach.id),
    )


def cluster_state(register: Register, snapshot: Snapshot, cluster: str) -> PlaceState:
    """Return the state of a cluster: that of its most urgent container, urgent where waste lies beside it."""
    if any(one.kind == "dumping" and one.entity == cluster for one in snapshot.active.values()):
        return "urgent"
    known = snapshot.containers
    return state_name(worst(known.state[[known.index[one.id] for one in register.containers_of(cluster)]]))


def junction_state(register: Register, snapshot: Snapshot, junction: str) -> PlaceState:
    """Return the state of a junction: that of its worst approach."""
    known = snapshot.approaches
    return state_name(worst(known.state[[known.index[one.id] for one in register.approaches_of(junction)]]))


def approach_state(snapshot: Snapshot, approach: str) -> PlaceState:
    """Return the state of an approach."""
    return state_name(int(snapshot.approaches.state[snapshot.approaches.index[approach]]))


def state_name(code: int) -> PlaceState:
    """Return the word for a state's code."""
    name = STATE_NAMES[code]
    return "ok" if name == "ok" else "watch" if name == "watch" else "urgent" if name == "urgent" else "unknown"


def finite(value: float, digits: int | None = None) -> float | None:
    """Return a number, or None where it is unknown (NaN)."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return number if digits is None else round(number, digits)


def age_s(snapshot: Snapshot, at_s: float | None) -> float | None:
    """Return the age in city seconds at the time of the snapshot."""
    return None if at_s is None else round(max(0.0, snapshot.now_s - at_s), 1)


def shown_part(feature: dict[str, Any]) -> tuple[Any, ...]:
    """Return what of a feature a viewer would see change: everything but ages."""
    properties = feature["properties"]
    parts = properties.get("containers") or properties.get("approaches") or ()
    return (
        properties["state"],
        *((one["state"], one.get("fillRatio"), one.get("speedKph"), one.get("at")) for one in parts),
    )


def _cluster_feature(register: Register, snapshot: Snapshot, cluster: Cluster, dumped: bool) -> dict[str, Any]:
    containers = register.containers_of(cluster.id)
    known = snapshot.containers
    code = URGENT if dumped else worst(known.state[[known.index[one.id] for one in containers]])
    briefs = [container_brief(snapshot, one).model_dump(by_alias=True) for one in containers]
    return _feature(
        cluster.id, "cluster", cluster.name or cluster.id, cluster.lon, cluster.lat, state_name(code), containers=briefs
    )


def _junction_feature(register: Register, snapshot: Snapshot, junction: Junction) -> dict[str, Any]:
    briefs = [approach_brief(snapshot, one).model_dump(by_alias=True) for one in register.approaches_of(junction.id)]
    return _feature(
        junction.id,
        "junction",
        place_name(register, junction.id),
        junction.lon,
        junction.lat,
        junction_state(register, snapshot, junction.id),
        approaches=briefs,
    )


def _feature(id: str, kind: str, name: str, lon: float, lat: float, state: PlaceState, **more: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": id,
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {"id": id, "kind": kind, "name": name, "state": state, **more},
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
