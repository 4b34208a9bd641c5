"""How approaches and junctions serve their traffic now: level of service, use of capacity and queue, with words."""

from typing import NamedTuple

import numpy as np

from city.places import Approach
from city.register import Register
from models.junction_states import SATURATION_VEH_PER_H_LANE, Signal, junction_grades, letters, service
from models.rows import Floats, Integers
from service.place_views import finite
from service.snapshot import Snapshot
from service.usual_traffic import UsualTraffic

# Nobody tells the signal's plan: two roads that cross, with a tenth of the cycle lost.
ASSUMED_GREEN_SHARE = 0.45
_WORDS = {
    "A": "free",
    "B": "nearly free",
    "C": "stable, slowed down",
    "D": "dense",
    "E": "at its limit",
    "F": "broken down",
    "?": "unknown",
}
_NO_QUEUE = "unknown: one detector does not see how far a queue reaches"


class ServiceNow(NamedTuple):
    """How an approach serves now; None = unknown."""

    level: str | None
    text: str
    flow_per_h: float | None
    volume_to_capacity: float | None
    capacity_text: str
    queue_text: str


def approach_service(register: Register, snapshot: Snapshot, traffic: UsualTraffic, approach: Approach) -> ServiceNow:
    """Return how an approach serves now."""
    ratio = _speed_ratio(snapshot, approach.id)
    flow = traffic.flow_per_h(approach.id, snapshot.now_s) if np.isfinite(ratio) else float("nan")
    grade = int(_grades(np.array([flow]), np.array([ratio]), [approach.lanes])[0])
    letter = letters([grade])[0]
    signalised = register.junctions[approach.junction].signalised
    capacity = SATURATION_VEH_PER_H_LANE * approach.lanes * ASSUMED_GREEN_SHARE
    used = finite(flow / capacity, 2) if signalised else None
    if not signalised:
        capacity_text = "unknown: without signals it depends on who gives way"
    elif used is None:
        capacity_text = "unknown: too little was counted of late"
    else:
        green = f"green is {ASSUMED_GREEN_SHARE * 100:.0f} % of the time"
        capacity_text = f"{used * 100:.0f} % if {green}: the plan of these signals is not known"
    return ServiceNow(
        level=None if grade < 0 else letter,
        text=_WORDS[letter],
        flow_per_h=finite(flow, 0),
        volume_to_capacity=used,
        capacity_text=capacity_text,
        queue_text=_NO_QUEUE,
    )


def junction_service(register: Register, snapshot: Snapshot, junction: str) -> tuple[str | None, str]:
    """Return the level of service of a junction and its words: that of its worst approach, if half are known."""
    approaches = register.approaches_of(junction)
    if not approaches:
        return None, "unknown: nothing counts here"
    ratio = np.array([_speed_ratio(snapshot, one.id) for one in approaches])
    grade = _grades(np.full(len(ratio), np.nan), ratio, [one.lanes for one in approaches])
    letter = letters(junction_grades(grade, np.zeros(len(ratio), np.int64), 1))[0]
    known = int((grade >= 0).sum())
    if letter == "?":
        return None, f"unknown: the speed is known on {known} of {len(ratio)} approaches"
    return letter, f"{_WORDS[letter]} on the worst of {known} approaches whose speed is known"


def _speed_ratio(snapshot: Snapshot, approach: str) -> float:
    return float(snapshot.approaches.speed_ratio[snapshot.approaches.index[approach]])


def _grades(flow: Floats, ratio: Floats, lanes: list[int]) -> Integers:
    unknown = np.full(len(ratio), np.nan)
    return service(flow, ratio, lanes, Signal(unknown, unknown)).grade
