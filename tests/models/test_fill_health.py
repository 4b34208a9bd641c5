import numpy as np
import pytest

from city.errors import BadInput
from city.findings import Finding
from models.fill_health import FillHealthModel, FillHealthParameters
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import START_S, containers

HOUR_S = 3600.0


def readings(hours: list[float], fill: list[float], visits: list[float] = [], tilt: float | None = None) -> Rows:  # noqa: B006 - never changed
    n = len(hours)
    values = {"fill_ratio": [*fill, *[np.nan] * len(visits)]}
    if tilt is not None:
        values["tilt_deg"] = [*[tilt] * n, *[np.nan] * len(visits)]
    at_s = START_S + HOUR_S * np.array([*hours, *visits])
    return Rows.of_columns(
        float(at_s.max()), np.zeros(len(at_s), int), at_s, values, is_visit=np.arange(len(at_s)) >= n
    )


def find(rows: Rows) -> list[Finding]:
    model = FillHealthModel(["a"])
    return model.update(model.initial_state(), rows)[1]


def kinds(rows: Rows) -> list[str]:
    return [f.kind for f in find(rows) if f.cleared_at_s is None]


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> FillHealthModel:
        return FillHealthModel([f"c{i}" for i in range(6)])

    @pytest.fixture
    def rows(self) -> Rows:
        rows = containers(4, outliers=0, gaps=0).rows
        fill = rows.values["fill_ratio"].copy()
        step = ((rows.at_s - START_S) / 1800).astype(int)
        mine = (rows.entity == 2) & (step > 100) & (step < 130)
        fill[mine] = np.where(step[mine] % 2, 0.2, 0.8)
        fill[(rows.entity == 4) & np.isin(step, (200, 210, 220, 230))] = 1.4
        tilt = np.where((rows.entity == 1) & (step > 50) & (step < 60), 70.0, 1.0)
        return Rows.of_columns(rows.now_s, rows.entity, rows.at_s, {"fill_ratio": fill, "tilt_deg": tilt})


def test_healthy_containers_are_not_sick() -> None:
    model = FillHealthModel([f"c{i}" for i in range(6)])
    assert model.update(model.initial_state(), containers(5, outliers=0).rows)[1] == []


def test_what_stands_full_after_a_crew_was_there_is_blocked_until_it_sees_an_empty_container() -> None:
    hours, fill = [0.0, 6, 12, 13, 14, 15, 16, 20], [0.7, 0.8, 0.86, 0.9, 0.9, 0.91, 0.9, 0.1]
    found = find(readings(hours, fill, [12.5]))
    assert [(f.kind, f.cleared_at_s is None) for f in found] == [("blocked", True), ("blocked", False)]
    assert "not emptied" in found[0].evidence[0].text
    assert kinds(readings(hours, fill)) == []
    assert kinds(readings(hours, [0.7, 0.8, 0.86, 0.05, 0.06, 0.07, 0.07, 0.1], [12.5])) == []


def test_a_base_that_creeps_up_over_emptyings_is_drift() -> None:
    hours, fill, visits = [], [], []
    for visit, base in enumerate([0.02, 0.03, 0.02, 0.08, 0.13, 0.18, 0.24, 0.3]):
        visits.append(48.0 * visit)
        hours += [48.0 * visit + 1, 48.0 * visit + 30]
        fill += [base, 0.55]
    assert kinds(readings(hours, fill, visits)) == ["drift"]
    assert kinds(readings(hours, [0.03 if i % 2 == 0 else 0.55 for i in range(len(fill))], visits)) == []


def test_one_outlier_is_weather_and_three_in_a_day_are_a_fault() -> None:
    hours = [0.5 * i for i in range(20)]
    once = [0.3 if i != 5 else 0.95 for i in range(20)]
    often = [0.3 if i not in (3, 8, 13) else 0.95 for i in range(20)]
    assert kinds(readings(hours, once)) == []
    assert kinds(readings(hours, often)) == ["spike"]


def test_waste_does_not_rise_by_most_of_a_container_within_minutes_and_stay() -> None:
    hours = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert kinds(readings(hours, [0.1, 0.1, 0.9, 0.9, 0.9])) == ["jump"]
    assert kinds(readings([0.0, 6, 12, 18, 24], [0.1, 0.1, 0.9, 0.9, 0.9])) == []


def test_flapping_is_told_and_over_after_a_calm_day() -> None:
    flaps = [0.3 + 0.2 * (i % 2) for i in range(12)]
    hours = [0.25 * i for i in range(12)] + [9.0, 15, 21, 27, 33]
    found = [f for f in find(readings(hours, [*flaps, 0.3, 0.31, 0.32, 0.33, 0.34])) if f.kind == "chatter"]
    assert [f.cleared_at_s is None for f in found] == [True, False]


def test_a_container_on_its_side_is_told_and_quality_goes_with_the_answers() -> None:
    model = FillHealthModel(["a", "b"])
    state, found = model.update(model.initial_state(), readings([0.0, 0.25, 0.5], [0.2, 0.2, 0.2], tilt=80.0))
    assert [f.kind for f in found] == ["tilt"]
    assert "80 degrees" in found[0].evidence[0].text
    quality = model.quality(state)
    assert 0 < quality[0] < quality[1] == 1


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput):
        FillHealthParameters(spike_ratio=0)
