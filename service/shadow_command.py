"""The command ``ronde shadow``: what other policies would have done with the same waste."""

import json
import math
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city.errors import BadInput

if TYPE_CHECKING:
    from simulation.shadow import Policy, ShadowCity
    from simulation.shadow_report import Summary

_POLICIES = "ronde, fixed, threshold-0.5 with any ratio, fullest-250 with any number of 850 clusters, or clairvoyant"


def shadow(
    policy: Annotated[list[str] | None, typer.Option(help=f"A policy, may be given again: {_POLICIES}.")] = None,
    days: Annotated[int, typer.Option(help="Days to compare, after two weeks that are lived and not counted.")] = 28,
    levels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A history of levels (LEVELS) [default: a simulated city].")
    ] = None,
    clusters: Annotated[int, typer.Option(help="Size of the simulated city.")] = 850,
    seed: Annotated[int, typer.Option(help="Of the city, the sensors and the solver.")] = 1,
    first_day: Annotated[
        str, typer.Option(help="First day that is counted, YYYY-MM-DD [default: two weeks into the history].")
    ] = "",
    spared_s: Annotated[
        float, typer.Option(help="Seconds of driving that it is worth to spare one person a full container.")
    ] = 100.0,
    iterations: Annotated[int, typer.Option(help="Of the solver, for each crew and day.")] = 300,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page with plots.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Live the same days under several policies of emptying, and compare kilometres, service and fill.

    The second policy and those after it are compared with the first. The policies: ronde = the forecast chooses, as in
    the service; threshold-R = every container that is at the ratio R or above; fullest-N = so many clusters of 850, the
    fullest ones, emptied whole; fixed = a rota, whatever is inside; clairvoyant = ronde, if it knew what comes in.
    """
    from simulation.shadow import run_shadow
    from simulation.shadow_report import TABLE_HEAD, report_html, summarise, table_cells

    for name, value, least in (("--days", days, 1), ("--clusters", clusters, 2), ("--iterations", iterations, 1)):
        if value < least:
            raise BadInput(f"{name} is {value}.", f"Give at least {least}.")
    policies = [policy_of(one, spared_s) for one in policy or ["fullest-250", "threshold-0.5", "ronde"]]
    if report is not None and not report.parent.is_dir():
        raise BadInput(f"There is no folder {report.parent} for the report.", "Make it, or give another --report.")
    city, day, notes = _history_city(levels, first_day, seed) if levels else _simulated_city(clusters, first_day, seed)

    def said(number: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rday {number + 1} of {days}  ")

    figures = run_shadow(city, policies, day, days, seed=seed, iterations=iterations, on_day=said)
    baseline = policies[0].name
    summaries = summarise(figures, baseline, seed=seed)
    notes.append(f"Seed {seed}, {iterations} iterations of the solver for each crew and day, {days} days from {day}.")
    if report is not None:
        report.write_text(report_html("Shadow mode", notes, figures, baseline, seed=seed), encoding="utf-8")
    if as_json:
        body = {name: _plain(one) for name, one in summaries.items()}
        typer.echo(json.dumps({"baseline": baseline, "days": days, "seed": seed, "policies": body}))
        return
    for name, one in summaries.items():
        typer.echo(name)
        for head, cell in zip(TABLE_HEAD, table_cells(one), strict=True):
            typer.echo(f"  {head:26} {cell}")
    for note in notes:
        typer.echo(note)


def policy_of(text: str, spared_s: float) -> "Policy":
    """Return the policy that a person named.

    Raises
    ------
    BadInput
        There is no such policy.
    """
    from routing.selection import SelectionParameters
    from simulation.shadow import Clairvoyant, FixedRota, FixedThreshold, Fullest, Selection

    name, _, number = text.partition("-")
    if name == "threshold" and number:
        try:
            threshold = float(number)
        except ValueError:
            threshold = -1.0
        if 0.0 <= threshold <= 1.0:
            return FixedThreshold(threshold)
    if name == "fullest" and number.isdecimal() and 0 < int(number) <= 850:
        return Fullest(int(number))
    if text == "clairvoyant":
        return Clairvoyant(SelectionParameters(spared_s=spared_s))
    if text == "fixed":
        return FixedRota()
    if text == "ronde":
        return Selection(SelectionParameters(spared_s=spared_s))
    raise BadInput(f"{text!r} is no policy.", f"Use {_POLICIES}.")


def _plain(one: "Summary") -> dict[str, object]:
    from simulation.shadow_report import Figure

    return {
        name: {of: None if math.isnan(number) else number for of, number in value._asdict().items()}
        if isinstance(value, Figure)
        else value
        for name, value in one._asdict().items()
    }


def _simulated_city(clusters: int, first_day: str, seed: int) -> "tuple[ShadowCity, date, list[str]]":
    from simulation.city import SimulatedCity
    from simulation.deposits import DepositProcess
    from simulation.parameters import CityParameters, demo_start_s
    from simulation.shadow import ShadowCity

    day = _day(first_day) if first_day else date(2026, 1, 5)
    parameters = CityParameters.of_size(clusters)
    made = SimulatedCity.generate(parameters, seed, demo_start_s(day))
    inflow = DepositProcess(made.register, parameters, seed)
    note = f"A simulated city: {len(made.register.clusters)} clusters, {len(made.register.containers)} containers."
    return ShadowCity.of(made.register, made.network, inflow), day, [note]


def _history_city(levels: Path, first_day: str, seed: int) -> "tuple[ShadowCity, date, list[str]]":
    from city.clock import utc
    from simulation.history import read_levels
    from simulation.inflow import HistoryInflow
    from simulation.replay import ReplayCity
    from simulation.shadow import ShadowCity
    from simulation.streets import generate_network

    history = read_levels(levels)
    begin_s = float(history.at_s[0])
    made = ReplayCity.build(generate_network(seed), begin_s, levels=levels, seed=seed)
    inflow = HistoryInflow(history, made.register)
    day = _day(first_day) if first_day else utc(begin_s + 15 * 86_400.0).date()
    notes = [
        f"A history of {len(history.entities)} containers from {utc(begin_s):%Y-%m-%d} to "
        f"{utc(float(history.at_s[-1])):%Y-%m-%d}; for {inflow.imputed_share:.0%} of all time nothing was measured, "
        "and the container's own mean came in. What was turned away from full containers is in no history: inflow is a "
        "lower bound. The file says nothing about places, so the containers stand on invented streets.",
    ]
    return ShadowCity.of(made.register, made.network, inflow), day, notes


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no day.", "Use YYYY-MM-DD.") from None
