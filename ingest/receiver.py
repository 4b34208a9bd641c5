"""From the broker into the ledger: what is received is judged, committed together, and then acknowledged."""

import logging
import time
from collections import Counter
from typing import NamedTuple

from broker.client import Delivery, Loop, MqttClient
from broker.codec import Ack, encode_ack
from broker.topics import UpLeaf, down_topic, up_filter
from city.clock import Clock
from city.errors import PermanentError
from city.register import Register
from ingest.dead_letters import DeadLetter, DeadLetters
from ingest.gate import PLAIN_LOG_ID, Accepted, Arrival, Decision, Duplicate, Rejected, Rewind, judge
from ingest.rewinds import Rewinds
from ingest.status import Counters
from ledger import Ledger

LEAVES: tuple[UpLeaf, ...] = ("readings", "events", "plain")
_DISK_RETRY_S = 1.0
_TOPIC_CHARACTERS = 200

LogKey = tuple[str, str]

_log = logging.getLogger(__name__)


class LedgerLost(PermanentError):
    """The ledger cannot be written any more by this process."""


class _Received(NamedTuple):
    arrival: Arrival
    delivery: Delivery
    elapsed_s: float


class _Outcome:
    """What is to be done and counted once a group is in the ledger."""

    def __init__(self) -> None:
        self.answers: dict[LogKey, None] = {}
        self.letters: list[tuple[DeadLetter, LogKey | None]] = []
        self.counted: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()


