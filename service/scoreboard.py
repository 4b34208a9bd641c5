"""The scoreboard of a demonstration: what was produced and planted, against what was stored, found and driven.

Nothing here is taken from the product's own counters. What was produced is what the devices wrote down after their
durable commit; what is stored is read back from the ledger and from the series store.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from city.findings import JAM_KINDS, Incident
from city.readings import ReadingKey
from city.register import Register
from simulation.planted import PlantedEvent
from simulation.truth import Happening

# As the judges of dumping and of junction incidents do.
LEAST_DUMPING_S = 3600.0
DUMPING_MARGIN_S = 2 * 3600.0
JAM_GRACE_S = 300.0
JAM_BEFORE_S = 60.0
JAM_AFTER_S = 15 * 60.0


class Interval(NamedTuple):
    """Something that was really so at `entity` from `start_s` to `end_s` (city time)."""

    entity: str
    start_s: float
    end_s: float
    observable: bool
    cause: str


class Detection(msgspec.Struct, frozen=True):
    """Planted troubles against found ones. `planted`, `precision` and the like are None where no truth exists."""

    planted: int | None
    observable: int | None
    found: int | None
    false: int | None
    raised: int
    precision: float | None = None
    recall: float | None = None
    delay_min: float | None = None


class Compared(msgspec.Struct, frozen=True):
    """A figure of the day's rounds beside the same figure of fixed rounds; None = not known."""

    fixed: float | None
    ronde: float | None


class Reroutes(msgspec.Struct, frozen=True):
    """Proposals made, and those that were accepted."""

    proposed: int
    accepted: int


class Stored(msgspec.Struct, frozen=True):
    """What became of what was produced, counted in readings.

    `stored` stands in the ledger with all its points in the series store. `unplaced` stands in the ledger and means
    nothing there (its reason is in the dead letters). `pending` still waits in a device's outbox. `lost` is in neither.
    """

    produced: int
    in_ledger: int
    stored: int
    unplaced: int
    pending: int
    lost: int
    twice: int


class Scoreboard(msgspec.Struct, frozen=True):
    """All figures of one run. Times in ms are real; `city_hours` is city time."""

    produced: int
    in_ledger: int
    stored: int
    unplaced: int
    pending: int
    lost: int
    twice: int
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    dumpings: Detection
    jams: Detection
    reroutes: Reroutes
    km: Compared
    overflows: Compared
    city_hours: float
    speed_up: float
    seed: int
    parts: dict[str, str]
    notes: tuple[str, ...] = ()


def count_stored(
    produced: Iterable[ReadingKey],
    in_ledger: Sequence[ReadingKey],
    points: Mapping[ReadingKey, Sequence[tuple[str, str, int]]],
    in_store: set[tuple[str, str, int]],
    in_outboxes: set[ReadingKey],
) -> Stored:
    """Compare what was produced with what is there.

    Parameters
    ----------
    produced
        Keys that devices committed.
    in_ledger
        Keys read back from the ledger, a double twice.
    points
        For each reading of the ledger that means something, its points (entity, quantity, ms).
    in_store
        Points read back from the series store.
    in_outboxes
        Keys that devices still hold.
    """
    wanted = set(produced)
    kept = set(in_ledger)
    placed = {key for key in kept & wanted if key in points}
    stored = {key for key in placed if all(point in in_store for point in points[key])}
    missing = wanted - kept
    return Stored(
        produced=len(wanted),
        in_ledger=len(wanted & kept),
        stored=len(stored),
        unplaced=len(wanted & kept) - len(placed),
        pending=len(missing & in_outboxes),
        lost=len(missing - in_outboxes),
        twice=len(in_ledger) - len(kept),
    )


def dumping_intervals(
    planted: Sequence[PlantedEvent], happenings: Sequence[Happening], until_s: float
) -> list[Interval]:
    """Return when waste really lay beside which cluster, planted or overflowed, until it was cleared."""
    begun = [(e.start_s, e.entity, e.end_s, e.observable, "dumped") for e in planted if e.kind == "dumping"]
    begun += [(h.at_s, h.entity, None, h.observable, "overflow") for h in happenings if h.event == "overflow"]
    cleared: dict[str, list[float]] = defaultdict(list)
    for one in happenings:
        if one.event == "cleared":
            cleared[one.entity].append(one.at_s)
    intervals: list[Interval] = []
    lies_until: dict[str, float] = {}
    for start_s, entity, end_s, observable, cause in sorted(begun, key=lambda one: one[:2]):
        if start_s >= until_s or start_s < lies_until.get(entity, 0.0):
            continue
        ends = [at for at in cleared[entity] if at > start_s] + ([end_s] if end_s is not None else [])
        end = min([*ends, until_s])
        lies_until[entity] = end
        intervals.append(Interval(entity, start_s, end, observable, cause))
    return intervals


