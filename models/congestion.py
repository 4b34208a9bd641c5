"""Congestion on the approaches of junctions: how it is now, and what is not usual."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from city.findings import Evidence, Finding, finding_id
from models.contract import index_of
from models.local_days import LocalDays
from models.parameters import check_finite_and_positive, per_entity
from models.rows import Booleans, Floats, Integers, Rows

HOURS = 24
# Working days, and days off.
KINDS = 2
HOUR_S = 3600.0
# Lower bounds of the speed ratio for free, dense and slow traffic; below the last one it is jammed.
LEVEL_BOUNDS = (0.67, 0.50, 0.30)


@dataclass(frozen=True)
class CongestionParameters:
    """Numbers of the congestion rules.

    Parameters
    ----------
    smoothing_s
        Time constant of the smoothed occupancy and speed.
    slow_ratio, slow_share_of_usual
        Slow is a speed ratio below both: the first, and this share of what is usual at that hour.
    high_occupancy, over_usual_occupancy
        Covered is an occupancy above the first and by the second above what is usual at that hour.
    missing_vehicles, missing_share, flow_memory_s
        The flow is gone when the evidence (log likelihood ratio; about the vehicles that did not come) that less than
        `missing_share` of the usual ones come reaches `missing_vehicles`. Usual is the mean over about `flow_memory_s`.
    raise_after_s, clear_after_s
        How long it must last before a finding is raised, and be over before the finding is.
    refractory_s
        Nothing is raised for so long after a finding was over.
    unknown_after_s
        A state older than this and than three intervals is unknown.
    longest_interval_s
        Rows over longer intervals are too coarse for findings; they still give a state.
    free_speed_kph
        Where none is given; it is learnt from then on.
    memory_s
        Time constant with which the usual is learnt, per hour of the day.
    lasts_s
        What lasts longer than this is what is usual now.
    """

    smoothing_s: float = 100.0
    slow_ratio: float = 0.35
    slow_share_of_usual: float = 0.6
    high_occupancy: float = 0.35
    over_usual_occupancy: float = 0.20
    missing_vehicles: float = 25.0
    missing_share: float = 0.05
    flow_memory_s: float = 900.0
    raise_after_s: float = 60.0
    clear_after_s: float = 300.0
    refractory_s: float = 600.0
    unknown_after_s: float = 600.0
    longest_interval_s: float = 900.0
    free_speed_kph: float = 50.0
    memory_s: float = 2 * HOUR_S
    lasts_s: float = 3 * HOUR_S

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("raise_after_s", "refractory_s"))
        if not self.missing_share < 1:
            raise BadInput(f"missing_share is {self.missing_share}.", "Give a share below 1.")


class CongestionState(NamedTuple):
    """What is known of ``n`` approaches; times in s since 1970, NaN = never or not now.

    `occupancy`, `speed_kph` (smoothed), `flow` (usual vehicles/s, known
    for `flow_for_s`) and `missing` (evidence that the flow
    is gone) are of now; ``(n, KINDS * HOURS)`` `usual_occupancy` and `usual_ratio` of that kind of day and local hour.
    """

    now_s: Floats
    at_s: Floats
    interval_s: Floats
    occupancy: Floats
    speed_kph: Floats
    speed_at_s: Floats
    free_kph: Floats
    flow: Floats
    flow_for_s: Floats
    missing: Floats
    usual_occupancy: Floats
    usual_ratio: Floats
    level: Floats
    level_since_s: Floats
    bad_since_s: Floats
    good_since_s: Floats
    raised_at_s: Floats
    quiet_until_s: Floats
    cause: Floats


class ApproachStates(NamedTuple):
    """How it is on ``n`` approaches.

    Parameters
    ----------
    level
        ``(n,)``, int64: 0 free, 1 dense, 2 slow, 3 jammed, -1 unknown.
    speed_ratio
        ``(n,)``, current speed / free speed, 0.05..1; NaN = unknown.
    since_s
        ``(n,)``, since when the level is what it is; for an unknown one, when it was last known (NaN = never).
    """

    level: Integers
    speed_ratio: Floats
    since_s: Floats


_CAUSES = ("slow", "blocked", "flow-gone")
_TEXTS = (
    "Traffic is much slower than is usual at this hour.",
    "The detector is covered and hardly anything passes.",
    "Hardly any vehicles come, far fewer than before.",
)


class CongestionModel:
    """States of approaches, and findings ``congestion`` about what is not usual.

    Rules, first version, on smoothed minutes. *Slow*: low speed ratio and high occupancy, both also against what is
    usual at that hour of the day, so that a regular peak is no incident. *Blocked*: a covered detector and (almost)
    no speeds. *Flow gone*: a sequential test finds that hardly any of the usual vehicles come (a block upstream of
    the detector shows as nothing else). A finding needs the condition to last `raise_after_s`, and ends when it has
    been over for `clear_after_s`.

    Parameters
    ----------
    entities
        Ids of the approaches.
    free_speed_kph
        ``(n,)``; NaN or left out = the parameter's, until the detector has taught it.
    local_days
        The clock that people live by, for what is usual; None = UTC.

    References
    ----------
    Levels: speed as share of the base free-flow speed on urban streets, Highway Capacity Manual, 6th edition (A, B
    above .67, C above .50, D and E above .30, F below). Sequential test: E. S. Page, "Continuous Inspection Schemes",
    1954. No universal occupancy threshold exists: it is learnt for each detector.
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: CongestionParameters | None = None,
        *,
        free_speed_kph: npt.ArrayLike | None = None,
        local_days: LocalDays | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or CongestionParameters()
        self.local_days = local_days or LocalDays()
        self._given_kph = per_entity(
            free_speed_kph, self.parameters.free_speed_kph, len(self.entities), "free_speed_kph"
        )

    def initial_state(self) -> CongestionState:
        """Return the state of approaches never heard of."""
        n = len(self.entities)
        zero, never = np.zeros(n), np.full(n, np.nan)
        return CongestionState(
            now_s=np.array(np.nan),
            at_s=never,
            interval_s=zero,
            occupancy=never,
            speed_kph=never,
            speed_at_s=never,
            free_kph=self._given_kph,
            flow=never,
            flow_for_s=zero,
            missing=zero,
            usual_occupancy=np.full((n, KINDS * HOURS), np.nan),
            usual_ratio=np.full((n, KINDS * HOURS), np.nan),
            level=np.full(n, -1.0),
            level_since_s=never,
            bad_since_s=never,
            good_since_s=never,
            raised_at_s=never,
            quiet_until_s=np.full(n, -np.inf),
            cause=zero,
        )

    def update(self, state: CongestionState, rows: Rows) -> tuple[CongestionState, list[Finding]]:
        """Return the state after `rows` (vehicle_count, occupancy_ratio, speed_kph), and what begins or ends."""
        s = CongestionState(*(one.copy() for one in state))
        s.now_s[...] = rows.now_s
        findings: list[Finding] = []
        count, occupancy, speed = (rows.value(q) for q in ("vehicle_count", "occupancy_ratio", "speed_kph"))
        speed = np.where(count == 0, np.nan, speed)
        tells = np.flatnonzero(~rows.is_visit & (np.isfinite(count) | np.isfinite(occupancy) | np.isfinite(speed)))
        for wave in rows.waves(rows.entity[tells]):
            k = tells[wave]
            k = k[~(rows.at_s[k] <= s.at_s[rows.entity[k]])]
            self._minute(
                s, rows.entity[k], rows.at_s[k], rows.interval_s[k], count[k], occupancy[k], speed[k], findings
            )
        everyone = np.arange(len(self.entities))
        self._lapse(s, everyone, np.full(len(everyone), rows.now_s), findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def states(self, state: CongestionState) -> ApproachStates:
        """Return how it is on every approach, at the `now_s` of the last update."""
        known = (state.level >= 0) & (state.now_s - state.at_s <= self._keeps_s(state.interval_s))
        ratio = self._ratio(state, np.arange(len(self.entities)))
        return ApproachStates(
            np.where(known, state.level, -1).astype(np.int64),
            np.where(known, ratio, np.nan),
            np.where(known, state.level_since_s, state.at_s),
        )

    def _keeps_s(self, interval_s: Floats) -> Floats:
        return np.maximum(self.parameters.unknown_after_s, 3 * interval_s)

    def _ratio(self, s: CongestionState, e: Integers) -> Floats:
        """Return the speed ratio: of the speeds, or what a detector without speeds tells of."""
        fresh = s.at_s[e] - s.speed_at_s[e] <= self._keeps_s(s.interval_s[e])
        by_speed = np.where(fresh, s.speed_kph[e] / s.free_kph[e], np.nan)
        covered = s.occupancy[e]
        ratio = np.where(np.isnan(by_speed) & (covered < 0.1), 1.0, by_speed)
        ratio = np.where(covered > 0.6, np.fmin(ratio, np.clip((1 - covered) / 2, 0.05, 1)), ratio)
        return np.clip(ratio, 0.05, 1.0)

    def _minute(
        self,
        s: CongestionState,
        e: Integers,
        at_s: Floats,
        interval_s: Floats,
        count: Floats,
        occupancy: Floats,
        speed: Floats,
        findings: list[Finding],
    ) -> None:
        p = self.parameters
        self._lapse(s, e, at_s, findings)
        elapsed_s = np.clip(np.nan_to_num(at_s - s.at_s[e], nan=60.0), 1.0, np.maximum(3 * interval_s, 180.0))
        length_s = np.where(interval_s > 0, interval_s, np.minimum(elapsed_s, 60.0))
        fine = length_s <= p.longest_interval_s
        s.at_s[e], s.interval_s[e] = at_s, length_s
        s.occupancy[e] = _towards(s.occupancy[e], occupancy, -np.expm1(-elapsed_s / p.smoothing_s))
        since_speed_s = np.nan_to_num(at_s - s.speed_at_s[e], nan=1e9)
        s.speed_kph[e] = _towards(s.speed_kph[e], speed, -np.expm1(-since_speed_s / p.smoothing_s))
        s.speed_at_s[e] = np.where(np.isfinite(speed), at_s, s.speed_at_s[e])
        # An asymmetric step finds the speed that 85 of 100 minutes stay under.
        step = np.where(speed > s.free_kph[e], 0.85, -0.15) * 0.004 * s.free_kph[e] * np.minimum(length_s / 60, 5)
        s.free_kph[e] += np.where(np.isfinite(speed), step, 0.0)

        ratio = self._ratio(s, e)
        self._levels(s, e, at_s, ratio)
        kind, local_h = self.local_days.of(at_s)
        hour = kind * HOURS + np.minimum(local_h.astype(np.int64), HOURS - 1)
        # Before the first free day of its own, an hour is judged by the working days', and the other way round.
        other = (hour + HOURS) % (KINDS * HOURS)
        usual_ratio, usual_occupancy = (
            np.where(np.isnan(one[e, hour]), one[e, other], one[e, hour]) for one in (s.usual_ratio, s.usual_occupancy)
        )
        usual_ratio = np.nan_to_num(usual_ratio, nan=1.0)
        usual_occupancy = np.nan_to_num(usual_occupancy, nan=0.05)
        covered = (s.occupancy[e] > p.high_occupancy) & (s.occupancy[e] > usual_occupancy + p.over_usual_occupancy)
        slow = covered & (ratio < p.slow_ratio) & (ratio < p.slow_share_of_usual * usual_ratio)
        silent = at_s - s.speed_at_s[e] >= 2 * length_s
        blocked = covered & (silent | ~(count > 0)) & (s.occupancy[e] > 0.5)
        gone = self._flow_is_gone(s, e, count, length_s, fine)
        bad = fine & (slow | blocked | gone)
        cause = np.where(blocked, 1, np.where(slow, 0, 2))
        self._tell(s, e, at_s, bad, cause, gone, findings)

        usual = np.isnan(s.raised_at_s[e]) & ~bad
        weight = np.where(usual, -np.expm1(-elapsed_s / p.memory_s), 0.0)
        s.usual_ratio[e, hour] = _towards(s.usual_ratio[e, hour], np.where(usual, ratio, np.nan), weight)
        s.usual_occupancy[e, hour] = _towards(
            s.usual_occupancy[e, hour], np.where(usual, s.occupancy[e], np.nan), weight
        )

    def _flow_is_gone(
        self, s: CongestionState, e: Integers, count: Floats, length_s: Floats, fine: Booleans
    ) -> Booleans:
        p = self.parameters
        counts = fine & np.isfinite(count)
        known_s = s.flow_for_s[e]
        expected = np.where(known_s >= p.flow_memory_s, np.nan_to_num(s.flow[e]), 0.0) * length_s
        evidence = expected * (1 - p.missing_share) + np.nan_to_num(count) * np.log(p.missing_share)
        s.missing[e] = np.where(counts, np.clip(s.missing[e] + evidence, 0, 2 * p.missing_vehicles), s.missing[e])
        # While vehicles are missing, the flow of before is what they are missing from.
        usual = counts & (s.missing[e] < 0.3 * p.missing_vehicles)
        weight = np.maximum(-np.expm1(-length_s / p.flow_memory_s), length_s / (known_s + length_s))
        s.flow[e] = _towards(s.flow[e], np.where(usual, count / length_s, np.nan), weight)
        s.flow_for_s[e] += np.where(usual, length_s, 0.0)
        gone: Booleans = s.missing[e] >= p.missing_vehicles
        return gone

    def _levels(self, s: CongestionState, e: Integers, at_s: Floats, ratio: Floats) -> None:
        level = np.where(np.isnan(ratio), -1.0, sum((ratio < bound).astype(np.float64) for bound in LEVEL_BOUNDS))
        s.level_since_s[e] = np.where(level != s.level[e], at_s, s.level_since_s[e])
        s.level[e] = level

    def _tell(
        self,
        s: CongestionState,
        e: Integers,
        at_s: Floats,
        bad: Booleans,
        cause: npt.NDArray[np.int64],
        gone: Booleans,
        findings: list[Finding],
    ) -> None:
        p = self.parameters
        s.bad_since_s[e] = np.where(bad, np.fmin(s.bad_since_s[e], at_s), np.nan)
        s.good_since_s[e] = np.where(bad, np.nan, np.fmin(s.good_since_s[e], at_s))
        is_open = np.isfinite(s.raised_at_s[e])
        # The sequential test has already waited.
        begins = bad & ~is_open & ((at_s - s.bad_since_s[e] >= p.raise_after_s) | gone) & (at_s >= s.quiet_until_s[e])
        for i, at, why in zip(e[begins], at_s[begins], cause[begins], strict=True):
            s.raised_at_s[i], s.cause[i] = at, why
            findings.append(self._finding(s, int(i), float(at), _TEXTS[why], None))
        ends = is_open & (at_s - s.good_since_s[e] >= p.clear_after_s)
        self._end(s, e[ends], at_s[ends], "Traffic is as usual again.", findings)
        lasts = is_open & ~ends & (at_s - s.raised_at_s[e] >= p.lasts_s)
        self._end(s, e[lasts], at_s[lasts], "It has lasted so long that it is usual now.", findings)
        learns = e[lasts]
        s.missing[learns], s.flow[learns], s.flow_for_s[learns] = 0.0, np.nan, 0.0
        s.usual_ratio[learns], s.usual_occupancy[learns] = np.nan, np.nan
        s.quiet_until_s[learns] += p.memory_s

    def _lapse(self, s: CongestionState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        until_s = s.at_s[e] + np.maximum(HOUR_S / 2, self._keeps_s(s.interval_s[e]))
        lost = at_s > until_s
        s.bad_since_s[e[lost]], s.good_since_s[e[lost]], s.missing[e[lost]] = np.nan, np.nan, 0.0
        lost &= np.isfinite(s.raised_at_s[e])
        self._end(s, e[lost], until_s[lost], "The detector fell silent; nobody knows.", findings)

    def _end(self, s: CongestionState, e: Integers, at_s: Floats, text: str, findings: list[Finding]) -> None:
        for i, at in zip(e, at_s, strict=True):
            over_at = max(float(at), float(s.raised_at_s[i]))
            findings.append(self._finding(s, int(i), over_at, text, over_at))
            s.raised_at_s[i], s.quiet_until_s[i] = np.nan, over_at + self.parameters.refractory_s

    def _finding(self, s: CongestionState, i: int, at_s: float, text: str, cleared_at_s: float | None) -> Finding:
        entity, raised = self.entities[i], float(s.raised_at_s[i])
        ratio = float(self._ratio(s, np.array([i]))[0])
        evidence = [Evidence(text, "", at_s)]
        if np.isfinite(s.occupancy[i]):
            covered = float(s.occupancy[i])
            evidence.append(
                Evidence(f"The detector is covered {covered:.0%} of the time.", "occupancy_ratio", at_s, covered)
            )
        if np.isfinite(ratio):
            speed = f"The speed is {ratio:.0%} of the free speed."
            evidence.append(Evidence(speed, "speed_kph", at_s, ratio * float(s.free_kph[i])))
        severity = 1 - ratio if np.isfinite(ratio) and s.cause[i] != 2 else 0.8
        known = finding_id("congestion", entity, raised)
        return Finding(
            known, "congestion", entity, raised, _CAUSES[int(s.cause[i])], 0.8, severity, tuple(evidence), cleared_at_s
        )


def _towards(old: Floats, new: Floats, weight: Floats) -> Floats:
    """Return `old` moved towards `new` by `weight`; what is NaN in either gives way."""
    return np.where(np.isnan(new), old, np.where(np.isnan(old), new, old + weight * (new - old)))
