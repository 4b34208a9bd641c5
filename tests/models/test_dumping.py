import numpy as np
import pytest

from city.errors import BadInput
from city.findings import DUMPING_CAUSES, Finding, cause_group
from models.dumping import DumpingModel
from models.dumping_parameters import DumpingParameters
from models.pile_filter import probability_of_waste
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import START_S, Sites, sites

NAMES = [f"k{i}" for i in range(6)]
QUARTER_S = 900.0


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> DumpingModel:
        return DumpingModel(NAMES)

    @pytest.fixture
    def rows(self) -> Rows:
        return sites(1).rows


class TestContractReportedOnChange(ModelContract):
    @pytest.fixture
    def model(self) -> DumpingModel:
        return DumpingModel(NAMES, DumpingParameters(on_its_way_s=1e-3))

    @pytest.fixture
    def rows(self) -> Rows:
        rows = sites(3).rows
        objects = rows.value("objects_beside").reshape(-1, 6)
        changes = np.vstack([np.ones(6, bool), objects[1:] != objects[:-1]])
        changes[::4] = True
        k = changes.ravel()
        return Rows.of_columns(rows.now_s, rows.entity[k], rows.at_s[k], {"objects_beside": objects.ravel()[k]})


class TestContractWithMembersAndVisits(ModelContract):
    """The levels are told by two containers of each cluster, and crews come."""

    @pytest.fixture
    def model(self) -> DumpingModel:
        return DumpingModel(NAMES, members={f"{k}-{j}": k for k in NAMES for j in "ab"})

    @pytest.fixture
    def rows(self, model: DumpingModel) -> Rows:
        rows = sites(2).rows
        n = len(rows)
        rng = np.random.default_rng(0)
        container = np.array([model.index[f"{NAMES[e]}-{rng.choice(['a', 'b'])}"] for e in rows.entity])
        tells_level = rng.random(n) < 0.5
        is_visit = rng.random(n) < 0.01
        blank = {name: np.where(is_visit, np.nan, column) for name, column in rows.values.items()}
        camera = np.where(tells_level, np.nan, blank["objects_beside"])
        level = {q: np.where(tells_level, blank[q], np.nan) for q in ("fill_ratio", "lid_openings")}
        entity = np.where(tells_level, container, rows.entity)
        return Rows.of_columns(
            rows.now_s, entity, rows.at_s, {"objects_beside": camera, **level}, 900, is_visit=is_visit
        )


def frames(objects: list[float], start_s: float = START_S, **more: list[float]) -> Rows:
    at_s = start_s + QUARTER_S * np.arange(len(objects))
    return Rows.of_columns(float(at_s[-1]), np.zeros(len(at_s), int), at_s, {"objects_beside": objects, **more}, 900)


def run(rows: Rows, **parameters: float) -> list[Finding]:
    model = DumpingModel(["a"], DumpingParameters(**parameters))
    return model.update(model.initial_state(), rows)[1]


def judge(world: Sites, found: list[Finding]) -> tuple[int, int, int, int, list[float]]:
    """Count piles found, missed, findings that are false, causes right; and the delays in hours."""
    over = {f.id: f.cleared_at_s for f in found if f.cleared_at_s is not None}
    told = [(int(f.entity[1:]), f.raised_at_s, over.get(f.id, np.inf), f.cause) for f in found if not f.cleared_at_s]
    hits, missed, right, delays = 0, 0, 0, []
    for i, a, b, cause in world.piles:
        if b - a < 3600:
            continue
        mine = [t for t in told if t[0] == i and t[1] < b and t[2] > a]
        hits, missed = hits + bool(mine), missed + (not mine)
        if mine:
            right += any(cause_group(t[3]) == cause for t in mine)
            delays.append(max(mine[0][1] - a, 0) / 3600)
    false = sum(not any(i == j and a - 7200 <= at <= b + 7200 for j, a, b, _ in world.piles) for i, at, _, _ in told)
    return hits, missed, false, right, delays


def test_with_a_camera_waste_is_found_within_the_hour_with_its_cause() -> None:
    world = sites(40, n=96)
    model = DumpingModel([f"k{i}" for i in range(96)])
    hits, missed, false, right, delays = judge(world, model.update(model.initial_state(), world.rows)[1])
    assert hits / (hits + missed) > 0.95
    assert hits / (hits + false) > 0.9
    assert right / hits > 0.9
    assert np.median(delays) <= 1.0


def test_without_a_camera_only_overflow_is_told() -> None:
    world = sites(60, n=32, cameras=0)
    model = DumpingModel([f"k{i}" for i in range(32)])
    state, found = model.update(model.initial_state(), world.rows)
    hits, _, false, _, _ = judge(world, found)
    assert not model.observable(state).any()
    assert {f.cause for f in found} == {"full"}
    assert hits >= 10
    assert hits / (hits + false) >= 0.9


