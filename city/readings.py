"""Readings: what a device says, and what it means once the register has said where the device stood."""

from typing import Literal

import msgspec

ReadingKind = Literal["fill", "beside", "traffic", "truck", "visit", "report", "veto", "tamper", "health"]
Quality = Literal["good", "suspect", "clock_unsure"]
Log = Literal["readings", "events"]

MAX_READINGS_PER_BATCH = 50


class Reading(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One measurement of one channel of a device.

    `at_ms` is when it was measured (ms since 1970 UTC, the end of the interval for a count). A value that is
    `None` was looked for and is unknown: not zero. `interval_s` is the length that counts and ratios are over
    (0 = a moment). `place` names what a moving device speaks about: the container that a truck emptied, the cluster
    of which an officer or a citizen tells (`report`), or at which a driver does not do what was asked (`veto`).
    """

    at_ms: int
    channel: str
    kind: ReadingKind
    values: dict[str, float | None]
    interval_s: int = 0
    quality: Quality = "good"
    place: str | None = None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an envelope: readings `n0`, `n0+1`, … of one log of one device.

    `prev` is the SHA-256 (hex) of the body before it in this log, empty for the first; `salt` makes equal bodies
    differ; `boot` names the run of the operating system in which the batch was made.
    """

    v: int
    device: str
    log_id: str
    n0: int
    prev: str
    salt: str
    boot: str
    readings: list[Reading]


class ReadingKey(msgspec.Struct, frozen=True, order=True):
    """What a reading is known by: `n` is contiguous, so gaps are visible and doubles impossible."""

    device: str
    log_id: str
    n: int


class Row(msgspec.Struct, frozen=True):
    """A reading about a known place: what views and detectors see. `signed` is False for ever on a plain reading."""

    key: ReadingKey
    entity: str
    kind: ReadingKind
    at_s: float
    values: dict[str, float | None]
    interval_s: int
    quality: Quality
    signed: bool
    received_at_s: float
    subject: str | None = None
