import logging

import pytest

from broker.codec import decode_status
from broker.envelope import new_key, public_key_hex
from broker.topics import down_topic, up_topic
from city.clock import SteppedClock
from city.errors import BadInput
from city.readings import Reading
from edge.agent import Agent, AgentParameters
from edge.driver import Measurement
from edge.outbox import Outbox
from tests.edge.town import CITY, DEVICE, Counting, Line, reading

START_S = 1_767_225_600.0  # 2026-01-01 00:00 UTC
KEY = new_key()
PUBLIC = public_key_hex(KEY)


class Sense:
    def __init__(self, is_right=True):
        self.is_right = is_right

    def is_synchronised(self, now_s):
        return self.is_right


class Bench:
    """An agent whose clock, line and disk are in the test's hands."""

    def __init__(self, path, drivers=(), *, start_s=START_S, is_right=True, boot="boot-1", **options):
        self.clock = SteppedClock(start_s)
        self.elapsed_s = 1000.0
        self.line = Line()
        self.sense = Sense(is_right)
        self.outbox = Outbox(path, DEVICE)
        self.health = options.pop("health_channel", "")
        self.agent = Agent(
            DEVICE,
            CITY,
            list(drivers),
            self.outbox,
            self.line,
            KEY,
            self.clock,
            boot,
            parameters=AgentParameters(**options),
            health_channel=self.health,
            time_sense=self.sense,
            monotonic=lambda: self.elapsed_s,
        )

    def go(self, seconds):
        self.clock.set(self.clock.now_s() + seconds)
        self.elapsed_s += seconds
        return self.agent.tick()

    def sent(self, leaf="readings"):
        return [(one.n0, len(one.readings)) for one in self.line.batches(PUBLIC, leaf)]

    def keep(self, count, log="readings"):
        self.agent.enqueue(log, [reading(n) for n in range(count)])

    def ack(self, n, log="readings"):
        self.line.ack(self.outbox.head(log).log_id, n)


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(*drivers, **options):
        one = Bench(tmp_path / "outbox.sqlite", drivers, **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.outbox.close()


def test_what_is_measured_while_connected_is_sent_at_once(bench):
    one = bench(Counting())
    one.line.mend()
    one.agent.tick()
    due_s = one.agent.next_due_s()
    assert due_s == START_S + 60
    one.go(60)
    assert one.sent() == [(0, 1)]
    one.ack(1)
    one.go(60)
    assert one.sent() == [(1, 1)]
    assert one.agent.pending == 1
    one.ack(2)
    assert one.agent.pending == 0


def test_counts_are_for_whole_intervals_of_the_day(bench):
    driver = Counting()
    one = bench(driver, start_s=START_S + 17)
    one.agent.tick()
    for _ in range(4):
        one.go(61)
    assert driver.asked == [START_S + 60, START_S + 120, START_S + 180, START_S + 240]


def test_after_a_stall_a_driver_is_asked_once_not_for_every_missed_interval(bench):
    driver = Counting()
    one = bench(driver)
    one.agent.tick()
    one.go(3600 + 30)
    assert driver.asked == [START_S + 3600]


def test_a_backlog_goes_out_in_full_batches_within_the_window(bench):
    one = bench(window=4)
    one.keep(1000)
    assert one.sent() == []
    one.line.mend()
    assert one.sent() == [(0, 50), (50, 50), (100, 50), (150, 50)]
    one.ack(100)
    assert one.sent() == [(200, 50), (250, 50)]
    one.ack(300)
    assert one.agent.pending == 700


def test_nothing_is_deleted_without_an_acknowledgement(bench):
    one = bench()
    one.keep(10)
    one.line.mend()
    for _ in range(3):
        one.line.cut()
        one.line.mend()
    assert one.agent.pending == 10


def test_a_reconnect_sends_again_from_the_lowest_unacknowledged(bench):
    one = bench(window=3)
    one.keep(200)
    one.line.mend()
    one.ack(50)
    assert one.sent() == [(0, 50), (50, 50), (100, 50), (150, 50)]
    one.line.cut()
    one.line.mend()
    assert one.sent() == [(50, 50), (100, 50), (150, 50)]


def test_what_is_sent_again_is_the_same_bytes(bench):
    one = bench()
    one.keep(60)
    one.line.mend()
    first = [payload for topic, payload, _ in one.line.sent if topic.endswith("readings")]
    one.line.sent.clear()
    one.line.cut()
    one.keep(5)
    one.line.mend()
    again = [payload for topic, payload, _ in one.line.sent if topic.endswith("readings")]
    assert again[:2] == first
    assert len(again) == 3


def test_silence_of_ingest_is_answered_by_one_batch_ever_more_seldom(bench):
    """A broker that queues for an ingest that is down must not be filled with copies."""
    one = bench(window=4, ack_timeout_s=10.0, status_s=1e9)
    one.keep(400)
    one.line.mend()
    assert len(one.sent()) == 4
    times = []
    for second in range(1, 151):
        one.go(1)
        if sent := one.sent():
            assert sent == [(0, 50)]
            times.append(second)
    assert times == [10, 30, 70, 150]
    one.ack(50)
    assert one.sent() == [(50, 50), (100, 50), (150, 50), (200, 50)]


def test_an_acknowledgement_without_progress_is_a_rewind_once(bench):
    one = bench(window=3)
    one.keep(150)
    one.line.mend()
    one.ack(50)
    one.sent()
    one.elapsed_s += 2
    for _ in range(3):
        one.ack(50)
    assert one.sent() == [(50, 50), (100, 50)]
    one.elapsed_s += 2
    one.ack(50)
    assert one.sent() == [(50, 50), (100, 50)]


def test_ingest_that_lost_its_ledger_gets_what_there_is(bench):
    one = bench()
    one.keep(100)
    one.line.mend()
    one.ack(50)
    one.sent()
    one.elapsed_s += 2
    one.ack(0)
    assert one.sent() == [(50, 50)]
    assert one.agent.pending == 50


def test_an_outbox_restored_from_an_old_copy_goes_on_under_a_new_log_id(bench, caplog):
    """Its numbers were used before: sending other readings under them would be taken for doubles, and lost."""
    one = bench()
    one.keep(10)
    one.line.mend()
    old = one.outbox.head("readings").log_id
    one.sent()
    one.ack(25)
    assert one.outbox.head("readings").log_id != old
    assert one.sent() == [(0, 10)]
    assert "cannot meet" in caplog.text


def test_an_outbox_that_lost_what_it_had_confirmed_goes_on_under_a_new_log_id(bench, caplog):
    """Ingest has three readings where this card has a batch of ten: no acknowledgement would ever fit that batch."""
    one = bench()
    one.keep(10)
    one.line.mend()
    old = one.outbox.head("readings").log_id
    one.sent()
    one.ack(3)
    assert one.outbox.head("readings").log_id != old
    assert one.sent() == [(0, 10)]
    assert "cannot meet" in caplog.text


def test_events_do_not_queue_behind_a_backlog(bench):
    one = bench(window=2)
    one.keep(1000)
    one.line.mend()
    one.agent.enqueue("events", [Reading(1, "lid", "tamper", {"tilt_deg": 40.0})])
    assert one.sent("events") == [(0, 1)]


def test_linger_waits_for_company_but_not_for_ever(bench):
    one = bench(Counting(), linger_s=300.0, ack_timeout_s=1e6)
    one.line.mend()
    one.agent.tick()
    seen = []
    for _ in range(12):
        one.go(60)
        seen += one.sent()
    assert seen == [(0, 6), (6, 6)]
    one.keep(50)
    assert one.sent() == [(12, 50)]


def test_without_linger_the_next_due_time_is_the_drivers(bench):
    one = bench(Counting(interval_s=60.0), status_s=1e9)
    one.line.mend()
    one.go(60)
    one.ack(1)
    assert one.agent.next_due_s() == START_S + 120


def test_a_pi_that_boots_in_1970_sends_the_right_times(bench):
    driver = Counting()
    one = bench(driver, start_s=100.0, is_right=False)
    one.line.mend()
    one.agent.tick()
    one.go(60)
    one.go(60)
    assert one.sent() == []
    assert one.agent.pending == 2
    elapsed_of_first = 1060.0
    # The time server answers: the clock jumps, the boot does not.
    one.sense.is_right = True
    one.elapsed_s += 5
    one.clock.set(START_S)
    one.agent.tick()
    batches = one.line.batches(PUBLIC)
    readings = [r for batch in batches for r in batch.readings]
    first_true_s = START_S - (one.elapsed_s - elapsed_of_first)
    assert [r.quality for r in readings] == ["good", "good", "good"]
    assert readings[0].at_ms / 1000 == pytest.approx(first_true_s, abs=60)
    assert readings[1].at_ms - readings[0].at_ms == 60_000


def test_a_clock_that_never_gets_right_is_said_with_every_reading(bench):
    one = bench(Counting(), start_s=100.0, is_right=False, hold_s=600.0)
    one.line.mend()
    one.agent.tick()
    for _ in range(15):
        one.go(60)
    readings = [r for batch in one.line.batches(PUBLIC) for r in batch.readings]
    assert readings
    assert {r.quality for r in readings} == {"clock_unsure"}


def test_events_do_not_wait_for_the_clock(bench):
    one = bench(is_right=False)
    one.line.mend()
    one.agent.enqueue("events", [Reading(1, "lid", "tamper", {"tilt_deg": 40.0})])
    (batch,) = one.line.batches(PUBLIC, "events")
    assert batch.readings[0].quality == "clock_unsure"


def test_another_boots_readings_keep_their_doubt(tmp_path):
    before = Bench(tmp_path / "o", [Counting()], start_s=100.0, is_right=False)
    before.agent.tick()
    before.go(60)
    before.outbox.close()
    after = Bench(tmp_path / "o", boot="boot-2")
    after.line.mend()
    after.agent.tick()
    (batch,) = after.line.batches(PUBLIC)
    assert (batch.boot, batch.readings[0].quality) == ("boot-1", "clock_unsure")
    after.outbox.close()


def test_a_clock_set_back_does_not_silence_the_device(bench):
    driver = Counting()
    one = bench(driver)
    one.agent.tick()
    one.go(60)
    one.clock.set(START_S - 86_400)
    one.elapsed_s += 1
    one.agent.tick()
    one.go(60)
    assert driver.asked[-1] == START_S - 86_400 + 60


def test_a_failing_driver_stops_nobody_else(bench, caplog):
    class Broken(Counting):
        def read(self, now_s):
            raise OSError("no such sensor")

    one = bench(Broken("bad"), Counting("good"))
    one.line.mend()
    one.agent.tick()
    one.go(60)
    (batch,) = one.line.batches(PUBLIC)
    assert [r.channel for r in batch.readings] == ["good"]
    assert "no such sensor" in caplog.text


def test_a_reading_that_cannot_be_sent_is_said_and_the_rest_goes(bench, caplog):
    class Wild(Counting):
        def read(self, now_s):
            return Measurement({"vehicle_count": float("nan")})

    one = bench(Wild("wild"), Counting("good"))
    one.line.mend()
    one.agent.tick()
    one.go(60)
    assert one.sent() == [(0, 1)]
    assert one.agent.dropped == 1
    assert "not finite" in caplog.text


def test_a_full_disk_keeps_readings_in_memory_until_there_is_room(bench, caplog):
    one = bench()
    one.outbox._db.execute("PRAGMA max_page_count=30")
    one.keep(500)
    assert one.agent.pending == 0
    assert "cannot be written" in caplog.text
    one.outbox._db.execute("PRAGMA max_page_count=100000")
    one.line.mend()
    one.go(60)
    assert one.agent.pending == 500
    assert one.sent() == [(n, 50) for n in range(0, 400, 50)]


def test_a_disk_that_takes_nothing_ends_nothing(bench, caplog):
    one = bench(is_right=False)
    done = []
    one.agent.on_command("ping", done.append)
    one.keep(100)
    one.outbox._db.execute("PRAGMA query_only=1")
    one.sense.is_right = True
    one.line.mend()
    one.go(60)
    one.line.command("c1", round(START_S * 1000) + 3_600_000, "ping")
    assert one.sent() == []
    assert done == []
    one.outbox._db.execute("PRAGMA query_only=0")
    one.go(60)
    batches = one.line.batches(PUBLIC)
    assert [(one.n0, len(one.readings)) for one in batches] == [(0, 50), (50, 50)]
    assert {one.quality for batch in batches for one in batch.readings} == {"good"}
    one.outbox._db.execute("PRAGMA query_only=1")
    one.ack(50)
    assert one.agent.pending == 100
    one.outbox._db.execute("PRAGMA query_only=0")
    one.ack(50)
    one.line.command("c1", round(START_S * 1000) + 3_600_000, "ping")
    assert one.agent.pending == 50
    assert done == [{}]
    assert "the outbox cannot be written" in caplog.text


def test_it_says_how_it_is_when_it_comes_and_when_it_goes(bench):
    one = bench()
    one.keep(3)
    one.line.mend()
    one.agent.close()
    topic = up_topic(CITY, DEVICE, "status")
    said = [(decode_status(payload), retain) for where, payload, retain in one.line.sent if where == topic]
    assert [(status.online, status.pending, retain) for status, retain in said] == [(True, 3, True), (False, 3, True)]


def test_it_listens_to_its_own_topics_alone(bench):
    one = bench()
    assert one.line.filters == [down_topic(CITY, DEVICE, "ack"), down_topic(CITY, DEVICE, "command")]


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b'{"log_id":"a","n":-1}', b'{"log_id":"nobody","n":5}'])
def test_rubbish_from_the_broker_changes_nothing(bench, payload):
    one = bench()
    one.keep(3)
    one.line.mend()
    one.line.on_message(down_topic(CITY, DEVICE, "ack"), payload)
    one.line.on_message(down_topic(CITY, DEVICE, "command"), payload)
    one.line.on_message("somewhere/else", payload)
    assert one.agent.pending == 3


