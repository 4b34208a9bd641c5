"""Readers beside a living writer."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger import Ledger, LedgerDamaged, LedgerReader, audit
from tests.ledger.entries import ROOT, entry


def test_a_ledger_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    reader = LedgerReader(tmp_path / "later")
    assert reader.read(0) == []
    with Ledger(tmp_path / "later") as ledger:
        assert reader.read(0) == []
        ledger.append([entry()])
        ledger.commit()
        assert [one.n0 for one in reader.read(0)] == [0]


def test_what_is_not_committed_is_not_seen(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", 0)])
        assert LedgerReader(tmp_path).read(0) == []
        ledger.commit()
        ledger.append([entry("k1", 1)])
        assert [one.n0 for one in LedgerReader(tmp_path).read(0)] == [0]


def test_written_but_not_yet_marked_frames_are_not_seen(tmp_path: Path) -> None:
    """Between the write and the fsync a frame is whole on disk, but may vanish in a power cut."""
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", 0)])
        ledger.commit()
        mark = (tmp_path / "mark").read_bytes()
        ledger.append([entry("k1", 1)])
        ledger.commit()
        (tmp_path / "mark").write_bytes(mark)
        assert len(LedgerReader(tmp_path).read(0)) == 1


def test_reading_past_the_end_and_going_on_later(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=400) as ledger:
        reader = LedgerReader(tmp_path)
        for n in range(30):
            ledger.append([entry("k1", n)])
            ledger.commit()
            assert [one.n0 for one in reader.read(n, 10)] == [n]
            assert reader.read(n + 1) == []
        assert [one.n0 for one in reader.read(3, 4)] == [3, 4, 5, 6]


def test_entries_larger_than_one_read_of_the_file(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for n in range(12):
            ledger.append([entry("k1", n, size=900_000)])
            ledger.commit()
    assert [one.n0 for one in LedgerReader(tmp_path).read(0, 100)] == list(range(12))


def test_a_changed_frame_is_an_error_that_says_where(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([entry("k1", n) for n in range(3)])
    segment = next(tmp_path.glob("*.seg"))
    _flip(segment, 400)
    with pytest.raises(LedgerDamaged, match=segment.name) as caught:
        LedgerReader(tmp_path).read(1, 2)
    fault = audit(tmp_path).fault
    assert fault is not None
    assert fault.offset == caught.value.offset


_WRITER = """
import sys
from pathlib import Path
from ledger import Ledger
from tests.ledger.entries import entry
with Ledger(Path(sys.argv[1]), segment_bytes=30_000) as ledger:
    for n in range(0, 3000, 3):
        ledger.append([entry("k1", n + i, size=150) for i in range(3)])
        ledger.commit()
"""


def test_a_reader_sees_whole_groups_in_order_while_another_process_writes(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, tmp_path], cwd=ROOT)
    reader = LedgerReader(tmp_path)
    seen = 0
    partial = 0
    until = time.monotonic() + 40
    while seen < 3000 and time.monotonic() < until:
        entries = reader.read(seen, 500)
        assert [one.n0 for one in entries] == list(range(seen, seen + len(entries)))
        partial += 0 < len(entries) < 3000
        if len(entries) < 500:
            assert (seen + len(entries)) % 3 == 0
        seen += len(entries)
    assert writer.wait(20) == 0
    assert seen == 3000
    assert partial > 1


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)
