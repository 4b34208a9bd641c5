"""When a container will be full: a discrete-time hazard, learned from histories that an emptying cut short."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from city.errors import BadInput
from models.fill_history import AHEAD, LONGEST_D, DailyLevels, Outlook, Singles, Watch, outlooks, watch
from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats, Integers

_CHUNK = 20_000
_LEAST_EVENTS = 30
_LEAST_HAZARD = 1e-4
PIVOT = -2.0


@dataclass(frozen=True)
class TimeToFullParameters:
    """Numbers of the forecast of the time to full.

    Parameters
    ----------
    full_ratio, emptying_ratio
        The level that counts as full; a fall that counts as an emptying. Ratios of the usable volume.
    refit_days
        It is learned again every so many days, from what is known by then.
    boostings, trees
        Boosted models of different seeds, and trees of the randomised forest.
    most_watched_days
        Days under watch to learn from; of more, a random part is taken.
    boosted_share
        Weight of the boosted models in the mean of the log odds; the forest has the rest.
    sharpness
        By how much the mean of the log odds is stretched: a mean of models is too cautious.
    interval_margin
        Whole days make an 80 % interval too wide. A probability that is less than this above .1 or below .9 is moved
        to the other side, so that the days at which it passes .1 and .9 hold 80 %.
    seed
        Of all that is random.
    """

    full_ratio: float = 0.8
    emptying_ratio: float = 0.4
    refit_days: int = 14
    boostings: int = 1
    trees: int = 40
    most_watched_days: int = 100_000
    boosted_share: float = 0.5
    sharpness: float = 1.05
    interval_margin: float = 0.02
    seed: int = 1

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("seed", "interval_margin", "boosted_share"))
        if self.boosted_share > 1 or self.interval_margin >= 0.4:
            raise BadInput("boosted_share is above 1, or interval_margin not below 0.4.", "Give smaller ones.")


class HazardModel:
    """The probability of being seen full on each of the coming days, learned once.

    Boosted trees and a forest of randomised trees each estimate the hazard of a day ahead, given that the container
    was not seen full before; the mean of their log odds is stretched. Where there is too little to learn from, the
    fleet's counted hazard stands in.

    References
    ----------
    Discrete-time hazard: J. D. Singer and J. B. Willett, "It's about time", 1993. Randomised trees: P. Geurts et al.,
    "Extremely randomized trees", 2006. Stretching a mean of forecasts: R. Ranjan and T. Gneiting, "Combining
    probability forecasts", 2010.
    """

    def __init__(self, parameters: TimeToFullParameters | None = None) -> None:
        self.parameters = parameters or TimeToFullParameters()
        self._boosted: list[HistGradientBoostingClassifier] = []
        self._forest: ExtraTreesClassifier | None = None
        self._typical: Singles = np.zeros(0, np.float32)

    def fit(self, known: Outlook, day: Integers, seen: Watch, until_day: int) -> "HazardModel":
        """Learn from what is known by the end of `until_day`, and return itself.

        Parameters
        ----------
        known, day, seen
            Of ``n`` readings: what was known at each, its day, and what became of it. What came after `until_day` is
            not looked at.
        """
        p = self.parameters
        watched_d = np.minimum(seen.duration_d, np.maximum(until_day - day, 0))
        rng = np.random.default_rng([p.seed, until_day])
        origin = np.flatnonzero(watched_d)
        if watched_d.sum() > p.most_watched_days:
            origin = np.sort(rng.permutation(origin)[: int(len(origin) * p.most_watched_days / watched_d.sum())])
        row, ahead, full = _watched_days(seen, watched_d, origin)
        self._boosted, self._forest = [], None
        if min(full.sum(), (~full).sum()) < _LEAST_EVENTS:
            return self
        features = _design(known, row, ahead)
        for k in range(p.boostings):
            boosted = HistGradientBoostingClassifier(
                learning_rate=0.05,
                max_iter=120,
                max_leaf_nodes=8,
                min_samples_leaf=80,
                l2_regularization=5.0,
                max_features=0.4,
                early_stopping=False,
                random_state=p.seed + k,
            )
            self._boosted.append(boosted.fit(features, full))
        self._typical = np.where(np.isfinite(features).any(0), _medians(features), 0).astype(np.float32)
        forest = ExtraTreesClassifier(
            p.trees, min_samples_leaf=15, max_features=0.4, bootstrap=True, max_samples=0.5, random_state=p.seed
        )
        self._forest = forest.fit(self._filled(features), full)
        return self

    def log_odds(self, known: Outlook) -> Floats:
        """Return the log odds of being full on each day ahead if not before, ``(n, LONGEST_D)``, not yet stretched."""
        n = len(known.now)
        if self._forest is None:
            counted = known.ahead[:, :, AHEAD.index("hazard_slow")].astype(np.float64)
            return np.asarray(logit(np.clip(counted, _LEAST_HAZARD, 1 - _LEAST_HAZARD)), np.float64)
        odds = np.empty(n * LONGEST_D)
        share = self.parameters.boosted_share
        for start in range(0, n, _CHUNK):
            row = np.repeat(np.arange(start, min(start + _CHUNK, n)), LONGEST_D)
            ahead = np.tile(np.arange(LONGEST_D), len(row) // LONGEST_D)
            features = _design(known, row, ahead)
            boosted = np.mean([one.predict_proba(features)[:, 1] for one in self._boosted], axis=0)
            of_forest = self._forest.predict_proba(self._filled(features))[:, 1]
            both = np.clip([boosted, of_forest], _LEAST_HAZARD, 1 - _LEAST_HAZARD)
            odds[start * LONGEST_D : start * LONGEST_D + len(row)] = [share, 1 - share] @ logit(both)
        return odds.reshape(n, LONGEST_D)

    def p_full(self, known: Outlook) -> Floats:
        """Return the probability of having been seen full within 1, 2, … days, ``(n, LONGEST_D)``, rising."""
        return chance(self.log_odds(known), self.parameters.sharpness, self.parameters.interval_margin)

    def _filled(self, features: Singles) -> Singles:
        return np.where(np.isnan(features), self._typical, features)


def chance(log_odds: Floats, sharpness: float = 1.0, interval_margin: float = 0.0) -> Floats:
    """Return the probability of an event by the end of each day, from the log odds of the days, ``(n, days)``.

    >>> chance(np.full((1, 3), -1.0), 1.0).round(2).tolist()
    [[0.27, 0.47, 0.61]]
    """
    hazard = expit(PIVOT + sharpness * (log_odds - PIVOT))
    p = np.asarray(1 - np.cumprod(1 - hazard, axis=1), np.float64)
    p = np.where((p >= 0.1) & (p < 0.1 + interval_margin), 0.0999, p)
    p = np.where((p <= 0.9) & (p > 0.9 - interval_margin), 0.9001, p)
    return np.maximum.accumulate(p, axis=1)


def walk_forward(levels: DailyLevels, train_until_day: int, parameters: TimeToFullParameters | None = None) -> Floats:
    """Forecast at every reading after `train_until_day`, learning again as days go by.

    What is said at a reading follows from the readings up to its day, and the model learned at the last refit before.

    Parameters
    ----------
    levels
        Readings, ``(n,)``.

    Returns
    -------
    ``(n, LONGEST_D)``: the probability of being seen full within 1, 2, … days; NaN for readings until
    `train_until_day` and for those that are full.

    Raises
    ------
    BadInput
        A level is not finite or negative, or the columns differ in length.
    """
    p = parameters or TimeToFullParameters()
    if not np.isfinite(levels.level).all() or (levels.level < 0).any():
        raise BadInput("A level is no ratio.", "Give finite levels of 0 or more; leave out what is unknown.")
    known = outlooks(levels, full=p.full_ratio, emptying=p.emptying_ratio)
    seen = watch(levels, full=p.full_ratio, emptying=p.emptying_ratio)
    day, below = levels.day, levels.level < p.full_ratio - 1e-9
    said = np.full((len(day), LONGEST_D), np.nan)
    for refit_day in range(train_until_day, int(day.max(initial=train_until_day)), p.refit_days):
        ahead = np.flatnonzero(below & (day > refit_day) & (day <= refit_day + p.refit_days))
        model = HazardModel(p).fit(known, day, seen, refit_day)
        said[ahead] = model.p_full(Outlook(known.now[ahead], known.ahead[ahead]))
    return said


def _watched_days(seen: Watch, watched_d: Integers, origin: Integers) -> tuple[Integers, Integers, Booleans]:
    days = watched_d[origin]
    row = np.repeat(origin, days)
    ahead = np.arange(len(row)) - np.repeat(np.cumsum(days) - days, days)
    return row, ahead, seen.event[row] & (ahead + 1 == seen.duration_d[row])


def _design(known: Outlook, row: Integers, ahead: Integers) -> Singles:
    return np.concatenate([known.now[row], known.ahead[row, ahead]], axis=1)


def _medians(features: Singles) -> Floats:
    """Return the median of what is known in each column; 0 where nothing is."""
    ordered = np.sort(features, axis=0)
    count = np.isfinite(features).sum(0)
    return np.asarray(ordered[np.maximum(count - 1, 0) // 2, np.arange(features.shape[1])], np.float64)
