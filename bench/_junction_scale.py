"""What a tick of all models of approaches costs, in CPU time of one core and in memory, by the number of approaches."""

import pickle
import time
from typing import Any

import numpy as np

from models.congestion import CongestionModel
from models.expectation import ExpectationModel
from models.incidents import IncidentModel
from models.rows import Rows

SIZES = (1_000, 10_000, 100_000, 1_000_000)
START_S = 1_767_600_000.0
_WARM, _TICKS = 3, 5
# Minutes at which the expectation is told of something, and those of them that end a step of its.
_TOLD, _ENDS = (0, 1, 2, 3, 16, 17, 18, 31, 32, 33), (16, 31)


def run(quick: bool) -> dict[str, Any]:
    """Return CPU seconds a tick and MB of state, by size, and whether a restart from a snapshot changes findings."""
    sizes = SIZES[:2] if quick else SIZES
    return {"sizes": [_cost(n) for n in sizes], "restart_gives_the_same_findings": _restart()}


def table(figures: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        "| approaches | congestion s | incidents s | expectation s | all s a tick | all s where a step of 15 min ends "
        "| us each | MB of state |",
        "| --- " * 8 + "|",
    ]
    for one in figures["sizes"]:
        lines.append(
            f"| {one['approaches']:,} | {one['congestion_s']:.3f} | {one['incidents_s']:.3f} "
            f"| {one['expectation_s']:.3f} | {one['tick_s']:.3f} | {one['step_end_tick_s']:.3f} "
            f"| {one['tick_s'] / one['approaches'] * 1e6:.2f} | {one['state_mb']:,.0f} |"
        )
    same = "the same" if figures["restart_gives_the_same_findings"] else "OTHER"
    return "\n".join([*lines, "", f"A restart from a snapshot gives {same} findings."])


def _cost(n: int) -> dict[str, Any]:
    names = [str(i) for i in range(n)]
    ticks = [_tick(n, t) for t in range(_WARM + (_TICKS if n < 500_000 else 2))]
    cost: dict[str, Any] = {"approaches": n, "state_mb": 0.0, "tick_s": 0.0}
    for name, model in (("congestion", CongestionModel(names)), ("incidents", IncidentModel(names))):
        state: Any = model.initial_state()
        spent = []
        for rows in ticks:
            start = time.process_time()
            state, _ = model.update(state, rows)
            spent.append(time.process_time() - start)
        cost[f"{name}_s"] = float(np.median(spent[_WARM:]))
        cost["tick_s"] += cost[f"{name}_s"]
        cost["state_mb"] += sum(one.nbytes for one in state) / 1e6
    ordinary_s, end_s, expectation_mb = _expectation(names)
    cost["step_end_tick_s"] = cost["tick_s"] + end_s
    cost["tick_s"] += ordinary_s
    cost["state_mb"] += expectation_mb
    return cost | {"expectation_s": ordinary_s, "expectation_step_end_s": end_s}


def _expectation(names: list[str]) -> tuple[float, float, float]:
    """Return CPU seconds of a tick within a step, and of one that ends it, and MB once the whole week is known."""
    model = ExpectationModel(names)
    state = model.initial_state()
    spent = {}
    for t in _TOLD:
        rows = _tick(len(names), t)
        start = time.process_time()
        state, _ = model.update(state, rows)
        spent[t] = time.process_time() - start
    within = [spent[t] for t in _TOLD[2:] if t not in _ENDS]
    arrays: list[Any] = [*state[:-2], *state.usual, *state.usual_h]
    return float(np.median(within)), float(max(spent[t] for t in _ENDS)), sum(one.nbytes for one in arrays) / 1e6


def _tick(n: int, t: int) -> Rows:
    rng = np.random.default_rng([n, t])
    count = rng.poisson(6.0, n).astype(float)
    speed = np.where(count > 0, rng.normal(45, 4, n), np.nan)
    at_s = START_S + 60.0 * t
    values = {"vehicle_count": count, "occupancy_ratio": np.minimum(count * 0.005, 1), "speed_kph": speed}
    return Rows.of_columns(at_s, np.arange(n), at_s, values, 60.0)


def _restart() -> bool:
    n = 200
    model = IncidentModel([str(i) for i in range(n)])
    whole, parts = model.initial_state(), model.initial_state()
    said: tuple[list[Any], list[Any]] = ([], [])
    for t in range(240):
        rows = _tick(n, t)
        if t > 180:
            rows.values["vehicle_count"][:5], rows.values["occupancy_ratio"][:5] = 0.0, 1.0
            rows.values["speed_kph"][:5] = np.nan
        whole, found = model.update(whole, rows)
        said[0].extend(found)
        parts, found = IncidentModel(model.entities).update(pickle.loads(pickle.dumps(parts)), rows)
        said[1].extend(found)
    return bool(said[0]) and said[0] == said[1]
