"""How near a container is to its brim, and whether bags were left beside it since it was full.

A container is full when its level, as its sensor measures it, has reached a brim whose place is not quite known:
sensors are a little off. While there is room, every lid opening raises the level by what a deposit takes there; once
there is none, the level stays and every opening may leave a bag beside. So openings that no longer raise the level say
"full" as much as the level does.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from models.rows import Floats, Integers

# Levels that are told apart near the brim; below the first one a container has room, whatever is thrown in next.
BINS = 16
LOWEST = 0.835
STEP = 0.0125
LEVELS = LOWEST + STEP * np.arange(BINS)
# What is told apart at each level: room, or full; each without and with bags beside it.
ROOM, ROOM_BAGS, FULL, FULL_BAGS = range(4)
# A deposit raises the level by so many steps, or more, spread as three arrivals are.
_RISES = 14
_DEPOSITS_AT_ONCE = 4
_READ_TO = 0.01
_CAPPED_FROM = 0.995


class Brim(NamedTuple):
    """Numbers of the filter; their meaning is told in `models.dumping_parameters.DumpingParameters`."""

    full_ratio: float
    full_sd: float
    level_sd: float
    level_outliers: float
    resettles_per_day: float
    left_when_full: float
    lies_s: float

    def has_room(self) -> Floats:
        """Return the probability that a container whose level reached each of `LEVELS` has room, ``(BINS,)``."""
        room: Floats = np.maximum(ndtr((self.full_ratio - LEVELS) / self.full_sd), 1e-4)
        return room


def woken(brim: Brim, level: Floats) -> Floats:
    """Return the belief about containers of which only the level is known, ``(m, 4, BINS)``, float32: no bags yet.

    Parameters
    ----------
    level
        ``(m,)``, ratio.
    """
    belief: Floats = np.zeros((len(level), 4, BINS), np.float32).astype(np.float32)
    near, room = _near(level), brim.has_room()
    belief[:, ROOM], belief[:, FULL] = near * room, near * (1 - room)
    return belief


def elapsed(brim: Brim, belief: Floats, elapsed_s: Floats, level: Floats) -> Floats:
    """Return the belief after some time, ``(m, 4, BINS)``: bags are taken away, and waste settles, which makes room.

    Parameters
    ----------
    elapsed_s, level
        ``(m,)``; how long, s, and the level, ratio, about which a container that settled is looked for again.
    """
    goes = -np.expm1(-elapsed_s / brim.lies_s)[:, None].astype(belief.dtype)
    settles = -np.expm1(-brim.resettles_per_day * elapsed_s / 86_400.0)[:, None].astype(belief.dtype)
    near, room = _near(level).astype(belief.dtype), brim.has_room().astype(belief.dtype)
    total = belief.sum(axis=2)
    after = belief * (1 - settles)[:, None]
    for bags in (0, 1):
        again = settles * (total[:, ROOM + bags] + total[:, FULL + bags])[:, None] * near
        after[:, ROOM + bags] += again * room
        after[:, FULL + bags] += again * (1 - room)
    for place in (ROOM, FULL):
        taken = goes * after[:, place + 1]
        after[:, place] += taken
        after[:, place + 1] -= taken
    moved: Floats = after
    return moved


def deposited(brim: Brim, belief: Floats, lids: Floats, ratio_per_lid: Floats) -> Floats:
    """Return the belief after lid openings, ``(m, 4, BINS)``.

    Parameters
    ----------
    lids
        ``(m,)``, above 0; how often the lid was opened.
    ratio_per_lid
        ``(m,)``; by how much an opening raises the level of this container.
    """
    belief = belief.copy()
    parts = np.clip(np.ceil(lids / 2), 1, _DEPOSITS_AT_ONCE).astype(np.int64)
    for part in range(int(parts.max(initial=0))):
        now: Integers = np.flatnonzero(parts > part)
        share = lids[now] / parts[now]
        belief[now] = _risen(brim, belief[now], share, np.maximum(share * ratio_per_lid[now], 1e-4))
    return belief


def seen(brim: Brim, belief: Floats, fill: Floats) -> Floats:
    """Return the belief after a reading of the level, ``(m, 4, BINS)``, with the sum 1.

    Parameters
    ----------
    fill
        ``(m,)``, ratio; a reading of 1 means so much or more.
    """
    read = np.maximum(fill, LOWEST)[:, None]
    gauss = np.exp(-0.5 * ((read - LEVELS) / brim.level_sd) ** 2) * (_READ_TO / (brim.level_sd * 2.5066282746310002))
    likely = np.where(read >= _CAPPED_FROM, ndtr((LEVELS - _CAPPED_FROM) / brim.level_sd), gauss)
    likely = (1 - brim.level_outliers) * likely + brim.level_outliers * _READ_TO
    weighed = belief * likely.astype(belief.dtype)[:, None, :]
    known: Floats = weighed / weighed.reshape(len(weighed), 4 * BINS).sum(axis=1)[:, None, None]
    return known


def _near(level: Floats) -> Floats:
    near = np.exp(-0.5 * ((np.clip(level, LOWEST, LEVELS[-1])[:, None] - LEVELS) / 0.018) ** 2)
    spread: Floats = near / near.sum(axis=1, keepdims=True)
    return spread


def _risen(brim: Brim, belief: Floats, lids: Floats, mean_rise: Floats) -> Floats:
    after = belief.copy()
    left = -np.expm1(lids * np.log1p(-brim.left_when_full))[:, None] * belief[:, FULL]
    after[:, FULL] -= left
    after[:, FULL_BAGS] += left
    edges = np.maximum(np.arange(_RISES) - 0.5, 0.0) * (3 * STEP) / mean_rise[:, None]
    at_most = 1 - np.exp(-edges) * (1 + edges * (1 + edges / 2))
    by = np.diff(at_most, axis=1, append=1.0)
    by, room = by.astype(belief.dtype), brim.has_room().astype(belief.dtype)
    for bags in (0, 1):
        before = belief[:, ROOM + bags]
        # Where there was room at one level, there is room at a higher one with the ratio of what each says.
        unfilled = before / room
        arrives, still_room = np.zeros_like(before), np.zeros_like(before)
        for rise in range(_RISES):
            chance = by[:, rise, None]
            arrives[:, rise:] += chance * before[:, : BINS - rise]
            still_room[:, rise:] += chance * unfilled[:, : BINS - rise]
            if rise:
                arrives[:, -1] += by[:, rise] * before[:, BINS - rise :].sum(axis=1)
        still_room = np.minimum(still_room * room, arrives)
        after[:, ROOM + bags] = still_room
        after[:, FULL + bags] += arrives - still_room
    return after
