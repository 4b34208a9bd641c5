"""Teach the evidence for incidents: `python -m bench._teach_incidents` writes `models/incident_evidence.py`.

It learns from days 0-9 of the simulated junctions and from the network `town` of `bench._sumo_network` (simulated when
its folder does not exist), never from what is reported on. The same seed and files give the same module. Where the
network is there it takes about two minutes of CPU time; to simulate it takes several more.
"""

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from bench._judge import shared
from bench._sumo_network import NETWORKS, make
from models.incident_features import feature_names
from models.incident_trees import read_trees
from models.incidents import QUANTITIES, IncidentModel
from models.rows import Rows
from service.evaluate_incidents import DAY_MINUTES, DAY_S, START_S, Junctions, read_junctions
from simulation.table_files import read_table

TREES = 90
LEAVES = 8
VISIBLE_M = 45.0
_SEED = 5
# Of the minutes without an incident, one in so many is learned from.
_THIN = 14
# Days between what teaches the usual and what is learned from: whole weeks, after the last day.
_WEEKS_D = 700
_COLUMNS = ("count", "occupancy_ratio", "speed_kph")


class Lessons(NamedTuple):
    """Features of minutes ``(m, f)``, whether an incident was there, and how much each counts."""

    features: np.ndarray
    incident: np.ndarray
    weight: np.ndarray


def lessons(folder: Path, days: tuple[int, int]) -> Lessons:
    """Return what the days of a folder teach a detector with two positions.

    The first features are those of a detector with one.
    """
    junctions = read_junctions(folder)
    incident, weight = _truth(folder, junctions, days)
    chance = np.random.default_rng(_SEED).random(incident.shape)
    chosen = (weight > 0) & ((incident > 0) | (chance < 1 / _THIN))
    thick = np.where(incident > 0, 1.0, _THIN) * weight
    features = _features(junctions, days, chosen, incident)
    return Lessons(features, incident[chosen], thick[chosen])


def teach(taught: Lessons, names: tuple[str, ...], trees: int = TREES) -> tuple[float, list[str]]:
    """Return the base and the trees as text, `models.incident_trees` reads them."""
    model = HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=0.08, max_leaf_nodes=LEAVES, min_samples_leaf=60, l2_regularization=5.0,
        early_stopping=False, random_state=_SEED,
    )  # fmt: skip
    model.fit(taught.features, taught.incident, sample_weight=taught.weight)
    lines = [_text(step[0].nodes, 0, names) for step in model._predictors]
    base = float(model._baseline_prediction.ravel()[0])
    rounded = read_trees(lines, names, base).score(taught.features)
    if np.abs(rounded - model.decision_function(taught.features)).mean() > 0.05:
        raise RuntimeError("Rounding changes the trees too much.")
    return base, lines


def _text(nodes: np.ndarray, at: int, names: tuple[str, ...]) -> str:
    node = nodes[at]
    if node["is_leaf"]:
        return f"{node['value']:.3f}"
    low, high = (_text(nodes, int(node[side]), names) for side in ("left", "right"))
    return f"{names[node['feature_idx']]}<={node['num_threshold']:.4g} {low} {high}"


def _features(junctions: Junctions, days: tuple[int, int], chosen: np.ndarray, incident: np.ndarray) -> np.ndarray:
    """Return the features of the chosen minutes, after all days have once taught what is usual."""
    model = IncidentModel(junctions.approaches, positions=2)
    # What an alarm stops live, truth stops here: a blocked lane must not teach what is usual.
    alarmed = np.where(incident > 0, model.parameters.raise_at, 0.0)
    state, n = model.initial_state(), len(junctions.approaches)
    kept = [d for d, day in enumerate(junctions.days) if day <= days[1]]
    pieces = []
    for again in (0, 1):
        for d in kept:
            for minute in range(DAY_MINUTES):
                row = d * DAY_MINUTES + minute
                # A whole number of weeks later, so that working days stay working days.
                at_s = START_S + (again * _WEEKS_D + junctions.days[d]) * DAY_S + (minute + 1) * 60.0
                values = {
                    name: junctions.values[f"{where}_{what}"][row]
                    for where, quantities in zip(("up", "stop"), QUANTITIES, strict=True)
                    for what, name in zip(_COLUMNS, quantities, strict=True)
                }
                state.evidence[...] = alarmed[row]
                state, features = model.features(state, Rows.of_columns(at_s, np.arange(n), at_s, values, 60.0))
                if again:
                    pieces.append(features[chosen[row]])
    return np.concatenate(pieces)


