"""From the edges of a way to what a driver is told: where to turn, onto which street, and for how long."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from routing.network import Network
from routing.way_search import EdgePart

Manoeuvre = Literal[
    "depart",
    "straight",
    "slight-left",
    "left",
    "sharp-left",
    "slight-right",
    "right",
    "sharp-right",
    "u-turn",
    "roundabout",
]

_STRAIGHT_DEG = 25.0
_SLIGHT_DEG = 50.0
_SHARP_DEG = 125.0
# On a junction of two carriageways the turn is made of several short edges.
_SHORT_M = 3.0


class Instruction(NamedTuple):
    """What to do at (lon, lat): then `street` (empty = it has no name) is followed for `distance_m`.

    `exit` is the number of the exit of a roundabout, else 0.
    """

    manoeuvre: Manoeuvre
    street: str
    distance_m: float
    lon: float
    lat: float
    exit: int = 0


def instructions(network: Network, parts: Sequence[EdgePart]) -> list[Instruction]:
    """Return what a driver is told along a way.

    Parameters
    ----------
    network
        The streets.
    parts
        The edges driven, as `Way.parts` has them. Empty = nothing is driven, and nothing is said.
    """
    said: list[Instruction] = []
    around = set(network.roundabout_edges.tolist())
    ways_out = np.bincount(network.edge_from, minlength=network.n_nodes)
    exits = 0
    for i, part in enumerate(parts):
        street = str(network.edge_name[part.edge])
        metres = float(network.edge_length_m[part.edge]) * (part.last - part.first)
        if i == 0:
            said.append(_at_start(network, "depart", part, street, metres))
            exits = 0
            continue
        before = parts[i - 1].edge
        if part.edge in around:
            if before not in around:
                exits = 0
                said.append(_at_start(network, "roundabout", part, "", metres))
            else:
                exits += int(ways_out[network.edge_from[part.edge]] > 1)
                said[-1] = said[-1]._replace(distance_m=said[-1].distance_m + metres)
            continue
        if before in around and said[-1].manoeuvre == "roundabout":
            said[-1] = said[-1]._replace(street=street, distance_m=said[-1].distance_m + metres, exit=exits + 1)
            continue
        manoeuvre = _manoeuvre(network, before, part.edge)
        junction = ways_out[network.edge_from[part.edge]] > 2
        same_street = street == said[-1].street
        goes_on = manoeuvre == "straight" or (manoeuvre.startswith("slight") and (same_street or not junction))
        if (goes_on and (same_street or not street)) or (not junction and manoeuvre != "u-turn" and same_street):
            said[-1] = said[-1]._replace(distance_m=said[-1].distance_m + metres)
        else:
            said.append(_at_start(network, manoeuvre, part, street, metres))
    return [one for one in said if one.distance_m > _SHORT_M or one.manoeuvre != "straight"]


def _at_start(network: Network, what: Manoeuvre, part: EdgePart, street: str, metres: float) -> Instruction:
    lon, lat = network.kerbs.line(part.edge, part.first, part.first)[0]
    return Instruction(what, street, metres, float(lon), float(lat))


def _manoeuvre(network: Network, before: int, edge: int) -> Manoeuvre:
    if network.kerbs.twin[before] == edge:
        return "u-turn"
    angle = float((network.edge_start_bearing_deg[edge] - network.edge_bearing_deg[before] + 180.0) % 360.0 - 180.0)
    size = abs(angle)
    if size <= _STRAIGHT_DEG:
        return "straight"
    if angle > 0:
        return "slight-right" if size <= _SLIGHT_DEG else "right" if size <= _SHARP_DEG else "sharp-right"
    return "slight-left" if size <= _SLIGHT_DEG else "left" if size <= _SHARP_DEG else "sharp-left"
