"""All devices of a city in one process: the agents, outboxes and connections of the product, with simulated sensors."""

import heapq
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from broker.client import Loop
from city.clock import Clock
from city.errors import BadFile
from city.readings import Log, Reading
from city.register import Register
from edge.witness import Witness
from simulation.field import Field, Said, truck_channel, truck_drives, visit_reading
from simulation.fleet_clock import FleetClock
from simulation.fleet_device import DeviceMaker, FleetDevice, FleetParameters
from simulation.fleet_report import reported_at_s, write_fleet_report
from simulation.open_files import allow_open_files
from simulation.parameters import HOUR_S
from simulation.records import EventLog, read_events
from simulation.truth import HISTORY, Happening

# An outbox has a database and its log open, a connection a socket.
_FILES_PER_AGENT = 3
_FILES_BESIDE = 200
_STEP_S = 300.0
_FINE_STEP_S = 60.0
_LONGEST_WAIT_S = 0.05
_PROGRESS_S = 1.0
_logger = logging.getLogger(__name__)


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
        self._resumed_s = reported_at_s(self._truth / "fleet.json")
        if self._resumed_s is not None:
            self._begin_s = max(self._begin_s, self._resumed_s)
        self._repeat(past)
        self._clock = FleetClock(clock, self._begin_s)
        self._witness = Witness(self._truth / "produced.csv")
        self._events = EventLog(self._truth / "events.jsonl")
        self._loop = Loop()
        boot = f"sim-{time.time_ns():x}"
        self._drives = truck_drives(field)
        self._devices: dict[str, FleetDevice] = {}
        self._due: list[tuple[float, str]] = []
        self._touched: list[FleetDevice] = []
        self._is_stopping = False
        self._progress_due_s = 0.0
        maker = DeviceMaker(field, folder, host, port, clock, self._clock, boot, self._witness, self._parameters)
        try:
            for id in register.devices:
                self._devices[id] = maker.make(id, self._drives.get(id))
                self._devices[id].listen(self._touched.append)
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
            self._write_report("stopped")
        finally:
            self.close()

    def close(self) -> None:
        """Close connections, outboxes and records; `run` does it itself."""
        self._loop.close()
        for device in self._devices.values():
            device.agent.outbox.close()
        self._witness.close()
        self._events.close()

    def _repeat(self, past: Sequence[Happening]) -> None:
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
        touched = list(self._touched)
        self._touched.clear()
        for device in touched:
            device.is_touched = False
            self._call_at(device.agent.device, device.agent.tick())

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

    def _follow_silence(self, device: FleetDevice, now_s: float) -> None:
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
            self._write_report("running")

    def _write_report(self, state: str) -> None:
        write_fleet_report(
            self._truth / "fleet.json",
            state,
            self._clock.now_s(),
            self._devices,
            self._drives.values(),
            with_devices=state == "stopped",
        )


def _is_of(register: Register, device: str, entities: Container[str]) -> bool:
    return any(i.device == device and i.entity in entities for i in register.installations)
