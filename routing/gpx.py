"""A round as GPX routes, for navigators."""

from collections.abc import Mapping

import gpxpy.gpx

from city.clock import utc
from city.errors import BadInput
from city.plans import Round
from routing.instruction_words import Language, stop_work

# Many navigators take no more points than this in one route.
USUAL_CAP = 25


def round_gpx(
    one: Round,
    title: str,
    names: Mapping[str, str],
    language: Language = "nl",
    most_points: int | None = USUAL_CAP,
) -> str:
    """Return the round as GPX 1.1 with `rte` routes whose points are its stops.

    Parameters
    ----------
    one
        The round.
    title
        Name of the route.
    names
        What places are called; a place that is not there goes by its id.
    language
        Of the descriptions.
    most_points
        A longer round becomes several routes, each beginning where the one before ends. None = one route.

    Raises
    ------
    BadInput
        A route would have fewer than two points.

    References
    ----------
    https://www.topografix.com/GPX/1/1/
    """
    if most_points is not None and most_points < 2:
        raise BadInput(f"A route of {most_points} points leads nowhere.", "Give 2 or more.")
    step = len(one.stops) if most_points is None else most_points - 1
    starts = range(0, max(1, len(one.stops) - 1), step)
    document = gpxpy.gpx.GPX()
    document.creator = "Ronde"
    document.name = title
    for part, start in enumerate(starts, start=1):
        route = gpxpy.gpx.GPXRoute(name=f"{title} ({part}/{len(starts)})" if len(starts) > 1 else title, number=part)
        for stop in one.stops[start : start + step + 1]:
            route.points.append(
                gpxpy.gpx.GPXRoutePoint(
                    latitude=stop.lat,
                    longitude=stop.lon,
                    time=utc(round(stop.arrive_s)),
                    name=names.get(stop.place, stop.place),
                    description=stop_work(stop, language),
                )
            )
        document.routes.append(route)
    xml: str = document.to_xml(version="1.1")
    return xml
