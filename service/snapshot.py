"""What is known of the city at one moment: made by the detection loop, read by everybody else, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from city.findings import Finding
from city.readings import ReadingKind, Row
from models.rows import Booleans, Floats, Integers
from routing.selection import Outlook
from routing.vetoes import Lesson
from service.refusals import Refusal

OK, WATCH, URGENT, UNKNOWN = 0, 1, 2, -1
STATE_NAMES = {OK: "ok", WATCH: "watch", URGENT: "urgent", UNKNOWN: "unknown"}


@dataclass(frozen=True)
class ContainerStates:
    """State of ``n`` containers in the order of `ids`; ratios of the usable volume, NaN = unknown.

    `level`, `low` and `high` are the forecast for now (central 80 %); `overflow` is the probability of overflowing
    before the next possible visit and `spill` the waste that will find no room until then; `at_s` is the newest
    reading, `emptied_at_s` the last emptying. `quality` is what the word of its sensor is worth: 1 = all, 0 = nothing,
    NaN = there is no sensor.
    """

    ids: tuple[str, ...]
    index: Mapping[str, int]
    level: Floats
    low: Floats
    high: Floats
    overflow: Floats
    spill: Floats
    at_s: Floats
    emptied_at_s: Floats
    quality: Floats
    state: Integers

    def outlook(self, i: int) -> Outlook:
        """Return what container number `i` of `ids` is expected to do until the next possible visit."""
        return Outlook(float(self.level[i]), float(self.overflow[i]), float(self.spill[i]))


@dataclass(frozen=True)
class ApproachStates:
    """State of ``n`` approaches in the order of `ids`: `level` 0 free … 3 jammed, -1 unknown; `speed_ratio` of free."""

    ids: tuple[str, ...]
    index: Mapping[str, int]
    level: Integers
    speed_ratio: Floats
    since_s: Floats
    state: Integers


@dataclass(frozen=True)
class ClusterStates:
    """State of ``n`` clusters: `observable` where a camera sees what stands beside the containers, else `why_not`."""

    ids: tuple[str, ...]
    index: Mapping[str, int]
    observable: Booleans
    why_not: Mapping[str, str]


@dataclass(frozen=True)
class Visit:
    """A crew of `truck` was at `subject` (a container it emptied, a cluster it cleared)."""

    truck: str
    subject: str
    at_s: float


@dataclass(frozen=True)
class FleetSilence:
    """Of `known` sensors in containers `silent` are late now; most of them were last heard before `since_s`."""

    silent: int
    known: int
    since_s: float


@dataclass(frozen=True)
class Snapshot:
    """Everything the detection loop knows at `now_s`.

    Parameters
    ----------
    version
        Rises with every snapshot.
    position, entries
        How far the ledger is read, and how long it is.
    latest
        Newest row by (entity, kind).
    active
        Findings that are not over, by id.
    visits
        By rising time, those of the last two days.
    late_devices
        How many devices are still telling what they kept while they were away.
    refusals
        What drivers did not do in the last two days, as it was heard.
    lessons
        What vetoes have taught, by cluster.
    """

    version: int
    now_s: float
    ready: bool
    position: int
    entries: int
    containers: ContainerStates
    approaches: ApproachStates
    clusters: ClusterStates
    latest: Mapping[tuple[str, ReadingKind], Row] = field(default_factory=dict)
    active: Mapping[str, Finding] = field(default_factory=dict)
    visits: tuple[Visit, ...] = ()
    sick: frozenset[str] = frozenset()
    late_devices: int = 0
    refusals: tuple[Refusal, ...] = ()
    lessons: Mapping[str, Lesson] = field(default_factory=dict)
    fleet_silence: FleetSilence | None = None

    def value(self, entity: str, kind: ReadingKind, quantity: str) -> float | None:
        """Return the newest value of a quantity; None if there is none or it is unknown."""
        row = self.latest.get((entity, kind))
        return row.values.get(quantity) if row else None

    def at_s(self, entity: str, kind: ReadingKind) -> float | None:
        """Return when the newest row of that kind was measured."""
        row = self.latest.get((entity, kind))
        return row.at_s if row else None


def worst(states: Integers) -> int:
    """Return the state of a place from those of its parts: the most urgent; unknown only if nothing is known.

    >>> import numpy as np
    >>> worst(np.array([UNKNOWN, OK])), worst(np.array([UNKNOWN, UNKNOWN])), worst(np.array([OK, URGENT]))
    (0, -1, 2)
    """
    return int(states.max()) if len(states) else UNKNOWN
