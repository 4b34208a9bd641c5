"""How full containers are and will be: a level filter, emptyings, and the risk of overflow."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, ndtr

from city.errors import BadInput
from city.findings import Evidence, Finding, finding_id
from city.quantities import DEPOSIT_L
from models.contract import index_of
from models.fill_evidence import measured, seen_level
from models.fill_pace import HOURS_OF_WEEK, add_to_hours, pace_of_week, paced_s
from models.fill_parameters import FillParameters
from models.parameters import per_entity
from models.rows import Booleans, Floats, Integers, Rows

DAY_S = 86_400.0
# Litres per deposit are triangular(10, 30, 60): mean 33.3, and E[d^2] / E[d] = 36.5 litres. The volume of a Poisson
# number of deposits with mean m litres therefore has the variance 36.5 m; that of a counted number varies by .31 each.
DEPOSIT_DISPERSION_L = 36.5
DEPOSIT_SPREAD = 0.31
Z_80 = 1.2816
# What is known of a container of which only lid openings were ever heard: nothing, so any level is as likely.
_ANY_LEVEL, _ANY_VARIANCE = 0.5, 1 / 12
# Weight of the newest gap in the usual one, and how many usual gaps are as much as one counts for.
_GAP_WEIGHT, _LONG_GAP = 0.1, 4.0


class FillState(NamedTuple):
    """What is known of ``n`` containers; times in s since 1970, NaN = never.

    `level` and `variance` are of the level at `at_s`. `gained` of fill in `exposure_s` (both fading) give the rate,
    `scatter`, the squared surprises (fading) that go with `gained`, how unevenly it comes.
    A jump that waits for its confirmation is `pending_level` at `pending_at_s`. `emptied_at_s` begins the cycle;
    `full_at_s` is when the open finding "full" was raised.

    `opened` lids in `opened_s` since `at_s` are not in `level` yet; `deposit_gain` of fill came with `deposits` lid
    openings (both fading), and `lifted_kg` with `lifted_m3`. `heard_s` is the time of the newest row, `read_s` of the
    newest reading, `gap_s` the usual time between readings. A fall that the level alone told of was from `fell_from`,
    and the cycle before it began at `cycle_s`. `profile_gain` and `profile_s`, ``(168,)``, are the fleet's fill and
    time (both fading) in each hour of the week since Thursday 00:00 UTC, the weekday on which 1970 began, as of
    `profile_at_s` ``(1,)``.
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
    heard_s: Floats
    opened: Floats
    opened_s: Floats
    deposit_gain: Floats
    deposits: Floats
    lifted_kg: Floats
    lifted_m3: Floats
    profile_gain: Floats
    profile_s: Floats
    read_s: Floats
    gap_s: Floats
    fell_from: Floats
    cycle_s: Floats
    profile_at_s: Floats


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
    next one takes it back or confirms it, or until it has stayed for longer than the sensor's usual interval; a fall
    that stays is an emptying (finding ``emptied``). A truck's visit is one at once. Without readings the level goes on
    by the lids that were opened, and without those at its rate. What a lift weighed, what a driver or a citizen saw and
    a report of waste beside the container each correct the belief by as much as they are worth next to what is known
    already.

    Parameters
    ----------
    entities
        Ids of the containers.
    volume_m3
        ``(n,)``, usable volume; NaN or left out = the parameter's.
    density_kg_m3
        ``(n,)``, weight of what is thrown in; NaN or left out = the parameter's.

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
    ([[0.6, 1.0]], [[0.0, 0.9]])
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: FillParameters | None = None,
        *,
        volume_m3: npt.ArrayLike | None = None,
        density_kg_m3: npt.ArrayLike | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or FillParameters()
        self.volume_m3 = per_entity(volume_m3, self.parameters.volume_m3, len(self.entities), "volume_m3")
        self.density_kg_m3 = per_entity(
            density_kg_m3, self.parameters.density_kg_m3, len(self.entities), "density_kg_m3"
        )
        # Variance of the fill gained per fill gained.
        self._dispersion = DEPOSIT_DISPERSION_L / (1000 * self.volume_m3)

    def initial_state(self) -> FillState:
        """Return the state of containers never heard of."""
        n = len(self.entities)
        zero, never = np.zeros(n), np.full(n, np.nan)
        hours = np.zeros(HOURS_OF_WEEK)
        return FillState(
            never, never, zero, zero, zero, zero, never, never, never, never,
            never, zero, zero, zero, zero, zero, zero, hours, hours,
            never, never, never, never, np.full(1, np.nan),
        )  # fmt: skip

    def update(self, state: FillState, rows: Rows) -> tuple[FillState, list[Finding]]:
        """Return the state after `rows`, and the findings ``full`` and ``emptied``.

        Looked at are ``fill_ratio``, ``lid_openings``, ``lift_kg`` and ``seen_fill_ratio`` (before the emptying) of
        visits, ``seen_fill_ratio`` and ``waste_beside`` of reports. An ``emptied`` finding is over as soon as it is
        raised; its cause is ``visit`` or ``level``.
        """
        s = FillState(*(one.copy() for one in state))
        findings: list[Finding] = []
        fill, lids = rows.value("fill_ratio"), rows.value("lid_openings")
        seen, beside = rows.value("seen_fill_ratio"), rows.value("waste_beside")
        lift_kg = rows.value("lift_kg")
        told = rows.is_report & (np.isfinite(seen) | (beside > 0))
        is_reading = (np.isfinite(fill) | np.isfinite(lids)) & ~rows.is_visit & ~rows.is_report
        counts = np.flatnonzero(rows.is_visit | told | is_reading)
        for wave in rows.waves(rows.entity[counts]):
            k = counts[wave]
            e, at_s = rows.entity[k], rows.at_s[k]
            visit = rows.is_visit[k]
            if visit.any():
                v = k[visit]
                self._visit(s, e[visit], at_s[visit], lift_kg[v], seen[v], findings)
            report = told[k] & ~visit
            if report.any():
                self._hear(s, e[report], at_s[report], seen[k[report]], beside[k[report]], findings)
            if not (visit | report).all():
                k = k[~visit & ~report]
                self._count(s, rows.entity[k], rows.at_s[k], lids[k], rows.interval_s[k], fill[k], findings)
                k = k[np.isfinite(fill[k])]
                self._read(s, rows.entity[k], rows.at_s[k], fill[k], findings)
        stays_s = self._stays_s(s, np.arange(len(self.entities)))
        stayed = np.flatnonzero(rows.now_s - s.pending_at_s > stays_s)
        self._confirm(s, stayed, s.pending_at_s[stayed] + stays_s[stayed], findings)
        findings.sort(key=lambda f: f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s)
        return s, findings

    def forecast(
        self,
        state: FillState,
        at_s: npt.ArrayLike,
        *,
        full_at: float = 1.0,
        doubt_sd: npt.ArrayLike = 0.0,
        misfit: float | None = None,
    ) -> FillForecast:
        """Return the fill at the times `at_s`, ``(m,)``, of all containers, if nobody empties them.

        Parameters
        ----------
        full_at
            The level whose reaching counts as overflow.
        doubt_sd
            ``(n,)`` or one number: standard deviation by which the level may be wrong beyond what the readings show,
            where their sensor is not trusted.
        misfit
            By how much days differ beyond what deposits explain (see `models.day_spread`); None = the parameter's.

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
        counted, counted_variance = self._counted(state, np.arange(len(rate)))
        from_level = np.where(fell, state.pending_level, np.minimum(state.level + counted, 1.5))
        from_s = np.where(fell, state.pending_at_s, state.at_s + state.opened_s)
        from_variance = state.variance + np.where(fell, 0.0, counted_variance) + np.square(doubt_sd)
        ahead_s = np.maximum(times[order] - from_s[:, None], 0.0)
        pace = pace_of_week(state.profile_gain, state.profile_s, self.parameters.prior_profile_days * DAY_S)
        gain = rate[:, None] * paced_s(pace, from_s, times[order])
        variance = (
            from_variance[:, None]
            + gain * dispersion[:, None]
            + rate_variance[:, None] * ahead_s**2
            + ((self.parameters.misfit if misfit is None else misfit) * gain) ** 2
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

    def _counted(self, s: FillState, e: Integers) -> tuple[Floats, Floats]:
        """Return the fill that the lids opened since the last level have brought, and its variance."""
        p = self.parameters
        prior = DEPOSIT_L / (1000 * self.volume_m3[e])
        weight = 1 / (s.deposits[e] + p.prior_openings)
        each = (s.deposit_gain[e] + prior * p.prior_openings) * weight
        each = np.minimum(np.maximum(each, 0.2 * prior), 4 * prior)
        gain = s.opened[e] * each
        unknown = p.deposit_spread**2 * p.prior_openings * weight
        return gain, gain * each * DEPOSIT_SPREAD**2 + gain**2 * unknown

    def _ahead(self, s: FillState, e: Integers, at_s: Floats, rate: Floats | None = None) -> tuple[Floats, Floats]:
        """Return the fill gained since the last level until `at_s`, and the variance of the level then."""
        rate = self._own_rate(s, e) if rate is None else rate
        counted, variance = self._counted(s, e)
        by_rate = rate * np.maximum(at_s - s.at_s[e] - s.opened_s[e], 0.0)
        variance += s.variance[e] + by_rate * self._own_dispersion(s, e) + (self.parameters.misfit * by_rate) ** 2
        return counted + by_rate, variance

    def _count(
        self,
        s: FillState,
        e: Integers,
        at_s: Floats,
        lids: Floats,
        interval_s: Floats,
        fill: Floats,
        findings: list[Finding],
    ) -> None:
        """Take lid openings: what they brought is added when the level is next asked for."""
        newest_s = np.fmax(s.heard_s[e], s.at_s[e])
        fresh = ~(at_s <= newest_s) & np.isfinite(lids)
        if not fresh.all():
            e, at_s, lids, interval_s, fill = e[fresh], at_s[fresh], lids[fresh], interval_s[fresh], fill[fresh]
            newest_s = newest_s[fresh]
        if not len(e):
            return
        alone = np.isnan(fill)
        unknown = np.isnan(s.at_s[e])
        # A count goes with the time that it is over; none given, it is all that came since the last one.
        since_s = at_s - newest_s
        over_s = np.where(interval_s > 0, np.minimum(interval_s, since_s), since_s)
        s.heard_s[e] = at_s
        if unknown.any():
            first = unknown & alone
            s.at_s[e[first]], s.level[e[first]], s.variance[e[first]] = at_s[first], _ANY_LEVEL, _ANY_VARIANCE
            known = ~unknown
            e, over_s, lids, at_s, alone = e[known], over_s[known], lids[known], at_s[known], alone[known]
        s.opened[e] += lids
        s.opened_s[e] += over_s
        if alone.any():
            e, at_s = e[alone], at_s[alone]
            self._tell_full(s, e, at_s, findings, np.minimum(s.level[e] + self._counted(s, e)[0], 1.0))

    def _hear(
        self, s: FillState, e: Integers, at_s: Floats, seen: Floats, beside: Floats, findings: list[Finding]
    ) -> None:
        """Take what a person says of a container; a sensor that is just telling something knows better."""
        p = self.parameters
        first = np.isnan(s.at_s[e]) & np.isfinite(seen)
        s.at_s[e[first]], s.level[e[first]], s.variance[e[first]] = at_s[first], seen[first], p.glance_sd**2
        later = (at_s > np.fmax(s.at_s[e], s.heard_s[e])) & np.isnan(s.pending_at_s[e]) & ~first
        s.heard_s[e[first | later]] = at_s[first | later]
        e, at_s, seen, beside = e[later], at_s[later], seen[later], beside[later]
        gain, variance = self._ahead(s, e, at_s)
        level, variance, emptied = seen_level(
            s.level[e] + gain, variance, seen, p.glance_sd, np.nan_to_num(beside) > 0, p.full_ratio, p.beside_odds
        )
        self._gain(s, e[~emptied], at_s[~emptied], level[~emptied])
        s.at_s[e], s.level[e], s.variance[e] = at_s, level, variance
        s.opened[e], s.opened_s[e] = 0.0, 0.0
        self._tell_full(s, e, at_s, findings)

    def _gain(
        self, s: FillState, e: Integers, at_s: Floats, level: Floats, limit: float = 0.5, rate: Floats | None = None
    ) -> None:
        """Learn rate, litres per deposit and pace from the level having come to `level`.

        Where its rate would have brought more than `limit`, it learns nothing.
        """
        p = self.parameters
        elapsed_s = at_s - s.at_s[e]
        gain = level - s.level[e]
        # A full container takes nothing more, whatever people bring: that time says nothing about the rate.
        # Over a gap in which it may have been emptied and filled again, the difference says nothing either.
        rate = self._own_rate(s, e) if rate is None else rate
        counts = (s.level[e] < p.full_ratio) & (rate * elapsed_s < limit)
        fading = np.exp(-elapsed_s / (p.memory_days * DAY_S))
        s.gained[e] = fading * s.gained[e] + np.where(counts, gain, 0.0)
        s.exposure_s[e] = fading * s.exposure_s[e] + np.where(counts, elapsed_s, 0.0)
        s.scatter[e] *= fading
        by_lids = counts & (s.opened_s[e] > 0.9 * elapsed_s)
        s.deposit_gain[e] = fading * s.deposit_gain[e] + np.where(by_lids, gain, 0.0)
        s.deposits[e] = fading * s.deposits[e] + np.where(by_lids, s.opened[e], 0.0)
        add_to_hours(
            s.profile_gain,
            s.profile_s,
            s.profile_at_s,
            p.memory_days * DAY_S,
            at_s[counts],
            elapsed_s[counts],
            gain[counts],
        )

    def _stays_s(self, s: FillState, e: Integers) -> Floats:
        """Return how long a jump must stay to have happened, ``(m,)``."""
        return np.fmax(self.parameters.stays_s, self.parameters.stays_intervals * s.gap_s[e])

    def _learn_gap(self, s: FillState, e: Integers, at_s: Floats) -> None:
        gap_s, usual_s = at_s - s.read_s[e], s.gap_s[e]
        # An outage is no interval, and should not become one.
        moved_s = usual_s + _GAP_WEIGHT * (np.minimum(gap_s, _LONG_GAP * usual_s) - usual_s)
        s.gap_s[e] = np.where(np.isnan(usual_s), gap_s, moved_s)
        s.read_s[e] = at_s

    def _read(self, s: FillState, e: Integers, at_s: Floats, fill: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        stays_s = self._stays_s(s, e)
        stayed = at_s - s.pending_at_s[e] > stays_s
        self._confirm(s, e[stayed], s.pending_at_s[e[stayed]] + stays_s[stayed], findings)
        newest_s = np.fmax(s.at_s[e], s.pending_at_s[e])
        fresh = ~(at_s <= newest_s)
        e, at_s, fill = e[fresh], at_s[fresh], fill[fresh]
        self._learn_gap(s, e, at_s)

        first = np.isnan(s.at_s[e])
        s.at_s[e[first]], s.level[e[first]], s.variance[e[first]] = at_s[first], fill[first], p.sensor_sd**2

        rate = self._own_rate(s, e)
        waited_s = at_s - s.pending_at_s[e]
        near = self._near()
        agrees = np.abs(fill - s.pending_level[e] - rate * np.nan_to_num(waited_s)) <= near + 2 * rate * waited_s
        gain, variance = self._ahead(s, e, at_s, rate)
        fits = self._fits(s, e, fill, gain, variance)
        confirmed = agrees & ~fits
        if confirmed.any():
            self._confirm(s, e[confirmed], at_s[confirmed], findings)
            gain[confirmed], variance[confirmed] = self._ahead(s, e[confirmed], at_s[confirmed], rate[confirmed])
        ordinary = fits | confirmed
        s.pending_at_s[e], s.pending_level[e] = np.where(ordinary, np.nan, at_s), np.where(ordinary, np.nan, fill)
        if not ordinary.all():
            e, at_s, fill, rate = e[ordinary], at_s[ordinary], fill[ordinary], rate[ordinary]
            gain, variance = gain[ordinary], variance[ordinary]
        self._correct(s, e, at_s, fill, rate, gain, variance)
        self._tell_full(s, e, at_s, findings)

    def _near(self) -> float:
        """Return by how much two readings of the same level may differ."""
        return 4 * self.parameters.sensor_sd + 0.25 * self.parameters.emptying_ratio

    def _fits(self, s: FillState, e: Integers, fill: Floats, gain: Floats, variance: Floats) -> Booleans:
        p = self.parameters
        below = s.level[e] - fill
        above = -below - gain
        noise_sd = np.sqrt(s.variance[e] + p.sensor_sd**2)
        fits: Booleans = above <= np.maximum(4 * np.sqrt(variance + p.sensor_sd**2), p.emptying_ratio)
        fits &= below <= np.maximum(4 * noise_sd, p.emptying_ratio)
        return fits

    def _correct(
        self, s: FillState, e: Integers, at_s: Floats, fill: Floats, rate: Floats, gain: Floats, variance: Floats
    ) -> None:
        p = self.parameters
        weight = variance / (variance + p.sensor_sd**2)
        by_rate = rate * (at_s - s.at_s[e])
        surprise = (fill - s.level[e] - by_rate) ** 2 - s.variance[e] - p.sensor_sd**2
        counts = (s.level[e] < p.full_ratio) & (by_rate < 0.5)
        level = s.level[e] + gain + weight * (fill - s.level[e] - gain)
        # After an emptying that only the truck told of, or a level that a person judged, the first reading tells
        # where the level began, and not what came in since: learnt as a gain, it makes fast containers slower.
        known = s.variance[e] <= 1.001 * p.sensor_sd**2
        self._gain(s, e[known], at_s[known], level[known], rate=rate[known])
        s.scatter[e] += np.where(counts & known, surprise, 0.0)
        s.level[e], s.variance[e], s.at_s[e] = level, (1 - weight) * variance, at_s
        s.opened[e], s.opened_s[e] = 0.0, 0.0

    def _confirm(self, s: FillState, e: Integers, known_at_s: Floats, findings: list[Finding]) -> None:
        p = self.parameters
        emptied = s.pending_level[e] < s.level[e]
        for i, known, at, to in zip(
            e[emptied], known_at_s[emptied], s.pending_at_s[e[emptied]], s.pending_level[e[emptied]], strict=True
        ):
            text = f"The level fell from {s.level[i]:.0%} to {to:.0%} and stayed there."
            evidence = Evidence(text, "fill_ratio", float(at), float(to))
            findings.append(self._emptied(int(i), float(known), "level", evidence, 0.95))
        fell, rose = e[emptied], e[~emptied]
        s.fell_from[fell], s.cycle_s[fell] = s.level[fell], s.emptied_at_s[fell]
        s.emptied_at_s[fell] = s.pending_at_s[fell]
        # Soon back where it was before a fall that nobody else told of: that was no emptying, and this is no waste.
        since_s = s.pending_at_s[rose] - s.emptied_at_s[rose]
        above = s.pending_level[rose] - s.fell_from[rose]
        back = (above >= -self._near()) & (above <= self._near() + 2 * self._own_rate(s, rose) * since_s)
        back &= since_s <= np.maximum(DAY_S, 2 * self._stays_s(s, rose))
        s.emptied_at_s[rose[back]] = s.cycle_s[rose[back]]
        s.fell_from[rose] = np.nan
        self._book_rise(s, rose[~back])
        s.at_s[e], s.level[e], s.variance[e] = s.pending_at_s[e], s.pending_level[e], p.sensor_sd**2
        s.pending_at_s[e], s.pending_level[e] = np.nan, np.nan
        s.opened[e], s.opened_s[e] = 0.0, 0.0
        self._tell_full(s, e, known_at_s, findings)

    def _book_rise(self, s: FillState, rose: Integers) -> None:
        s.gained[rose] += s.pending_level[rose] - s.level[rose]
        s.scatter[rose] += (s.pending_level[rose] - s.level[rose]) ** 2
        s.exposure_s[rose] += s.pending_at_s[rose] - s.at_s[rose]

    def _visit(
        self, s: FillState, e: Integers, at_s: Floats, lift_kg: Floats, glance: Floats, findings: list[Finding]
    ) -> None:
        p = self.parameters
        late = at_s < s.at_s[e]
        seen = np.abs(s.emptied_at_s[e] - at_s) <= p.merge_s
        waits = (s.pending_level[e] < s.level[e]) & (s.pending_at_s[e] >= at_s - 600.0)
        # The fall that the sensor has already reported is what this visit did.
        known = ~seen & waits & late
        self._confirm(s, e[known], s.pending_at_s[e[known]], findings)
        new = ~seen & ~late
        s.fell_from[e[seen | known | new]] = np.nan
        e, at_s = e[new], at_s[new]
        self._weigh(s, e, at_s, lift_kg[new], glance[new])
        # The sensor may have told of it before the truck did.
        fell = waits[new] & (s.pending_at_s[e] >= at_s)
        s.level[e] = np.where(fell, s.pending_level[e], p.residue_ratio)
        s.variance[e] = np.where(fell, p.sensor_sd**2, p.residue_sd**2)
        s.at_s[e] = np.where(fell, s.pending_at_s[e], at_s)
        s.emptied_at_s[e] = at_s
        s.pending_at_s[e], s.pending_level[e] = np.nan, np.nan
        s.opened[e], s.opened_s[e], s.heard_s[e] = 0.0, 0.0, np.fmax(s.heard_s[e], at_s)
        for i, at in zip(e, at_s, strict=True):
            evidence = Evidence("A truck emptied it.", "", float(at))
            findings.append(self._emptied(int(i), float(at), "visit", evidence, 0.99))
        self._tell_full(s, e, at_s, findings)

    def _weigh(self, s: FillState, e: Integers, at_s: Floats, lift_kg: Floats, glance: Floats) -> None:
        """Learn from the level before an emptying: what the lift weighed, what the crew saw."""
        p = self.parameters
        told = np.isfinite(s.at_s[e]) & np.isnan(s.pending_at_s[e]) & (np.isfinite(lift_kg) | np.isfinite(glance))
        e, at_s, lift_kg, glance = e[told], at_s[told], lift_kg[told], glance[told]
        volume = self.volume_m3[e]
        gain, variance = self._ahead(s, e, at_s)
        before = np.clip(s.level[e] + gain, 0.0, 1.2)
        density = (s.lifted_kg[e] + self.density_kg_m3[e] * p.prior_lifts_m3) / (s.lifted_m3[e] + p.prior_lifts_m3)
        # A heavier fraction than was assumed does not make a container fuller than full.
        by_weight = np.minimum(lift_kg / (density * volume), 1.2)
        level, left = measured(before, variance, by_weight, 0.03 + p.lift_spread * np.maximum(by_weight, before))
        level, _ = measured(level, left, glance, p.glance_sd)
        # Where the sensor has just told the level, the lift tells the density, and nothing new of the rate.
        sure = (variance < 0.05**2) & (before > 0.2) & np.isfinite(lift_kg)
        s.lifted_kg[e] += np.where(sure, lift_kg, 0.0)
        s.lifted_m3[e] += np.where(sure, before * volume, 0.0)
        self._gain(s, e, at_s, level, limit=2.0)

    def _emptied(self, i: int, at_s: float, cause: str, evidence: Evidence, probability: float) -> Finding:
        entity = self.entities[i]
        known = finding_id("emptied", entity, at_s)
        return Finding(known, "emptied", entity, at_s, cause, probability, 0.0, (evidence,), at_s)

    def _tell_full(
        self, s: FillState, e: Integers, at_s: Floats, findings: list[Finding], level: Floats | None = None
    ) -> None:
        p = self.parameters
        level = s.level[e] if level is None else level
        is_full = np.isfinite(s.full_at_s[e])
        begins = ~is_full & (level >= p.full_ratio)
        ends = is_full & (level < p.full_ratio - p.full_hysteresis)
        for i, at, now in zip(e[begins], at_s[begins], level[begins], strict=True):
            s.full_at_s[i] = at
            findings.append(self._full(int(i), float(at), float(at), float(now), None))
        for i, at, now in zip(e[ends], at_s[ends], level[ends], strict=True):
            raised = float(s.full_at_s[i])
            s.full_at_s[i] = np.nan
            findings.append(self._full(int(i), raised, float(at), float(now), max(float(at), raised)))

    def _full(self, i: int, raised_at_s: float, at_s: float, level: float, cleared_at_s: float | None) -> Finding:
        entity = self.entities[i]
        evidence = Evidence(f"The level is {level:.0%}.", "fill_ratio", at_s, round(level, 3))
        severity = min(max(level, 0.0), 1.0)
        known = finding_id("full", entity, raised_at_s)
        return Finding(known, "full", entity, raised_at_s, "", 0.95, severity, (evidence,), cleared_at_s)
