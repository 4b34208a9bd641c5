"""All devices of a city in one process: the agents, outboxes and connections of the product, with simulated sensors."""

import heapq
import logging
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from broker.client import Loop, MqttClient
from broker.envelope import load_key
from city.clock import Clock
from city.errors import BadFile, BadInput, PermanentError
from city.plans import Round
from city.readings import Log, Reading
from edge.agent import Agent
from edge.driver import Driver, Measurement
from edge.link import make_link
from edge.outbox import LOGS, Outbox
from edge.sampling import SamplingParameters
from edge.witness import Witness
from simulation.drivers import BESIDE_INTERVAL_S
from simulation.field import Field, Said, truck_channel, truck_driver, truck_drives, visit_reading
from simulation.parameters import HOUR_S
from simulation.planted import PlantedEvent
from simulation.records import EventLog, read_events, write_json
from simulation.trucks import TruckDrive
from simulation.truth import HISTORY

# An outbox has a database and its log open, a connection a socket.
_FILES_PER_AGENT = 3
_FILES_BESIDE = 200
_STEP_S = 300.0
_FINE_STEP_S = 60.0
_LONGEST_WAIT_S = 0.05
# Every frame of a camera is reported: told of changes alone, a detector takes somebody who stood there for one frame
# for something that lay there until the next report.
_SAMPLING = SamplingParameters(beside_heartbeat_s=BESIDE_INTERVAL_S)
_PROGRESS_S = 1.0
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


class FleetClock:
    """Stands while the past is played, and is the city's clock after `go_live`."""

    def __init__(self, live: Clock, now_s: float) -> None:
        self._live = live
        self._now_s = now_s
        self._is_live = False

    @property
    def speed_up(self) -> float:
        """See `Clock.speed_up`; the past passes as fast as it can."""
        return self._live.speed_up if self._is_live else 1e6

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return self._live.now_s() if self._is_live else self._now_s

    def real_s(self, city_s: float) -> float:
        """See `Clock.real_s`."""
        return self._live.real_s(city_s)

    def set(self, now_s: float) -> None:
        """Be at `now_s`, while the past is played."""
        self._now_s = now_s

    def go_live(self) -> None:
        """Follow the city's clock from now on."""
        self._is_live = True


class _Power:
    """Whether a device has any; without it its sensors say nothing."""

    is_on = True


class _Powered:
    """A driver behind the device's power."""

    def __init__(self, driver: Driver, power: _Power) -> None:
        self.kind, self.channel, self.interval_s = driver.kind, driver.channel, driver.interval_s
        self._driver = driver
        self._power = power

    def read(self, now_s: float) -> Measurement | None:
        return self._driver.read(now_s) if self._power.is_on else None


