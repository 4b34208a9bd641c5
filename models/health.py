"""Sick sensors: silent, stuck, or saying what cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.findings import Evidence, Finding, FindingKind, finding_id
from models.contract import index_of
from models.parameters import check_finite_and_positive
from models.rows import Floats, Integers, Rows

# What varies whenever a sensor lives. Counts are not in it: they repeat honestly, above all at night.
_LIVELY = ("fill_ratio", "occupancy_ratio", "speed_kph")

# What the word of a sensor is worth while it is so: what is silent says nothing, and a value that cannot be is rarer
# than one that stands still.
WORTH: Mapping[FindingKind, float] = {"silent": 0.0, "stuck": 0.1, "implausible": 0.3}


@dataclass(frozen=True)
class HealthParameters:
    """Numbers of the health rules.

    Parameters
    ----------
    silent_intervals, silence_at_least_s
        A sensor is silent when nothing came for so many of its intervals, and for at least so long: what is on its
        way to us is not silence.
    default_interval_s, learnt_rows
        Interval of a sensor before so many rows of it are known: the heartbeat of sensors that report on change.
    stuck_rows, stuck_s
        A value that is exactly the same in so many rows over at least so long is stuck.
    coarse_step, coarse_stuck_s
        A sensor whose levels are steps of at least this size may honestly repeat one for days; it is stuck when that
        lasts so long. Until a second value is known, whole tenths are taken for steps.
    stuck_nats, honest_step
        So improbable must the repeats be together, given how often this sensor repeats itself when it is well: a
        container that nobody uses does so honestly. A run that ends with a step smaller than this was honest.
    stuck_share
        Interval sensors that report each minute need only `stuck_rows / stuck_share` equal rows, and no length of time.
    implausible_rows
        So many implausible readings in a row are a fault; as many plausible ones end it.
    """

    silent_intervals: float = 3.0
    silence_at_least_s: float = 1800.0
    default_interval_s: float = 6 * 3600.0
    learnt_rows: float = 20.0
    stuck_rows: float = 4.0
    stuck_s: float = 86_400.0
    coarse_step: float = 0.09
    coarse_stuck_s: float = 14 * 86_400.0
    stuck_nats: float = 8.0
    honest_step: float = 0.02
    stuck_share: float = 0.1
    implausible_rows: float = 3.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self)


class HealthState(NamedTuple):
    """What is known of ``n`` sensors; times in s since 1970, NaN = never or not now.

    `interval_s` is the longest usual gap between `rows` rows, `value` the last lively value, equal in `run` rows since
    `run_from_s`, and `step` the smallest change seen; `repeats` of `values` lively values
    repeated the one before, stuck ones apart; `bad` counts implausible rows (up) and plausible ones (down).
    `asked_at_s` is since when we listen.
    """

    asked_at_s: Floats
    at_s: Floats
    interval_s: Floats
    rows: Floats
    value: Floats
    run: Floats
    run_from_s: Floats
    step: Floats
    repeats: Floats
    values: Floats
    bad: Floats
    silent_at_s: Floats
    stuck_at_s: Floats
    implausible_at_s: Floats


class HealthModel:
    """Findings ``silent``, ``stuck`` and ``implausible`` about entities of any kind.

    *Silent*: no row for three of the sensor's intervals (given, or learnt as a slowly fading
    maximum of its gaps). *Stuck*: exactly the same non-zero fill, occupancy or speed again and again; counts and an
    occupancy of 0 or 1 may honestly repeat. *Implausible*: three readings in a row that ingest marked. Visits and
    reports are the word of a truck and of people, not the sensor's, and are left out.

    Parameters
    ----------
    entities
        Ids of what is watched.
    interval_s
        ``(n,)``, the expected longest time between rows; NaN or left out = learnt.
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: HealthParameters | None = None,
        *,
        interval_s: npt.ArrayLike | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or HealthParameters()
        n = len(self.entities)
        self._given_s = np.full(n, np.nan) if interval_s is None else np.array(interval_s, np.float64).reshape(n)

    def initial_state(self) -> HealthState:
        """Return the state of sensors never heard of."""
        n = len(self.entities)
        zero, never = np.zeros(n), np.full(n, np.nan)
        return HealthState(
            never, never, self._given_s, zero, never, zero, never, never, zero, zero, zero, never, never, never
        )

    def quality(self, state: HealthState) -> Floats:
        """Return what each sensor's word is worth, ``(n,)``: 1 = nothing is known against it, else as in `WORTH`."""
        since = {"silent": state.silent_at_s, "stuck": state.stuck_at_s, "implausible": state.implausible_at_s}
        worth = [np.where(np.isfinite(since[kind]), share, 1.0) for kind, share in WORTH.items()]
        return np.asarray(np.min(worth, axis=0), np.float64)

    def update(self, state: HealthState, rows: Rows) -> tuple[HealthState, list[Finding]]:
        """Return the state after `rows` and at their `now_s`, and what begins or ends."""
        s = HealthState(*(one.copy() for one in state))
        findings: list[Finding] = []
        # History that comes in at the first call says nothing about who else should have spoken then.
        s.asked_at_s[np.isnan(s.asked_at_s)] = rows.now_s
        own = np.flatnonzero(~rows.is_visit & ~rows.is_report)
        lively = np.full(len(rows), np.nan)
        for quantity in _LIVELY:
            value = rows.value(quantity)
            may_repeat = (value == 0) | ((quantity == "occupancy_ratio") & (value == 1))
            lively = np.where(np.isnan(lively) & ~may_repeat, value, lively)
        for wave in rows.waves(rows.entity[own]):
            k = own[wave]
            self._hear(s, rows.entity[k], rows.at_s[k], lively[k], rows.interval_s[k], rows.is_suspect[k], findings)
        everyone = np.arange(len(self.entities))
        self._fall_silent(s, everyone, np.full(len(everyone), rows.now_s), findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def _allowed_silence_s(self, s: HealthState, e: Integers) -> Floats:
        p = self.parameters
        known = np.isfinite(self._given_s[e]) | (s.rows[e] >= p.learnt_rows)
        usual = np.where(known, s.interval_s[e], p.default_interval_s)
        return np.maximum(p.silent_intervals * usual, p.silence_at_least_s)

    def _hear(
        self,
        s: HealthState,
        e: Integers,
        at_s: Floats,
        value: Floats,
        interval_s: Floats,
        suspect: npt.NDArray[np.bool_],
        findings: list[Finding],
    ) -> None:
        p = self.parameters
        fresh = ~(at_s <= s.at_s[e])
        e, at_s, value, suspect = e[fresh], at_s[fresh], value[fresh], suspect[fresh]
        self._fall_silent(s, e, at_s, findings)
        back = np.isfinite(s.silent_at_s[e])
        self._end(s.silent_at_s, e[back], at_s[back], "silent", "It reports again.", findings)

        gap_s = np.where(np.isnan(s.at_s[e]), interval_s[fresh], at_s - s.at_s[e])
        gap_s = np.where(gap_s > 0, gap_s, np.nan)
        learnt = np.where(back, s.interval_s[e], np.fmax(gap_s, 0.99 * s.interval_s[e]))
        s.interval_s[e] = np.where(np.isnan(self._given_s[e]), learnt, self._given_s[e])
        s.at_s[e] = at_s
        s.rows[e] += 1

        same = value == s.value[e]
        speaks = np.isfinite(value)
        change = np.abs(value - s.value[e])
        s.step[e] = np.fmin(s.step[e], np.where(change > 0, change, np.nan))
        moves = speaks & ~same
        # A stuck sensor that lives again jumps to where the waste is by now; one that goes on from where it stood was
        # none.
        well = moves & (np.isnan(s.stuck_at_s[e]) | (change < p.honest_step))
        # Only runs that are over, so that a run does not excuse itself; forty is as much as one run teaches.
        s.repeats[e] += np.where(well, np.clip(s.run[e] - 1, 0, 40), 0)
        s.values[e] += np.where(well, np.clip(s.run[e], 1, 40), 0)
        s.run[e] = np.where(same, s.run[e] + 1, np.where(speaks, 1, s.run[e]))
        s.run_from_s[e] = np.where(speaks & ~same, at_s, s.run_from_s[e])
        s.value[e] = np.where(speaks, value, s.value[e])
        is_tenth = np.abs(10 * value - np.round(10 * value)) < 1e-6
        is_coarse = np.where(np.isnan(s.step[e]), is_tenth, s.step[e] >= p.coarse_step)
        long = at_s - s.run_from_s[e] >= np.where(is_coarse, p.coarse_stuck_s, p.stuck_s)
        many = s.run[e] >= p.stuck_rows / p.stuck_share
        is_stuck = np.isfinite(s.stuck_at_s[e])
        chance = (s.repeats[e] + 0.5) / (s.values[e] + 10)
        odd = -np.log(np.minimum(chance, 0.95)) * (s.run[e] - 1) >= p.stuck_nats
        begins = ~is_stuck & same & odd & (s.run[e] >= p.stuck_rows) & (long | (many & (gap_s <= 120)))
        for i, at, what in zip(e[begins], at_s[begins], value[begins], strict=True):
            text = f"It says exactly {what:g} for {int(s.run[i])} readings."
            self._begin(s.stuck_at_s, int(i), float(at), "stuck", text, 0.95, findings)
        ends = is_stuck & speaks & ~same
        self._end(s.stuck_at_s, e[ends], at_s[ends], "stuck", "Its value moves again.", findings)

        s.bad[e] = np.clip(s.bad[e] + np.where(suspect, 1, -1), 0, p.implausible_rows)
        is_bad = np.isfinite(s.implausible_at_s[e])
        begins = ~is_bad & (s.bad[e] >= p.implausible_rows)
        for i, at in zip(e[begins], at_s[begins], strict=True):
            text = f"{p.implausible_rows:.0f} readings in a row were impossible."
            self._begin(s.implausible_at_s, int(i), float(at), "implausible", text, 0.95, findings)
        ends = is_bad & (s.bad[e] == 0)
        self._end(s.implausible_at_s, e[ends], at_s[ends], "implausible", "Its readings are possible again.", findings)

    def _fall_silent(self, s: HealthState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        since_s = np.where(np.isnan(s.at_s[e]), s.asked_at_s[e], s.at_s[e])
        known_at_s = since_s + self._allowed_silence_s(s, e)
        falls = (at_s > known_at_s) & np.isnan(s.silent_at_s[e])
        for i, known, last in zip(e[falls], known_at_s[falls], since_s[falls], strict=True):
            text = f"Nothing came for {(known - last) / 3600:.1f} h, longer than it is used to."
            self._begin(s.silent_at_s, int(i), float(known), "silent", text, 0.9, findings)

    def _begin(
        self, since: Floats, i: int, at_s: float, kind: FindingKind, text: str, sure: float, findings: list[Finding]
    ) -> None:
        since[i] = at_s
        known, evidence = finding_id(kind, self.entities[i], at_s), (Evidence(text, "", at_s),)
        findings.append(Finding(known, kind, self.entities[i], at_s, "", sure, 0.3, evidence))

    def _end(
        self, since: Floats, e: Integers, at_s: Floats, kind: FindingKind, text: str, findings: list[Finding]
    ) -> None:
        for i, at in zip(e, at_s, strict=True):
            raised = float(since[i])
            known, evidence = finding_id(kind, self.entities[i], raised), (Evidence(text, "", float(at)),)
            findings.append(
                Finding(known, kind, self.entities[i], raised, "", 0.9, 0.3, evidence, max(float(at), raised))
            )
            since[i] = np.nan
