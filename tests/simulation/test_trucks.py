from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from city.errors import BadInput
from city.plans import Round, Stop
from routing.travel import TravelTimes
from simulation.city import SimulatedCity
from simulation.field import visit_reading
from simulation.obstacles import Obstacles
from simulation.parameters import local_time
from simulation.planted import PlantedEvent
from simulation.roads import Roads
from simulation.trucks import TruckDrive, remaining_stops
from simulation.truth import Truth
from tests.simulation.conftest import START_S


def stop(city: SimulatedCity, kind: str, place: str, at_s: float = START_S, job: str = "") -> Stop:
    register = city.register
    where = register.position(place)
    assert where is not None
    containers = tuple(c.id for c in register.containers_of(place)) if kind == "empty" else ()
    return msgspec.convert(
        {
            "kind": kind, "place": place, "lon": where.lon, "lat": where.lat, "arrive_s": at_s,
            "leave_s": at_s + (0 if kind == "start" else 300), "job": job, "containers": containers,
        },
        Stop,
    )  # fmt: skip


def round_of(city: SimulatedCity, truck: str, clusters: list[str], kind: str = "empty") -> Round:
    stops = [stop(city, "start", "depot")]
    stops += [stop(city, kind, c, job=f"job-{c}") for c in clusters]
    stops += [stop(city, "unload", "unloading"), stop(city, "end", "depot")]
    return Round(truck, tuple(stops), 0.0, 0.0)


def drive_of(city: SimulatedCity, truck: str = "crane-1") -> tuple[TruckDrive, Truth]:
    truth = city.truth()
    truth.advance(START_S)
    roads = Roads(city.network, city.register, truth.speed_ratio_true)
    return TruckDrive(city.register.trucks[truck], city.register, roads, truth, city.seed), truth


def test_without_a_round_a_truck_stands_at_its_depot(town: SimulatedCity) -> None:
    drive, _ = drive_of(town)
    assert drive.advance(START_S + 3600) == []
    depot = town.register.depots["depot"]
    assert drive.position(START_S + 3600) == (depot.lon, depot.lat)
    assert drive.is_idle


def test_a_round_is_driven_from_start_to_end(town: SimulatedCity) -> None:
    drive, truth = drive_of(town)
    clusters = list(town.register.clusters)[:3]
    drive.follow("plan", round_of(town, "crane-1", clusters), START_S)
    visits = [visit for i in range(400) for visit in drive.advance(START_S + 30.0 * i)]
    expected = [c.id for cluster in clusters for c in town.register.containers_of(cluster)]
    assert [v.place for v in visits] == expected
    assert [v.at_s for v in visits] == sorted(v.at_s for v in visits)
    assert all((v.values["lift_kg"] or 0.0) >= 0 for v in visits)
    emptied = [h.entity for h in truth.happenings if h.truck == "crane-1"]
    assert emptied == expected
    assert drive.is_idle
    assert drive.load_kg == 0.0
    assert drive.distance_m > 500
    assert [s.kind for s in drive.done] == ["start", *["empty"] * 3, "unload", "end"]


def test_how_time_is_cut_does_not_change_the_drive(town: SimulatedCity) -> None:
    clusters = list(town.register.clusters)[:4]
    ends = []
    for steps in ([START_S + 4 * 3600], [START_S + 60.0 * i for i in range(241)]):
        drive, _ = drive_of(town)
        drive.follow("plan", round_of(town, "crane-1", clusters), START_S)
        ends.append([v.place for at_s in steps for v in drive.advance(at_s)])
    assert ends[0] == ends[1]


def test_a_truck_waits_for_the_start_of_its_round(town: SimulatedCity) -> None:
    drive, _ = drive_of(town)
    later = msgspec.structs.replace(stop(town, "start", "depot"), leave_s=START_S + 1800)
    cluster = next(iter(town.register.clusters))
    round_ = Round("crane-1", (later, stop(town, "empty", cluster, job="a")), 0.0, 0.0)
    drive.follow("plan", round_, START_S)
    drive.advance(START_S + 1700)
    depot = town.register.depots["depot"]
    assert drive.position(START_S + 1700) == (depot.lon, depot.lat)
    drive.advance(START_S + 3 * 3600)
    assert drive.done[-1].job == "a"