def test_a_command_is_carried_out_once(bench):
    one = bench()
    done = []
    one.agent.on_command("follow-round", done.append)
    one.line.mend()
    one.agent.tick()
    expires_ms = round(START_S * 1000) + 60_000
    for _ in range(2):
        one.line.command("c1", expires_ms, "follow-round", {"plan": "p1"})
    one.line.command("c2", expires_ms, "follow-round", {"plan": "p2"})
    assert done == [{"plan": "p1"}, {"plan": "p2"}]


@pytest.mark.parametrize(
    ("verb", "expires_in_s", "is_right", "why"),
    [
        ("follow-round", 0, True, "expired"),
        ("follow-round", -3600, True, "expired"),
        ("open-lid", 60, True, "not known"),
        ("follow-round", 60, False, "clock is not right"),
    ],
)
def test_a_refused_command_is_said_in_the_log_and_as_an_event(bench, caplog, verb, expires_in_s, is_right, why):
    one = bench(health_channel="agent", is_right=is_right)
    done = []
    one.agent.on_command("follow-round", done.append)
    one.line.mend()
    one.agent.tick()
    with caplog.at_level(logging.WARNING):
        one.line.command("c1", round((START_S + expires_in_s) * 1000), verb)
    assert done == []
    assert why in caplog.text
    (batch,) = one.line.batches(PUBLIC, "events")
    (event,) = batch.readings
    assert (event.kind, event.channel, event.values) == ("health", "agent", {"commands_refused": 1.0})


