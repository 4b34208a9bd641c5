"""Routes for the traffic planner: figures, profiles, changes, advice about green, and counts to take away."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response

from city.errors import BadInput
from models.signal_timing import Timing
from service.problems import Absent, problem_answers
from service.runtime import Runtime
from service.traffic_answers import FigureOrRefusal, FiguresAnswer, ReliefAnswer, TrafficProfileAnswer
from service.traffic_records import TrafficRecords
from service.traffic_views import TrafficViews, unsignalised

Year = Annotated[
    int | None, Query(ge=1971, le=2200, description="A calendar year; the last year with counts unless given.")
]


def traffic_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/traffic", tags=["traffic"])
    register, now_s = runtime.register, runtime.clock.now_s
    records = TrafficRecords(runtime.series, runtime.settings.folder / "history", register.timezone)
    views = TrafficViews(register, records)

    def known(id: str) -> str:
        if id not in register.approaches and id not in register.junctions:
            raise Absent(f"There is no approach or junction {id!r} in the register.", "/v1/places lists what there is.")
        return id

    @routes.get(
        "/{id}/figures", summary="The planner's figures of a place", responses=problem_answers(400, 404, 422, 503)
    )
    def figures(id: str, year: Year = None) -> FiguresAnswer:
        """Return AADT, peak hours, K, D, V85, … of an approach or junction, each with its interval and completeness.

        What would rest on too little is refused: the answer says what is there and what is needed.
        """
        return views.figures(known(id), now_s(), year)

    @routes.get("/{id}/profile", summary="The usual day and week", responses=problem_answers(400, 404, 422, 503))
    def profile(id: str, year: Year = None) -> TrafficProfileAnswer:
        """Return medians with the 10th to 90th percentile, the latest week against them, and every day."""
        return views.profile(known(id), now_s(), year)

    @routes.get("/{id}/change", summary="Before and after a measure", responses=problem_answers(400, 404, 422, 503))
    def change(
        id: str,
        on: Annotated[date, Query(description="First day of the measure", examples=["2026-03-02"])],
        comparison: Annotated[
            str | None, Query(description="A place that the measure does not touch; its own change is taken out.")
        ] = None,
    ) -> FigureOrRefusal:
        """Return by how much the daily volume changed between the eight weeks before and after, with its interval."""
        return views.change(known(id), on, now_s(), known(comparison) if comparison else None)

    @routes.get(
        "/{id}/relief",
        summary="What would relieve a signalised junction",
        responses=problem_answers(400, 404, 422, 503),
    )
    def relief(
        id: str,
        cycle_s: Annotated[
            float | None, Query(alias="cycleS", gt=0, le=600, description="Cycle of the plan that runs now, s")
        ] = None,
        green_s: Annotated[
            list[float] | None, Query(alias="greenS", description="Effective green of each phase, s, in their order")
        ] = None,
        year: Year = None,
    ) -> ReliefAnswer:
        """Return timing now and as proposed for the hours of workdays, and what that saves.

        Without `cycleS` and `greenS` a plan is assumed, and the answer says so.
        """
        junction = register.junctions.get(id)
        if junction is None:
            raise Absent(f"There is no junction {id!r} in the register.", "/v1/places lists what there is.")
        if (cycle_s is None) != (not green_s):
            raise BadInput("A timing is its cycle and its greens.", "Give both cycleS and greenS, or neither.")
        if not junction.signalised:
            return unsignalised(register, id)
        return views.relief(id, now_s(), Timing(cycle_s, tuple(green_s)) if cycle_s and green_s else None, year)

    @routes.get(
        "/{id}/counts.csv",
        summary="The hourly counts as CSV",
        response_class=Response,
        responses={200: {"content": {"text/csv": {}}}, **problem_answers(404, 503)},
    )
    def counts(id: str) -> Response:
        """Return every hour with its count; an hour that is unknown has an empty cell, never a zero."""
        return Response(
            views.hours_csv(known(id), now_s()),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{id}.csv"'},
        )

    return routes
