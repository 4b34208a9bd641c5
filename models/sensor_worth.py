"""Is a sensor worth it here: what a container's readings change in decisions that the forecast would take alone."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from city.errors import BadInput
from models.emptyings import seen_emptyings
from models.fill import DAY_S, FillModel
from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats, Rows

MONTH_D = 30.4


@dataclass(frozen=True)
class WorthParameters:
    """How decisions are taken and judged.

    Parameters
    ----------
    every_s, first_s
        A decision is taken every so often, the first so long after the first day began.
    until_next_s
        A container that is not chosen waits so long for its next chance.
    must_probability
        It is chosen above this probability of being full by then.
    full_ratio
        The level that counts as full.
    warm_up_days
        Days at the beginning that only teach.
    needless_cost, missed_cost
        What a needless visit and a missed full container count, to be compared.
    least_gain
        Cost a month that a sensor must save to be called worth it.
    lift_spread
        Relative standard deviation of the weight of a lift, where crews' weights are not in the rows.
    """

    every_s: float = DAY_S
    first_s: float = 7 * 3600.0
    until_next_s: float = 1.5 * DAY_S
    must_probability: float = 0.5
    full_ratio: float = 0.9
    warm_up_days: float = 10.0
    needless_cost: float = 1.0
    missed_cost: float = 3.0
    least_gain: float = 1.0
    lift_spread: float = 0.15

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("first_s", "warm_up_days", "lift_spread", "least_gain"))


class SensorWorth(NamedTuple):
    """Of each container, ``(n,)``: figures a month; NaN where too little could be judged.

    Parameters
    ----------
    days
        Decisions that could be judged, in days.
    changed
        Decisions that the readings change.
    needless, missed
        Visits to a container that would not have been full, and full ones not visited, with the sensor.
    needless_without, missed_without
        The same from the forecast alone.
    saved
        Cost that the readings save; below 0, they cost.
    is_worth_it
        Whether that is enough. False where too little could be judged: then nothing is known, see `days`.
    sentence
        For people.
    """

    days: Floats
    changed: Floats
    needless: Floats
    missed: Floats
    needless_without: Floats
    missed_without: Floats
    saved: Floats
    is_worth_it: Booleans
    sentence: tuple[str, ...]


def sensor_worth(
    model: FillModel, rows: Rows, parameters: WorthParameters | None = None, *, seed: int = 1, least_days: float = 14.0
) -> SensorWorth:
    """Replay a history twice, with its readings and without, and count the decisions that turn out wrong.

    Without, the model knows when a container was emptied and what the lift weighed, as crews tell it. Where they told
    nothing, the emptyings that the levels show stand for what they would have told, with a weight that is off by
    `lift_spread`. A decision is judged by whether a reading showed the container full before the next chance; where an
    emptying or silence hides that, it is left out.

    Parameters
    ----------
    rows
        Readings and visits of some weeks.
    seed
        Of the weights that are made up for.

    Raises
    ------
    BadInput
        There are no readings.
    """
    p = parameters or WorthParameters()
    fill = rows.value("fill_ratio")
    read = np.isfinite(fill) & ~rows.is_visit & ~rows.is_report
    if not read.any():
        raise BadInput("There are no readings of a level.", "Give rows of containers that have a sensor.")
    alone = _without_sensor(model, rows, read, p, seed)
    first_s = float(rows.at_s[0] // DAY_S * DAY_S) + p.first_s
    times = np.arange(first_s, float(rows.at_s[-1]) - p.until_next_s, p.every_s)
    chosen = [_decisions(model, one, times, p) for one in (rows, alone)]
    becomes_full, judged = _outcomes(model, rows, read, times, p)
    judged &= (times >= rows.at_s[0] + p.warm_up_days * DAY_S) & np.isfinite(chosen[0]) & np.isfinite(chosen[1])
    goes, goes_alone = chosen[0] > p.must_probability, chosen[1] > p.must_probability

    days = judged.sum(1) * p.every_s / DAY_S
    with np.errstate(divide="ignore", invalid="ignore"):
        month = np.where(days >= least_days, MONTH_D / days, np.nan)

    def per_month(happens: Booleans) -> Floats:
        return np.asarray((happens & judged).sum(1) * month, np.float64)

    needless, missed = per_month(goes & ~becomes_full), per_month(~goes & becomes_full)
    needless_0, missed_0 = per_month(goes_alone & ~becomes_full), per_month(~goes_alone & becomes_full)
    saved = p.needless_cost * (needless_0 - needless) + p.missed_cost * (missed_0 - missed)
    changed = per_month(goes != goes_alone)
    worth = np.nan_to_num(saved) >= p.least_gain
    known = SensorWorth(days, changed, needless, missed, needless_0, missed_0, saved, worth, ())
    return known._replace(sentence=tuple(_sentence(known, i, least_days) for i in range(len(days))))


def _sentence(worth: SensorWorth, i: int, least_days: float) -> str:
    if np.isnan(worth.saved[i]):
        return f"Not known: {worth.days[i]:.0f} days could be judged, {least_days:.0f} are needed."
    verdict = "The sensor is worth it" if worth.is_worth_it[i] else "The forecast alone does nearly as well"
    return (
        f"{verdict}: its readings change {worth.changed[i]:.1f} decisions a month; "
        f"needless visits {worth.needless_without[i]:.1f} → {worth.needless[i]:.1f}, "
        f"full and not visited {worth.missed_without[i]:.1f} → {worth.missed[i]:.1f} a month."
    )


def _without_sensor(model: FillModel, rows: Rows, read: Booleans, p: WorthParameters, seed: int) -> Rows:
    """Return what crews tell, or would have told."""
    seen = seen_emptyings(model, rows)
    told = np.flatnonzero(rows.is_visit)
    has_told = np.zeros(len(model.entities), np.bool_)
    has_told[rows.entity[told]] = True
    new = np.flatnonzero(~has_told[seen.entity])
    rng = np.random.default_rng(seed)
    level = np.array([_level_before(rows, read, int(seen.entity[k]), float(seen.at_s[k])) for k in new])
    luck = np.maximum(1 + p.lift_spread * rng.standard_normal(len(new)), 0.1)
    weight = level * model.volume_m3[seen.entity[new]] * model.density_kg_m3[seen.entity[new]] * luck
    return replace(
        Rows.of_columns(
            rows.now_s,
            np.r_[rows.entity[told], seen.entity[new]],
            np.r_[rows.at_s[told], seen.at_s[new]],
            {
                "lift_kg": np.r_[rows.value("lift_kg")[told], weight],
                "seen_fill_ratio": np.r_[rows.value("seen_fill_ratio")[told], np.full(len(new), np.nan)],
            },
            is_visit=True,
        ),
        now_s=rows.now_s,
    )


def _level_before(rows: Rows, read: Booleans, entity: int, at_s: float) -> float:
    mine = np.flatnonzero(read & (rows.entity == entity) & (rows.at_s < at_s))
    return float(np.median(rows.value("fill_ratio")[mine[-3:]])) if len(mine) else float("nan")


def _decisions(model: FillModel, rows: Rows, times: Floats, p: WorthParameters) -> Floats:
    """Return the probability of being full before the next chance, ``(n, times)``, as known at each of `times`."""
    said = np.full((len(model.entities), len(times)), np.nan)
    state = model.initial_state()
    start = 0
    for k, at in enumerate(times):
        end = int(np.searchsorted(rows.at_s, at, "right"))
        state, _ = model.update(state, rows.part(slice(start, end), float(at)))
        start = end
        ahead = model.forecast(state, [at + p.until_next_s], full_at=p.full_ratio)
        said[:, k] = ahead.overflow_probability[:, 0]
    return said


def _outcomes(
    model: FillModel, rows: Rows, read: Booleans, times: Floats, p: WorthParameters
) -> tuple[Booleans, Booleans]:
    """Return whether each container was read full before the next chance, and whether that can be judged."""
    n = len(model.entities)
    full, judged = np.zeros((n, len(times)), np.bool_), np.zeros((n, len(times)), np.bool_)
    fill = rows.value("fill_ratio")
    seen = seen_emptyings(model, rows)
    emptied_e = np.r_[rows.entity[rows.is_visit], seen.entity]
    emptied_s = np.r_[rows.at_s[rows.is_visit], seen.at_s]
    order = np.flatnonzero(read)[np.argsort(rows.entity[read], kind="stable")]
    for i in range(n):
        mine = order[np.searchsorted(rows.entity[order], i, "left") : np.searchsorted(rows.entity[order], i, "right")]
        at_s, level = rows.at_s[mine], fill[mine]
        # One wild reading is no full container: the one after it must agree.
        is_full = (level >= p.full_ratio) & np.r_[level[1:] >= p.full_ratio - 0.1, level[-1:] >= p.full_ratio]
        ends = np.sort(emptied_s[emptied_e == i])
        for k, at in enumerate(times):
            next_s = at + p.until_next_s
            end = np.searchsorted(ends, at, "right")
            until = min(next_s, ends[end] if end < len(ends) else np.inf)
            within = (at_s > at) & (at_s < until)
            full[i, k] = bool(is_full[within].any())
            heard = bool(within.any()) and at_s[within][-1] >= next_s - 0.5 * p.every_s
            judged[i, k] = full[i, k] or (until == next_s and heard)
    return full, judged