def test_a_site_is_observable_while_its_camera_speaks() -> None:
    model = DumpingModel(["a", "b"])
    state, _ = model.update(model.initial_state(), frames([0, 0, 1]))
    assert model.observable(state).tolist() == [True, False]
    later = Rows.of_columns(START_S + 3 * 86400, np.array([], int), [], {})
    assert model.observable(model.update(state, later)[0]).tolist() == [False, False]


def test_passers_by_raise_nothing() -> None:
    assert run(frames([0, 1, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 3, 0, 0, 0])) == []


def test_bags_that_stay_are_raised_once_and_over_when_they_are_gone() -> None:
    found = run(frames([0] * 8 + [3, 3, 2, 3, 0, 3, 3, 2, 2, 3] + [0] * 8))
    assert [(f.cause, f.cleared_at_s is None) for f in found] == [("bulky", True), ("bulky", False)]
    assert found[0].raised_at_s - (START_S + 8 * QUARTER_S) <= 3600
    assert found[0].id == found[1].id


def on_change(*reports: tuple[float, float], now_h: float) -> Rows:
    """Reports (hour, objects) of a camera that speaks when its count changes, and each hour."""
    hours, objects = zip(*reports, strict=True)
    at_s = START_S + 3600 * np.array(hours)
    return Rows.of_columns(START_S + 3600 * now_h, np.zeros(len(hours), int), at_s, {"objects_beside": objects})


def test_a_camera_that_reports_on_change_finds_waste_within_the_hour() -> None:
    """It says three once; that it then says nothing is what tells that they still lie there."""
    quiet = [(float(h), 0.0) for h in range(24)]
    found = run(on_change(*quiet, (23.5, 3.0), now_h=24.4))
    assert [(f.cause, f.cleared_at_s is None) for f in found] == [("bulky", True)]
    assert found[0].raised_at_s <= START_S + 24.3 * 3600
    assert run(on_change(*quiet, (23.5, 3.0), (23.6, 0.0), now_h=30.0)) == []


def test_a_cleared_cluster_is_not_raised_again_by_the_count_of_before() -> None:
    model = DumpingModel(["a"])
    quiet = [(float(h), 0.0) for h in range(24)]
    state, found = model.update(model.initial_state(), on_change(*quiet, (23.5, 3.0), now_h=24.5))
    at_s = START_S + 24.6 * 3600
    state, cleared = model.update(state, Rows.of_columns(at_s, [0], [at_s], {}, is_visit=True))
    assert [f.id for f in cleared] == [found[0].id]
    state, more = model.update(state, on_change((24.7, 0.0), now_h=40.0))
    assert more == []


def test_overflow_is_told_from_dumping_although_the_container_reports_seldom() -> None:
    model = DumpingModel(["k"], members={"c": "k"})
    quiet = on_change(*[(float(h), 0.0) for h in range(24)], now_h=24.0)
    state, _ = model.update(model.initial_state(), quiet)
    at_s = START_S + 3600 * np.array([1.0, 7.0, 13.0, 19.0, 22.0])
    levels = {"fill_ratio": [0.7, 0.8, 0.9, 0.96, 1.0], "lid_openings": [8.0, 8.0, 8.0, 8.0, 5.0]}
    fills = Rows.of_columns(START_S + 24 * 3600, np.ones(5, int), at_s, levels, [3600, 21600, 21600, 21600, 10800])
    state, _ = model.update(state, fills)
    _, found = model.update(state, on_change((24.5, 1.0), (25.5, 2.0), (26.0, 3.0), now_h=27.0))
    assert [f.cause for f in found] == ["full"]


def test_after_a_finding_there_is_a_quiet_time() -> None:
    again = frames([0.0] * 60 + ([3.0] * 8 + [0.0] * 10) * 3)
    assert len([f for f in run(again, refractory_s=1.0, brief_s=1.0) if not f.cleared_at_s]) == 3
    assert len([f for f in run(again, refractory_s=40_000.0, brief_s=1.0) if not f.cleared_at_s]) == 1


def test_a_site_with_much_clutter_learns_to_wait() -> None:
    """The same three objects that come and go within the hour raise less and less."""
    busy = frames(([0.0] * 6 + [3.0] * 4) * 60)
    raised = [f.raised_at_s for f in run(busy) if not f.cleared_at_s]
    half = START_S + QUARTER_S * 300
    assert len([at for at in raised if at > half]) <= len([at for at in raised if at <= half]) / 2


def test_bags_beside_a_full_container_that_people_go_on_opening_are_overflow() -> None:
    n = 24
    level, lids = [0.99] * n, [2.0] * n
    found = run(frames([0.0] * 8 + [1, 2, 2, 3, 3, 4] + [4.0] * 10, fill_ratio=level, lid_openings=lids))
    assert found[0].cause == "full"
    room = run(frames([0.0] * 8 + [3.0] * 16, fill_ratio=[0.4] * n, lid_openings=lids))
    assert room[0].cause == "bulky"


