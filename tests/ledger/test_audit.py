"""The audit finds any change."""

import shutil
from pathlib import Path

import pytest

from ledger import Ledger, LedgerReader, NewEntry, audit
from ledger.entry import EMPTY_CHAIN
from ledger.frames import SEGMENT_HEADER_BYTES, Mark, decode_header, encode_frame, encode_header, encode_mark
from tests.ledger.entries import entry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "ledger"
    with Ledger(where, segment_bytes=600) as ledger:
        for n in range(6):
            ledger.append([entry("k1", n), entry("k2", n)])
            ledger.commit()
    return where


def test_an_intact_ledger(folder: Path) -> None:
    report = audit(folder)
    assert report.is_intact
    assert (report.entries, report.readings, report.gaps, report.uncommitted_bytes) == (12, 12, (), 0)
    assert len(report.chain) == 64


def test_a_folder_without_ledger(tmp_path: Path) -> None:
    assert audit(tmp_path).is_intact
    assert audit(tmp_path).entries == 0


def test_one_flipped_bit_anywhere_is_found_where_it_is(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for offset in range(len(data)):
            changed = bytearray(data)
            changed[offset] ^= 1 << (offset % 8)
            path.write_bytes(changed)
            fault = audit(folder).fault
            assert fault is not None, (path.name, offset)
            assert fault.file == path.name
            assert fault.offset <= offset
            assert offset - fault.offset < 400 or path.name == "heads"
        path.write_bytes(data)
    assert audit(folder).is_intact


@pytest.mark.parametrize("which", [0, 1, -2])
def test_a_missing_segment_is_found(folder: Path, which: int) -> None:
    sorted(folder.glob("*.seg"))[which].unlink()
    assert audit(folder).fault is not None


def test_cut_off_entries_are_found(folder: Path) -> None:
    last = [path for path in sorted(folder.glob("*.seg")) if path.stat().st_size > 100][-1]
    last.write_bytes(last.read_bytes()[:-1])
    fault = audit(folder).fault
    assert fault is not None
    for path in folder.glob("*.seg"):
        path.unlink()
    fault = audit(folder).fault
    assert fault is not None
    assert "rest is gone" in fault.problem


def test_segments_of_another_ledger_are_found(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Ledger(other, segment_bytes=600) as ledger:
        for n in range(6):
            ledger.append([entry("k8", n), entry("k9", n)])
            ledger.commit()
    segments = sorted(other.glob("*.seg"))
    shutil.copy(segments[1], folder / segments[1].name)
    fault = audit(folder).fault
    assert fault is not None
    assert fault.file == segments[1].name


def test_what_stands_after_the_mark_is_not_counted_and_no_fault(tmp_path: Path) -> None:
    """Readers do not see it and a power cut may still take it, so no hash over it may be noted as the ledger's."""
    ledger = Ledger(tmp_path, segment_bytes=300)
    ledger.append([entry("k1", 0)])
    ledger.commit()
    before, mark = audit(tmp_path), (tmp_path / "mark").read_bytes()
    for n in range(1, 4):
        ledger.append([entry("k1", n)])
        ledger.commit()
    assert len(list(tmp_path.glob("*.seg"))) > 1
    (tmp_path / "mark").write_bytes(mark)
    after = audit(tmp_path)
    assert after.is_intact
    assert (after.entries, after.readings, after.chain) == (1, 1, before.chain)
    assert len(LedgerReader(tmp_path).read(0, 100)) == 1
    assert after.uncommitted_bytes > 300
    ledger.close()


def test_a_segment_that_is_just_being_begun_is_no_fault(folder: Path) -> None:
    last = max(folder.glob("*.seg"))
    mark = Mark(12, *_end_before(folder, last))
    (folder / "mark").write_bytes(encode_mark(mark))
    for size in (20, 0):
        last.write_bytes(last.read_bytes()[:size])
        report = audit(folder)
        assert report.is_intact, report.fault
        assert (report.entries, report.uncommitted_bytes) == (12, size)


def _end_before(folder: Path, last: Path) -> tuple[int, int, bytes]:
    """Return what the mark said of the end before `last`, which holds no entry, was begun."""
    path = sorted(folder.glob("*.seg"))[-2]
    chain = decode_header(last.read_bytes(), int(last.stem))
    assert chain
    assert last.stat().st_size == SEGMENT_HEADER_BYTES
    return int(path.stem), path.stat().st_size, chain


def _write(folder: Path, entries: list[NewEntry]) -> None:
    """Write a ledger whose checksums and chain are right, as somebody with access to the disk could."""
    folder.mkdir()
    data, chain = encode_header(0, EMPTY_CHAIN), EMPTY_CHAIN
    for one in entries:
        frame, chain = encode_frame(one, chain)
        data += frame
    (folder / f"{0:020d}.seg").write_bytes(data)
    (folder / "mark").write_bytes(encode_mark(Mark(len(entries), 0, len(data), chain)))


def test_a_reading_that_stands_twice_is_found(tmp_path: Path) -> None:
    _write(tmp_path / "twice", [entry("k1", 0, 5), entry("k1", 4, 1)])
    fault = audit(tmp_path / "twice").fault
    assert fault is not None
    assert "twice" in fault.problem
    assert fault.position == 1


def test_a_rewritten_ledger_has_another_chain(tmp_path: Path) -> None:
    """Whoever rewrites everything passes the checks, but not the comparison with a chain hash noted elsewhere."""
    _write(tmp_path / "one", [entry("k1", 0), entry("k1", 1)])
    _write(tmp_path / "two", [entry("k1", 0), entry("k1", 1, size=41)])
    assert audit(tmp_path / "one").is_intact
    assert audit(tmp_path / "two").is_intact
    assert audit(tmp_path / "one").chain != audit(tmp_path / "two").chain
