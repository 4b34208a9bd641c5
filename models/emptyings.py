"""Emptyings that levels show, matched with those that crews say they did."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.fill import FillModel
from models.fill_parameters import FillParameters
from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats, Integers, Rows

_FILL = FillParameters()


@dataclass(frozen=True)
class EmptyingParameters:
    """When a fall of the level and a crew's word are the same emptying.

    Parameters
    ----------
    within_s
        A fall and a claim no farther apart are the same.
    watched_s
        A claim can be checked where the level was read no longer than this before and after it.
    least_ratio
        From a level below this, the fall to what an emptying leaves may be too small for `FillModel` to call it one:
        that it saw none says nothing. Hardly less than its `emptying_ratio`, its `residue_ratio` and four `sensor_sd`.
    """

    within_s: float = 2 * 3600.0
    watched_s: float = 12 * 3600.0
    least_ratio: float = _FILL.emptying_ratio + _FILL.residue_ratio + 4 * _FILL.sensor_sd

    def __post_init__(self) -> None:
        check_finite_and_positive(self)


class Emptyings(NamedTuple):
    """Emptyings, ``(n,)`` each, by time: the container's index and when (s since 1970)."""

    entity: Integers
    at_s: Floats


class MatchedEmptyings(NamedTuple):
    """What levels and crews say together.

    Parameters
    ----------
    seen, claimed
        Both, and agreed: the i-th of one is the i-th of the other.
    claimed_not_seen
        A crew said so; the level was watched and did not fall.
    seen_not_claimed
        The level fell; no crew said so.
    not_observable
        A crew said so, where no level was read around that time, or there was next to nothing in it.
    """

    seen: Emptyings
    claimed: Emptyings
    claimed_not_seen: Emptyings
    seen_not_claimed: Emptyings
    not_observable: Emptyings


def seen_emptyings(model: FillModel, rows: Rows) -> Emptyings:
    """Return the emptyings that the levels alone show; what crews and citizens say is withheld from the model."""
    alone = rows.part(~rows.is_visit & ~rows.is_report)
    _, found = model.update(model.initial_state(), alone)
    falls = [(one.evidence[0].at_s, model.index[one.entity]) for one in found if one.kind == "emptied"]
    falls.sort()
    return Emptyings(np.array([i for _, i in falls], np.int64), np.array([at for at, _ in falls], np.float64))


def match_emptyings(
    seen: Emptyings, claimed: Emptyings, rows: Rows, parameters: EmptyingParameters | None = None
) -> MatchedEmptyings:
    """Match what levels show with what crews say; each is used once, the nearest in time first.

    Parameters
    ----------
    rows
        The readings by which a claim can be checked.

    Raises
    ------
    BadInput
        The columns of `seen` or `claimed` differ in length.

    >>> rows = Rows.of_columns(9e3, [0, 0, 0], [0.0, 3600, 7200], {"fill_ratio": [0.8, 0.02, 0.03]})
    >>> seen, claimed = Emptyings(np.array([0]), np.array([3600.0])), Emptyings(np.array([0]), np.array([3000.0]))
    >>> match_emptyings(seen, claimed, rows).claimed.at_s.tolist()
    [3000.0]
    """
    p = parameters or EmptyingParameters()
    for one in (seen, claimed):
        if len(one.entity) != len(one.at_s):
            raise BadInput("Containers and times of emptyings differ in length.", "Give one time per emptying.")
    i, j = _pairs(seen, claimed, p.within_s)
    rest = np.setdiff1d(np.arange(len(claimed.entity)), j)
    checked = _could_be_seen(Emptyings(claimed.entity[rest], claimed.at_s[rest]), rows, p)
    return MatchedEmptyings(
        _part(seen, i),
        _part(claimed, j),
        _part(claimed, rest[checked]),
        _part(seen, np.setdiff1d(np.arange(len(seen.entity)), i)),
        _part(claimed, rest[~checked]),
    )


def claimed_emptyings(rows: Rows) -> Emptyings:
    """Return what crews say they emptied."""
    return Emptyings(rows.entity[rows.is_visit], rows.at_s[rows.is_visit])


def precision_recall(found: Emptyings, true: Emptyings, within_s: float) -> tuple[float, float]:
    """Return the share of `found` that is true and the share of `true` that was found; NaN where there is none."""
    i, _ = _pairs(found, true, within_s)
    return (
        len(i) / len(found.entity) if len(found.entity) else float("nan"),
        len(i) / len(true.entity) if len(true.entity) else float("nan"),
    )


def _pairs(one: Emptyings, other: Emptyings, within_s: float) -> tuple[Integers, Integers]:
    """Return indices of pairs that are no farther apart, the nearest first."""
    order = np.lexsort((other.at_s, other.entity))
    pairs: list[tuple[float, int, int]] = []
    entity, at_s = other.entity[order], other.at_s[order]
    first = np.searchsorted(entity, one.entity, "left")
    last = np.searchsorted(entity, one.entity, "right")
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        near = a + np.flatnonzero(np.abs(at_s[a:b] - one.at_s[i]) <= within_s)
        pairs += [(abs(float(at_s[k] - one.at_s[i])), i, int(order[k])) for k in near]
    left: set[int] = set()
    right: set[int] = set()
    kept = []
    for _, i, j in sorted(pairs):
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
            kept.append((i, j))
    kept.sort()
    return np.array([i for i, _ in kept], np.int64), np.array([j for _, j in kept], np.int64)


def _could_be_seen(claims: Emptyings, rows: Rows, p: EmptyingParameters) -> Booleans:
    """Return which claims were watched: read shortly before, with something in it, and shortly after."""
    fill = rows.value("fill_ratio")
    read = np.flatnonzero(np.isfinite(fill) & ~rows.is_visit & ~rows.is_report)
    order = read[np.argsort(rows.entity[read], kind="stable")]
    entity = rows.entity[order]
    can = np.zeros(len(claims.entity), np.bool_)
    for k, (e, at) in enumerate(zip(claims.entity, claims.at_s, strict=True)):
        mine = order[np.searchsorted(entity, e, "left") : np.searchsorted(entity, e, "right")]
        times = rows.at_s[mine]
        before = (times < at) & (times >= at - p.watched_s)
        after = (times >= at) & (times <= at + p.watched_s)
        can[k] = bool(before.any() and after.any() and np.median(fill[mine[before]][-3:]) >= p.least_ratio)
    return can


def _part(one: Emptyings, which: npt.NDArray[np.int64]) -> Emptyings:
    return Emptyings(one.entity[which], one.at_s[which])
