"""All container detectors together at 1,000 … 1,000,000 containers: CPU seconds of a tick, state, memory, restart."""

import json
import multiprocessing
import pickle
import resource
import time
from typing import Any

import numpy as np

from city.errors import BadInput
from models.dumping import DumpingModel
from models.fill import FillModel
from models.fill_health import FillHealthModel
from models.fleet_silence import FleetSilenceModel, fleet_of
from models.health import HealthModel
from models.rows import Rows

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_START_S, _TICK_S = 1_767_571_200.0, 900.0
_WARM, _MEASURED = 4, 4
# In so many odd ticks, two days, every model has something to say.
_MOST_ODD = 192


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
    same = all(_goes_on_the_same(models[name], states[name], n) for name in models) if n <= 100_000 else None
    return json.dumps(
        {
            "cpu_s": sum(each.values()),
            "cpu_s_each": each,
            "state_bytes": sum(state_bytes.values()),
            "state_bytes_each": state_bytes,
            "peak_rss_growth_mb": peak_kb / 1024,
            "same_after_restart": same,
        }
    )


def _goes_on_the_same(model: Any, state: Any, n: int) -> bool:
    """Restart a model before every tick until it speaks, and one tick more; tell whether nothing differs.

    Raises
    ------
    BadInput
        It never speaks: then nothing was compared.
    """
    spoke = False
    for tick in range(_WARM + _MEASURED, _WARM + _MEASURED + _MOST_ODD):
        rows = _tick(n, tick, odd=True)
        restarted, said_again = model.update(pickle.loads(pickle.dumps(state)), rows)
        state, said = model.update(state, rows)
        if said_again != said or pickle.dumps(restarted) != pickle.dumps(state):
            return False
        if spoke:
            return True
        spoke = bool(said)
    raise BadInput(f"{type(model).__name__} finds nothing in {_MOST_ODD} odd ticks.", "Make them odder.")


def _tick(n: int, tick: int, odd: bool = False) -> Rows:
    """Return one reading of each container; `odd`: some say what makes detectors speak, and others say nothing."""
    rng = np.random.default_rng(tick)
    level = 0.2 + 0.6 * np.random.default_rng(0).random(n) + 0.002 * tick
    fill = (level + rng.normal(0, 0.01, n)).clip(0).round(4)
    objects = rng.binomial(2, 0.05, n)
    tilt = np.zeros(n)
    speaks = np.ones(n, np.bool_)
    if odd:
        tenth = n // 10
        fill[:tenth] = 1.05
        objects[:tenth] = 6
        tilt[:tenth] = 60.0
        speaks[tenth : 4 * tenth] = False
    at_s = _START_S + tick * _TICK_S
    values = {"fill_ratio": fill, "lid_openings": rng.poisson(0.3, n), "objects_beside": objects}
    if odd:
        values["tilt_deg"] = tilt
    return Rows.of_columns(
        at_s, np.flatnonzero(speaks), at_s, {name: one[speaks] for name, one in values.items()}, _TICK_S
    )


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
