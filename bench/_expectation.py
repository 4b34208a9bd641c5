"""How well the expectation's intervals hold on the simulated junctions, beside percentiles of the days before."""

import time
from typing import Any

import numpy as np

from bench._judge import shared
from models.expectation import QUANTITIES, ExpectationModel
from models.rows import Floats, Rows
from service.evaluate_incidents import DAY_MINUTES, START_S, read_junctions

FIRST_TEST, LAST_TEST = 10, 15
# +15 min, +1 h, +3 h, +24 h in steps of a quarter of an hour.
LEADS = (1, 4, 12, 96)
_EVERY = 3


def run(quick: bool) -> dict[str, Any]:
    """Return coverage, width and error of 80 % intervals on days 10-15, learnt on days 0-9 and on, as it would be live.

    Quick = the first of the days alone.
    """
    junctions = read_junctions(shared("data", "traffic", "simulated-junctions"))
    count, speed, occupancy = (junctions.values[name] for name in ("up_count", "up_speed_kph", "up_occupancy_ratio"))
    n = len(junctions.approaches)
    model = ExpectationModel(junctions.approaches, timezone="UTC", region="")
    minutes = round(model.parameters.step_s / 60)
    steps = _steps(count, speed, occupancy, minutes)
    per_day = DAY_MINUTES // minutes
    until = (FIRST_TEST + 1 if quick else LAST_TEST + 1) * per_day
    state = model.initial_state()
    scores: dict[tuple[str, str, int], list[Floats]] = {}
    began = time.process_time()
    for j in range(until - 1):
        span = slice(j * minutes, (j + 1) * minutes)
        at_s = START_S + 60.0 * np.arange(j * minutes + 1, (j + 1) * minutes + 1)
        values = dict(zip(QUANTITIES, (one[span].ravel() for one in (count, speed, occupancy)), strict=True))
        rows = Rows.of_columns(at_s[-1], np.tile(np.arange(n), minutes), np.repeat(at_s, n), values, 60.0)
        state, _ = model.update(state, rows)
        if j < FIRST_TEST * per_day or j % _EVERY:
            continue
        leads = [one for one in LEADS if j - 1 + one < until]
        # The step that has just ended is learnt with the first row of the next: the last one known is before it.
        said = model.forecast(state, [START_S + (j - 1 + one + 0.5) * model.parameters.step_s for one in leads])
        for i, lead in enumerate(leads):
            k = j - 1 + lead
            before = steps[k % per_day : FIRST_TEST * per_day : per_day]
            low, middle, high = np.nanpercentile(before, (10, 50, 90), axis=0)
            for q, name in enumerate(QUANTITIES):
                truth, band = steps[k][:, q], said[name]
                ours = _score(truth, band.low[:, i], band.expected[:, i], band.high[:, i])
                scores.setdefault((name, "expectation", lead), []).append(ours)
                baseline = _score(truth, low[:, q], middle[:, q], high[:, q])
                scores.setdefault((name, "percentiles of days 0-9", lead), []).append(baseline)
    figures = []
    for (name, who, lead), parts in scores.items():
        held, width, error = np.concatenate(parts).mean(0)
        figures.append(
            {
                "quantity": name,
                "who": who,
                "lead_min": lead * minutes,
                "held": round(float(held), 3),
                "width": round(float(width), 4),
                "mae": round(float(error), 4),
            }
        )
    return {"asked": model.parameters.coverage, "intervals": figures, "cpu_s": round(time.process_time() - began, 1)}


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        f"| quantity | ahead, min | who | held of {figures['asked']:.2f} | mean width | MAE |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    order = {name: i for i, name in enumerate(QUANTITIES)}
    for one in sorted(figures["intervals"], key=lambda one: (order[one["quantity"]], one["lead_min"], one["who"])):
        lines.append(
            f"| {one['quantity']} | {one['lead_min']} | {one['who']} | {one['held']:.3f} | {one['width']:.3f} "
            f"| {one['mae']:.3f} |"
        )
    return "\n".join(lines)


def _steps(count: Floats, speed: Floats, occupancy: Floats, minutes: int) -> Floats:
    """Return what there was in each step, ``(steps, n, 3)``; the mean speed is over the vehicles."""
    counted, kph, covered = (one.reshape(-1, minutes, one.shape[1]) for one in (count, speed, occupancy))
    weight = np.where(np.isfinite(kph), np.nan_to_num(counted), 0.0)
    total = weight.sum(1)
    mean = np.where(total > 0, (np.nan_to_num(kph) * weight).sum(1) / np.maximum(total, 1e-9), np.nan)
    return np.stack([counted.sum(1), mean, covered.mean(1)], 2)


def _score(truth: Floats, low: Floats, middle: Floats, high: Floats) -> Floats:
    known = np.isfinite(truth) & np.isfinite(middle)
    truth, low, middle, high = (one[known] for one in (truth, low, middle, high))
    held = (truth >= low - 1e-9) & (truth <= high + 1e-9)
    return np.stack([held, high - low, np.abs(truth - middle)], 1)
