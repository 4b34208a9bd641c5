"""The register: every place, device and installation of a city, checked as a whole."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from city.devices import Device, Installation
from city.errors import BadInput
from city.places import Approach, Cluster, Container, Depot, Junction, Truck, UnloadingSite

_T = TypeVar("_T", Cluster, Container, Junction, Approach, Depot, UnloadingSite, Truck, Device)


class Position(NamedTuple):
    """Degrees, WGS 84."""

    lon: float
    lat: float


class Register:
    """Places, devices and installations of one city, and the questions that rooms ask about them.

    Parameters
    ----------
    city
        Id of the city; it stands in every topic.
    timezone
        IANA name; used where a rule speaks of the local day, never for storing a time.

    Raises
    ------
    BadInput
        An id is used twice, or something refers to what is not there.
    """

    def __init__(
        self,
        city: str,
        timezone: str,
        *,
        clusters: Iterable[Cluster] = (),
        containers: Iterable[Container] = (),
        junctions: Iterable[Junction] = (),
        approaches: Iterable[Approach] = (),
        depots: Iterable[Depot] = (),
        unloading_sites: Iterable[UnloadingSite] = (),
        trucks: Iterable[Truck] = (),
        devices: Iterable[Device] = (),
        installations: Iterable[Installation] = (),
    ) -> None:
        self.city = city
        self.timezone = timezone
        self.clusters = _by_id(clusters)
        self.containers = _by_id(containers)
        self.junctions = _by_id(junctions)
        self.approaches = _by_id(approaches)
        self.depots = _by_id(depots)
        self.unloading_sites = _by_id(unloading_sites)
        self.trucks = _by_id(trucks)
        self.devices = _by_id(devices)
        self.installations = tuple(installations)
        self._check_references()
        self._installed: dict[tuple[str, str], list[Installation]] = defaultdict(list)
        for one in self.installations:
            self._installed[one.device, one.channel].append(one)
        self._containers_of: dict[str, list[Container]] = defaultdict(list)
        for container in self.containers.values():
            self._containers_of[container.cluster].append(container)
        self._approaches_of: dict[str, list[Approach]] = defaultdict(list)
        for approach in self.approaches.values():
            self._approaches_of[approach.junction].append(approach)

    def entity_at(self, device: str, channel: str, at_s: float) -> str | None:
        """Return what the channel of the device watched at that time; None if nothing."""
        for one in self._installed.get((device, channel), ()):
            if one.covers(at_s):
                return one.entity
        return None

    def containers_of(self, cluster: str) -> list[Container]:
        """Return the containers of a cluster, in the register's order."""
        return self._containers_of.get(cluster, [])

    def approaches_of(self, junction: str) -> list[Approach]:
        """Return the approaches of a junction, in the register's order."""
        return self._approaches_of.get(junction, [])

    def position(self, entity: str) -> Position | None:
        """Return where an entity stands; None for a truck (it moves) or an unknown id."""
        if entity in self.containers:
            entity = self.containers[entity].cluster
        elif entity in self.approaches:
            entity = self.approaches[entity].junction
        for places in (self.clusters, self.junctions, self.depots, self.unloading_sites):
            if place := places.get(entity):
                return Position(place.lon, place.lat)
        return None

    def _check_references(self) -> None:
        seen: dict[str, str] = {}
        for what, things in self._kinds().items():
            for one in things:
                if one in seen:
                    raise BadInput(
                        f"The id {one!r} is used for a {seen[one]} and a {what}.", "Give one of them another id."
                    )
                seen[one] = what
        references = (
            [("container", c.id, "cluster", c.cluster, self.clusters) for c in self.containers.values()]
            + [("approach", a.id, "junction", a.junction, self.junctions) for a in self.approaches.values()]
            + [("truck", t.id, "depot", t.depot, self.depots) for t in self.trucks.values()]
            + [
                ("installation", f"{i.device}/{i.channel}", "device", i.device, self.devices)
                for i in self.installations
            ]
        )
        for what, one, field, target, known in references:
            if target not in known:
                raise BadInput(
                    f"The {field} {target!r} of {what} {one!r} is not in the register.",
                    f"Add it, or correct the {field}.",
                )
        entities = {*self.clusters, *self.containers, *self.junctions, *self.approaches, *self.trucks}
        for i in self.installations:
            if i.entity not in entities:
                raise BadInput(
                    f"The entity {i.entity!r} of installation {i.device}/{i.channel} is not in the register.",
                    "Add the container, cluster, junction, approach or truck, or correct the entity.",
                )

    def _kinds(self) -> dict[str, Iterable[str]]:
        return {
            "cluster": self.clusters,
            "container": self.containers,
            "junction": self.junctions,
            "approach": self.approaches,
            "depot": self.depots,
            "unloading site": self.unloading_sites,
            "truck": self.trucks,
        }


def _by_id(things: Iterable[_T]) -> dict[str, _T]:
    known: dict[str, _T] = {}
    for one in things:
        if one.id in known:
            raise BadInput(f"The id {one.id!r} is used twice.", "Every id must be unique.")
        known[one.id] = one
    return known
