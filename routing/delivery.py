"""Plans in a form that others read: GeoJSON for maps."""

from typing import Any

from city.clock import utc
from city.plans import Plan, Round, Stop


def plan_geojson(plan: Plan) -> dict[str, Any]:
    """Return the plan as a GeoJSON FeatureCollection (RFC 7946): a line for each round, a point for each stop.

    Lines have `truck`, `distanceKm`, `durationMin` and `stops` (how many jobs); points have `truck`, `index` (their
    place in the round), `kind`, `place`, `job`, `containers`, `arrive` and `leave` (ISO 8601, UTC), and what is aboard.
    """
    features = []
    for one in plan.rounds:
        features.append(_line(one))
        features += [_point(one, index, stop) for index, stop in enumerate(one.stops)]
    return {"type": "FeatureCollection", "features": features}


def _line(one: Round) -> dict[str, Any]:
    # A line has at least two points; a round that is not drawn yet goes straight from stop to stop.
    path = one.path if len(one.path) >= 2 else tuple((stop.lon, stop.lat) for stop in one.stops)
    return {
        "type": "Feature",
        "id": f"round-{one.truck}",
        "geometry": {"type": "LineString", "coordinates": [list(point) for point in path]},
        "properties": {
            "kind": "round",
            "truck": one.truck,
            "distanceKm": round(one.distance_m / 1000.0, 2),
            "durationMin": round(one.duration_s / 60.0, 1),
            "stops": sum(bool(stop.job) for stop in one.stops),
        },
    }


def _point(one: Round, index: int, stop: Stop) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": f"stop-{one.truck}-{index}",
        "geometry": {"type": "Point", "coordinates": [stop.lon, stop.lat]},
        "properties": {
            "kind": stop.kind,
            "truck": one.truck,
            "index": index,
            "place": stop.place,
            "job": stop.job or None,
            "containers": list(stop.containers),
            "arrive": _iso(stop.arrive_s),
            "leave": _iso(stop.leave_s),
            "volumeM3": round(stop.volume_m3, 2),
            "loadKg": round(stop.load_kg, 1),
        },
    }


def _iso(at_s: float) -> str:
    return utc(round(at_s)).isoformat().replace("+00:00", "Z")
