"""Faults of counting sensors in their hourly series: stuck, blocked, drifting, spiking."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from city.findings import Evidence, Finding, FindingKind, finding_id
from models.contract import index_of
from models.hour_profile import HOUR_S, Bins, HourProfile, ProfileParameters, ProfileState, Usual
from models.rows import Booleans, Floats, Rows
from models.series_fault_parameters import SeriesFaultParameters

_KINDS: tuple[FindingKind, ...] = ("stuck", "blocked", "drift", "spike")
_STUCK, _BLOCKED, _DRIFT, _SPIKE = range(4)


class SeriesFaultState(NamedTuple):
    """What is known of ``n`` series, after the fields of `ProfileState`; NaN = never or not now, hours since 1970.

    `hour` ``(1,)`` is the hour that is open, unless it is `closed` ``(1,)``, the last that was judged; `total` and
    `covered_s` are what its readings say, `at_s` the newest reading.
    `value` was said last, at `value_hour`; `stuck_nats` is the evidence that its repeats are a fault, `repeats` and
    `repeats_expected` what is honest here. `blocked_nats`, `up` and `down` are CUSUMs. `day_*` gather a day's log
    ratio; `day_variance` is of such ratios, over `days`. `last` and `before_last` are residuals (log) of the two
    hours before, `last_noise` and `jitter` the variances of their difference by chance and by habit. `recent` is the
    residual of the last two days. `since`, `quiet_until` and `weary` are ``(n, 4)``, by kind of fault.
    """

    shape: Bins
    shape_seen: Bins
    weekday: Bins
    weekday_seen: Bins
    level: Floats
    variance: Floats
    rows: Floats
    hour: Floats
    at_s: Floats
    total: Floats
    covered_s: Floats
    value: Floats
    value_hour: Floats
    stuck_nats: Floats
    repeats: Floats
    repeats_expected: Floats
    blocked_nats: Floats
    normal_hours: Floats
    up: Floats
    down: Floats
    day_sum: Floats
    day_weight: Floats
    day_usual_weight: Floats
    day_variance: Floats
    days: Floats
    last: Floats
    before_last: Floats
    last_noise: Floats
    jitter: Floats
    last_value: Floats
    recent: Floats
    settle_until: Floats
    since: Floats
    quiet_until: Floats
    weary: Floats
    closed: Floats


class SeriesFaultModel:
    """Findings ``stuck``, ``blocked``, ``drift`` and ``spike`` about sensors that count, hour by hour.

    Each hour is compared with what this sensor usually counts in that hour of the week, times the factor that the
    median sensor of the city has just now. *Stuck*: repeats of one value, each as unlikely as it is there.
    *Blocked*: a CUSUM of the likelihood of counting an eighth against counting all. *Drift*: two one-sided CUSUMs of
    the ratio to the usual, weighted by what an hour tells. *Spike*: an hour far above the hours at both its sides,
    so it is known one hour later. What changed and stays becomes the usual one.

    Rows carry counts over `interval_s`; they are gathered into hours, each stamped with its end. An hour is closed
    once, as soon as a row of a later one is heard from any sensor or `now_s` is `wait_s` past its end; what comes later
    of it is left out.

    Parameters
    ----------
    entities
        Ids of what counts.
    timezone
        Whose hours of the week.
    quantity
        What is counted.

    References
    ----------
    E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954 (CUSUM).
    """

    def __init__(
        self,
        entities: Sequence[str],
        parameters: SeriesFaultParameters | None = None,
        *,
        timezone: str = "UTC",
        quantity: str = "vehicle_count",
        profile: ProfileParameters | None = None,
    ) -> None:
        self.entities = tuple(entities)
        self.index: Mapping[str, int] = index_of(self.entities)
        self.parameters = parameters or SeriesFaultParameters()
        self.quantity = quantity
        self.profile = HourProfile(len(self.entities), timezone, profile)

    def initial_state(self) -> SeriesFaultState:
        """Return the state of series never heard of."""
        n = len(self.entities)
        zero, never = np.zeros(n), np.full(n, np.nan)
        return SeriesFaultState(
            *self.profile.initial_state(),
            hour=np.full(1, np.nan),
            at_s=never,
            total=zero,
            covered_s=zero,
            value=never,
            value_hour=never,
            stuck_nats=zero,
            repeats=zero,
            repeats_expected=zero,
            blocked_nats=zero,
            normal_hours=zero,
            up=zero,
            down=zero,
            day_sum=zero,
            day_weight=zero,
            day_usual_weight=never,
            day_variance=np.full(n, 0.08**2),
            days=zero,
            last=never,
            before_last=never,
            last_noise=never,
            jitter=np.full(n, 0.25**2),
            last_value=never,
            recent=zero,
            settle_until=never,
            since=np.full((n, 4), np.nan),
            quiet_until=np.full((n, 4), -np.inf),
            weary=np.zeros((n, 4)),
            closed=np.full(1, np.nan),
        )

    def update(self, state: SeriesFaultState, rows: Rows) -> tuple[SeriesFaultState, list[Finding]]:
        """Return the state after `rows`, and what is found in the hours that are closed by them or by their `now_s`."""
        s = state._replace(at_s=state.at_s.copy(), total=state.total.copy(), covered_s=state.covered_s.copy())
        findings: list[Finding] = []
        which = np.flatnonzero(~rows.is_visit & ~rows.is_report)
        e, at_s = rows.entity[which], rows.at_s[which]
        order = np.lexsort((at_s, e))
        twice = np.zeros(len(which), np.bool_)
        twice[order[1:]] = (e[order[1:]] == e[order[:-1]]) & (at_s[order[1:]] == at_s[order[:-1]])
        fresh = ~twice & ~(at_s <= s.at_s[e])
        which, e, at_s = which[fresh], e[fresh], at_s[fresh]
        value, length_s = rows.value(self.quantity)[which], rows.interval_s[which]
        # A count over (t - interval, t] belongs to the hour that ends at or after t.
        hour = np.ceil(at_s / HOUR_S)
        bounds = np.flatnonzero(np.diff(hour)) + 1
        for first, end in zip(np.r_[0, bounds], np.r_[bounds, len(hour)], strict=True):
            if first == end:
                continue
            if hour[first] > s.hour[0] and not s.hour[0] <= s.closed[0]:
                s = self._close(s, findings)
            if not hour[first] <= s.hour[0]:
                s = s._replace(hour=np.full(1, hour[first]))
            part = slice(first, end)
            s.at_s[e[part]] = at_s[part]
            if hour[first] < s.hour[0] or hour[first] <= s.closed[0]:
                continue
            said = np.isfinite(value[part])
            into, n = e[part][said], len(self.entities)
            s.total[:] += np.bincount(into, value[part][said], n)
            s.covered_s[:] += np.bincount(into, length_s[part][said], n)
        if rows.now_s >= s.hour[0] * HOUR_S + self.parameters.wait_s and (s.covered_s > 0).any():
            s = self._close(s, findings)
        return s, findings

    def _close(self, s: SeriesFaultState, findings: list[Finding]) -> SeriesFaultState:
        """Judge the open hour, then learn from it."""
        hour = int(s.hour[0])
        whole = s.covered_s >= self.parameters.whole_share * HOUR_S
        value = np.where(whole, s.total * HOUR_S / np.maximum(s.covered_s, 1.0), np.nan)
        n = len(self.entities)
        own = {name: one.copy() for name, one in s._asdict().items() if name not in ProfileState._fields}
        s = s._replace(**{**own, "total": np.zeros(n), "covered_s": np.zeros(n), "closed": np.full(1, float(hour))})
        profile = ProfileState(*s[:7])
        y = np.log1p(np.maximum(value, 0.0))
        ill = np.isfinite(s.since[:, _STUCK]) | np.isfinite(s.since[:, _BLOCKED])
        usual = self.profile.usual(profile, hour, y, ~ill)
        residual = y - usual.mean
        said = np.isfinite(residual)
        judged = said & (s.rows >= self.parameters.learnt_rows)

        s.weary[:] *= 1 - 1 / (24 * self.parameters.weary_days)
        self._spike(s, hour, value, residual, usual, findings)
        self._stuck(s, hour, value, y, usual, judged, findings)
        self._blocked(s, hour, y, residual, usual, judged, findings)
        ill = np.isfinite(s.since[:, _STUCK]) | np.isfinite(s.since[:, _BLOCKED])
        weighs = said & ~ill & (s.rows >= self.parameters.learnt_rows / 2)
        self._drift(s, hour, residual, usual, weighs, findings)

        taught = said & ~ill & ~(np.isfinite(s.value) & (s.stuck_nats > 4))
        profile = self.profile.learn(profile, hour, residual, usual, taught)
        # What has changed and stays is the usual one from now on.
        settles = (hour < s.settle_until) & taught
        profile.level[settles] += np.clip(residual[settles], -0.5, 0.5) / 24
        s.last_value[:] = value
        return SeriesFaultState(*profile, *s[7:])

    def _stuck(
        self,
        s: SeriesFaultState,
        hour: int,
        value: Floats,
        y: Floats,
        usual: Usual,
        judged: Booleans,
        findings: list[Finding],
    ) -> None:
        p = self.parameters
        said = np.isfinite(value)
        same = said & (value == s.value) & (hour - s.value_hour <= 3)
        half = 0.5 / (np.maximum(value, 0.0) + 1.0)
        high = ndtr((y + half - usual.mean) / usual.spread)
        low = ndtr((y - half - usual.mean) / usual.spread)
        chance = np.clip(high - low, 0.002 * half, 1.0)
        # An empty road repeats its zero honestly; a dead sensor that says zero is found as blocked.
        tells = said & (value > 0)
        honest = np.clip((s.repeats + 1) / (s.repeats_expected + 1), 1.0, 20.0)
        nats = -np.log(np.minimum(chance * honest, 0.9))
        s.stuck_nats[:] = np.where(same & tells, s.stuck_nats + nats, np.where(said, 0.0, s.stuck_nats))
        counts = tells & (hour - s.value_hour <= 1)
        s.repeats_expected[:] += np.where(counts, np.minimum(chance, 1.0), 0.0)
        s.repeats[:] += np.where(counts & same & (s.stuck_nats < 2 * p.stuck_nats), 1.0, 0.0)
        s.value[:] = np.where(said, value, s.value)
        s.value_hour[:] = np.where(said, hour, s.value_hour)
        begins = judged & (s.stuck_nats >= p.stuck_nats)
        self._begin(s, _STUCK, begins, hour, lambda i: f"It says exactly {value[i]:g} hour after hour.", findings)
        self._end(s, _STUCK, said & ~same, hour, "Its value moves again.", findings)

    def _blocked(
        self,
        s: SeriesFaultState,
        hour: int,
        y: Floats,
        residual: Floats,
        usual: Usual,
        judged: Booleans,
        findings: list[Finding],
    ) -> None:
        p = self.parameters
        blocked = np.log1p(p.blocked_share * usual.value)
        nats = (residual**2 - np.maximum(y - blocked, 0.0) ** 2) / (2 * usual.spread**2)
        nats = np.clip(nats, -p.blocked_nats_hour, p.blocked_nats_hour)
        s.blocked_nats[:] = np.where(judged, np.clip(s.blocked_nats + nats, 0.0, 2 * p.blocked_nats), s.blocked_nats)
        begins = judged & (s.blocked_nats >= p.blocked_nats) & np.isnan(s.since[:, _STUCK])
        ratio = np.expm1(y) / np.maximum(usual.value, 1.0)
        self._begin(s, _BLOCKED, begins, hour, lambda i: f"It counts {100 * ratio[i]:.0f} % of the usual.", findings)
        tells = judged & (usual.value > 5)
        normal = tells & (residual > np.log(0.5))
        s.normal_hours[:] = np.where(normal, s.normal_hours + 1, np.where(tells, 0, s.normal_hours))
        over = s.normal_hours >= 3
        s.blocked_nats[over] = 0.0
        self._end(s, _BLOCKED, over, hour, "It counts as usual again.", findings)
        stays = hour - s.since[:, _BLOCKED] >= 24 * p.settle_days
        s.settle_until[stays] = hour + 24 * p.settle_days
        s.blocked_nats[stays] = 0.0
        self._end(s, _BLOCKED, stays, hour, "It has stayed so: this is the usual count from now on.", findings)

    def _drift(
        self, s: SeriesFaultState, hour: int, residual: Floats, usual: Usual, weighs: Booleans, findings: list[Finding]
    ) -> None:
        p = self.parameters
        bounded = np.where(weighs, np.clip(residual, -3 * usual.spread, 3 * usual.spread), 0.0)
        weight = np.where(weighs, 1 / usual.spread**2, 0.0)
        s.day_sum[:] += weight * bounded
        s.day_weight[:] += weight
        judged = weighs & (s.rows >= p.learnt_rows) & (s.days >= p.learnt_days)
        share = np.where(judged, weight / np.maximum(s.day_usual_weight, 1e-9), 0.0)
        spread = np.sqrt(s.day_variance)
        z = bounded / spread
        s.up[:] = np.maximum(s.up + share * (z - p.drift_slack), 0.0)
        s.down[:] = np.maximum(s.down + share * (-z - p.drift_slack), 0.0)
        s.recent[:] += np.where(judged, (bounded - s.recent) * np.minimum(share / 2, 1.0), 0.0)
        least = math.log(p.drift_ratio)
        begins = judged & (
            ((s.up >= p.drift_spreads) & (s.recent > least)) | ((s.down >= p.drift_spreads) & (s.recent < -least))
        )
        text = "For days it has counted about {:+.0f} % of what the city's other sensors make likely."
        begun = self._begin(s, _DRIFT, begins, hour, lambda i: text.format(100 * math.expm1(s.recent[i])), findings)
        s.settle_until[begun] = hour + 24 * p.settle_days
        over = hour - s.since[:, _DRIFT] >= 24 * p.settle_days
        self._end(s, _DRIFT, over, hour, "Its new level is the usual one from now on.", findings)
        held = hour < s.settle_until
        s.up[held], s.down[held] = 0.0, 0.0

        if self.profile.bins(hour)[1] % 24:
            return
        ends = s.day_weight > 0.5 * np.where(np.isfinite(s.day_usual_weight), s.day_usual_weight, 0.0)
        ends &= s.day_weight > 0
        ratio = s.day_sum / np.maximum(s.day_weight, 1e-9)
        gain = np.maximum(1 / (s.days + 10), 1 / 40)
        bounded = np.clip(ratio, -2.5 * spread, 2.5 * spread)
        s.day_variance[:] += np.where(ends, gain * (bounded**2 - s.day_variance), 0.0)
        np.maximum(s.day_variance, 0.03**2, out=s.day_variance)
        usual_weight = np.where(np.isfinite(s.day_usual_weight), s.day_usual_weight, s.day_weight)
        s.day_usual_weight[:] = np.where(ends, usual_weight + 0.1 * (s.day_weight - usual_weight), s.day_usual_weight)
        s.days[:] += ends
        s.day_sum[:], s.day_weight[:] = 0.0, 0.0

    def _spike(
        self,
        s: SeriesFaultState,
        hour: int,
        value: Floats,
        residual: Floats,
        usual: Usual,
        findings: list[Finding],
    ) -> None:
        """Judge the hour before this one, now that both its neighbours are known."""
        p = self.parameters
        beside = np.stack([s.before_last, residual])
        known = np.isfinite(beside)
        base = np.where(known, np.clip(beside, -1.0, 1.0), 0.0).sum(0) / np.maximum(known.sum(0), 1)
        above = s.last - base
        spread = np.sqrt(s.jitter + s.last_noise)
        told = np.isfinite(s.last)
        returns = ~np.isfinite(residual) | (residual < s.last - 0.6 * above)
        begins = told & returns & (s.rows >= p.learnt_rows) & (s.last > p.spike_least)
        begins &= (above > np.log(p.spike_ratio)) & (above > p.spike_spreads * spread)
        text = "It counted {:.0f} in one hour, {:.1f} times what the hours beside it make likely."
        counted = s.last_value
        begun = self._begin(s, _SPIKE, begins, hour, lambda i: text.format(counted[i], math.exp(above[i])), findings)
        self._end(s, _SPIKE, begun, hour, "It was one hour.", findings)
        learns = told & known.all(0) & (s.rows > p.learnt_rows / 4)
        own = np.maximum(1.2 * np.clip(above, -2.5 * spread, 2.5 * spread) ** 2 - s.last_noise, p.least_jitter**2)
        s.jitter[:] += np.where(learns, (own - s.jitter) / p.jitter_rows, 0.0)
        s.before_last[:] = np.where(begun, np.nan, s.last)
        s.last[:] = residual
        # Chance alone reaches less far up than down: its variance is taken between the usual and what was counted.
        s.last_noise[:] = 3.0 / (usual.value + np.where(np.isfinite(value), value, usual.value) + 2)

    def _begin(
        self,
        s: SeriesFaultState,
        kind: int,
        begins: Booleans,
        hour: int,
        text: Callable[[int], str],
        findings: list[Finding],
    ) -> Booleans:
        begins = begins & np.isnan(s.since[:, kind]) & (hour >= s.quiet_until[:, kind])
        s.since[begins, kind] = hour
        s.weary[begins, kind] += 1
        name, at_s = _KINDS[kind], float(hour * HOUR_S)
        for i in np.flatnonzero(begins):
            evidence = (Evidence(text(int(i)), self.quantity, at_s),)
            known = finding_id(name, self.entities[i], at_s)
            findings.append(Finding(known, name, self.entities[i], at_s, "", 0.9, 0.3, evidence))
        return begins

    def _end(
        self, s: SeriesFaultState, kind: int, ends: Booleans, hour: int, text: str, findings: list[Finding]
    ) -> None:
        ends = ends & np.isfinite(s.since[:, kind])
        name, at_s = _KINDS[kind], float(hour * HOUR_S)
        for i in np.flatnonzero(ends):
            raised_at_s = float(s.since[i, kind] * HOUR_S)
            evidence = (Evidence(text, self.quantity, at_s),)
            known = finding_id(name, self.entities[i], raised_at_s)
            findings.append(Finding(known, name, self.entities[i], raised_at_s, "", 0.9, 0.3, evidence, at_s))
        s.since[ends, kind] = np.nan
        p = self.parameters
        quiet_h = np.array([p.quiet_h, p.quiet_h, p.drift_quiet_h, p.spike_quiet_h])[kind]
        s.quiet_until[ends, kind] = hour + np.minimum(quiet_h * p.weary ** (s.weary[ends, kind] - 1), p.quiet_at_most_h)