def test_a_new_round_begins_after_the_stop_under_way(town: SimulatedCity) -> None:
    drive, _ = drive_of(town)
    clusters = list(town.register.clusters)[:6]
    drive.follow("one", round_of(town, "crane-1", clusters[:4]), START_S)
    at_s = START_S
    visits = []
    while not visits:
        at_s += 20.0
        visits += drive.advance(at_s)
    # Under way to, or at, the second stop now; the new round drops it and the rest, and has done the first.
    while len(drive.done) < 2:
        at_s += 20.0
        visits += drive.advance(at_s)
    drive.follow("two", round_of(town, "crane-1", [clusters[0], clusters[4], clusters[5]]), at_s)
    visits += drive.advance(at_s + 3 * 3600)
    jobs = [s.job for s in drive.done if s.job]
    assert jobs == [f"job-{clusters[i]}" for i in (0, 1, 4, 5)]
    assert drive.plan == "two"


def test_a_grab_vehicle_clears_what_lies_there(town: SimulatedCity) -> None:
    event = next(e for e in town.planted if e.kind == "dumping" and e.start_s > START_S)
    drive, truth = drive_of(town, "grab-1")
    drive.follow("plan", round_of(town, "grab-1", [event.entity], "clear"), event.start_s + 60)
    visits = drive.advance(event.start_s + 3 * 3600)
    assert [(v.place, v.values) for v in visits] == [(event.entity, {"objects_beside": 0.0})]
    assert truth.objects_beside(truth.now_s)[truth.cluster_index(event.entity)] == 0


def test_a_jam_makes_a_leg_slower(town: SimulatedCity) -> None:
    network = town.network
    arm = next(iter(town.register.approaches.values()))
    junction = town.register.junctions[arm.junction]
    jam = PlantedEvent("jam-x", "jam", arm.id, START_S, START_S + 3600, "incident", True)
    truth = Truth(town.register, town.parameters, [jam], {}, town.seed, START_S)
    roads = Roads(network, town.register, truth.speed_ratio_true)
    node = network.nearest(junction.lon, junction.lat)
    edges = np.flatnonzero(network.edge_to == node)
    edge = edges[np.argmin(np.abs(network.edge_bearing_deg[edges] - arm.bearing_deg))]
    upstream = int(network.edge_from[edge])
    start = (float(network.node_lon[upstream]), float(network.node_lat[upstream]))
    free = roads.leg(start, (junction.lon, junction.lat), START_S - 600)
    jammed = roads.leg(start, (junction.lon, junction.lat), START_S + 1200)
    after = roads.leg(start, (junction.lon, junction.lat), START_S + 3600 + 900)
    assert jammed.duration_s > 1.5 * free.duration_s
    assert after.duration_s == pytest.approx(free.duration_s, rel=0.3)
    assert free.duration_s >= TravelTimes(network).matrix([upstream, node]).duration_s[0, 1] - 0.01


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ([], ["start", "a", "unload", "b", "unload", "end"]),
        (["start"], ["a", "unload", "b", "unload", "end"]),
        (["start", "a"], ["unload", "b", "unload", "end"]),
        (["start", "a", "unload"], ["b", "unload", "end"]),
        (["start", "b"], ["a", "unload", "unload", "end"]),
        (["start", "a", "unload", "b", "unload"], ["end"]),
    ],
)
def test_what_is_left_of_a_round(done: list[str], left: list[str]) -> None:
    def one(name: str) -> Stop:
        kind = name if name in ("start", "unload", "end") else "empty"
        return msgspec.convert(
            {"kind": kind, "place": "x", "lon": 0, "lat": 0, "arrive_s": 0, "leave_s": 0,
             "job": "" if kind == name else name},
            Stop,
        )  # fmt: skip

    names = ["start", "a", "unload", "b", "unload", "end"]
    kept = remaining_stops([one(n) for n in names], [one(n) for n in done])
    assert [s.job or s.kind for s in kept] == left


def test_a_round_for_another_truck_or_city_is_refused(town: SimulatedCity) -> None:
    drive, _ = drive_of(town)
    with pytest.raises(BadInput, match="crane-9"):
        drive.follow("p", Round("crane-9", (), 0.0, 0.0), START_S)
    stranger = Stop("empty", "c9999", 6.5, 53.2, 0.0, 0.0, "j", ("c9999-1",))
    with pytest.raises(BadInput, match="c9999"):
        drive.follow("p", Round("crane-1", (stranger,), 0.0, 0.0), START_S)
    assert drive.is_idle


