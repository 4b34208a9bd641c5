"""What agents stand in: a simulated city's truth, or a city's own history. A fleet drives either in the same way."""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from city.places import Truck
from city.readings import Log, Reading, ReadingKind
from city.register import Register
from city.vetoes import VetoReason
from edge.driver import Driver
from routing.network import Network
from simulation.city import SimulatedCity
from simulation.drivers import ApproachDriver, BesideDriver, FillDriver, SensorNoise, TruckDriver
from simulation.history import History
from simulation.obstacles import Obstacles
from simulation.parameters import HOUR_S
from simulation.planted import PlantedEvent
from simulation.replay import ReplayCity, ReplayWorld
from simulation.roads import Roads
from simulation.trucks import TruckDrive, World
from simulation.truth import HISTORY, Happening

Floats = npt.NDArray[np.float64]


class Said(NamedTuple):
    """A reading that a device says by itself, without being asked by the agent's sampling."""

    device: str
    log: Log
    reading: Reading


class Field(Protocol):
    """What a fleet asks of its surroundings."""

    register: Register
    network: Network
    start_s: float
    seed: int

    @property
    def world(self) -> World:
        """What trucks change."""
        ...

    @property
    def planted(self) -> Sequence[PlantedEvent]:
        """Troubles; those of kind `silent` are the fleet's to carry out."""
        ...

    def advance(self, to_s: float) -> list[Said]:
        """Move on to `to_s`, and return what devices said by themselves since the last time."""
        ...

    def drivers(self, device: str) -> list[Driver]:
        """Return the sensors of a device that is no truck."""
        ...

    def speed_ratio_true(self, at_s: float) -> Floats:
        """Return the true speed on each approach as a share of the free speed, NaN = unknown."""
        ...

    def take_happenings(self) -> list[Happening]:
        """Return what happened since the last call."""
        ...

    def refusal(self, cluster: str, at_s: float) -> VetoReason | None:
        """Return why a driver who comes to a cluster at a time drives on; None = he does not."""
        ...


class SimulatedField:
    """The truth of a simulated city, seen through sensors with noise and faults."""

    def __init__(self, city: SimulatedCity, noise: SensorNoise | None = None) -> None:
        self.register = city.register
        self.network = city.network
        self.start_s = city.start_s
        self.seed = city.seed
        self.planted: Sequence[PlantedEvent] = city.planted
        self.truth = city.truth()
        self.obstacles = Obstacles(city.register, city.seed, city.parameters.blocked_share)
        self._noise = noise or SensorNoise()
        self._happenings: list[Happening] = []

    @property
    def world(self) -> World:
        """See `Field.world`."""
        return self.truth

    def advance(self, to_s: float) -> list[Said]:
        """See `Field.advance`: before the start, trucks speak of the collection that was."""
        self.truth.advance(to_s)
        new = self.truth.take_happenings()
        self._happenings += new
        return [self._visit(one) for one in new if one.truck == HISTORY]

    def drivers(self, device: str) -> list[Driver]:
        """See `Field.drivers`."""
        made: list[Driver] = []
        for one in self.register.installations:
            if one.device == device and one.entity not in self.register.trucks:
                made.append(self._driver(one.channel, one.entity))
        return made

    def speed_ratio_true(self, at_s: float) -> Floats:
        """See `Field.speed_ratio_true`."""
        return self.truth.speed_ratio_true(at_s)

    def take_happenings(self) -> list[Happening]:
        """See `Field.take_happenings`."""
        taken = self._happenings + self.truth.take_happenings()
        self._happenings = []
        return taken

    def refusal(self, cluster: str, at_s: float) -> VetoReason | None:
        """See `Field.refusal`."""
        return self.obstacles.refusal(cluster, at_s)

    def _driver(self, channel: str, entity: str) -> Driver:
        container = self.register.containers.get(entity)
        if container is not None:
            return FillDriver(channel, container, self.truth, self.planted, self._noise, self.seed)
        if entity in self.register.clusters:
            return BesideDriver(channel, entity, self.truth, self._noise, self.seed)
        return ApproachDriver(channel, entity, self.truth, self.planted)

    def _visit(self, one: Happening) -> Said:
        values: dict[str, float | None] = {"objects_beside": 0.0}
        kind = "grab"
        stream = ""
        if one.event == "emptied":
            values, kind = {"lift_kg": self.truth.lift_kg(one.entity, one.value)}, "crane"
            stream = self.register.containers[one.entity].stream
        able = [t for t in self.register.trucks.values() if t.kind == kind and (not stream or stream in t.streams)]
        truck = able[zlib.crc32(one.entity.encode()) % len(able)]
        return Said(device_of(self.register, truck), "events", visit_reading(one.at_s, one.entity, values))


