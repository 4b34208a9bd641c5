"""Waste beside containers: whether it lies there, and whether it was left for want of room or dumped."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from city.errors import BadInput
from city.findings import DUMPING_CAUSES, Evidence, Finding, finding_id
from models.contract import index_of
from models.dumping_levels import LevelReader
from models.dumping_parameters import DumpingParameters
from models.dumping_state import DumpingState, nothing_known
from models.dumping_words import doubt, dumps_per_day, named_cause, settle, weigh_report
from models.pile_filter import PileFilter, probability_of_waste
from models.piles import DUMPED, DUMPED_STEADY, LEFT, LEFT_STEADY, MOST_SEEN, PILE, SIZES
from models.rows import Booleans, Floats, Integers, Rows

# A site at which nothing lies this surely rests: while its camera counts the usual, there is nothing to compute.
_NOTHING = 0.998
_REST_S = 7200.0


class DumpingModel:
    """Findings ``dumping`` about clusters, each with its cause, one of `city.findings.DUMPING_CAUSES`.

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
        self._slots_in_order = np.argsort(self._cluster_of, kind="stable")
        self._clusters_in_order = self._cluster_of[self._slots_in_order]
        self._piles = PileFilter(self.parameters)
        self._level_reader = LevelReader(self.parameters, self._cluster_of)

    def entity_of(self, i: int) -> str:
        """Return the cluster that index `i` of `index` belongs to."""
        return self.entities[int(self._cluster_of[i])]

    def initial_state(self) -> DumpingState:
        """Return the state before anything is known: most likely nothing lies there."""
        return nothing_known(len(self.entities), len(self._cluster_of))

    def update(self, state: DumpingState, rows: Rows) -> tuple[DumpingState, list[Finding]]:
        """Return the state after `rows`, and what begins or ends.

        Sensors tell objects_beside, fill_ratio and lid_openings, trucks their visits. A report with waste_beside is
        weighed; one with a cause_code too is the word of an officer who looked: it settles the matter, and teaches
        the site what is usual there.
        """
        s = DumpingState(*(one.copy() for one in state))
        s.now_s[...] = rows.now_s
        findings: list[Finding] = []
        objects, fill, lids = (rows.value(name) for name in ("objects_beside", "fill_ratio", "lid_openings"))
        beside, cause = rows.value("waste_beside"), rows.value("cause_code")
        spoken = rows.is_report & np.isfinite(beside)
        told = np.flatnonzero(rows.is_visit | spoken | np.isfinite(objects) | np.isfinite(fill) | np.isfinite(lids))
        for wave in rows.waves(self._cluster_of[rows.entity[told]]):
            k = told[wave]
            slot, at_s = rows.entity[k], rows.at_s[k]
            e = self._cluster_of[slot]
            self._hold(s, e, at_s, findings)
            self._lapse(s, e, at_s, findings)
            s.heard_at_s[e] = np.fmax(s.heard_at_s[e], at_s)
            visit, report = rows.is_visit[k], rows.is_report[k]
            sensed = ~visit & ~report & ~(at_s <= s.level_at_s[slot])
            self._levels(s, slot[sensed], at_s[sensed], rows.interval_s[k[sensed]], fill[k[sensed]], lids[k[sensed]])
            filmed = ~visit & ~report & np.isfinite(objects[k]) & ~(at_s <= s.camera_at_s[e])
            s.camera_at_s[e[filmed]] = at_s[filmed]
            s.holds[e[filmed]] = rows.interval_s[k[filmed]] <= 0
            self._frames(s, e[filmed], at_s[filmed], objects[k[filmed]])
            new = spoken[k] & ~visit & ~(at_s <= s.told_at_s[slot])
            if new.any():
                s.told_at_s[slot[new]] = at_s[new]
                self._words(s, e[new], at_s[new], beside[k[new]] > 0.5, cause[k[new]], findings)
            self._tell(s, e[~visit], at_s[~visit], findings)
            if visit.any():
                self._visits(s, slot[visit], at_s[visit], findings)
        everyone = np.arange(len(self.entities))
        self._hold(s, everyone, np.full(len(everyone), rows.now_s - self.parameters.on_its_way_s), findings)
        self._lapse(s, everyone, np.full(len(everyone), rows.now_s), findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def observable(self, state: DumpingState) -> Booleans:
        """Return where dumping can be seen at all, ``(n,)``: where a camera spoke lately."""
        watched: Booleans = state.now_s - state.camera_at_s <= self.parameters.camera_lost_s
        return watched

    def unobservable(self, state: DumpingState) -> dict[str, str]:
        """Return why dumping cannot be seen, by cluster where it cannot: no camera, or one that fell silent."""
        why = {}
        for i in np.flatnonzero(~self.observable(state)):
            since_s = float(state.camera_at_s[i])
            when = "" if np.isnan(since_s) else datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
            why[self.entities[i]] = f"camera silent since {when}" if when else "no camera"
        return why

    def _hold(self, s: DumpingState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        """Repeat the count of a camera that reports on change: while it says nothing, it counts the same."""
        p = self.parameters
        holds = s.holds[e] > 0
        e, at_s = e[holds], at_s[holds]
        while len(e):
            next_s = s.frame_at_s[e] + p.frame_s
            due = (next_s < at_s) & (next_s <= s.camera_at_s[e] + p.hold_s)
            e, at_s, next_s = e[due], at_s[due], next_s[due]
            self._frames(s, e, next_s, s.objects[e])
            s.heard_at_s[e] = np.fmax(s.heard_at_s[e], next_s)
            self._tell(s, e, next_s, findings)

    def _is_seen(self, s: DumpingState, e: Integers, at_s: Floats) -> Booleans:
        seen: Booleans = at_s - s.camera_at_s[e] <= self.parameters.camera_lost_s
        return seen

    def _there(self, s: DumpingState, e: Integers, at_s: Floats) -> Floats:
        there = probability_of_waste(s.belief[e])
        seen = self._is_seen(s, e, at_s)
        # Of what a camera saw before it fell silent nobody told us that it was taken away.
        stale_s = np.maximum(np.nan_to_num(at_s - s.believed_at_s[e]), 0.0)
        unseen = 1 - np.exp(s.dry[e]) * (1 - there * np.exp(-stale_s / self.parameters.lies_s))
        return np.where(seen, there, np.clip(unseen, 0.0, 1.0))

    def _moved_on(self, s: DumpingState, e: Integers, at_s: Floats) -> Floats:
        p = self.parameters
        elapsed_s = np.maximum(np.nan_to_num(at_s - s.believed_at_s[e]), 0.0)
        clutter = self._clutter(s, e)
        rate = dumps_per_day(p, s, e)
        belief = self._piles.moved_on(s.belief[e], elapsed_s, clutter, self._steady(s, e), rate)
        s.believed_at_s[e] = np.fmax(s.believed_at_s[e], at_s)
        spilled = s.spills[e] > 0
        if spilled.any():
            chance = -np.expm1(-s.spills[e[spilled]] * elapsed_s[spilled])
            belief[spilled] = self._piles.with_bags_left(belief[spilled], chance, self._steady(s, e[spilled]))
        return belief

    def _levels(
        self, s: DumpingState, slot: Integers, at_s: Floats, interval_s: Floats, fill: Floats, lids: Floats
    ) -> None:
        if not len(slot):
            return
        p = self.parameters
        was_full = s.full[slot]
        emptied = self._level_reader.take(s, slot, at_s, interval_s, fill, lids)
        e = self._cluster_of[slot]
        seen = self._is_seen(s, e, at_s)
        # A report on change tells of openings hours later: before a camera, expect them at the usual rate meanwhile.
        seldom = ~(interval_s > 0) | (interval_s > 1800)
        self._level_reader.expect_spills(s, slot, seldom)
        chance = p.left_when_full * np.where(
            seen & ~seldom,
            np.maximum(np.minimum(was_full, s.full[slot]), 0.9 * self._level_reader.is_jammed(s, slot)),
            0.0,
        )
        spilling = (chance > 1e-6) & (np.nan_to_num(lids) > 0)
        if spilling.any():
            e_, at_s_, chance, lids_ = e[spilling], at_s[spilling], chance[spilling], lids[spilling]
            belief = self._moved_on(s, e_, at_s_)
            steady = self._steady(s, e_)
            for lid in range(int(min(lids_.max(), 3))):
                belief = self._piles.with_bags_left(belief, chance * (lids_ > lid), steady)
            s.belief[e_] = belief
        if emptied.any():
            self._emptied(s, e[emptied], at_s[emptied])

    def _clutter(self, s: DumpingState, e: Integers) -> Floats:
        p = self.parameters
        return (s.clutter[e] + p.clutter_share * p.clutter_weight) / (s.frames[e] + p.clutter_weight)

    def _steady(self, s: DumpingState, e: Integers) -> Floats:
        p = self.parameters
        return (s.steady[e] + p.steady_share * p.steady_weight) / (s.filmed[e] + p.steady_weight)

    def _emptied(self, s: DumpingState, e: Integers, at_s: Floats) -> None:
        e, at_s = e[s.belief[e, 0, 0] < 1], at_s[s.belief[e, 0, 0] < 1]
        belief = self._moved_on(s, e, at_s)
        goes = np.where(self._is_seen(s, e, at_s), np.float32(self.parameters.cleared_with_emptying), np.float32(1.0))[
            :, None
        ]
        belief[:, 0] += goes * belief[:, 1:].sum(axis=1)
        belief[:, 1:] *= 1 - goes[:, None]
        s.belief[e] = belief

    def _frames(self, s: DumpingState, e: Integers, at_s: Floats, objects: Floats) -> None:
        if not len(e):
            return
        number = np.clip(objects, 0, MOST_SEEN).astype(np.int64)
        elapsed_s = np.where(np.isnan(s.frame_at_s[e]), 900.0, np.minimum(at_s - s.frame_at_s[e], 3600.0))
        rests = (s.belief[e, 0, 0] == 1) & (number == s.fixture[e]) & (at_s - s.believed_at_s[e] <= _REST_S)
        self._know_site(s, e, at_s, number, elapsed_s)
        s.frame_at_s[e], s.objects[e] = at_s, objects
        frames = elapsed_s / 900.0
        fading = np.exp(-frames / 2000)
        for counted in (s.clutter, s.steady, s.filmed):
            counted[e] *= fading
        s.frames[e] = fading * s.frames[e] + np.where(rests, frames, 0.0)
        s.believed_at_s[e[rests]] = at_s[rests]

        e, at_s, number, frames = e[~rests], at_s[~rests], number[~rests], frames[~rests]
        extra = np.maximum(number - s.fixture[e], 0).astype(np.int64)
        belief = self._piles.weighed(self._moved_on(s, e, at_s), extra)
        s.clutter[e] += frames * belief[:, 0, 1:].sum(axis=1)
        s.frames[e] += frames * belief[:, 0].sum(axis=1)
        steady = belief[:, DUMPED_STEADY].sum(axis=(1, 2)) + belief[:, LEFT_STEADY].sum(axis=(1, 2))
        s.steady[e] += frames * steady
        s.filmed[e] += frames * belief[:, 1:].sum(axis=(1, 2))
        quiet = (extra == 0) & (belief[:, 0, 0] > _NOTHING) & np.isnan(s.raised_at_s[e])
        belief[quiet], belief[quiet, 0, 0] = 0.0, 1.0
        s.belief[e] = belief

    def _know_site(self, s: DumpingState, e: Integers, at_s: Floats, number: Integers, elapsed_s: Floats) -> None:
        p = self.parameters
        rested_s = np.where(np.isnan(s.raised_at_s[e]), elapsed_s, 0.0)
        counts = s.counts[e] * np.exp(-rested_s / p.fixture_memory_s)[:, None].astype(np.float32)
        counts[np.arange(len(e)), number] += rested_s
        old = at_s - s.raised_at_s[e] > p.absorb_s
        counts[old] = 0.0
        counts[old, number[old]] = p.fixture_memory_s
        self._forget(s, e[old])
        s.counts[e] = counts
        # A frame that counts what always stands there changes nothing about what that is.
        i = np.flatnonzero(old | (number != s.fixture[e]))
        enough = np.cumsum(counts[i], axis=1) > p.fixture_share * counts[i].sum(axis=1, keepdims=True)
        s.fixture[e[i]] = np.argmax(enough, axis=1)

    def _words(
        self,
        s: DumpingState,
        e: Integers,
        at_s: Floats,
        beside: Booleans,
        cause: Floats,
        findings: list[Finding],
    ) -> None:
        report = np.isnan(cause)
        is_now = report | np.isfinite(s.raised_at_s[e])
        for one in e[~beside & is_now]:
            self._level_reader.cleared(s, self._slots_of(int(one)))
        seen = self._is_seen(s, e, at_s)
        weigh_report(self.parameters, s, e[report], beside[report], seen[report])
        for i, at, there, code in zip(*(one[~report] for one in (e, at_s, beside, cause)), strict=True):
            place = int(np.clip(code, 0, len(DUMPING_CAUSES) - 1))
            is_open = bool(np.isfinite(s.raised_at_s[i]))
            settle(s, int(i), place, bool(there), is_open=is_open)
            if is_open:
                s.cause[i] = place
                if not there:
                    self._clear(s, np.array([i]), np.array([at]), "An officer saw no waste there.", findings)
        s.believed_at_s[e] = np.fmax(s.believed_at_s[e], at_s)

    def _visits(self, s: DumpingState, slot: Integers, at_s: Floats, findings: list[Finding]) -> None:
        # A visit told of long after frames of the same place has nothing to add to them.
        camera_at_s = s.camera_at_s[self._cluster_of[slot]]
        new = ~(at_s <= s.visited_at_s[slot]) & ~(at_s < camera_at_s - self.parameters.late_visit_s)
        slot, at_s = slot[new], at_s[new]
        s.visited_at_s[slot] = at_s
        clears = slot < len(self.entities)
        cleared = slot[clears]
        self._forget(s, cleared)
        for one in cleared:
            self._level_reader.cleared(s, self._slots_of(int(one)))
        s.holds[cleared] = 0.0
        open_ = np.isfinite(s.raised_at_s[cleared])
        self._clear(s, cleared[open_], at_s[clears][open_], "A crew cleared it.", findings)
        emptied, at_s = slot[~clears], at_s[~clears]
        self._level_reader.emptied(s, emptied, at_s)
        e = self._cluster_of[emptied]
        self._emptied(s, e, at_s)
        self._tell(s, e, at_s, findings)

    def _slots_of(self, cluster: int) -> Integers:
        start, end = np.searchsorted(self._clusters_in_order, [cluster, cluster + 1])
        return self._slots_in_order[start:end]

    def _forget(self, s: DumpingState, e: Integers) -> None:
        s.belief[e] = 0.0
        s.belief[e, 0, 0] = 1.0

    def _lapse(self, s: DumpingState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        until_s = s.heard_at_s[e] + self.parameters.forget_s
        lost = np.isfinite(s.raised_at_s[e]) & (at_s > until_s)
        if lost.any():
            self._forget(s, e[lost])
            for one in e[lost]:
                self._level_reader.cleared(s, self._slots_of(int(one)))
            self._clear(s, e[lost], until_s[lost], "Nothing was heard since; nobody knows.", findings)

    def _tell(self, s: DumpingState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        concerned = np.isfinite(s.raised_at_s[e]) | (s.belief[e, 0, 0] < 1) | (s.dry[e] < -0.01)
        e, at_s = e[concerned], at_s[concerned]
        if not len(e):
            return
        there = self._there(s, e, at_s)
        is_open = np.isfinite(s.raised_at_s[e])
        over = is_open & (there <= p.clear_at)
        # What goes so soon without a crew was clutter, and teaches the site's share of it.
        lasted_s = at_s - s.raised_at_s[e]
        brief = over & (lasted_s < p.brief_s) & self._is_seen(s, e, at_s)
        frames = lasted_s[brief] / 900.0
        s.clutter[e[brief]] += frames
        s.frames[e[brief]] += frames
        s.steady[e[brief]] = np.maximum(s.steady[e[brief]] - frames, 0.0)
        s.filmed[e[brief]] = np.maximum(s.filmed[e[brief]] - frames, s.steady[e[brief]])
        self._clear(s, e[over], at_s[over], "It is no longer there.", findings)
        by_camera = p.raise_at / (1 - p.raise_at) * (1 + self._clutter(s, e) / p.doubt_share)
        odds = np.where(self._is_seen(s, e, at_s), by_camera, p.raise_unseen_at / (1 - p.raise_unseen_at))
        odds *= doubt(p, s, e)
        enough = odds / (1 + odds)
        for i, at, sure in zip(*(one[~is_open & (there >= enough)] for one in (e, at_s, there)), strict=True):
            if at < s.quiet_until_s[i]:
                continue
            dumped = float(s.belief[i, DUMPED].sum() + s.belief[i, DUMPED_STEADY].sum())
            left = float(s.belief[i, LEFT].sum() + s.belief[i, LEFT_STEADY].sum())
            if not self._is_seen(s, i, at):
                left += float(-np.expm1(s.dry[i]))
            jammed = bool(self._level_reader.is_jammed(s, self._slots_of(int(i))).any())
            s.cause[i] = DUMPING_CAUSES.index(named_cause(p, s, int(i), left, dumped, jammed))
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
        slots = self._slots_of(i)
        slots = slots[np.isfinite(s.level_at_s[slots])]
        if len(slots):
            slot = slots[np.argmax(s.level[slots])]
            level = float(s.level[slot])
            room = "There is no room" if s.full[slot] > 0.5 else "There is room"
            evidence.append(Evidence(f"{room} (level {level:.0%}).", "fill_ratio", float(s.level_at_s[slot]), level))
            for jammed in slots[self._level_reader.is_jammed(s, slots)]:
                text = "The lid was opened again and again, and the level did not rise."
                evidence.append(Evidence(text, "lid_openings", float(s.level_at_s[jammed])))
        return tuple(evidence)

    def _clear(self, s: DumpingState, e: Integers, at_s: Floats, text: str, findings: list[Finding]) -> None:
        for i, at in zip(e, at_s, strict=True):
            sure = float(self._there(s, np.array([i]), np.array([at]))[0])
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
        size = float(s.belief[i].sum(axis=1).astype(np.float64) @ SIZES)
        severity = min(0.3 + 0.7 * size / PILE, 1.0)
        known, entity = finding_id("dumping", self.entities[i], raised_at_s), self.entities[i]
        return Finding(
            known,
            "dumping",
            entity,
            raised_at_s,
            DUMPING_CAUSES[int(s.cause[i])],
            sure,
            severity,
            evidence,
            cleared_at_s,
        )
