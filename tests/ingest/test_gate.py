"""The gate, message by message."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.codec import body_hash
from broker.topics import UpLeaf
from city.devices import Device
from city.readings import Reading
from city.register import Register
from ingest.gate import Accepted, Arrival, Decision, Duplicate, Rejected, Rewind, judge
from ingest.rows import rows_of
from ledger import Entry, Ledger, Recent
from tests.ingest.town import CITY, NOW_S, arrival, body, chain, reading, register, sealed


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as ledger:
        yield ledger


def _take(past: Ledger, decision: Decision) -> Accepted:
    assert isinstance(decision, Accepted), decision
    past.append([decision.entry])
    return decision


def test_an_authentic_batch_next_in_line_is_accepted_with_its_exact_bytes(past: Ledger) -> None:
    message = sealed(body([reading(0), reading(1)]))
    decision = _take(past, judge(arrival(message), register(), past))
    entry = decision.entry
    assert decision.faults == ()
    assert entry.message == message
    assert (entry.log, entry.device, entry.log_id, entry.n0, entry.count) == ("readings", "node-1", "log-a", 0, 2)
    assert entry.signed
    assert entry.body_hash == body_hash(body([reading(0), reading(1)]))
    assert entry.received_at_s == NOW_S


def test_events_are_a_log_of_their_own(past: Ledger) -> None:
    _take(past, judge(arrival(sealed(body([reading(0)]))), register(), past))
    decision = judge(arrival(sealed(body([reading(0)], log_id="log-b")), leaf="events"), register(), past)
    assert _take(past, decision).entry.log == "events"


def _long(readings: int) -> bytes:
    one = msgspec.to_builtins(reading(0))
    raw = {"v": 1, "device": "node-1", "log_id": "log-a", "n0": 0, "prev": "", "salt": "s", "boot": "b"}
    return json.dumps({**raw, "readings": [one] * readings}).encode()


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


_GOOD = sealed(body([reading(0)]))
_PLAIN = b'{"channel":"c2","kind":"fill","values":{"fill_ratio":0.5}}'


@pytest.mark.parametrize(
    ("message", "reason", "is_authentic"),
    [
        pytest.param(Arrival("ronde/testville/node-1/up", _GOOD, NOW_S), "bad-topic", False, id="short topic"),
        pytest.param(Arrival(f"ronde/{CITY}/NODE/up/readings", _GOOD, NOW_S), "bad-topic", False, id="bad id"),
        pytest.param(Arrival("ronde/other/node-1/up/readings", _GOOD, NOW_S), "bad-topic", False, id="another city"),
        pytest.param(Arrival(f"ronde/{CITY}/node-1/down/ack", _GOOD, NOW_S), "bad-topic", False, id="down"),
        pytest.param(arrival(b"{}", leaf="status"), "bad-topic", False, id="status is no reading"),
        pytest.param(arrival(_GOOD, "stranger"), "unknown-device", False, id="unknown device"),
        pytest.param(arrival(b"x" * 70_000), "too-long", False, id="over-long"),
        pytest.param(arrival(b""), "bad-envelope", False, id="empty"),
        pytest.param(arrival(b"\xff" * 100), "bad-envelope", False, id="rubbish"),
        pytest.param(arrival(_PLAIN), "bad-envelope", False, id="plain on the topic of envelopes"),
        pytest.param(arrival(_GOOD[:-1]), "bad-envelope", False, id="cut off"),
        pytest.param(arrival(_GOOD[:-1] + b"\x00"), "bad-signature", False, id="changed signature"),
        pytest.param(
            arrival(_GOOD.replace(b"fill_ratio", b"fill_rati0")), "bad-signature", False, id="changed reading"
        ),
        pytest.param(
            arrival(sealed(body([reading(0)]), key="node-2")), "bad-signature", False, id="another device's key"
        ),
        pytest.param(
            arrival(sealed(body([reading(0)], device="node-2"), "node-2")),
            "bad-envelope",
            False,
            id="another device's envelope",
        ),
        pytest.param(
            arrival(sealed(body([reading(0)], device="node-2"))), "another-device", True, id="another device's body"
        ),
        pytest.param(arrival(_PLAIN, leaf="plain"), "plain-from-signed-device", False, id="plain from a signed device"),
        pytest.param(arrival(_GOOD, "bare"), "envelope-from-unsigned-device", False, id="envelope of an unsigned one"),
        pytest.param(arrival(sealed(b"not json")), "unreadable-body", True, id="no JSON"),
        pytest.param(arrival(sealed(b"[]")), "unreadable-body", True, id="no object"),
        pytest.param(arrival(sealed(b"[" * 30_000)), "unreadable-body", True, id="deep nesting"),
        pytest.param(arrival(sealed(b'{"readings":[1],"n0":-1}')), "unreadable-body", True, id="no outline"),
        pytest.param(
            arrival(sealed(_long(1).replace(b'"log-a"', b'"log a"'))), "unreadable-body", True, id="a log id to refuse"
        ),
        pytest.param(
            arrival(sealed(_long(1).replace(b'"n0": 0', b'"n0": 1e999'))), "unreadable-body", True, id="n0 is 1e999"
        ),
        pytest.param(
            arrival(sealed(_long(1).replace(b'"n0": 0', b'"n0": 9223372036854775808'))),
            "unreadable-body",
            True,
            id="n0 is 2^63",
        ),
    ],
)
def test_what_is_rejected(past: Ledger, message: Arrival, reason: str, is_authentic: bool) -> None:
    decision = judge(message, register(), past)
    assert isinstance(decision, Rejected), decision
    assert (decision.reason, decision.is_authentic) == (reason, is_authentic)
    assert decision.done is None
    assert decision.detail


def test_a_register_with_a_broken_key_rejects_and_says_so(past: Ledger) -> None:
    broken = Register(CITY, "Europe/Amsterdam", devices=[Device("node-1", public_key="zz")])
    decision = judge(arrival(_GOOD), broken, past)
    assert isinstance(decision, Rejected)
    assert decision.reason == "bad-key"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(reading(channel="c9"), "not-installed", id="unknown channel"),
        pytest.param(reading(at_s=NOW_S - 100 * 86_400), "not-installed", id="before it was installed"),
        pytest.param(reading(at_s=1000.0), "too-old-to-be-true", id="a clock in 1970"),
        pytest.param(reading(at_s=NOW_S + 301), "future", id="future"),
        pytest.param(reading(values={"fullness": 0.5}), "unknown-quantity", id="unknown quantity"),
        pytest.param(reading(values={"fill_ratio": 1.51}), "out-of-range", id="too high"),
        pytest.param(reading(values={"fill_ratio": -0.01}), "out-of-range", id="too low"),
        pytest.param(reading(values={"distance_mm": 1e300}), "out-of-range", id="absurd"),
        pytest.param(reading(place="nowhere"), "unknown-place", id="unknown place"),
    ],
)
def test_a_reading_that_cannot_be_believed_stays_in_the_record_and_is_named(
    past: Ledger, bad: Reading, reason: str
) -> None:
    known = register(installed_from_s=NOW_S - 30 * 86_400)
    decision = _take(past, judge(arrival(sealed(body([reading(0), bad, reading(2)]))), known, past))
    assert [(fault.n, fault.reason) for fault in decision.faults] == [(1, reason)]
    assert decision.entry.count == 3


@pytest.mark.parametrize("at_s", [NOW_S + 299, NOW_S, NOW_S - 29 * 86_400])
def test_a_time_within_bounds_is_fine(past: Ledger, at_s: float) -> None:
    known = register(installed_from_s=NOW_S - 30 * 86_400)
    assert _take(past, judge(arrival(sealed(body([reading(at_s=at_s)]))), known, past)).faults == ()


def test_unknown_values_are_no_fault(past: Ledger) -> None:
    message = arrival(sealed(body([reading(values={"fill_ratio": None})])))
    assert _take(past, judge(message, register(), past)).faults == ()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_long(1).replace(b"0.25", b"NaN"), id="NaN"),
        pytest.param(_long(1).replace(b"0.25", b"1e999"), id="1e999"),
        pytest.param(_long(51), id="51 readings"),
        pytest.param(_long(1).replace(b'"v": 1', b'"v": 2'), id="a version to come"),
        pytest.param(_long(1).replace(b'"salt"', b'"boot": "c", "salt"'), id="a key that stands twice"),
        pytest.param(_long(1).replace(b'"salt"', b'"extra": 1, "salt"'), id="an unknown field"),
    ],
)
def test_an_authentic_body_that_cannot_be_read_does_not_hold_up_what_follows(past: Ledger, content: bytes) -> None:
    decision = _take(past, judge(arrival(sealed(content)), register(), past))
    assert [fault.reason for fault in decision.faults] == ["unreadable-body"]
    count = decision.entry.count
    again = judge(arrival(sealed(content)), register(), past)
    assert again == Duplicate("node-1", "log-a", count)
    follows = arrival(sealed(body([reading(0)], count, prev=body_hash(content))))
    assert _take(past, judge(follows, register(), past)).faults == ()


def test_a_gap_asks_the_device_to_go_back(past: Ledger) -> None:
    first, _, third = chain(3)
    assert judge(arrival(sealed(third)), register(), past) == Rewind("node-1", "log-a", 0, 4)
    _take(past, judge(arrival(sealed(first)), register(), past))
    assert judge(arrival(sealed(third)), register(), past) == Rewind("node-1", "log-a", 2, 4)


def test_a_gap_that_nobody_can_fill_is_accepted_when_told_to(past: Ledger) -> None:
    first, _, third = chain(3)
    _take(past, judge(arrival(sealed(first)), register(), past))
    decision = _take(past, judge(arrival(sealed(third)), register(), past, allow_gap=True))
    assert decision.entry.n0 == 4
    assert [fault.reason for fault in decision.faults] == ["broken-chain"]


def test_a_repeat_is_a_duplicate_and_says_what_is_next(past: Ledger) -> None:
    bodies = chain(3)
    for one in bodies:
        _take(past, judge(arrival(sealed(one)), register(), past))
    for one in bodies:
        assert judge(arrival(sealed(one)), register(), past) == Duplicate("node-1", "log-a", 6)
    past.commit()
    assert judge(arrival(sealed(bodies[0])), register(), past) == Duplicate("node-1", "log-a", 6)


def test_the_same_readings_in_other_batches_are_duplicates(past: Ledger) -> None:
    for one in chain(3, size=2):
        _take(past, judge(arrival(sealed(one)), register(), past))
    regrouped = body([reading(n) for n in range(1, 5)], 1, salt="other", prev="0" * 64)
    assert judge(arrival(sealed(regrouped)), register(), past) == Duplicate("node-1", "log-a", 6)


def test_a_batch_that_reaches_over_the_head_is_asked_for_from_the_head(past: Ledger) -> None:
    _take(past, judge(arrival(sealed(chain(1)[0])), register(), past))
    longer = body([reading(n) for n in range(5)], 0, salt="other")
    assert judge(arrival(sealed(longer)), register(), past) == Rewind("node-1", "log-a", 2, 0)


@pytest.mark.parametrize("n0", [0, 1])
def test_other_readings_under_the_same_numbers_are_kept_aside_and_the_device_goes_on(past: Ledger, n0: int) -> None:
    """An outbox that was set back to an older copy gives out numbers twice."""
    _take(past, judge(arrival(sealed(chain(1)[0])), register(), past))
    other = body([reading(n0 + 100), reading(n0 + 101)], n0)
    decision = judge(arrival(sealed(other)), register(), past)
    assert isinstance(decision, Rejected)
    assert (decision.reason, decision.is_authentic) == ("conflict", True)
    assert decision.done == Duplicate("node-1", "log-a", 2)


def test_a_repeat_of_long_ago_that_cannot_be_compared_is_kept_aside(past: Ledger) -> None:
    bodies = chain(40)
    for one in bodies:
        _take(past, judge(arrival(sealed(one)), register(), past))
        past.commit()
    decision = judge(arrival(sealed(bodies[0])), register(), past)
    assert isinstance(decision, Rejected)
    assert decision.reason == "conflict"
    assert decision.done == Duplicate("node-1", "log-a", 80)


def test_a_broken_chain_of_hashes_is_taken_and_named(past: Ledger) -> None:
    first, _ = chain(2)
    _take(past, judge(arrival(sealed(first)), register(), past))
    decision = _take(past, judge(arrival(sealed(body([reading(2)], 2, prev="f" * 64))), register(), past))
    assert [(fault.n, fault.reason) for fault in decision.faults] == [(2, "broken-chain")]


def test_plain_readings_are_numbered_by_us_and_never_signed(past: Ledger) -> None:
    for n in range(3):
        decision = _take(past, judge(arrival(_PLAIN, "bare", "plain", at_s=NOW_S + n), register(), past))
        entry = decision.entry
        assert (entry.log, entry.log_id, entry.n0, entry.count, entry.signed) == ("plain", "plain", n, 1, False)


@pytest.mark.parametrize(
    "message",
    [
        b'{"channel":"c2","kind":"fill","values":{"fill_ratio":0.5},"at":"2027-01-15T07:00:00Z"}',
        b'{"channel":"c2","kind":"fill","values":{"fill_ratio":0.5},"at_ms":1799999000000}',
    ],
)
def test_a_plain_reading_with_its_time_counts_once_however_often_it_comes(past: Ledger, message: bytes) -> None:
    _take(past, judge(arrival(message, "bare", "plain"), register(), past))
    past.commit()
    assert judge(arrival(message, "bare", "plain"), register(), past) == Duplicate("bare", "plain", 1)


def test_a_plain_reading_without_time_counts_once_when_the_broker_hands_it_over_again(past: Ledger) -> None:
    _take(past, judge(arrival(_PLAIN, "bare", "plain"), register(), past))
    again = arrival(_PLAIN, "bare", "plain", again=True)
    assert judge(again, register(), past) == Duplicate("bare", "plain", 1)
    new = arrival(_PLAIN.replace(b"0.5", b"0.6"), "bare", "plain", again=True)
    _take(past, judge(new, register(), past))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "unreadable-body"),
        (b"0.5", "unreadable-body"),
        (_PLAIN.replace(b"0.5", b"NaN"), "unreadable-body"),
        (_PLAIN.replace(b"0.5", b"1e999"), "unreadable-body"),
        (_PLAIN.replace(b"}}", b'},"channel":"c2"}'), "unreadable-body"),
        (_PLAIN.replace(b"}}", b'},"at":"yesterday"}'), "unreadable-body"),
        (_PLAIN.replace(b'"c2"', b'"c9"'), "not-installed"),
        (_PLAIN.replace(b"fill_ratio", b"fullness"), "unknown-quantity"),
        (_PLAIN.replace(b"0.5", b"50"), "out-of-range"),
        (_PLAIN.replace(b"}}", b'},"at_ms":1900000000000}'), "future"),
        (_PLAIN.replace(b"}}", b'},"at_ms":5}'), "too-old-to-be-true"),
        (_PLAIN.replace(b"}}", b'},"place":"nowhere"}'), "unknown-place"),
    ],
)
def test_a_plain_reading_that_cannot_be_used_is_refused(past: Ledger, message: bytes, reason: str) -> None:
    decision = judge(arrival(message, "bare", "plain"), register(), past)
    assert isinstance(decision, Rejected), decision
    assert (decision.reason, decision.is_authentic) == (reason, False)


class _Empty:
    """A ledger that has nothing."""

    def head(self, device: str, log_id: str) -> None:
        return None

    def recent(self, device: str, log_id: str) -> list[Recent]:
        return []

    def entry(self, recent: Recent) -> Entry:
        raise KeyError(recent)


@given(st.binary(max_size=400), st.sampled_from(["readings", "events", "plain"]), st.sampled_from(["node-1", "bare"]))
def test_no_bytes_bring_the_gate_down(message: bytes, leaf: UpLeaf, device: str) -> None:
    assert isinstance(judge(arrival(message, device, leaf), register(), _Empty()), Rejected)


@given(st.integers(0, len(_GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_of_an_envelope_is_accepted(at: int, change: int) -> None:
    changed = bytearray(_GOOD)
    changed[at] ^= change
    decision = judge(arrival(bytes(changed)), register(), _Empty())
    assert isinstance(decision, Rejected)
    assert not decision.is_authentic


@given(st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(_as_json))
def test_no_body_that_is_authentic_brings_the_gate_down(content: bytes) -> None:
    decision = judge(arrival(sealed(content)), register(), _Empty())
    assert isinstance(decision, Rejected)
    assert decision.is_authentic


@given(
    st.dictionaries(
        st.sampled_from(["v", "device", "log_id", "n0", "prev", "salt", "boot", "readings", "x"]),
        st.none() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.just("node-1"),
    ).map(_as_json)
)
def test_no_object_with_the_right_names_brings_the_gate_down(content: bytes) -> None:
    assert isinstance(judge(arrival(sealed(content)), register(), _Empty()), Accepted | Rejected | Rewind)


def test_a_veto_of_nowhere_or_for_no_reason_is_in_the_record_and_is_named(past: Ledger) -> None:
    said = [
        reading(0, kind="veto", values={"veto_code": 0.0}, place="cl-1"),
        reading(1, kind="veto", values={"veto_code": 0.0}, place="cl-9"),
        reading(2, kind="veto", values={"veto_code": 7.0}, place="cl-1"),
    ]
    decision = _take(past, judge(arrival(sealed(body(said)), leaf="events"), register(), past))
    assert [(one.n, one.reason) for one in decision.faults] == [(1, "unknown-place"), (2, "out-of-range")]
    (recent,) = past.recent("node-1", "log-a")
    rows = rows_of(past.entry(recent), register())
    assert [(one.subject, one.values["veto_code"], one.quality) for one in rows] == [
        ("cl-1", 0.0, "good"),
        ("cl-1", None, "suspect"),
    ]
