"""All container detectors together at 1,000 … 1,000,000 containers: CPU seconds of a tick, state, memory, restart."""

import json
import multiprocessing
import pickle
import resource
import time
from typing import Any

import numpy as np

from models.dumping import DumpingModel
from models.fill import FillModel
from models.fill_health import FillHealthModel
from models.fleet_silence import FleetSilenceModel, fleet_of
from models.health import HealthModel
from models.rows import Rows

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_START_S, _TICK_S = 1_767_571_200.0, 900.0
_WARM, _MEASURED = 4, 4


def run(quick: bool) -> dict[str, Any]:
    """Return figures per size; each size runs in a process of its own, so that peaks of memory are its own."""
    figures: dict[str, Any] = {"asked": "<0.2 s of CPU for 100,000", "sizes": {}}
    context = multiprocessing.get_context("spawn")
    for n in SIZES[:2] if quick else SIZES:
        with context.Pool(1) as pool:
            figures["sizes"][str(n)] = json.loads(pool.apply(_measure, (n,)))
    return figures


def _measure(n: int) -> str:
    names = [f"c{i}" for i in range(n)]
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    models: dict[str, Any] = {
        "health": HealthModel(names),
        "container sensors": FillHealthModel(names),
        "fleet": FleetSilenceModel(fleet_of(names), interval_s=np.full(n, _TICK_S)),
        "fill": FillModel(names),
        "dumping": DumpingModel(names),
    }
    states = {name: model.initial_state() for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for tick in range(_WARM + _MEASURED):
        rows = _tick(n, tick)
        for name, model in models.items():
            began_s = time.process_time()
            states[name], _ = model.update(states[name], rows)
            if tick >= _WARM:
                seconds[name].append(time.process_time() - began_s)
    each = {name: float(np.median(one)) for name, one in seconds.items()}
    state_bytes = {name: len(pickle.dumps(state, pickle.HIGHEST_PROTOCOL)) for name, state in states.items()}
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    same = True
    if n <= 100_000:
        rows = _tick(n, _WARM + _MEASURED, odd=True)
        for name, model in models.items():
            restarted = pickle.loads(pickle.dumps(states[name]))
            same &= model.update(restarted, rows)[1] == model.update(states[name], rows)[1]
    return json.dumps(
        {
            "cpu_s": sum(each.values()),
            "cpu_s_each": each,
            "state_bytes": sum(state_bytes.values()),
            "state_bytes_each": state_bytes,
            "peak_rss_growth_mb": peak_kb / 1024,
            "same_after_restart": same if n <= 100_000 else None,
        }
    )


def _tick(n: int, tick: int, odd: bool = False) -> Rows:
    """Return one reading of each container; `odd`: a tenth of them say what makes detectors speak."""
    rng = np.random.default_rng(tick)
    level = 0.2 + 0.6 * np.random.default_rng(0).random(n) + 0.002 * tick
    fill = (level + rng.normal(0, 0.01, n)).clip(0).round(4)
    if odd:
        fill[: n // 10] = 1.05
    at_s = _START_S + tick * _TICK_S
    values = {"fill_ratio": fill, "lid_openings": rng.poisson(0.3, n), "objects_beside": rng.binomial(2, 0.05, n)}
    return Rows.of_columns(at_s, np.arange(n), at_s, values, _TICK_S)


def table(figures: dict[str, Any]) -> str:
    """Return a Markdown table."""
    sizes = figures["sizes"]
    parts = list(next(iter(sizes.values()))["cpu_s_each"])
    lines = [
        "**Scale**: one reading of every container, CPU seconds of one core (asked <0.2 s for 100,000)",
        "",
        "| containers | all | " + " | ".join(parts) + " | state, MB | peak memory, MB | same after restart |",
        "| ---: |" + " ---: |" * (len(parts) + 3) + " --- |",
    ]
    for n, one in sizes.items():
        cells = " | ".join(f"{one['cpu_s_each'][name]:.4f}" for name in parts)
        same = {True: "yes", False: "no", None: "not run"}[one["same_after_restart"]]
        lines.append(
            f"| {int(n):,} | {one['cpu_s']:.4f} | {cells} | {one['state_bytes'] / 1e6:.1f} "
            f"| {one['peak_rss_growth_mb']:.0f} | {same} |"
        )
    return "\n".join(lines)
