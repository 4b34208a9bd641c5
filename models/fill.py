"""How full containers are and will be: a level filter, emptyings, and the risk of overflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, ndtr

from city.errors import BadInput
from city.findings import Evidence, Finding, finding_id
from models.contract import index_of
from models.parameters import check_finite_and_positive, per_entity
from models.rows import Booleans, Floats, Integers, Rows

DAY_S = 86_400.0
# Litres per deposit are triangular(10, 30, 60): mean 33.3, and E[d^2] / E[d] = 36.5 litres. The volume of a Poisson
# number of deposits with mean m litres therefore has the variance 36.5 m.
DEPOSIT_DISPERSION_L = 36.5
Z_80 = 1.2816


@dataclass(frozen=True)
class FillParameters:
    """Numbers of the fill model; ratios are of the usable volume.

    Parameters
    ----------
    full_ratio, full_hysteresis
        A container is called full from `full_ratio`, and no longer below `full_ratio - full_hysteresis`.
    sensor_sd
        Standard deviation of one reading.
    emptying_ratio
        A level may fall by so much before it is taken for an emptying (waste settles, sensors waver).
    stays_s
        A jump that the next reading does not take back within this time has happened. It suits sensors that report on
        change; a sensor that only reports at fixed times needs more than its interval.
    merge_s
        A visit and a fall of the level that are no farther apart are the same emptying.
    prior_rate_per_day, prior_days
        What is assumed of a container before it is known, and how many days of readings that is worth. Towards the
        fleet it is shrunk with the same weight.
    prior_gain
        Fill gained after which a container's own unevenness counts as much as what deposits explain.
    prior_spread
        Relative standard deviation of the rate between containers.
    misfit
        Relative standard deviation of the fill gained that deposits do not explain (days differ).
    memory_days
        Time constant with which old readings lose their weight.
    residue_ratio, residue_sd
        What is left after an emptying that only the truck has told of.
    volume_m3
        Usable volume where a container's is not known.
    """

    full_ratio: float = 0.95
    full_hysteresis: float = 0.10
    sensor_sd: float = 0.02
    emptying_ratio: float = 0.15
    stays_s: float = 3600.0
    merge_s: float = 7200.0
    prior_rate_per_day: float = 0.15
    prior_days: float = 3.0
    prior_gain: float = 1.0
    prior_spread: float = 0.5
    misfit: float = 0.25
    memory_days: float = 21.0
    residue_ratio: float = 0.03
    residue_sd: float = 0.03
    volume_m3: float = 4.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("full_hysteresis", "misfit", "residue_ratio"))


class FillState(NamedTuple):
    """What is known of ``n`` containers; times in s since 1970, NaN = never.

    `level` and `variance` are of the level at `at_s`. `gained` of fill in `exposure_s` (both fading) give the rate,
    `scatter`, the squared surprises (fading) that go with `gained`, how unevenly it comes.
    A jump that waits for its confirmation is `pending_level` at `pending_at_s`. `emptied_at_s` begins the cycle;
    `full_at_s` is when the open finding "full" was raised.
    """

    at_s: Floats
    level: Floats
    variance: Floats
    gained: Floats
    exposure_s: Floats
    scatter: Floats
    pending_at_s: Floats
    pending_level: Floats
    emptied_at_s: Floats
    full_at_s: Floats


class FillForecast(NamedTuple):
    """Fill of ``n`` containers at ``m`` times, each ``(n, m)``, float64; NaN for a container never heard of.

    `level` is expected, `low` and `high` bound the central 80 %, as ratios of the usable volume;
    `overflow_probability` is that of having reached the asked level by then if nobody empties it.
    """

    level: Floats
    low: Floats
    high: Floats
    overflow_probability: Floats


class FillModel:
    """Level, emptyings and risk of overflow of containers.

    A scalar Kalman filter follows the level: it rises at the container's own rate, with the variance of a compound
    Poisson process of deposits, and is corrected by each reading. A reading that does not fit is kept aside until the
    next one takes it back or confirms it, or until it has stayed for `stays_s`; a fall that stays is an emptying
    (finding ``emptied``). A truck's visit is one at once. Without readings the level goes on at its rate.

    Parameters
    ----------
    entities
        Ids of the containers.
    volume_m3
        ``(n,)``, usable volume; NaN or left out = the parameter's.

    References
    ----------
    Deposits: pilot over 473 emptyings, N. A. Wouda et al., "An integrated selection and routing policy for urban waste
    collection", arXiv 2409.13386. Filter: R. E. Kalman, "A New Approach to Linear Filtering and Prediction
    Problems", 1960. The gain is taken as gamma distributed, which keeps the first two moments of the compound Poisson.

    >>> model = FillModel(["a"])
    >>> day = 86400.0
    >>> rows = Rows.of_columns(3 * day, [0, 0, 0, 0], [0, day, 2 * day, 3 * day], {"fill_ratio": [0, 0.2, 0.4, 0.6]})
    >>> state, findings = model.update(model.initial_state(), rows)
    >>> forecast = model.forecast(state, [3 * day, 6 * day])
    >>> forecast.level.round(1).tolist(), forecast.overflow_probability.round(1).tolist()
    ([[0.6, 1.0]], [[0.0, 0.7]])
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: FillParameters | None = None,
        *,
        volume_m3: npt.ArrayLike | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or FillParameters()
        self.volume_m3 = per_entity(volume_m3, self.parameters.volume_m3, len(self.entities), "volume_m3")
        # Variance of the fill gained per fill gained.
        self._dispersion = DEPOSIT_DISPERSION_L / (1000 * self.volume_m3)

    def initial_state(self) -> FillState:
        """Return the state of containers never heard of."""
        n = len(self.entities)
        zero, never = np.zeros(n), np.full(n, np.nan)
        return FillState(never, never, zero, zero, zero, zero, never, never, never, never)

    def update(self, state: FillState, rows: Rows) -> tuple[FillState, list[Finding]]:
        """Return the state after `rows` (``fill_ratio`` and visits), and the findings ``full`` and ``emptied``.

        An ``emptied`` finding is over as soon as it is raised; its cause is ``visit`` or ``level``.
        """
        s = FillState(*(one.copy() for one in state))
        findings: list[Finding] = []
        fill = rows.value("fill_ratio")
        counts = np.flatnonzero(rows.is_visit | np.isfinite(fill))
        for wave in rows.waves(rows.entity[counts]):
            k = counts[wave]
            visit = rows.is_visit[k]
            if visit.any():
                self._visit(s, rows.entity[k[visit]], rows.at_s[k[visit]], findings)
            if not visit.all():
                k = k[~visit]
                self._read(s, rows.entity[k], rows.at_s[k], fill[k], findings)
        stayed = np.flatnonzero(rows.now_s - s.pending_at_s > self.parameters.stays_s)
        self._confirm(s, stayed, s.pending_at_s[stayed] + self.parameters.stays_s, findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def forecast(self, state: FillState, at_s: npt.ArrayLike, *, full_at: float = 1.0) -> FillForecast:
        """Return the fill at the times `at_s`, ``(m,)``, of all containers, if nobody empties them.

        Parameters
        ----------
        full_at
            The level whose reaching counts as overflow.

        Raises
        ------
        BadInput
            `at_s` is not a row of finite times.
        """
        times = np.asarray(at_s, np.float64)
        if times.ndim != 1 or not np.isfinite(times).all():
            raise BadInput("The times of a forecast are not a row of finite numbers.", "Give at_s as (m,) seconds.")
        order = np.argsort(times, kind="stable")
        rate, rate_variance, dispersion = self._of_fleet(state)
        # A fall that is not yet confirmed is most likely true: believe it until it is taken back.
        fell = state.pending_level < state.level - self.parameters.emptying_ratio
        from_level = np.where(fell, state.pending_level, state.level)
        from_s = np.where(fell, state.pending_at_s, state.at_s)
        ahead_s = np.maximum(times[order] - from_s[:, None], 0.0)
        gain = rate[:, None] * ahead_s
        variance = (
            state.variance[:, None]
            + gain * dispersion[:, None]
            + rate_variance[:, None] * ahead_s**2
            + (self.parameters.misfit * gain) ** 2
        )
        sd = np.sqrt(variance)
        room = full_at - from_level[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            by_gain = gammaincc(gain**2 / variance, np.maximum(room, 0) * gain / variance)
        probability = np.where(gain > sd, by_gain, np.maximum(by_gain, 1 - ndtr(room / np.maximum(sd, 1e-9))))
        probability = np.where(gain > 0, probability, 1 - ndtr(room / np.maximum(sd, 1e-9)))
        probability = np.maximum.accumulate(np.clip(probability, 0.0, 1.0), axis=1)
        top = np.maximum(from_level, 1.0)[:, None]
        level = from_level[:, None] + gain
        back = np.argsort(order)
        return FillForecast(
            np.clip(level, 0, top)[:, back],
            np.clip(level - Z_80 * sd, 0, top)[:, back],
            np.clip(level + Z_80 * sd, 0, top + 0.05)[:, back],
            probability[:, back],
        )

    def rate_per_day(self, state: FillState) -> Floats:
        """Return the fill gained per day of every container, ``(n,)``, shrunk to the fleet's."""
        return self._of_fleet(state)[0] * DAY_S

    def _of_fleet(self, state: FillState) -> tuple[Floats, Floats, Floats]:
        """Return rate, its variance, and variance per fill gained: each container's own, shrunk to the fleet's."""
        p = self.parameters
        prior_s = p.prior_days * DAY_S
        gained = np.maximum(state.gained, 0)
        prior_m3 = p.prior_rate_per_day * p.prior_days * p.volume_m3
        fleet_m3 = ((gained * self.volume_m3).sum() + prior_m3) / (state.exposure_s.sum() + prior_s)
        fleet = fleet_m3 / self.volume_m3
        exposure_s = state.exposure_s + prior_s
        rate = np.maximum((state.gained + fleet * prior_s) / exposure_s, 0.05 * fleet)
        surplus = (state.scatter.sum() + 1.0) / ((gained * self._dispersion).sum() + 1.0)
        dispersion = self._own_dispersion(state, np.arange(len(rate)), max(surplus, 0.1))
        unknown = p.prior_spread * rate * prior_s / exposure_s
        return rate, rate * dispersion / exposure_s + unknown**2, dispersion

    def _own_dispersion(self, s: FillState, e: Integers, surplus: float = 1.0) -> Floats:
        expected = surplus * self._dispersion[e]
        own = (np.maximum(s.scatter[e], 0) + expected * self.parameters.prior_gain) / (
            np.maximum(s.gained[e], 0) + self.parameters.prior_gain
        )
        return np.maximum(own, 0.25 * self._dispersion[e])

    def _own_rate(self, s: FillState, e: Integers) -> Floats:
        prior_s = self.parameters.prior_days * DAY_S
        prior = self.parameters.prior_rate_per_day / DAY_S
        return np.maximum((s.gained[e] + prior * prior_s) / (s.exposure_s[e] + prior_s), 0.05 * prior)

    def _read(self, s: FillState, e: Integers, at_s: Floats, fill: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        stayed = at_s - s.pending_at_s[e] > p.stays_s
        self._confirm(s, e[stayed], s.pending_at_s[e[stayed]] + p.stays_s, findings)
        newest_s = np.fmax(s.at_s[e], s.pending_at_s[e])
        fresh = ~(at_s <= newest_s)
        e, at_s, fill = e[fresh], at_s[fresh], fill[fresh]

        first = np.isnan(s.at_s[e])
        s.at_s[e[first]], s.level[e[first]], s.variance[e[first]] = at_s[first], fill[first], p.sensor_sd**2

        rate = self._own_rate(s, e)
        waited_s = at_s - s.pending_at_s[e]
        near = 4 * p.sensor_sd + 0.25 * p.emptying_ratio
        agrees = np.abs(fill - s.pending_level[e] - rate * np.nan_to_num(waited_s)) <= near + 2 * rate * waited_s
        fits = self._fits(s, e, at_s, fill, rate)
        confirmed = agrees & ~fits
        self._confirm(s, e[confirmed], at_s[confirmed], findings)
        ordinary = fits | confirmed
        s.pending_at_s[e], s.pending_level[e] = np.where(ordinary, np.nan, at_s), np.where(ordinary, np.nan, fill)
        self._correct(s, e[ordinary], at_s[ordinary], fill[ordinary], rate[ordinary])
        self._tell_full(s, e[ordinary], at_s[ordinary], findings)

    def _fits(self, s: FillState, e: Integers, at_s: Floats, fill: Floats, rate: Floats) -> Booleans:
        p = self.parameters
        variance = self._predicted_variance(s, e, at_s, rate)
        above = fill - s.level[e] - rate * (at_s - s.at_s[e])
        below = s.level[e] - fill
        noise_sd = np.sqrt(s.variance[e] + p.sensor_sd**2)
        fits: Booleans = above <= np.maximum(4 * np.sqrt(variance + p.sensor_sd**2), p.emptying_ratio)
        fits &= below <= np.maximum(4 * noise_sd, p.emptying_ratio)
        return fits

    def _predicted_variance(self, s: FillState, e: Integers, at_s: Floats, rate: Floats) -> Floats:
        gain = rate * (at_s - s.at_s[e])
        return s.variance[e] + gain * self._own_dispersion(s, e) + (self.parameters.misfit * gain) ** 2

    def _correct(self, s: FillState, e: Integers, at_s: Floats, fill: Floats, rate: Floats) -> None:
        p = self.parameters
        elapsed_s = at_s - s.at_s[e]
        predicted = s.level[e] + rate * elapsed_s
        variance = self._predicted_variance(s, e, at_s, rate)
        weight = variance / (variance + p.sensor_sd**2)
        surprise = (fill - predicted) ** 2 - s.variance[e] - p.sensor_sd**2
        level = predicted + weight * (fill - predicted)
        # A full container takes nothing more, whatever people bring: that time says nothing about the rate.
        # Over a gap in which it may have been emptied and filled again, the difference says nothing either.
        counts = (s.level[e] < p.full_ratio) & (rate * elapsed_s < 0.5)
        fading = np.exp(-elapsed_s / (p.memory_days * DAY_S))
        s.gained[e] = fading * s.gained[e] + np.where(counts, level - s.level[e], 0.0)
        s.exposure_s[e] = fading * s.exposure_s[e] + np.where(counts, elapsed_s, 0.0)
        s.scatter[e] = fading * s.scatter[e] + np.where(counts, surprise, 0.0)
        s.level[e], s.variance[e], s.at_s[e] = level, (1 - weight) * variance, at_s

    def _confirm(self, s: FillState, e: Integers, known_at_s: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        emptied = s.pending_level[e] < s.level[e]
        for i, known, at, to in zip(
            e[emptied], known_at_s[emptied], s.pending_at_s[e[emptied]], s.pending_level[e[emptied]], strict=True
        ):
            text = f"The level fell from {s.level[i]:.0%} to {to:.0%} and stayed there."
            evidence = Evidence(text, "fill_ratio", float(at), float(to))
            findings.append(self._emptied(int(i), float(known), "level", evidence, 0.95))
        s.emptied_at_s[e[emptied]] = s.pending_at_s[e[emptied]]
        rose = e[~emptied]
        s.gained[rose] += s.pending_level[rose] - s.level[rose]
        s.scatter[rose] += (s.pending_level[rose] - s.level[rose]) ** 2
        s.exposure_s[rose] += s.pending_at_s[rose] - s.at_s[rose]
        s.at_s[e], s.level[e], s.variance[e] = s.pending_at_s[e], s.pending_level[e], p.sensor_sd**2
        s.pending_at_s[e], s.pending_level[e] = np.nan, np.nan
        self._tell_full(s, e, known_at_s, findings)

    def _visit(self, s: FillState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        late = at_s < s.at_s[e]
        seen = np.abs(s.emptied_at_s[e] - at_s) <= p.merge_s
        waits = (s.pending_level[e] < s.level[e]) & (s.pending_at_s[e] >= at_s - 600.0)
        # The fall that the sensor has already reported is what this visit did.
        known = ~seen & waits & late
        self._confirm(s, e[known], s.pending_at_s[e[known]], findings)
        new = ~seen & ~late
        e, at_s = e[new], at_s[new]
        # The sensor may have told of it before the truck did.
        fell = waits[new] & (s.pending_at_s[e] >= at_s)
        s.level[e] = np.where(fell, s.pending_level[e], p.residue_ratio)
        s.variance[e] = np.where(fell, p.sensor_sd**2, p.residue_sd**2)
        s.at_s[e] = np.where(fell, s.pending_at_s[e], at_s)
        s.emptied_at_s[e] = at_s
        s.pending_at_s[e], s.pending_level[e] = np.nan, np.nan
        for i, at in zip(e, at_s, strict=True):
            evidence = Evidence("A truck emptied it.", "", float(at))
            findings.append(self._emptied(int(i), float(at), "visit", evidence, 0.99))
        self._tell_full(s, e, at_s, findings)

    def _emptied(self, i: int, at_s: float, cause: str, evidence: Evidence, probability: float) -> Finding:
        entity = self.entities[i]
        known = finding_id("emptied", entity, at_s)
        return Finding(known, "emptied", entity, at_s, cause, probability, 0.0, (evidence,), at_s)

    def _tell_full(self, s: FillState, e: Integers, at_s: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        is_full = np.isfinite(s.full_at_s[e])
        begins = ~is_full & (s.level[e] >= p.full_ratio)
        ends = is_full & (s.level[e] < p.full_ratio - p.full_hysteresis)
        for i, at in zip(e[begins], at_s[begins], strict=True):
            s.full_at_s[i] = at
            findings.append(self._full(int(i), float(at), float(at), float(s.level[i]), None))
        for i, at in zip(e[ends], at_s[ends], strict=True):
            raised = float(s.full_at_s[i])
            s.full_at_s[i] = np.nan
            findings.append(self._full(int(i), raised, float(at), float(s.level[i]), max(float(at), raised)))

    def _full(self, i: int, raised_at_s: float, at_s: float, level: float, cleared_at_s: float | None) -> Finding:
        entity = self.entities[i]
        evidence = Evidence(f"The level is {level:.0%}.", "fill_ratio", at_s, round(level, 3))
        severity = min(max(level, 0.0), 1.0)
        known = finding_id("full", entity, raised_at_s)
        return Finding(known, "full", entity, raised_at_s, "", 0.95, severity, (evidence,), cleared_at_s)
