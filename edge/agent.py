"""The agent of one device: samples, keeps, sends, and deletes what ingest has."""

import logging
import sqlite3
import time
import zlib
from collections.abc import Callable, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.codec import BadBody, Status, check_reading, decode_ack, decode_command, encode_status
from broker.envelope import seal
from broker.topics import down_topic, up_topic
from city.clock import Clock
from city.errors import BadInput
from city.readings import Log, Reading
from edge.commands import CommandHandler, Commands
from edge.driver import Driver
from edge.link import Link, agent_version
from edge.outbox import LOGS, Outbox, Outgoing
from edge.sampling import Sampler, SamplingParameters
from edge.timekeeping import TimeSense, Trusted
from edge.uplink import Uplink

# What must not queue behind a backlog.
EVENT_KINDS = frozenset({"tamper", "visit", "report", "veto"})
# Counts are over whole intervals of the day, so that detectors can be added up; the rest is spread.
_ALIGNED_KINDS = frozenset({"traffic"})
_MAX_UNSAVED = 10_000
_CLOCK_CHECK_S = 30.0
_FULL_BATCH = 50
# Real seconds by which a sample may be late and still count as taken in time.
_LATE_S = 2.0
_logger = logging.getLogger(__name__)


class AgentParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an agent sends.

    Parameters
    ----------
    window
        Unacknowledged batches per log.
    ack_timeout_s
        Real seconds without an acknowledgement before the lowest batch is sent again.
    linger_s
        City seconds that a reading waits for company in its batch; events never wait.
    hold_s
        Real seconds after the start during which readings with an unsure clock are kept back, so that they can be
        corrected before they are sent.
    status_s
        City seconds between two reports of the agent's own state.
    """

    window: int = 8
    ack_timeout_s: float = 10.0
    linger_s: float = 0.0
    hold_s: float = 600.0
    status_s: float = 6 * 3600.0

    def __post_init__(self) -> None:
        if not 1 <= self.window <= 10:
            raise BadInput(f"window is {self.window}.", "It must be from 1 to 10.")
        for name, low in (("ack_timeout_s", 0.1), ("linger_s", 0.0), ("hold_s", 0.0), ("status_s", 60.0)):
            if not getattr(self, name) >= low:
                raise BadInput(f"{name} is {getattr(self, name)}.", f"It must be at least {low:g}.")


class Agent:
    """One device. It has no thread: call `tick` when it is due, and run the loop of its client.

    Parameters
    ----------
    device, city
        Ids, as in the register.
    drivers
        The sensors that are asked; readings of others come through `enqueue`.
    outbox
        Keeps what is not acknowledged.
    client
        The connection (`edge.link.make_link`); the agent takes its callbacks over.
    key
        Signs the batches.
    clock
        City time.
    boot
        The run of the operating system (`edge.timekeeping.boot_id`).
    sampling
        What is worth a message.
    health_channel
        The channel on which the agent reports on itself (commands it refused), if the register has one.
    time_sense
        Whether the clock can be believed.
    monotonic
        Real seconds that never run backwards.
    """

    def __init__(
        self,
        device: str,
        city: str,
        drivers: Sequence[Driver],
        outbox: Outbox,
        client: Link,
        key: Ed25519PrivateKey,
        clock: Clock,
        boot: str,
        *,
        parameters: AgentParameters | None = None,
        sampling: SamplingParameters | None = None,
        health_channel: str = "",
        time_sense: TimeSense | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self.outbox = outbox
        self._client = client
        self._key = key
        self._clock = clock
        self._boot = boot
        self._parameters = parameters or AgentParameters()
        self._health_channel = health_channel
        self._time_sense = time_sense or Trusted()
        self._monotonic = monotonic
        self._sources = [_Source(device, driver, sampling) for driver in drivers]
        self._up: dict[Log, str] = {log: up_topic(city, device, log) for log in LOGS}
        self._status_topic = up_topic(city, device, "status")
        self._ack_topic = down_topic(city, device, "ack")
        self._command_topic = down_topic(city, device, "command")
        self._uplinks: dict[Log, Uplink] = {
            log: Uplink(
                outbox,
                log,
                self._send,
                window=self._parameters.window,
                ack_timeout_s=self._parameters.ack_timeout_s,
            )
            for log in LOGS
        }
        self._commands = Commands(outbox, self._refused)
        self._unsaved: list[tuple[Log, Sequence[Reading]]] = []
        self._linger_until_s = float("-inf")
        self._started_s = monotonic()
        self._is_sure = False
        self._last_s = float("-inf")
        self._status_due_s = float("-inf")
        self.dropped = 0
        client.on_message = self._received
        client.on_connected = self._connected
        client.on_disconnected = self._disconnected
        client.subscribe(self._ack_topic)
        client.subscribe(self._command_topic)

    @property
    def pending(self) -> int:
        """How many readings are not acknowledged."""
        return sum(self.outbox.pending(log) for log in LOGS)

    @property
    def resent(self) -> int:
        """How many batches were sent more than once."""
        return sum(one.resent for one in self._uplinks.values())

    def on_command(self, verb: str, handler: CommandHandler) -> None:
        """Carry out commands with this verb by calling `handler` with their arguments."""
        self._commands.allow(verb, handler)

    def tick(self) -> float:
        """Do what is due, and return when the next is (city seconds since 1970)."""
        now_s, elapsed_s = self._clock.now_s(), self._monotonic()
        self._check_clock(now_s, elapsed_s)
        for log, readings in self.sample(now_s).items():
            self._unsaved.append((log, readings))
        self._save(now_s, elapsed_s)
        for uplink in self._uplinks.values():
            uplink.due(elapsed_s)
        self._pump(now_s, elapsed_s)
        if now_s >= self._status_due_s:
            self._send_status(True, now_s)
        return self._due_s(now_s, elapsed_s)

    def next_due_s(self) -> float:
        """Return when `tick` has something to do (city seconds since 1970); messages may have changed it."""
        return self._due_s(self._clock.now_s(), self._monotonic())

    def sample(self, now_s: float) -> dict[Log, list[Reading]]:
        """Ask the drivers that are due, and return what is worth a message, by log; nothing of it is kept yet."""
        late_s = _LATE_S * self._clock.speed_up
        by_log: dict[Log, list[Reading]] = {}
        for source in self._sources:
            if now_s >= source.due_s:
                reading = source.sample(now_s, late_s)
                if reading is not None:
                    by_log.setdefault(source.log, []).append(reading)
        return by_log

    def enqueue(self, log: Log, readings: Sequence[Reading]) -> None:
        """Keep readings, durably, and send them when it is their turn."""
        now_s, elapsed_s = self._clock.now_s(), self._monotonic()
        self._check_clock(now_s, elapsed_s)
        self._unsaved.append((log, readings))
        self._save(now_s, elapsed_s)
        self._pump(now_s, elapsed_s)

    def close(self) -> None:
        """Say goodbye; the outbox and the client are the caller's to close."""
        self._send_status(False, self._clock.now_s())

    def _check_clock(self, now_s: float, elapsed_s: float) -> None:
        if now_s < self._last_s - 1.0:
            _logger.warning("%s: the clock was set back by %.0f s.", self.device, self._last_s - now_s)
            for source in self._sources:
                source.start(now_s)
            self._linger_until_s = self._status_due_s = float("-inf")
        self._last_s = now_s
        is_sure = self._time_sense.is_synchronised(now_s)
        if is_sure and not self._is_sure:
            try:
                corrected = self.outbox.correct_clock(self._boot, now_s - elapsed_s)
            except sqlite3.Error as error:
                _logger.error("%s: the outbox cannot be written (%s); the times wait.", self.device, error)
                return
            if corrected:
                _logger.info("%s: the clock is right now; corrected %d readings.", self.device, corrected)
        self._is_sure = is_sure

    def _save(self, now_s: float, elapsed_s: float) -> None:
        """Write what waits into the outbox, and seal what can go at once: one commit."""
        if not self._unsaved:
            return
        had_nothing_to_wait_for = self._unsealed("readings") == 0
        try:
            with self.outbox.commit():
                for log, readings in self._unsaved:
                    good = [one for one in readings if self._can_be_sent(one)]
                    self.outbox.append(log, good, self._boot, elapsed_s, now_s, is_unsure=not self._is_sure)
                if had_nothing_to_wait_for:
                    self._linger_until_s = now_s + self._parameters.linger_s
                if self._client.is_connected:
                    for log, uplink in self._uplinks.items():
                        if self._may_seal(log, now_s):
                            uplink.prepare(self._hold(log, elapsed_s))
        except sqlite3.Error as error:
            for uplink in self._uplinks.values():
                uplink.forget_prepared()
            _logger.error("%s: the outbox cannot be written (%s); readings wait in memory.", self.device, error)
            self._forget_oldest()
            return
        self._unsaved.clear()

    def _forget_oldest(self) -> None:
        waiting = sum(len(readings) for _, readings in self._unsaved)
        while waiting > _MAX_UNSAVED:
            _, readings = self._unsaved.pop(0)
            waiting -= len(readings)
            self.dropped += len(readings)
            _logger.error("%s: gave up %d readings that the outbox did not take.", self.device, len(readings))

    def _can_be_sent(self, reading: Reading) -> bool:
        try:
            check_reading(reading)
        except BadBody as error:
            self.dropped += 1
            _logger.error("%s: a driver made a reading that cannot be sent: %s", self.device, error)
            return False
        return True

    def _pump(self, now_s: float, elapsed_s: float) -> None:
        if not self._client.is_connected:
            return
        try:
            for log in reversed(LOGS):
                self._uplinks[log].pump(elapsed_s, self._hold(log, elapsed_s), self._may_seal(log, now_s))
        except sqlite3.Error as error:
            _logger.error("%s: the outbox cannot be written (%s); what is kept waits.", self.device, error)

    def _send(self, batch: Outgoing) -> bool:
        return self._client.publish(self._up[batch.log], seal(batch.body, self._key, self.device))

    def _send_status(self, is_online: bool, now_s: float) -> None:
        status = Status(is_online, max(0, round(now_s * 1000)), self._boot, agent_version(), self.pending)
        if self._client.publish(self._status_topic, encode_status(status), retain=True):
            self._status_due_s = now_s + self._parameters.status_s
        else:
            self._status_due_s = float("inf")

    def _hold(self, log: Log, elapsed_s: float) -> str:
        if self._is_sure or log == "events" or elapsed_s - self._started_s >= self._parameters.hold_s:
            return ""
        return self._boot

    def _may_seal(self, log: Log, now_s: float) -> bool:
        return log == "events" or now_s >= self._linger_until_s or self._unsealed(log) >= _FULL_BATCH

    def _unsealed(self, log: Log) -> int:
        head = self.outbox.head(log)
        return head.next_n - head.sealed_n

    def _due_s(self, now_s: float, elapsed_s: float) -> float:
        dues = [source.due_s for source in self._sources]
        dues.append(self._status_due_s)
        if self._linger_until_s > now_s and self._unsealed("readings"):
            dues.append(self._linger_until_s)
        speed_up = self._clock.speed_up
        for uplink in self._uplinks.values():
            if uplink.deadline_s is not None:
                dues.append(now_s + max(0.0, uplink.deadline_s - elapsed_s) * speed_up)
        if not self._is_sure or self._unsaved:
            dues.append(now_s + _CLOCK_CHECK_S * speed_up)
        return min(dues)

    def _connected(self) -> None:
        now_s, elapsed_s = self._clock.now_s(), self._monotonic()
        self._check_clock(now_s, elapsed_s)
        for uplink in self._uplinks.values():
            uplink.connected(elapsed_s)
        self._send_status(True, now_s)
        self._pump(now_s, elapsed_s)

    def _disconnected(self, reason: str) -> None:
        for uplink in self._uplinks.values():
            uplink.disconnected()

    def _received(self, topic: str, payload: bytes) -> None:
        try:
            if topic == self._ack_topic:
                self._acknowledged(payload)
            elif topic == self._command_topic:
                self._commands.receive(decode_command(payload), self._clock.now_s(), self._is_sure)
        except BadBody as error:
            _logger.warning("%s: a message on %s cannot be used: %s", self.device, topic, error)
        except sqlite3.Error as error:
            # Ingest says it again when asked, and a command that is not noted is not carried out.
            _logger.error("%s: the outbox cannot be written (%s); passed over %s.", self.device, error, topic)

    def _acknowledged(self, payload: bytes) -> None:
        ack = decode_ack(payload)
        elapsed_s = self._monotonic()
        for log, uplink in self._uplinks.items():
            if self.outbox.head(log).log_id == ack.log_id:
                uplink.acknowledged(ack.n, elapsed_s)
                self._pump(self._clock.now_s(), elapsed_s)
                return
        _logger.info("%s: an acknowledgement of the log %s, which is none of ours.", self.device, ack.log_id)

    def _refused(self, why: str) -> None:
        if self._health_channel:
            at_ms = max(0, round(self._clock.now_s() * 1000))
            self.enqueue("events", [Reading(at_ms, self._health_channel, "health", {"commands_refused": 1.0})])