class _Device:
    """An agent with what belongs to it."""

    def __init__(
        self,
        agent: Agent,
        client: MqttClient,
        power: _Power,
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
        for one in self.silences:
            if one.start_s <= at_s and (one.end_s is None or at_s < one.end_s):
                return one
        return None


class Fleet:
    """The devices of a field.

    Parameters
    ----------
    field
        What the devices stand in.
    folder
        Has `keys/`; gets `agents/` and `truth/`.
    host, port
        The broker.
    clock
        City time.
    parameters
        How the fleet comes into being.

    Raises
    ------
    BadFile
        A device has no key.
    PermanentError
        The machine does not allow as many open files as there are devices.
    """

    def __init__(
        self, field: Field, folder: Path, host: str, port: int, clock: Clock, parameters: FleetParameters | None = None
    ) -> None:
        self._field = field
        self._truth = folder / "truth"
        self._parameters = parameters or FleetParameters()
        self._live = clock
        register = field.register
        for device in register.devices.values():
            if not device.is_signed:
                raise BadFile(
                    f"The device {device.id!r} has no key.",
                    "Make the city with `python -m simulation generate`, which enrols it.",
                    file=str(folder / "register"),
                )
        allow_open_files(_FILES_PER_AGENT * len(register.devices) + _FILES_BESIDE)
        self._truth.mkdir(parents=True, exist_ok=True)
        past = [e for e in read_events(self._truth / "events.jsonl") if e.truck != HISTORY]
        self._begin_s = field.start_s - self._parameters.backlog_h * HOUR_S
        self._resumed_s = _stopped_at_s(self._truth / "fleet.json")
        if self._resumed_s is not None:
            self._begin_s = max(self._begin_s, self._resumed_s)
        self._repeat(past)
        self._clock = FleetClock(clock, self._begin_s)
        self._witness = Witness(self._truth / "produced.csv")
        self._events = EventLog(self._truth / "events.jsonl")
        self._loop = Loop()
        self._boot = f"sim-{time.time_ns():x}"
        self._drives = truck_drives(field)
        self._devices: dict[str, _Device] = {}
        self._due: list[tuple[float, str]] = []
        self._touched: list[str] = []
        self._is_stopping = False
        self._progress_due_s = 0.0
        try:
            for id in register.devices:
                self._devices[id] = self._make(id, folder, host, port)
        except BaseException:
            self.close()
            raise

    @property
    def pending(self) -> int:
        """How many readings no ingest has acknowledged."""
        return sum(one.agent.pending for one in self._devices.values())

    def stop(self) -> None:
        """Make `run` stop sampling, drain and return. May be called from a signal handler."""
        self._is_stopping = True
        self._loop.wake()

    def play_backlog(self) -> int:
        """Play the past into the outboxes until it has caught up with the clock; return how many readings that were."""
        register = self._field.register
        junctions = [d for d in self._devices if _is_of(register, d, register.approaches)]
        trucks = [d for d in self._devices if self._devices[d].drive]
        minutely = {*junctions, *trucks}
        slow = [d for d in self._devices if d not in minutely]
        fine_from_s = self._field.start_s - self._parameters.traffic_backlog_h * HOUR_S
        at_s, made = self._begin_s, 0
        while not self._is_stopping:
            until_s = self._live.now_s()
            # What has passed in the meantime is played in minutes: soon no minute is left.
            is_first = at_s == self._begin_s
            if until_s - at_s < _FINE_STEP_S:
                break
            kept: dict[str, dict[Log, list[Reading]]] = defaultdict(lambda: {"readings": [], "events": []})
            step_s = _STEP_S if is_first else _FINE_STEP_S
            fine_s = max(at_s, fine_from_s) if is_first else at_s
            while at_s + step_s <= until_s and not self._is_stopping:
                at_s += step_s
                self._clock.set(at_s)
                for one in self._field.advance(at_s):
                    kept[one.device][one.log].append(one.reading)
                self._sample(slow, at_s, kept)
                while fine_s + _FINE_STEP_S <= at_s:
                    fine_s += _FINE_STEP_S
                    self._sample(minutely, fine_s, kept)
            made += self._keep(kept)
        self._clock.go_live()
        return made

    def run(self, ready: Callable[[], None] | None = None, until_s: float | None = None) -> None:
        """Connect and live until `stop` is called, or `until_s` (city time); then drain, write it all down, and close.

        Parameters
        ----------
        ready
            Called when all devices have been told to connect.
        """
        try:
            for id, device in self._devices.items():
                self._loop.add(device.client)
                self._call_at(id, self._live.now_s())
            if ready:
                ready()
            _logger.info("%d devices connect; %d readings wait in their outboxes.", len(self._devices), self.pending)
            while not self._is_stopping and (until_s is None or self._live.now_s() < until_s):
                self._live_once()
            self._drain()
            self._write_report("stopped", with_devices=True)
        finally:
            self.close()

    def close(self) -> None:
        """Close connections, outboxes and records; `run` does it itself."""
        self._loop.close()
        for device in self._devices.values():
            device.agent.outbox.close()
        self._witness.close()
        self._events.close()

    def _make(self, id: str, folder: Path, host: str, port: int) -> _Device:
        home = folder / "agents" / id
        home.mkdir(parents=True, exist_ok=True)
        key = load_key(folder / "keys" / f"{id}.key")
        p = self._parameters
        city = self._field.register.city
        power = _Power()
        drive = self._drives.get(id)
        drivers = [truck_driver(self._field, drive)] if drive else self._field.drivers(id)
        client = make_link(host, port, city, id, self._live, self._boot, retry_s=p.retry_s, max_retry_s=p.max_retry_s)
        outbox = Outbox(home / "outbox.sqlite", id, self._witness)
        agent = Agent(
            id,
            city,
            [_Powered(d, power) for d in drivers],
            outbox,
            client,
            key,
            self._clock,
            self._boot,
            sampling=_SAMPLING,
        )
        if drive:
            agent.on_command("follow-round", partial(self._follow, drive))
        silences = [e for e in self._field.planted if e.kind == "silent" and e.entity == id]
        device = _Device(agent, client, power, silences, drive)
        self._listen(id, device)
        return device

    def _listen(self, id: str, device: _Device) -> None:
        """After whatever came over the connection, the agent is asked when it is due next."""
        client = device.client
        on_message, on_connected = client.on_message, client.on_connected

        def touch() -> None:
            if not device.is_touched:
                device.is_touched = True
                self._touched.append(id)

        def message(topic: str, payload: bytes) -> None:
            if on_message:
                on_message(topic, payload)
            touch()

        def connected() -> None:
            if on_connected:
                on_connected()
            touch()

        client.on_message, client.on_connected = message, connected

    def _follow(self, drive: TruckDrive, arguments: dict[str, Any]) -> None:
        try:
            plan, round_ = str(arguments["plan"]), msgspec.convert(arguments["round"], Round)
        except (KeyError, msgspec.ValidationError) as error:
            raise BadInput(
                f"The command has no round that can be followed ({error}).", "Send plan and round."
            ) from None
        drive.follow(plan, round_, self._clock.now_s())
        _logger.info("%s follows its round of %s: %d stops.", drive.truck.id, plan, len(round_.stops))

    def _repeat(self, past: Sequence[Any]) -> None:
        """After a restart, do again to the world what trucks did before it."""
        for one in past if self._resumed_s is not None else ():
            if one.event == "emptied":
                self._field.world.empty(one.entity, one.at_s, one.truck)
            elif one.event == "cleared":
                self._field.world.clear(one.entity, one.at_s, one.truck)
        self._field.advance(self._begin_s)
        if self._resumed_s is not None:
            self._field.take_happenings()

    def _sample(
        self, devices: Sequence[str] | set[str], at_s: float, kept: dict[str, dict[Log, list[Reading]]]
    ) -> None:
        self._clock.set(at_s)
        for id in devices:
            device = self._devices[id]
            silence = device.silence(at_s) if device.silences else None
            if silence and silence.cause == "power":
                continue
            for log, readings in device.agent.sample(at_s).items():
                kept[id][log] += readings

    def _keep(self, kept: dict[str, dict[Log, list[Reading]]]) -> int:
        made = 0
        for id, by_log in kept.items():
            for log, readings in by_log.items():
                if readings:
                    made += len(readings)
                    self._devices[id].agent.enqueue(log, readings)
        self._events.write(self._field.take_happenings())
        return made

    def _live_once(self) -> None:
        now_s = self._live.now_s()
        self._say(self._field.advance(now_s))
        self._drive_trucks(now_s)
        self._events.write(self._field.take_happenings())
        while self._due and self._due[0][0] <= now_s:
            due_s, id = heapq.heappop(self._due)
            device = self._devices[id]
            if due_s == device.due_s:
                device.due_s = float("inf")
                self._follow_silence(device, now_s)
                self._call_at(id, max(device.agent.tick(), now_s + 1e-3))
        self._tick_touched()
        next_s = self._due[0][0] if self._due else now_s
        wait_s = self._live.real_s(next_s - self._live.now_s())
        self._loop.run_once(min(max(0.0, wait_s), _LONGEST_WAIT_S))
        self._report_progress()

    def _tick_touched(self) -> None:
        touched, self._touched = self._touched, []
        for id in touched:
            device = self._devices[id]
            device.is_touched = False
            self._call_at(id, device.agent.tick())

    def _call_at(self, id: str, due_s: float) -> None:
        """Tick a device at `due_s`, instead of what was asked for before."""
        device = self._devices[id]
        if due_s != device.due_s:
            device.due_s = due_s
            heapq.heappush(self._due, (due_s, id))

    def _say(self, said: Sequence[Said]) -> None:
        by_device: dict[tuple[str, Log], list[Reading]] = defaultdict(list)
        for one in said:
            by_device[one.device, one.log].append(one.reading)
        for (id, log), readings in by_device.items():
            self._devices[id].agent.enqueue(log, readings)

    def _drive_trucks(self, now_s: float) -> None:
        for id, drive in self._drives.items():
            visits = drive.advance(now_s)
            if visits:
                channel = truck_channel(self._field.register, drive.truck)
                readings = [visit_reading(v.at_s, v.place, v.values, channel) for v in visits]
                self._devices[id].agent.enqueue("events", readings)

    def _follow_silence(self, device: _Device, now_s: float) -> None:
        if not device.silences:
            return
        silence = device.silence(now_s)
        device.power.is_on = not (silence and silence.cause == "power")
        if silence and device.is_reachable:
            device.is_reachable = False
            # A real device's will would say so; the broker gets the same message from the agent.
            device.agent.close()
            self._loop.remove(device.client)
            _logger.info("%s falls silent (%s).", device.agent.device, silence.cause)
        elif not silence and not device.is_reachable:
            device.is_reachable = True
            self._loop.add(device.client)
            _logger.info("%s is back.", device.agent.device)

    def _drain(self) -> None:
        for device in self._devices.values():
            device.power.is_on = False
        until_s = time.monotonic() + self._parameters.drain_s
        reachable = [d for d in self._devices.values() if d.is_reachable]
        next_tick_s = 0.0
        while time.monotonic() < until_s and any(d.agent.pending for d in reachable):
            if time.monotonic() >= next_tick_s:
                next_tick_s = time.monotonic() + 0.25
                for device in reachable:
                    if device.agent.pending:
                        device.agent.tick()
            self._touched.clear()
            self._loop.run_once(_LONGEST_WAIT_S)
        for device in reachable:
            device.agent.close()
        # The last words are small; half a second is plenty on any machine that can run a city.
        until_s = time.monotonic() + 0.5
        while time.monotonic() < until_s and any(d.client.in_flight for d in reachable):
            self._loop.run_once(_LONGEST_WAIT_S)

    def _report_progress(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._progress_due_s:
            self._progress_due_s = now_s + _PROGRESS_S
            self._write_report("running", with_devices=False)

    def _write_report(self, state: str, *, with_devices: bool) -> None:
        heads = {id: d.agent.outbox.heads for id, d in self._devices.items()}
        produced = sum(h.next_n for one in heads.values() for h in one.values())
        acknowledged = sum(h.kept_n for one in heads.values() for h in one.values())
        body: dict[str, Any] = {
            "state": state,
            "at_s": self._clock.now_s(),
            "produced": produced,
            "acknowledged": acknowledged,
            "pending": produced - acknowledged,
            "connected": sum(d.client.is_connected for d in self._devices.values()),
            "resent": sum(d.agent.resent for d in self._devices.values()),
            "dropped": sum(d.agent.dropped for d in self._devices.values()),
            "trucks": {
                d.truck.id: {
                    "plan": d.plan,
                    "distance_m": round(d.distance_m, 1),
                    "done": [s.job for s in d.done if s.job],
                }
                for d in self._drives.values()
            },
        }
        if with_devices:
            body["devices"] = {
                id: {
                    log: {"log_id": one[log].log_id, "kept_n": one[log].kept_n, "next_n": one[log].next_n}
                    for log in LOGS
                }
                for id, one in heads.items()
            }
        write_json(self._truth / "fleet.json", body)


def allow_open_files(needed: int) -> None:
    """Raise this process's limit of open files to `needed`.

    Raises
    ------
    PermanentError
        The machine does not allow that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise PermanentError(
            f"This fleet needs {needed} open files and this machine allows a process {hard}.",
            f"Raise the hard limit (`ulimit -Hn {needed}`, or LimitNOFILE= in systemd), or make a smaller city.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _stopped_at_s(path: Path) -> float | None:
    try:
        raw = msgspec.json.decode(path.read_bytes())
        return float(raw["at_s"])
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None


def _is_of(register: Any, device: str, entities: Any) -> bool:
    return any(i.device == device and i.entity in entities for i in register.installations)
