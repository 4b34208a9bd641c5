"""Other ways to choose what to empty, and what would have come of them: the measure that rounds are held against."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from city.places import Container
from city.plans import Job, Round
from city.register import Register
from routing.service_time import service_s
from simulation.city import SimulatedCity
from simulation.truth import DENSITY_KG_PER_M3, replayed_levels

CLUSTERS_PER_DAY = 250
_CLUSTERS = 850
THRESHOLD_RATIO = 0.6
# How full a container is on average when its turn comes.
_ROTA_RATIO = 0.489


def fixed_rounds(register: Register, day: date, clusters_per_day: int | None = None) -> list[Job]:
    """Return the jobs of a fixed rota: every cluster has its turn, whatever is in it.

    Clusters take turns in the order of their bearing from the depot, so that a day's clusters are neighbours.

    Parameters
    ----------
    day
        The local day.
    clusters_per_day
        None = 250 of 850, in a smaller city the same share.

    References
    ----------
    The fixed baseline empties 250 clusters a day, 48.9 % full on average: arXiv 2409.13386.
    """
    clusters = list(register.clusters.values())
    share = CLUSTERS_PER_DAY / _CLUSTERS
    today = min(len(clusters), clusters_per_day or max(1, round(share * len(clusters))))
    depot = next(iter(register.depots.values()))
    bearing = np.arctan2([c.lon - depot.lon for c in clusters], [c.lat - depot.lat for c in clusters])
    order = np.argsort(bearing, kind="stable")
    first = day.toordinal() * today
    turn = [clusters[order[(first + i) % len(clusters)]].id for i in range(today)]
    return [job for cluster in turn for job in _jobs(register, cluster, register.containers_of(cluster), {})]


def threshold_jobs(register: Register, level: Mapping[str, float], threshold: float = THRESHOLD_RATIO) -> list[Job]:
    """Return the jobs of a fixed threshold: every container that is at it or above is emptied, and no other.

    Parameters
    ----------
    level
        Fill ratio by container; a container that is missing is unknown and is emptied to be sure.
    """
    jobs = []
    for cluster in register.clusters:
        due = [c for c in register.containers_of(cluster) if level.get(c.id, 1.0) >= threshold]
        jobs += _jobs(register, cluster, due, level)
    return jobs


def fullest_jobs(register: Register, level: Mapping[str, float], clusters_per_day: int = CLUSTERS_PER_DAY) -> list[Job]:
    """Return the jobs of a fixed number of clusters: those whose fullest container is fullest, emptied whole.

    Parameters
    ----------
    level
        Fill ratio by container; a container that is missing is unknown and counts as full.
    clusters_per_day
        Of 850; in a smaller city the same share, at least 1.

    References
    ----------
    The baseline of arXiv 2409.13386: a fixed number of clusters a day, the fullest ones.
    """
    number = max(1, round(clusters_per_day / _CLUSTERS * len(register.clusters)))
    fullest = {
        one: max((level.get(c.id, 1.0) for c in register.containers_of(one)), default=0.0) for one in register.clusters
    }
    chosen = sorted(fullest, key=lambda one: (-fullest[one], one))[:number]
    return [job for one in sorted(chosen) for job in _jobs(register, one, register.containers_of(one), level)]


def emptied_by(rounds: Iterable[Round]) -> list[tuple[str, float]]:
    """Return what rounds empty as they are planned: (container, time), to compare plans that were never driven."""
    return [
        (container, stop.arrive_s + 60.0 * (i + 2))
        for one in rounds
        for stop in one.stops
        if stop.kind == "empty"
        for i, container in enumerate(stop.containers)
    ]


def overflows(city: SimulatedCity, emptied: Iterable[tuple[str, float]], from_s: float, until_s: float) -> int:
    """Return how many containers are full at some time from `from_s` to `until_s` under these emptyings.

    What people throw in is the same under every policy; only `emptied` (container, time) differs. Containers that are
    full already at `from_s` count, under every policy alike.
    """
    known: Sequence[tuple[str, float]] = sorted(emptied, key=lambda one: one[1])
    truth = city.truth()
    replayed_levels(truth, [one for one in known if one[1] < from_s], from_s)
    return int(replayed_levels(truth, [one for one in known if from_s <= one[1] < until_s], until_s).sum())


def _jobs(register: Register, cluster: str, containers: Sequence[Container], level: Mapping[str, float]) -> list[Job]:
    place = register.clusters[cluster]
    jobs = []
    for stream in dict.fromkeys(c.stream for c in containers):
        some = [c for c in containers if c.stream == stream]
        volume = sum(c.volume_m3 * min(1.0, level.get(c.id, _ROTA_RATIO)) for c in some)
        jobs.append(
            Job(
                id=f"fixed-{cluster}-{stream}",
                kind="empty",
                place=cluster,
                lon=place.lon,
                lat=place.lat,
                stream=stream,
                containers=tuple(c.id for c in some),
                volume_m3=round(volume, 3),
                load_kg=round(volume * DENSITY_KG_PER_M3[stream], 1),
                service_s=service_s(len(some)),
            )
        )
    return jobs
