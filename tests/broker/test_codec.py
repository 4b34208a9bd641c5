import contextlib
import json
import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.codec import (
    MAX_BODY_BYTES,
    Ack,
    BadBody,
    Command,
    PlainReading,
    Status,
    body_hash,
    decode_ack,
    decode_batch,
    decode_command,
    decode_plain,
    decode_status,
    encode_ack,
    encode_batch,
    encode_command,
    encode_plain,
    encode_status,
)
from city.readings import MAX_READINGS_PER_BATCH, Batch, Reading

READING = Reading(1_700_000_000_000, "c1", "fill", {"fill_ratio": 0.5, "distance_mm": None})
BATCH = Batch(1, "k17", "a1" * 16, 7, "", "s1", "b1", [READING])
BODY = encode_batch(BATCH)

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ids = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
readings = st.builds(
    Reading,
    at_ms=st.integers(0, 253_402_300_799_999),
    channel=ids,
    kind=st.sampled_from(["fill", "beside", "traffic", "truck", "visit", "report", "veto", "tamper", "health"]),
    values=st.dictionaries(st.from_regex(r"[a-z0-9_]{1,32}", fullmatch=True), numbers, min_size=1, max_size=16),
    interval_s=st.integers(0, 86_400),
    quality=st.sampled_from(["good", "suspect", "clock_unsure"]),
    place=st.none() | ids,
)
batches = st.builds(
    Batch,
    v=st.just(1),
    device=ids,
    log_id=ids,
    n0=st.integers(0, 2**52),
    prev=st.sampled_from(["", "0f" * 32]),
    salt=ids,
    boot=ids,
    readings=st.lists(readings, min_size=1, max_size=MAX_READINGS_PER_BATCH),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _with(**changes):
    return json.dumps({**msgspec.to_builtins(BATCH), **changes}).encode()


def _reading(**changes):
    return _with(readings=[{**msgspec.to_builtins(READING), **changes}])


@given(batches)
def test_batch_comes_back(batch):
    assert decode_batch(encode_batch(batch)) == batch


def test_the_longest_allowed_batch_fits():
    longest = Reading(
        253_402_300_799_999,
        "c" * 32,
        "traffic",
        {f"{n:0>32}": -2.2250738585072014e-308 for n in range(16)},
        366 * 86_400,
        "clock_unsure",
        "p" * 32,
    )
    body = encode_batch(
        Batch(1, "k" * 32, "l" * 64, 2**53 - 60, "0" * 64, "s" * 64, "b" * 64, [longest] * MAX_READINGS_PER_BATCH)
    )
    assert len(body) <= MAX_BODY_BYTES
    assert len(decode_batch(body).readings) == MAX_READINGS_PER_BATCH


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"v":' * 10_000,
        BODY + b" " * MAX_BODY_BYTES,
        BODY + b"x",
        BODY[:-1],
        BODY.replace(b"0.5", b"NaN"),
        BODY.replace(b"0.5", b"Infinity"),
        BODY.replace(b"0.5", b"1e999"),
        BODY.replace(b"0.5", b"9" * 400),
        BODY.replace(b"0.5", b'"0.5"'),
        BODY.replace(b"0.5", b"true"),
        BODY.replace(b"0.5", b"[" * 20_000 + b"]" * 20_000),
        BODY.replace(b'"v":1', b'"v":1,"v":1'),
        BODY.replace(b'"fill_ratio":0.5', b'"fill_ratio":0.5,"fill_ratio":0.6'),
        BODY.replace(b'"c1"', b'"\\ud800"'),
        BODY.replace(b'"c1"', b'"c1\\u0000"'),
        _with(v=2),
        _with(v=None),
        _with(v=10**30),
        _with(device="K17"),
        _with(device="k/17"),
        _with(log_id=""),
        _with(log_id="a b"),
        _with(n0=-1),
        _with(n0=2**53),
        _with(n0=2**63),
        _with(n0=0.5),
        _with(prev="abc"),
        _with(prev="0F" * 32),
        _with(salt="s" * 65),
        _with(boot="\n"),
        _with(readings=[]),
        _with(readings=None),
        _with(readings=[msgspec.to_builtins(READING)] * 51),
        _with(extra=1),
        _reading(at_ms=-1),
        _reading(at_ms=10**18),
        _reading(at_ms="now"),
        _reading(channel=""),
        _reading(kind="weather"),
        _reading(values={}),
        _reading(values={"Fill": 1}),
        _reading(values={"x" * 33: 1}),
        _reading(values={f"x{n}": 1 for n in range(17)}),
        _reading(quality="bad"),
        _reading(interval_s=-1),
        _reading(interval_s=10**9),
        _reading(place="a b"),
        _reading(n=3),
    ],
)
def test_what_is_no_batch_is_refused(body):
    with pytest.raises(BadBody):
        decode_batch(body)