def jam_intervals(planted: Sequence[PlantedEvent], until_s: float) -> list[Interval]:
    """Return when which approach was really blocked."""
    return [
        Interval(e.entity, e.start_s, min(until_s, until_s if e.end_s is None else e.end_s), e.observable, e.cause)
        for e in planted
        if e.kind == "jam" and e.start_s < until_s
    ]


def score_dumpings(
    truth: Sequence[Interval] | None, incidents: Sequence[Incident], register: Register, from_s: float, until_s: float
) -> Detection:
    """Compare dumping incidents with the waste that lay for an hour or more of `from_s..until_s`.

    Found: an incident at the cluster was open while the waste lay. False: raised in that time when nothing lay there
    within two hours. Waste that no camera sees counts as planted, and as not observable.
    """
    known = [i for i in incidents if i.kind == "dumping" and i.raised_at_s <= until_s]
    raised = [i for i in known if i.raised_at_s >= from_s]
    if truth is None:
        return Detection(None, None, None, None, len(raised))
    where = {c.id: c.cluster for c in register.containers.values()}
    at_cluster: dict[str, list[Incident]] = defaultdict(list)
    for one in known:
        at_cluster[where.get(one.entity, one.entity)].append(one)
    due = [t for t in truth if t.end_s > from_s and min(t.end_s, until_s) - max(t.start_s, from_s) >= LEAST_DUMPING_S]
    found, delays_s = 0, []
    for lay in due:
        hits = [i for i in at_cluster[lay.entity] if i.raised_at_s < lay.end_s and _open_after(i, lay.start_s)]
        if hits:
            found += 1
            delays_s.append(max(0.0, min(i.raised_at_s for i in hits) - max(lay.start_s, from_s)))
    false = sum(
        not any(
            t.start_s - DUMPING_MARGIN_S <= i.raised_at_s <= t.end_s + DUMPING_MARGIN_S
            for t in truth
            if t.entity == cluster
        )
        for cluster, some in at_cluster.items()
        for i in some
        if i.raised_at_s >= from_s
    )
    return _detection(due, found, false, len(raised), delays_s)


def score_jams(
    truth: Sequence[Interval] | None, incidents: Sequence[Incident], register: Register, from_s: float, until_s: float
) -> Detection:
    """Compare jams with the planted blockages of approaches.

    Found: an incident on the approach was open between the start and five minutes after the end. False: raised at a
    junction where none of the approaches was blocked (one minute before to fifteen after).
    """
    raised = [i for i in incidents if i.kind in JAM_KINDS and from_s <= i.raised_at_s <= until_s]
    if truth is None:
        return Detection(None, None, None, None, len(raised))
    junction = {a.id: a.junction for a in register.approaches.values()}
    due = [t for t in truth if t.end_s > from_s]
    found, delays_s = 0, []
    for jam in due:
        hits = [
            i
            for i in raised
            if i.entity == jam.entity and i.raised_at_s < jam.end_s + JAM_GRACE_S and _open_after(i, jam.start_s)
        ]
        if hits:
            found += 1
            delays_s.append(max(0.0, min(i.raised_at_s for i in hits) - max(jam.start_s, from_s)))
    false = sum(
        not any(
            junction.get(t.entity) == junction.get(i.entity)
            and t.start_s - JAM_BEFORE_S <= i.raised_at_s <= t.end_s + JAM_AFTER_S
            for t in truth
        )
        for i in raised
    )
    return _detection(due, found, false, len(raised), delays_s)


def delays_ms(
    produced_real_s: Mapping[ReadingKey, float], seen_real_s: Mapping[ReadingKey, float], live_from_real_s: float
) -> tuple[float | None, float | None]:
    """Return p50 and p99 of the real time from a device's commit until a reading could be read in the ledger.

    Only readings made after `live_from_real_s`: a backlog's delay says how long the devices were away.
    """
    delays = [
        (seen_real_s[key] - made) * 1000
        for key, made in produced_real_s.items()
        if made >= live_from_real_s and key in seen_real_s
    ]
    if not delays:
        return None, None
    p50, p99 = np.percentile(delays, [50, 99])
    return round(float(p50), 1), round(float(p99), 1)


def _open_after(incident: Incident, at_s: float) -> bool:
    return incident.cleared_at_s is None or incident.cleared_at_s > at_s


def _detection(due: Sequence[Interval], found: int, false: int, raised: int, delays_s: Sequence[float]) -> Detection:
    return Detection(
        planted=len(due),
        observable=sum(t.observable for t in due),
        found=found,
        false=false,
        raised=raised,
        precision=round((raised - false) / raised, 3) if raised else None,
        recall=round(found / len(due), 3) if due else None,
        delay_min=round(float(np.median(delays_s)) / 60, 1) if delays_s else None,
    )
