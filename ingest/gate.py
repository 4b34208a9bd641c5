"""The gate: what happens with a message, decided from values alone.

What is authentic is the record and enters the ledger, whatever it says; a reading in it that cannot be believed is
left out of the views and named in the dead letters. What is not authentic never enters and is never acknowledged.
So no reading can keep those behind it waiting for ever.
"""

import json
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from broker.codec import MAX_BODY_BYTES, Ack, BadBody, body_hash, decode_batch, decode_plain, encode_ack
from broker.envelope import BadEnvelope, BadSignature, open_envelope
from broker.topics import BadTopic, parse_topic
from city.devices import Device
from city.errors import BadInput
from city.readings import Batch, Reading
from city.register import Register
from ingest.faults import BatchFault, ReadingFault, ReadingFaultReason, meaning_of
from ingest.rows import reading_of, readings_of
from ledger import Entry, Head, NewEntry, Recent

PLAIN_LOG_ID = "plain"
MAX_MESSAGE_BYTES = MAX_BODY_BYTES + 1024

MessageReason = Literal[
    "bad-topic",
    "unknown-device",
    "too-long",
    "plain-from-signed-device",
    "envelope-from-unsigned-device",
    "bad-envelope",
    "bad-signature",
    "bad-key",
    "another-device",
    "unreadable-body",
    "conflict",
    "gate-failed",
]
RejectReason = MessageReason | ReadingFaultReason


class Arrival(NamedTuple):
    """A message as it came: `again` says that the broker may have handed it over before."""

    topic: str
    message: bytes
    received_at_s: float
    again: bool = False


class Accepted(NamedTuple):
    """It enters the ledger as `entry`; `faults` says what in it will be in no view."""

    entry: NewEntry
    faults: tuple[ReadingFault | BatchFault, ...]


class Duplicate(NamedTuple):
    """The ledger has it; `n` is next in line. Said to the device again, for the acknowledgement may have been lost."""

    device: str
    log_id: str
    n: int


class Rewind(NamedTuple):
    """Readings before it are missing: the device is asked to go on at `n`. `offered` is where the message began."""

    device: str
    log_id: str
    n: int
    offered: int


class Rejected(NamedTuple):
    """It does not enter the ledger.

    `is_authentic` messages are kept whole. `done` is set where the device can go on because the message is kept: the
    log and the number that is next in it.
    """

    reason: RejectReason
    detail: str
    device: str
    is_authentic: bool = False
    done: Duplicate | None = None


Decision = Accepted | Duplicate | Rewind | Rejected


class Past(Protocol):
    """What the gate asks of the ledger."""

    def head(self, device: str, log_id: str) -> Head | None:
        """Return the head of a log, None if it is new."""
        ...

    def recent(self, device: str, log_id: str) -> Sequence[Recent]:
        """Return the last entries of a log, oldest first."""
        ...

    def entry(self, recent: Recent) -> Entry:
        """Return one of them."""
        ...


def judge(arrival: Arrival, register: Register, past: Past, *, allow_gap: bool = False) -> Decision:
    """Return what happens with a message.

    Parameters
    ----------
    past
        The ledger, with what is appended and not yet committed.
    allow_gap
        Take a batch though readings before it are missing: the device has shown that it does not have them.
    """
    try:
        topic = parse_topic(arrival.topic)
    except BadTopic as error:
        return Rejected("bad-topic", error.problem, "")
    if topic.city != register.city or topic.direction != "up" or topic.leaf == "status":
        return Rejected("bad-topic", f"{arrival.topic!r} is no topic for readings of {register.city!r}.", "")
    device = register.devices.get(topic.device)
    if device is None:
        return Rejected("unknown-device", f"{topic.device!r} is not in the register.", topic.device)
    if len(arrival.message) > MAX_MESSAGE_BYTES:
        return Rejected("too-long", f"The message has {len(arrival.message)} bytes.", device.id)
    if topic.leaf == "plain":
        if device.is_signed:
            return Rejected("plain-from-signed-device", f"{device.id!r} must sign its readings.", device.id)
        return _judge_plain(arrival, device, register, past)
    if not device.is_signed:
        problem = f"{device.id!r} has no key in the register, so nothing says who signed this."
        return Rejected("envelope-from-unsigned-device", problem, device.id)
    try:
        body = open_envelope(arrival.message, device.public_key, device.id)
    except BadEnvelope as error:
        return Rejected("bad-envelope", error.problem, device.id)
    except BadSignature as error:
        return Rejected("bad-signature", error.problem, device.id)
    except BadInput as error:
        return Rejected("bad-key", error.problem, device.id)
    log: Literal["readings", "events"] = "events" if topic.leaf == "events" else "readings"
    return _judge_signed(arrival, log, device, body, register, past, allow_gap)


