"""What a camera counts when something lies there: the tables of the dumping model."""

from collections.abc import Sequence
from math import comb, exp

import numpy as np

from models.rows import Floats

# Objects of one pile that are told apart; the last one means so many and more.
PILE = 4
# The piles: none; dumped or left for want of room, each seen unsteadily or steadily by the camera, each of 1.. objects.
PILES = 1 + 4 * PILE
DUMPED, DUMPED_STEADY, LEFT, LEFT_STEADY = (slice(1 + k * PILE, 1 + (k + 1) * PILE) for k in range(4))
SIZES = np.array([0, *(1 + np.arange(4 * PILE) % PILE)], np.float64)
# Clutter: none, one thing, two, three and more; and the share of the last three among clutter.
CLUTTER = 4
CLUTTER_SIZES = (0.70, 0.24, 0.06)
MOST_SEEN = 9
_SIZE_OF_MORE_CLUTTER = (0.85, 0.15)
_ANYTHING = 0.02


def size_of_a_dump(mean: float) -> Floats:
    """Return the chances of 1, 2, … objects, ``(PILE,)``: one and a Poisson number more.

    >>> size_of_a_dump(3.0).round(2).tolist()
    [0.14, 0.27, 0.27, 0.32]
    """
    chances = np.ones(PILE)
    for k in range(1, PILE):
        chances[k] = chances[k - 1] * max(mean - 1, 0) / k
    chances *= exp(-max(mean - 1, 0))
    chances[-1] += 1 - chances.sum()
    return chances


def seen_given_there(sights: Sequence[float], occluded: float, steady: float) -> Floats:
    """Return the chance of each count.

    Parameters
    ----------
    sights, occluded
        Shares of a pile's objects that are counted when it is seen unsteadily, each as likely as the others; and share
        of the frames in which something stands before it.
    steady
        Share of the frames in which a pile that is seen steadily is counted as it is.

    Returns
    -------
    ``(MOST_SEEN + 1, PILES, CLUTTER)``: for each count, each pile and each kind of clutter.
    """
    table = np.empty((MOST_SEEN + 1, PILES, CLUTTER))
    for clutter in range(CLUTTER):
        table[:, 0, clutter] = _with_clutter(np.eye(MOST_SEEN + 1)[0], clutter)
        for k in range(PILE):
            # The largest pile stands for larger ones too.
            there = (k + 1,) if k + 1 < PILE else (PILE, PILE + 1, PILE + 2)
            unsteady = np.mean([_counted(size, sights, occluded) for size in there], axis=0)
            steadily = np.mean([_counted(size, (1.0,), 0.0) for size in there], axis=0)
            blurred = 0.5 * np.r_[steadily[1:], 0.0] + 0.5 * np.r_[0.0, steadily[:-1]]
            table[:, [DUMPED.start + k, LEFT.start + k], clutter] = _with_clutter(unsteady, clutter)[:, None]
            table[:, [DUMPED_STEADY.start + k, LEFT_STEADY.start + k], clutter] = _with_clutter(
                steady * steadily + (1 - steady) * blurred, clutter
            )[:, None]
    return table


def _with_clutter(chances: Floats, clutter: int) -> Floats:
    more = _SIZE_OF_MORE_CLUTTER if clutter == CLUTTER - 1 else (1.0,)
    sums = np.full(len(chances), _ANYTHING / len(chances))
    for added, share in enumerate(more):
        kinds = clutter + added
        sums[kinds:] += (1 - _ANYTHING) * share * chances[: len(chances) - kinds]
    return sums


def _counted(size: int, sights: Sequence[float], occluded: float) -> Floats:
    chances = np.zeros(MOST_SEEN + 1)
    for sight in sights:
        for k in range(size + 1):
            chances[k] += comb(size, k) * sight**k * (1 - sight) ** (size - k) / len(sights)
    chances *= 1 - occluded
    chances[0] += occluded
    return chances
