"""How wrong arrival times are on simulated mornings: one matrix of several kinds, and slices of time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from city.plans import Round
from models.travel_factors import speed_factors
from routing.congestion import ObservedApproach, edge_congestion
from routing.problem import CollectionProblem
from routing.solve import plan_day
from routing.travel import TravelTimes
from service.observed_traffic import HALF_LIFE_S, NEXT_HOURS_S
from simulation.city import SimulatedCity
from simulation.parameters import CityParameters, demo_start_s
from simulation.policies import threshold_jobs

Floats = npt.NDArray[np.float64]

FIRST_DAY = date(2026, 3, 2)
# The hours ahead were chosen on seeds 11 and 12.
SEED = 13
ITERATIONS = 300
# A second city: jams as often as this times, speeds to this power.
HEAVY_JAMS, HEAVY_POWER = 8.0, 2.5
SLICES_S = (0.0, 900.0, 1800.0, 3600.0, 5400.0, 7200.0, 10_800.0, 14_400.0, 18_000.0)
UNDER_WAY_HOUR = 8.25
_TRUE_STEP_S = 600.0
KINDS = ("free streets", "seen now", "mean of the next two hours", "mean of the shift", "slices of time")


class _Estimate(NamedTuple):
    """Travel as it is thought to be from each of some moments ahead on; one moment = always the same."""

    from_s: tuple[float, ...]
    travel: tuple[TravelTimes, ...]


def run(quick: bool) -> dict[str, Any]:
    """Return minutes by which arrival times are wrong, of the day's plan and of rounds under way."""
    parameters = CityParameters.of_size(300) if quick else CityParameters()
    mornings = 1 if quick else 5
    heavy = replace(parameters, jams_per_day=HEAVY_JAMS * parameters.jams_per_day)
    return {
        "seed": SEED,
        "mornings": mornings,
        "clusters": parameters.clusters,
        "traffic": {
            "as simulated": _errors(_City(parameters, 1.0), mornings),
            "heavy": _errors(_City(heavy, HEAVY_POWER), mornings),
        },
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| traffic | travel | plan of 07:00, mean (p95) min | under way, mean (p95) min |",
        "| --- | --- | --- | --- |",
    ]
    for traffic, errors in figures["traffic"].items():
        for kind in KINDS:
            day, way = errors["day"][kind], errors["under way"][kind]
            lines.append(
                f"| {traffic} | {kind} | {day['mean']:.2f} ({day['p95']:.2f}) | {way['mean']:.2f} ({way['p95']:.2f}) |"
            )
    return "\n".join(lines) + f"\n\n{figures['mornings']} mornings, seed {figures['seed']}.\n"


class _City:
    """A simulated city whose true traffic is known at any time."""

    def __init__(self, parameters: CityParameters, power: float) -> None:
        self.city = SimulatedCity.generate(parameters, SEED, demo_start_s(FIRST_DAY))
        self.city.network.prepare()
        self._true_ratio = self.city.truth().traffic.speed_ratio
        self._power = power

    def ratio(self, at_s: float) -> Floats:
        ratio: Floats = self._true_ratio(at_s) ** self._power
        return ratio

    def travel(self, ratio: Floats | None = None) -> TravelTimes:
        register = self.city.register
        if ratio is None:
            return TravelTimes(self.city.network)
        approaches = zip(register.approaches.values(), ratio, strict=True)
        observed = [
            ObservedApproach(register.junctions[a.junction].lon, register.junctions[a.junction].lat, a.bearing_deg, r)
            for a, r in approaches
        ]
        return TravelTimes(self.city.network, edge_congestion(self.city.network, observed).factor)


