import csv
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from broker.codec import BadBody, body_hash, decode_batch
from city.errors import BadFile
from city.readings import Reading
from edge.outbox import Outbox
from edge.witness import Witness
from tests.edge.town import DEVICE, reading


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path):
    with Outbox(path, DEVICE) as one:
        yield one


def keep(outbox, *numbers, log="readings", **options):
    return outbox.append(log, [reading(n) for n in numbers], "boot", 1.0, **options)


def fail_after(outbox, *numbers):
    """Seal, and keep something that cannot be kept, in one commit."""
    with outbox.commit():
        keep(outbox, *numbers)
        outbox.next_batch("readings", outbox.head("readings").sealed_n)
        keep(outbox, -(2**60))


def batches(outbox, log="readings"):
    n, found = outbox.head(log).kept_n, []
    while batch := outbox.next_batch(log, n):
        found.append(decode_batch(batch.body))
        n = batch.end
    return found


def test_numbers_are_contiguous_in_each_log_and_over_restarts(path):
    with Outbox(path, DEVICE) as one:
        assert keep(one, 0, 1, 2) == 0
        assert keep(one, 3) == 3
        assert keep(one, 9, log="events") == 0
        ids = {log: head.log_id for log, head in one.heads.items()}
    with Outbox(path, DEVICE) as one:
        assert keep(one, 4) == 4
        assert {log: head.log_id for log, head in one.heads.items()} == ids
        assert [len(batch.readings) for batch in batches(one)] == [5]
        assert (one.pending("readings"), one.pending("events")) == (5, 1)
    assert ids["readings"] != ids["events"]


def test_another_outbox_has_another_log_id(tmp_path):
    with Outbox(tmp_path / "a", DEVICE) as one, Outbox(tmp_path / "b", DEVICE) as other:
        assert one.head("readings").log_id != other.head("readings").log_id


def test_batches_are_chained_and_full(outbox):
    keep(outbox, *range(120))
    found = batches(outbox)
    assert [(one.n0, len(one.readings)) for one in found] == [(0, 50), (50, 50), (100, 20)]
    bodies = [outbox.next_batch("readings", one.n0).body for one in found]
    assert [one.prev for one in found] == ["", body_hash(bodies[0]), body_hash(bodies[1])]
    assert [round(r.values["fill_ratio"] * 1000) for one in found for r in one.readings] == list(range(120))
    assert len({one.salt for one in found}) == 3


def test_a_batch_is_the_same_bytes_whenever_it_is_sent_again(path):
    with Outbox(path, DEVICE) as one:
        keep(one, 0, 1)
        first = one.next_batch("readings", 0)
        keep(one, 2, 3)
        assert one.next_batch("readings", 0) == first
    with Outbox(path, DEVICE) as one:
        assert one.next_batch("readings", 0) == first
        second = one.next_batch("readings", 2)
        assert decode_batch(second.body).prev == body_hash(first.body)


def test_the_chain_goes_on_when_everything_before_is_deleted(path):
    with Outbox(path, DEVICE) as one:
        keep(one, 0)
        first = one.next_batch("readings", 0)
        assert one.acknowledge("readings", one.head("readings").log_id, 1)
    with Outbox(path, DEVICE) as one:
        assert keep(one, 1) == 1
        assert decode_batch(one.next_batch("readings", 1).body).prev == body_hash(first.body)


def test_a_batch_has_one_boot(outbox):
    outbox.append("readings", [reading(0), reading(1)], "boot-1", 1.0)
    outbox.append("readings", [reading(2)], "boot-2", 1.0)
    assert [(one.boot, len(one.readings)) for one in batches(outbox)] == [("boot-1", 2), ("boot-2", 1)]


def test_only_an_acknowledgement_deletes(outbox):
    keep(outbox, *range(60))
    log_id = outbox.head("readings").log_id
    first = outbox.next_batch("readings", 0)
    second = outbox.next_batch("readings", first.end)
    assert outbox.pending("readings") == 60
    assert outbox.acknowledge("readings", log_id, first.end)
    assert outbox.pending("readings") == 10
    assert outbox.next_batch("readings", 0) is None
    assert outbox.next_batch("readings", 50) == second


@pytest.mark.parametrize("n", [0, 25, 51, 61, 10**9, -1])
def test_an_acknowledgement_that_fits_no_batch_deletes_nothing(outbox, n):
    keep(outbox, *range(60))
    outbox.next_batch("readings", 0)
    assert not outbox.acknowledge("readings", outbox.head("readings").log_id, n)
    assert outbox.pending("readings") == 60


