"""The format of the ledger on disk: segments of frames, and the mark that says how far it is committed.

A segment `<position of its first entry, 20 digits>.seg` starts with a header (magic, first position, chain hash
before it, CRC-32) and holds frames: payload length (uint32), CRC-32 over all else of the frame (uint32), chain hash
(32 bytes), payload. The chain hash is ``SHA-256(chain hash before || payload)``; the payload is the MessagePack
array of a `NewEntry`. Integers are little-endian.

The file `mark` says how many entries are committed and where the last one ends. It is rewritten in place after each
`fsync` of a segment, so it never promises more than is on the disk; after a power cut it may promise less.
"""

import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from city.errors import BadFile
from ledger.entry import EMPTY_CHAIN, Entry, NewEntry, entry_of

SEGMENT_MAGIC = b"RONDELG1"
MARK_MAGIC = b"RONDEMK1"
MARK_NAME = "mark"
HEADS_NAME = "heads"
MAX_PAYLOAD_BYTES = 1 << 20

_SEGMENT_HEADER = struct.Struct("<8sQ32sI")
_FRAME_HEADER = struct.Struct("<II32s")
_LENGTH = struct.Struct("<I")
_MARK = struct.Struct("<8sQQQ32sI")
SEGMENT_HEADER_BYTES = _SEGMENT_HEADER.size
FRAME_HEADER_BYTES = _FRAME_HEADER.size

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NewEntry).decode


class LedgerDamaged(BadFile):
    """Bytes of the ledger that were committed are not what was written; `offset` says where."""

    def __init__(self, problem: str, *, file: str, offset: int) -> None:
        super().__init__(
            f"{problem} (byte {offset}).",
            "Keep the folder as it is and restore this file from a copy.",
            file=file,
        )
        self.offset = offset


class Mark(NamedTuple):
    """`entries` are committed; the last ends at byte `offset` of segment `segment` with hash `chain`."""

    entries: int
    segment: int
    offset: int
    chain: bytes


class Frame(NamedTuple):
    """A frame whose CRC is right: its payload, its chain hash as written, and the offset after it."""

    payload: bytes
    chain: bytes
    end: int


class BrokenFrame(NamedTuple):
    """No whole frame starts here."""

    problem: str


def segment_path(folder: Path, first: int) -> Path:
    """Return the path of the segment whose first entry has position `first`."""
    return folder / f"{first:020d}.seg"


def segment_firsts(folder: Path) -> list[int]:
    """Return the first positions of all segments of the folder, rising."""
    return sorted(int(path.stem) for path in folder.glob("*.seg") if path.stem.isdigit())


def next_chain(before: bytes, payload: bytes) -> bytes:
    """Return the chain hash of an entry.

    >>> next_chain(bytes(32), b"").hex()[:8]
    '66687aad'
    """
    return hashlib.sha256(before + payload).digest()


def encode_header(first: int, chain_before: bytes) -> bytes:
    """Return the header of a segment."""
    head = _SEGMENT_HEADER.pack(SEGMENT_MAGIC, first, chain_before, 0)[:-4]
    return head + _LENGTH.pack(crc32(head))


def decode_header(data: bytes, first: int) -> bytes | None:
    """Return the chain hash before the segment; None if `data` is no header of segment `first`."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, position, chain_before, crc = _SEGMENT_HEADER.unpack_from(data)
    if magic != SEGMENT_MAGIC or position != first or crc != crc32(data[: SEGMENT_HEADER_BYTES - 4]):
        return None
    return bytes(chain_before)


def encode_frame(new: NewEntry, chain_before: bytes) -> tuple[bytes, bytes]:
    """Return the frame of an entry and its chain hash."""
    payload = _encode(new)
    chain = next_chain(chain_before, payload)
    length = _LENGTH.pack(len(payload))
    crc = crc32(payload, crc32(chain, crc32(length)))
    return b"".join((length, _LENGTH.pack(crc), chain, payload)), chain


def read_frame(data: bytes | memoryview, offset: int, end: int) -> Frame | BrokenFrame:
    """Return the frame that starts at `offset` of `data`, of which the bytes below `end` count."""
    start = offset + FRAME_HEADER_BYTES
    if start > end:
        return BrokenFrame("a frame's header is cut off")
    length, crc, chain = _FRAME_HEADER.unpack_from(data, offset)
    if length > MAX_PAYLOAD_BYTES:
        return BrokenFrame("a frame's length is impossible")
    stop = start + length
    if stop > end:
        return BrokenFrame("a frame is cut off")
    payload = bytes(data[start:stop])
    if crc32(payload, crc32(chain, crc32(data[offset : offset + 4]))) != crc:
        return BrokenFrame("a frame's checksum is wrong")
    return Frame(payload, chain, stop)


def decode_entry(frame: Frame, position: int) -> Entry:
    """Return the entry in a frame.

    Raises
    ------
    msgspec.DecodeError
        The payload is none that this version writes.
    """
    return entry_of(_decode(frame.payload), position, frame.chain)


def seal_heads(body: bytes) -> bytes:
    """Return the bytes of the file `heads`: what the writer remembers of each log, after the SHA-256 of it."""
    return hashlib.sha256(body).digest() + body


def open_heads(data: bytes) -> bytes | None:
    """Return what `seal_heads` sealed; None if it was changed."""
    return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else None


def empty_mark() -> Mark:
    """Return the mark of a ledger without entries."""
    return Mark(0, 0, SEGMENT_HEADER_BYTES, EMPTY_CHAIN)


def encode_mark(mark: Mark) -> bytes:
    """Return the bytes of the mark file."""
    head = _MARK.pack(MARK_MAGIC, *mark, 0)[:-4]
    return head + _LENGTH.pack(crc32(head))


def read_mark(folder: Path) -> Mark | None:
    """Return the mark of a ledger; None if there is no readable one.

    A reader may look while the writer rewrites the few bytes, so a wrong checksum is looked at again.
    """
    for _ in range(20):
        try:
            descriptor = os.open(folder / MARK_NAME, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            data = os.read(descriptor, _MARK.size + 1)
        finally:
            os.close(descriptor)
        if len(data) == _MARK.size:
            magic, entries, segment, offset, chain, crc = _MARK.unpack(data)
            if magic == MARK_MAGIC and crc == crc32(data[:-4]):
                return Mark(entries, segment, offset, bytes(chain))
    return None
