"""Incidents on the simulated junctions and on two networks never seen, beside detectors of the textbooks.

The queues that say which incident is visible are simulated too: of the two networks, by lane area detectors.
"""

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench._judge import judge, shared
from bench._sumo_network import NETWORKS, make
from city.errors import MissingPart
from service.evaluate_incidents import DAY_MINUTES, Alarm, Junctions, evaluate_incidents, read_junctions
from simulation.table_files import write_table

Floats = npt.NDArray[np.float64]
# Networks that taught nothing; made here when their folders are not there. Earlier figures of `unseen` were known when
# the thresholds were last set, those of `district` were not.
NEVER_SEEN = {name: Path(f"build/junctions-{name}") for name in ("unseen", "district")}
# Set by hand and not searched for: better settings of these three may exist.
_OCCUPANCY, _CALIFORNIA, _PROFILE_Z = 0.85, (0.5, 0.5, 0.5), 12.0
_FOR_MIN, _CLEAR_MIN, _QUIET_MIN = 2, 5, 20


def run(quick: bool) -> dict[str, Any]:
    """Return what the judge says of each detector on each network."""
    sets: dict[str, tuple[Path, tuple[int, int], str]] = {
        "simulated": (shared("data", "traffic", "simulated-junctions"), (0, 9), "10-15")
    }
    figures: dict[str, Any] = {}
    try:
        for name, folder in () if quick else NEVER_SEEN.items():
            if not (folder / "minutes.parquet").exists():
                make(NETWORKS[name], folder)
            sets[name] = (folder, (0, 4), "7-10")
    except MissingPart as error:
        figures["never seen"] = {"missing": str(error)}
    with ProcessPoolExecutor(min(len(sets), os.cpu_count() or 1)) as pool:
        waiting = {name: pool.submit(_all_detectors, *one, quick) for name, one in sets.items()}
        return figures | {name: one.result() for name, one in waiting.items()}


def table(figures: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        "| network | detector | visible found | false / approach-day | delay min |",
        "| --- | --- | --- | --- | --- |",
    ]
    for network, by_detector in figures.items():
        if "missing" in by_detector:
            lines.append(f"| {network} | {by_detector['missing']} | | | |")
            continue
        for detector, one in by_detector.items():
            delay = "-" if one["mean_delay_min"] is None else f"{one['mean_delay_min']:.1f}"
            lines.append(
                f"| {network} | {detector} | {one['visible_found']:.2f} of {one['visible']} "
                f"| {one['false_per_approach_day']:.3f} | {delay} |"
            )
    return "\n".join(lines)


def baselines(junctions: Junctions, train: tuple[int, int]) -> dict[str, list[Alarm]]:
    """Return the alarms of an occupancy threshold, California and a profile z.

    References
    ----------
    H. J. Payne, S. C. Tignor, "Freeway incident detection algorithms based on decision trees with states", 1978: the
    upstream occupancy exceeds the downstream one absolutely, relatively, and the downstream one has fallen.
    """
    up, stop = junctions.values["up_occupancy_ratio"], junctions.values["stop_occupancy_ratio"]
    before = np.vstack([np.full((2, up.shape[1]), np.nan), stop[:-2]])
    with np.errstate(divide="ignore", invalid="ignore"):
        california = up - stop > _CALIFORNIA[0]
        california &= (up - stop) / up > _CALIFORNIA[1]
        california &= ((before - stop) / before > _CALIFORNIA[2]) | (stop == 0)
    return {
        "occupancy threshold": _alarms(np.maximum(up, stop) > _OCCUPANCY, junctions, train),
        "California": _alarms(california, junctions, train),
        "profile z": _alarms(_profile_z(up, junctions, train) > _PROFILE_Z, junctions, train),
    }


def _profile_z(values: Floats, junctions: Junctions, train: tuple[int, int]) -> Floats:
    """Return how many standard deviations the mean of 3 minutes is above the usual of its half hour."""
    by_slot = values.reshape(len(junctions.days), 48, 30, -1)
    taught = by_slot[[i for i, day in enumerate(junctions.days) if day <= train[1]]]
    mean = np.nanmean(taught, axis=(0, 2))[:, None]
    spread = np.nanstd(taught, axis=(0, 2))[:, None] + 0.005
    z = np.nan_to_num(((by_slot - mean) / spread).reshape(values.shape))
    smooth = z.copy()
    smooth[2:] = (z[2:] + z[1:-1] + z[:-2]) / 3
    return smooth


def _alarms(bad: npt.NDArray[np.bool_], junctions: Junctions, train: tuple[int, int]) -> list[Alarm]:
    """Raise after `_FOR_MIN` bad minutes, clear after `_CLEAR_MIN` good ones, then keep quiet."""
    n = bad.shape[1]
    run, good, raised, quiet = (np.zeros(n, int) for _ in range(4))
    raised -= 1
    alarms = []
    for t in range(len(bad)):
        run, good = np.where(bad[t], run + 1, 0), np.where(bad[t], 0, good + 1)
        for e in np.flatnonzero((raised >= 0) & (good >= _CLEAR_MIN)):
            alarms.append(_alarm(junctions, int(e), int(raised[e]), t))
            raised[e], quiet[e] = -1, t + _QUIET_MIN
        raised[(raised < 0) & (run >= _FOR_MIN) & (t >= quiet)] = t
    alarms += [_alarm(junctions, int(e), int(raised[e]), len(bad)) for e in np.flatnonzero(raised >= 0)]
    return [one for one in alarms if one.day > train[1]]


def _alarm(junctions: Junctions, e: int, raised: int, cleared: int) -> Alarm:
    minute = raised % DAY_MINUTES
    return Alarm(junctions.days[raised // DAY_MINUTES], junctions.approaches[e], minute, minute + cleared - raised)


def _all_detectors(folder: Path, train: tuple[int, int], all_days: str, quick: bool) -> dict[str, Any]:
    junctions = read_junctions(folder)
    if quick:
        junctions = _until(junctions, train[1] + 2)
    test = f"{train[1] + 1}-{train[1] + 2}" if quick else all_days
    said = {"ours": evaluate_incidents(junctions, train), **baselines(junctions, train)}
    return {who: _judged(folder, alarms, test) for who, alarms in said.items()}


def _judged(folder: Path, alarms: list[Alarm], test: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "alarms.csv"
        columns = {name: [getattr(one, name) for one in alarms] for name in Alarm._fields}
        write_table(out, columns)
        return judge("incidents.py", "--data", folder, "--alarms", out, "--test-days", test)


def _until(junctions: Junctions, day: int) -> Junctions:
    kept = [one for one in junctions.days if one <= day]
    rows = len(kept) * DAY_MINUTES
    return Junctions(tuple(kept), junctions.approaches, {k: v[:rows] for k, v in junctions.values.items()})
