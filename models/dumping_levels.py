"""What fill readings and lid openings say about bags beside containers."""

import numpy as np

from models.brim import FULL, FULL_BAGS, LOWEST, ROOM_BAGS, Brim, deposited, elapsed, seen, woken
from models.dumping_parameters import DAY_S, DumpingParameters
from models.dumping_state import DumpingState
from models.rows import Booleans, Floats, Integers

# Two readings further apart than this are not of the same level: one is an outlier, or the level moved.
_ODD_RATIO = 0.15
# From so much below the brim on, what the next lid openings do is followed closely.
_NEAR_RATIO = 0.02
_NO_BAGS = 0.02
# A sensor that is alive does not measure the same so often on end.
_STUCK_READINGS = 12
_SURE = 1 - 1e-9


class LevelReader:
    """Takes the levels of containers into a state.

    Parameters
    ----------
    cluster_of
        ``(slots,)``; index of the cluster that each level sensor belongs to.
    """

    def __init__(self, parameters: DumpingParameters, cluster_of: Integers) -> None:
        p = self._parameters = parameters
        self._cluster_of = cluster_of
        self._brim = Brim(
            p.full_ratio, p.full_sd, p.level_sd, p.level_outliers, p.resettles_per_day, p.left_when_full, p.lies_s
        )

    def take(
        self, s: DumpingState, slot: Integers, at_s: Floats, interval_s: Floats, fill: Floats, lids: Floats
    ) -> Booleans:
        """Take one row of each of some sensors; return which of them were emptied, ``(m,)``."""
        p = self._parameters
        lids_known = np.isfinite(lids)
        counted = lids_known & (interval_s > 0)
        lids = np.where(lids_known, lids, 0.0)
        measured = np.isfinite(fill)
        known_s = s.level_at_s[slot]
        first = np.isnan(known_s) & measured
        before = np.where(first, fill, s.level[slot])
        odd = measured & (np.abs(fill - before) > _ODD_RATIO)
        moved = odd & (np.abs(fill - s.odd_level[slot]) <= _ODD_RATIO)
        passed_s = np.maximum(np.nan_to_num(at_s - known_s), 0.0)
        weight = np.maximum(0.3, -np.expm1(-passed_s / 3600.0))
        level = np.where(moved, fill, np.where(odd | ~measured, before, before + weight * (fill - before)))
        emptied = moved & (level < before - p.emptying_ratio)
        ratio_per_lid = self.ratio_per_lid(s, slot)

        starts = np.where(moved, level, before)
        awake = s.full[slot] > 0
        wakes = (first | ~np.isnan(known_s)) & (
            (starts + lids * ratio_per_lid > LOWEST + _NEAR_RATIO) & (~awake | moved)
        )
        stays = awake & ~moved
        i = np.flatnonzero(wakes | stays)
        full, bags = np.zeros(len(slot)), np.zeros(len(slot))
        if len(i):
            belief = s.brim[slot[i]]
            new = wakes[i]
            belief[new] = woken(self._brim, starts[i[new]])
            belief = elapsed(self._brim, belief, np.where(new, 0.0, passed_s[i]), level[i])
            opened = np.flatnonzero(lids[i] > 0)
            belief[opened] = deposited(self._brim, belief[opened], lids[i[opened]], ratio_per_lid[i[opened]])
            read = np.flatnonzero(measured[i])
            belief[read] = seen(self._brim, belief[read], fill[i[read]])
            full[i] = belief[:, FULL].sum(axis=1) + belief[:, FULL_BAGS].sum(axis=1)
            bags[i] = belief[:, ROOM_BAGS].sum(axis=1) + belief[:, FULL_BAGS].sum(axis=1)
            rests = (level[i] < LOWEST) & (bags[i] < _NO_BAGS)
            belief[rests], full[i[rests]], bags[i[rests]] = 0.0, 0.0, 0.0
            s.brim[slot[i]] = belief
        asleep = np.flatnonzero(awake & ~(wakes | stays))
        s.brim[slot[asleep]] = 0.0

        stuck = self._follow_rise(s, slot, lids * ratio_per_lid, fill, level, emptied | moved | first)
        jammed = self.is_jammed(s, slot) & ~stuck
        bags = np.where(jammed & (lids > 0), np.maximum(bags, p.left_when_full), np.where(jammed, s.bags[slot], bags))
        self._learn(s, slot, lids, np.where(measured & ~odd, level - before, 0.0), known_s, level)
        s.lids[slot] += np.where(counted, lids, 0.0)
        s.lids_s[slot] += np.where(counted, interval_s, 0.0)
        s.level[slot], s.full[slot] = level, full
        self._set_bags(s, slot, bags)
        s.odd_level[slot] = np.where(odd & ~moved, fill, np.where(measured, np.nan, s.odd_level[slot]))
        s.level_at_s[slot] = np.where(measured, at_s, known_s)
        return emptied

    def ratio_per_lid(self, s: DumpingState, slot: Integers) -> Floats:
        """Return by how much a lid opening raises the level of each container, ``(m,)``."""
        p = self._parameters
        learned = (s.rise[slot] + p.ratio_per_lid * p.ratio_weight) / (s.rise_lids[slot] + p.ratio_weight)
        ratio: Floats = np.clip(learned, 0.1 * p.ratio_per_lid, 10 * p.ratio_per_lid)
        return ratio

    def is_jammed(self, s: DumpingState, slot: Integers) -> Booleans:
        """Return where lid openings bring nothing although there is room, ``(m,)``, and no stuck sensor explains it."""
        p = self._parameters
        still = s.still[slot] >= _STUCK_READINGS
        jammed: Booleans = (s.barren[slot] >= p.jammed_ratio) & (s.rise_lids[slot] >= p.jammed_lids) & ~still
        return jammed

    def expect_spills(self, s: DumpingState, slot: Integers, seldom: Booleans) -> None:
        """Expect bags at the usual rate beside full containers that tell of lid openings only hours later."""
        p = self._parameters
        e = self._cluster_of[slot]
        a_second = (s.lids[slot] + p.lids_per_day) / (s.lids_s[slot] + DAY_S)
        full = s.full[slot]
        spill = np.where(seldom & (full > 0.05), p.left_when_full * a_second * full, 0.0)
        s.spills[e] = np.maximum(s.spills[e] + spill - s.spill[slot], 0.0)
        s.spill[slot] = spill

    def emptied(self, s: DumpingState, slot: Integers, at_s: Floats) -> None:
        """Take it that these containers were emptied; a level that was read since then knows better."""
        new = ~(at_s < s.level_at_s[slot])
        slot, at_s = slot[new], at_s[new]
        e = self._cluster_of[slot]
        s.level[slot], s.odd_level[slot], s.full[slot] = 0.03, np.nan, 0.0
        s.spills[e], s.spill[slot] = np.maximum(s.spills[e] - s.spill[slot], 0.0), 0.0
        s.level_at_s[slot] = np.fmax(s.level_at_s[slot], at_s)
        s.brim[slot] = 0.0
        self._set_bags(s, slot, np.zeros(len(slot)))

    def cleared(self, s: DumpingState, slot: Integers) -> None:
        """Take it that the bags beside these containers are gone."""
        for place in (ROOM_BAGS, FULL_BAGS):
            s.brim[slot, place - 1] += s.brim[slot, place]
            s.brim[slot, place] = 0.0
        self._set_bags(s, slot, np.zeros(len(slot)))

    def _follow_rise(
        self, s: DumpingState, slot: Integers, due: Floats, fill: Floats, level: Floats, anew: Booleans
    ) -> Booleans:
        measured = np.isfinite(fill)
        s.still[slot] = np.where(measured, np.where(fill == s.read[slot], s.still[slot] + 1, 0.0), s.still[slot])
        s.read[slot] = np.where(measured, fill, s.read[slot])
        barren = s.barren[slot] + due
        rose = level - s.risen_to[slot] >= np.maximum(0.03, 0.25 * barren)
        anew = anew | rose | (level >= LOWEST) | (level < s.risen_to[slot] - 0.1)
        s.risen_to[slot] = np.where(anew, level, s.risen_to[slot])
        s.barren[slot] = np.where(anew, 0.0, barren)
        stuck: Booleans = s.still[slot] >= _STUCK_READINGS
        return stuck

    def _set_bags(self, s: DumpingState, slot: Integers, bags: Floats) -> None:
        changed = bags != s.bags[slot]
        slot, bags = slot[changed], np.minimum(bags[changed], _SURE)
        # Several containers of one cluster may be emptied or cleared at once.
        np.add.at(s.dry, self._cluster_of[slot], np.log1p(-bags) - np.log1p(-s.bags[slot]))
        s.bags[slot] = bags

    def _learn(
        self, s: DumpingState, slot: Integers, lids: Floats, rise: Floats, known_s: Floats, level: Floats
    ) -> None:
        room = np.isfinite(known_s) & (level < LOWEST)
        fading = np.where(room, np.exp(-lids / self._parameters.ratio_memory_lids), 1.0)
        s.rise[slot] = fading * s.rise[slot] + np.where(room, rise, 0.0)
        s.rise_lids[slot] = fading * s.rise_lids[slot] + np.where(room, lids, 0.0)
