"""The receiver, with a real broker."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.client import Loop, MqttClient
from broker.codec import Ack, body_hash, decode_ack
from broker.server import RunningBroker, start_broker
from broker.topics import UpLeaf, down_topic, up_topic
from city.clock import SteppedClock
from ingest.dead_letters import DeadLetters
from ingest.receiver import Receiver
from ingest.rewinds import Rewinds
from ledger import Ledger, LedgerReader
from tests.ingest.town import CITY, NOW_S, body, chain, reading, register, sealed
from tests.parts import require

PLAIN = b'{"channel":"c2","kind":"fill","values":{"fill_ratio":0.5}}'


@pytest.fixture(scope="module", params=["mosquitto", "iotcore"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    if request.param == "mosquitto":
        require("mosquitto")
    with start_broker(tmp_path_factory.mktemp(request.param), kind=request.param) as running:
        yield running


class Field:
    """Devices on one side of a broker, ingest on the other."""

    serial = 0

    def __init__(self, broker: RunningBroker, folder: Path) -> None:
        self.folder = folder
        self.broker = broker
        self.loop = Loop()
        self.dead_letters = DeadLetters(folder / "dead-letters")
        self.ledger = Ledger(folder / "ledger")
        self.acks: list[tuple[str, Ack]] = []
        self.received = 0
        Field.serial += 1
        self.devices = MqttClient(broker.host, broker.port, f"devices-{Field.serial}", retry_s=0.05, window=2000)
        for device in ("node-1", "node-2", "bare"):
            self.devices.subscribe(down_topic(CITY, device, "ack"))
        self.devices.on_message = lambda topic, payload: self.acks.append((topic.split("/")[2], decode_ack(payload)))
        self.client_id = f"ingest-{Field.serial}"
        self.connect()
        self.loop.add(self.devices)
        self.loop.wait_connected(self.devices)
        self.run(0.2)

    def connect(self, group: int = 500, again_s: float = 5.0) -> None:
        """Begin as the process does."""
        self.client = MqttClient(
            self.broker.host, self.broker.port, self.client_id, clean=False, manual_ack=True, retry_s=0.05
        )
        self.receiver = Receiver(
            self.loop,
            self.client,
            self.ledger,
            register(),
            self.dead_letters,
            SteppedClock(NOW_S),
            rewinds=Rewinds(interval_s=0.05, patience=3),
            group=group,
            again_s=again_s,
        )
        self.loop.add(self.client)
        self.loop.wait_connected(self.client)

    def lose(self) -> None:
        """End ingest as a kill does: nothing is said to the broker, what was not committed is gone."""
        self.ledger.forget()
        assert self.client._paho is not None
        self.client._paho.buffered.close()
        self.loop.remove(self.client)

    def send(self, message: bytes, device: str = "node-1", leaf: UpLeaf = "readings") -> None:
        assert self.devices.publish(up_topic(CITY, device, leaf), message)

    def run(self, seconds: float = 5.0, until: Callable[[], bool] = lambda: False) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.received += self.receiver.step(0.02)
        return until()

    def entries(self) -> list[tuple[str, int]]:
        return [(one.device, one.n0) for one in LedgerReader(self.folder / "ledger").read(0, 10**6)]

    def close(self) -> None:
        self.loop.close()
        self.ledger.close()
        self.dead_letters.close()


@pytest.fixture
def field(broker: RunningBroker, tmp_path: Path) -> Iterator[Field]:
    one = Field(broker, tmp_path)
    yield one
    one.close()


def test_a_batch_is_in_the_ledger_when_its_device_hears_of_it(field: Field) -> None:
    field.send(sealed(chain(1)[0]))
    assert field.run(until=lambda: bool(field.acks))
    assert field.acks == [("node-1", Ack("log-a", 2))]
    assert field.entries() == [("node-1", 0)]
    assert field.receiver.unacknowledged == 0
    assert field.receiver.counters.accepted_readings == 2


def test_many_batches_are_committed_together_and_acknowledged_once_per_log(field: Field) -> None:
    for content in chain(200):
        field.send(sealed(content))
    for content in chain(200, device="node-2", log_id="log-b"):
        field.send(sealed(content, "node-2"), "node-2")
    assert field.run(until=lambda: field.received >= 400)
    assert field.run(until=lambda: ("node-1", Ack("log-a", 400)) in field.acks)
    assert field.run(until=lambda: ("node-2", Ack("log-b", 400)) in field.acks)
    assert len(field.entries()) == 400
    assert field.receiver.counters.commits < 60
    assert len(field.acks) < 120


def test_what_is_unacknowledged_stays_bounded_however_much_waits(field: Field) -> None:
    field.loop.remove(field.client)
    for content in chain(800, size=5):
        field.send(sealed(content))
    assert field.run(until=lambda: field.devices.in_flight == 0)
    field.connect(group=50)
    groups = []
    end = time.monotonic() + 15
    while sum(groups) < 800 and time.monotonic() < end:
        groups.append(field.receiver.step(0.02))
    assert sum(groups) == 800
    assert max(groups) == 50


def test_a_repeat_is_acknowledged_again_and_not_stored_again(field: Field) -> None:
    for _ in range(2):
        field.send(sealed(chain(1)[0]))
        assert field.run(until=lambda: bool(field.acks))
        field.acks.clear()
    field.send(sealed(chain(1)[0]))
    assert field.run(until=lambda: field.acks == [("node-1", Ack("log-a", 2))])
    assert field.entries() == [("node-1", 0)]
    assert field.receiver.counters.duplicates == 2


def test_a_gap_is_answered_with_what_is_missing_and_filled(field: Field) -> None:
    bodies = chain(3)
    for content in (bodies[0], bodies[2]):
        field.send(sealed(content))
    assert field.run(until=lambda: field.received == 2)
    assert field.run(until=lambda: ("node-1", Ack("log-a", 2)) in field.acks)
    for content in bodies[1:]:
        field.send(sealed(content))
    assert field.run(until=lambda: ("node-1", Ack("log-a", 6)) in field.acks)
    assert field.entries() == [("node-1", 0), ("node-1", 2), ("node-1", 4)]


def test_a_device_that_has_not_what_is_missing_is_not_kept_out_for_ever(field: Field) -> None:
    late = chain(10)[9]
    for _ in range(5):
        field.send(sealed(late))
        field.run(0.1)
    assert field.run(until=lambda: ("node-1", Ack("log-a", 20)) in field.acks)
    assert field.entries() == [("node-1", 18)]
    assert field.receiver.counters.gaps == 1


def test_what_is_not_authentic_is_never_acknowledged_and_lands_in_the_dead_letters(field: Field) -> None:
    forged = sealed(chain(1)[0], key="stranger")
    field.send(forged)
    field.send(b"rubbish", "nobody")
    field.send(PLAIN, "node-1", "plain")
    field.send(sealed(chain(1)[0]))
    assert field.run(until=lambda: bool(field.acks) and field.received == 4)
    assert field.entries() == [("node-1", 0)]
    assert field.acks == [("node-1", Ack("log-a", 2))]
    letters = list(field.dead_letters.read())
    assert sorted(one.reason for one in letters) == ["bad-signature", "plain-from-signed-device", "unknown-device"]
    assert [one.message for one in letters if one.reason == "bad-signature"] == [forged]
    assert field.receiver.counters.rejected == {
        "bad-signature": 1,
        "unknown-device": 1,
        "plain-from-signed-device": 1,
    }


def test_a_flood_of_rubbish_fills_neither_disk_nor_memory_and_holds_nobody_up(field: Field) -> None:
    for n in range(1500):
        field.send(bytes([n % 256]) * 2000, f"d{n % 40}")
    field.send(sealed(chain(1)[0]))
    assert field.run(20, until=lambda: bool(field.acks))
    assert field.receiver.counters.rejected == {"unknown-device": 1500}
    assert len(list(field.dead_letters.read())) == 200
    assert field.receiver.counters.unkept == 1300
    assert field.dead_letters.count() == {"unknown-device": 1500}


def test_other_readings_under_the_same_numbers_are_kept_whole_and_the_device_goes_on(field: Field) -> None:
    field.send(sealed(chain(1)[0]))
    assert field.run(until=lambda: bool(field.acks))
    field.acks.clear()
    other = sealed(body([reading(7), reading(8)]))
    field.send(other)
    assert field.run(until=lambda: field.acks == [("node-1", Ack("log-a", 2))])
    (letter,) = field.dead_letters.read("kept")
    assert (letter.reason, letter.message, letter.device, letter.log_id) == ("conflict", other, "node-1", "log-a")


def test_an_authentic_batch_that_cannot_be_read_holds_up_nothing(field: Field) -> None:
    bad = chain(1)[0].replace(b'"v":1', b'"v":9')
    field.send(sealed(bad))
    field.send(sealed(body([reading(2)], 2, prev=body_hash(bad))))
    assert field.run(until=lambda: ("node-1", Ack("log-a", 3)) in field.acks)
    assert [one.reason for one in field.dead_letters.read()] == ["unreadable-body"]
    assert field.receiver.counters.faults == {"unreadable-body": 1}


def test_what_was_received_and_not_committed_is_delivered_again_and_stored_once(field: Field) -> None:
    """Ingest is killed with a group in its hands, then with one committed and not acknowledged."""
    for content in chain(20):
        field.send(sealed(content))
    for n in range(5):
        field.send(PLAIN.replace(b"0.5", f"0.{n}".encode()), "bare", "plain")
    end = time.monotonic() + 5
    while field.receiver.unacknowledged < 25 and time.monotonic() < end:
        field.loop.run_once(0.02)
    assert field.receiver.unacknowledged == 25
    field.lose()
    field.connect()
    assert field.run(until=lambda: len(field.entries()) == 25)
    field.run(0.2)
    field.send(PLAIN.replace(b"0.5", b"0.9"), "bare", "plain")
    # What `step` says to the broker leaves with the next turn of the loop, which does not come.
    while not field.receiver.step(0.02):
        pass
    field.lose()
    assert len(field.entries()) == 26
    field.connect()
    assert field.run(until=lambda: field.receiver.counters.duplicates >= 1)
    assert len(field.entries()) == 26
    assert [n for device, n in field.entries() if device == "node-1"] == list(range(0, 40, 2))


def test_a_register_that_is_replaced_counts_at_once(field: Field) -> None:
    known = register()
    field.receiver.use_register(type(known)(CITY, "Europe/Amsterdam"))
    field.send(sealed(chain(1)[0]))
    assert field.run(until=lambda: field.receiver.counters.rejected == {"unknown-device": 1})
    field.receiver.use_register(known)
    field.send(sealed(chain(1)[0]))
    assert field.run(until=lambda: bool(field.acks))


def test_what_the_broker_says_it_hands_over_again_is_stored_once_however_late_it_comes(field: Field) -> None:
    """A long redelivery takes more than the seconds in which everything is taken for a repeat."""
    if field.broker.kind != "mosquitto":
        pytest.skip("rumqttd does not say so")
    field.send(PLAIN, "bare", "plain")
    while not field.receiver.step(0.02):
        pass
    field.lose()
    field.connect(again_s=0.0)
    assert field.run(until=lambda: field.receiver.counters.duplicates == 1)
    assert field.entries() == [("bare", 0)]
    field.send(PLAIN, "bare", "plain")
    assert field.run(until=lambda: len(field.entries()) == 2)


def test_a_disk_that_takes_nothing_makes_the_broker_wait_and_loses_nothing(
    field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    """A file stands where the folder of the dead letters should be: that group cannot be finished."""
    blocked = field.folder / "dead-letters"
    blocked.write_text("")
    field.send(b"rubbish", "nobody")
    for content in chain(5):
        field.send(sealed(content))
    assert field.run(until=lambda: bool(field.receiver.ledger_error))
    assert field.entries() == []
    assert field.acks == []
    assert field.receiver.unacknowledged > 0
    blocked.unlink()
    assert field.run(until=lambda: ("node-1", Ack("log-a", 10)) in field.acks)
    assert len(field.entries()) == 5
    assert field.receiver.ledger_error == ""
    assert field.receiver.counters.failed_commits >= 1
    assert "the disk takes nothing" in caplog.text


def test_an_orderly_end_commits_and_acknowledges_what_was_received(field: Field) -> None:
    for content in chain(30):
        field.send(sealed(content))
    end = time.monotonic() + 5
    while field.receiver.unacknowledged < 10 and time.monotonic() < end:
        field.loop.run_once(0.02)
    received = field.receiver.unacknowledged
    field.receiver.finish()
    assert len(field.entries()) == received
    field.loop.remove(field.client)
    field.connect()
    assert field.run(until=lambda: len(field.entries()) == 30)
    assert field.receiver.counters.duplicates == 0
    assert os.listdir(field.folder) == ["ledger"]