def _judge_plain(arrival: Arrival, device: Device, register: Register, past: Past) -> Decision:
    try:
        plain = decode_plain(arrival.message)
    except BadBody as error:
        return Rejected("unreadable-body", str(error), device.id)
    head = past.head(device.id, PLAIN_LOG_ID)
    n = head.n if head else 0
    digest = body_hash(arrival.message)
    # The same words about the same moment are the same reading. Without a moment two equal messages may be two
    # readings, so only the broker's word that it handed this one over before makes it a repeat.
    if (plain.at_ms is not None or arrival.again) and any(
        one.body_hash == digest for one in past.recent(device.id, PLAIN_LOG_ID)
    ):
        return Duplicate(device.id, PLAIN_LOG_ID, n)
    reading = reading_of(plain, arrival.received_at_s)
    _, faults = meaning_of(reading, n, device.id, register, arrival.received_at_s)
    if faults:
        # Nobody waits for an answer and nothing proves where it is from: it is not worth a place in the record.
        return Rejected(faults[0].reason, "; ".join(fault.detail for fault in faults), device.id)
    entry = NewEntry(arrival.received_at_s, "plain", device.id, PLAIN_LOG_ID, n, 1, False, digest, arrival.message)
    return Accepted(entry, ())


def _judge_signed(
    arrival: Arrival,
    log: Literal["readings", "events"],
    device: Device,
    body: bytes,
    register: Register,
    past: Past,
    allow_gap: bool,
) -> Decision:
    batch: Batch | None = None
    try:
        batch = decode_batch(body)
        outline = _Outline(batch.device, batch.log_id, batch.n0, len(batch.readings))
        unreadable = ""
    except BadBody as error:
        unreadable = str(error)
        found = _outline(body)
        if found is None:
            return Rejected("unreadable-body", unreadable, device.id, is_authentic=True)
        outline = found
    if outline.device != device.id:
        problem = f"{device.id!r} signed a body of {outline.device!r}."
        return Rejected("another-device", problem, device.id, is_authentic=True)
    digest = body_hash(body)
    head = past.head(device.id, outline.log_id)
    expected = head.n if head else 0
    if outline.n0 < expected:
        return _judge_repeat(device.id, outline, digest, batch, past, expected)
    if outline.n0 > expected and not allow_gap:
        return Rewind(device.id, outline.log_id, expected, outline.n0)
    faults: list[ReadingFault | BatchFault] = []
    if batch is None:
        faults.append(BatchFault(outline.n0, "unreadable-body", unreadable))
    else:
        if batch.prev != (head.body_hash if head else ""):
            faults.append(BatchFault(outline.n0, "broken-chain", "prev is not the hash of the body before"))
        for number, reading in enumerate(batch.readings):
            _, found_faults = meaning_of(reading, outline.n0 + number, device.id, register, arrival.received_at_s)
            faults += found_faults
    entry = NewEntry(
        arrival.received_at_s,
        log,
        device.id,
        outline.log_id,
        outline.n0,
        outline.readings,
        True,
        digest,
        arrival.message,
    )
    return Accepted(entry, tuple(faults))


class _Outline(NamedTuple):
    device: str
    log_id: str
    n0: int
    readings: int

    @property
    def n_end(self) -> int:
        return self.n0 + self.readings


def _judge_repeat(
    device: str, outline: _Outline, digest: str, batch: Batch | None, past: Past, expected: int
) -> Decision:
    """Judge a batch of which the ledger has the first numbers: it holds the same readings, or others."""
    done = Duplicate(device, outline.log_id, expected)
    recent = past.recent(device, outline.log_id)
    if any(one.n0 == outline.n0 and one.body_hash == digest for one in recent):
        return done
    known = _known_readings(recent, past, outline.n0, min(outline.n_end, expected))
    given = {outline.n0 + i: one for i, one in enumerate(batch.readings)} if batch else {}
    differing = [n for n, reading in known.items() if given.get(n) != reading]
    unknown = [n for n in range(outline.n0, min(outline.n_end, expected)) if n not in known]
    if differing or unknown:
        what = f"reading {differing[0]} is in the ledger and is another" if differing else "too long ago to compare"
        problem = f"{device}/{outline.log_id}/{outline.n0}: {what}."
        return Rejected("conflict", problem, device, is_authentic=True, done=done)
    if outline.n_end > expected:
        return Rewind(device, outline.log_id, expected, outline.n0)
    return done


def _known_readings(recent: Sequence[Recent], past: Past, n_from: int, n_to: int) -> dict[int, Reading]:
    known: dict[int, Reading] = {}
    for one in recent:
        if one.n0 < n_to and n_from < one.n_end:
            for number, reading in enumerate(readings_of(past.entry(one))):
                if n_from <= one.n0 + number < n_to:
                    known[one.n0 + number] = reading
    return known


def _outline(body: bytes) -> _Outline | None:
    """Return which readings an unreadable body holds, as far as it lets that be seen."""
    try:
        raw = json.loads(body)
        device, log_id, n0, readings = raw["device"], raw["log_id"], raw["n0"], raw["readings"]
        if not (type(n0) is int and n0 >= 0 and isinstance(log_id, str) and isinstance(readings, list) and readings):
            return None
        outline = _Outline(str(device), log_id, n0, len(readings))
        # What could not be acknowledged cannot be taken.
        encode_ack(Ack(outline.log_id, outline.n_end))
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return outline
