"""Routes that hand rounds over: to navigators, calendars, printers and maps."""

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from city.plans import Plan, Round
from routing.delivery import plan_geojson
from routing.driven_line import driven_ways
from routing.gpx import USUAL_CAP, round_gpx
from routing.instruction_words import Language, LegText, leg_texts, round_text
from routing.sheet import SheetRound, sheet_html
from routing.shift_calendar import shift_calendar
from routing.truck_limits import size_of
from service.problems import Absent, problem_answers
from service.runtime import Runtime
from service.sentences import place_name

_STYLESHEET = "/print.css"
_TITLE: Mapping[Language, str] = {"nl": "Ronde", "en": "Round"}

Words = Annotated[Language, Query(description="Language of what a driver reads")]


def round_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["rounds"])
    register, zone = runtime.register, ZoneInfo(runtime.register.timezone)

    def todays_plan() -> Plan:
        plan = runtime.todays_plan()
        if plan is None:
            raise Absent("There is no plan for today yet.", "Ask again when the day's rounds are made.")
        return plan

    def todays_round(truck: str) -> tuple[Plan, Round]:
        plan = todays_plan()
        for one in plan.rounds:
            if one.truck == truck and len(one.stops) > 1:
                return plan, one
        raise Absent(f"Truck {truck!r} has no round today.", "Look at /v1/plans/current for those that have one.")

    def names(one: Round) -> dict[str, str]:
        return {stop.place: place_name(register, stop.place) for stop in one.stops}

    def legs(one: Round, language: Language) -> list[LegText]:
        truck = register.trucks.get(one.truck)
        ways = driven_ways(runtime.network, one, size_of([truck] if truck else []))
        return leg_texts(runtime.network, one, ways, names(one), language, zone)

    def title(one: Round, language: Language) -> str:
        return f"{_TITLE[language]} {place_name(register, one.truck)}"

    @routes.get(
        "/trucks/{truck}/round.gpx",
        summary="A truck's round for a navigator",
        response_class=Response,
        responses=_file("application/gpx+xml"),
    )
    def gpx(
        truck: str,
        language: Words = "nl",
        most_points: Annotated[
            int, Query(alias="mostPoints", ge=2, le=10_000, description="Points that the navigator takes in one route")
        ] = USUAL_CAP,
    ) -> Response:
        """Return GPX routes whose points are the stops; a longer round is split."""
        _, one = todays_round(truck)
        text = round_gpx(one, title(one, language), names(one), language, most_points)
        return _download(text, "application/gpx+xml", f"{truck}.gpx")

    @routes.get(
        "/trucks/{truck}/round.ics",
        summary="A truck's shift for a calendar",
        response_class=Response,
        responses=_file("text/calendar"),
    )
    def calendar(truck: str, language: Words = "nl") -> Response:
        """Return the shift as iCalendar: a later plan replaces the event."""
        plan, one = todays_round(truck)
        text = shift_calendar(plan, one, place_name(register, truck), names(one), language)
        return _download(text, "text/calendar", f"{truck}.ics")

    @routes.get(
        "/trucks/{truck}/round.txt",
        summary="A truck's round turn by turn",
        response_class=Response,
        responses=_file("text/plain"),
    )
    def directions(truck: str, language: Words = "nl") -> Response:
        """Return the stops in order, and in words how to drive to each."""
        _, one = todays_round(truck)
        return Response(round_text(title(one, language), legs(one, language)), media_type="text/plain; charset=utf-8")

    @routes.get(
        "/trucks/{truck}/round.html",
        summary="A truck's round on paper",
        response_class=Response,
        responses=_file("text/html"),
    )
    def sheet(truck: str, language: Words = "nl") -> Response:
        """Return a page to print."""
        plan, one = todays_round(truck)
        page = SheetRound(place_name(register, truck), one, legs(one, language))
        return Response(sheet_html(plan.id, [page], language, _STYLESHEET), media_type="text/html; charset=utf-8")

    @routes.get(
        "/plans/current/sheets",
        summary="All rounds on paper",
        response_class=Response,
        responses=_file("text/html"),
    )
    def sheets(language: Words = "nl") -> Response:
        """Return pages to print, one round after the other."""
        plan = todays_plan()
        driven = [one for one in plan.rounds if len(one.stops) > 1]
        pages = [SheetRound(place_name(register, one.truck), one, legs(one, language)) for one in driven]
        return Response(sheet_html(plan.id, pages, language, _STYLESHEET), media_type="text/html; charset=utf-8")

    @routes.get("/plans/current/geojson", summary="All rounds for a map", responses=problem_answers(404))
    def geojson() -> dict[str, Any]:
        """Return a GeoJSON FeatureCollection: a line for each round, a point for each stop."""
        return plan_geojson(todays_plan())

    return routes


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string"}}}}, **problem_answers(404, 422)}


def _download(content: str | bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)