def _errors(city: _City, mornings: int) -> dict[str, Any]:
    rng = np.random.default_rng([SEED, 89])
    found: dict[str, dict[str, list[float]]] = {when: {kind: [] for kind in KINDS} for when in ("day", "under way")}
    for morning in range(mornings):
        day_s = city.city.start_s - 6.5 * 3600 + 86_400.0 * (7 * (morning // 5) + morning % 5)
        level = dict(
            zip(city.city.register.containers, rng.uniform(0, 1, len(city.city.register.containers)), strict=True)
        )
        for when, kind, minutes in _morning(city, morning, day_s, level):
            found[when][kind] += minutes
    return {
        when: {
            kind: {"mean": float(np.mean(some)), "p95": float(np.quantile(some, 0.95)), "stops": len(some)}
            for kind, some in kinds.items()
        }
        for when, kinds in found.items()
    }


def _morning(city: _City, morning: int, day_s: float, level: dict[str, float]) -> list[tuple[str, str, list[float]]]:
    """Return when it was reckoned, how, and the minutes that it was wrong by at each stop."""
    register, seven_s = city.city.register, day_s + 7 * 3600.0
    workdays = [day_s - 86_400.0 * back for back in range(1, 15) if (morning % 5 - back) % 7 < 5]

    def usual(at_s: float) -> Floats:
        mean: Floats = np.mean([city.ratio(at_s - day_s + one) for one in workdays], axis=0)
        return mean

    def factors(now_s: float, ahead_s: Sequence[float]) -> Floats:
        known = np.array([usual(now_s), *(usual(now_s + after) for after in ahead_s)]).T
        return speed_factors(city.ratio(now_s), known, ahead_s, fades_s=HALF_LIFE_S / math.log(2))

    def estimates(now_s: float, ends_s: float) -> dict[str, _Estimate]:
        shift_s = [3600.0 * hour for hour in range(max(1, math.ceil((ends_s - now_s) / 3600.0)))]
        means = {
            "seen now": [0.0],
            "mean of the next two hours": NEXT_HOURS_S,
            "mean of the shift": shift_s,
        }
        sliced = factors(now_s, SLICES_S)
        one = {
            kind: _Estimate((0.0,), (city.travel(1 / (1 / factors(now_s, ahead)).mean(1)),))
            for kind, ahead in means.items()
        }
        return {
            "free streets": _Estimate((0.0,), (city.travel(),)),
            **one,
            "slices of time": _Estimate(SLICES_S, tuple(city.travel(ratio) for ratio in sliced.T)),
        }

    whole = estimates(seven_s, seven_s + 7 * 3600.0)
    plan = plan_day(
        CollectionProblem(
            jobs=tuple(threshold_jobs(register, level, 0.75)),
            trucks=tuple(one for one in register.trucks.values() if one.kind == "crane"),
            depots=tuple(register.depots.values()),
            unloading_sites=tuple(register.unloading_sites.values()),
            day_start_s=day_s,
            now_s=seven_s,
            travel=whole["mean of the shift"].travel[0],
        ),
        60.0,
        seed=morning,
        iterations=ITERATIONS,
    )
    now_s = day_s + UNDER_WAY_HOUR * 3600.0
    later = estimates(now_s, seven_s + 7 * 3600.0)
    true: dict[int, TravelTimes] = {}

    def truly(at_s: float) -> TravelTimes:
        number = int(at_s // _TRUE_STEP_S)
        if number not in true:
            true[number] = city.travel(city.ratio((number + 0.5) * _TRUE_STEP_S))
        return true[number]

    wrong = []
    for one in plan.rounds:
        legs = _Legs(one)
        real = legs.arrivals(0, one.stops[0].leave_s, truly)
        for kind, estimate in whole.items():
            wrong.append(("day", kind, _minutes(real, legs.reckoned(0, one.stops[0].leave_s, seven_s, estimate))))
        at = int(np.searchsorted(real, now_s))
        if at >= len(real) - 2:
            continue
        leaves_s = max(now_s, float(real[at]) + legs.stay_s[at + 1])
        for kind, estimate in later.items():
            reckoned = legs.reckoned(at + 1, leaves_s, now_s, estimate)
            wrong.append(("under way", kind, _minutes(legs.arrivals(at + 1, leaves_s, truly), reckoned)))
    return wrong


class _Legs:
    """The legs of a round under any travel times."""

    def __init__(self, one: Round) -> None:
        self._lon, self._lat = [stop.lon for stop in one.stops], [stop.lat for stop in one.stops]
        self.stay_s = [stop.leave_s - stop.arrive_s for stop in one.stops]
        self._known: dict[TravelTimes, Floats] = {}

    def seconds(self, travel: TravelTimes) -> Floats:
        if travel not in self._known:
            points, _ = travel.snap(self._lon, self._lat)
            places, index = np.unique(points, return_inverse=True)
            self._known[travel] = travel.matrix(places).duration_s[index[:-1], index[1:]]
        return self._known[travel]

    def reckoned(self, first: int, leaves_s: float, now_s: float, estimate: _Estimate) -> Floats:
        def travel_at(at_s: float) -> TravelTimes:
            number = max(0, int(np.searchsorted(estimate.from_s, at_s - now_s, side="right")) - 1)
            return estimate.travel[number]

        return self.arrivals(first, leaves_s, travel_at)

    def arrivals(self, first: int, leaves_s: float, travel_at: Callable[[float], TravelTimes]) -> Floats:
        """Return when each stop after `first` is reached by who leaves that one then."""
        at_s, found = leaves_s, []
        for leg in range(first, len(self.stay_s) - 1):
            at_s += float(self.seconds(travel_at(at_s))[leg])
            found.append(at_s)
            at_s += self.stay_s[leg + 1]
        return np.array(found)


def _minutes(real: Floats, reckoned: Floats) -> list[float]:
    minutes: list[float] = (np.abs(real - reckoned) / 60.0).tolist()
    return minutes
