"""Waste beside containers: whether it lies there, and whether it was left for want of room or dumped."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from city.errors import BadInput
from city.findings import DumpingCause, Evidence, Finding, finding_id
from models.contract import index_of
from models.dumping_parameters import DAY_S, DumpingParameters
from models.piles import (
    CLUTTER,
    CLUTTER_SIZES,
    DUMPED,
    DUMPED_STEADY,
    LEFT,
    LEFT_STEADY,
    MOST_SEEN,
    PILE,
    PILES,
    SIZES,
    seen_given_there,
    size_of_a_dump,
)
from models.rows import Booleans, Floats, Integers, Rows


class DumpingState(NamedTuple):
    """What is known of ``n`` clusters and their ``n + k`` level sensors; times in s since 1970, NaN = never.

    `belief` is ``(n, PILES, CLUTTER)``: the probability of each pile (see `models.piles`) with each kind of clutter.
    `counts`, ``(n, MOST_SEEN + 1)``, is how long (fading, s) the camera counted each number while nothing was thought
    to lie there; `fixture` follows from it. `clutter` in `frames` (fading) is the site's share of clutter, `steady` in
    `filmed` that of piles that are seen steadily. Of a camera that reports on change (`holds`) the count is taken
    again until `frame_at_s`. `lids` in `lids_s` is the rate of lid openings; at `spill` (a container) and `spills`
    (a cluster), 1/s, bags are expected beside full containers that report seldom.
    """

    now_s: Floats
    at_s: Floats
    camera_at_s: Floats
    frame_at_s: Floats
    holds: Floats
    spills: Floats
    belief: Floats
    clutter: Floats
    frames: Floats
    objects: Floats
    fixture: Floats
    counts: Floats
    steady: Floats
    filmed: Floats
    raised_at_s: Floats
    quiet_until_s: Floats
    cause: Floats
    visited_at_s: Floats
    level_at_s: Floats
    level: Floats
    odd_level: Floats
    full: Floats
    lids: Floats
    lids_s: Floats
    spill: Floats


_CAUSES: tuple[DumpingCause, ...] = ("unknown", "dumped", "overflow")


class DumpingModel:
    """Findings ``dumping`` about clusters, with the cause ``overflow``, ``dumped`` or ``unknown``.

    A forward filter over what may lie there. Waste comes at the rate of dumping, or, when a container is full, with the
    lid openings that go on; it stays until a crew clears it or it goes unseen. A camera's count is what it makes
    out of the waste, unless something stands before it, plus clutter that comes and goes and whose share the site
    teaches. A finding is raised at `raise_at` and over at `clear_at` or with a clearing visit; a quiet time follows.
    Fill alone never says "dumped": a cluster without a camera can only show overflow (see `observable`).

    Parameters
    ----------
    entities
        Ids of the clusters.
    members
        Cluster by id of each container in it, whose ``fill_ratio`` and ``lid_openings`` count. A row of the cluster
        itself may carry them too.

    References
    ----------
    Forward filter: L. R. Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech
    Recognition", 1989. Tempered likelihood: N. Friel and A. N. Pettitt, "Marginal Likelihood Estimation via Power
    Posteriors", 2008.
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: DumpingParameters | None = None,
        *,
        members: Mapping[str, str] | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.parameters = parameters or DumpingParameters()
        members = members or {}
        clusters = index_of(self.entities)
        for container, cluster in members.items():
            if cluster not in clusters:
                raise BadInput(f"Container {container!r} is in {cluster!r}, which is no cluster here.", "Add it.")
        self.index: Mapping[str, int] = index_of((*self.entities, *members))
        self._cluster_of = np.array([*range(len(clusters)), *(clusters[one] for one in members.values())], np.int64)
        p = self.parameters
        seen = seen_given_there((p.sight, p.sight_poor), p.occluded, p.steady)
        self._seen = seen**p.frame_weight
        self._arrives = size_of_a_dump(p.bags_per_dump)

    def entity_of(self, i: int) -> str:
        """Return the cluster that index `i` of `index` belongs to."""
        return self.entities[int(self._cluster_of[i])]

    def initial_state(self) -> DumpingState:
        """Return the state before anything is known: most likely nothing lies there."""
        n, slots = len(self.entities), len(self._cluster_of)
        zero, never = np.zeros(n), np.full(n, np.nan)
        belief = np.zeros((n, PILES, CLUTTER))
        belief[:, 0, 0] = 1.0
        return DumpingState(
            now_s=np.array(np.nan),
            at_s=never,
            camera_at_s=never,
            frame_at_s=never,
            holds=zero,
            spills=zero,
            belief=belief,
            clutter=zero,
            frames=zero,
            objects=zero,
            fixture=zero,
            counts=np.zeros((n, MOST_SEEN + 1)),
            steady=zero,
            filmed=zero,
            raised_at_s=never,
            quiet_until_s=np.full(n, -np.inf),
            cause=zero,
            visited_at_s=np.full(slots, np.nan),
            level_at_s=np.full(slots, np.nan),
            level=np.zeros(slots),
            odd_level=np.full(slots, np.nan),
            full=np.zeros(slots),
            lids=np.zeros(slots),
            lids_s=np.zeros(slots),
            spill=np.zeros(slots),
        )

    def update(self, state: DumpingState, rows: Rows) -> tuple[DumpingState, list[Finding]]:
        """Return the state after `rows` (objects_beside, fill_ratio, lid_openings, visits), and what begins or ends."""
        s = DumpingState(*(one.copy() for one in state))
        s.now_s[...] = rows.now_s
        findings: list[Finding] = []
        objects, fill, lids = (rows.value(name) for name in ("objects_beside", "fill_ratio", "lid_openings"))
        counts = np.flatnonzero(rows.is_visit | np.isfinite(objects) | np.isfinite(fill) | np.isfinite(lids))
        for wave in rows.waves(self._cluster_of[rows.entity[counts]]):
            k = counts[wave]
            slot, at_s = rows.entity[k], rows.at_s[k]
            e = self._cluster_of[slot]
            self._hold(s, e, at_s, findings)
            self._lapse(s, e, at_s, findings)
            self._predict(s, e, at_s)
            visit = rows.is_visit[k]
            sensed = ~visit & ~(at_s <= s.level_at_s[slot])
            self._levels(s, slot[sensed], at_s[sensed], rows.interval_s[k[sensed]], fill[k[sensed]], lids[k[sensed]])
            filmed = ~visit & np.isfinite(objects[k]) & ~(at_s <= s.camera_at_s[e])
            s.camera_at_s[e[filmed]] = at_s[filmed]
            s.holds[e[filmed]] = rows.interval_s[k[filmed]] <= 0
            self._frames(s, e[filmed], at_s[filmed], objects[k[filmed]])
            self._tell(s, e[~visit], at_s[~visit], findings)
            self._visits(s, slot[visit], at_s[visit], findings)
        everyone = np.arange(len(self.entities))
        self._hold(s, everyone, np.full(len(everyone), rows.now_s - self.parameters.on_its_way_s), findings)
        self._lapse(s, everyone, np.full(len(everyone), rows.now_s), findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def probability(self, state: DumpingState) -> Floats:
        """Return the probability that waste lies beside each cluster, ``(n,)``, as of its last row."""
        there: Floats = np.clip(1.0 - state.belief[:, 0].sum(axis=1), 0.0, 1.0)
        return there

    def observable(self, state: DumpingState) -> Booleans:
        """Return where dumping can be seen at all, ``(n,)``: where a camera spoke lately."""
        watched: Booleans = state.now_s - state.camera_at_s <= self.parameters.camera_lost_s
        return watched

    def _hold(self, s: DumpingState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        """Repeat the count of a camera that reports on change: while it says nothing, it counts the same."""
        p = self.parameters
        while True:
            next_s = s.frame_at_s[e] + p.frame_s
            due = (s.holds[e] > 0) & (next_s < at_s) & (next_s <= s.camera_at_s[e] + p.hold_s)
            if not due.any():
                return
            e, at_s, next_s = e[due], at_s[due], next_s[due]
            self._predict(s, e, next_s)
            self._frames(s, e, next_s, s.objects[e])
            self._tell(s, e, next_s, findings)

    def _predict(self, s: DumpingState, e: Integers, at_s: Floats) -> None:
        p = self.parameters
        elapsed_s = np.maximum(np.nan_to_num(at_s - s.at_s[e]), 0.0)
        belief = s.belief[e]
        stays = np.exp(-elapsed_s / p.clutter_lasts_s)[:, None, None]
        share = (s.clutter[e] + p.clutter_share * p.clutter_weight) / (s.frames[e] + p.clutter_weight)
        usual = np.column_stack([1 - share, *(one * share for one in CLUTTER_SIZES)])
        belief = stays * belief + (1 - stays) * belief.sum(axis=2, keepdims=True) * usual[:, None, :]
        gone = -np.expm1(-elapsed_s / p.lies_s)[:, None]
        belief[:, 0] += gone * belief[:, 1:].sum(axis=1)
        belief[:, 1:] *= 1 - gone[:, None]
        dumped = -np.expm1(-p.dumps_per_day * elapsed_s / DAY_S)[:, None]
        new = (dumped * belief[:, 0])[:, None, :] * self._arrives[:, None]
        steady = self._steady(s, e)[:, None, None]
        belief[:, DUMPED] += (1 - steady) * new
        belief[:, DUMPED_STEADY] += steady * new
        belief[:, 0] *= 1 - dumped
        s.belief[e] = belief
        s.at_s[e] = np.fmax(s.at_s[e], at_s)
        seen = self._is_seen(s, e)
        self._add(s, e[seen], -np.expm1(-s.spills[e[seen]] * elapsed_s[seen]))

    def _is_seen(self, s: DumpingState, e: Integers) -> Booleans:
        seen: Booleans = s.at_s[e] - s.camera_at_s[e] <= self.parameters.camera_lost_s
        return seen

    def _levels(
        self, s: DumpingState, slot: Integers, at_s: Floats, interval_s: Floats, fill: Floats, lids: Floats
    ) -> None:
        p = self.parameters
        opened = np.isfinite(lids) & (interval_s > 0)
        s.lids[slot] += np.where(opened, lids, 0.0)
        s.lids_s[slot] += np.where(opened, interval_s, 0.0)
        measured = np.isfinite(fill)
        first = np.isnan(s.level_at_s[slot]) & measured
        level = np.where(first, fill, s.level[slot])
        odd = measured & (np.abs(fill - level) > 0.15)
        moved = odd & (np.abs(fill - s.odd_level[slot]) <= 0.15)
        weight = np.maximum(0.3, -np.expm1(-np.nan_to_num(at_s - s.level_at_s[slot]) / 3600.0))
        settled = np.where(moved, fill, np.where(odd | ~measured, level, level + weight * (fill - level)))
        full = ndtr((settled - p.full_ratio) / p.full_sd)
        emptied = moved & (settled < level - p.emptying_ratio)

        e = self._cluster_of[slot]
        overfull = np.minimum(full, np.where(moved, 0.0, s.full[slot]))
        # A report on change tells of openings hours later: before a camera, expect them at the usual rate meanwhile.
        seldom = ~(interval_s > 0) | (interval_s > 1800)
        tells = ~seldom | ~self._is_seen(s, e)
        for lid in range(3):
            self._add(s, e, p.left_when_full * overfull * (tells & (np.nan_to_num(lids) > lid)))
        a_second = (s.lids[slot] + p.lids_per_day) / (s.lids_s[slot] + DAY_S)
        spill = np.where(seldom, p.left_when_full * a_second * np.where(full > 0.05, full, 0.0), 0.0)
        s.spills[e] = np.maximum(s.spills[e] + spill - s.spill[slot], 0.0)
        s.spill[slot] = spill
        s.level[slot], s.full[slot] = settled, full
        s.odd_level[slot] = np.where(odd & ~moved, fill, np.where(measured, np.nan, s.odd_level[slot]))
        s.level_at_s[slot] = np.where(measured, at_s, s.level_at_s[slot])
        self._emptied(s, e[emptied])

    def _add(self, s: DumpingState, e: Integers, chance: Floats) -> None:
        grows = e[chance > 1e-6]
        share = chance[chance > 1e-6][:, None]
        belief = s.belief[grows]
        for group in (DUMPED, DUMPED_STEADY, LEFT, LEFT_STEADY):
            for k in range(group.stop - 1, group.start, -1):
                belief[:, k] += share * belief[:, k - 1]
                belief[:, k - 1] *= 1 - share
        steady = self._steady(s, grows)[:, None]
        belief[:, LEFT.start] += (1 - steady) * share * belief[:, 0]
        belief[:, LEFT_STEADY.start] += steady * share * belief[:, 0]
        belief[:, 0] *= 1 - share
        s.belief[grows] = belief

    def _steady(self, s: DumpingState, e: Integers) -> Floats:
        p = self.parameters
        return (s.steady[e] + p.steady_share * p.steady_weight) / (s.filmed[e] + p.steady_weight)

    def _emptied(self, s: DumpingState, e: Integers) -> None:
        goes = np.where(self._is_seen(s, e), self.parameters.cleared_with_emptying, 1.0)[:, None]
        s.belief[e, 0] += goes * s.belief[e, 1:].sum(axis=1)
        s.belief[e, 1:] *= 1 - goes[:, None]

    def _frames(self, s: DumpingState, e: Integers, at_s: Floats, objects: Floats) -> None:
        number = np.clip(objects, 0, MOST_SEEN).astype(np.int64)
        elapsed_s = np.where(np.isnan(s.frame_at_s[e]), 900.0, np.minimum(at_s - s.frame_at_s[e], 3600.0))
        self._know_site(s, e, at_s, number, elapsed_s)
        extra = np.maximum(number - s.fixture[e], 0).astype(np.int64)
        belief = s.belief[e] * self._seen[extra]
        belief /= belief.sum(axis=(1, 2), keepdims=True)
        s.belief[e], s.frame_at_s[e], s.objects[e] = belief, at_s, objects
        frames = elapsed_s / 900.0
        fading = np.exp(-frames / 2000)
        s.clutter[e] = fading * s.clutter[e] + frames * belief[:, 0, 1:].sum(axis=1)
        s.frames[e] = fading * s.frames[e] + frames * belief[:, 0].sum(axis=1)
        steady = belief[:, DUMPED_STEADY].sum(axis=(1, 2)) + belief[:, LEFT_STEADY].sum(axis=(1, 2))
        s.steady[e] = fading * s.steady[e] + frames * steady
        s.filmed[e] = fading * s.filmed[e] + frames * belief[:, 1:].sum(axis=(1, 2))

    def _know_site(self, s: DumpingState, e: Integers, at_s: Floats, number: Integers, elapsed_s: Floats) -> None:
        p = self.parameters
        rested = np.isnan(s.raised_at_s[e])
        counts = s.counts[e] * np.exp(-np.where(rested, elapsed_s, 0.0) / p.fixture_memory_s)[:, None]
        counts[np.arange(len(e)), number] += np.where(rested, elapsed_s, 0.0)
        old = at_s - s.raised_at_s[e] > p.absorb_s
        counts[old] = 0.0
        counts[old, number[old]] = p.fixture_memory_s
        self._forget(s, e[old])
        s.counts[e] = counts
        enough = np.cumsum(counts, axis=1) > p.fixture_share * counts.sum(axis=1, keepdims=True)
        s.fixture[e] = np.argmax(enough, axis=1)

    def _visits(self, s: DumpingState, slot: Integers, at_s: Floats, findings: list[Finding]) -> None:
        # A visit told of long after frames of the same place has nothing to add to them.
        camera_at_s = s.camera_at_s[self._cluster_of[slot]]
        new = ~(at_s <= s.visited_at_s[slot]) & ~(at_s < camera_at_s - self.parameters.late_visit_s)
        slot, at_s = slot[new], at_s[new]
        s.visited_at_s[slot] = at_s
        clears = slot < len(self.entities)
        cleared = slot[clears]
        self._forget(s, cleared)
        s.holds[cleared] = 0.0
        open_ = np.isfinite(s.raised_at_s[cleared])
        self._clear(s, cleared[open_], at_s[clears][open_], "A crew cleared it.", findings)
        emptied = slot[~clears]
        s.level[emptied], s.odd_level[emptied], s.full[emptied] = 0.03, np.nan, 0.0
        of = self._cluster_of[emptied]
        s.spills[of], s.spill[emptied] = np.maximum(s.spills[of] - s.spill[emptied], 0.0), 0.0
        s.level_at_s[emptied] = np.fmax(s.level_at_s[emptied], at_s[~clears])
        self._emptied(s, self._cluster_of[emptied])
        self._tell(s, self._cluster_of[emptied], at_s[~clears], findings)

    def _forget(self, s: DumpingState, e: Integers) -> None:
        s.belief[e, 0] += s.belief[e, 1:].sum(axis=1)
        s.belief[e, 1:] = 0.0

    def _lapse(self, s: DumpingState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        until_s = s.at_s[e] + self.parameters.forget_s
        lost = np.isfinite(s.raised_at_s[e]) & (at_s > until_s)
        self._forget(s, e[lost])
        self._clear(s, e[lost], until_s[lost], "Nothing was heard since; nobody knows.", findings)

    def _tell(self, s: DumpingState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        there = np.clip(1.0 - s.belief[e, 0].sum(axis=1), 0.0, 1.0)
        is_open = np.isfinite(s.raised_at_s[e])
        over = is_open & (there <= p.clear_at)
        # What goes so soon without a crew was clutter, and teaches the site's share of it.
        lasted_s = at_s - s.raised_at_s[e]
        brief = over & (lasted_s < p.brief_s)
        frames = lasted_s[brief] / 900.0
        s.clutter[e[brief]] += frames
        s.frames[e[brief]] += frames
        s.steady[e[brief]] = np.maximum(s.steady[e[brief]] - frames, 0.0)
        s.filmed[e[brief]] = np.maximum(s.filmed[e[brief]] - frames, s.steady[e[brief]])
        self._clear(s, e[over], at_s[over], "It is no longer there.", findings)
        for i, at, sure in zip(*(one[~is_open & (there >= p.raise_at)] for one in (e, at_s, there)), strict=True):
            if at < s.quiet_until_s[i]:
                continue
            dumped = s.belief[i, DUMPED].sum() + s.belief[i, DUMPED_STEADY].sum()
            left = s.belief[i, LEFT].sum() + s.belief[i, LEFT_STEADY].sum()
            share = max(dumped, left) / (dumped + left)
            s.cause[i] = 0 if share < p.sure_of_cause else 1 if dumped > left else 2
            s.raised_at_s[i] = at
            findings.append(
                self._finding(s, int(i), float(at), float(sure), self._evidence(s, int(i), float(at)), None)
            )

    def _evidence(self, s: DumpingState, i: int, at_s: float) -> tuple[Evidence, ...]:
        evidence = []
        if s.camera_at_s[i] >= at_s - self.parameters.camera_lost_s:
            seen = float(s.objects[i])
            text = f"The camera counts {seen:.0f} objects; usually {float(s.fixture[i]):.0f}."
            evidence.append(Evidence(text, "objects_beside", float(s.camera_at_s[i]), seen))
        slots = np.flatnonzero((self._cluster_of == i) & np.isfinite(s.level_at_s))
        if len(slots):
            slot = slots[np.argmax(s.level[slots])]
            level = float(s.level[slot])
            room = "There is no room" if s.full[slot] > 0.5 else "There is room"
            evidence.append(Evidence(f"{room} (level {level:.0%}).", "fill_ratio", float(s.level_at_s[slot]), level))
        return tuple(evidence)

    def _clear(self, s: DumpingState, e: Integers, at_s: Floats, text: str, findings: list[Finding]) -> None:
        for i, at in zip(e, at_s, strict=True):
            sure = float(np.clip(1.0 - s.belief[i, 0].sum(), 0.0, 1.0))
            over_at = max(float(at), float(s.raised_at_s[i]))
            findings.append(
                self._finding(s, int(i), float(s.raised_at_s[i]), sure, (Evidence(text, "", float(at)),), over_at)
            )
            s.raised_at_s[i], s.quiet_until_s[i] = np.nan, over_at + self.parameters.refractory_s

    def _finding(
        self,
        s: DumpingState,
        i: int,
        raised_at_s: float,
        sure: float,
        evidence: tuple[Evidence, ...],
        cleared_at_s: float | None,
    ) -> Finding:
        size = s.belief[i].sum(axis=1) @ SIZES
        severity = float(min(0.3 + 0.7 * size / PILE, 1.0))
        known, entity = finding_id("dumping", self.entities[i], raised_at_s), self.entities[i]
        return Finding(
            known, "dumping", entity, raised_at_s, _CAUSES[int(s.cause[i])], sure, severity, evidence, cleared_at_s
        )
