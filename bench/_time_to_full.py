"""Time to full: real bins by the judge, and the live forecast on simulated cities by what came true."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._emptyings import history
from bench._judge import judge, shared
from models.fill import FillModel
from service.evaluate_fill import evaluate_fill
from service.train_until import time_of
from simulation.parameters import DAY_S, QUARTER_S
from simulation.table_files import write_table

CUTS = ("2019-11-15", "2020-01-01")
# Nothing was tuned on what comes after this day but by these two cuts.
DEVELOPED_UNTIL = "2019-11-15"
SEEDS = (4101, 4102, 4103)
_AHEAD_D = 1.5
_FULL = 0.9


def run(quick: bool) -> dict[str, Any]:
    """Return the judge's figures of the real bins, and calibration on simulated cities.

    Quick: one earlier cut of the file.
    """
    began = time.process_time()
    real = {}
    with tempfile.TemporaryDirectory() as folder:
        source = shared("data", "fill", "wyndham", "levels.csv.gz")
        levels = Path(folder) / "levels.csv"
        judge("fill.py", "prepare", source, levels, *(("--until", "2019-04-01") if quick else ()))
        for cut in ("2019-02-15",) if quick else CUTS:
            said = Path(folder) / f"said-{cut}.csv"
            write_table(said, evaluate_fill(levels, time_of(cut, "--train-until")), times=("issued_at",))
            real[cut] = judge("fill.py", "score", "--data", levels, "--train-until", cut, "--predictions", said)
    return {
        "time_to_full": real,
        "asked": {"ibs_ratio": 0.87, "brier_2d_ratio": 0.93, "cover_80": [0.80, 0.90]},
        "simulated": simulated(SEEDS[:1] if quick else SEEDS, clusters=20 if quick else 60, days=6 if quick else 14),
        "cpu_s": round(time.process_time() - began, 1),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as tables for people."""
    lines = [
        "| trained until | origins | IBS | of the shrunk hazard | Brier at 2 days, of the same | 80 % interval holds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for cut, one in figures["time_to_full"].items():
        lines.append(
            f"| {cut} | {one['origins']} | {one['ibs']:.4f} | {one['ibs_ratio']:.3f} | {one['brier_2d_ratio']:.3f} | "
            f"{one['cover_80']:.3f} |"
        )
    lines.append("| asked | | | ≤ .87 | ≤ .93 | .80 … .90 |")
    live = figures["simulated"]
    lines += [
        "",
        f"Simulated cities, {live['forecasts']} forecasts {_AHEAD_D} days ahead: the 80 % interval of the level holds "
        f"{live['cover_80']:.3f}; containers expected at {_FULL:.0%} or more {live['expected_full']:.0f}, happened "
        f"{live['became_full']:.0f}; Brier score {live['brier']:.4f} (mean share {live['brier_of_mean']:.4f}).",
        "",
        "| said | forecasts | happened |",
        "| --- | ---: | ---: |",
        *(f"| {one['said']:.2f} | {one['n']} | {one['happened']:.2f} |" for one in live["reliability"]),
    ]
    return "\n".join(lines)


def simulated(seeds: tuple[int, ...], clusters: int, days: int) -> dict[str, Any]:
    """Return how the live forecast came true had nobody emptied anything, each morning after the fourth.

    Sensors report on change. Levels without emptyings follow from the simulation's deposits alone.
    """
    said, happened, inside = [], [], []
    for seed in seeds:
        city = history(seed, clusters, days)
        model = FillModel(city.names, volume_m3=city.volume_m3)
        state, rows, start = model.initial_state(), city.on_change, 0
        for at_s, level in zip(city.mornings_s, city.level, strict=True):
            end = int(np.searchsorted(rows.at_s, at_s, "right"))
            state, _ = model.update(state, rows.part(slice(start, end), at_s))
            start = end
            if at_s < city.mornings_s[0] + 4 * DAY_S:
                continue
            ahead = model.forecast(state, [at_s + _AHEAD_D * DAY_S], full_at=_FULL)
            first = int(at_s // QUARTER_S)
            then = level + city.deposits.total_ratio(first, first + int(_AHEAD_D * DAY_S / QUARTER_S))
            judged = (level < _FULL) & np.isfinite(ahead.level[:, 0])
            said.append(ahead.overflow_probability[judged, 0])
            happened.append((then >= _FULL)[judged])
            # What does not fit any more is not in the container: the interval is of what is.
            then = np.minimum(then, 1.0)
            inside.append(((ahead.low[:, 0] <= then) & (then <= ahead.high[:, 0]))[judged])
    p, full = np.concatenate(said), np.concatenate(happened)
    place = np.minimum((p * 5).astype(int), 4)
    return {
        "forecasts": len(p),
        "cover_80": round(float(np.concatenate(inside).mean()), 4),
        "expected_full": round(float(p.sum()), 1),
        "became_full": int(full.sum()),
        "brier": round(float(((p - full) ** 2).mean()), 5),
        "brier_of_mean": round(float(full.mean() * (1 - full.mean())), 5),
        "reliability": [
            {
                "said": round(float(p[place == k].mean()), 3),
                "n": int((place == k).sum()),
                "happened": round(float(full[place == k].mean()), 3),
            }
            for k in range(5)
            if (place == k).any()
        ],
        "seeds": list(seeds),
    }
