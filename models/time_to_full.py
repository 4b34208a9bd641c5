"""When a container will be full: a discrete-time hazard, learned from histories that an emptying cut short."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from city.errors import BadInput
from models.fill_history import AHEAD, LONGEST_D, DailyLevels, Outlook, Singles, Watch, outlooks, watch
from models.parameters import check_finite_and_positive
from models.rows import Floats, Integers

_CHUNK = 20_000
_LEAST_EVENTS = 30
_LEAST_HAZARD = 1e-4


@dataclass(frozen=True)
class TimeToFullParameters:
    """Numbers of the forecast of the time to full.

    Parameters
    ----------
    full_ratio, emptying_ratio
        The level that counts as full; a fall that counts as an emptying. Ratios of the usable volume.
    refit_days
        It is learned again every so many days, from what is known by then.
    folds
        Earlier refits that are made up for at the first one, so that there are forecasts to calibrate with.
    boostings, trees
        Boosted models of different seeds, and trees of the randomised forest.
    most_watched_days
        Days under watch to learn from; of more, a random part is taken.
    calibration_weight
        How many watched days of evidence the plain mean of the members is worth against a learned combination.
    seed
        Of all that is random.
    """

    full_ratio: float = 0.8
    emptying_ratio: float = 0.4
    refit_days: int = 28
    folds: int = 3
    boostings: int = 2
    trees: int = 120
    most_watched_days: int = 100_000
    calibration_weight: float = 200.0
    seed: int = 1

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("seed", "folds", "calibration_weight"))


class Combination(NamedTuple):
    """How the members' log odds become one: `bias` plus their sum with `weights`, ``(members,)``."""

    bias: float
    weights: Floats


class HazardModel:
    """The probability of being seen full on each of the coming days, learned once.

    Boosted trees and a forest of randomised trees each estimate the hazard of a day ahead, given that the container
    was not seen full before; a logistic combination, learned on forecasts that were made before their outcome was
    known, calibrates their mean. Where there is too little to learn from, the fleet's counted hazard stands in.

    References
    ----------
    Discrete-time hazard: J. D. Singer and J. B. Willett, "It's about time", 1993. Stacking: D. H. Wolpert, "Stacked
    generalization", 1992. Randomised trees: P. Geurts et al., "Extremely randomized trees", 2006.
    """

    def __init__(self, parameters: TimeToFullParameters | None = None) -> None:
        self.parameters = parameters or TimeToFullParameters()
        self._boosted: list[HistGradientBoostingClassifier] = []
        self._forest: ExtraTreesClassifier | None = None
        self._typical: Singles = np.zeros(0, np.float32)
        self.combination: Combination | None = None

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
                max_iter=150,
                max_leaf_nodes=15,
                min_samples_leaf=60,
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

    def members(self, known: Outlook) -> Floats:
        """Return the hazards that each member gives, ``(members, n, LONGEST_D)``."""
        n = len(known.now)
        if self._forest is None:
            return known.ahead[:, :, AHEAD.index("hazard_slow")].astype(np.float64)[None]
        hazards = np.empty((2, n * LONGEST_D))
        for start in range(0, n, _CHUNK):
            row = np.repeat(np.arange(start, min(start + _CHUNK, n)), LONGEST_D)
            ahead = np.tile(np.arange(LONGEST_D), len(row) // LONGEST_D)
            features = _design(known, row, ahead)
            these = slice(start * LONGEST_D, start * LONGEST_D + len(row))
            hazards[0, these] = np.mean([one.predict_proba(features)[:, 1] for one in self._boosted], axis=0)
            hazards[1, these] = self._forest.predict_proba(self._filled(features))[:, 1]
        return hazards.reshape(2, n, LONGEST_D)

    def p_full(self, known: Outlook) -> Floats:
        """Return the probability of having been seen full within 1, 2, … days, ``(n, LONGEST_D)``, rising."""
        return chance(combined(self.members(known), self.combination))

    def _filled(self, features: Singles) -> Singles:
        return np.where(np.isnan(features), self._typical, features)


def combined(members: Floats, combination: Combination | None = None) -> Floats:
    """Return one hazard of those of the members, ``(members, …)``: combined, or the mean of their log odds."""
    odds = logit(np.clip(members, _LEAST_HAZARD, 1 - _LEAST_HAZARD))
    if combination is None or len(combination.weights) != len(members):
        return np.asarray(expit(odds.mean(0)), np.float64)
    return np.asarray(expit(combination.bias + np.tensordot(combination.weights, odds, 1)), np.float64)


def chance(hazard: Floats) -> Floats:
    """Return the probability of an event by the end of each day, from the hazards of the days, ``(n, days)``."""
    return np.asarray(1 - np.cumprod(1 - hazard, axis=1), np.float64)


def learn_combination(members: Floats, full: Floats, weight: float) -> Combination:
    """Return the combination that fits best what became of forecasts, held towards the plain mean.

    Parameters
    ----------
    members
        ``(members, n)``, hazards that were said before `full` was known.
    full
        ``(n,)``, 1 = it was seen full on that day.
    weight
        Watched days that the plain mean is worth.
    """
    odds = logit(np.clip(members, _LEAST_HAZARD, 1 - _LEAST_HAZARD))
    start = np.r_[0.0, np.full(len(members), 1 / len(members))]

    def loss(x: Floats) -> tuple[float, Floats]:
        z = x[0] + x[1:] @ odds
        apart = x - start
        error = expit(z) - full
        slope = np.r_[error.sum(), odds @ error] + weight * apart
        return float(np.logaddexp(0, z).sum() - (full * z).sum() + 0.5 * weight * (apart @ apart)), slope

    best = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Combination(float(best[0]), best[1:])


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
    told: list[tuple[Integers, Floats]] = []
    last = int(day.max(initial=train_until_day))
    for refit_day in range(train_until_day - p.folds * p.refit_days, last, p.refit_days):
        ahead = np.flatnonzero(below & (day > refit_day) & (day <= refit_day + p.refit_days))
        model = HazardModel(p).fit(known, day, seen, refit_day)
        of_these = Outlook(known.now[ahead], known.ahead[ahead])
        hazards = model.members(of_these)
        if refit_day >= train_until_day:
            combination = _combination(told, seen, day, refit_day, len(hazards), p)
            said[ahead] = chance(combined(hazards, combination))
        told.append((ahead, hazards))
    return said


def _combination(
    told: list[tuple[Integers, Floats]],
    seen: Watch,
    day: Integers,
    until_day: int,
    members: int,
    p: TimeToFullParameters,
) -> Combination | None:
    said, became = [], []
    for rows, hazards in told:
        if len(hazards) != members:
            continue
        watched_d = np.zeros(len(day), np.int64)
        watched_d[rows] = np.minimum(seen.duration_d[rows], np.maximum(until_day - day[rows], 0))
        row, ahead, full = _watched_days(seen, watched_d, rows)
        place = np.searchsorted(rows, row)
        said.append(hazards[:, place, ahead])
        became.append(full)
    if not said or not np.concatenate(became).any():
        return None
    return learn_combination(
        np.concatenate(said, axis=1), np.concatenate(became).astype(np.float64), p.calibration_weight
    )


def _watched_days(seen: Watch, watched_d: Integers, origin: Integers) -> tuple[Integers, Integers, np.ndarray]:  # type: ignore[type-arg]
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
