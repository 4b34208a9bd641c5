"""All models of the city together: rows go in, findings come out, and a snapshot says what is known."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from city.findings import JAM_KINDS, Finding, FindingKind
from city.readings import ReadingKind, Row
from city.register import Register
from models.congestion import CongestionModel
from models.day_spread import DaySpread, after_a_day
from models.dumping import DumpingModel
from models.fill import FillModel
from models.fill_health import FillHealthModel
from models.fleet_silence import FleetSilenceModel, fleet_of
from models.health import WORTH, HealthModel, HealthParameters
from models.incidents import IncidentModel
from models.local_days import LocalDays
from models.rows import Booleans, Floats, Rows
from models.series_faults import SeriesFaultModel
from models.spill import expected_spill
from routing.selection import DENSITY_KG_M3
from service.jobs import next_visit_s
from service.refusals import Refusals
from service.settings import PlanningSettings
from service.snapshot import (
    OK,
    UNKNOWN,
    URGENT,
    WATCH,
    ApproachStates,
    ClusterStates,
    ContainerStates,
    FleetSilence,
    Snapshot,
    Visit,
)
from service.usual_traffic import UsualTraffic

VISITS_KEPT_S = 2 * 86_400.0
# A device whose newest reading is older than this when it arrives is telling what it kept while it was away.
LATE_S = 900.0
# A fill sensor reports when something changes, and at least this often: a usual gap shorter than that says nothing.
HEARTBEAT_S = 6 * 3600.0
WATCH_FILL_RATIO = 0.8
URGENT_FILL_RATIO = 0.95
WATCH_PROBABILITY = 0.5
# Of such a sensor nothing is believed: what is planned rests on the forecast.
_SICK = frozenset({"silent", "stuck", "implausible", "blocked", "tilt"})
# Silence casts no doubt on what was told before it: the forecast's interval grows by itself.
_DOUBTFUL: Mapping[FindingKind, float] = {kind: worth for kind, worth in WORTH.items() if kind != "silent"}
# A level that nothing vouches for may be wrong by this (standard deviation, ratio of the usable volume).
DOUBT_SD = 0.3
# That a counter says one value over and over is found within minutes by another model.
_OF_COUNTERS = frozenset({"blocked", "drift"})
CLAIMS_KEPT = 60


class Detectors:
    """Models of one city and what they know; fed by one thread, in the order of the ledger.

    What it knows is a view: the same rows in the same order give the same findings, so that it is rebuilt from the
    ledger at every start and never stored.
    """

    def __init__(self, register: Register, planning: PlanningSettings) -> None:
        self._register = register
        self._planning = planning
        self._timezone = ZoneInfo(register.timezone)
        containers = list(register.containers.values())
        self._fill = FillModel(
            [one.id for one in containers],
            volume_m3=[one.volume_m3 for one in containers],
            density_kg_m3=[DENSITY_KG_M3.get(one.stream, np.nan) for one in containers],
        )
        self._dumping = DumpingModel(list(register.clusters), members={one.id: one.cluster for one in containers})
        approaches = list(register.approaches.values())
        self.local_days = LocalDays.of_country(register.timezone)
        self._congestion = CongestionModel(
            [one.id for one in approaches],
            free_speed_kph=[one.free_speed_kph for one in approaches],
            local_days=self.local_days,
        )
        self._incidents = IncidentModel([one.id for one in approaches], local_days=self.local_days)
        watched = {one.entity for one in register.installations if one.valid_until_s is None}
        sensed = watched - set(register.trucks)
        on_change = HealthParameters(silence_at_least_s=3 * HEARTBEAT_S)
        in_containers = sorted(sensed & set(register.containers))
        self._fill_health = HealthModel(in_containers, on_change)
        self._container_sensors = FillHealthModel(in_containers)
        self._is_sensed = self._among(self._fill.entities, frozenset(in_containers))
        self._fleet = FleetSilenceModel(
            fleet_of(in_containers, register.city),
            interval_s=[HEARTBEAT_S] * len(in_containers),
            check_s=HEARTBEAT_S / 12,
        )
        self._health = HealthModel(sorted(sensed - set(register.containers)))
        self._counters = SeriesFaultModel(sorted(sensed & set(register.approaches)), timezone=register.timezone)
        self._fill_state = self._fill.initial_state()
        self._day_spread = DaySpread.unknown(self._fill)
        self._dumping_state = self._dumping.initial_state()
        self._congestion_state = self._congestion.initial_state()
        self._incident_state = self._incidents.initial_state()
        self._fill_health_state = self._fill_health.initial_state()
        self._container_sensors_state = self._container_sensors.initial_state()
        self._fleet_state = self._fleet.initial_state()
        self._health_state = self._health.initial_state()
        self._counters_state = self._counters.initial_state()
        self._latest: dict[tuple[str, ReadingKind], Row] = {}
        self.traffic = UsualTraffic(register)
        self._visits: deque[Visit] = deque()
        self.refusals = Refusals(register)
        self._claims: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=CLAIMS_KEPT))
        self._active: dict[str, Finding] = {}
        self._late: dict[str, tuple[float, float]] = {}
        self._cluster_index = {one: i for i, one in enumerate(register.clusters)}
        self._watched_since_s: dict[str, float] = {}
        self._version = 0

    def feed(self, rows: Sequence[Row], now_s: float) -> list[Finding]:
        """Take rows that arrived until `now_s`, and return what the models find in them."""
        for row in rows:
            self._note(row)
        heard_until_s = self._heard_until_s(now_s)
        findings = self._sensors(rows, heard_until_s)
        sick = {one.id: one for one in (*self._active.values(), *findings)}.values()
        readings = self._believed(Rows.of(rows, self._fill.index, heard_until_s), self._fill.index, sick)
        self._fill_state, found = self._fill.update(self._fill_state, readings)
        self._day_spread = after_a_day(self._day_spread, self._fill, self._fill_state, heard_until_s)
        findings += found
        readings = self._believed(Rows.of(rows, self._dumping.index, heard_until_s), self._dumping.index, sick)
        self._dumping_state, found = self._dumping.update(self._dumping_state, readings)
        findings += found
        of_approaches = Rows.of(rows, self._congestion.index, now_s)
        self._congestion_state, found = self._congestion.update(self._congestion_state, of_approaches)
        findings += found
        self._incident_state, found = self._incidents.update(self._incident_state, of_approaches)
        findings += found
        unusual = (*self._active.values(), *findings)
        self.traffic.feed(of_approaches, (one for one in unusual if one.kind in JAM_KINDS | _SICK))
        for finding in findings:
            if finding.cleared_at_s is None:
                self._active[finding.id] = finding
            else:
                self._active.pop(finding.id, None)
        while self._visits and self._visits[0].at_s < now_s - VISITS_KEPT_S:
            self._visits.popleft()
        return findings

    def _sensors(self, rows: Sequence[Row], heard_until_s: float) -> list[Finding]:
        """Return what is wrong with sensors: before anything else, because nothing is concluded from a sick one."""
        self._health_state, findings = self._health.update(
            self._health_state, Rows.of(rows, self._health.index, heard_until_s)
        )
        of_containers = Rows.of(rows, self._fill_health.index, heard_until_s)
        self._fill_health_state, found = self._fill_health.update(self._fill_health_state, of_containers)
        findings += found
        self._container_sensors_state, found = self._container_sensors.update(
            self._container_sensors_state, of_containers
        )
        findings += found
        self._fleet_state, found = self._fleet.update(self._fleet_state, of_containers)
        findings += found
        self._counters_state, found = self._counters.update(
            self._counters_state, Rows.of(rows, self._counters.index, heard_until_s)
        )
        return findings + [one for one in found if one.kind in _OF_COUNTERS]

    @staticmethod
    def _believed(rows: Rows, index: Mapping[str, int], found: Iterable[Finding]) -> Rows:
        """Return the rows without the levels that sensors told while they were known to be sick.

        It goes by the measured times of beginning and end, so that a replay in larger pieces believes the same.
        """
        fill = rows.value("fill_ratio")
        told = fill.copy()
        for one in found:
            i = index.get(one.entity, -1)
            if one.kind in _SICK - {"silent"} and i >= 0:
                until_s = np.inf if one.cleared_at_s is None else one.cleared_at_s
                told[(rows.entity == i) & (rows.at_s >= one.raised_at_s) & (rows.at_s < until_s)] = np.nan
        if np.array_equal(told, fill, equal_nan=True):
            return rows
        return replace(rows, values={**rows.values, "fill_ratio": told})

    def _quality(self, worth: Mapping[FindingKind, float] = WORTH) -> Floats:
        """Return what the word of each container's sensor is worth, ``(n,)``: 1 = all, 0 = nothing, NaN = no sensor."""
        quality = np.where(self._is_sensed, 1.0, np.nan)
        own = self._container_sensors
        quality[[self._fill.index[one] for one in own.entities]] = own.quality(self._container_sensors_state)
        for one in list(self._active.values()):
            if one.kind in worth and (i := self._fill.index.get(one.entity, -1)) >= 0:
                quality[i] = min(quality[i], worth[one.kind])
        return quality

    def _fleet_silence(self, active: Iterable[Finding]) -> FleetSilence | None:
        """Return how many sensors are silent together; None while none are."""
        for one in active:
            if one.kind == "fleet_silent":
                silent, known = self._fleet.late(self._fleet_state, self._fleet_state.checked_s[0])
                group = self._fleet.entities.index(one.entity)
                return FleetSilence(int(silent[group]), int(known[group]), one.evidence[-1].at_s)
        return None

    def snapshot(self, now_s: float, position: int, entries: int, ready: bool) -> Snapshot:
        """Return what is known at `now_s`; nobody changes it afterwards."""
        self._version += 1
        active = dict(self._active)
        sick = frozenset(one.entity for one in active.values() if one.kind in _SICK)
        return Snapshot(
            version=self._version,
            now_s=now_s,
            ready=ready,
            position=position,
            entries=entries,
            containers=self._containers(now_s),
            approaches=self._approaches(sick),
            clusters=ClusterStates(
                self._dumping.entities,
                self._cluster_index,
                np.asarray(self._dumping.observable(self._dumping_state), np.bool_),
                self._dumping.unobservable(self._dumping_state),
            ),
            latest=dict(self._latest),
            active=active,
            visits=tuple(self._visits),
            sick=sick,
            fleet_silence=self._fleet_silence(active.values()),
            late_devices=len(self._late),
            refusals=self.refusals.recent(now_s),
            lessons=self.refusals.lessons(now_s),
        )

    def fill_forecast(self, container: str, at_s: Sequence[float]) -> list[tuple[float, float, float]]:
        """Return level, low and high of one container at later times; empty if it was never heard of."""
        i = self._fill.index[container]
        state = self._fill_state
        if not np.isfinite(state.at_s[i]) or not len(at_s):
            return []
        forecast = self._fill.forecast(state, at_s, doubt_sd=_doubt_sd(self._quality(_DOUBTFUL)))
        return [
            (float(level), float(low), float(high))
            for level, low, high in zip(forecast.level[i], forecast.low[i], forecast.high[i], strict=True)
        ]

    @property
    def watched_since_s(self) -> dict[str, float]:
        """When a camera first told of each cluster; clusters that none looks at are not in it."""
        return dict(self._watched_since_s)

    def claimed(self, container: str) -> list[float]:
        """Return when crews said that they emptied a container, the newest `CLAIMS_KEPT`, by rising time."""
        return sorted(self._claims.get(container, ()))

    def usual_speed_ratio(self, at_s: Sequence[float]) -> Floats:
        """Return the usual speed of every approach as a share of the free speed, ``(n, k)``; NaN = unknown."""
        return np.clip(self.traffic.usual_speed_kph(at_s) / self._congestion_state.free_kph[:, None], 0.05, 1.0)

    def _note(self, row: Row) -> None:
        if row.kind in ("visit", "veto"):
            self.refusals.note(row)
            if row.kind == "visit" and row.subject:
                self._visits.append(Visit(row.entity, row.subject, row.at_s))
                if row.subject in self._fill.index:
                    self._claims[row.subject].append(row.at_s)
            return
        if row.kind == "beside":
            self._watched_since_s[row.entity] = min(row.at_s, self._watched_since_s.get(row.entity, row.at_s))
        key = (row.entity, row.kind)
        known = self._latest.get(key)
        if row.quality != "suspect" and (known is None or row.at_s >= known.at_s):
            self._latest[key] = row
        device = row.key.device
        if row.received_at_s - row.at_s > LATE_S:
            self._late[device] = (row.at_s, row.received_at_s)
        else:
            self._late.pop(device, None)

    def _heard_until_s(self, now_s: float) -> float:
        """Return until when everything that devices kept for us has arrived: silence is judged by that, not by now."""
        for device, (_, received_at_s) in list(self._late.items()):
            if now_s - received_at_s > 2 * LATE_S:
                del self._late[device]
        return min((at_s for at_s, _ in self._late.values()), default=now_s)

    def _containers(self, now_s: float) -> ContainerStates:
        state = self._fill_state
        until_s = next_visit_s(now_s, self._planning, self._timezone)
        quality = self._quality()
        doubt_sd = _doubt_sd(self._quality(_DOUBTFUL))
        forecast = self._fill.forecast(state, [now_s], doubt_sd=doubt_sd)
        level = forecast.level[:, 0]
        overflow, spill = expected_spill(
            self._fill,
            state,
            until_s,
            over_s=self._planning.next_visit_margin_s,
            doubt_sd=doubt_sd,
            misfit=self._day_spread.misfit,
        )
        codes = np.full(len(level), OK)
        codes[(level >= WATCH_FILL_RATIO) | (overflow >= WATCH_PROBABILITY)] = WATCH
        codes[(level >= URGENT_FILL_RATIO) | (overflow > self._planning.must_probability)] = URGENT
        codes[np.isnan(level)] = UNKNOWN
        return ContainerStates(
            ids=self._fill.entities,
            index=self._fill.index,
            level=level,
            low=forecast.low[:, 0],
            high=forecast.high[:, 0],
            overflow=overflow,
            spill=spill,
            at_s=state.at_s.copy(),
            emptied_at_s=state.emptied_at_s.copy(),
            quality=quality,
            state=codes,
        )

    def _approaches(self, sick: frozenset[str]) -> ApproachStates:
        known = self._congestion.states(self._congestion_state)
        level = np.asarray(known.level, np.int64).copy()
        level[self._among(self._congestion.entities, sick)] = UNKNOWN
        codes = np.array([OK, OK, WATCH, URGENT, UNKNOWN])[level]
        return ApproachStates(
            ids=self._congestion.entities,
            index=self._congestion.index,
            level=level,
            speed_ratio=np.where(level < 0, np.nan, known.speed_ratio),
            since_s=np.asarray(known.since_s, np.float64).copy(),
            state=codes,
        )

    @staticmethod
    def _among(entities: Sequence[str], chosen: frozenset[str]) -> Booleans:
        return np.fromiter((one in chosen for one in entities), np.bool_, len(entities))


def _doubt_sd(quality: Floats) -> Floats:
    return DOUBT_SD * (1.0 - np.nan_to_num(quality, nan=1.0))
