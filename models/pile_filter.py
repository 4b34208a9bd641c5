"""How the belief about what lies beside a cluster moves: with time, with bags left, with the frames of a camera."""

import numpy as np

from models.dumping_parameters import DAY_S, DumpingParameters
from models.piles import (
    CLUTTER,
    CLUTTER_SIZES,
    DUMPED,
    DUMPED_STEADY,
    LEFT,
    LEFT_STEADY,
    PILES,
    seen_given_there,
    size_of_a_dump,
)
from models.rows import Floats, Integers


class PileFilter:
    """Moves beliefs ``(m, PILES, CLUTTER)`` of sites; see `models.piles` for what is told apart.

    References
    ----------
    Forward filter: L. R. Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech
    Recognition", 1989. Tempered likelihood: N. Friel and A. N. Pettitt, "Marginal Likelihood Estimation via Power
    Posteriors", 2008.
    """

    def __init__(self, parameters: DumpingParameters) -> None:
        p = self._parameters = parameters
        self._seen = seen_given_there((p.sight, p.sight_poor), p.occluded, p.steady) ** p.frame_weight
        self._seen = self._seen.astype(np.float32)
        self._arrives = size_of_a_dump(p.bags_per_dump).astype(np.float32)

    def moved_on(
        self, belief: Floats, elapsed_s: Floats, clutter: Floats, steady: Floats, dumps_per_day: Floats
    ) -> Floats:
        """Return the beliefs after `elapsed_s`, ``(m,)``.

        Parameters
        ----------
        clutter, steady, dumps_per_day
            ``(m,)``; share of the time with clutter, share of the piles that are seen steadily, rate of dumping.
        """
        p = self._parameters
        exact = belief.dtype
        stays = np.exp(-elapsed_s / p.clutter_lasts_s)[:, None, None].astype(exact)
        usual = np.column_stack([1 - clutter, *(one * clutter for one in CLUTTER_SIZES)]).astype(exact)
        belief = stays * belief + (1 - stays) * belief.sum(axis=2, keepdims=True) * usual[:, None, :]
        gone = -np.expm1(-elapsed_s / p.lies_s)[:, None].astype(exact)
        belief[:, 0] += gone * belief[:, 1:].sum(axis=1)
        belief[:, 1:] *= 1 - gone[:, None]
        dumped = -np.expm1(-dumps_per_day * elapsed_s / DAY_S)[:, None].astype(exact)
        steady = steady.astype(exact)
        new = (dumped * belief[:, 0])[:, None, :] * self._arrives[:, None]
        belief[:, DUMPED] += (1 - steady[:, None, None]) * new
        belief[:, DUMPED_STEADY] += steady[:, None, None] * new
        belief[:, 0] *= 1 - dumped
        return belief

    def with_bags_left(self, belief: Floats, chance: Floats, steady: Floats) -> Floats:
        """Return the beliefs after each site got another bag with the probability `chance`, ``(m,)``."""
        exact = belief.dtype
        belief, share, steady = belief.copy(), chance[:, None].astype(exact), steady[:, None].astype(exact)
        for group in (DUMPED, DUMPED_STEADY, LEFT, LEFT_STEADY):
            for k in range(group.stop - 1, group.start, -1):
                belief[:, k] += share * belief[:, k - 1]
                belief[:, k - 1] *= 1 - share
        belief[:, LEFT.start] += (1 - steady) * share * belief[:, 0]
        belief[:, LEFT_STEADY.start] += steady * share * belief[:, 0]
        belief[:, 0] *= 1 - share
        return belief

    def weighed(self, belief: Floats, objects: Integers) -> Floats:
        """Return the beliefs after a frame that counted `objects`, ``(m,)``, above what always stands there."""
        belief = belief * self._seen[objects]
        known: Floats = belief / belief.reshape(len(belief), PILES * CLUTTER).sum(axis=1)[:, None, None]
        return known


def probability_of_waste(belief: Floats) -> Floats:
    """Return the probability that anything lies there, ``(m,)``."""
    there: Floats = np.clip(1.0 - belief[:, 0].astype(np.float64).sum(axis=1), 0.0, 1.0)
    return there