def test_the_overflow_of_one_container_of_a_cluster_counts() -> None:
    model = DumpingModel(["k"], members={"a": "k", "b": "k"})
    at_s = START_S + QUARTER_S * np.repeat(np.arange(12), 2)
    rows = Rows.of_columns(
        float(at_s[-1]),
        np.tile([1, 2], 12),
        at_s,
        {"fill_ratio": np.tile([1.0, 0.3], 12), "lid_openings": np.tile([2.0, 1.0], 12)},
        900,
    )
    _, found = model.update(model.initial_state(), rows)
    assert [(f.entity, f.cause) for f in found] == [("k", "full")]


def test_a_crew_that_cleared_it_ends_the_finding() -> None:
    model = DumpingModel(["a"])
    state, found = model.update(model.initial_state(), frames([0, 0, 3, 3, 3, 3]))
    assert len(found) == 1
    at_s = START_S + 6 * QUARTER_S
    cleared = Rows.of_columns(at_s, [0], [at_s], {"objects_beside": [0.0]}, is_visit=True)
    state, found = model.update(state, cleared)
    assert [f.cleared_at_s for f in found] == [at_s]
    _, found = model.update(state, frames([0, 0, 1, 0], at_s + QUARTER_S))
    assert found == []


def test_what_stood_there_from_the_first_frame_is_part_of_the_site_and_waste_beside_it_is_found() -> None:
    assert run(frames([2.0] * 96 * 4)) == []
    assert [f.cleared_at_s is None for f in run(frames([2.0] * 96 + [5.0] * 8))] == [True]


def test_what_is_put_there_and_stays_for_a_week_becomes_part_of_the_site() -> None:
    bench = run(frames([0.0] * 96 + [3.0] * 96 * 9))
    assert [f.cleared_at_s is None for f in bench] == [True, False]


def test_a_camera_that_counts_alike_every_five_minutes_finds_waste_soon() -> None:
    """One object in a hundred frames is a ghost; a bicycle rack always stands there."""
    n, rng = 576 + 24, np.random.default_rng(0)
    for size in (2, 3, 5):
        for fixture in (0, 1):
            objects = np.full(n, float(fixture)) + (rng.random(n) < 0.01)
            objects[576:] += size
            at_s = START_S + 300.0 * np.arange(n)
            found = run(Rows.of_columns(float(at_s[-1]), np.zeros(n, int), at_s, {"objects_beside": objects}))
            assert [f.cause for f in found] == ["bulky"]
            assert 0 <= found[0].raised_at_s - (START_S + 576 * 300) <= (1800 if size > 2 else 7200)


def test_a_finding_nobody_hears_about_any_more_ends() -> None:
    model = DumpingModel(["a"])
    state, found = model.update(model.initial_state(), frames([0, 0, 3, 3, 3, 3]))
    later = Rows.of_columns(START_S + 10 * 86400, np.array([], int), [], {})
    _, found = model.update(state, later)
    assert [f.cleared_at_s for f in found] == [START_S + 5 * QUARTER_S + 3 * 86400]


