"""Incidents are found in minutes of detectors, and a peak that comes every day is none."""

from dataclasses import replace

import numpy as np
import pytest

from city.errors import BadInput
from models.incident_features import feature_names
from models.incident_trees import read_trees
from models.incidents import IncidentModel, IncidentParameters
from models.local_days import LocalDays
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import START_S, Approaches, approaches

NAMES = [f"a{i}" for i in range(8)]
PLANTED = ((2, 32.5, "blocked"), (3, 41.0, "gone"))


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> IncidentModel:
        return IncidentModel(NAMES)

    @pytest.fixture
    def rows(self) -> Rows:
        return approaches(1, days=0.7, jams=((1, 9.0, "slow"), (2, 10.5, "blocked"), (3, 8.0, "gone"))).rows


@pytest.fixture(scope="module")
def world() -> Approaches:
    return approaches(4, days=2, jams=PLANTED)


def test_blocked_and_missing_traffic_is_raised_within_minutes_and_ends(world: Approaches) -> None:
    model = IncidentModel(NAMES)
    found = model.update(model.initial_state(), world.rows)[1]
    for entity, start_s, end_s, _ in world.jams:
        mine = [one for one in found if one.entity == f"a{entity}"]
        raised = [one for one in mine if one.cleared_at_s is None and start_s <= one.raised_at_s <= start_s + 900]
        assert len(raised) == 1
        (cleared,) = (one for one in mine if one.id == raised[0].id and one.cleared_at_s is not None)
        assert end_s - 300 <= cleared.cleared_at_s <= end_s + 1800
    assert {one.kind for one in found} == {"incident"}


def test_a_peak_that_comes_every_day_is_no_incident() -> None:
    quiet = approaches(7, n=8, days=3).rows
    model = IncidentModel(NAMES)
    assert model.update(model.initial_state(), quiet)[1] == []


def test_what_is_said_of_a_minute_does_not_change_when_the_file_ends_there(world: Approaches) -> None:
    model = IncidentModel(NAMES)
    rows = world.rows
    until_s = START_S + 32.9 * 3600
    early = rows.at_s <= until_s
    cut = replace(
        rows,
        now_s=until_s,
        entity=rows.entity[early],
        at_s=rows.at_s[early],
        interval_s=rows.interval_s[early],
        values={name: column[early] for name, column in rows.values.items()},
        is_visit=rows.is_visit[early],
        is_report=rows.is_report[early],
        is_suspect=rows.is_suspect[early],
    )
    whole = [one for one in model.update(model.initial_state(), rows)[1] if one.raised_at_s <= until_s]
    short = model.update(model.initial_state(), cut)[1]
    assert [one for one in whole if one.cleared_at_s is None] == [one for one in short if one.cleared_at_s is None]


def test_a_full_block_is_seen_on_the_first_day_though_nothing_is_usual_yet() -> None:
    count, occupancy, speed = [5.0] * 60 + [0.0] * 15, [0.05] * 60 + [1.0] * 15, [45.0] * 60 + [float("nan")] * 15
    at_s = START_S + 60.0 * np.arange(1, 76)
    values = {"vehicle_count": count, "occupancy_ratio": occupancy, "speed_kph": speed}
    model = IncidentModel(["a"])
    found = model.update(model.initial_state(), Rows.of_columns(at_s[-1], np.zeros(75, int), at_s, values, 60.0))[1]
    assert [one.cause for one in found] == ["blocked"]


def test_local_days_know_summer_time_weekends_and_holidays() -> None:
    from datetime import UTC, date, datetime

    clock = LocalDays("Europe/Amsterdam", holidays=[date(2026, 5, 5)])
    moments = [datetime(2026, 5, day, 6, tzinfo=UTC).timestamp() for day in (4, 5, 9)]
    moments.append(datetime(2026, 1, 5, 23, 30, tzinfo=UTC).timestamp())
    kind, hour = clock.of(np.array(moments))
    assert kind.tolist() == [0, 1, 1, 0]
    assert hour.tolist() == [8.0, 8.0, 8.0, 0.5]


@pytest.mark.parametrize("line", ["", "a<=1 2", "b<=1 2 3", "1 2", "a<=x 1 2"])
def test_what_is_no_tree_is_refused(line: str) -> None:
    with pytest.raises(BadInput):
        read_trees([line], ["a"], 0.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: IncidentModel(["a"], positions=3),
        lambda: IncidentModel(["a"], IncidentParameters(raise_at=1.0)),
        lambda: LocalDays("Mars/Base"),
    ],
)
def test_bad_parameters_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput):
        make()


def test_features_of_two_positions_begin_with_those_of_one() -> None:
    assert feature_names(2)[: len(feature_names(1))] == feature_names(1)
