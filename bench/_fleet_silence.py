"""A third of the fleet falls silent after an update: when it is found, and whether decisions go on from forecasts."""

from typing import Any

import numpy as np

from models.fill import FillModel
from models.fleet_silence import FleetSilenceModel, fleet_of
from models.health import HealthModel, HealthParameters
from models.rows import Rows

_START_S = 1_767_571_200.0
_HOUR_S, _DAY_S = 3600.0, 86_400.0
_HEARTBEAT_S = 6 * _HOUR_S


def run(quick: bool) -> dict[str, Any]:
    """Return, per way of reporting, delays in intervals and how far the levels of the silent are off."""
    cases = {}
    for name, interval_s in (("every 15 min", 900.0), ("on change, 6 h heartbeat", _HEARTBEAT_S)):
        cases[name] = [_case(seed, interval_s, 300 if quick else 1000) for seed in range(1, 2 if quick else 6)]
    return {"share": 0.3, "asked_intervals": 2.0, "cases": cases}


def _case(seed: int, interval_s: float, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    update_s, days = _START_S + 6 * _DAY_S + rng.uniform(0, _DAY_S), 9
    at_s, entity, fill, truth = _readings(rng, interval_s, n, days)
    silent = np.zeros(n, np.bool_)
    silent[rng.choice(n, int(0.3 * n), replace=False)] = True
    gone = (silent[entity] & (at_s > update_s)) | (rng.random(len(at_s)) < 0.01)
    end_s = _START_S + days * _DAY_S
    rows = Rows.of_columns(end_s, entity[~gone], at_s[~gone], {"fill_ratio": fill[~gone]})
    names = [f"c{i}" for i in range(n)]
    fleet = FleetSilenceModel(fleet_of(names), interval_s=np.full(n, interval_s))
    found = [f for f in fleet.update(fleet.initial_state(), rows)[1] if f.cleared_at_s is None]
    true = [f for f in found if f.raised_at_s > update_s]
    least_s = 3 * _HEARTBEAT_S if interval_s == _HEARTBEAT_S else 1800.0
    each = HealthModel(names, HealthParameters(silence_at_least_s=least_s), interval_s=np.full(n, interval_s))
    state, alone = each.update(each.initial_state(), rows)
    first = [
        f.raised_at_s for f in alone if f.kind == "silent" and f.raised_at_s > update_s and silent[int(f.entity[1:])]
    ]
    model = FillModel(names)
    known, _ = model.update(model.initial_state(), rows)
    forecast = model.forecast(known, np.array([end_s]))
    level = forecast.level[:, 0]
    seen = np.isfinite(level) & silent
    inside = (forecast.low[:, 0] <= truth) & (truth <= forecast.high[:, 0])
    return {
        "found_after_intervals": (true[0].raised_at_s - update_s) / interval_s if true else None,
        "false_fleet_findings": len(found) - len(true),
        "half_of_each_alone_after_intervals": (float(np.median(first)) - update_s) / interval_s if first else None,
        "quality_of_silent": float(each.quality(state)[silent].mean()),
        "silent_with_a_forecast": float(seen.sum() / silent.sum()),
        "forecast_error": float(np.abs(level - truth)[seen].mean()),
        "forecast_interval_covers": float(inside[seen].mean()),
    }


def _readings(rng: np.random.Generator, interval_s: float, n: int, days: int) -> tuple[Any, ...]:
    """Return time, entity and level of all readings, and the levels at the end: deposits at a rate of each's own."""
    per_day = rng.uniform(0.01, 0.05, n)
    steps = int(days * _DAY_S / 900.0)
    level = rng.uniform(0.05, 0.4, n) + np.cumsum(rng.gamma(0.5, 1, (steps, n)) / 0.5 * per_day / 96, axis=0)
    every = int(interval_s / 900.0)
    phase = rng.integers(0, every, n)
    due = (np.arange(steps)[:, None] + phase) % every == 0
    step, entity = np.nonzero(due)
    at_s = _START_S + 900.0 * (step + 1) + rng.uniform(0, 30, len(step))
    seen = np.clip(level[step, entity] + rng.normal(0, 0.01, len(step)), 0, 1.2).round(4)
    return at_s, entity, seen, level[-1]


def table(figures: dict[str, Any]) -> str:
    """Return a Markdown table."""
    lines = [
        "**Silence of 30 % of the fleet** after an update: found after so many reporting intervals (asked ≤2)",
        "",
        "| reporting | the fleet's finding, worst of seeds | each alone (baseline), median | false "
        "| silent with a forecast | its mean error | its interval covers |",
        "| --- |" + " ---: |" * 6,
    ]
    for name, cases in figures["cases"].items():

        def of(key: str, cases: list[dict[str, Any]] = cases) -> list[float]:
            return [float("nan") if one[key] is None else float(one[key]) for one in cases]

        lines.append(
            f"| {name} | {np.max(of('found_after_intervals')):.2f} "
            f"| {np.median(of('half_of_each_alone_after_intervals')):.2f} | {sum(of('false_fleet_findings')):.0f} "
            f"| {np.mean(of('silent_with_a_forecast')):.2f} | {np.mean(of('forecast_error')):.3f} "
            f"| {np.mean(of('forecast_interval_covers')):.2f} |"
        )
    return "\n".join(lines)
