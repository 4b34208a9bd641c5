"""Opening a ledger after whatever happened: what is committed is checked, what is half-written is cut off."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from ledger.entry import EMPTY_CHAIN, Entry
from ledger.frames import (
    SEGMENT_HEADER_BYTES,
    BrokenFrame,
    LedgerDamaged,
    Mark,
    decode_entry,
    decode_header,
    empty_mark,
    encode_header,
    read_frame,
    read_mark,
    segment_firsts,
    segment_path,
)

_log = logging.getLogger(__name__)


def recover(folder: Path, known: int, seen: Callable[[Entry, int, int], None]) -> tuple[Mark, int]:
    """Return where the ledger of `folder` ends, and how many torn bytes were cut off its end.

    Frames after the mark that are whole are kept: they were written, and a device may have been told so. Segments
    are begun only after the one before is synced, so only the last can be torn, and only after the mark.

    Parameters
    ----------
    known
        Entries below this position are not handed to `seen` and their whole segments not read.
    seen
        Called with every other entry, the first position of its segment, and its offset there.

    Raises
    ------
    LedgerDamaged
        Committed bytes are missing or changed.
    """
    mark = read_mark(folder)
    firsts = segment_firsts(folder)
    if mark is None and firsts:
        _log.warning("The mark of the ledger in %s is missing or unreadable: made again from the segments.", folder)
    committed = mark.entries if mark else 0
    truncated = 0
    if firsts and firsts[-1] >= committed:
        path = segment_path(folder, firsts[-1])
        data = path.read_bytes()[:SEGMENT_HEADER_BYTES]
        if decode_header(data, firsts[-1]) is None and path.stat().st_size <= SEGMENT_HEADER_BYTES:
            truncated += len(data)
            path.unlink()
            firsts.pop()
    if not firsts:
        if committed:
            raise LedgerDamaged(f"{committed} committed entries are gone", file=str(segment_path(folder, 0)), offset=0)
        begin_segment(folder, 0, EMPTY_CHAIN)
        return empty_mark(), truncated
    start = max((i for i, first in enumerate(firsts) if first <= known), default=0)
    if start == 0 and firsts[0] != 0:
        raise LedgerDamaged("entries before this one are gone", file=str(segment_path(folder, firsts[0])), offset=0)
    end: Mark | None = None
    for first in firsts[start:]:
        path = segment_path(folder, first)
        data = path.read_bytes()
        before = decode_header(data, first)
        if before is None or (end is not None and (first != end.entries or before != end.chain)):
            raise LedgerDamaged("the segment does not follow the one before it", file=str(path), offset=0)
        end = _replay(data, Mark(first, first, SEGMENT_HEADER_BYTES, before), known, seen)
        torn = len(data) - end.offset
        if torn and (first != firsts[-1] or end.entries < committed):
            raise LedgerDamaged("a committed frame is broken", file=str(path), offset=end.offset)
        if torn:
            os.truncate(path, end.offset)
            truncated += torn
    assert end is not None  # noqa: S101 - firsts[start:] is never empty; this tells the type checker
    if end.entries < committed:
        path = segment_path(folder, end.segment)
        raise LedgerDamaged(f"only {end.entries} of {committed} committed entries", file=str(path), offset=end.offset)
    if truncated:
        _log.warning("Cut %d half-written bytes off the end of the ledger in %s.", truncated, folder)
    return end, truncated


def begin_segment(folder: Path, first: int, chain_before: bytes) -> None:
    """Make an empty segment, durably."""
    descriptor = os.open(segment_path(folder, first), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(descriptor, encode_header(first, chain_before))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replay(data: bytes, end: Mark, known: int, seen: Callable[[Entry, int, int], None]) -> Mark:
    count, offset, chain = end.entries, end.offset, end.chain
    while offset < len(data):
        frame = read_frame(data, offset, len(data))
        if isinstance(frame, BrokenFrame):
            break
        if count >= known:
            seen(decode_entry(frame, count), end.segment, offset)
        count, offset, chain = count + 1, frame.end, frame.chain
    return Mark(count, end.segment, offset, chain)
