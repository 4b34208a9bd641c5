"""Reading a ledger while another process writes it."""

from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from ledger.entry import Entry
from ledger.frames import (
    FRAME_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    SEGMENT_HEADER_BYTES,
    BrokenFrame,
    LedgerDamaged,
    Mark,
    decode_entry,
    read_frame,
    read_mark,
    segment_firsts,
    segment_path,
)

_CHUNK_BYTES = 4 << 20


class _Place(NamedTuple):
    position: int
    segment: int
    offset: int


class LedgerReader:
    """Reads committed entries of the ledger in `folder`, which need not exist yet; takes no lock.

    Reading on from where the last `read` ended is cheap; a jump walks through one segment. Each reader belongs to
    one thread.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._next = _Place(0, 0, SEGMENT_HEADER_BYTES)

    def count(self) -> int:
        """Return how many entries are committed."""
        mark = read_mark(self.folder)
        return mark.entries if mark else 0

    def read(self, position: int, limit: int = 1000) -> list[Entry]:
        """Return at most `limit` committed entries from `position` on; empty if there are none yet.

        Raises
        ------
        LedgerDamaged
            A committed frame is not what was written.
        """
        mark = read_mark(self.folder)
        if mark is None or position >= mark.entries:
            return []
        if position != self._next.position:
            self._next = self._find(position, mark)
        entries: list[Entry] = []
        wanted = min(limit, mark.entries - position)
        while len(entries) < wanted:
            entries += self._read_on(wanted - len(entries), mark)
        return entries

    def _read_on(self, wanted: int, mark: Mark) -> list[Entry]:
        position, segment, offset = self._next
        path = segment_path(self.folder, segment)
        last = segment == mark.segment
        with path.open("rb") as file:
            file.seek(offset)
            size = mark.offset - offset if last else _CHUNK_BYTES
            data = file.read(min(size, _CHUNK_BYTES))
        if not data:
            if last:
                raise LedgerDamaged("committed entries are cut off", file=str(path), offset=offset)
            if not segment_path(self.folder, position).exists():
                raise LedgerDamaged(f"entry {position} is cut off", file=str(path), offset=offset)
            self._next = _Place(position, position, SEGMENT_HEADER_BYTES)
            return []
        entries: list[Entry] = []
        at = 0
        while at < len(data) and len(entries) < wanted:
            frame = read_frame(data, at, len(data))
            if isinstance(frame, BrokenFrame):
                if at:
                    break
                raise LedgerDamaged(frame.problem, file=str(path), offset=offset)
            entries.append(decode_entry(frame, position + len(entries)))
            at = frame.end
        self._next = _Place(position + len(entries), segment, offset + at)
        return entries

    def _find(self, position: int, mark: Mark) -> _Place:
        firsts = segment_firsts(self.folder)
        index = bisect_right(firsts, position) - 1
        if index < 0:
            raise LedgerDamaged(f"entry {position} is gone", file=str(segment_path(self.folder, 0)), offset=0)
        first = firsts[index]
        path = segment_path(self.folder, first)
        offset = SEGMENT_HEADER_BYTES
        with path.open("rb") as file:
            for _ in range(position - first):
                file.seek(offset)
                length = int.from_bytes(file.read(4), "little")
                if not 0 < length <= MAX_PAYLOAD_BYTES:
                    raise LedgerDamaged("a frame's length is impossible", file=str(path), offset=offset)
                offset += FRAME_HEADER_BYTES + length
        return _Place(position, first, offset)