def test_numbers_written_otherwise_are_still_numbers():
    assert decode_batch(BODY.replace(b"0.5", b"5e-1")) == BATCH
    assert decode_batch(BODY.replace(b"0.5", b"1")).readings[0].values["fill_ratio"] == 1.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_sent(value):
    """An encoder that writes null for NaN would turn a fault of a driver into an honest unknown."""
    reading = Reading(0, "c1", "fill", {"fill_ratio": value})
    with pytest.raises(BadBody, match="not finite"):
        encode_batch(Batch(1, "k17", "l", 0, "", "s", "b", [reading]))


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"":' * 20_000)
def test_no_bytes_raise_anything_else(body):
    for decode in (decode_batch, decode_plain, decode_ack, decode_command, decode_status):
        with pytest.raises(BadBody):
            decode(body)


@given(
    st.sampled_from(["v", "device", "log_id", "n0", "prev", "salt", "boot", "readings"]),
    json_values,
)
def test_no_json_in_a_field_raises_anything_else(field, value):
    body = _with(**{field: value})
    with contextlib.suppress(BadBody):
        decode_batch(body)


@given(st.sampled_from(["at_ms", "channel", "kind", "values", "interval_s", "quality", "place"]), json_values)
def test_no_json_in_a_reading_raises_anything_else(field, value):
    with contextlib.suppress(BadBody):
        decode_batch(_reading(**{field: value}))


@given(json_values)
def test_no_arguments_raise_anything_else(arguments):
    body = json.dumps({"id": "c", "expires_at_ms": 1, "verb": "go", "arguments": arguments}).encode()
    try:
        command = decode_command(body)
    except BadBody:
        return
    assert decode_command(encode_command(command)) == command


@pytest.mark.parametrize(
    ("encode", "decode", "value"),
    [
        (encode_ack, decode_ack, Ack("a1", 0)),
        (encode_ack, decode_ack, Ack("a1", 2**53 - 1)),
        (
            encode_command,
            decode_command,
            Command("c1", 5, "follow-round", {"plan": "p1", "round": {"stops": [1, 2.5]}}),
        ),
        (encode_command, decode_command, Command("c1", 5, "ping")),
        (encode_status, decode_status, Status(True, 1, "b1", "0.1.0", 3)),
        (encode_status, decode_status, Status(False, 0, "b1", "0.1.0", 0)),
        (encode_plain, decode_plain, PlainReading("lid", "fill", {"fill_ratio": 0.4})),
        (encode_plain, decode_plain, PlainReading("lid", "fill", {"fill_ratio": None}, 5, 60, "k1")),
    ],
)
def test_the_small_messages_come_back(encode, decode, value):
    assert decode(encode(value)) == value


def test_plain_reading_with_a_time_in_words():
    body = b'{"channel":"lid","kind":"fill","values":{"fill_ratio":0.4},"at":"2026-03-02T06:00:00+01:00"}'
    assert decode_plain(body).at_ms == 1_772_427_600_000


@pytest.mark.parametrize(
    "body",
    [
        b"0.4",
        b'{"channel":"lid","kind":"fill","values":{}}',
        b'{"channel":"lid","kind":"fill","values":{"fill_ratio":NaN}}',
        b'{"channel":"lid","kind":"fill","values":{"a":1,"a":2}}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"at":"2026-03-02T06:00:00"}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"at":"yesterday"}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"at":"1890-03-02T06:00:00Z"}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"at":"0001-01-01T00:00:00+23:59"}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"at":"2026-03-02T06:00:00Z","at_ms":1}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"at_ms":-1}',
        b'{"channel":"lid","kind":"fill","values":{"a":1},"quality":"good"}',
    ],
)
def test_what_is_no_plain_reading_is_refused(body):
    with pytest.raises(BadBody):
        decode_plain(body)


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (decode_ack, b'{"log_id":"a","n":-1}'),
        (decode_ack, b'{"log_id":"a","n":1,"n":2}'),
        (decode_ack, b'{"log_id":"","n":1}'),
        (decode_ack, b'{"log_id":"a"}'),
        (decode_command, b'{"id":"c","expires_at_ms":1,"verb":"rm -rf","arguments":{}}'),
        (decode_command, b'{"id":"c","expires_at_ms":-1,"verb":"go","arguments":{}}'),
        (decode_command, b'{"id":"c","expires_at_ms":1,"verb":"go","arguments":[]}'),
        (decode_command, b'{"id":"c","expires_at_ms":1,"verb":"go","arguments":{"a":1,"a":2}}'),
        (decode_command, b'{"id":"c","expires_at_ms":1,"verb":"go","arguments":{"a":' + b"[" * 20 + b"]" * 20 + b"}}"),
        (decode_command, b'{"id":"c","expires_at_ms":1,"verb":"go","arguments":{"a":"' + b"x" * 300_000 + b'"}}'),
        (decode_status, b'{"online":1,"at_ms":1,"boot":"b","version":"1","pending":0}'),
        (decode_status, b'{"online":true,"at_ms":1,"boot":"b","version":"1","pending":-1}'),
    ],
)
def test_what_is_none_of_the_small_messages_is_refused(decode, body):
    with pytest.raises(BadBody):
        decode(body)


@pytest.mark.parametrize("value", [math.nan, object(), "\ud800", {1, 2}, 10**30])
def test_arguments_that_do_not_travel_are_refused(value):
    with pytest.raises(BadBody):
        encode_command(Command("c", 1, "go", {"a": value}))


def test_hash_is_the_known_one():
    assert body_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
