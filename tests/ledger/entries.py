"""Entries for the tests of the ledger."""

import hashlib
from pathlib import Path

from ledger import NewEntry

ROOT = Path(__file__).resolve().parents[2]


def entry(device: str = "k1", n0: int = 0, count: int = 1, log_id: str = "log-a", size: int = 40) -> NewEntry:
    message = hashlib.sha256(f"{device}/{log_id}/{n0}/{count}".encode()).digest() * (size // 32 + 1)
    body_hash = hashlib.sha256(message).hexdigest()
    return NewEntry(1000.0 + n0, "readings", device, log_id, n0, count, True, body_hash, message[:size])
