"""Waste beside containers, judged on seeds and parameters that nothing was tuned on."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._judge import judge
from models.dumping import DumpingModel
from models.rows import Rows
from service.evaluate_dumping import evaluate_dumping
from simulation.table_files import write_table

CASES: dict[str, tuple[str, ...]] = {
    "seed 11": ("--seed", "11"),
    "seed 12": ("--seed", "12"),
    "seed 13": ("--seed", "13"),
    "busy 1.5, clutter 2": ("--seed", "21", "--busy", "1.5", "--clutter", "2"),
    "busy 0.7, cleared after 12 h": ("--seed", "22", "--busy", "0.7", "--cleared-after-h", "12"),
    "camera share 0.2, dumps 1/8": ("--seed", "23", "--camera-share", "0.2", "--dumps-a-day", "0.125"),
}
_QUICK = ("--containers", "100", "--days", "30")
_FIGURES = (
    ("camera", "f1"),
    ("camera", "false_per_100_container_days"),
    ("camera", "cause_right"),
    ("camera", "median_delay_h"),
    ("no_camera", "recall_overflow"),
    ("no_camera", "precision"),
    ("no_camera", "cause_right"),
)


def run(quick: bool) -> dict[str, Any]:
    """Return the judge's figures of every case, and what a tick costs; `quick` takes one small case."""
    cases = {"seed 11": (*CASES["seed 11"], *_QUICK)} if quick else CASES
    judged: dict[str, Any] = {}
    for name, options in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            data, alarms = Path(folder), Path(folder) / "alarms.csv"
            judge("dumping.py", "simulate", folder, *options)
            began = time.process_time()
            columns, _, _ = evaluate_dumping(data / "observations.parquet")
            cpu_s = time.process_time() - began
            write_table(alarms, columns, times=("raised_at", "cleared_at"))
            judged[name] = {**judge("dumping.py", "score", "--data", folder, "--alarms", alarms)}
            judged[name]["cpu_s"] = round(cpu_s, 1)
    return {"judged": judged, "tick_s": {str(n): tick_s(n) for n in ((1000,) if quick else (1000, 10_000, 100_000))}}


def tick_s(n: int, ticks: int = 20, seed: int = 0) -> float:
    """Return the CPU seconds (median) of one tick of `n` clusters, each with a frame, a level and lid openings."""
    rng = np.random.default_rng(seed)
    model = DumpingModel([f"k{i}" for i in range(n)])
    state, level, clutter, took = model.initial_state(), rng.uniform(0, 1, n), np.zeros(n), []
    for tick in range(ticks):
        lids = rng.poisson(0.1, n)
        level = np.where(rng.random(n) < 0.003, 0.02, np.minimum(level + 0.022 * lids, 1.0))
        clutter = np.where(rng.random(n) < 0.15, rng.random(n) < 0.07, clutter)
        fill = np.round(level + rng.normal(0, 0.016, n), 2).clip(0, 1)
        values = {"objects_beside": clutter, "fill_ratio": fill, "lid_openings": lids}
        rows = Rows.of_columns(1.8e9 + 900 * tick, np.arange(n), 1.8e9 + 900 * tick, values, 900)
        began = time.process_time()
        state, _ = model.update(state, rows)
        took.append(time.process_time() - began)
    return round(float(np.median(took[ticks // 2 :])), 4)


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    head = "| case | " + " | ".join(f"{group} {name}".replace("_", " ") for group, name in _FIGURES) + " | CPU s |"
    lines = [head, "| --- |" + " ---: |" * (len(_FIGURES) + 1)]
    for case, judged in figures["judged"].items():
        cells = " | ".join(str(judged[group][name]) for group, name in _FIGURES)
        lines.append(f"| {case} | {cells} | {judged['cpu_s']} |")
    ticks = ", ".join(f"{int(n):,}: {seconds} s" for n, seconds in figures["tick_s"].items())
    return "\n".join([*lines, "", f"CPU of one tick by number of clusters: {ticks}."])
