"""Which containers to empty today: those that must be, and what each of the others is worth a detour."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from city.errors import BadInput
from city.places import Container
from city.plans import Job
from city.quantities import DEPOSIT_L
from city.register import Register
from routing.service_time import service_s

# Waste as it lies in a container, kg/m³. Residual 40..70 is measured; the others are usual planning figures.
DENSITY_KG_M3 = {"residual": 55.0, "organic": 250.0, "paper": 60.0, "glass": 300.0, "textile": 90.0}


class Outlook(NamedTuple):
    """What is expected of one container until the next possible visit; ratios of its usable volume.

    Parameters
    ----------
    level
        Now.
    overflow
        Probability of being full before that visit.
    spill
        Expected waste that will find no room until then.
    """

    level: float
    overflow: float
    spill: float


@dataclass(frozen=True)
class SelectionParameters:
    """How emptyings are chosen.

    Parameters
    ----------
    must_probability, must_fill_ratio
        A container that is full before the next possible visit with more than this probability, or is this full now,
        must be emptied.
    may_probability
        Below this probability a container is left alone.
    spared_s
        Seconds of driving that it is worth to spare one person a full container.

    References
    ----------
    Must above 99 % and prizes otherwise: N. A. Wouda et al., "An integrated selection and routing policy for urban
    waste collection", arXiv 2409.13386. There the prize is for a container that overflows; here for each deposit that
    finds no room, because that is what the service level counts.
    """

    must_probability: float = 0.99
    must_fill_ratio: float = 1.0
    may_probability: float = 0.01
    spared_s: float = 100.0

    def __post_init__(self) -> None:
        for name in ("must_probability", "may_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use a probability from 0 to 1.")
        for name in ("must_fill_ratio", "spared_s"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use 0 or more.")


def select_emptyings(
    register: Register, outlook: Mapping[str, Outlook], parameters: SelectionParameters, day_s: float
) -> list[Job]:
    """Return one job for each cluster and stream that has a container worth a visit today.

    Parameters
    ----------
    outlook
        By container. One that is missing is unknown, and nobody drives to it on a guess.
    day_s
        An inner city's hour counts from it (s since 1970).
    """
    chosen: dict[tuple[str, str], dict[str, Outlook]] = defaultdict(dict)
    for id, one in outlook.items():
        if one.overflow >= parameters.may_probability or one.level >= parameters.must_fill_ratio:
            container = register.containers[id]
            chosen[container.cluster, container.stream][id] = one
    return [
        emptying(register, cluster, stream, some, parameters, day_s)
        for (cluster, stream), some in sorted(chosen.items())
        if is_taken(register, stream)
    ]


def emptying(
    register: Register,
    cluster: str,
    stream: str,
    outlook: Mapping[str, Outlook],
    parameters: SelectionParameters,
    day_s: float,
    incident: str = "",
) -> Job:
    """Return the job of emptying containers of one stream of a cluster.

    Parameters
    ----------
    outlook
        Of those containers.
    incident
        What asked for it; such a job must be done.
    """
    place = register.clusters[cluster]
    must = bool(incident) or any(
        one.overflow > parameters.must_probability or one.level >= parameters.must_fill_ratio
        for one in outlook.values()
    )
    containers = [register.containers[id] for id in outlook]
    volume_m3 = sum(min(one.level, 1.1) * register.containers[id].volume_m3 for id, one in outlook.items())
    return Job(
        id=f"empty-{cluster}-{stream}",
        kind="empty",
        place=cluster,
        lon=place.lon,
        lat=place.lat,
        stream=stream,
        containers=tuple(outlook),
        volume_m3=round(volume_m3, 3),
        load_kg=round(volume_m3 * DENSITY_KG_M3[stream], 1),
        service_s=service_s(len(outlook)),
        must=must,
        prize_s=0.0 if must else round(sum(prize_s(one, outlook[one.id], parameters) for one in containers), 1),
        latest_s=None if place.before_hour is None else day_s + place.before_hour * 3600.0,
        incident=incident,
        overflow_probability=_any_overflows(outlook),
    )


def prize_s(container: Container, outlook: Outlook, parameters: SelectionParameters) -> float:
    """Return the seconds of driving that emptying a container today is worth."""
    return parameters.spared_s * outlook.spill * container.volume_m3 * 1000.0 / DEPOSIT_L


def _any_overflows(outlook: Mapping[str, Outlook]) -> float | None:
    """Return the probability that any of these containers overflows, None = not known of one of them."""
    none_does = math.prod(1.0 - one.overflow for one in outlook.values())
    return round(1.0 - none_does, 4) if math.isfinite(none_does) else None


def is_taken(register: Register, stream: str) -> bool:
    """Return whether any crane truck takes the stream."""
    return any(truck.kind == "crane" and stream in truck.streams for truck in register.trucks.values())
