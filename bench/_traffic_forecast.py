"""Hourly forecasts of Berlin's flow and speed, judged beside last value, last week and the hour-of-week median."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._judge import judge, shared
from models.expectation import ExpectationModel
from models.rows import Rows
from service.evaluate_forecast import evaluate_forecast
from service.train_until import time_of
from simulation.table_files import write_table

TRAIN_UNTIL = "2024-03-31"
RUNS = (("flow", (1, 3, 24)), ("speed", (1,)))
ASKED = {("flow", 1): 0.45, ("flow", 3): 0.59, ("flow", 24): 0.66, ("speed", 1): 0.58}


def run(quick: bool) -> dict[str, Any]:
    """Return errors per quantity and horizon, and what an update of the live expectation costs; quick = speed alone."""
    figures: dict[str, Any] = {
        "forecast": [],
        "update": _update_cost((1_000, 10_000) if quick else (1_000, 10_000, 100_000)),
    }
    with tempfile.TemporaryDirectory() as folder:
        for what, horizons_h in RUNS[1:] if quick else RUNS:
            data, said = Path(folder, f"{what}.parquet"), Path(folder, f"{what}-said.parquet")
            judge("forecast.py", "prepare", shared("data", "traffic", "berlin-hourly"), what, data)
            began = time.process_time()
            answer = evaluate_forecast(data, time_of(TRAIN_UNTIL, "--train-until"), horizons_h, "Europe/Amsterdam")
            cpu_s = time.process_time() - began
            entity = np.array(answer.names)[answer.entity]
            write_table(
                said,
                {"entity": entity, "issued_at": answer.issued_at_s, "time": answer.at_s, "value": answer.value},
                times=("issued_at", "time"),
            )
            score = judge("forecast.py", "score", "--data", data, "--train-until", TRAIN_UNTIL, "--predictions", said)
            for h in horizons_h:
                one = {"what": what, "horizon_h": h, "asked_ratio": ASKED[what, h], "holidays": answer.region}
                figures["forecast"].append(one | score[f"h{h}"] | {"cpu_s": round(cpu_s, 1)})
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    lines = [
        "| Berlin, trained until "
        + TRAIN_UNTIL
        + " | MAE | last value | last week | hour-of-week median | ratio | asked |",
        "| --- |" + " ---: |" * 6,
    ]
    for one in figures["forecast"]:
        lines.append(
            f"| {one['what']} +{one['horizon_h']} h | {one['mae']} | {one['last_value']} | {one['last_week']} | "
            f"{one['hour_of_week_median']} | {one['ratio_to_median']:.3f} | {one['asked_ratio']} |"
        )
    lines += [
        "",
        "| entities | CPU a tick of a minute, s | CPU of the tick that ends a step, s |",
        "| ---: | ---: | ---: |",
    ]
    for one in figures["update"]:
        lines.append(f"| {one['entities']} | {one['minute_s']:.4f} | {one['step_end_s']:.4f} |")
    return "\n".join(lines)


def _update_cost(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    out = []
    for n in sizes:
        model = ExpectationModel([f"a{i}" for i in range(n)])
        state = model.initial_state()
        costs = []
        for minute in range(1, 32):
            at_s = 1_767_571_200.0 + 60 * minute
            values = {
                "vehicle_count": rng.poisson(10, n).astype(float),
                "speed_kph": rng.normal(45, 4, n),
                "occupancy_ratio": rng.uniform(0, 0.3, n),
            }
            rows = Rows.of_columns(at_s, np.arange(n), at_s, values, 60.0)
            began = time.process_time()
            state, _ = model.update(state, rows)
            costs.append(time.process_time() - began)
        out.append({"entities": n, "minute_s": float(np.median(costs)), "step_end_s": float(max(costs[15], costs[30]))})
    return out
