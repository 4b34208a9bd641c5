"""The register: every place, device and installation of a city, checked as a whole."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from city.devices import Device, Installation
from city.errors import BadInput
from city.places import Approach, Cluster, Container, Depot, Junction, Truck, UnloadingSite
from city.register_checks import find_faults

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
    name
        What people call the city; its id if none is given.

    Raises
    ------
    BadInput
        An id is used twice, something refers to what is not there, or a channel watches two things at once.
    """

    def __init__(
        self,
        city: str,
        timezone: str,
        *,
        name: str = "",
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
        self.name = name or city
        self.timezone = timezone
        clusters, containers, junctions = tuple(clusters), tuple(containers), tuple(junctions)
        approaches, depots, unloading_sites = tuple(approaches), tuple(depots), tuple(unloading_sites)
        trucks, devices = tuple(trucks), tuple(devices)
        self.installations = tuple(installations)
        _check(
            clusters=clusters,
            containers=containers,
            junctions=junctions,
            approaches=approaches,
            depots=depots,
            unloading_sites=unloading_sites,
            trucks=trucks,
            devices=devices,
            installations=self.installations,
        )
        self.clusters = _by_id(clusters)
        self.containers = _by_id(containers)
        self.junctions = _by_id(junctions)
        self.approaches = _by_id(approaches)
        self.depots = _by_id(depots)
        self.unloading_sites = _by_id(unloading_sites)
        self.trucks = _by_id(trucks)
        self.devices = _by_id(devices)
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


def _check(**kinds: Sequence[Any]) -> None:
    for fault in find_faults(kinds):
        raise BadInput(fault.problem, fault.fix)


def _by_id(things: Iterable[_T]) -> dict[str, _T]:
    return {one.id: one for one in things}
