"""The one writer of a ledger: entries are appended, committed together with one fsync, and never changed."""

import contextlib
import errno
import fcntl
import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from city.errors import BadInput, PermanentError, TransientError
from ledger.entry import Entry, Head, NewEntry, Recent, entry_of
from ledger.frames import (
    FRAME_HEADER_BYTES,
    HEADS_NAME,
    MARK_NAME,
    MAX_PAYLOAD_BYTES,
    SEGMENT_HEADER_BYTES,
    BrokenFrame,
    LedgerDamaged,
    Mark,
    decode_entry,
    encode_frame,
    encode_mark,
    open_heads,
    read_frame,
    read_mark,
    seal_heads,
    segment_path,
)
from ledger.recovery import begin_segment, recover, sync_folder

RECENT_ENTRIES = 32
SEGMENT_BYTES = 64 << 20

_LOCK_NAME = "lock"
LogKey = tuple[str, str]

_log = logging.getLogger(__name__)


class LedgerLocked(PermanentError):
    """Another process writes this ledger."""


class LedgerWriteFailed(TransientError, OSError):
    """The disk took nothing (full, or faulty): what was appended since the last commit is not in the ledger."""


class NotInLine(BadInput):
    """An entry repeats readings that the ledger has; `expected` is the next number of that log."""

    def __init__(self, entry: NewEntry, expected: int) -> None:
        super().__init__(
            f"Entry {entry.device}/{entry.log_id}/{entry.n0} (count {entry.count}) is not new: {expected} is next.",
            "Append only what follows the log's head.",
        )
        self.expected = expected


class _Snapshot(msgspec.Struct, array_like=True):
    count: int
    keys: list[LogKey]
    recent: list[list[Recent]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Snapshot).decode


class _Staged(NamedTuple):
    recent: Recent
    key: LogKey
    entry: Entry