def _truth(folder: Path, junctions: Junctions, days: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(junctions.days), DAY_MINUTES, len(junctions.approaches))
    index = {name: i for i, name in enumerate(junctions.approaches)}
    day_index = {day: i for i, day in enumerate(junctions.days)}
    table = read_table(
        folder / "truth_queues.parquet",
        {"day": "number", "minute": "number", "approach": "text", "queue_m": "number"},
        "truth_queues.parquet",
    )
    queue = np.zeros(shape)
    approach = table.texts["approach"]
    column = np.array([index[name] for name in approach.names])[approach.code]
    day_at = np.searchsorted(junctions.days, table.numbers["day"])
    queue[day_at, table.numbers["minute"].astype(int), column] = table.numbers["queue_m"]
    learn = [i for i, day in enumerate(junctions.days) if day <= days[1]]
    usual = np.median(queue[learn].reshape(len(learn), 48, 30, -1), axis=(0, 2))
    incident, weight = np.zeros(shape), np.ones(shape)
    visible = []
    with (folder / "truth_incidents.csv").open() as file:
        for one in csv.DictReader(file):
            if int(one["day"]) > days[1]:
                continue
            d, e = day_index[int(one["day"])], index[one["approach"]]
            a, b = int(one["start_s"]) // 60, int(one["end_s"]) // 60
            over = queue[d, a + 3 : b, e].mean() - usual[a // 30 : b // 30 + 1, e].mean()
            weight[d, max(a - 1, 0) : b + 15, e] = 0
            if over > VISIBLE_M:
                visible.append((d, a, b, e))
    # Of an incident that nobody could see, nothing is to be learned, in either direction.
    for d, a, b, e in visible:
        incident[d, a + 2 : b + 1, e] = weight[d, a + 2 : b + 1, e] = 1
    rows = len(learn) * DAY_MINUTES
    return incident.reshape(-1, shape[2])[:rows], weight.reshape(-1, shape[2])[:rows]


def main() -> None:
    """Write the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--town", type=Path, default=Path("build/junctions-town"), help="folder of the network `town`")
    parser.add_argument("--out", type=Path, default=Path("models/incident_evidence.py"))
    options = parser.parse_args()
    if not (options.town / "minutes.parquet").exists():
        make(NETWORKS["town"], options.town)
    folders = (shared("data", "traffic", "simulated-junctions"), options.town)
    with ProcessPoolExecutor(len(folders)) as pool:
        several = list(pool.map(lessons, folders, ((0, 9), (0, 99))))
    both = Lessons(*(np.concatenate(one) for one in zip(*several, strict=True)))
    parts = []
    for name, positions in (("ONE", 1), ("TWO", 2)):
        names = feature_names(positions)
        base, lines = teach(both._replace(features=both.features[:, : len(names)]), names)
        parts.append((name, positions, base, lines))
    options.out.write_text(_module(parts), encoding="utf-8")


def _module(parts: list[tuple[str, int, float, list[str]]]) -> str:
    text = '"""The evidence for incidents that ships; `python -m bench._teach_incidents` writes this file."""\n\n'
    text += "# ruff: noqa: E501  # a tree is a line\n"
    text += "from models.incident_features import feature_names\nfrom models.incident_trees import read_trees\n\n"
    for name, _, _, lines in parts:
        text += f'_{name} = """\\\n' + "\n".join(lines) + '\n"""\n\n'
    for name, positions, base, _ in parts:
        text += f"TREES_{name} = read_trees(_{name}.splitlines(), feature_names({positions}), {base:.4f})\n"
    return text


if __name__ == "__main__":
    main()
