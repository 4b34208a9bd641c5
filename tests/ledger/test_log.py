"""The writer: what it keeps, what it refuses, and what it does after a crash."""

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from city.errors import BadInput
from ledger import Head, Ledger, LedgerDamaged, LedgerLocked, LedgerReader, LedgerWriteFailed, NotInLine, audit
from tests.ledger.entries import ROOT, entry


def test_what_is_committed_is_read_back_byte_for_byte(tmp_path: Path) -> None:
    entries = [entry("k1", 0, 3), entry("k2", 0, 50, size=6000), entry("k1", 3, 2)]
    with Ledger(tmp_path) as ledger:
        assert ledger.append(entries) == [0, 1, 2]
        assert ledger.commit() == 3
    read = LedgerReader(tmp_path).read(0, 10)
    assert [one.message for one in read] == [one.message for one in entries]
    assert [(one.position, one.device, one.n0, one.n_end) for one in read] == [
        (0, "k1", 0, 3),
        (1, "k2", 0, 50),
        (2, "k1", 3, 5),
    ]


def test_heads_say_what_is_next_and_staged_ones_count_only_after_commit(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", 0, 3)])
        assert ledger.head("k1", "log-a") == Head(3, entry("k1", 0, 3).body_hash)
        assert not ledger.heads()
        ledger.commit()
        assert ledger.heads()[("k1", "log-a")].n == 3
        assert ledger.head("k1", "log-b") is None


@pytest.mark.parametrize("orderly", [True, False])
def test_heads_and_recent_entries_are_known_again_after_opening(tmp_path: Path, orderly: bool) -> None:
    ledger = Ledger(tmp_path, segment_bytes=500)
    for n in range(40):
        ledger.append([entry("k1", n), entry("k2", n)])
        ledger.commit()
    ledger.close()
    if not orderly:
        (tmp_path / "heads").unlink()
    with Ledger(tmp_path, segment_bytes=500) as again:
        assert again.heads()[("k2", "log-a")] == Head(40, entry("k2", 39).body_hash)
        recent = again.recent("k1", "log-a")
        assert [one.n0 for one in recent] == list(range(8, 40))
        assert again.entry(recent[0]).message == entry("k1", 8).message
        again.append([entry("k1", 40)])
        assert again.entry(again.recent("k1", "log-a")[-1]).message == entry("k1", 40).message
    assert audit(tmp_path).is_intact


def test_readings_that_are_there_already_are_refused_and_nothing_of_the_call_is_kept(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", 0, 3)])
        with pytest.raises(NotInLine) as caught:
            ledger.append([entry("k2", 0), entry("k1", 2)])
        assert caught.value.expected == 3
        assert ledger.commit() == 1
        with pytest.raises(NotInLine):
            ledger.append([entry("k1", 0, 3)])


@pytest.mark.parametrize("bad", [entry(count=0), entry(n0=-1), entry(size=1 << 20)])
def test_an_entry_that_makes_no_sense_is_refused(tmp_path: Path, bad: object) -> None:
    with Ledger(tmp_path) as ledger, pytest.raises(BadInput):
        ledger.append([bad])  # type: ignore[list-item]


def test_a_gap_is_taken_and_stays_visible(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", 0, 3), entry("k1", 10, 1)])
    gap = audit(tmp_path).gaps[0]
    assert (gap.device, gap.n_from, gap.n_to) == ("k1", 3, 10)


def test_segments_roll_by_size_and_the_reader_walks_over_them(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=1000) as ledger:
        for n in range(100):
            ledger.append([entry("k1", n)])
            ledger.commit()
    assert len(list(tmp_path.glob("*.seg"))) > 10
    assert [one.n0 for one in LedgerReader(tmp_path).read(0, 1000)] == list(range(100))
    assert [one.n0 for one in LedgerReader(tmp_path).read(57, 5)] == [57, 58, 59, 60, 61]


def test_a_second_writer_is_refused_and_let_in_when_the_first_is_gone(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    with pytest.raises(LedgerLocked):
        Ledger(tmp_path)
    first.close()
    Ledger(tmp_path).close()


def test_a_second_writer_in_another_process_is_refused(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from ledger import Ledger; Ledger(Path(sys.argv[1]))"
    with Ledger(tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
        )
    assert done.returncode != 0
    assert "LedgerLocked" in done.stderr


def _crash(folder: Path, torn: bytes) -> Path:
    """Leave the folder as a power cut would: two entries committed, then bytes that are half an entry."""
    ledger = Ledger(folder)
    ledger.append([entry("k1", 0), entry("k1", 1)])
    ledger.commit()
    segment = next(folder.glob("*.seg"))
    with segment.open("ab") as file:
        file.write(torn)
    ledger._close_files()  # as the system does for a process that is killed
    return segment


@pytest.mark.parametrize("torn", [b"\x01", b"\0" * 4096, os.urandom(300), b"\xff" * 41])
def test_a_torn_tail_is_cut_off_and_said(tmp_path: Path, torn: bytes, caplog: pytest.LogCaptureFixture) -> None:
    _crash(tmp_path, torn)
    assert audit(tmp_path).uncommitted_bytes == len(torn)
    assert LedgerReader(tmp_path).count() == 2
    with Ledger(tmp_path) as ledger:
        assert ledger.truncated_bytes == len(torn)
        assert f"Cut {len(torn)} half-written bytes" in caplog.text
        assert ledger.count == 2
        ledger.append([entry("k1", 2)])
    report = audit(tmp_path)
    assert report.is_intact
    assert report.entries == 3


def test_whole_frames_after_an_old_mark_are_kept(tmp_path: Path) -> None:
    """A power cut may lose the last writes of the mark, but not the synced frames."""
    ledger = Ledger(tmp_path)
    ledger.append([entry("k1", 0)])
    ledger.commit()
    old = (tmp_path / "mark").read_bytes()
    ledger.append([entry("k1", 1)])
    ledger.close()
    (tmp_path / "mark").write_bytes(old)
    (tmp_path / "heads").unlink()
    with Ledger(tmp_path) as again:
        assert again.count == 2
        assert again.head("k1", "log-a") == Head(2, entry("k1", 1).body_hash)


def test_a_tail_that_is_torn_anywhere_keeps_every_whole_frame(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "first")
    ledger.append([entry("k1", 0)])
    ledger.commit()
    mark = (tmp_path / "first" / "mark").read_bytes()
    ends = [(tmp_path / "first" / f"{0:020d}.seg").stat().st_size]
    for n in (1, 2):
        ledger.append([entry("k1", n)])
        ledger.commit()
        ends.append((tmp_path / "first" / f"{0:020d}.seg").stat().st_size)
    ledger.close()
    whole = (tmp_path / "first" / f"{0:020d}.seg").read_bytes()
    for cut in range(ends[0], ends[2] + 1, 3):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "mark").write_bytes(mark)
        (folder / f"{0:020d}.seg").write_bytes(whole[:cut])
        with Ledger(folder) as again:
            assert again.count == 1 + sum(cut >= end for end in ends[1:])
            assert again.truncated_bytes == cut - max(end for end in ends if end <= cut)
        assert audit(folder).is_intact


def test_a_missing_mark_is_made_again(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", 0), entry("k1", 1)])
    (tmp_path / "mark").unlink()
    with Ledger(tmp_path) as again:
        assert again.count == 2
    assert audit(tmp_path).is_intact


def test_a_power_cut_while_a_segment_is_begun_loses_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=100) as ledger:
        ledger.append([entry("k1", 0), entry("k1", 1)])
    newest = max(tmp_path.glob("*.seg"))
    newest.write_bytes(newest.read_bytes()[:20])
    with Ledger(tmp_path) as again:
        assert again.count == 2
        again.append([entry("k1", 2)])
    assert audit(tmp_path).entries == 3


def test_damage_below_the_mark_is_refused_and_never_cut_off(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", n) for n in range(3)])
    segment = next(tmp_path.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    (tmp_path / "heads").unlink()
    with pytest.raises(LedgerDamaged, match=segment.name) as caught:
        Ledger(tmp_path)
    assert caught.value.offset > 0
    assert segment.read_bytes() == data


def test_cut_off_committed_entries_are_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", n) for n in range(3)])
    segment = next(tmp_path.glob("*.seg"))
    os.truncate(segment, segment.stat().st_size - 200)
    with pytest.raises(LedgerDamaged):
        Ledger(tmp_path)


def _limit_and_write(folder: Path, results: "multiprocessing.Queue[object]") -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ledger = Ledger(folder)
    ledger.append([entry("k1", 0)])
    ledger.commit()
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
    ledger.append([entry("k1", 1, size=8000), entry("k2", 0)])
    try:
        ledger.commit()
    except LedgerWriteFailed as error:
        results.put(str(error))
    results.put([ledger.head("k1", "log-a"), ledger.head("k2", "log-a")])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ledger.append([entry("k1", 1, size=8000)])
    ledger.commit()
    ledger.close()


def test_a_disk_that_takes_no_more_loses_nothing_committed_and_the_writer_goes_on(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[object] = context.Queue()
    process = context.Process(target=_limit_and_write, args=(tmp_path, results))
    process.start()
    assert "Cannot write to the ledger" in str(results.get(timeout=30))
    assert results.get(timeout=30) == [Head(1, entry("k1", 0).body_hash), None]
    process.join(30)
    assert process.exitcode == 0
    assert audit(tmp_path).entries == 2


def test_a_segment_that_cannot_be_begun_takes_nothing_back_that_is_committed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever hears that a commit failed appends it again, and readings without a number of their own would double."""
    with Ledger(tmp_path, segment_bytes=500) as ledger:
        ledger.append([entry("k1", 0), entry("k1", 1), entry("k1", 2)])
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            assert ledger.commit() == 3
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert "the one before grows on" in caplog.text
        for n in range(3, 12):
            ledger.append([entry("k1", n)])
            assert ledger.commit() == n + 1
    assert len(list(tmp_path.glob("*.seg"))) > 1
    assert audit(tmp_path).is_intact
    assert [one.n0 for one in LedgerReader(tmp_path).read(0, 100)] == list(range(12))
    assert LedgerReader(tmp_path).read(7, 1)[0].n0 == 7
    with Ledger(tmp_path) as again:
        assert again.head("k1", "log-a") == Head(12, entry("k1", 11).body_hash)


def test_heads_that_cannot_be_remembered_end_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=300) as ledger:
        (tmp_path / "heads.new").mkdir()
        for n in range(6):
            ledger.append([entry("k1", n)])
            assert ledger.commit() == n + 1
    with Ledger(tmp_path) as again:
        assert again.head("k1", "log-a") == Head(6, entry("k1", 5).body_hash)


def test_a_mark_that_cannot_be_written_ends_the_writer_and_doubles_nothing(tmp_path: Path) -> None:
    """The group is on the disk, and only opening anew tells that: to append it once more would double it."""
    ledger = Ledger(tmp_path)
    ledger.append([entry("k1", 0)])
    ledger.commit()
    mark, ledger._mark_file = ledger._mark_file, os.open(tmp_path / "mark", os.O_RDONLY)
    os.close(mark)
    ledger.append([entry("k1", 1)])
    with pytest.raises(LedgerWriteFailed):
        ledger.commit()
    assert ledger.is_broken
    assert ledger.count == 1
    ledger.close()
    with Ledger(tmp_path) as again:
        assert again.head("k1", "log-a") == Head(2, entry("k1", 1).body_hash)


_WRITER = """
import sys
from pathlib import Path
from ledger import Ledger
from tests.ledger.entries import entry
ledger = Ledger(Path(sys.argv[1]), segment_bytes=20_000)
n = ledger.head("k1", "log-a").n if ledger.head("k1", "log-a") else 0
while True:
    ledger.append([entry("k1", n + i, size=200) for i in range(5)])
    ledger.commit()
    n += 5
    print(n, flush=True)
"""


def test_a_writer_that_is_killed_at_any_moment_loses_nothing_that_it_committed(tmp_path: Path) -> None:
    chance = random.Random(7)
    said = 0
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert writer.stdout
        first = writer.stdout.readline()
        time.sleep(chance.random() * 0.15)
        writer.kill()
        lines = [first, *writer.stdout.readlines()]
        writer.wait(10)
        writer.stdout.close()
        said = int([line for line in lines if line.endswith("\n")][-1])
        report = audit(tmp_path)
        assert report.is_intact
        assert not report.gaps
        assert report.readings >= said
        assert [one.n0 for one in LedgerReader(tmp_path).read(0, 10**6)] == list(range(report.readings))
    # Killed between fsync and mark, the last group is whole and kept, and is seen after the next start.
    with Ledger(tmp_path) as ledger:
        assert report.readings <= ledger.count <= report.readings + 5
        assert [one.n0 for one in LedgerReader(tmp_path).read(0, 10**6)] == list(range(ledger.count))
