"""What drivers' vetoes teach about places: hours in which a street is blocked, and visits that are not needed.

A driver who passes a stop by says why. One veto is an event, the same one again at that hour is knowledge: the share of
visits that were refused, with a prior of few, and with old ones counting less.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from city.errors import BadInput
from city.plans import Job
from city.vetoes import VetoReason
from routing.clock import Interval
from routing.windows import beginnings

_HOUR_S = 3600.0


class Veto(msgspec.Struct, frozen=True):
    """A driver did not do what was asked at a place; `hour` is that of the local day (0..24), `at_s` city time."""

    place: str
    reason: VetoReason
    hour: float
    at_s: float


class Visited(msgspec.Struct, frozen=True):
    """A driver did what was asked at a place."""

    place: str
    hour: float
    at_s: float


@dataclass(frozen=True)
class Learning:
    """How much is made of vetoes.

    Parameters
    ----------
    half_life_days
        After this time a veto or a visit counts half.
    prior_vetoes, prior_visits
        What a place begins with.
    avoid_from
        The share of refusals from which an hour is kept clear.
    wasted_s
        Seconds that a visit in vain costs.

    Raises
    ------
    BadInput
        A figure cannot be.
    """

    half_life_days: float = 60.0
    prior_vetoes: float = 0.2
    prior_visits: float = 1.8
    avoid_from: float = 0.5
    wasted_s: float = 300.0

    def __post_init__(self) -> None:
        for name in ("half_life_days", "prior_vetoes", "prior_visits", "avoid_from"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Give a number above 0.")
        if not 0 <= self.wasted_s < math.inf:
            raise BadInput(f"wasted_s is {self.wasted_s}.", "Give a number of at least 0.")


@dataclass(frozen=True)
class Lesson:
    """What is known of a place: `refused` is the share of refusals by hour of the day, `not_needed` that of all visits.

    `vetoes` is how many it was learned from: the evidence to show.
    """

    place: str
    refused: Mapping[int, float]
    not_needed: float
    vetoes: int

    def hours_to_avoid(self, avoid_from: float) -> tuple[int, ...]:
        """Return the hours of the day in which at least this share of visits is refused."""
        return tuple(sorted(hour for hour, share in self.refused.items() if share >= avoid_from))


def lessons(
    vetoes: Sequence[Veto], visits: Iterable[Visited], now_s: float, learning: Learning | None = None
) -> tuple[Lesson, ...]:
    """Return what is known of each place with a veto, by place.

    Parameters
    ----------
    vetoes, visits
        What happened before `now_s`; what came later is not looked at.
    now_s
        City time, s since 1970.
    """
    how = learning or Learning()
    blocked: dict[tuple[str, int], float] = defaultdict(float)
    useless: dict[str, float] = defaultdict(float)
    done: dict[tuple[str, int], float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for veto in vetoes:
        if veto.at_s > now_s:
            continue
        count[veto.place] += 1
        if veto.reason == "not_needed":
            useless[veto.place] += _weight(veto.at_s, now_s, how)
        else:
            blocked[veto.place, _hour(veto.hour)] += _weight(veto.at_s, now_s, how)
    for visit in visits:
        if visit.at_s <= now_s and visit.place in count:
            done[visit.place, _hour(visit.hour)] += _weight(visit.at_s, now_s, how)
    result = []
    for place in sorted(count):
        hours = {hour for where, hour in blocked if where == place}
        all_done = sum(weight for (where, _), weight in done.items() if where == place)
        result.append(
            Lesson(
                place,
                {hour: _share(blocked[place, hour], done[place, hour], how) for hour in sorted(hours)},
                _share(useless[place], all_done, how) if place in useless else 0.0,
                count[place],
            )
        )
    return tuple(result)


def taught(
    jobs: Sequence[Job], learned: Sequence[Lesson], day_start_s: float, learning: Learning | None = None
) -> tuple[Job, ...]:
    """Return the jobs with what was learned of their places.

    Hours in which a place is mostly refused are avoided, where that leaves time to do the job at all. A job that may be
    left out is worth less by what its visits in vain cost, and by the share of them that were not needed.

    Parameters
    ----------
    day_start_s
        What hours count from (`routing.problem.CollectionProblem.day_start_s`).
    """
    how = learning or Learning()
    by_place = {lesson.place: lesson for lesson in learned}
    result = []
    for job in jobs:
        lesson = by_place.get(job.place)
        result.append(job if lesson is None else _taught(job, lesson, day_start_s, how))
    return tuple(result)


def _taught(job: Job, lesson: Lesson, day_start_s: float, how: Learning) -> Job:
    hours = lesson.hours_to_avoid(how.avoid_from)
    avoid: tuple[Interval, ...] = tuple(
        (day_start_s + hour * _HOUR_S, day_start_s + (hour + 1) * _HOUR_S) for hour in hours
    )
    careful = msgspec.structs.replace(job, avoid=tuple(dict.fromkeys((*job.avoid, *avoid))))
    if not beginnings(careful):
        careful = job
    if job.must:
        return careful
    others = [share for hour, share in lesson.refused.items() if hour not in hours]
    lost_s = how.wasted_s * max(others, default=0.0)
    worth_s = max(0.0, job.prize_s * (1.0 - lesson.not_needed) - lost_s)
    return msgspec.structs.replace(careful, prize_s=worth_s)


def _weight(at_s: float, now_s: float, how: Learning) -> float:
    return float(0.5 ** ((now_s - at_s) / 86_400.0 / how.half_life_days))


def _share(vetoes: float, visits: float, how: Learning) -> float:
    return (vetoes + how.prior_vetoes) / (vetoes + visits + how.prior_vetoes + how.prior_visits)


def _hour(hour: float) -> int:
    return int(hour) % 24
