"""What shadow mode found, as figures with confidence intervals and as a page with plots."""

import html
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulation.shadow import DayFigures

Floats = npt.NDArray[np.float64]

_DAYS_IN_BLOCK = 7
_DRAWS = 2000
# Columns of the numbers of a day, see `DayFigures`.
_KM, _HOURS, _LIFTS, _FILL, _DEPOSITS, _TURNED_AWAY, _OVERFLOWS, _LEFT_OUT, _CO2 = range(9)


class Figure(NamedTuple):
    """A figure with the central 95 % that resampling whole weeks leaves; equal bounds where there is one week.

    NaN where it is of nothing, as how full containers were when none was emptied.
    """

    value: float
    low: float
    high: float


class Summary(NamedTuple):
    """What one policy came to.

    Parameters
    ----------
    distance_km, hours, lifts, co2_kg
        A day; hours from depot to depot, breaks included.
    fill_at_emptying
        Mean, ratio of the usable volume.
    service_level
        Share of the persons who came and found room.
    overflows
        Containers that became full, a day.
    distance_ratio
        Kilometres as a share of those of the policy that is compared with, on the same days.
    left_out
        Jobs that had to be done and were not, on all days.
    """

    distance_km: Figure
    hours: Figure
    lifts: Figure
    co2_kg: Figure
    fill_at_emptying: Figure
    service_level: Figure
    overflows: Figure
    distance_ratio: Figure
    left_out: int


def summarise(figures: Mapping[str, Sequence[DayFigures]], baseline: str, *, seed: int = 0) -> dict[str, Summary]:
    """Return the summary of every policy, each compared with `baseline`.

    Parameters
    ----------
    seed
        Of the resampling: blocks of seven days, the same blocks for all policies, because one day's waste is the next
        day's level.

    References
    ----------
    Moving blocks: H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", 1989.
    """
    columns = {name: _columns(days) for name, days in figures.items()}
    days = len(next(iter(figures.values())))
    draws = _draws(days, seed)
    return {name: _summary(mine, columns[baseline], draws) for name, mine in columns.items()}


def report_html(
    title: str, notes: Sequence[str], figures: Mapping[str, Sequence[DayFigures]], baseline: str, *, seed: int = 0
) -> str:
    """Return a page for a screen or a printer: a table of the summaries, plots of the days, and `notes` as they are."""
    summaries = summarise(figures, baseline, seed=seed)
    rows = "\n".join(
        f"<tr><th scope='row'>{html.escape(name)}</th>"
        + "".join(f"<td>{cell}</td>" for cell in table_cells(one))
        + "</tr>"
        for name, one in summaries.items()
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in TABLE_HEAD)
    plots = "\n".join(f"<figure>{_plot(figures, *what)}</figure>" for what in _PLOTS)
    said = "\n".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return _PAGE.format(title=html.escape(title), head=head, rows=rows, plots=plots, notes=said)


TABLE_HEAD = (
    "km a day",
    "hours a day",
    "emptyings a day",
    "CO₂ a day, kg",
    "fill at emptying",
    "service level",
    "containers full a day",
    "km against the baseline",
    "jobs left out",
)


def table_cells(one: Summary) -> list[str]:
    """Return the cells of a summary in the order of `TABLE_HEAD`, each with its interval."""
    return [
        _cell(one.distance_km, ".1f"),
        _cell(one.hours, ".1f"),
        _cell(one.lifts, ".0f"),
        _cell(one.co2_kg, ".0f"),
        _cell(one.fill_at_emptying, ".1%"),
        _cell(one.service_level, ".2%"),
        _cell(one.overflows, ".1f"),
        _cell(one.distance_ratio, ".3f"),
        str(one.left_out),
    ]


def _cell(figure: Figure, form: str) -> str:
    if np.isnan(figure.value):
        return "unknown"
    return f"{figure.value:{form}} ({figure.low:{form}}…{figure.high:{form}})"


def _columns(days: Sequence[DayFigures]) -> Floats:
    return np.array([[float(value) for value in one[1:]] for one in days])


def _draws(days: int, seed: int) -> npt.NDArray[np.int64]:
    length = min(_DAYS_IN_BLOCK, days)
    blocks = -(-days // length)
    starts = np.random.default_rng([seed, 79]).integers(0, days - length + 1, (_DRAWS, blocks))
    drawn: npt.NDArray[np.int64] = (starts[:, :, None] + np.arange(length)).reshape(_DRAWS, -1)[:, :days]
    return drawn


def _summary(mine: Floats, other: Floats, draws: npt.NDArray[np.int64]) -> Summary:
    everything = np.arange(len(mine))[None]

    def ratio(top: Floats, bottom: Floats) -> Figure:
        def of(days: npt.NDArray[np.int64]) -> Floats:
            whole = bottom[days].sum(axis=1)
            values: Floats = np.divide(top[days].sum(axis=1), whole, out=np.full(len(days), np.nan), where=whole > 0)
            return values

        drawn = of(draws)
        known = drawn[np.isfinite(drawn)]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
        return Figure(float(of(everything)[0]), float(low), float(high))

    one = np.ones(len(mine))
    served = mine[:, _DEPOSITS] - mine[:, _TURNED_AWAY]
    return Summary(
        distance_km=ratio(mine[:, _KM], one),
        hours=ratio(mine[:, _HOURS], one),
        lifts=ratio(mine[:, _LIFTS], one),
        co2_kg=ratio(mine[:, _CO2], one),
        fill_at_emptying=ratio(mine[:, _FILL], mine[:, _LIFTS]),
        service_level=ratio(served, mine[:, _DEPOSITS]),
        overflows=ratio(mine[:, _OVERFLOWS], one),
        distance_ratio=ratio(mine[:, _KM], other[:, _KM]),
        left_out=int(mine[:, _LEFT_OUT].sum()),
    )


def _plot(figures: Mapping[str, Sequence[DayFigures]], title: str, unit: str, column: int, per: int | None) -> str:
    # Not at the top: drawing is slow to load, and few runs draw.
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(8, 2.6), layout="constrained")
    axes = drawing.subplots()
    for name, days in figures.items():
        numbers = _columns(days)
        values = numbers[:, column]
        if per is not None:
            values = values / np.maximum(numbers[:, per], 1e-9)
        window = min(7, len(values))
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axes.plot([one.day for one in days][window - 1 :], smooth, linewidth=1.2, label=name)  # type: ignore[arg-type]  # dates are an axis
    axes.set_title(f"{title}, mean of 7 days", loc="left", fontsize=10)
    axes.set_ylabel(unit)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    text = io.StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


_PLOTS: tuple[tuple[str, str, int, int | None], ...] = (
    ("Distance", "km a day", _KM, None),
    ("On the road, breaks included", "hours a day", _HOURS, None),
    ("CO₂ of driving and lifting", "kg a day", _CO2, None),
    ("Fill at emptying", "ratio of the usable volume", _FILL, _LIFTS),
    ("Turned away", "share of persons", _TURNED_AWAY, _DEPOSITS),
    ("Containers that became full", "a day", _OVERFLOWS, None),
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ border-bottom: 1px solid #bbb; padding: .25rem .75rem .25rem 0; text-align: left; white-space: nowrap; }}
figure {{ margin: 1.5rem 0; }}
svg {{ height: auto; max-width: 100%; }}
</style>
</head>
<body>
<h1>{title}</h1>
<div class="wide"><table><thead><tr><th scope="col">Policy</th>{head}</tr></thead><tbody>
{rows}
</tbody></table></div>
<p>In brackets the central 95 % when whole weeks are drawn anew.</p>
{plots}
{notes}
</body>
</html>
"""
