"""Incidents on the approaches of junctions: something blocks a lane or all of them, which does not happen every day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from city.errors import BadInput
from city.findings import Evidence, Finding, finding_id
from models.contract import index_of
from models.incident_evidence import TREES_ONE, TREES_TWO
from models.incident_features import Singles, Traces, Usual, feature_names, learn, no_traces, observe
from models.incident_trees import Trees
from models.local_days import LocalDays
from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats, Integers, Rows

QUANTITIES = (
    ("vehicle_count", "occupancy_ratio", "speed_kph"),
    ("stop_vehicle_count", "stop_occupancy_ratio", "stop_speed_kph"),
)
_MINUTE_S = 60.0
# With one detector: minutes covered, or vehicles due of which none came (by chance once in 20,000), and their log odds.
_COVERED_MIN, _VEHICLES_DUE, _CERTAIN_ODDS = 4, 10, 1.5


@dataclass(frozen=True)
class IncidentParameters:
    """Numbers of the decision; the evidence itself is in `models.incident_evidence`.

    Parameters
    ----------
    raise_at, clear_at
        The sum of the evidence (log odds of each minute plus `lean`, never below 0) at which an incident is raised,
        and below which a minute counts as clear.
    lean
        Added to the log odds of each minute: how unlikely a minute may be and still not speak against an incident.
    most
        The sum never grows above it, so that the end is seen soon.
    clear_after_s, refractory_s
        How long it must have been clear, and for how long nothing is raised then.
    longest_interval_s
        Rows over longer intervals are too coarse.
    lost_after_s
        After so long without a row an incident ends, unknown.
    lasts_s
        What lasts longer is usual now.
    """

    raise_at: float = 9.0
    clear_at: float = 3.0
    lean: float = 0.25
    most: float = 14.0
    clear_after_s: float = 300.0
    refractory_s: float = 1200.0
    longest_interval_s: float = 300.0
    lost_after_s: float = 1800.0
    lasts_s: float = 3 * 3600.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("lean", "refractory_s"))
        if not self.clear_at <= self.raise_at <= self.most:
            raise BadInput("clear_at, raise_at and most are not in this order.", "Give clear_at <= raise_at <= most.")


class IncidentState(NamedTuple):
    """What is known of ``n`` approaches; times in s since 1970, NaN = never or not now.

    `usual`, `spread`, `recent` and `stored` are `models.incident_features.Traces`; `evidence` is the sum so far, `odds`
    the log odds of the newest minute.
    """

    now_s: Floats
    at_s: Floats
    usual: Singles
    spread: Singles
    recent: Singles
    stored: Singles
    evidence: Floats
    odds: Floats
    raised_at_s: Floats
    good_since_s: Floats
    quiet_until_s: Floats
    peak: Floats
    cause: Floats


Cause = Literal["blocked", "slow", "flow-gone"]
_CAUSES: tuple[Cause, ...] = ("blocked", "slow", "flow-gone")
_TEXTS = (
    "The detector is covered and hardly anything passes.",
    "Traffic is much slower than is usual at this hour.",
    "Far fewer vehicles come than is usual at this hour.",
)


class IncidentModel:
    """Findings ``incident``: what the minutes of an approach's detectors add up to, beside what is usual there.

    Each minute is compared with the usual of its local hour and kind of day, which the model learns as it goes (not
    while something is wrong); recent means over several minutes and the difference of what went in and came out give
    the log odds of an incident, from trees that ship with the product. A sequential sum of these decides.

    Parameters
    ----------
    entities
        Ids of the approaches.
    positions
        1: one detector each, 2: another at the stop line.
    local_days
        The clock that people live by; UTC if it is left out.
    trees
        Evidence other than what ships.

    References
    ----------
    Sequential sum: E. S. Page, "Continuous Inspection Schemes", 1954. Boosted trees: J. Friedman, "Greedy function
    approximation", 2001.
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: IncidentParameters | None = None,
        *,
        positions: int = 1,
        local_days: LocalDays | None = None,
        trees: Trees | None = None,
    ) -> None:
        if positions not in (1, 2):
            raise BadInput(f"positions is {positions}.", "Give 1, or 2 with detectors at the stop line.")
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or IncidentParameters()
        self.positions = positions
        self.local_days = local_days or LocalDays()
        self._trees = trees or (TREES_ONE, TREES_TWO)[positions - 1]
        names = feature_names(positions)
        self._at = {name: i for i, name in enumerate(names)}

    def initial_state(self) -> IncidentState:
        """Return the state of approaches never heard of."""
        n = len(self.entities)
        never = np.full(n, np.nan)
        return IncidentState(
            np.array(np.nan), never, *no_traces(n, self.positions), np.zeros(n), never, never, never,
            np.full(n, -np.inf), np.zeros(n), np.zeros(n),
        )  # fmt: skip

    def update(self, state: IncidentState, rows: Rows) -> tuple[IncidentState, list[Finding]]:
        """Return the state after `rows` (the `QUANTITIES`), and the incidents that begin or end."""
        s = _copy(state)
        s.now_s[...] = rows.now_s
        findings: list[Finding] = []
        values = [[rows.value(name) for name in names] for names in QUANTITIES[: self.positions]]
        tells = ~rows.is_visit & (rows.interval_s <= self.parameters.longest_interval_s)
        tells &= np.isfinite(values[0][0]) & np.isfinite(values[0][1])
        chosen = np.flatnonzero(tells)
        kind, hour = self.local_days.of(rows.at_s[chosen] - rows.interval_s[chosen] / 2)
        for together in rows.waves(rows.entity[chosen]):
            wave = together[~(rows.at_s[chosen[together]] <= s.at_s[rows.entity[chosen[together]]])]
            k = chosen[wave]
            columns = [[column[k] for column in one] for one in values]
            self._minute(s, rows.entity[k], rows.at_s[k], rows.interval_s[k], kind[wave], hour[wave], columns, findings)
        self._lapse(s, np.arange(len(self.entities)), np.full(len(self.entities), rows.now_s), findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def features(self, state: IncidentState, rows: Rows) -> tuple[IncidentState, Singles]:
        """Return the state after one row each of some approaches, and their features, as the decision sees them.

        For teaching: the same code computes features there and here.
        """
        s = _copy(state)
        kind, hour = self.local_days.of(rows.at_s - rows.interval_s / 2)
        columns = [[rows.value(name) for name in names] for names in QUANTITIES[: self.positions]]
        return s, self._observe(s, rows.entity, rows.at_s, rows.interval_s, kind, hour, columns)[0]

    def _observe(
        self,
        s: IncidentState,
        e: Integers,
        at_s: Floats,
        interval_s: Floats,
        kind: Integers,
        hour: Floats,
        values: list[list[Floats]],
    ) -> tuple[Singles, Booleans]:
        """Take a reading in, let it teach what is usual if it is nothing odd, and return its features."""
        minutes = np.clip(np.nan_to_num((at_s - s.at_s[e]) / _MINUTE_S, nan=1.0), 1.0, 60.0)
        length_min = np.where(interval_s > 0, interval_s / _MINUTE_S, np.minimum(minutes, 1.0))
        counts = [one[0] / length_min for one in values]
        occupancies = [one[1] for one in values]
        speeds = [np.where(one[0] > 0, one[2], np.nan) for one in values]
        traces = Traces(s.usual, s.spread, s.recent, s.stored)
        features, known, usual = observe(traces, e, kind, hour, minutes, counts, occupancies, speeds)
        s.at_s[e] = at_s
        well = np.isnan(s.raised_at_s[e]) & ~(features[:, self._at["up_occupancy_7"]] > 4)
        well &= ~(features[:, self._at["up_count_7"]] < -4) & (s.evidence[e] < self.parameters.clear_at)
        k = np.flatnonzero(well)
        learn(
            traces, e[k], kind[k], hour[k], length_min[k],
            [one[k] for one in counts], [one[k] for one in occupancies], [one[k] for one in speeds],
            [Usual(one.vehicles[k], one.occupancy[k], one.speed[k], one.trusted[k]) for one in usual],
        )  # fmt: skip
        return features, known

    def _minute(
        self,
        s: IncidentState,
        e: Integers,
        at_s: Floats,
        interval_s: Floats,
        kind: Integers,
        hour: Floats,
        values: list[list[Floats]],
        findings: list[Finding],
    ) -> None:
        p = self.parameters
        self._lapse(s, e, at_s, findings)
        features, known = self._observe(s, e, at_s, interval_s, kind, hour, values)
        worth = np.flatnonzero(known & ((s.evidence[e] > 0) | self._odd(features)))
        odds = np.full(len(e), self._trees.base)
        odds[worth] = self._trees.score(features[worth])
        if self.positions == 1:
            odds = np.where(known & self._certain(features), np.maximum(odds, _CERTAIN_ODDS), odds)
        s.odds[e] = odds
        s.evidence[e] = np.clip(s.evidence[e] + odds + p.lean, 0.0, p.most)
        clear = s.evidence[e] < p.clear_at
        s.good_since_s[e] = np.where(clear, np.fmin(s.good_since_s[e], at_s), np.nan)
        is_open = np.isfinite(s.raised_at_s[e])
        s.peak[e] = np.where(is_open, np.maximum(s.peak[e], self._severity(features)), s.peak[e])
        begins = np.flatnonzero(~is_open & (s.evidence[e] >= p.raise_at) & (at_s >= s.quiet_until_s[e]))
        severity, causes = self._severity(features[begins]), self._causes(features[begins])
        for j, i in enumerate(e[begins]):
            s.raised_at_s[i], s.peak[i], s.cause[i] = at_s[begins[j]], severity[j], causes[j]
            findings.append(self._finding(s, int(i), self._reasons(features[begins[j]], float(at_s[begins[j]])), None))
        ends = is_open & (at_s - s.good_since_s[e] >= p.clear_after_s)
        self._end(s, e[ends], at_s[ends], "Traffic is as usual again.", findings)
        lasts = is_open & ~ends & (at_s - s.raised_at_s[e] >= p.lasts_s)
        self._end(s, e[lasts], at_s[lasts], "It has lasted so long that it is usual now.", findings)
        s.usual[:, :, e[lasts]], s.evidence[e[lasts]] = 0.0, 0.0

    def _odd(self, features: Singles) -> Booleans:
        """Return whether anything is odd enough to look closer: most minutes of a city are not."""
        at = self._at
        odd: Booleans = features[:, at["up_count_7"]] < -1.0
        odd |= features[:, at["up_occupancy_3"]] > 2
        odd |= features[:, at["up_speed_7"]] < -1.2
        odd |= features[:, at["up_no_vehicles_run"]] > 4
        if self.positions == 2:
            odd |= features[:, at["stored_7"]] > 0.6
            odd |= features[:, at["stop_count_7"]] < -1.0
            odd |= features[:, at["stop_speed_7"]] < -1.2
        return odd

    def _certain(self, features: Singles) -> Booleans:
        """Return where one detector alone tells: covered for minutes, or none came where many were due.

        Trees that have seen few such minutes with one detector are too timid about them.
        """
        at = self._at
        covered: Booleans = (features[:, at["up_covered_run"]] >= _COVERED_MIN) & (features[:, at["up_covered"]] > 0.7)
        return covered | (features[:, at["up_no_vehicles_run"]] >= _VEHICLES_DUE)

    def _severity(self, features: Singles) -> Floats:
        """Return how much of what usually passes does not: 0..1."""
        lost = 1 - (
            features[:, self._at["up_count_7"]]
            * np.sqrt(np.maximum(features[:, self._at["up_usual_count"]], 0.15))
            / np.maximum(features[:, self._at["up_usual_count"]], 0.15)
            + 1
        )
        slow = np.clip(-features[:, self._at["up_speed_7"]] / 6, 0, 1)
        covered = features[:, self._at["up_covered"]]
        severity: Floats = np.clip(np.maximum(np.maximum(lost, slow), covered), 0.1, 1.0).astype(np.float64)
        return severity

    def _causes(self, features: Singles) -> Integers:
        covered = (features[:, self._at["up_covered_run"]] > 0) | (features[:, self._at["up_covered"]] > 0.7)
        gone = features[:, self._at["up_count_7"]] < np.minimum(features[:, self._at["up_speed_7"]], -0.5)
        return np.where(covered, 0, np.where(gone, 2, 1)).astype(np.int64)

    def _reasons(self, features: Singles, at_s: float) -> list[Evidence]:
        at = self._at
        cause = int(self._causes(features[None])[0])
        covered = float(features[at["up_covered"]])
        usual = float(features[at["up_usual_count"]])
        return [
            Evidence(_TEXTS[cause], "", at_s),
            Evidence(f"The detector is covered {covered:.0%} of the time.", "occupancy_ratio", at_s, covered),
            Evidence(f"Usual at this hour are {usual:.1f} vehicles a minute.", "vehicle_count", at_s, usual),
        ]

    def _lapse(self, s: IncidentState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        until_s = s.at_s[e] + self.parameters.lost_after_s
        lost = at_s > until_s
        s.evidence[e[lost]], s.good_since_s[e[lost]] = 0.0, np.nan
        lost &= np.isfinite(s.raised_at_s[e])
        self._end(s, e[lost], until_s[lost], "The detector fell silent; nobody knows.", findings)

    def _end(self, s: IncidentState, e: Integers, at_s: Floats, text: str, findings: list[Finding]) -> None:
        for i, at in zip(e, at_s, strict=True):
            findings.append(self._finding(s, int(i), [Evidence(text, "", float(at))], float(at)))
            s.raised_at_s[i], s.quiet_until_s[i] = np.nan, float(at) + self.parameters.refractory_s
            s.evidence[i] = 0.0

    def _finding(self, s: IncidentState, i: int, reasons: list[Evidence], cleared_at_s: float | None) -> Finding:
        entity, raised = self.entities[i], float(s.raised_at_s[i])
        cause = _CAUSES[int(s.cause[i])]
        return Finding(
            finding_id("incident", entity, raised), "incident", entity, raised, cause, 0.85, float(s.peak[i]),
            tuple(reasons), cleared_at_s,
        )  # fmt: skip


def _copy(state: IncidentState) -> IncidentState:
    return IncidentState._make(one.copy() for one in state)
