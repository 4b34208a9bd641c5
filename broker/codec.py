"""Bodies as bytes: strict on the way in, one form on the way out.

JSON as everybody reads it, minus what readers disagree about: NaN and infinities, keys that stand twice, numbers out
of range, unknown fields. Whatever comes in, decoding returns a checked value or raises `BadBody`.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from city.clock import parse_time
from city.devices import ID_PATTERN
from city.errors import BadInput
from city.readings import MAX_READINGS_PER_BATCH, Batch, Reading, ReadingKind

BODY_VERSION = 1
MAX_BODY_BYTES = 64 * 1024
# A command can carry a whole round.
MAX_COMMAND_BYTES = 256 * 1024
# With these two, a full batch of the longest readings stays below MAX_BODY_BYTES.
MAX_VALUES_PER_READING = 16
_NAME = re.compile(r"[a-z0-9_]{1,32}")
_TOKEN = re.compile(r"[A-Za-z0-9._:+-]{1,64}")
_HASH = re.compile(r"(?:[0-9a-f]{64})?")
_MAX_NUMBER = 2**53 - 1
_MAX_AT_MS = 253_402_300_799_999  # the year 9999
_MAX_INTERVAL_S = 366 * 86_400
_MAX_DEPTH = 16


class BadBody(BadInput):
    """Bytes that are no body of the contract."""


class PlainReading(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One reading without envelope, as a person types it. Without `at_ms` the time of arrival is the time measured."""

    channel: str
    kind: ReadingKind
    values: dict[str, float | None]
    at_ms: int | None = None
    interval_s: int = 0
    place: str | None = None