@pytest.mark.parametrize("bad", [{"raise_at": 0.05}, {"raise_at": 1.0}, {"lies_s": 0}, {"sight": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        DumpingParameters(**bad)


def test_a_container_of_an_unknown_cluster_is_refused() -> None:
    with pytest.raises(BadInput, match="no cluster"):
        DumpingModel(["a"], members={"c": "b"})


def report(hour: float, beside: float, cause: str | None = None) -> Rows:
    at_s = START_S + 3600 * hour
    code = np.nan if cause is None else float(DUMPING_CAUSES.index(cause))
    return Rows.of_columns(at_s, [0], [at_s], {"waste_beside": [beside], "cause_code": [code]}, is_report=True)


class TestContractWithReports(ModelContract):
    @pytest.fixture
    def model(self) -> DumpingModel:
        return DumpingModel(NAMES)

    @pytest.fixture
    def rows(self) -> Rows:
        rows = sites(2).rows
        rng = np.random.default_rng(0)
        said = rng.random(len(rows)) < 0.01
        values = {name: np.where(said, np.nan, one) for name, one in rows.values.items()}
        values["waste_beside"] = np.where(said, rng.integers(0, 2, len(rows)), np.nan)
        values["cause_code"] = np.where(said & (rng.random(len(rows)) < 0.5), rng.integers(0, 6, len(rows)), np.nan)
        return Rows.of_columns(rows.now_s, rows.entity, rows.at_s, values, 900, is_report=said)


def test_a_report_raises_what_no_camera_sees_and_against_a_camera_weighs_little() -> None:
    model = DumpingModel(["a"])
    _, found = model.update(model.initial_state(), report(0, 1))
    assert [f.cause for f in found] == ["bulky"]
    state, _ = model.update(model.initial_state(), frames([0.0] * 96))
    state, found = model.update(state, report(24.1, 1))
    assert found == []
    assert probability_of_waste(state.belief)[0] > 0.01


def test_an_officers_word_settles_it_and_names_the_cause() -> None:
    model = DumpingModel(["a"])
    state, found = model.update(model.initial_state(), frames([0, 0, 3, 3, 3, 3]))
    confirmed, more = model.update(state, report(2, 1, "misuse"))
    assert more == []
    assert probability_of_waste(confirmed.belief)[0] > 0.98
    dismissed, over = model.update(state, report(2, 0, "unknown"))
    assert [(f.id, f.cleared_at_s) for f in over] == [(found[0].id, START_S + 7200)]
    _, again = model.update(dismissed, frames([3.0] * 96, START_S + 7200 + QUARTER_S))
    assert again == [], "what stands there was said to be no waste"


@pytest.mark.parametrize("there", [0, 1])
def test_an_officers_word_about_what_is_over_says_nothing_of_now(there: int) -> None:
    model = DumpingModel(["a"])
    state, _ = model.update(model.initial_state(), frames([0, 0, 3, 3, 3, 3] + [0] * 80))
    state, found = model.update(state, report(21.6, there, "bulky"))
    assert found == []
    _, later = model.update(state, frames([0.0] * 8, START_S + 21.75 * 3600))
    assert later == []


def test_causes_that_people_confirm_are_expected_next_time() -> None:
    model = DumpingModel(["a"])
    state = model.initial_state()
    for day in range(6):
        state, _ = model.update(state, report(24 * day, 1, "misuse"))
        state, _ = model.update(state, report(24 * day + 1, 0))
    start_s = START_S + 6 * 86400
    _, found = model.update(state, frames([0] * 8 + [3] * 8, start_s))
    assert [f.cause for f in found if not f.cleared_at_s] == ["misuse"]


def test_a_site_whose_findings_are_dismissed_asks_for_more() -> None:
    def first_after(dismissals: int) -> float:
        model = DumpingModel(["a"])
        state, _ = model.update(model.initial_state(), frames([0.0] * 96))
        for k in range(dismissals):
            state, _ = model.update(state, report(24 + k, 0, "unknown"))
        state, found = model.update(state, frames([0.0] * 96 + [2.0] * 30, START_S + 2 * 86400))
        return found[0].raised_at_s if found else np.inf

    assert first_after(8) > first_after(0)


def test_a_lid_that_is_opened_in_vain_is_jammed_and_a_sensor_that_stands_still_is_not() -> None:
    rng = np.random.default_rng(1)
    n, lids = 400, np.full(400, 1.0)
    level = np.concatenate([0.2 + 0.02 * np.arange(20)] * 8 + [np.full(n - 160, 0.5)])
    noisy = level + rng.normal(0, 0.01, n)
    at_s = START_S + QUARTER_S * np.arange(n)

    def found(fill: np.ndarray) -> list[str]:
        model = DumpingModel(["a"])
        rows = Rows.of_columns(float(at_s[-1]), np.zeros(n, int), at_s, {"fill_ratio": fill, "lid_openings": lids}, 900)
        return [f.cause for f in model.update(model.initial_state(), rows)[1] if not f.cleared_at_s]

    assert found(noisy) == ["jammed"]
    assert found(np.where(np.arange(n) < 160, noisy, 0.5)) == []


def test_it_says_why_dumping_cannot_be_seen() -> None:
    model = DumpingModel(["a", "b"])
    state, _ = model.update(model.initial_state(), frames([0, 0, 1]))
    state, _ = model.update(state, Rows.of_columns(START_S + 3 * 86400, np.array([], int), [], {}))
    assert model.unobservable(state) == {"a": "camera silent since 2026-01-05 00:30 UTC", "b": "no camera"}


def test_a_visit_that_is_told_of_late_does_not_empty_what_was_read_full_since() -> None:
    model = DumpingModel(["k"], members={"c": "k"})
    at_s = START_S + QUARTER_S * np.arange(60)
    level = np.full(60, 0.6)
    rows = Rows.of_columns(
        float(at_s[-1]), np.full(60, 1), at_s, {"fill_ratio": level, "lid_openings": np.zeros(60)}, 900
    )
    state, _ = model.update(model.initial_state(), rows)
    late = Rows.of_columns(rows.now_s, [1], [rows.now_s - 10 * 3600], {}, is_visit=True)
    assert model.update(state, late)[0].level[1] == pytest.approx(0.6)
    now = Rows.of_columns(rows.now_s, [1], [rows.now_s], {}, is_visit=True)
    assert model.update(state, now)[0].level[1] < 0.1