def test_an_acknowledgement_of_another_log_deletes_nothing(outbox):
    keep(outbox, 0)
    outbox.next_batch("readings", 0)
    assert not outbox.acknowledge("readings", "another", 1)
    assert not outbox.acknowledge("readings", outbox.head("events").log_id, 1)
    assert outbox.pending("readings") == 1


def test_readings_of_an_unsure_clock_are_marked_held_and_corrected(outbox):
    """A boot in 1970: two readings, 60 s apart; the time comes 100 s after the first."""
    outbox.append("readings", [Reading(5_000, "c1", "fill", {"fill_ratio": 0.1})], "b", 5.0, 5.0, is_unsure=True)
    outbox.append("readings", [Reading(65_000, "c1", "fill", {"fill_ratio": 0.2})], "b", 65.0, 65.0, is_unsure=True)
    assert outbox.next_batch("readings", 0, hold_boot="b") is None
    assert outbox.correct_clock("b", 1_767_225_600.0) == 2
    assert outbox.correct_clock("b", 1_767_225_600.0) == 0
    (batch,) = batches(outbox)
    assert [(one.at_ms, one.quality) for one in batch.readings] == [
        (1_767_225_605_000, "good"),
        (1_767_225_665_000, "good"),
    ]


def test_an_unsure_reading_that_is_sent_anyhow_says_so_and_stays_so(outbox):
    outbox.append("readings", [Reading(5_000, "c1", "fill", {"fill_ratio": 0.1})], "b", 5.0, 5.0, is_unsure=True)
    sent = outbox.next_batch("readings", 0)
    assert decode_batch(sent.body).readings[0].quality == "clock_unsure"
    assert outbox.correct_clock("b", 1_767_225_600.0) == 0
    assert outbox.next_batch("readings", 0) == sent


def test_another_boots_readings_are_not_corrected(outbox):
    outbox.append("readings", [reading(0)], "b1", 5.0, 5.0, is_unsure=True)
    assert outbox.correct_clock("b2", 1_767_225_600.0) == 0
    assert batches(outbox)[0].readings[0].quality == "clock_unsure"


def test_correcting_keeps_what_the_driver_said_about_quality(outbox):
    bad = Reading(5_000, "c1", "fill", {"fill_ratio": 0.1}, quality="suspect")
    outbox.append("readings", [bad], "b", 5.0, 5.0, is_unsure=True)
    outbox.correct_clock("b", 1_767_225_600.0)
    assert batches(outbox)[0].readings[0].quality == "suspect"


def test_a_log_that_cannot_go_on_gets_a_new_id_and_loses_nothing(outbox):
    keep(outbox, *range(60))
    outbox.next_batch("readings", 0)
    outbox.acknowledge("readings", outbox.head("readings").log_id, 50)
    old = outbox.head("readings").log_id
    new = outbox.restart("readings")
    (batch,) = batches(outbox)
    assert new == batch.log_id != old
    assert (batch.n0, batch.prev, len(batch.readings)) == (0, "", 10)
    assert batch.readings[0] == reading(50)
    assert keep(outbox, 60) == 10


@pytest.mark.parametrize(
    "bad",
    [
        Reading(0, "c1", "fill", {"fill_ratio": math.nan}),
        Reading(-1, "c1", "fill", {"fill_ratio": 0.1}),
        Reading(0, "C 1", "fill", {"fill_ratio": 0.1}),
        Reading(0, "c1", "fill", {}),
        Reading(2**63, "c1", "fill", {"fill_ratio": 0.1}),
    ],
)
def test_what_cannot_be_sent_is_not_kept(outbox, bad):
    with pytest.raises(BadBody):
        outbox.append("readings", [reading(0), bad], "boot", 1.0)
    assert outbox.pending("readings") == 0
    assert keep(outbox, 0) == 0


def test_a_commit_that_fails_keeps_nothing_of_it(outbox, tmp_path):
    with pytest.raises(BadBody):
        fail_after(outbox, 0, 1)
    assert outbox.head("readings")[1:] == (0, 0, 0)
    assert keep(outbox, 5) == 0
    assert [one.prev for one in batches(outbox)] == [""]


def test_a_full_disk_is_an_error_and_the_outbox_goes_on(outbox):
    outbox._db.execute("PRAGMA max_page_count=40")

    def fill():
        for n in range(10_000):
            keep(outbox, n % 1000)

    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill()
    kept = outbox.head("readings").next_n
    assert kept > 0
    assert outbox.pending("readings") == kept
    outbox._db.execute("PRAGMA max_page_count=100000")
    assert keep(outbox, 1) == kept
    assert sum(len(one.readings) for one in batches(outbox)) == kept + 1