def test_a_repeated_command_is_passed_over_also_after_a_restart(tmp_path, caplog):
    """It is retained, and comes again with every connection: that is no refusal that anybody should look at."""
    caplog.set_level(logging.INFO)
    expires_ms = round(START_S * 1000) + 60_000
    done = []
    for _ in range(2):
        one = Bench(tmp_path / "o", health_channel="agent")
        one.agent.on_command("ping", done.append)
        one.line.mend()
        one.agent.tick()
        one.line.command("c1", expires_ms, "ping")
        assert one.line.batches(PUBLIC, "events") == []
        one.outbox.close()
    assert done == [{}]
    assert "carried out already" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_command_that_fails_ends_nothing(bench, caplog):
    one = bench()
    one.agent.on_command("ping", lambda arguments: arguments["missing"])
    one.line.mend()
    one.agent.tick()
    one.line.command("c1", round(START_S * 1000) + 60_000, "ping")
    assert "KeyError" in caplog.text
    one.keep(1)
    assert one.sent() == [(0, 1)]


@pytest.mark.parametrize(
    "options", [{"window": 0}, {"window": 11}, {"ack_timeout_s": 0.0}, {"linger_s": -1.0}, {"status_s": 1.0}]
)
def test_parameters_out_of_range_are_said(options):
    with pytest.raises(BadInput):
        AgentParameters(**options)
