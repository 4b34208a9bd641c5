"""What would relieve a signalised junction: its timing now and as proposed, what that saves, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from city.errors import BadInput
from models.figures import Refusal
from models.relief_advice import ApproachAdvice, PlanAdvice, Relief, is_worth_it
from models.relief_sentence import sentence
from models.rows import Floats, Integers
from models.signal_timing import (
    SignalParameters,
    Timing,
    control_delay_s,
    critical_flow_ratios,
)
from models.time_of_day_plans import DayPlan, Demand, best_timing, choose_plans, total_delay_s
from models.traffic_volumes import Volumes

MIN_WORKDAYS = 5
_MOST_WORKDAYS = 60
_DRAWS = 400
# A re-division of green that reaches this share of what a new cycle saves is proposed instead: it is less to change.
_ENOUGH = 0.8
_SATURATION_SPREAD = 0.08
_SPREAD_STEPS = 9
# Days of one week are alike: from so many weeks on, weeks are drawn and not days.
_LEAST_WEEKS = 6
_LEAST_GREEN_S = 1.0


@dataclass(frozen=True)
class ApproachCounts:
    """An approach of the junction with its counts; `bearing_deg` is the heading of its traffic."""

    id: str
    name: str
    bearing_deg: float
    lanes: int
    volumes: Volumes


def phases_by_bearing(bearing_deg: Sequence[float], tolerance_deg: float = 35.0) -> tuple[int, ...]:
    """Return a phase for each approach: opposing ones share theirs.

    >>> phases_by_bearing([0, 90, 180, 270])
    (0, 1, 0, 1)
    """
    phase = [-1] * len(bearing_deg)
    following = 0
    for i, mine in enumerate(bearing_deg):
        if phase[i] >= 0:
            continue
        phase[i] = following
        off = [abs((theirs - mine) % 360 - 180) if phase[j] < 0 else 360.0 for j, theirs in enumerate(bearing_deg)]
        if (opposite := int(np.argmin(off))) != i and off[opposite] <= tolerance_deg:
            phase[opposite] = following
        following += 1
    return tuple(phase)


def relief(
    approaches: Sequence[ApproachCounts],
    parameters: SignalParameters | None = None,
    *,
    timing: Timing | None = None,
    phase: Sequence[int] | None = None,
    seed: int = 0,
) -> Relief | Refusal:
    """Return what would relieve the junction on workdays.

    The delay is that of each measured day and hour, so a busy Tuesday costs what it costs; the saving's interval comes
    from drawing days (weeks where there are six or more, for days of one week are alike) and saturation flows anew.

    Parameters
    ----------
    timing
        The plan that runs now. None assumes the best single plan all day, so that no saving is promised which a
        poor plan of our own invention made.
    phase
        Phase of each approach; None = opposing approaches together.

    Raises
    ------
    BadInput
        Phases or greens do not fit the approaches.

    References
    ----------
    See `models.signal_timing`. Interval: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 8.
    """
    p = parameters or SignalParameters()
    phases = phases_by_bearing([one.bearing_deg for one in approaches]) if phase is None else tuple(phase)
    if len(phases) != len(approaches) or (phases and set(phases) != set(range(max(phases) + 1))):
        raise BadInput(
            f"The phases {phases} do not fit {len(approaches)} approaches.", "Number them 0, 1, … without a gap."
        )
    if len(approaches) < 2 or max(phases) < 1:
        return Refusal("advice about green", "approaches in two phases with counts", len(approaches), 2)
    if timing is not None:
        _check_timing(timing, max(phases) + 1, p)
    flow, days, week = _flows(approaches)
    if len(days) < MIN_WORKDAYS:
        return Refusal("advice about green", "workdays with counts of every approach", len(days), MIN_WORKDAYS)
    lanes = np.array([max(1, one.lanes) for one in approaches], np.float64)
    demand = Demand(flow, lanes * p.saturation_flow, phases)
    chosen = choose_plans(demand, p, least_days=MIN_WORKDAYS)
    if not chosen:
        known = int(demand.known.sum(axis=0).max(initial=0))
        return Refusal("advice about green", "workdays with one hour known of every approach", known, MIN_WORKDAYS)
    now = timing or _assumed_timing(demand, p)
    advised = tuple(_advice(approaches, demand, week, plan, now, p, seed + i) for i, plan in enumerate(chosen))
    assumed = [
        f"saturation flow {p.saturation_flow:,.0f} vehicles/h per lane",
        f"{p.lost_s:g} s lost per phase",
        f"peak hour factor {p.peak_hour_factor:g} for green and use of capacity, delay at the flow of the hour",
    ]
    if phase is None:
        assumed.append("opposing approaches have green together, turning traffic gives way")
    if timing is None:
        greens = ", ".join(f"{one:g}" for one in now.green_s)
        assumed.append(f"one fixed plan all day, the best there is: {now.cycle_s:g} s with greens of {greens} s")
    return Relief(
        tuple(
            tuple(a.id for a, its in zip(approaches, phases, strict=True) if its == one)
            for one in range(max(phases) + 1)
        ),
        advised,
        len(days),
        float(demand.known.mean()),
        timing is None,
        tuple(assumed),
        _summary(advised, now if timing is None else None),
    )


def _check_timing(timing: Timing, phases: int, p: SignalParameters) -> None:
    if len(timing.green_s) != phases:
        raise BadInput(
            f"There are {len(timing.green_s)} greens for {phases} phases.",
            "Give one green for each phase, in their order.",
        )
    if min(timing.green_s) < _LEAST_GREEN_S:
        raise BadInput(
            f"A green of {min(timing.green_s):g} s lets nobody pass.", "Give effective greens, in seconds, from 1 s on."
        )
    if sum(timing.green_s) > timing.cycle_s - 1:
        raise BadInput(
            f"Greens of {sum(timing.green_s):g} s leave nothing of a cycle of {timing.cycle_s:g} s to clear.",
            f"Between phases about {p.lost_s:g} s are lost; give effective greens.",
        )


def _flows(approaches: Sequence[ApproachCounts]) -> tuple[Floats, Integers, Integers]:
    """Return the flow of the latest workdays ``(n_days, 24, n)``, the days and their weeks."""
    tables = [one.volumes.per_hour() for one in approaches]
    if any(not one.n_days for one in tables):
        return np.empty((0, 24, len(tables))), np.empty(0, np.int64), np.empty(0, np.int64)
    first, last = max(one.first_day for one in tables), min(one.first_day + one.n_days for one in tables) - 1
    cut = [one.of_days(first, last) for one in tables]
    flow = np.stack([one.volume for one in cut], axis=2) if last >= first else np.empty((0, 24, len(tables)))
    # An hour at night is no day: most of the day has to be known.
    days = np.flatnonzero(cut[0].is_workday & (np.isfinite(flow).all(axis=2).sum(axis=1) >= 6))[-_MOST_WORKDAYS:]
    return flow[days], cut[0].day[days], cut[0].week[days]


def _assumed_timing(demand: Demand, p: SignalParameters) -> Timing:
    """Return the best of all single plans: whatever runs all day is no better, and the saving no smaller."""
    whole = choose_plans(demand, p, most=1, least_days=MIN_WORKDAYS)
    return max(whole, key=lambda one: one.until_hour - one.from_hour).timing


def _advice(
    approaches: Sequence[ApproachCounts],
    demand: Demand,
    week: Integers,
    plan: DayPlan,
    now: Timing,
    p: SignalParameters,
    seed: int,
) -> PlanAdvice:
    cut = demand.of_hours(slice(plan.from_hour, plan.until_hour))
    then = _least_change(cut, now, plan.timing, p)
    vehicles = cut.vehicles.sum()
    before, after = (float(_per_day(cut, one, p).sum()) / max(vehicles, 1e-9) for one in (now, then))
    low, high = _interval(cut, now, then, week, p, seed)
    mean_flow = cut.flow[cut.known].mean(axis=0)
    hour = cut.busiest_hour()
    busiest = cut.flow[cut.known[:, hour], hour].mean(axis=0) / p.peak_hour_factor
    lost = p.lost_s * len(then.green_s)
    critical = float(critical_flow_ratios(busiest, cut.saturation, cut.phase).sum() * then.cycle_s)
    critical /= max(then.cycle_s - lost, 1e-9)
    days = int(cut.known.any(axis=1).sum())
    names = [
        " and ".join(a.name for a, its in zip(approaches, cut.phase, strict=True) if its == one)
        for one in range(len(then.green_s))
    ]
    said = sentence(
        names,
        now,
        then,
        plan.from_hour,
        plan.until_hour,
        (before - after, low, high),
        days,
        is_worth_it=is_worth_it(before - after, low),
        excess=float(busiest.sum() * (1 - 1 / critical)) if critical > 1 else 0.0,
    )
    return PlanAdvice(
        plan.from_hour,
        plan.until_hour,
        now,
        then,
        float(mean_flow.sum()),
        before,
        after,
        before - after,
        low,
        high,
        float(critical_flow_ratios(mean_flow, cut.saturation, cut.phase).sum()),
        critical,
        days,
        tuple(_approaches(approaches, cut, mean_flow, busiest, now, then, p)),
        said,
    )


def _approaches(
    approaches: Sequence[ApproachCounts],
    cut: Demand,
    mean_flow: Floats,
    busiest: Floats,
    now: Timing,
    then: Timing,
    p: SignalParameters,
) -> list[ApproachAdvice]:
    flows = cut.flow[cut.known]
    green_now, green_then = (np.array([t.green_s[one] for one in cut.phase]) for t in (now, then))
    weight = np.maximum(flows.sum(axis=0), 1e-9)
    delay_now, delay_then = (
        (control_delay_s(flows, cut.saturation, t.cycle_s, green, p) * flows).sum(axis=0) / weight
        for t, green in ((now, green_now), (then, green_then))
    )
    load = busiest / cut.saturation
    return [
        ApproachAdvice(
            one.id,
            one.name,
            float(mean_flow[i]),
            float(load[i] * now.cycle_s / max(green_now[i], 1e-9)),
            float(load[i] * then.cycle_s / max(green_then[i], 1e-9)),
            float(delay_now[i]),
            float(delay_then[i]),
            float(green_now[i]),
            float(green_then[i]),
        )
        for i, one in enumerate(approaches)
    ]


def _least_change(cut: Demand, now: Timing, best: Timing, p: SignalParameters) -> Timing:
    """Return the timing to propose: the same cycle divided anew where that is nearly as good."""
    least = len(now.green_s) * (p.lost_s + max(p.min_green_s, p.pedestrian_s))
    if (
        not max(least, p.min_cycle_s) <= now.cycle_s <= p.max_cycle_s
        or abs(now.cycle_s - sum(now.green_s) - p.lost_s * len(now.green_s)) > 1
    ):
        return best
    same_cycle = best_timing(cut, slice(None), p, now.cycle_s)
    old, new, divided = (float(_per_day(cut, one, p).sum()) for one in (now, best, same_cycle))
    return same_cycle if old - divided >= _ENOUGH * (old - new) else best


def _per_day(cut: Demand, timing: Timing, p: SignalParameters, saturation_ratio: float = 1.0) -> Floats:
    per_day: Floats = np.nansum(total_delay_s(cut, timing, p, saturation_ratio), axis=1)
    return per_day


def _interval(
    cut: Demand, now: Timing, then: Timing, week: Integers, p: SignalParameters, seed: int
) -> tuple[float, float]:
    steps = np.linspace(-1.64, 1.64, _SPREAD_STEPS)
    ratios, weights = np.exp(steps * _SATURATION_SPREAD), np.exp(-0.5 * steps**2)
    saved = np.stack([_per_day(cut, now, p, r) - _per_day(cut, then, p, r) for r in ratios])
    rng = np.random.default_rng([seed, 55])
    weeks, group = np.unique(week, return_inverse=True)
    if len(weeks) < _LEAST_WEEKS:
        weeks, group = np.arange(len(week)), np.arange(len(week))
    picked = rng.multinomial(len(weeks), np.full(len(weeks), 1 / len(weeks)), _DRAWS)[:, group]
    row = rng.choice(len(ratios), _DRAWS, p=weights / weights.sum())
    vehicles = np.maximum((picked * cut.vehicles.sum(axis=1)).sum(axis=1), 1e-9)
    low, high = np.quantile((picked * saved[row]).sum(axis=1) / vehicles, (0.05, 0.95))
    return float(low), float(high)


def _summary(plans: Sequence[PlanAdvice], assumed: Timing | None) -> str:
    useful = [one for one in plans if one.is_worth_it]
    full = [one for one in plans if one.is_oversaturated]
    if useful or full:
        best = max(useful or full, key=lambda one: one.saving_s * one.flow * (one.until_hour - one.from_hour))
        said = best.sentence
    else:
        said = "The green is divided well: no change is shown to save anything."
    if assumed is None:
        return said
    return f"If one plan of {assumed.cycle_s:.0f} s runs all day, as is assumed: {said[0].lower()}{said[1:]}"
