"""What is usual on the approaches of the city at any time, and how much traffic there is now against it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from city.findings import Finding
from city.register import Register
from models.expectation import QUANTITIES, ExpectationModel, ExpectationState
from models.rows import Floats, Rows

MEMORY_S = 900.0
_LEAST_HEARD_S = 300.0
# Were the parts of a step independent it would be a half. With this, 4 of 5 minutes and of 5-minute values of simulated
# junctions lie in the band; what hours share does not even out.
_PARTS_VARY = 0.4
_HOUR_S = 3600.0


class UsualBand(NamedTuple):
    """What is usual or expected at ``k`` times, ``(k,)`` each; NaN = unknown. `low` to `high` holds 4 of 5 values."""

    low: Floats
    expected: Floats
    high: Floats


class UsualTraffic:
    """Learns what is usual on every approach; fed by one thread, asked by any.

    Parameters
    ----------
    register
        Its approaches, and the time zone whose public holidays are Sundays.
    """

    def __init__(self, register: Register) -> None:
        self._model = ExpectationModel(list(register.approaches), timezone=register.timezone)
        n = len(self._model.entities)
        self._known = _Known(self._model.initial_state(), np.full(n, np.nan), np.zeros(n), np.zeros(n))

    @property
    def step_s(self) -> float:
        """Length of the steps that values are usual for."""
        return self._model.parameters.step_s

    def feed(self, rows: Rows, findings: Iterable[Finding]) -> None:
        """Take rows of approaches; while a finding about one lasts, nothing is learnt as usual there.

        Parameters
        ----------
        findings
            What went on at any time since the first of the rows; of those with one id the last counts.
        """
        spans = self._spans(findings)
        edges_s = sorted({edge for _, *both in spans for edge in both})
        cuts = sorted({0, len(rows), *np.searchsorted(rows.at_s, edges_s, side="right").tolist()})
        state = self._known.state
        for first, last in pairwise(cuts) if len(rows) else [(0, 0)]:
            some = _part(rows, first, last)
            frozen = np.zeros(len(self._model.entities), np.bool_)
            if last > first:
                at_s = float(some.at_s[0])
                frozen[[i for i, from_s, until_s in spans if from_s < at_s <= until_s]] = True
            state, _ = self._model.update(state, some, frozen)
        self._known = _counted(self._known._replace(state=state), rows)

    def flow_per_h(self, entity: str, now_s: float) -> float:
        """Return vehicles per hour over about the last quarter of an hour; NaN = unknown or told too long ago."""
        known, i = self._known, self._model.index[entity]
        if not known.heard_s[i] >= _LEAST_HEARD_S or not now_s - known.at_s[i] <= 2 * MEMORY_S:
            return float("nan")
        return float(known.vehicles[i] / known.heard_s[i] * _HOUR_S)

    def usual(self, entity: str, quantity: str, at_s: Floats, interval_s: float | None = None) -> UsualBand | None:
        """Return what is usual of a quantity in intervals that end at `at_s`, ``(k,)``; None if it is none of these.

        Parameters
        ----------
        interval_s
            Length of the intervals; the model's own steps if it is left out. Values of shorter ones vary more.
        """
        return self._answer(entity, quantity, at_s, interval_s, given_now=False)

    def expected(self, entity: str, quantity: str, at_s: Floats, interval_s: float | None = None) -> UsualBand | None:
        """Return what is expected given how it is now; like `usual`."""
        return self._answer(entity, quantity, at_s, interval_s, given_now=True)

    def usual_speed_kph(self, at_s: Sequence[float]) -> Floats:
        """Return the usual mean speed of every approach at moments, ``(n, k)``; NaN = unknown."""
        return self._model.band(self._known.state, np.asarray(at_s, np.float64))["speed_kph"].expected

    def usual_per_h(self, at_s: Sequence[float]) -> Floats:
        """Return the usual vehicles per hour on every approach at moments, ``(n, k)``; NaN = unknown."""
        per_step = self._model.band(self._known.state, np.asarray(at_s, np.float64))["vehicle_count"].expected
        return per_step * (_HOUR_S / self.step_s)

    def _spans(self, findings: Iterable[Finding]) -> list[tuple[int, float, float]]:
        """Return entity, and after and until when rows end steps that are not to be learnt."""
        lasting = {one.id: one for one in findings if one.entity in self._model.index}
        step_s = self.step_s
        return [
            (
                self._model.index[one.entity],
                # A step is learnt when a row of the next one comes.
                (np.floor(one.raised_at_s / step_s) + 1) * step_s,
                np.inf if one.cleared_at_s is None else (np.ceil(one.cleared_at_s / step_s) + 1) * step_s,
            )
            for one in lasting.values()
        ]

    def _answer(
        self, entity: str, quantity: str, at_s: Floats, interval_s: float | None, *, given_now: bool
    ) -> UsualBand | None:
        i = self._model.index.get(entity)
        if i is None or quantity not in QUANTITIES:
            return None
        if not len(at_s):
            return UsualBand(*(np.empty(0) for _ in range(3)))
        length_s = self.step_s if interval_s is None else interval_s
        # A step's own figures are asked for once, however many readings lie in it.
        steps, which = np.unique(np.floor((at_s - length_s / 2) / self.step_s), return_inverse=True)
        ask = self._model.forecast if given_now else self._model.band
        low, expected, high = (
            one[0][which] for one in ask(self._known.state, (steps + 0.5) * self.step_s, [i])[quantity]
        )
        share = length_s / self.step_s
        wider = share**-_PARTS_VARY if share < 1 else 1.0
        scale = share if quantity == "vehicle_count" else 1.0
        middle = expected * scale
        low, high = middle - (expected - low) * scale * wider, middle + (high - expected) * scale * wider
        ceiling = 1.0 if quantity == "occupancy_ratio" else np.inf
        return UsualBand(np.maximum(low, 0.0), middle, np.minimum(high, ceiling))


def _part(rows: Rows, first: int, last: int) -> Rows:
    if (first, last) == (0, len(rows)):
        return rows
    span = slice(first, last)
    return Rows(
        rows.now_s,
        rows.entity[span],
        rows.at_s[span],
        rows.interval_s[span],
        {name: one[span] for name, one in rows.values.items()},
        rows.is_visit[span],
        rows.is_report[span],
        rows.is_suspect[span],
    )


class _Known(NamedTuple):
    state: ExpectationState
    at_s: Floats
    vehicles: Floats
    heard_s: Floats


def _counted(known: _Known, rows: Rows) -> _Known:
    """Return what is known with the counts of `rows`; older ones weigh less, by e in `MEMORY_S`."""
    count = rows.value("vehicle_count")
    k = np.flatnonzero(np.isfinite(count) & (rows.interval_s > 0) & ~rows.is_visit & ~rows.is_report)
    if not len(k):
        return known
    n = len(known.at_s)
    latest = known.at_s.copy()
    np.fmax.at(latest, rows.entity[k], rows.at_s[k])
    left = np.where(np.isfinite(known.at_s), np.exp(-(latest - np.nan_to_num(known.at_s)) / MEMORY_S), 0.0)
    weight = np.exp(-(latest[rows.entity[k]] - rows.at_s[k]) / MEMORY_S)
    vehicles = known.vehicles * left + np.bincount(rows.entity[k], weight * count[k], n)
    heard_s = known.heard_s * left + np.bincount(rows.entity[k], weight * rows.interval_s[k], n)
    return known._replace(at_s=latest, vehicles=vehicles, heard_s=heard_s)