class _Source:
    """A driver, what of it is worth a message, and when it is due."""

    def __init__(self, device: str, driver: Driver, sampling: SamplingParameters | None) -> None:
        self.log: Log = "events" if driver.kind in EVENT_KINDS else "readings"
        self.due_s = float("-inf")
        self._driver = driver
        self._name = f"{device}/{driver.channel}"
        self._interval_s = driver.interval_s
        self._sampler = Sampler(driver.channel, driver.kind, sampling)
        self._is_aligned = driver.kind in _ALIGNED_KINDS
        self._phase_s = 0.0 if self._is_aligned else zlib.crc32(self._name.encode()) % 1000 / 1000 * self._interval_s

    def start(self, now_s: float) -> None:
        """Begin anew: a level at once, a count at the end of the interval."""
        self.due_s = self._after(now_s) if self._is_aligned else now_s

    def sample(self, now_s: float, late_s: float) -> Reading | None:
        """Ask the driver for the moment that was due, or for now if that is too long ago."""
        if self.due_s == float("-inf"):
            self.start(now_s)
            if now_s < self.due_s:
                return None
        if self._is_aligned:
            at_s = self._after(now_s) - self._interval_s
        else:
            at_s = self.due_s if now_s - self.due_s <= min(late_s, self._interval_s / 2) else now_s
        self.due_s = self._after(now_s)
        try:
            measurement = self._driver.read(at_s)
        except Exception:
            _logger.exception("%s: the driver failed; it is asked again when it is due.", self._name)
            return None
        return None if measurement is None else self._sampler.offer(measurement, at_s)

    def _after(self, now_s: float) -> float:
        steps = (now_s - self._phase_s) // self._interval_s + 1
        return steps * self._interval_s + self._phase_s
