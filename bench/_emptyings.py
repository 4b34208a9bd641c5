"""Emptyings in simulated cities, found from levels alone: which, and by which way of reporting."""

import time
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from edge.sampling import Sampler
from models.emptyings import Emptyings, precision_recall, seen_emptyings
from models.fill import FillModel
from models.rows import Floats, Rows
from simulation.city import SimulatedCity
from simulation.deposits import DepositProcess
from simulation.drivers import FillDriver, SensorNoise
from simulation.parameters import DAY_S, HOUR_S, QUARTER_S, CityParameters, demo_start_s

DAYS = 14
SEEDS = (3101, 3102, 3103)
WITHIN_S = 2 * 3600.0
# Emptyings of the last hours may not have been confirmed when the history ends.
_TAIL_S = 3 * 3600.0


def run(quick: bool) -> dict[str, Any]:
    """Return precision and recall over the seeds, of sensors that report every quarter and of those on change.

    The truth is the simulated city's ordinary collection; the model is told nothing of it. Sensors are the
    simulation's, with their noise, outliers and gaps redrawn for each seed.
    """
    began = time.process_time()
    every: dict[str, list[tuple[float, float, int]]] = {"every 15 min": [], "on change + heartbeat": []}
    for seed in SEEDS[: 1 if quick else None]:
        city = history(seed, clusters=20 if quick else 60, days=6 if quick else DAYS)
        true = city.emptied
        for mode, given in zip(every, (city.rows, city.on_change), strict=True):
            found = seen_emptyings(FillModel(city.names, volume_m3=city.volume_m3), given)
            told = found.at_s < given.now_s - _TAIL_S
            found = Emptyings(found.entity[told], found.at_s[told])
            every[mode].append((*precision_recall(found, true, WITHIN_S), len(true.entity)))
    return {
        "emptyings": {
            mode: {
                "precision": round(min(one[0] for one in of_mode), 4),
                "recall": round(min(one[1] for one in of_mode), 4),
                "emptyings": sum(one[2] for one in of_mode),
            }
            for mode, of_mode in every.items()
        },
        "asked": {"precision": 0.98, "recall": 0.98},
        "seeds": list(SEEDS[: 1 if quick else None]),
        "cpu_s": round(time.process_time() - began, 1),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a table for people."""
    lines = [
        "| sensors | emptyings | precision (worst seed) | recall (worst seed) |",
        "| --- | ---: | ---: | ---: |",
    ]
    for mode, one in figures["emptyings"].items():
        lines.append(f"| {mode} | {one['emptyings']} | {one['precision']:.3f} | {one['recall']:.3f} |")
    lines.append("| asked | | ≥ .98 | ≥ .98 |")
    return "\n".join(lines)


class History(NamedTuple):
    """Days of a simulated city.

    Parameters
    ----------
    rows, on_change
        What sensors say every quarter of an hour, and what those say that report changes.
    emptied
        The true emptyings.
    names, volume_m3
        The containers.
    mornings_s, level
        When it was seven in the morning UTC, ``(d,)``, and the true levels then, ``(d, n)``.
    deposits
        What people throw in, whatever trucks do.
    """

    rows: Rows
    on_change: Rows
    emptied: Emptyings
    names: list[str]
    volume_m3: list[float]
    mornings_s: list[float]
    level: list[Floats]
    deposits: DepositProcess


def history(seed: int, clusters: int, days: int) -> History:
    """Return the days of a city of `clusters` clusters before its demonstration, without stuck sensors."""
    start_s = demo_start_s(date(2026, 3, 16))
    parameters = replace(CityParameters.of_size(clusters), history_h=24.0 * days, stuck_sensors=0, demo_overflows=0)
    city = SimulatedCity.generate(parameters, seed, start_s)
    truth = city.truth()
    containers = list(city.register.containers.values())
    names = [one.id for one in containers]
    index = {name: i for i, name in enumerate(names)}
    drivers = [FillDriver("fill", one, truth, (), SensorNoise(), seed) for one in containers]
    samplers = [Sampler("fill", "fill") for _ in containers]
    every: list[tuple[int, float, float, float, float]] = []
    changed: list[tuple[int, float, float, float, float]] = []
    mornings_s: list[float] = []
    level: list[Floats] = []
    at_s = truth.now_s
    while at_s < start_s:
        at_s += QUARTER_S
        truth.advance(at_s)
        if at_s % DAY_S == 7 * HOUR_S:
            mornings_s.append(at_s)
            level.append(truth.level.copy())
        for i, (driver, sampler) in enumerate(zip(drivers, samplers, strict=True)):
            seen = driver.read(at_s)
            every.append((i, at_s, _number(seen.values), _number(seen.values, "lid_openings"), QUARTER_S))
            reading = sampler.offer(seen, at_s)
            if reading is not None:
                lids = _number(reading.values, "lid_openings")
                changed.append((i, at_s, _number(reading.values), lids, float(reading.interval_s)))
    emptied = [
        (one.at_s, index[one.entity])
        for one in truth.take_happenings()
        if one.event == "emptied" and one.at_s < start_s - _TAIL_S
    ]
    true = Emptyings(np.array([i for _, i in emptied], np.int64), np.array([at for at, _ in emptied]))
    volume_m3 = [one.volume_m3 for one in containers]
    return History(
        _rows(every, start_s), _rows(changed, start_s), true, names, volume_m3, mornings_s, level, truth.deposits
    )


def _number(values: dict[str, float | None], name: str = "fill_ratio") -> float:
    value = values.get(name)
    return float("nan") if value is None else value


def _rows(of: list[tuple[int, float, float, float, float]], now_s: float) -> Rows:
    entity, at_s, fill, lids, interval_s = zip(*of, strict=True)
    return Rows.of_columns(now_s, entity, at_s, {"fill_ratio": fill, "lid_openings": lids}, interval_s)