class Receiver:
    """Takes messages from a client in groups; a group is in the ledger before anybody is told that it is.

    One thread does everything: it reads until a group is full or has lingered, judges it, commits it with one fsync,
    acknowledges to devices and broker, and only then reads on. So what is unacknowledged is bounded by one group, and
    a slow disk makes the broker wait instead of filling memory.

    Parameters
    ----------
    client
        With `manual_ack`; the receiver subscribes.
    register
        Replace it with `use_register`.
    linger_s
        Real seconds for which a group waits for more.
    group
        Messages after which it waits no longer, and reads no more until they are committed.
    again_s
        Real seconds after a connection is made in which every message may be one that the broker hands over again:
        not every broker says so of each.
    """

    def __init__(
        self,
        loop: Loop,
        client: MqttClient,
        ledger: Ledger,
        register: Register,
        dead_letters: DeadLetters,
        clock: Clock,
        *,
        rewinds: Rewinds | None = None,
        linger_s: float = 0.02,
        group: int = 500,
        again_s: float = 5.0,
    ) -> None:
        self._loop = loop
        self._client = client
        self._ledger = ledger
        self._register = register
        self._dead_letters = dead_letters
        self._clock = clock
        self._rewinds = rewinds or Rewinds()
        self._linger_s = linger_s
        self._group = group
        self._again_s = again_s
        self._waiting: list[_Received] = []
        self._connected_s = 0.0
        self._retry_at_s = 0.0
        self._held: set[LogKey] = set()
        self._is_paused = False
        self._is_finishing = False
        self.counters = Counters()
        self.delay_ms = 0.0
        self.ledger_error = ""
        client.on_delivery = self._delivered
        client.on_connected = self._connected
        for leaf in LEAVES:
            client.subscribe(up_filter(register.city, leaf), qos=1)

    @property
    def register(self) -> Register:
        """The register that messages are judged by."""
        return self._register

    @property
    def unacknowledged(self) -> int:
        """Messages that were received and are not in the ledger yet."""
        return len(self._waiting)

    def use_register(self, register: Register) -> None:
        """Judge by another register of the same city from now on."""
        self._register = register

    def step(self, timeout_s: float = 0.2) -> int:
        """Receive and commit one group; return how many messages it had.

        Raises
        ------
        LedgerLost
            The disk failed in a way that only opening the ledger anew can mend.
        """
        if self._retry_at_s:
            return self._retry(timeout_s)
        self._loop.run_once(timeout_s)
        if not self._waiting:
            return 0
        until_s = time.monotonic() + self._linger_s
        while len(self._waiting) < self._group and (left_s := until_s - time.monotonic()) > 0:
            self._loop.run_once(left_s)
        return self._commit_group()

    def finish(self, within_s: float = 2.0) -> None:
        """Read nothing more, commit what was received, and let the acknowledgements go out."""
        self._is_finishing = True
        self._pause()
        self._commit_group()
        until_s = time.monotonic() + within_s
        while True:
            self._loop.run_once(0.0)
            if not self._client.is_connected or self._client.in_flight == 0 or time.monotonic() >= until_s:
                return
            self._loop.run_once(0.01)

    def _connected(self) -> None:
        self._connected_s = time.monotonic()

    def _delivered(self, delivery: Delivery) -> None:
        elapsed_s = time.monotonic()
        again = delivery.again or elapsed_s - self._connected_s < self._again_s
        arrival = Arrival(delivery.topic, delivery.payload, self._clock.now_s(), again)
        self._waiting.append(_Received(arrival, delivery, elapsed_s))
        if len(self._waiting) >= self._group:
            # Or one turn of the loop would go on for as long as the broker has more.
            self._pause()

    def _pause(self) -> None:
        self._is_paused = True
        self._client.pause()

    def _retry(self, timeout_s: float) -> int:
        """Keep the connection alive while the disk takes nothing, and try the group again when it is time."""
        left_s = self._retry_at_s - time.monotonic()
        if left_s > 0:
            self._loop.run_once(min(left_s, timeout_s))
            return 0
        return self._commit_group()

    def _commit_group(self) -> int:
        if not self._waiting:
            return 0
        outcome = _Outcome()
        try:
            for received in self._waiting:
                self._take(received, outcome)
            kept = self._dead_letters.keep([letter for letter, _ in outcome.letters])
            self._ledger.commit()
        except OSError as error:
            self._failed(error)
            return 0
        if self.ledger_error:
            _log.warning("The disk takes readings again.")
            self.ledger_error = ""
            self._retry_at_s = 0.0
        for (_, key), is_kept in zip(outcome.letters, kept, strict=True):
            if key and not is_kept:
                # Telling this device to go on would lose what could not be kept.
                self._held.add(key)
        group, self._waiting = self._waiting, []
        self._acknowledge(outcome)
        self._client.acknowledge(one.delivery for one in group)
        if self._is_paused and not self._is_finishing:
            self._is_paused = False
            self._client.resume()
        self._count(outcome, len(group), kept.count(False))
        self.delay_ms = (time.monotonic() - group[0].elapsed_s) * 1000
        return len(group)

    def _take(self, received: _Received, outcome: _Outcome) -> None:
        arrival = received.arrival
        decision = self._judge(arrival)
        if isinstance(decision, Rewind):
            key = (decision.device, decision.log_id)
            answer = self._rewinds.answer(*key, decision.n, decision.offered, received.elapsed_s)
            if answer == "accept":
                outcome.counted["gaps"] += 1
                _log.warning(
                    "Readings %d to %d of %s/%s are missing, and the device has them no longer: going on without.",
                    decision.n,
                    decision.offered - 1,
                    *key,
                )
                decision = self._judge(arrival, allow_gap=True)
            else:
                outcome.counted["rewinds"] += 1
                if answer == "ask":
                    outcome.answers[key] = None
        if isinstance(decision, Accepted):
            self._accept(arrival, decision, outcome)
        elif isinstance(decision, Duplicate):
            outcome.counted["duplicates"] += 1
            if decision.log_id != PLAIN_LOG_ID:
                outcome.answers[decision.device, decision.log_id] = None
        elif isinstance(decision, Rejected):
            self._reject(arrival, decision, outcome)

    def _judge(self, arrival: Arrival, *, allow_gap: bool = False) -> Decision:
        try:
            return judge(arrival, self._register, self._ledger, allow_gap=allow_gap)
        except Exception as error:
            # A message that brings the gate down must not bring down ingest, now and at every redelivery.
            _log.exception("The gate failed on a message to %s; the message is kept.", arrival.topic)
            return Rejected("gate-failed", repr(error), "", is_authentic=True)

    def _accept(self, arrival: Arrival, decision: Accepted, outcome: _Outcome) -> None:
        entry = decision.entry
        self._ledger.append([entry])
        outcome.counted["accepted"] += 1
        outcome.counted["accepted_readings"] += entry.count
        if entry.signed:
            self._rewinds.forget(entry.device, entry.log_id)
            outcome.answers[entry.device, entry.log_id] = None
        for fault in decision.faults:
            outcome.faults[fault.reason] += 1
            letter = DeadLetter(
                arrival.received_at_s,
                "noted",
                fault.reason,
                fault.detail,
                arrival.topic,
                entry.device,
                entry.log_id,
                fault.n,
            )
            outcome.letters.append((letter, None))

    def _reject(self, arrival: Arrival, decision: Rejected, outcome: _Outcome) -> None:
        outcome.rejected[decision.reason] += 1
        done = decision.done
        letter = DeadLetter(
            arrival.received_at_s,
            "kept" if decision.is_authentic else "refused",
            decision.reason,
            decision.detail,
            arrival.topic[:_TOPIC_CHARACTERS],
            decision.device,
            done.log_id if done else "",
            None,
            arrival.message,
            len(arrival.message),
        )
        key = (done.device, done.log_id) if done else None
        outcome.letters.append((letter, key))
        if key:
            outcome.answers[key] = None

    def _acknowledge(self, outcome: _Outcome) -> None:
        heads = self._ledger.heads()
        for key in outcome.answers:
            if key in self._held:
                continue
            device, log_id = key
            head = heads.get(key)
            ack = Ack(log_id, head.n if head else 0)
            # QoS 0: a lost one is said again when the device asks by sending again.
            self._client.publish(down_topic(self._register.city, device, "ack"), encode_ack(ack), qos=0)
            self.counters.acknowledgements += 1

    def _count(self, outcome: _Outcome, received: int, unkept: int) -> None:
        counters = self.counters
        counters.received += received
        counters.commits += 1
        counters.unkept += unkept
        counters.accepted += outcome.counted["accepted"]
        counters.accepted_readings += outcome.counted["accepted_readings"]
        counters.duplicates += outcome.counted["duplicates"]
        counters.rewinds += outcome.counted["rewinds"]
        counters.gaps += outcome.counted["gaps"]
        for total, new in ((counters.rejected, outcome.rejected), (counters.faults, outcome.faults)):
            for reason, number in new.items():
                total[reason] = total.get(reason, 0) + number

    def _failed(self, error: OSError) -> None:
        self._ledger.forget()
        self.counters.failed_commits += 1
        if self._ledger.is_broken:
            raise LedgerLost(f"{error} Nothing of it was acknowledged.", "Start ingest again.") from error
        if not self.ledger_error:
            _log.error("Receiving waits, because the disk takes nothing: %s", error)
        self.ledger_error = str(error)
        self._retry_at_s = time.monotonic() + _DISK_RETRY_S
        self._pause()
