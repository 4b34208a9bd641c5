"""Routes about places: their state, one in detail, trends, streets and the drawn map."""

import threading
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from city.clock import parse_time
from city.errors import BadInput
from service.answers import EntityAnswer, FeatureCollection, TrendAnswer, iso
from service.entity_views import entity_answer
from service.map_svg import Projection, map_svg, streets_svg
from service.place_views import place_features
from service.problems import Absent, problem_answers
from service.runtime import Runtime
from service.sentences import clock_text
from service.trends import forecast_times, thresholds_of, trend_answer

GEOJSON = "application/geo+json"
_DEFAULT_TREND_S = 48 * 3600.0
_LONGEST_TREND_S = 400 * 86_400.0


def place_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["places"])
    made = _Made(runtime)

    @routes.get(
        "/places", summary="Every place with its state", response_model=FeatureCollection, response_class=Response
    )
    def places() -> Response:
        """Return clusters with their containers, junctions with their approaches, depots and unloading sites.

        A state is `ok`, `watch`, `urgent` or `unknown`; unknown is neither empty nor calm.
        """
        return Response(made.places(), media_type=GEOJSON)

    @routes.get("/streets", summary="The streets as lines", response_model=FeatureCollection, response_class=Response)
    def streets() -> Response:
        """Return the road network for a base map; it does not change while the service runs."""
        return Response(made.streets(), media_type=GEOJSON, headers={"Cache-Control": "public, max-age=3600"})

    @routes.get("/map.svg", summary="The map as a picture", response_class=Response)
    def picture() -> Response:
        """Return the same map for browsers without WebGL, for print and for screen readers."""
        return Response(made.picture(), media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})

    @routes.get(
        "/entities/{id}",
        summary="One container, cluster, approach, junction or truck",
        responses=problem_answers(404),
    )
    def entity(id: str) -> EntityAnswer:
        """Return everything known about it, its incidents included."""
        snapshot = runtime.snapshot
        return entity_answer(
            runtime.register,
            snapshot,
            id,
            runtime.desk.incidents(limit=200),
            runtime.todays_plan(),
            runtime.planner.progress(snapshot),
            runtime.detectors.traffic,
        )

    @routes.get("/trends/{entity}", summary="A quantity over time", responses=problem_answers(400, 404, 503))
    def trend(
        entity: str,
        quantity: Annotated[str, Query(examples=["fill_ratio"])],
        start: Annotated[str | None, Query(alias="from", examples=["2026-03-01T06:00:00Z"])] = None,
        end: Annotated[str | None, Query(alias="to", examples=["2026-03-02T06:00:00Z"])] = None,
    ) -> TrendAnswer:
        """Return points, the usual band, named thresholds and, up to now, a forecast.

        `from` is two days before `to` unless given, and `to` is now. At most about 2,000 points; extremes are kept.
        """
        register = runtime.register
        known = (register.containers, register.clusters, register.approaches, register.trucks)
        if not any(entity in some for some in known):
            raise Absent(f"There is no {entity!r} in the register.", "/v1/places lists what there is.")
        now_s = runtime.clock.now_s()
        end_s = parse_time(end) if end else now_s
        start_s = parse_time(start) if start else end_s - _DEFAULT_TREND_S
        if not start_s < end_s or end_s - start_s > _LONGEST_TREND_S:
            raise BadInput(
                f"From {iso(start_s)} to {iso(end_s)} is no span of time to draw.",
                "Give a 'from' that lies before 'to', at most 400 days.",
            )
        forecast: list[tuple[float, float, float, float]] = []
        if quantity == "fill_ratio" and entity in register.containers and end_s >= now_s - 3600:
            times = forecast_times(now_s)
            forecast = [
                (at, *three) for at, three in zip(times, runtime.detectors.fill_forecast(entity, times), strict=False)
            ]
        return trend_answer(
            register,
            runtime.series,
            entity,
            quantity,
            start_s,
            # The window is half open, and what was measured at the asked moment belongs to it.
            end_s + 0.001,
            forecast=forecast,
            traffic=runtime.detectors.traffic if entity in register.approaches else None,
            now_s=now_s,
            thresholds=thresholds_of(register, entity, quantity),
        )

    return routes


class _Made:
    """Large answers, made once per snapshot however many ask."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._project = Projection(runtime.bounds)
        self._places: tuple[int, bytes] = (-1, b"")
        self._streets = b""
        self._streets_drawn = ""

    def places(self) -> bytes:
        snapshot = self._runtime.snapshot
        with self._lock:
            if self._places[0] != snapshot.version:
                collection = {
                    "type": "FeatureCollection",
                    "features": place_features(self._runtime.register, snapshot),
                }
                self._places = snapshot.version, msgspec.json.encode(collection)
            return self._places[1]

    def streets(self) -> bytes:
        with self._lock:
            if not self._streets:
                self._streets = msgspec.json.encode(self._runtime.streets)
            return self._streets

    def picture(self) -> str:
        with self._lock:
            if not self._streets_drawn:
                self._streets_drawn = streets_svg(self._runtime.streets, self._project)
        runtime, snapshot = self._runtime, self._runtime.snapshot
        plan = runtime.todays_plan()
        trucks: list[tuple[str, float, float]] = [
            (one.name, one.lon, one.lat)
            for one in runtime.trucks().trucks
            if one.lon is not None and one.lat is not None
        ]
        rounds: list[Any] = [one.path for one in plan.rounds if len(one.path) > 1] if plan else []
        return map_svg(
            runtime.register.name,
            self._project,
            self._streets_drawn,
            place_features(runtime.register, snapshot),
            trucks,
            rounds,
            clock_text(snapshot.now_s, runtime.timezone),
        )
