"""One device of a fleet: an agent of the product, its connection, and what the simulation does to it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from broker.client import MqttClient
from broker.envelope import load_key
from city.clock import Clock
from city.errors import BadInput
from city.plans import Round
from edge.agent import Agent
from edge.driver import Driver, Measurement
from edge.link import make_link
from edge.outbox import Outbox
from edge.sampling import SamplingParameters
from edge.witness import Witness
from simulation.drivers import BESIDE_INTERVAL_S
from simulation.field import Field, truck_driver
from simulation.fleet_clock import FleetClock
from simulation.planted import PlantedEvent
from simulation.trucks import TruckDrive

# Every frame of a camera is reported: told of changes alone, a detector takes somebody who stood there for one frame
# for something that lay there until the next report.
_SAMPLING = SamplingParameters(beside_heartbeat_s=BESIDE_INTERVAL_S)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FleetParameters:
    """How a fleet comes into being.

    Parameters
    ----------
    backlog_h
        Hours before the start that containers' devices have in their outboxes when they connect: they come back from
        an outage.
    traffic_backlog_h
        The same for junctions and trucks, which say something every minute.
    drain_s
        Real seconds that outboxes get to empty themselves at the end.
    retry_s, max_retry_s
        Of the connections, see `broker.client.MqttClient`.
    """

    backlog_h: float = 48.0
    traffic_backlog_h: float = 2.0
    drain_s: float = 20.0
    retry_s: float = 0.5
    max_retry_s: float = 5.0


class Power:
    """Whether a device has any; without it its sensors say nothing."""

    is_on = True


class Powered:
    """A driver behind the device's power; see `edge.driver.Driver`."""

    def __init__(self, driver: Driver, power: Power) -> None:
        self.kind, self.channel, self.interval_s = driver.kind, driver.channel, driver.interval_s
        self._driver = driver
        self._power = power

    def read(self, now_s: float) -> Measurement | None:
        """Ask the driver, if there is power."""
        return self._driver.read(now_s) if self._power.is_on else None


class FleetDevice:
    """An agent with what belongs to it."""

    def __init__(
        self,
        agent: Agent,
        client: MqttClient,
        power: Power,
        silences: Sequence[PlantedEvent],
        drive: TruckDrive | None,
    ) -> None:
        self.agent = agent
        self.client = client
        self.power = power
        self.silences = silences
        self.drive = drive
        self.is_reachable = True
        self.is_touched = False
        self.due_s = float("inf")

    def silence(self, at_s: float) -> PlantedEvent | None:
        """Return the planted silence that the device is in; None if it is in none."""
        for one in self.silences:
            if one.start_s <= at_s and (one.end_s is None or at_s < one.end_s):
                return one
        return None

    def listen(self, came: Callable[["FleetDevice"], None]) -> None:
        """Call `came` once after whatever comes over the connection, until `is_touched` is taken back."""
        on_message, on_connected = self.client.on_message, self.client.on_connected

        def touch() -> None:
            if not self.is_touched:
                self.is_touched = True
                came(self)

        def message(topic: str, payload: bytes) -> None:
            if on_message:
                on_message(topic, payload)
            touch()

        def connected() -> None:
            if on_connected:
                on_connected()
            touch()

        self.client.on_message, self.client.on_connected = message, connected


@dataclass(frozen=True)
class DeviceMaker:
    """What all devices of a fleet have in common."""

    field: Field
    folder: Path
    host: str
    port: int
    live: Clock
    clock: FleetClock
    boot: str
    witness: Witness
    parameters: FleetParameters

    def make(self, id: str, drive: TruckDrive | None) -> FleetDevice:
        """Return the device, with its outbox in `agents/` and its key from `keys/`.

        Raises
        ------
        BadFile
            There is no key, or the outbox is another device's or in use.
        """
        home = self.folder / "agents" / id
        home.mkdir(parents=True, exist_ok=True)
        key = load_key(self.folder / "keys" / f"{id}.key")
        city = self.field.register.city
        power = Power()
        drivers = [truck_driver(self.field, drive)] if drive else self.field.drivers(id)
        client = make_link(
            self.host,
            self.port,
            city,
            id,
            self.live,
            self.boot,
            retry_s=self.parameters.retry_s,
            max_retry_s=self.parameters.max_retry_s,
        )
        agent = Agent(
            id,
            city,
            [Powered(one, power) for one in drivers],
            Outbox(home / "outbox.sqlite", id, self.witness),
            client,
            key,
            self.clock,
            self.boot,
            sampling=_SAMPLING,
        )
        if drive:
            agent.on_command("follow-round", partial(_follow, drive, self.clock))
        silences = [e for e in self.field.planted if e.kind == "silent" and e.entity == id]
        return FleetDevice(agent, client, power, silences, drive)


def _follow(drive: TruckDrive, clock: Clock, arguments: dict[str, Any]) -> None:
    try:
        plan, round_ = str(arguments["plan"]), msgspec.convert(arguments["round"], Round)
    except (KeyError, msgspec.ValidationError) as error:
        raise BadInput(f"The command has no round that can be followed ({error}).", "Send plan and round.") from None
    drive.follow(plan, round_, clock.now_s())
    _logger.info("%s follows its round of %s: %d stops.", drive.truck.id, plan, len(round_.stops))
