"""Sick sensors in containers: blocked, drifting, spiking, flapping, tilted, or jumping as no waste does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from city.findings import Evidence, Finding, FindingKind, finding_id
from models.contract import index_of
from models.parameters import check_finite_and_positive
from models.rows import Floats, Integers, Rows

_KINDS: tuple[FindingKind, ...] = ("blocked", "drift", "spike", "jump", "chatter", "tilt")
_BLOCKED, _DRIFT, _SPIKE, _JUMP, _CHATTER, _TILT = range(6)
# What an answer that rests on such a sensor is worth.
_WORTH = np.array([0.1, 0.5, 0.7, 0.5, 0.4, 0.3])


@dataclass(frozen=True)
class FillHealthParameters:
    """Numbers of the rules for sensors in containers; levels are ratios of the usable volume.

    Parameters
    ----------
    blocked_above, blocked_within, blocked_rows, blocked_s
        Blocked: after a crew was there the level is above the first, moves by no more than the second, for so many
        readings over at least so long.
    drift_ratio, drift_visits
        Drift: what it says just after emptyings has moved by so much, over at least so many of them.
    base_s
        A reading so soon after a crew was there tells what the sensor sees in an empty container.
    spike_ratio, spike_s, spike_count
        A reading so far from the ones at both its sides, which agree, within so long, is an outlier; so many of them
        (each is forgotten within a day) are a fault.
    jump_ratio, jump_s
        No waste rises by so much in so short a time and stays.
    chatter_ratio, chatter_turns
        Moves of at least so much up and down in turn; so many turns (each is forgotten within `chatter_s`) are a fault.
    chatter_s
        Time constant of the turns.
    tilt_deg, tilt_rows
        A container that stands so far from upright, for so many readings.
    calm_s
        A spiking, jumping or flapping sensor is well again after so long without.
    """

    blocked_above: float = 0.6
    blocked_within: float = 0.08
    blocked_rows: float = 3.0
    blocked_s: float = 2 * 3600.0
    drift_ratio: float = 0.12
    drift_visits: float = 5.0
    base_s: float = 6 * 3600.0
    spike_ratio: float = 0.3
    spike_s: float = 8 * 3600.0
    spike_count: float = 2.5
    jump_ratio: float = 0.6
    jump_s: float = 1200.0
    chatter_ratio: float = 0.12
    chatter_turns: float = 5.0
    chatter_s: float = 3 * 3600.0
    tilt_deg: float = 25.0
    tilt_rows: float = 2.0
    calm_s: float = 86_400.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self)


class FillHealthState(NamedTuple):
    """What is known of ``n`` sensors; times in s since 1970, NaN = never or not now.

    `last` and `before` are the two newest levels, `last_s` and `before_s` when. `visit_s` is when a crew was there,
    `after_s`, `after_rows`, `after_low` and `after_high` what was said since, `told_base` whether that is learnt.
    `base_usual` and `base` are what it says when empty, over `bases` visits. `spikes`, `turns` fade; `way` is the
    direction of the last great move, `odd_s` the newest spike, turn or jump; `tilted` counts. `since_s` is
    ``(n, 6)``, by kind.
    """

    at_s: Floats
    last: Floats
    last_s: Floats
    before: Floats
    before_s: Floats
    visit_s: Floats
    after_s: Floats
    after_rows: Floats
    after_low: Floats
    after_high: Floats
    told_base: Floats
    base_usual: Floats
    base: Floats
    bases: Floats
    spikes: Floats
    turns: Floats
    way: Floats
    odd_s: Floats
    rose_s: Floats
    tilted: Floats
    since_s: Floats


class FillHealthModel:
    """Findings ``blocked``, ``drift``, ``spike``, ``jump``, ``chatter`` and ``tilt`` about sensors in containers.

    That a sensor is silent, stuck or impossible is said by `HealthModel`. A crew's visit is the truck's word: where it
    is false, the container was not emptied, and *blocked* says so as the other possibility.
    """

    def __init__(self, entities: Sequence[str], parameters: FillHealthParameters | None = None) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or FillHealthParameters()

    def initial_state(self) -> FillHealthState:
        """Return the state of sensors never heard of."""
        n = len(self.entities)
        zero, never = np.zeros(n), np.full(n, np.nan)
        start = dict.fromkeys(("after_rows", "told_base", "bases", "spikes", "turns", "way", "tilted"), zero)
        fields = {name: start.get(name, never) for name in FillHealthState._fields}
        return FillHealthState(**{**fields, "since_s": np.full((n, len(_KINDS)), np.nan)})

    def quality(self, state: FillHealthState) -> Floats:
        """Return what each sensor's word is worth, ``(n,)``: 1 = nothing is known against it, 0 = nothing."""
        ill = np.isfinite(state.since_s)
        return np.asarray(np.where(ill, _WORTH, 1.0).min(axis=1, initial=1.0), np.float64)

    def update(self, state: FillHealthState, rows: Rows) -> tuple[FillHealthState, list[Finding]]:
        """Return the state after `rows`, and what begins or ends in them."""
        s = FillHealthState(*(one.copy() for one in state))
        findings: list[Finding] = []
        fill, tilt = rows.value("fill_ratio"), rows.value("tilt_deg")
        own = np.flatnonzero(rows.is_visit | np.isfinite(fill) | np.isfinite(tilt))
        own = own[~rows.is_report[own]]
        for wave in rows.waves(rows.entity[own]):
            k = own[wave]
            visit = rows.is_visit[k]
            self._visited(s, rows.entity[k[visit]], rows.at_s[k[visit]])
            k = k[~visit]
            k = k[~(rows.at_s[k] <= s.at_s[rows.entity[k]])]
            s.at_s[rows.entity[k]] = rows.at_s[k]
            tells = np.isfinite(tilt[k])
            self._tilted(s, rows.entity[k[tells]], rows.at_s[k[tells]], tilt[k[tells]], findings)
            k = k[np.isfinite(fill[k])]
            self._filled(s, rows.entity[k], rows.at_s[k], fill[k], findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def _visited(self, s: FillHealthState, e: Integers, at_s: Floats) -> None:
        late = at_s <= s.visit_s[e]
        e, at_s = e[~late], at_s[~late]
        s.visit_s[e], s.after_s[e] = at_s, np.nan
        s.after_rows[e], s.told_base[e] = 0, 0
        s.after_low[e], s.after_high[e] = np.nan, np.nan

    def _tilted(self, s: FillHealthState, e: Integers, at_s: Floats, tilt: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        s.tilted[e] = np.clip(s.tilted[e] + np.where(tilt >= p.tilt_deg, 1, -1), 0, p.tilt_rows)
        begins = s.tilted[e] >= p.tilt_rows
        self._begin(s, _TILT, e[begins], at_s[begins], _told("It leans by {:.0f} degrees.", tilt[begins]), findings)
        over = s.tilted[e] == 0
        self._end(s, _TILT, e[over], at_s[over], "It stands upright again.", findings)

    def _filled(self, s: FillHealthState, e: Integers, at_s: Floats, fill: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        visited_between = s.visit_s[e] > s.last_s[e]
        passed_s = np.where(np.isfinite(s.last_s[e]), at_s - s.last_s[e], 0.0)
        move = np.where(visited_between, 0.0, fill - s.last[e])
        # An outlier: the reading before this one was far from this and from the one before it, which agree.
        back = s.last[e] - s.before[e]
        out = (np.abs(move) >= p.spike_ratio) & (np.abs(back) >= p.spike_ratio) & (move * back < 0)
        out &= (np.abs(fill - s.before[e]) < 0.3 * p.spike_ratio) & (at_s - s.before_s[e] <= p.spike_s)
        s.spikes[e] = s.spikes[e] * np.exp(-passed_s / 86_400.0) + out
        begins = out & (s.spikes[e] >= p.spike_count)
        text = "Now and then it says {:.2f}, far from the readings before and after."
        self._begin(s, _SPIKE, e[begins], at_s[begins], _told(text, s.last[e[begins]]), findings)

        stays = np.isfinite(s.rose_s[e]) & (move > -0.2) & (at_s - s.rose_s[e] <= p.spike_s)
        text = "It rose to {:.2f} within minutes, faster than waste does."
        self._begin(s, _JUMP, e[stays], at_s[stays], _told(text, s.last[e[stays]]), findings)
        rises = (move >= p.jump_ratio) & (passed_s <= p.jump_s) & ~out
        s.rose_s[e] = np.where(rises, at_s, np.nan)

        great = np.abs(move) >= p.chatter_ratio
        turn = great & (np.sign(move) == -s.way[e]) & (passed_s <= p.chatter_s)
        s.turns[e] = s.turns[e] * np.exp(-passed_s / p.chatter_s) + turn
        s.way[e] = np.where(great, np.sign(move), s.way[e])
        begins = turn & (s.turns[e] >= p.chatter_turns)
        text = "It went up and down {:.0f} times in a few hours."
        self._begin(s, _CHATTER, e[begins], at_s[begins], _told(text, s.turns[e[begins]]), findings)
        s.odd_s[e] = np.where(out | stays | (turn & (s.turns[e] > 2)), at_s, s.odd_s[e])
        calm = at_s - s.odd_s[e] >= p.calm_s
        for kind in (_SPIKE, _JUMP, _CHATTER):
            self._end(s, kind, e[calm], at_s[calm], "It has been steady for a day.", findings)

        self._after_visit(s, e, at_s, fill, findings)
        s.before[e], s.before_s[e] = s.last[e], s.last_s[e]
        s.last[e], s.last_s[e] = fill, at_s

    def _after_visit(
        self, s: FillHealthState, e: Integers, at_s: Floats, fill: Floats, findings: list[Finding]
    ) -> None:
        p = self.parameters
        after = at_s > s.visit_s[e]
        e, at_s, fill = e[after], at_s[after], fill[after]
        s.after_s[e] = np.fmin(s.after_s[e], at_s)
        s.after_rows[e] += 1
        s.after_low[e], s.after_high[e] = np.fmin(s.after_low[e], fill), np.fmax(s.after_high[e], fill)
        begins = (s.after_low[e] >= p.blocked_above) & (s.after_high[e] - s.after_low[e] <= p.blocked_within)
        begins &= (s.after_rows[e] >= p.blocked_rows) & (at_s - s.after_s[e] >= p.blocked_s)
        text = (
            "Since a crew was there it has stood at {:.2f}: something is before it, or the container was not emptied."
        )
        self._begin(s, _BLOCKED, e[begins], at_s[begins], _told(text, fill[begins]), findings)
        over = fill < p.blocked_above - 0.1
        self._end(s, _BLOCKED, e[over], at_s[over], "It sees an empty container again.", findings)

        first = (s.told_base[e] == 0) & (at_s - s.visit_s[e] <= p.base_s) & (fill < p.blocked_above)
        e, at_s, fill = e[first], at_s[first], fill[first]
        s.told_base[e] = 1
        s.bases[e] += 1
        early = s.bases[e] <= 3
        s.base_usual[e] = np.where(
            early,
            np.where(s.bases[e] == 1, fill, s.base_usual[e] + (fill - s.base_usual[e]) / s.bases[e]),
            s.base_usual[e],
        )
        s.base[e] = np.where(s.bases[e] == 1, fill, s.base[e] + 0.5 * (fill - s.base[e]))
        off = s.base[e] - s.base_usual[e]
        begins = (np.abs(off) >= p.drift_ratio) & (s.bases[e] >= p.drift_visits)
        text = "Just emptied, it now says {:+.2f} beside what it used to."
        self._begin(s, _DRIFT, e[begins], at_s[begins], _told(text, off[begins]), findings)
        over = np.abs(off) < 0.5 * p.drift_ratio
        self._end(s, _DRIFT, e[over], at_s[over], "Just emptied, it says again what it used to.", findings)

    def _begin(
        self, s: FillHealthState, kind: int, e: Integers, at_s: Floats, texts: Sequence[str], findings: list[Finding]
    ) -> None:
        name = _KINDS[kind]
        for i, at, text in zip(e.tolist(), at_s.tolist(), texts, strict=True):
            if np.isfinite(s.since_s[i, kind]):
                continue
            s.since_s[i, kind] = at
            known, evidence = finding_id(name, self.entities[i], at), (Evidence(text, "", at),)
            findings.append(Finding(known, name, self.entities[i], at, "", 0.8, 0.3, evidence))

    def _end(
        self, s: FillHealthState, kind: int, e: Integers, at_s: Floats, text: str, findings: list[Finding]
    ) -> None:
        ill = np.isfinite(s.since_s[e, kind])
        for i, at in zip(e[ill].tolist(), at_s[ill].tolist(), strict=True):
            raised_s = float(s.since_s[i, kind])
            s.since_s[i, kind] = np.nan
            known, evidence = finding_id(_KINDS[kind], self.entities[i], raised_s), (Evidence(text, "", at),)
            findings.append(Finding(known, _KINDS[kind], self.entities[i], raised_s, "", 0.8, 0.3, evidence, at))


def _told(text: str, values: Floats) -> list[str]:
    return [text.format(one) for one in values]