class Ledger:
    """The writer of the ledger in `folder`; there is one at a time.

    Opening makes the folder if there is none, cuts off what a power cut left half-written after the last commit (and
    says so in `truncated_bytes` and in a warning), and knows the head of every log again. Not thread-safe.

    Parameters
    ----------
    folder
        Where the segments are.
    segment_bytes
        A segment that has grown past this is closed and a new one begun.

    Raises
    ------
    LedgerLocked
        Another writer has it open.
    LedgerDamaged
        Committed bytes are missing or changed.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = Path(folder)
        self.segment_bytes = segment_bytes
        self._roll_at = segment_bytes
        self.truncated_bytes = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _take_lock(self.folder)
        self._segment = -1
        self._mark_file = -1
        try:
            self._heads: dict[LogKey, Head] = {}
            self._recent: dict[LogKey, deque[Recent]] = {}
            self._staged_heads: dict[LogKey, Head] = {}
            self._staged: list[_Staged] = []
            self._frames: list[bytes] = []
            self._frames_bytes = 0
            self._mark = self._recover()
            self._chain = self._mark.chain
            self._mark_file = os.open(self.folder / MARK_NAME, os.O_WRONLY | os.O_CREAT, 0o644)
            self._write_mark(self._mark)
            os.fsync(self._mark_file)
            sync_folder(self.folder)
        except BaseException:
            self._close_files()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """How many entries are committed."""
        return self._mark.entries

    def append(self, entries: Sequence[NewEntry]) -> list[int]:
        """Take entries for the next commit and return their positions; all of them or none.

        A jump to a higher number than the head's is taken, and stays visible as the gap that it is.

        Raises
        ------
        NotInLine
            An entry begins below the head of its log: these numbers are already there.
        BadInput
            An entry holds no readings, or is over 1 MiB.
        """
        heads = dict[LogKey, Head]()
        for new in entries:
            key = (new.device, new.log_id)
            head = heads.get(key) or self._staged_heads.get(key) or self._heads.get(key)
            if new.count < 1 or new.n0 < 0:
                raise BadInput(f"Entry {new.device}/{new.log_id}/{new.n0} holds no readings.", "Append none of it.")
            if len(new.message) > MAX_PAYLOAD_BYTES - 1024:
                raise BadInput(f"A message of {len(new.message)} bytes is too long to keep.", "Reject it at the door.")
            if head is not None and new.n0 < head.n:
                raise NotInLine(new, head.n)
            heads[key] = Head(new.n_end, new.body_hash)
        positions = []
        for new in entries:
            position = self._mark.entries + len(self._staged)
            frame, self._chain = encode_frame(new, self._chain)
            offset = self._mark.offset + self._frames_bytes
            recent = Recent(new.n0, new.n_end, new.body_hash, position, self._mark.segment, offset)
            self._staged.append(_Staged(recent, (new.device, new.log_id), entry_of(new, position, self._chain)))
            self._frames.append(frame)
            self._frames_bytes += len(frame)
            positions.append(position)
        self._staged_heads.update(heads)
        return positions

    def commit(self) -> int:
        """Make what was appended durable and visible to readers; return the number of entries in the ledger.

        Raises
        ------
        LedgerWriteFailed
            The disk refused. Everything since the last commit is forgotten, the heads with it, and may be appended
            again; after a failed fsync, or a mark that cannot be written, the ledger must be opened anew, for nobody
            knows what is on the disk.
        """
        if not self._staged:
            return self._mark.entries
        if self._segment < 0:
            raise LedgerWriteFailed("An earlier fsync failed.", "Open the ledger anew.")
        try:
            _write_all(self._segment, b"".join(self._frames), self._mark.offset)
        except OSError as error:
            self._forget_staged()
            os.ftruncate(self._segment, self._mark.offset)
            fix = "Free space on the disk." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Look at the disk."
            raise LedgerWriteFailed(f"Cannot write to the ledger: {error.strerror}.", fix) from error
        count = self._mark.entries + len(self._staged)
        mark = Mark(count, self._mark.segment, self._mark.offset + self._frames_bytes, self._chain)
        try:
            os.fdatasync(self._segment)
            self._write_mark(mark)
        except OSError as error:
            self._forget_staged()
            os.close(self._segment)
            self._segment = -1
            raise LedgerWriteFailed(f"Cannot sync the ledger: {error.strerror}.", "Look at the disk.") from error
        self._mark = mark
        for staged in self._staged:
            self._note(staged.key, staged.recent)
        self._forget_staged()
        if self._mark.offset >= self._roll_at:
            self._roll()
        return count

    def forget(self) -> None:
        """Drop what was appended since the last commit, as if it had never come."""
        self._forget_staged()

    @property
    def is_broken(self) -> bool:
        """Whether an fsync or the mark failed, after which only opening anew can tell what is on the disk."""
        return self._segment < 0

    def heads(self) -> Mapping[LogKey, Head]:
        """Return the committed head of every `(device, log_id)`."""
        return MappingProxyType(self._heads)

    def head(self, device: str, log_id: str) -> Head | None:
        """Return the head of a log, what is appended but not yet committed included; None if it is new."""
        key = (device, log_id)
        return self._staged_heads.get(key) or self._heads.get(key)

    def recent(self, device: str, log_id: str) -> list[Recent]:
        """Return the last entries of a log (at most 32 committed ones), oldest first, uncommitted ones included."""
        key = (device, log_id)
        staged = [one.recent for one in self._staged if one.key == key] if key in self._staged_heads else []
        return [*self._recent.get(key, ()), *staged]

    def entry(self, recent: Recent) -> Entry:
        """Return an entry that `recent` named.

        Raises
        ------
        LedgerDamaged
            It is not there any more as it was written.
        """
        if recent.position >= self._mark.entries:
            return self._staged[recent.position - self._mark.entries].entry
        path = segment_path(self.folder, recent.segment)
        with path.open("rb") as file:
            file.seek(recent.offset)
            data = file.read(MAX_PAYLOAD_BYTES + FRAME_HEADER_BYTES)
        frame = read_frame(data, 0, len(data))
        if isinstance(frame, BrokenFrame):
            raise LedgerDamaged(frame.problem, file=str(path), offset=recent.offset)
        return decode_entry(frame, recent.position)

    def close(self) -> None:
        """Commit, remember the heads for a quick start, and let another writer in."""
        try:
            if self._segment >= 0:
                self.commit()
                self._save_heads()
        finally:
            self._close_files()

    def _recover(self) -> Mark:
        known = self._load_heads()
        end, self.truncated_bytes = recover(self.folder, known, self._replayed)
        self._segment = os.open(segment_path(self.folder, end.segment), os.O_RDWR)
        os.fsync(self._segment)
        return end

    def _replayed(self, entry: Entry, segment: int, offset: int) -> None:
        recent = Recent(entry.n0, entry.n_end, entry.body_hash, entry.position, segment, offset)
        self._note((entry.device, entry.log_id), recent)

    def _note(self, key: LogKey, recent: Recent) -> None:
        self._heads[key] = Head(recent.n_end, recent.body_hash)
        if key not in self._recent:
            self._recent[key] = deque(maxlen=RECENT_ENTRIES)
        self._recent[key].append(recent)

    def _forget_staged(self) -> None:
        self._staged.clear()
        self._staged_heads.clear()
        self._frames.clear()
        self._frames_bytes = 0
        self._chain = self._mark.chain

    def _roll(self) -> None:
        """Begin a segment. What was committed stays so whatever the disk says: without room the old one grows on."""
        mark = Mark(self._mark.entries, self._mark.entries, SEGMENT_HEADER_BYTES, self._mark.chain)
        path = segment_path(self.folder, mark.segment)
        try:
            begin_segment(self.folder, mark.entries, mark.chain)
            segment = os.open(path, os.O_RDWR)
            try:
                self._write_mark(mark)
            except OSError:
                os.close(segment)
                raise
        except OSError as error:
            # Left behind, it would stand in the middle of what the old segment takes next.
            _remove(path)
            self._roll_at = self._mark.offset + self.segment_bytes
            _log.warning("No new segment in %s (%s): the one before grows on.", self.folder, error.strerror)
            return
        os.close(self._segment)
        self._segment = segment
        self._mark = mark
        self._roll_at = self.segment_bytes
        self._save_heads()

    def _write_mark(self, mark: Mark) -> None:
        os.pwrite(self._mark_file, encode_mark(mark), 0)

    def _save_heads(self) -> None:
        recent = [list(entries) for entries in self._recent.values()]
        body = _encode(_Snapshot(self._mark.entries, list(self._recent), recent))
        temporary = self.folder / f"{HEADS_NAME}.new"
        try:
            with temporary.open("wb") as file:
                file.write(seal_heads(body))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / HEADS_NAME)
        except OSError as error:
            # They only make the next start quick.
            _remove(temporary)
            _log.warning("The heads of the ledger in %s are not remembered: %s.", self.folder, error.strerror)

    def _load_heads(self) -> int:
        """Take the heads of the last orderly close or roll, and return how many entries they know."""
        mark = read_mark(self.folder)
        try:
            data = (self.folder / HEADS_NAME).read_bytes()
        except FileNotFoundError:
            return 0
        body = open_heads(data)
        if mark is None or body is None:
            return 0
        snapshot = _decode(body)
        if snapshot.count > mark.entries:
            return 0
        for key, entries in zip(snapshot.keys, snapshot.recent, strict=True):
            self._recent[key] = deque(entries, maxlen=RECENT_ENTRIES)
            self._heads[key] = Head(entries[-1].n_end, entries[-1].body_hash)
        return snapshot.count

    def _close_files(self) -> None:
        for descriptor in (self._segment, self._mark_file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._segment = self._mark_file = self._lock = -1


def _take_lock(folder: Path) -> int:
    descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise LedgerLocked(
            f"The ledger in {folder} is being written by another process.", "End that process first."
        ) from None
    return descriptor


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
