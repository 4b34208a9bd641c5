"""Which stream each truck takes today: one, so that nothing mixes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from city.places import Truck
from city.plans import Job

# Loose waste is of no stream: grab vehicles are a crew of their own.
LOOSE = "loose waste"
_DRIVE_BETWEEN_S = 120.0


def stream_of(job: Job) -> str:
    """Return the stream of a job, `LOOSE` for clearing."""
    return LOOSE if job.kind == "clear" else job.stream


def assign_streams(trucks: Sequence[Truck], jobs: Sequence[Job], fixed: Mapping[str, str]) -> dict[str, str]:
    """Return the stream of each truck that has one to take, by the truck's id.

    Trucks with little choice choose first. Each takes, of the streams that it may take, one that nobody takes yet and
    that has must jobs; else the one in which most work is left for each truck.

    Parameters
    ----------
    fixed
        Streams that trucks have begun with today.
    """
    work_s: dict[str, float] = defaultdict(float)
    musts: set[str] = set()
    for job in jobs:
        work_s[stream_of(job)] += job.service_s + _DRIVE_BETWEEN_S
        if job.must:
            musts.add(stream_of(job))
    result = dict(fixed)
    crews: dict[str, int] = defaultdict(int)
    for stream in fixed.values():
        crews[stream] += 1
    open_ = [truck for truck in trucks if truck.id not in fixed]
    for truck in sorted(open_, key=lambda one: (len(_options(one, work_s)), one.id)):
        options = _options(truck, work_s)
        if not options:
            continue
        chosen = max(options, key=lambda s: (s in musts and not crews[s], work_s[s] / (1 + crews[s]), s))
        result[truck.id] = chosen
        crews[chosen] += 1
    return result


def _options(truck: Truck, work_s: Mapping[str, float]) -> list[str]:
    may = (LOOSE,) if truck.kind == "grab" else truck.streams
    return [stream for stream in may if stream in work_s]
