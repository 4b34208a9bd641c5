"""Travel from a real Valhalla server over the small town, beside our own over the same streets."""

import contextlib
import os
import signal
import socket
import subprocess
import time

import httpx
import numpy as np
import osmium
import pytest

from city.errors import BadInput, Refused, Unreachable
from routing.network import Network
from routing.problem import CollectionProblem
from routing.travel import Travel, TravelTimes
from routing.truck_limits import TruckSize
from service.solving import SolveRequest, solve_request, use_network
from service.valhalla_travel import ValhallaTravel, decoded
from tests.parts import require
from tests.routing.town import NETWORK, SIDE, corner, problem, some_jobs

LOW_BRIDGE = (2 * SIDE + 4, 2 * SIDE + 5)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def write_town(path: str, network: Network) -> None:
    """The streets as an OpenStreetMap file; one of them has a low bridge."""
    writer = osmium.SimpleWriter(path)
    for node in range(network.n_nodes):
        at = (float(network.node_lon[node]), float(network.node_lat[node]))
        writer.add_node(osmium.osm.mutable.Node(id=node + 1, location=at, version=1))
    for edge in range(network.n_edges // 2):
        a, b = int(network.edge_from[edge]), int(network.edge_to[edge])
        tags = {"highway": "residential", "maxspeed": "30", "name": f"Straat {edge}"}
        if (a, b) == LOW_BRIDGE:
            tags["maxheight"] = "2.5"
        writer.add_way(osmium.osm.mutable.Way(id=edge + 1, nodes=[a + 1, b + 1], tags=tags, version=1))
    writer.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    programs = require("valhalla")
    folder = tmp_path_factory.mktemp("valhalla")
    write_town(str(folder / "town.osm.pbf"), NETWORK)
    port = free_port()
    options = {
        "--mjolnir-tile-dir": str(folder / "tiles"),
        "--mjolnir-admin": "",
        "--mjolnir-timezone": "",
        "--httpd-service-listen": f"tcp://127.0.0.1:{port}",
        "--httpd-service-loopback": f"ipc://{folder}/loopback",
        "--httpd-service-interrupt": f"ipc://{folder}/interrupt",
    }
    words = [word for pair in options.items() for word in pair]
    path = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    config = subprocess.run([programs / "valhalla_build_config", *words], capture_output=True, check=True, env=path)
    (folder / "valhalla.json").write_bytes(config.stdout)
    build = [programs / "valhalla_build_tiles", "-j", "1", "-c", folder / "valhalla.json", folder / "town.osm.pbf"]
    subprocess.run(build, capture_output=True, check=True, env=path)
    serve = [programs / "valhalla_service", folder / "valhalla.json", "1"]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(serve, stdout=log, stderr=log, start_new_session=True, env=path)
    try:
        address, end_s = f"http://127.0.0.1:{port}", time.monotonic() + 30
        while time.monotonic() < end_s:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{address}/status").is_success:
                    break
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def some_places(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    spots = [corner(int(c) % SIDE, int(c) // SIDE) for c in rng.choice(SIDE * SIDE, n, replace=False)]
    return np.array([lon for lon, _ in spots]), np.array([lat for _, lat in spots])


def test_it_says_much_the_same_as_our_own_streets(url):
    lon, lat = some_places(12)
    theirs, ours = ValhallaTravel(url, pairs_at_once=25), TravelTimes(NETWORK)
    points, away_m = theirs.snap(lon, lat)
    assert away_m.max() < 1.0
    assert len(set(points.tolist())) == 12
    one, other = theirs.matrix(points), ours.matrix(ours.snap(lon, lat)[0])
    np.testing.assert_allclose(one.distance_m, other.distance_m, rtol=0.02, atol=5.0)
    apart = ~np.eye(12, dtype=bool)
    ratio = one.duration_s[apart] / other.duration_s[apart]
    assert 0.5 < np.median(ratio) < 2.0
    assert one.duration_s.diagonal().tolist() == [0.0] * 12


def test_the_same_place_is_the_same_point_and_may_stand_twice(url):
    travel = ValhallaTravel(url)
    points, _ = travel.snap([corner(1, 1)[0]] * 2, [corner(1, 1)[1]] * 2)
    assert points[0] == points[1]
    assert travel.matrix(points).duration_s.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert travel.ways([(int(points[0]), int(points[1]))])[0].distance_m == 0.0


def test_a_truck_goes_round_a_bridge_that_is_too_low_for_it(url):
    (ax, ay), (bx, by) = corner(2, 2), corner(7, 2)
    metres = []
    for height_m in (2.0, 3.6):
        travel = ValhallaTravel(url, TruckSize(height_m=height_m))
        points, _ = travel.snap([ax, bx], [ay, by])
        way = travel.ways([(int(points[0]), int(points[1]))])[0]
        np.testing.assert_allclose(way.line[[0, -1]], [[ax, ay], [bx, by]], atol=1e-5)
        metres.append(way.distance_m)
    assert metres == pytest.approx([1000.0, 1400.0], abs=10.0)


def test_a_collection_problem_takes_it_for_its_travel(url):
    travel: Travel = ValhallaTravel(url)
    day: CollectionProblem = problem(travel=travel)
    points = day.snap(day.unloading_sites + day.depots)
    assert np.isfinite(day.matrix(points, [*day.unloading_sites, *day.depots]).duration_s).all()


def test_a_day_is_planned_with_it(url):
    day = problem(some_jobs(6))
    request = SolveRequest(day.jobs, day.trucks, day.depots, day.unloading_sites, day.day_start_s, day.now_s, 1.0, 1)
    use_network(NETWORK, url)
    try:
        answer = solve_request(request)
    finally:
        use_network(NETWORK)
    assert answer.violations == ()
    assert sum(bool(stop.job) for one in answer.plan.rounds for stop in one.stops) == 6
    assert all(len(one.path) > 2 for one in answer.plan.rounds)


def test_places_that_no_tile_covers_are_far_from_every_street(url):
    travel = ValhallaTravel(url)
    points, away_m = travel.snap([0.0], [0.0])
    assert np.isposinf(away_m[0])
    near, _ = travel.snap(*corner(1, 1))
    with pytest.raises((BadInput, Refused)):
        travel.ways([(int(near[0]), int(points[0]))])


def test_more_pairs_than_the_server_takes_are_refused_with_the_fix(url):
    lon, lat = some_places(60)
    travel = ValhallaTravel(url, pairs_at_once=100_000)
    points, _ = travel.snap(lon[:40], lat[:40])
    more, _ = travel.snap(lon[40:], lat[40:])
    with pytest.raises(Refused, match="refused sources_to_targets") as caught:
        travel.matrix(np.r_[points, more])
    assert "service_limits" in caught.value.fix


def test_a_server_that_is_not_there_is_said_to_be():
    travel = ValhallaTravel(f"http://127.0.0.1:{free_port()}", timeout_s=2.0)
    with pytest.raises(Unreachable, match="does not answer"):
        travel.snap(*corner(0, 0))


@pytest.mark.parametrize(
    "wrong", [{"url": "valhalla"}, {"url": "http://a", "pairs_at_once": 0}, {"url": "http://a", "timeout_s": 0.0}]
)
def test_a_server_that_cannot_be_asked_is_refused(wrong):
    with pytest.raises(BadInput):
        ValhallaTravel(**wrong)


def test_a_point_that_was_not_snapped_is_none():
    with pytest.raises(BadInput, match="no point"):
        ValhallaTravel("http://127.0.0.1:1").matrix([3])
    with pytest.raises(BadInput, match="not a number"):
        ValhallaTravel("http://127.0.0.1:1").snap([float("nan")], [53.0])


def test_lines_are_decoded_west_and_south_too():
    assert decoded("_izlhA~rlgdF_{geC~ywl@").tolist() == [[-120.2, 38.5], [-120.95, 40.7]]
    assert decoded("").shape == (0, 2)
