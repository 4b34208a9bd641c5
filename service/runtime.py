"""A running city: its parts put together, without anything of the web."""

import logging
import threading
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from city.clock import Clock, parse_clock
from city.errors import BadFile, RondeError
from city.findings import Incident
from city.plans import Plan
from city.register import Register
from city.register_files import read_register
from ledger.reader import LedgerReader
from routing.network import Network
from service.answers import AttentionAnswer, TruckList, iso
from service.attention import attention
from service.day_limits import DayLimits
from service.detection import DetectionLoop
from service.detectors import Detectors
from service.dispatch import Dispatcher
from service.live import LiveHub
from service.peak_windows import usual_by_hour
from service.place_views import place_features, shown_part
from service.plan_views import truck_answer
from service.planning import Planner
from service.settings import Settings, parse_address
from service.snapshot import Snapshot
from service.solver_pool import SolverPool
from service.streets import bounds_of, read_network, street_features
from service.weather import WindForecast
from store.desk import Desk, PlaceVeto
from store.series import SeriesStore, open_series

logger = logging.getLogger(__name__)

# A page that hears of more changed places than this at once had better read them all.
MAX_CHANGED_PLACES = 200
_ANNOUNCE_EVERY_S = 1.0
_SERIES_CHECK_EVERY_S = 10.0