class ReplayField:
    """A city's own history: readings are said when they were measured."""

    def __init__(self, city: ReplayCity, seed: int = 1) -> None:
        self.register = city.register
        self.network = city.network
        self.start_s = city.start_s
        self.seed = seed
        self.planted: Sequence[PlantedEvent] = ()
        self._world = ReplayWorld(city)
        self._city = city
        self._installed = {i.entity: (i.device, i.channel) for i in city.register.installations}
        self._approaches = list(city.register.approaches)
        self._containers = list(city.register.containers)
        self._now_s: float | None = None

    @property
    def world(self) -> World:
        """See `Field.world`."""
        return self._world

    def advance(self, to_s: float) -> list[Said]:
        """See `Field.advance`; the first call says nothing, it is where the playing begins."""
        if self._now_s is None or to_s <= self._now_s:
            self._now_s = to_s if self._now_s is None else self._now_s
            return []
        said = list(self._between(self._now_s, to_s))
        self._now_s = to_s
        return sorted(said, key=lambda one: one.reading.at_ms)

    def drivers(self, device: str) -> list[Driver]:
        """Return no sensor: all is said already."""
        return []

    def speed_ratio_true(self, at_s: float) -> Floats:
        """See `Field.speed_ratio_true`."""
        return self._world.speed_ratio_true(at_s)

    def take_happenings(self) -> list[Happening]:
        """See `Field.take_happenings`."""
        return self._world.take_happenings()

    def refusal(self, cluster: str, at_s: float) -> VetoReason | None:
        """See `Field.refusal`: nothing is planted in a history."""
        return None

    def _between(self, from_s: float, until_s: float) -> Iterator[Said]:
        if (levels := self._city.levels) is not None:
            for at_s, entity, value in _rows(levels, from_s, until_s):
                device, channel = self._installed[self._containers[entity]]
                yield Said(device, "readings", Reading(round(at_s * 1000), channel, "fill", {"fill_ratio": value}))
        if (counts := self._city.counts) is not None:
            # A file names an hour by its beginning; a count is known at its end.
            for at_s, entity, value in _rows(counts, from_s - HOUR_S, until_s - HOUR_S):
                device, channel = self._installed[self._approaches[entity]]
                at_ms = round((at_s + HOUR_S) * 1000)
                yield Said(
                    device, "readings", Reading(at_ms, channel, "traffic", {"vehicle_count": value}, int(HOUR_S))
                )


def truck_drives(field: Field) -> dict[str, TruckDrive]:
    """Return every truck of a field, at its depot, by the id of its device."""
    roads = Roads(field.network, field.register, field.speed_ratio_true)
    return {
        device_of(field.register, truck): TruckDrive(
            truck, field.register, roads, field.world, field.seed, field.refusal
        )
        for truck in field.register.trucks.values()
    }


def truck_driver(field: Field, drive: TruckDrive) -> Driver:
    """Return the sensor that says where a truck is."""
    return TruckDriver(truck_channel(field.register, drive.truck), drive, SensorNoise(), field.seed)


def visit_reading(at_s: float, place: str, values: dict[str, float | None], channel: str = "truck") -> Reading:
    """Return the reading with which a truck says what it did at a place, or why it did not."""
    kind: ReadingKind = "veto" if "veto_code" in values else "visit"
    return Reading(round(at_s * 1000), channel, kind, values, place=place)


def device_of(register: Register, truck: Truck) -> str:
    """Return the device that is installed in a truck."""
    return next(i.device for i in register.installations if i.entity == truck.id)


def truck_channel(register: Register, truck: Truck) -> str:
    """Return the channel on which a truck's device speaks of the truck."""
    return next(i.channel for i in register.installations if i.entity == truck.id)


def _rows(history: History, from_s: float, until_s: float) -> Iterator[tuple[float, int, float]]:
    some = history.between(from_s, until_s)
    return zip(history.at_s[some].tolist(), history.entity[some].tolist(), history.value[some].tolist(), strict=True)
