import json

import msgspec

from routing.delivery import plan_geojson
from routing.service_time import service_s
from routing.solve import plan_day
from tests.routing.town import NETWORK, problem, some_jobs


def test_a_plan_is_lines_and_points_that_a_map_can_read() -> None:
    plan = plan_day(problem(some_jobs(12)), iterations=50)
    drawn = json.loads(json.dumps(plan_geojson(plan), allow_nan=False))
    lines = [one for one in drawn["features"] if one["geometry"]["type"] == "LineString"]
    points = [one for one in drawn["features"] if one["geometry"]["type"] == "Point"]
    assert [one["properties"]["truck"] for one in lines] == [one.truck for one in plan.rounds]
    assert len(points) == sum(len(one.stops) for one in plan.rounds)
    assert sum(one["properties"]["stops"] for one in lines) == 12
    assert len({one["id"] for one in drawn["features"]}) == len(drawn["features"])
    first = points[0]["properties"]
    assert (first["kind"], first["index"], first["job"]) == ("start", 0, None)
    assert first["leave"].endswith("Z")
    west, south, east, north = NETWORK.bounds
    for lon, lat in lines[0]["geometry"]["coordinates"]:
        assert west - 1e-6 <= lon <= east + 1e-6
        assert south - 1e-6 <= lat <= north + 1e-6


def test_a_round_without_a_path_is_drawn_from_stop_to_stop() -> None:
    plan = plan_day(problem(some_jobs(3)), iterations=20)
    bare = msgspec.structs.replace(plan, rounds=tuple(msgspec.structs.replace(one, path=()) for one in plan.rounds))
    line = plan_geojson(bare)["features"][0]["geometry"]["coordinates"]
    assert line == [[stop.lon, stop.lat] for stop in plan.rounds[0].stops]


def test_a_cluster_takes_two_minutes_and_a_container_one() -> None:
    assert [service_s(n) for n in (0, 1, 4)] == [120.0, 180.0, 360.0]
