"""Checking every byte of a ledger, by code that shares only the format with the code that wrote it."""

from pathlib import Path

import msgspec

from ledger.entry import EMPTY_CHAIN
from ledger.frames import (
    HEADS_NAME,
    MARK_NAME,
    SEGMENT_HEADER_BYTES,
    BrokenFrame,
    decode_entry,
    decode_header,
    next_chain,
    open_heads,
    read_frame,
    read_mark,
    segment_firsts,
    segment_path,
)


class Fault(msgspec.Struct, frozen=True):
    """Where the record is not what it should be: byte `offset` of `file` (a name in the folder), at `position`."""

    file: str
    offset: int
    position: int
    problem: str


class Gap(msgspec.Struct, frozen=True):
    """Readings `n_from` up to (excluding) `n_to` of a log are not in the ledger, though later ones are."""

    device: str
    log_id: str
    n_from: int
    n_to: int


class AuditReport(msgspec.Struct, frozen=True):
    """What an audit found. `chain` is the hash (hex) that binds all entries, to compare with one noted elsewhere."""

    entries: int
    readings: int
    segments: int
    chain: str
    fault: Fault | None
    gaps: tuple[Gap, ...] = ()
    uncommitted_bytes: int = 0

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault is None


def audit(folder: Path) -> AuditReport:
    """Return whether every entry up to the mark is whole, chained, and new in its log; stops at the first fault.

    The same entries are counted that readers see. What stands after the mark, whole or not, is what a living writer is
    in the middle of, or what a kill or a power cut left: nobody was told that it is kept, and the next start decides.
    So it is no fault, and is counted as `uncommitted_bytes`.
    """
    folder = Path(folder)
    mark = read_mark(folder)
    firsts = segment_firsts(folder)
    walk = _Walk()
    if mark is None:
        if firsts or (folder / MARK_NAME).exists():
            walk.fault = Fault(MARK_NAME, 0, 0, "the mark is missing or unreadable")
        return walk.report(0)
    for first in firsts:
        if first > mark.segment and first >= mark.entries:
            walk.uncommitted_bytes += segment_path(folder, first).stat().st_size
        elif not walk.segment(folder, first, mark.entries):
            break
    if walk.fault is None and (walk.position < mark.entries or mark.segment not in firsts):
        name = segment_path(folder, firsts[-1] if firsts else 0).name
        walk.fault = Fault(name, walk.offset, walk.position, f"{mark.entries} entries are committed, the rest is gone")
    if walk.fault is None and walk.chain != mark.chain:
        walk.fault = Fault(MARK_NAME, 0, mark.entries, "the mark's hash is not that of the entries")
    if walk.fault is None and (folder / HEADS_NAME).exists() and open_heads((folder / HEADS_NAME).read_bytes()) is None:
        walk.fault = Fault(HEADS_NAME, 0, 0, "the remembered heads are changed (delete the file: it is made again)")
    return walk.report(len(firsts))


class _Walk:
    def __init__(self) -> None:
        self.position = 0
        self.readings = 0
        self.offset = 0
        self.chain = EMPTY_CHAIN
        self.next_n: dict[tuple[str, str], int] = {}
        self.gaps: list[Gap] = []
        self.fault: Fault | None = None
        self.uncommitted_bytes = 0

    def segment(self, folder: Path, first: int, committed: int) -> bool:
        path = segment_path(folder, first)
        data = path.read_bytes()
        self.offset = 0
        before = decode_header(data, first)
        if before is None:
            return self._fail(path, "the segment's header is changed or cut off")
        if first != self.position or before != self.chain:
            return self._fail(path, "the segment does not follow the one before it")
        self.offset = SEGMENT_HEADER_BYTES
        while self.offset < len(data) and self.position < committed:
            frame = read_frame(data, self.offset, len(data))
            if isinstance(frame, BrokenFrame):
                return self._fail(path, frame.problem)
            if frame.chain != next_chain(self.chain, frame.payload):
                return self._fail(path, "the chain of hashes is broken")
            try:
                entry = decode_entry(frame, self.position)
            except msgspec.DecodeError as error:
                return self._fail(path, f"the entry cannot be read ({error})")
            key = (entry.device, entry.log_id)
            expected = self.next_n.get(key, 0)
            if entry.n0 < expected:
                return self._fail(path, f"reading {entry.n0} of {entry.device}/{entry.log_id} is there twice")
            if entry.n0 > expected:
                self.gaps.append(Gap(entry.device, entry.log_id, expected, entry.n0))
            self.next_n[key] = entry.n_end
            self.readings += entry.count
            self.position += 1
            self.chain = frame.chain
            self.offset = frame.end
        self.uncommitted_bytes += len(data) - self.offset
        return True

    def report(self, segments: int) -> AuditReport:
        return AuditReport(
            self.position,
            self.readings,
            segments,
            self.chain.hex(),
            self.fault,
            tuple(self.gaps),
            self.uncommitted_bytes,
        )

    def _fail(self, path: Path, problem: str) -> bool:
        self.fault = Fault(path.name, self.offset, self.position, problem)
        return False