def with_breaks(city: SimulatedCity, *breaks: tuple[float, float]) -> TruckDrive:
    truth = city.truth()
    truth.advance(START_S)
    truck = msgspec.structs.replace(city.register.trucks["crane-1"], breaks=breaks)
    return TruckDrive(truck, city.register, Roads(city.network, city.register, truth.speed_ratio_true), truth, 1)


def visited(drive: TruckDrive, city: SimulatedCity, clusters: list[str], round_: Round | None = None) -> list[float]:
    drive.follow("plan", round_ or round_of(city, "crane-1", clusters), START_S)
    return [v.at_s for v in drive.advance(START_S + 8 * 3600)]


def test_breaks_are_taken_once_when_a_way_or_a_stop_is_done(town: SimulatedCity) -> None:
    clusters = list(town.register.clusters)[:3]
    hour = local_time(START_S, town.register.timezone).hour + 0.5
    through = visited(with_breaks(town), town, clusters)
    # The round begins at half past six: the first break is due before it, the second in the middle of its work.
    between = (through[0] - START_S) / 3600 + hour + 0.001
    paused = visited(with_breaks(town, (hour - 1.0, 30.0), (between, 30.0)), town, clusters)
    assert paused[0] == pytest.approx(through[0])
    assert paused[-1] - through[-1] == pytest.approx(1800, abs=30)


def test_a_truck_waits_where_its_round_does(town: SimulatedCity) -> None:
    clusters = list(town.register.clusters)[:1]
    round_ = round_of(town, "crane-1", clusters)
    stops = list(round_.stops)
    stops[1] = msgspec.structs.replace(stops[1], leave_s=START_S + 2 * 3600)
    (first, *_) = visited(drive_of(town)[0], town, clusters, Round("crane-1", tuple(stops), 0.0, 0.0))
    assert first >= START_S + 2 * 3600 - 300
    (soon, *_) = visited(drive_of(town)[0], town, clusters)
    assert soon < START_S + 3600


def test_a_driver_who_cannot_do_it_says_why_and_drives_on(town: SimulatedCity) -> None:
    truth = town.truth()
    truth.advance(START_S)
    clusters = list(town.register.clusters)[:3]
    blocked = {clusters[1]}
    roads = Roads(town.network, town.register, truth.speed_ratio_true)
    drive = TruckDrive(
        town.register.trucks["crane-1"], town.register, roads, truth, 1,
        lambda cluster, at_s: "blocked" if cluster in blocked else None,
    )  # fmt: skip
    drive.follow("plan", round_of(town, "crane-1", clusters), START_S)
    said = drive.advance(START_S + 8 * 3600)
    (veto,) = [one for one in said if "veto_code" in one.values]
    assert (veto.place, veto.values) == (clusters[1], {"veto_code": 0.0})
    assert [s.job for s in drive.done if s.job] == [f"job-{c}" for c in clusters if c not in blocked]
    # A later round asks for it again, and now it can be done.
    blocked.clear()
    drive.follow("later", round_of(town, "crane-1", clusters), START_S + 8 * 3600)
    again = drive.advance(START_S + 12 * 3600)
    assert {one.place for one in again} == {c.id for c in town.register.containers_of(clusters[1])}
    reading = visit_reading(veto.at_s, veto.place, veto.values)
    assert (reading.kind, reading.place) == ("veto", clusters[1])


def test_streets_are_full_at_the_same_hour_of_weekdays_and_share_is_a_share(town: SimulatedCity) -> None:
    some = Obstacles(town.register, 7, share=0.5)
    assert 0 < len(some.full_hour) < len(town.register.clusters)
    assert some.full_hour == Obstacles(town.register, 7, share=0.5).full_hour
    cluster, hour = next(iter(some.full_hour.items()))
    # The first of March 2027 is a Monday.
    day = datetime(2027, 3, 1, hour, 20, tzinfo=ZoneInfo(town.register.timezone))
    assert some.refusal(cluster, day.timestamp()) == "blocked"
    assert some.refusal(cluster, day.timestamp() + 3600) is None
    assert some.refusal(cluster, day.timestamp() - 86_400) is None
    with pytest.raises(BadInput, match="share"):
        Obstacles(town.register, 7, share=1.2)


def test_trucks_of_a_simulated_city_work_six_hours_and_have_two_breaks(town: SimulatedCity) -> None:
    for truck in town.register.trucks.values():
        assert truck.breaks == ((10.0, 30.0), (12.0, 30.0))
        assert truck.shift_duration_s - sum(60 * minutes for _, minutes in truck.breaks) == 6 * 3600