class Ack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every reading below `n` of the log `log_id` is in the ledger; `n` is the one that is expected next."""

    log_id: str
    n: int


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device is asked to do, once, before `expires_at_ms` (city time, ms since 1970)."""

    id: str
    expires_at_ms: int
    verb: str
    arguments: dict[str, Any] = {}


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a device is. As last will (`online` false) `at_ms` is when the lost connection had been made.

    `pending` is how many readings wait in its outbox, `boot` the run of its operating system.
    """

    online: bool
    at_ms: int
    boot: str
    version: str
    pending: int


def encode_batch(batch: Batch) -> bytes:
    """Return the body of a batch.

    Raises
    ------
    BadBody
        A receiver would not accept it.
    """
    _check_batch(batch)
    return _sized(_ENCODER.encode(batch), MAX_BODY_BYTES)


def encode_reading(reading: Reading) -> bytes:
    """Return one reading as it will stand in a body.

    Raises
    ------
    BadBody
        A receiver would not accept it.
    """
    check_reading(reading)
    return _ENCODER.encode(reading)


def join_batch(device: str, log_id: str, n0: int, prev: str, salt: str, boot: str, readings: Sequence[bytes]) -> bytes:
    """Return the body that `encode_batch` would make of the same batch, of readings that are encoded already."""
    body = _RawBatch(BODY_VERSION, device, log_id, n0, prev, salt, boot, [msgspec.Raw(one) for one in readings])
    return _sized(_ENCODER.encode(body), MAX_BODY_BYTES)


def decode_batch(body: bytes) -> Batch:
    """Return the batch in a body.

    Raises
    ------
    BadBody
        It is not one: wrong version, too large, not JSON, not finite, ambiguous, or out of bounds.
    """
    batch = _decode(_BATCH, body, MAX_BODY_BYTES)
    _check_batch(batch)
    return batch


def body_hash(body: bytes) -> str:
    """Return the SHA-256 of a body in hexadecimal: the `prev` of the body after it."""
    return hashlib.sha256(body).hexdigest()


def encode_plain(reading: PlainReading) -> bytes:
    """Return a plain reading as bytes.

    Raises
    ------
    BadBody
        A receiver would not accept it.
    """
    _check_plain(reading)
    return _ENCODER.encode(reading)


def decode_plain(body: bytes) -> PlainReading:
    """Return the plain reading in a message. Its time is `at` (ISO 8601 with an offset), `at_ms`, or missing.

    Raises
    ------
    BadBody
        It is not one.

    >>> decode_plain(b'{"channel":"lid","kind":"fill","values":{"fill_ratio":0.5},"at":"1970-01-01T00:00:01Z"}').at_ms
    1000
    """
    raw = _decode(_TYPED_PLAIN, body, MAX_BODY_BYTES)
    at_ms = raw.at_ms
    if raw.at is not None:
        if at_ms is not None:
            raise BadBody("The reading has both at and at_ms.", "Leave one of them out.")
        try:
            at_ms = round(parse_time(raw.at) * 1000)
        except (BadInput, OverflowError) as error:
            raise BadBody(f"The time of the reading cannot be used: {error}") from None
    reading = PlainReading(raw.channel, raw.kind, raw.values, at_ms, raw.interval_s, raw.place)
    _check_plain(reading)
    return reading


def encode_ack(ack: Ack) -> bytes:
    """Return an acknowledgement as bytes; see `decode_ack` for what raises."""
    _check_ack(ack)
    return _ENCODER.encode(ack)


def decode_ack(body: bytes) -> Ack:
    """Return the acknowledgement in a message.

    Raises
    ------
    BadBody
        It is not one.
    """
    ack = _decode(_ACK, body, MAX_BODY_BYTES)
    _check_ack(ack)
    return ack


def encode_command(command: Command) -> bytes:
    """Return a command as bytes; see `decode_command` for what raises."""
    _check_command(command)
    return _sized(_ENCODER.encode(command), MAX_COMMAND_BYTES)


def decode_command(body: bytes) -> Command:
    """Return the command in a message.

    Raises
    ------
    BadBody
        It is not one.
    """
    command = _decode(_COMMAND, body, MAX_COMMAND_BYTES)
    _check_command(command)
    return command


def encode_status(status: Status) -> bytes:
    """Return a status as bytes; see `decode_status` for what raises."""
    _check_status(status)
    return _ENCODER.encode(status)


def decode_status(body: bytes) -> Status:
    """Return the status in a message.

    Raises
    ------
    BadBody
        It is not one.
    """
    status = _decode(_STATUS, body, MAX_BODY_BYTES)
    _check_status(status)
    return status


def check_reading(reading: Reading) -> None:
    """Check that a reading can stand in a batch.

    Raises
    ------
    BadBody
        It cannot, and the error names the field.
    """
    _id(reading.channel, "channel")
    _between(reading.at_ms, 0, _MAX_AT_MS, "at_ms")
    _between(reading.interval_s, 0, _MAX_INTERVAL_S, "interval_s")
    if reading.place is not None:
        _id(reading.place, "place")
    _check_values(reading.values)


class _TypedPlain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    channel: str
    kind: ReadingKind
    values: dict[str, float | None]
    at_ms: int | None = None
    interval_s: int = 0
    place: str | None = None
    at: str | None = None


class _RawBatch(msgspec.Struct, frozen=True):
    v: int
    device: str
    log_id: str
    n0: int
    prev: str
    salt: str
    boot: str
    readings: list[msgspec.Raw]


_ENCODER = msgspec.json.Encoder()
_BATCH = msgspec.json.Decoder(Batch)
_TYPED_PLAIN = msgspec.json.Decoder(_TypedPlain)
_ACK = msgspec.json.Decoder(Ack)
_COMMAND = msgspec.json.Decoder(Command)
_STATUS = msgspec.json.Decoder(Status)
_T = TypeVar("_T")


def _decode(decoder: "msgspec.json.Decoder[_T]", body: bytes, limit: int) -> _T:
    _sized(body, limit)
    try:
        value = decoder.decode(body)
        # What our own encoder writes has no key twice; only other writers' bytes need the slow look.
        if _ENCODER.encode(value) != body:
            json.loads(body, object_pairs_hook=_unique)
    except BadBody:
        raise
    except RecursionError:
        raise BadBody("The body is nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise BadBody(f"The body does not follow the contract: {error}.") from None
    return value


def _sized(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise BadBody(f"The body has {len(body)} bytes.", f"Send at most {limit}.")
    return body


def _unique(pairs: list[tuple[str, object]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise BadBody(f"The key {key!r} stands twice in one object.", "Send each key once.")
        seen.add(key)


def _check_batch(batch: Batch) -> None:
    if batch.v != BODY_VERSION:
        raise BadBody(f"The body has version {batch.v}.", f"This side speaks version {BODY_VERSION}: update one of us.")
    _id(batch.device, "device")
    _token(batch.log_id, "log_id")
    _token(batch.salt, "salt")
    _token(batch.boot, "boot")
    if not _HASH.fullmatch(batch.prev):
        raise BadBody("prev is no SHA-256 in hexadecimal.", "Leave it empty in the first body of a log.")
    count = len(batch.readings)
    if not 1 <= count <= MAX_READINGS_PER_BATCH:
        raise BadBody(f"The batch has {count} readings.", f"Send 1 to {MAX_READINGS_PER_BATCH}.")
    _between(batch.n0, 0, _MAX_NUMBER - count, "n0")
    for reading in batch.readings:
        check_reading(reading)


def _check_plain(reading: PlainReading) -> None:
    _id(reading.channel, "channel")
    if reading.at_ms is not None:
        _between(reading.at_ms, 0, _MAX_AT_MS, "at_ms")
    _between(reading.interval_s, 0, _MAX_INTERVAL_S, "interval_s")
    if reading.place is not None:
        _id(reading.place, "place")
    _check_values(reading.values)


def _check_ack(ack: Ack) -> None:
    _token(ack.log_id, "log_id")
    _between(ack.n, 0, _MAX_NUMBER, "n")


def _check_command(command: Command) -> None:
    _token(command.id, "id")
    _id(command.verb, "verb")
    _between(command.expires_at_ms, 0, _MAX_AT_MS, "expires_at_ms")
    _check_argument(command.arguments, _MAX_DEPTH)


def _check_status(status: Status) -> None:
    _token(status.boot, "boot")
    _token(status.version, "version")
    _between(status.at_ms, 0, _MAX_AT_MS, "at_ms")
    _between(status.pending, 0, _MAX_NUMBER, "pending")


def _check_values(values: Mapping[str, float | None]) -> None:
    if not 1 <= len(values) <= MAX_VALUES_PER_READING:
        raise BadBody(f"A reading has {len(values)} values.", f"Send 1 to {MAX_VALUES_PER_READING}.")
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise BadBody(f"{name!r} is no name of a quantity.", "Use the letters a-z, digits and the underscore.")
        if value is not None and not math.isfinite(value):
            raise BadBody(f"The value of {name} is not finite.", "Send null for what is unknown.")


def _check_argument(value: object, depth: int) -> None:
    if depth < 0:
        raise BadBody("The arguments of the command are nested too deeply.")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise BadBody(f"An argument of the command has the key {key!r}.", "Keys are text.")
            _check_argument(key, depth - 1)
            _check_argument(inner, depth - 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_argument(inner, depth - 1)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadBody("An argument of the command is no valid text.") from None
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadBody("An argument of the command is not finite.")
    elif isinstance(value, int):
        _between(value, -_MAX_NUMBER, _MAX_NUMBER, "an argument of the command")
    elif value is not None:
        raise BadBody(f"An argument of the command is a {type(value).__name__}.", "Send what JSON can say.")


def _id(text: str, field: str) -> None:
    if not ID_PATTERN.fullmatch(text):
        raise BadBody(f"The {field} {text[:40]!r} is not allowed.", "Use 1 to 32 of a-z, 0-9 and the hyphen.")


def _token(text: str, field: str) -> None:
    if not _TOKEN.fullmatch(text):
        raise BadBody(f"The {field} {text[:40]!r} is not allowed.", "Use 1 to 64 of A-Z, a-z, 0-9 and ._:+-")


def _between(number: int, low: int, high: int, field: str) -> None:
    if not low <= number <= high:
        raise BadBody(f"{field} is {str(number)[:24]}.", f"It must be from {low} to {high}.")
