"""How ingest is doing, in a small file that other processes may read at any time."""

import os
from pathlib import Path

import msgspec

STATUS_NAME = "ingest-status.json"


class Counters(msgspec.Struct):
    """What ingest has done since it started. Counts of messages, where it does not say otherwise.

    `rejected` counts by reason what did not enter the ledger, `faults` by reason what of the ledger is in no view,
    `unkept` the dead letters of which only the number was kept. `gaps` are accepted because the device has not what
    is missing.
    """

    received: int = 0
    accepted: int = 0
    accepted_readings: int = 0
    duplicates: int = 0
    rewinds: int = 0
    gaps: int = 0
    acknowledgements: int = 0
    rejected: dict[str, int] = {}
    faults: dict[str, int] = {}
    unkept: int = 0
    commits: int = 0
    failed_commits: int = 0


class ViewStatus(msgspec.Struct, frozen=True):
    """How the series store is fed; `state` is running, retrying or stopped.

    `behind` entries of the ledger are not in it, the oldest since `behind_s` city seconds.
    """

    state: str
    position: int
    behind: int
    behind_s: float
    points: int
    bad_points: int
    last_error: str


class IngestStatus(msgspec.Struct, frozen=True):
    """A look at ingest at `at_s` (city time). `delay_ms` is from receipt to commit of the last group (real time).

    `broker_error` and `ledger_error` are empty while all is well.
    """

    city: str
    at_s: float
    started_at_s: float
    pid: int
    connected: bool
    broker_error: str
    ledger_entries: int
    ledger_error: str
    unacknowledged: int
    delay_ms: float
    counters: Counters
    series: ViewStatus | None


def write_status(path: Path, status: IngestStatus) -> None:
    """Replace the status file in one step, so that nobody reads half of it."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(msgspec.json.encode(status) + b"\n")
    os.replace(temporary, path)


def read_status(path: Path) -> IngestStatus | None:
    """Return what a status file says; None if there is none, or none that this version reads."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=IngestStatus)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
