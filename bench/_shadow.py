"""Shadow mode on the simulated city, against fixed rules; and what live congestion adds to driven minutes."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np

from city.plans import Plan
from routing.congestion import ObservedApproach, edge_congestion
from routing.problem import CollectionProblem
from routing.solve import plan_day
from routing.travel import TravelTimes
from simulation.city import SimulatedCity
from simulation.deposits import DepositProcess
from simulation.parameters import CityParameters, demo_start_s
from simulation.policies import threshold_jobs
from simulation.shadow import Clairvoyant, FixedThreshold, Fullest, Policy, Selection, ShadowCity, run_shadow
from simulation.shadow_report import TABLE_HEAD, Figure, Summary, summarise, table_cells

FIRST_DAY = date(2026, 3, 2)
# Chosen on seed 7: the threshold with the best service over both inflows.
THRESHOLD = 0.5
SEED = 11
ITERATIONS = 150


def run(quick: bool) -> dict[str, Any]:
    """Return the summaries of the policies over a year (quick: two weeks of a small city), and of live congestion.

    The fullest 250 clusters, emptied whole, are the baseline of the source (arXiv 2409.13386); the clairvoyant is a
    bound: the same choice, made by who knows what comes in.
    """
    parameters = CityParameters.of_size(60) if quick else CityParameters()
    days = 14 if quick else 365
    city = SimulatedCity.generate(parameters, SEED, demo_start_s(FIRST_DAY))
    baselines: list[Policy] = [Fullest(), FixedThreshold(THRESHOLD)]
    ours = Selection()
    compared: dict[str, dict[str, Summary]] = {}
    against: dict[str, dict[str, dict[str, object]]] = {}
    for name, spread in (("Poisson arrivals", 0.0), ("days differ", parameters.deposits_day_spread)):
        inflow = DepositProcess(city.register, replace(parameters, deposits_day_spread=spread), SEED)
        shadow = ShadowCity.of(city.register, city.network, inflow)
        policies = [*baselines, ours, Clairvoyant()]
        lived = run_shadow(shadow, policies, FIRST_DAY, days, seed=SEED, iterations=ITERATIONS)
        compared[name] = summarise(lived, baselines[0].name, seed=SEED)
        against[name] = {}
        for one in baselines:
            summaries = summarise(lived, one.name, seed=SEED)
            serves = summaries[one.name].service_level.value >= summaries[ours.name].service_level.value
            ratio = summaries[ours.name].distance_ratio._asdict()
            against[name][one.name] = {"km_ratio": ratio, "serves_as_well_as_ours": bool(serves)}
    return {
        "seed": SEED,
        "days": days,
        "clusters": len(city.register.clusters),
        "iterations": ITERATIONS,
        "policies": {
            inflow: {name: _plain(one) for name, one in summaries.items()} for inflow, summaries in compared.items()
        },
        "ours_against": against,
        "cells": {
            f"{name}, {inflow}": table_cells(one)
            for inflow, summaries in compared.items()
            for name, one in summaries.items()
        },
        "asked": {"km_ratio": 0.58, "service_level": 0.999, "fill_at_emptying": 0.80},
        "congestion": congestion(city, 3 if quick else 20),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    head = f"| policy | {' | '.join(TABLE_HEAD)} |\n|{' --- |' * (len(TABLE_HEAD) + 1)}"
    rows = "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in figures["cells"].items())
    live = figures["congestion"]
    said = "\n".join(
        f"- {inflow}: ours drives {one['km_ratio']['value']:.3f} ({one['km_ratio']['low']:.3f}…"
        f"{one['km_ratio']['high']:.3f}) of the kilometres of {name}, which serves "
        f"{'as well as ours or better' if one['serves_as_well_as_ours'] else 'worse than ours'}."
        for inflow, some in figures["ours_against"].items()
        for name, one in some.items()
    )
    return (
        f"{figures['clusters']} clusters, {figures['days']} days, seed {figures['seed']}, {figures['iterations']} "
        f"iterations a crew and day; in brackets the central 95 % over weeks. The baseline of the column is "
        f"fullest-250, the source's; clairvoyant is a bound.\n\n{head}\n{rows}\n\n{said}\n\n"
        f"Live congestion, {live['mornings']} mornings, the same jobs, driven through the traffic of 08:00: planned "
        f"and driven without it {live['without_min']:.1f} minutes a morning, the same rounds on ways that know it "
        f"{live['ways_min']:.1f}, planned with it too {live['with_min']:.1f} (ratio {live['ratio']:.4f}, "
        f"{live['ratio_low']:.4f}…{live['ratio_high']:.4f} over mornings drawn anew).\n"
    )


def congestion(city: SimulatedCity, mornings: int) -> dict[str, float]:
    """Return minutes driven when a morning is planned on free streets, and when it is planned on those of 08:00.

    All is driven through the streets of 08:00 of workdays: a plan that knows of free streets on the ways that it holds
    for the quickest, the same rounds on those that are, and a plan that knows the traffic.
    """
    approaches = list(city.register.approaches.values())
    junctions = city.register.junctions
    free = TravelTimes(city.network)
    truth = city.truth()
    rng = np.random.default_rng([SEED, 83])
    without, with_ways, with_live = [], [], []
    for morning in range(mornings):
        day_s = city.start_s - 6.5 * 3600 + 86_400.0 * (7 * (morning // 5) + morning % 5)
        ratio = truth.traffic.speed_ratio(day_s + 8 * 3600)
        observed = [
            ObservedApproach(junctions[a.junction].lon, junctions[a.junction].lat, a.bearing_deg, float(r))
            for a, r in zip(approaches, ratio, strict=True)
        ]
        live = TravelTimes(city.network, edge_congestion(city.network, observed).factor)
        level = dict(zip(city.register.containers, rng.uniform(0, 1, len(city.register.containers)), strict=True))
        jobs = threshold_jobs(city.register, level, 0.8)
        plans = []
        for travel in (free, live):
            problem = CollectionProblem(
                jobs=tuple(jobs),
                trucks=tuple(one for one in city.register.trucks.values() if one.kind == "crane"),
                depots=tuple(city.register.depots.values()),
                unloading_sites=tuple(city.register.unloading_sites.values()),
                day_start_s=day_s,
                now_s=day_s + 7 * 3600,
                travel=travel,
            )
            plans.append(plan_day(problem, 60.0, seed=morning, iterations=1000))
        without.append(_driven_s(plans[0], free, live) / 60.0)
        with_ways.append(_driven_s(plans[0], live, live) / 60.0)
        with_live.append(_driven_s(plans[1], live, live) / 60.0)
    a, b = np.array(without), np.array(with_live)
    drawn = rng.integers(0, mornings, (2000, mornings))
    ratios = b[drawn].sum(axis=1) / a[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {
        "mornings": mornings,
        "without_min": float(a.mean()),
        "ways_min": float(np.mean(with_ways)),
        "with_min": float(b.mean()),
        "ratio": float(b.sum() / a.sum()),
        "ratio_low": float(low),
        "ratio_high": float(high),
    }


def _plain(one: Summary) -> dict[str, object]:
    return {name: value._asdict() if isinstance(value, Figure) else value for name, value in one._asdict().items()}


def _driven_s(plan: Plan, travel: TravelTimes, now: TravelTimes) -> float:
    """Return what the ways of `travel` take on the streets of `now`; turns cost the same on both."""
    longer_s = now.edge_duration_s - travel.edge_duration_s
    total_s = 0.0
    for one in plan.rounds:
        points, _ = travel.snap([stop.lon for stop in one.stops], [stop.lat for stop in one.stops])
        for way in travel.ways(list(pairwise(points.tolist()))):
            total_s += way.duration_s + sum(longer_s[edge] * (to - start) for edge, start, to in way.parts)
    return total_s
