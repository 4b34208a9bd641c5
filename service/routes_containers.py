"""Routes about containers over time: emptyings, what a sensor is worth, where waste is dumped again and again."""

from fastapi import APIRouter

from service.container_answers import CityEmptyings, ContainerEmptyings, HotSpotList, SensorWorthAnswer
from service.container_history import ContainerHistory
from service.prevention import hot_spot_list
from service.problems import Absent, problem_answers
from service.runtime import Runtime

_ALL = 100_000


def container_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["containers"])
    register = runtime.register
    history = ContainerHistory(register, runtime.series, runtime.detectors, runtime.clock)

    def known(id: str) -> str:
        if id not in register.containers:
            raise Absent(f"There is no container {id!r} in the register.", "/v1/places lists what there is.")
        return id

    @routes.get("/containers/{id}/emptyings", summary="Emptyings of a container", responses=problem_answers(404, 503))
    def emptyings(id: str) -> ContainerEmptyings:
        """Return those of the last 30 days: told and seen, only told, only seen, and told where nobody could see."""
        return history.emptyings(known(id))

    @routes.get(
        "/containers/{id}/sensor-worth",
        summary="Whether a sensor is worth it here",
        responses=problem_answers(404, 503),
    )
    def worth(id: str) -> SensorWorthAnswer:
        """Return how many decisions the readings of 60 days change against the forecast alone, in a sentence.

        It is worked out when it is asked for and kept for a day; on fewer than 14 days that can be judged it says so.
        """
        return history.worth(known(id))

    @routes.get("/emptyings", summary="Emptyings that do not match", responses=problem_answers(503))
    def mismatches() -> CityEmptyings:
        """Return, for three days, what crews told and no level shows, and what levels show and no crew told."""
        return history.city_emptyings()

    @routes.get("/hot-spots", summary="Where and when waste is dumped again and again")
    def spots() -> HotSpotList:
        """Return places with their rate a week and its 80 % interval, the surest first, and their worst hours."""
        incidents = runtime.desk.incidents(limit=_ALL)
        watched = runtime.detectors.watched_since_s
        return hot_spot_list(register, incidents, watched, runtime.clock.now_s())

    return routes
