"""Findings of the detectors, and the incidents that the desk makes of them."""

from typing import Literal, get_args

import msgspec

FindingKind = Literal[
    "full",
    "dumping",
    "congestion",
    "incident",
    "emptied",
    "silent",
    "stuck",
    "implausible",
    "blocked",
    "drift",
    "spike",
    "jump",
    "chatter",
    "tilt",
    "fleet_silent",
    "refused",
    "wind",
]
# What a round had better go around: the congestion of many days, and what blocks a road today.
JAM_KINDS: frozenset[FindingKind] = frozenset({"congestion", "incident"})
# What asks for another round without a detector: a driver was turned away and may try again; cranes may not lift.
OCCASION_KINDS: frozenset[FindingKind] = frozenset({"refused", "wind"})
DumpingCause = Literal["unknown", "full", "jammed", "bulky", "misuse", "fault"]
CauseGroup = Literal["overflow", "dumped", "unknown"]
IncidentStatus = Literal["open", "confirmed", "dismissed", "closed"]


DUMPING_CAUSES: tuple[DumpingCause, ...] = get_args(DumpingCause)
_GROUPS: dict[str, CauseGroup] = {
    "full": "overflow",
    "jammed": "overflow",
    "overflow": "overflow",
    "bulky": "dumped",
    "misuse": "dumped",
    "dumped": "dumped",
}


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that speaks for a finding, in words a person can check against the trend."""

    text: str
    quantity: str = ""
    at_s: float = 0.0
    value: float | None = None


class Finding(msgspec.Struct, frozen=True):
    """What a detector says about an entity; raised once, then said again with `cleared_at_s` when it is over.

    `id` is the same in every replay of the same rows. `raised_at_s` is when the detector knew, in measured time.
    `probability` is how sure it is (0..1), `severity` how much it matters (0..1).
    """

    id: str
    kind: FindingKind
    entity: str
    raised_at_s: float
    cause: str
    probability: float
    severity: float
    evidence: tuple[Evidence, ...] = ()
    cleared_at_s: float | None = None


def finding_id(kind: FindingKind, entity: str, raised_at_s: float) -> str:
    """Return the id of a finding, made of what identifies it.

    >>> finding_id("dumping", "k1", 60.0)
    'dumping-k1-60'
    """
    return f"{kind}-{entity}-{raised_at_s:.0f}"


def cause_group(cause: str) -> CauseGroup:
    """Return what a cause of waste beside a container comes down to: no way in, left for another reason, or unknown.

    >>> cause_group("jammed"), cause_group("bulky"), cause_group("fault"), cause_group("overflow")
    ('overflow', 'dumped', 'unknown', 'overflow')
    """
    return _GROUPS.get(cause, "unknown")


class Incident(msgspec.Struct, frozen=True):
    """A finding as the desk keeps it: where it is, and what people decided about it."""

    id: str
    kind: FindingKind
    entity: str
    lon: float
    lat: float
    raised_at_s: float
    cleared_at_s: float | None
    cause: str
    probability: float
    severity: float
    evidence: tuple[Evidence, ...]
    status: IncidentStatus = "open"
    decided_by: str = ""
    decided_at_s: float | None = None
    note: str = ""
