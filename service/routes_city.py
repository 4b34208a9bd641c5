"""Routes about the city as a whole: what it is, how the service does, what happens live."""

import json
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from service.answers import CityAnswer, HealthAnswer, Parts, Progress
from service.health import health_answer
from service.problems import Absent, problem_answers
from service.runtime import Runtime

SCOREBOARD_FILE = "scoreboard.json"


def city_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["city"])

    @routes.get("/city", summary="The city and its time")
    def city() -> CityAnswer:
        """Answer also while the ledger is still being read: then `ready` is false and `progress` says how far it is."""
        snapshot = runtime.snapshot
        return CityAnswer(
            id=runtime.register.city,
            name=runtime.register.name,
            timezone=runtime.register.timezone,
            now=runtime.clock.now_s(),
            speed_up=runtime.clock.speed_up,
            bounds=[round(one, 6) for one in runtime.bounds],
            parts=Parts(broker=runtime.dispatcher.status, series=runtime.settings.series_url.split(":")[0]),
            replay=runtime.settings.service.replay,
            ready=snapshot.ready,
            progress=Progress(
                position=snapshot.position,
                entries=snapshot.entries,
                ratio=round(snapshot.position / snapshot.entries, 4) if snapshot.entries else 1.0,
            ),
        )

    @routes.get("/health", summary="Whether the service does its work")
    def health(response: Response) -> HealthAnswer:
        """Look at ledger, series store, ingest, broker and solver. The status is 503 when one of them fails."""
        answer = health_answer(runtime)
        if answer.status == "fail":
            response.status_code = 503
        return answer

    @routes.get(
        "/live",
        summary="Live events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def live(
        last_event_id: Annotated[str | None, Header(description="Where a client that comes back was")] = None,
        since: Annotated[int | None, Query(ge=0, description="The same, for who cannot set a header")] = None,
    ) -> StreamingResponse:
        """Stream server-sent events: `clock`, `places`, `attention`, `trucks`, `plan`, `proposal`.

        `resync` says that events were missed and everything should be read anew; `heartbeat` says that the line is
        alive.
        """
        known = since
        if (
            last_event_id is not None
            and last_event_id.isascii()
            and last_event_id.isdigit()
            and len(last_event_id) < 16
        ):
            known = int(last_event_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(runtime.hub.stream(known), media_type="text/event-stream", headers=headers)

    @routes.get("/scoreboard", summary="What was produced, stored, found and driven", responses=problem_answers(404))
    def scoreboard() -> dict[str, Any]:
        """Return the scoreboard of a simulated city; a real one has no truth to compare with."""
        return read_scoreboard(runtime.settings.folder)

    return routes


def read_scoreboard(folder: Path) -> dict[str, Any]:
    """Return the scoreboard that a demonstration keeps in the data folder.

    Raises
    ------
    Absent
        There is none.
    """
    try:
        board: dict[str, Any] = json.loads((folder / SCOREBOARD_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        raise Absent(
            "There is no scoreboard.", "It is kept while 'ronde demo' runs: a real city has no truth."
        ) from None
    return board
