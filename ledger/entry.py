"""What the ledger keeps of one message, and what it knows of each log of each device."""

from typing import Literal, NamedTuple

import msgspec

EntryLog = Literal["readings", "events", "plain"]
EMPTY_CHAIN = bytes(32)


class NewEntry(msgspec.Struct, frozen=True, array_like=True):
    """A message that is to be kept, exactly as it came.

    Readings `n0` up to (excluding) `n0 + count` of log `log_id` of the device are in it. `body_hash` is the SHA-256
    (hex) of the body that the device signed, or of the whole message where nothing is signed.
    """

    received_at_s: float
    log: EntryLog
    device: str
    log_id: str
    n0: int
    count: int
    signed: bool
    body_hash: str
    message: bytes

    @property
    def n_end(self) -> int:
        """The number that follows the last reading of this entry."""
        return self.n0 + self.count


class Entry(NewEntry, frozen=True, array_like=True):
    """A kept message: `position` counts from 0 over the whole ledger, `chain` (32 bytes) binds all before it."""

    position: int
    chain: bytes


class Head(NamedTuple):
    """How far a log of a device is in the ledger: `n` is the next in line, `body_hash` that of the last entry."""

    n: int
    body_hash: str


class Recent(NamedTuple):
    """One of the last entries of a log: what is needed to recognise it, and where it stands."""

    n0: int
    n_end: int
    body_hash: str
    position: int
    segment: int
    offset: int


def entry_of(new: NewEntry, position: int, chain: bytes) -> Entry:
    """Return `new` as the entry that it is at `position`."""
    return Entry(
        new.received_at_s,
        new.log,
        new.device,
        new.log_id,
        new.n0,
        new.count,
        new.signed,
        new.body_hash,
        new.message,
        position,
        chain,
    )
