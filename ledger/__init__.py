"""The record: append-only, hash-chained segments, their readers and their audit."""

from ledger.audit import AuditReport, Fault, audit
from ledger.entry import Entry, Head, NewEntry, Recent
from ledger.frames import LedgerDamaged
from ledger.log import Ledger, LedgerLocked, LedgerWriteFailed, NotInLine
from ledger.reader import LedgerReader

__all__ = [
    "AuditReport",
    "Entry",
    "Fault",
    "Head",
    "Ledger",
    "LedgerDamaged",
    "LedgerLocked",
    "LedgerReader",
    "LedgerWriteFailed",
    "NewEntry",
    "NotInLine",
    "Recent",
    "audit",
]
