import msgspec
import pytest

from city.plans import Job, Plan, Round, Stop
from city.readings import ReadingKey, Row
from service.detectors import Detectors
from service.progress import done_jobs, plan_progress
from service.settings import PlanningSettings
from tests.service.small_city import MONDAY_S, SmallCity


@pytest.fixture
def detectors(tmp_path):
    city = SmallCity(tmp_path / "city")
    city.close()
    return city, Detectors(city.register, PlanningSettings())


def stop(kind, place, minute, *, job="", containers=(), volume_m3=0.0, load_kg=0.0):
    at_s = MONDAY_S + 60 * minute
    return Stop(kind, place, 6.55, 53.2, at_s, at_s + 60, job, containers, volume_m3, load_kg)


PLAN = Plan(
    "p",
    MONDAY_S,
    (
        Round(
            "crane-1",
            (
                stop("start", "remise", 0),
                stop("empty", "kamer-1", 10, job="j1", containers=("k1-residual",), volume_m3=3.0, load_kg=200.0),
                stop("empty", "kamer-2", 20, job="j2", containers=("k2-residual",), volume_m3=6.0, load_kg=400.0),
                stop("unload", "stort", 30),
                stop("end", "remise", 50),
            ),
            1000.0,
            3000.0,
        ),
    ),
    jobs=tuple(Job(f"j{i}", "empty", f"kamer-{i}", 6.55, 53.2, "residual", (f"k{i}-residual",)) for i in (1, 2)),
)


def row(minute, n, kind="visit", subject=None, **values):
    at_s = MONDAY_S + 60 * minute
    return Row(ReadingKey("cab-crane-1", "l", n), "crane-1", kind, at_s, values, 0, "good", True, at_s, subject)


def progress(detectors, *rows, told_minute=0):
    city, models = detectors
    models.feed(rows, MONDAY_S + 3600)
    snapshot = models.snapshot(MONDAY_S + 3600, 0, 0, True)
    told_at_s = MONDAY_S + 60 * told_minute
    return plan_progress(city.register, PLAN, snapshot, MONDAY_S - 3600, told_at_s)["crane-1"], snapshot


def test_a_truck_that_was_never_heard_of_has_done_nothing_and_is_nowhere(detectors):
    one, _ = progress(detectors)
    assert (one.lon, one.done_jobs, one.next_index) == (None, (), 0)


def test_visits_are_jobs_done_and_what_is_aboard_follows_from_them(detectors):
    one, snapshot = progress(
        detectors,
        row(11, 0, subject="k1-residual", lift_kg=200.0),
        row(12, 1, "truck", lon_deg=6.56, lat_deg=53.21, load_kg=200.0),
    )
    assert (one.done_jobs, one.next_index, one.volume_m3, one.load_kg) == (("j1",), 2, 3.0, 200.0)
    assert (one.lon, one.lat) == (6.56, 53.21)
    assert done_jobs(PLAN, snapshot.visits) == {"j1": "crane-1"}


@pytest.mark.parametrize(("lon", "is_home"), [(6.55, True), (6.56, False)])
def test_a_truck_that_is_back_where_its_round_ends_is_home(detectors, lon, is_home):
    visits = [row(11, 0, subject="k1-residual", lift_kg=1.0), row(21, 1, subject="k2-residual", lift_kg=1.0)]
    unloaded = row(40, 2, "truck", lon_deg=6.59, lat_deg=53.2, load_kg=0.0)
    one, _ = progress(detectors, *visits, unloaded, row(50, 3, "truck", lon_deg=lon, lat_deg=53.2, load_kg=0.0))
    assert one.next_index == (5 if is_home else 4)


def test_unloading_shows_on_the_scales(detectors):
    visits = [row(11, 0, subject="k1-residual", lift_kg=1.0), row(21, 1, subject="k2-residual", lift_kg=1.0)]
    full, _ = progress(detectors, *visits, row(25, 2, "truck", lon_deg=6.5, lat_deg=53.2, load_kg=400.0))
    assert (full.next_index, full.load_kg) == (3, 400.0)
    empty, _ = progress(detectors, row(40, 3, "truck", lon_deg=6.5, lat_deg=53.2, load_kg=0.0))
    assert (empty.next_index, empty.load_kg, empty.volume_m3) == (4, 0.0, 0.0)


def test_yesterdays_visits_do_not_count(detectors):
    one, _ = progress(detectors, row(-24 * 60, 0, subject="k1-residual", lift_kg=1.0))
    assert one.done_jobs == ()


def test_what_a_truck_did_before_it_was_told_of_the_round_passes_nothing_by(detectors):
    """It was on its way to the second stop when the first was put before it: it does that next."""
    one, _ = progress(detectors, row(21, 0, subject="k2-residual", lift_kg=200.0), told_minute=15)
    assert (one.done_jobs, one.next_index) == (("j2",), 1)
    assert (one.volume_m3, one.load_kg) == (3.0, 200.0)


def test_a_stop_that_was_left_out_after_that_was_passed_by(detectors):
    visits = [row(4, 0, subject="k9-residual", lift_kg=1.0), row(21, 1, subject="k2-residual", lift_kg=200.0)]
    first, _ = progress(detectors, *visits, told_minute=2)
    assert first.next_index == 1
    city, models = detectors
    stops = list(PLAN.rounds[0].stops)
    stops[1:1] = [stop("empty", "kamer-3", 5, job="j0", containers=("k3-residual",))]
    plan = msgspec.structs.replace(PLAN, rounds=(msgspec.structs.replace(PLAN.rounds[0], stops=tuple(stops)),))
    models.feed([row(6, 2, subject="k3-residual", lift_kg=1.0)], MONDAY_S + 3600)
    snapshot = models.snapshot(MONDAY_S + 3600, 0, 0, True)
    second = plan_progress(city.register, plan, snapshot, MONDAY_S - 3600, MONDAY_S + 120)["crane-1"]
    assert (second.done_jobs, second.next_index) == (("j0", "j2"), 4)