class Runtime:
    """The parts of one city and the threads between them.

    Parts that are missing or refuse make the constructor of `open_runtime` fail; once it runs, a part that goes away
    is shown in the health checks, and everything else goes on.
    """

    def __init__(
        self,
        settings: Settings,
        register: Register,
        network: Network,
        clock: Clock,
        series: SeriesStore,
        desk: Desk,
        dispatcher: Dispatcher,
        pool: SolverPool,
    ) -> None:
        self.settings = settings
        self.register = register
        self.network = network
        self.clock = clock
        self.series = series
        self.desk = desk
        self.dispatcher = dispatcher
        self.pool = pool
        self.hub = LiveHub()
        self.timezone = ZoneInfo(register.timezone)
        self.bounds = bounds_of(register, network)
        self.reader = LedgerReader(settings.folder / "ledger")
        self.detectors = Detectors(register, settings.planning)
        weather = settings.service.weather
        self.limits = DayLimits(
            register,
            network,
            lambda day_s: usual_by_hour(self.detectors.traffic, day_s),
            WindForecast(Path(weather) if weather else None),
        )
        self.planner = Planner(
            register,
            desk,
            clock,
            pool,
            dispatcher,
            settings.planning,
            seed=settings.service.seed,
            publish=self.hub.publish,
            usual_ratio=self.detectors.usual_speed_ratio,
            limits=self.limits,
        )
        self.detection = DetectionLoop(
            self.reader,
            register,
            self.detectors,
            desk,
            clock,
            tick_s=settings.service.tick_s,
            on_snapshot=self._on_snapshot,
        )
        self.snapshot: Snapshot = self.detectors.snapshot(clock.now_s(), 0, 0, ready=False)
        self.series_problem = ""
        self._streets: dict[str, Any] | None = None
        self._shown: dict[str, tuple[Any, ...]] = {}
        self._attention_shown: tuple[Any, ...] = ()
        self._announced_s = 0.0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._plan, name="planning", daemon=True),
            threading.Thread(target=self._check_series, name="series-check", daemon=True),
        ]

    def start(self) -> None:
        """Begin to read the ledger and to plan."""
        self.detection.start()
        self.planner.resume()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End everything that was begun, in an order in which nothing waits for what is gone."""
        self._stop.set()
        self.hub.close()
        self.detection.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=10)
        self.pool.close()
        self.dispatcher.close()
        self.series.close()
        self.desk.close()

    @property
    def is_ready(self) -> bool:
        """Whether all that was in the ledger at the start has been read."""
        return self.snapshot.ready

    @property
    def streets(self) -> dict[str, Any]:
        """The streets as GeoJSON, made when first asked for."""
        if self._streets is None:
            self._streets = street_features(self.network)
        return self._streets

    def todays_plan(self) -> Plan | None:
        """Return the plan that is driven today."""
        return self.planner.todays_plan(self.snapshot.now_s)

    def lasting_incidents(self) -> list[Incident]:
        """Return incidents that go on and that nobody dismissed or closed."""
        both = self.desk.incidents("open") + self.desk.incidents("confirmed")
        return [one for one in both if one.cleared_at_s is None]

    def attention(self) -> AttentionAnswer:
        """Return what needs a person now."""
        return attention(
            self.register,
            self.lasting_incidents(),
            self.desk.proposals("open"),
            self.todays_plan(),
            self.snapshot.now_s,
            self.planner.note_of,
            self.snapshot.fleet_silence,
        )

    def trucks(self) -> TruckList:
        """Return where the trucks are and how far their rounds."""
        snapshot, plan, progress = self.snapshot, self.todays_plan(), self.planner.progress(self.snapshot)
        return TruckList(
            trucks=[truck_answer(self.register, snapshot, one, plan, progress) for one in self.register.trucks]
        )

    def reject(self, id: str, by: str, reason: str, veto: PlaceVeto | None) -> None:
        """Reject a proposal, and let everybody know what that says of a place; see `Planner.reject`."""
        self.planner.reject(id, by, reason, veto)
        if veto is not None:
            for said in self.desk.trail(1, veto.place):
                self.detection.vetoed(said)

    def announce_attention(self) -> None:
        """Tell listeners what needs a person, if that has changed."""
        answer = self.attention()
        shown = (answer.summary, *((one.id, one.urgency, one.detail) for one in answer.items))
        if shown != self._attention_shown:
            self._attention_shown = shown
            self.hub.publish("attention", answer.model_dump(mode="json", by_alias=True))

    def _on_snapshot(self, snapshot: Snapshot, incidents: list[Incident]) -> None:
        self.snapshot = snapshot
        for incident in incidents:
            if incident.cleared_at_s is None:
                logger.info("%s at %s.", incident.kind.capitalize(), incident.entity)
        if time.monotonic() - self._announced_s >= _ANNOUNCE_EVERY_S:
            self._announced_s = time.monotonic()
            self._announce(snapshot)

    def _announce(self, snapshot: Snapshot) -> None:
        self.hub.publish(
            "clock",
            {
                "now": iso(snapshot.now_s),
                "speedUp": self.clock.speed_up,
                "ready": snapshot.ready,
                "progress": snapshot.position / snapshot.entries if snapshot.entries else 1.0,
            },
        )
        if not self.hub.clients:
            self._shown = {}
            return
        shown = {}
        changed = []
        for feature in place_features(self.register, snapshot):
            id = feature["id"]
            shown[id] = shown_part(feature)
            if self._shown and shown[id] != self._shown.get(id):
                changed.append(feature)
        self._shown = shown
        if len(changed) > MAX_CHANGED_PLACES:
            self.hub.publish("resync", {})
        elif changed:
            self.hub.publish("places", {"type": "FeatureCollection", "features": changed})
        self.hub.publish("trucks", self.trucks().model_dump(mode="json", by_alias=True))

    def _plan(self) -> None:
        fault = ""
        while not self._stop.is_set():
            self.planner.wait(max(0.2, self.settings.service.tick_s))
            try:
                self.planner.step(self.snapshot, self.lasting_incidents())
                self.announce_attention()
                if fault and self.planner.fault == fault:
                    self.planner.fault = ""
                fault = ""
            except Exception as error:
                said = str(error) or type(error).__name__
                if said != fault:
                    logger.warning("Planning waits: %s", said, exc_info=not isinstance(error, RondeError))
                self.planner.fault = fault = said

    def _check_series(self) -> None:
        while not self._stop.is_set():
            try:
                self.series.check()
                self.series_problem = ""
            except Exception as error:
                self.series_problem = str(error) or type(error).__name__
            self._stop.wait(_SERIES_CHECK_EVERY_S)


def open_runtime(settings: Settings) -> Runtime:
    """Open every part of a city.

    Raises
    ------
    RondeError
        A part is missing, refuses or is wrong; nothing stays open then.
    """
    settings.check_complete()
    folder = settings.folder
    if not folder.is_dir():
        raise BadFile(
            "The data folder does not exist.", "Make one with 'ronde simulate', or name another.", file=str(folder)
        )
    register = read_register(folder / "register")
    network = read_network(folder)
    clock = parse_clock(settings.service.clock)
    opened: list[Any] = []
    try:
        series = open_series(settings.series_url, settings.service.series_token or None)
        opened.append(series)
        series.check()
        desk = Desk(settings.desk_url)
        opened.append(desk)
        address = parse_address(settings.service.broker) if settings.service.broker else None
        dispatcher = Dispatcher(register, clock, address)
        dispatcher.connect()
        opened.append(dispatcher)
        pool = SolverPool(folder / "network.npz", settings.service.router)
        opened.append(pool)
        return Runtime(settings, register, network, clock, series, desk, dispatcher, pool)
    except BaseException:
        for one in reversed(opened):
            one.close()
        raise