def test_the_witness_is_told_of_what_was_committed_and_of_nothing_else(path, tmp_path):
    with Witness(tmp_path / "w.csv") as witness, Outbox(path, DEVICE, witness) as one:
        keep(one, 7, 8)
        with pytest.raises(BadBody):
            fail_after(one, 9)
        log_id = one.head("readings").log_id
    rows = list(csv.DictReader((tmp_path / "w.csv").read_text().splitlines()))
    assert [(row["device"], row["log_id"], row["n"], row["channel"], row["at_ms"]) for row in rows] == [
        (DEVICE, log_id, "0", "c1", "1767225600007"),
        (DEVICE, log_id, "1", "c1", "1767225600008"),
    ]
    assert abs(float(rows[0]["real_time_s"]) - time.time()) < 60


@pytest.mark.parametrize("cut", ["dev", "device,log_id,n,channel,at_ms,real_time_s\nd-1,abc,0,c1,17,1.000\nd-1,abc,1"])
def test_the_witness_does_not_write_into_a_line_that_a_kill_cut_off(path, tmp_path, cut):
    file = tmp_path / "w.csv"
    file.write_text(cut)
    with Witness(file) as witness, Outbox(path, DEVICE, witness) as one:
        keep(one, 7)
    header, *lines = file.read_text().splitlines()
    assert header.startswith("device,")
    assert [line.split(",")[0] for line in lines] == ["d-1"] * cut.count("1.000") + [DEVICE]
    assert all(len(line.split(",")) == 6 for line in lines)


def test_a_command_is_begun_once_also_over_a_restart(path):
    with Outbox(path, DEVICE) as one:
        assert one.begin_command("c1", 5_000, 1_000)
        assert not one.begin_command("c1", 5_000, 1_000)
    with Outbox(path, DEVICE) as one:
        assert not one.begin_command("c1", 5_000, 1_000)
        assert one.begin_command("c2", 9_000, 6_000)


def test_two_processes_cannot_share_an_outbox(outbox, path):
    with pytest.raises(BadFile, match="Another process"):
        Outbox(path, DEVICE)


@pytest.mark.parametrize("content", [b"rubbish", b"rubbish" * 1000, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_file_that_is_no_outbox_is_said_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(BadFile, match="Move it away"):
        Outbox(path, DEVICE)
    assert path.read_bytes() == content


def test_another_database_is_said_and_left_alone(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE a (b)")
    db.close()
    with pytest.raises(BadFile, match="no outbox"):
        Outbox(path, DEVICE)


def test_another_devices_outbox_is_said(path):
    Outbox(path, "k18").close()
    with pytest.raises(BadFile, match="k18"):
        Outbox(path, DEVICE)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(BadFile, match="folder"):
        Outbox(tmp_path / "none" / "outbox.sqlite", DEVICE)


_WRITER = """
import sys
from edge.outbox import Outbox
from edge.witness import Witness
from tests.edge.town import DEVICE, reading
outbox = Outbox(sys.argv[1], DEVICE, Witness(sys.argv[2]))
print("ready", flush=True)
while True:
    n0 = outbox.head("readings").next_n
    with outbox.commit():
        outbox.append("readings", [reading(n % 1000) for n in range(n0, n0 + 3)], "boot", 1.0)
        sealed = outbox.next_batch("readings", outbox.head("readings").sealed_n)
    if n0 % 5 == 0:
        outbox.acknowledge("readings", outbox.head("readings").log_id, sealed.end)
        print(sealed.end, flush=True)
"""


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_when_the_process_is_killed(path, tmp_path, seed):
    """SIGKILL at a random moment: numbers stay contiguous, and all that was witnessed is there unless acknowledged."""
    pause = random.Random(seed)
    acknowledged = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), str(tmp_path / "w.csv")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(pause.uniform(0.0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
    witnessed = [int(row["n"]) for row in csv.DictReader((tmp_path / "w.csv").read_text().splitlines())]
    with Outbox(path, DEVICE) as one:
        head = one.head("readings")
        left = batches(one)
        numbers = [batch.n0 + n for batch in left for n in range(len(batch.readings))]
        assert numbers == list(range(head.kept_n, head.next_n))
        assert head.kept_n >= acknowledged
        assert sorted(set(witnessed)) == witnessed
        assert set(witnessed) <= set(range(head.kept_n)) | set(numbers)
        for before, after in pairwise(left):
            assert after.prev == body_hash(one.next_batch("readings", before.n0).body)
