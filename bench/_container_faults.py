"""Faults planted in real hourly counts, found by `ronde evaluate faults` and by a plain rule, judged alike."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench._judge import judge, shared
from service.evaluate_faults import evaluate_faults
from service.train_until import time_of
from simulation.table_files import write_table

START, TRAIN_UNTIL, TIMEZONE = "2024-03-01", "2024-02-29", "Europe/Berlin"
SEEDS = (1, 2, 3)
KINDS = ("stuck", "blocked", "drift", "spike")
_ASKED = {"stuck": 0.98, "blocked": 0.98, "drift": 0.95, "spike": 0.93}


def run(quick: bool) -> dict[str, Any]:
    """Return the judge's figures per seed, for the product and for the baseline."""
    figures: dict[str, Any] = {"asked": _ASKED, "seeds": {}}
    with tempfile.TemporaryDirectory() as folder:
        flow = Path(folder) / "flow.parquet"
        judge("forecast.py", "prepare", shared("data", "traffic", "berlin-hourly"), "flow", flow)
        for seed in SEEDS[:1] if quick else SEEDS:
            data, truth, alarms = (Path(folder) / f"{name}.parquet" for name in ("data", "truth", "alarms"))
            judge(
                "faults.py", "inject", "--data", flow, "--start", START, "--seed", str(seed),
                "--out", data, "--truth", truth,
            )  # fmt: skip
            said = {}
            for name, found in (
                ("ronde", evaluate_faults(data, time_of(TRAIN_UNTIL, "train"), TIMEZONE)),
                ("rules", plain_rules(data)),
            ):
                columns = {name: [one[k] for one in found] for k, name in enumerate(("entity", "start", "end", "kind"))}
                write_table(alarms, columns, times=("start", "end"))
                said[name] = judge(
                    "faults.py", "score", "--data", data, "--truth", truth, "--alarms", alarms, "--start", START
                )
            figures["seeds"][str(seed)] = said
    return figures


def plain_rules(data: Path) -> list[tuple[str, float, float | None, str]]:
    """Return the alarms of what one would write in an afternoon: the baseline.

    Six equal hours; six hours under a quarter, an hour over three times, and three days under 80 % or over 125 % of the
    median of that hour of the week until the judging begins.
    """
    wide = pd.read_parquet(data).pivot_table(index="time", columns="entity", values="value").asfreq("h")
    local = wide.index.tz_convert(TIMEZONE)
    week = pd.Index(local.day_of_week * 24 + local.hour)
    before = wide.index < pd.Timestamp(START, tz="UTC")
    usual = wide[before].groupby(np.asarray(week[before])).median().reindex(week).set_axis(wide.index)
    ratio = (wide / usual.clip(lower=1)).where(usual > 5)
    daily = (
        wide.where(usual.notna()).rolling(72, min_periods=48).sum()
        / usual.where(wide.notna()).rolling(72, min_periods=48).sum()
    )
    same = (wide.diff() == 0) & (wide > 0)
    rules = {
        "stuck": same.rolling(5).sum() == 5,
        "blocked": (ratio < 0.25).rolling(6).sum() == 6,
        "spike": (ratio > 3) & (wide > 50),
        "drift": (daily < 0.8) | (daily > 1.25),
    }
    found: list[tuple[str, float, float | None, str]] = []
    for kind, holds in rules.items():
        begins = holds & ~holds.shift(1, fill_value=False)
        for row, column in np.argwhere(begins.to_numpy()):
            found.append((str(wide.columns[column]), wide.index[row].timestamp(), None, kind))
    return found


def table(figures: dict[str, Any]) -> str:
    """Return a Markdown table."""
    lines = [
        "**Sensor faults** in Berlin's hourly flow, planted from 2024-03-01: share found (median delay)",
        "",
        "| seed | who | " + " | ".join(KINDS) + " | false alarms per sensor-month |",
        "| --- | --- |" + " ---: |" * 5,
        "| asked | | " + " | ".join(f"≥{_ASKED[kind]}" for kind in KINDS) + " | ≤0.5 |",
    ]
    for seed, said in figures["seeds"].items():
        for who, one in said.items():
            cells = [f"{one[kind]['found']:.3f} ({_hours(one[kind]['median_delay_h'])})" for kind in KINDS]
            lines.append(f"| {seed} | {who} | {' | '.join(cells)} | {one['false_per_sensor_month']:.2f} |")
    return "\n".join(lines)


def _hours(delay_h: float | None) -> str:
    return "never" if delay_h is None else f"{delay_h:.0f} h"
