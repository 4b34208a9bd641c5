"""How large and heavy a truck is, and which streets that keeps it out of."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from city.errors import BadInput
from city.places import Truck
from routing.geometry import Bools
from routing.network import Network

_KG_PER_TON = 1000.0
_METRES_PER_FOOT = 0.3048
_LENGTH_UNITS = {"": 1.0, "m": 1.0, "cm": 0.01, "ft": _METRES_PER_FOOT, "km": 1000.0}
_WEIGHT_UNITS = {"": _KG_PER_TON, "t": _KG_PER_TON, "kg": 1.0, "st": 907.18474, "lbs": 0.45359237}


@dataclass(frozen=True)
class TruckSize:
    """A truck as a street's signs see it; None = not known, and then no sign keeps it out.

    `weight_kg` is the largest permitted mass: what a weight sign speaks of, and what a full truck weighs at most.

    Raises
    ------
    BadInput
        A size is not above 0.
    """

    height_m: float | None = None
    weight_kg: float | None = None
    length_m: float | None = None

    def __post_init__(self) -> None:
        for name in ("height_m", "weight_kg", "length_m"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise BadInput(f"A truck's {name} is {value}.", "Give a number above 0, or leave it out.")


def size_of(trucks: Iterable[Truck]) -> TruckSize:
    """Return the size that all of these trucks fit in: the largest height, weight and length known of any."""
    fleet = list(trucks)
    known = [[getattr(one, name) for one in fleet] for name in ("height_m", "weight_kg", "length_m")]
    return TruckSize(*(max((one for one in values if one is not None), default=None) for values in known))


def too_large(network: Network, size: TruckSize) -> Bools:
    """Return `(n_edges,)` bool: streets that the truck may not enter."""
    shut = np.zeros(network.n_edges, dtype=bool)
    for value, limit in (
        (size.height_m, network.edge_max_height_m),
        (size.weight_kg, network.edge_max_weight_kg),
        (size.length_m, network.edge_max_length_m),
    ):
        if value is not None:
            shut |= limit < value
    return shut


def limits_of(tags: Mapping[str, str]) -> tuple[float, float, float]:
    """Return the height (m), weight (kg) and length (m) that a way's tags allow, inf = no limit or none understood.

    References
    ----------
    https://wiki.openstreetmap.org/wiki/Key:maxheight, Key:maxweight, Key:maxlength
    """
    weights = [tags.get(key) or "" for key in ("maxweight", "maxweight:hgv", "maxweightrating", "maxweightrating:hgv")]
    return (
        min(_metres(tags.get("maxheight") or ""), _metres(tags.get("maxheight:physical") or "")),
        min(_amount(one, _WEIGHT_UNITS) for one in weights),
        min(_metres(tags.get("maxlength") or ""), _metres(tags.get("maxlength:hgv") or "")),
    )


def _metres(text: str) -> float:
    feet = re.fullmatch(r"\s*(\d+)\s*'\s*(?:(\d+(?:\.\d+)?)\s*(?:\"|''))?\s*", text)
    if feet:
        return (int(feet[1]) + float(feet[2] or 0) / 12) * _METRES_PER_FOOT
    return _amount(text, _LENGTH_UNITS)


def _amount(text: str, units: Mapping[str, float]) -> float:
    found = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*([a-z]*)\s*", text)
    if not found or found[2] not in units:
        return math.inf
    amount = float(found[1].replace(",", ".")) * units[found[2]]
    return amount if amount > 0 else math.inf
