"""What every series store keeps to, whatever it is made of."""

import math
import random
from collections.abc import Callable
from itertools import groupby

import numpy as np
import pytest

from store.series import BadPoints, Hour, Point, Sample, SeriesStore

HOUR_S = 3600.0
START_S = 1_772_000_000 // 3600 * 3600.0
START_MS = int(START_S) * 1000


def points(quantity: str, entity: str, values: list[float | None], step_ms: int = 60_000) -> list[Point]:
    return [Point(entity, quantity, START_MS + n * step_ms, value) for n, value in enumerate(values)]


def test_what_is_written_is_read_with_its_time_to_the_millisecond(store: SeriesStore, quantity: str) -> None:
    written = [Point("k-1", quantity, START_MS + ms, float(ms)) for ms in (0, 1, 2, 999, 1000, 1001)]
    store.write(written)
    found = store.window("k-1", quantity, START_S, START_S + 2)
    assert (np.round(found.at_s * 1000).astype(int) - START_MS).tolist() == [0, 1, 2, 999, 1000, 1001]
    assert found.value.tolist() == [0.0, 1.0, 2.0, 999.0, 1000.0, 1001.0]
    assert found.at_s.dtype == found.value.dtype == np.float64


@pytest.mark.parametrize("value", [0.0, -0.5, 0.1 + 0.2, 1e300, 5e-324, -1.7976931348623157e308, 1, 2**53])
def test_a_value_comes_back_exactly(store: SeriesStore, quantity: str, value: float) -> None:
    store.write([Point("k-1", quantity, START_MS, value)])
    assert store.latest(quantity)["k-1"].value == value


def test_the_window_has_its_start_and_not_its_end(store: SeriesStore, quantity: str) -> None:
    store.write(points(quantity, "k-1", [1.0, 2.0, 3.0], step_ms=1000))
    assert store.window("k-1", quantity, START_S, START_S + 2).value.tolist() == [1.0, 2.0]
    assert store.window("k-1", quantity, START_S + 0.001, START_S + 2.001).value.tolist() == [2.0, 3.0]
    assert store.keys(quantity, START_S, START_S + 2) == {("k-1", START_MS), ("k-1", START_MS + 1000)}


def test_unknown_is_kept_and_is_neither_zero_nor_absent(store: SeriesStore, quantity: str) -> None:
    store.write(
        [*points(quantity, "k-1", [0.5, None]), *points(quantity, "k-2", [None]), *points(quantity, "k-3", [0.0])]
    )
    latest = store.latest(quantity, ["k-1", "k-2", "k-3", "k-4"])
    assert latest == {
        "k-1": Sample(START_S + 60, None, "good"),
        "k-2": Sample(START_S, None, "good"),
        "k-3": Sample(START_S, 0.0, "good"),
    }
    window = store.window("k-1", quantity, START_S, START_S + HOUR_S)
    assert window.value[0] == 0.5
    assert math.isnan(window.value[1])
    assert ("k-2", START_MS) in store.keys(quantity, START_S, START_S + HOUR_S)
    assert [hour.entity for hour in store.hourly(None, quantity, START_S, START_S + HOUR_S)] == ["k-1", "k-3"]


def test_quality_is_kept(store: SeriesStore, quantity: str) -> None:
    qualities = ["good", "suspect", "clock_unsure"]
    store.write([Point("k-1", quantity, START_MS + n, 1.0, quality) for n, quality in enumerate(qualities)])  # type: ignore[arg-type]
    assert store.window("k-1", quantity, START_S, START_S + 1).quality.tolist() == qualities
    assert store.latest(quantity)["k-1"].quality == "clock_unsure"


@pytest.mark.parametrize(
    "entity",
    ["k-1-a", "-", "Groene Hart, 5", "a=b", "it's", 'say "x"', "${r.entity}", "a/b|c.*", "(a", "Curaçao 🗑", "#1"],
)
def test_an_entity_is_only_a_name(store: SeriesStore, quantity: str, entity: str) -> None:
    """Nothing in a name is taken for the language of a store, and nobody else's points come with it."""
    store.write([*points(quantity, entity, [1.0]), *points(quantity, "other", [2.0])])
    assert store.latest(quantity, [entity]) == {entity: Sample(START_S, 1.0, "good")}
    assert store.windows([entity], quantity, START_S, START_S + 1)[entity].value.tolist() == [1.0]
    assert [hour.entity for hour in store.hourly([entity], quantity, START_S, START_S + 1)] == [entity]
    assert store.keys(quantity, START_S, START_S + 1) == {(entity, START_MS), ("other", START_MS)}


def test_a_repeated_write_changes_nothing(store: SeriesStore, quantity: str) -> None:
    batch = points(quantity, "k-1", [1.0, None, 3.0])
    for _ in range(3):
        store.write(batch)
    store.write([*batch, *batch])
    assert store.window("k-1", quantity, START_S, START_S + HOUR_S).at_s.size == 3
    assert store.hourly(["k-1"], quantity, START_S, START_S + HOUR_S) == [Hour("k-1", START_S, 2, 4.0, 1.0, 3.0, 3.0)]


def test_another_value_corrects_the_point_and_its_hour(store: SeriesStore, quantity: str) -> None:
    store.write(points(quantity, "k-1", [1.0, 9.0, 3.0]))
    store.write([Point("k-1", quantity, START_MS + 60_000, 2.0, "suspect")])
    assert store.window("k-1", quantity, START_S, START_S + HOUR_S).value.tolist() == [1.0, 2.0, 3.0]
    assert store.hourly(["k-1"], quantity, START_S, START_S + HOUR_S) == [Hour("k-1", START_S, 3, 6.0, 1.0, 3.0, 3.0)]


def test_unknown_never_replaces_what_is_known(store: SeriesStore, quantity: str) -> None:
    store.write(points(quantity, "k-1", [None, 2.0]))
    store.write(points(quantity, "k-1", [1.0, None]))
    assert store.window("k-1", quantity, START_S, START_S + HOUR_S).value.tolist() == [1.0, 2.0]
    assert store.latest(quantity)["k-1"].value == 2.0


def test_hours_do_not_depend_on_the_order_of_arrival(store: SeriesStore, quantity: str) -> None:
    everything = points(quantity, "k-1", [float(n % 7) for n in range(150)])
    shuffled = random.Random(7).sample(everything, len(everything))
    for start in range(0, len(shuffled), 40):
        store.write(shuffled[start : start + 40])
    expected = [
        Hour("k-1", hour_s, len(values), sum(values), min(values), max(values), values[-1])
        for hour_s, values in (
            (key * HOUR_S, [p.value or 0.0 for p in group])
            for key, group in groupby(everything, lambda p: p.at_ms // 3_600_000)
        )
    ]
    assert len(expected) == 3
    assert store.hourly(["k-1"], quantity, START_S, START_S + 3 * HOUR_S) == expected


def test_hours_that_overlap_the_window_are_whole(store: SeriesStore, quantity: str) -> None:
    store.write(points(quantity, "k-1", [1.0, 2.0, 3.0, 4.0], step_ms=1_800_000))
    hours = store.hourly(["k-1"], quantity, START_S + 1700, START_S + HOUR_S + 1)
    assert [(hour.hour_s - START_S, hour.n) for hour in hours] == [(0.0, 2), (HOUR_S, 2)]
    assert store.hourly(["k-1"], quantity, START_S + 1700, START_S + HOUR_S) == hours[:1]


def test_agrees_with_a_dictionary_under_random_writes(store: SeriesStore, quantity: str) -> None:
    chance = random.Random(20260302)
    truth: dict[tuple[str, int], float | None] = {}
    for _ in range(40):
        batch = [
            Point(
                f"k-{chance.randrange(3)}",
                quantity,
                START_MS + chance.randrange(40) * 300_000,
                chance.choice([None, float(chance.randrange(100))]),
            )
            for _ in range(chance.randrange(1, 12))
        ]
        store.write(batch)
        for point in batch:
            key = (point.entity, point.at_ms)
            truth[key] = truth.get(key) if point.value is None else point.value
    end_s = START_S + 4 * HOUR_S
    assert store.keys(quantity, START_S, end_s) == set(truth)
    entities = ["k-0", "k-1", "k-2"]
    for entity, series in store.windows(entities, quantity, START_S, end_s).items():
        found = [None if math.isnan(value) else value for value in series.value.tolist()]
        assert found == [value for (name, _), value in sorted(truth.items()) if name == entity]
    known = sorted((key, value) for key, value in truth.items() if value is not None)
    expected = [
        Hour(entity, hour * HOUR_S, len(values), sum(values), min(values), max(values), values[-1])
        for (entity, hour), values in (
            (key, [value for _, value in group])
            for key, group in groupby(known, lambda one: (one[0][0], one[0][1] // 3_600_000))
        )
    ]
    assert store.hourly(entities, quantity, START_S, end_s) == expected
    assert store.hourly(None, quantity, START_S, end_s) == expected


def test_a_hundred_thousand_points(store: SeriesStore, quantity: str) -> None:
    everything = [Point(f"k-{n % 100}", quantity, START_MS + n // 100 * 60_000, float(n)) for n in range(100_000)]
    store.write(everything)
    end_s = START_S + 1000 * 60
    assert len(store.keys(quantity, START_S, end_s)) == 100_000
    assert store.window("k-99", quantity, START_S, end_s).value[-1] == 99_999.0
    assert sum(hour.n for hour in store.hourly(None, quantity, START_S, end_s)) == 100_000
    assert len(store.latest(quantity)) == 100


def test_many_entities_may_be_asked_for(store: SeriesStore, quantity: str) -> None:
    store.write([Point(f"k-{n}", quantity, START_MS, float(n)) for n in range(0, 2500, 2)])
    asked = [f"k-{n}" for n in range(2500)]
    assert len(store.latest(quantity, asked)) == 1250
    assert sum(series.at_s.size for series in store.windows(asked, quantity, START_S, START_S + 1).values()) == 1250
    assert len(store.hourly(asked, quantity, START_S, START_S + 1)) == 1250


def test_nothing_is_there(store: SeriesStore, quantity: str) -> None:
    store.write([])
    assert store.latest(quantity) == {}
    assert store.latest(quantity, []) == {}
    empty = store.window("k-1", quantity, START_S, START_S + 1)
    assert [column.size for column in empty] == [0, 0, 0]
    assert list(store.windows(["k-1", "k-2"], quantity, START_S, START_S + 1)) == ["k-1", "k-2"]
    assert store.windows([], quantity, START_S, START_S + 1) == {}
    assert store.hourly(None, quantity, START_S, START_S + HOUR_S) == []
    assert store.hourly([], quantity, START_S, START_S + HOUR_S) == []
    assert store.keys(quantity, START_S, START_S + 1) == set()


def test_a_window_that_ends_before_it_begins_is_empty(store: SeriesStore, quantity: str) -> None:
    store.write(points(quantity, "k-1", [1.0]))
    assert store.window("k-1", quantity, START_S + 1, START_S).at_s.size == 0
    assert store.hourly(["k-1"], quantity, START_S + HOUR_S, START_S) == []
    assert store.keys(quantity, START_S, START_S) == set()


def test_city_time_may_be_ahead_of_the_machine(store: SeriesStore, quantity: str) -> None:
    at_ms = 4_102_444_800_000
    store.write([Point("k-1", quantity, at_ms, 1.0), Point("k-1", quantity, 0, 2.0)])
    assert store.latest(quantity)["k-1"] == Sample(at_ms / 1000, 1.0, "good")
    assert store.window("k-1", quantity, 0, 5e9).value.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"value": math.nan}, "finite"),
        ({"value": math.inf}, "finite"),
        ({"value": -math.inf}, "finite"),
        ({"value": 10**400}, "finite"),
        ({"value": "0.5"}, "no number"),
        ({"value": True}, "no number"),
        ({"entity": ""}, "entity"),
        ({"entity": "a\nb"}, "entity"),
        ({"entity": "a\\"}, "entity"),
        ({"entity": "\ud800"}, "entity"),
        ({"entity": "x" * 201}, "entity"),
        ({"entity": None}, "entity"),
        ({"quantity": ""}, "quantity"),
        ({"quantity": "_internal"}, "quantity"),
        ({"quantity": "#comment"}, "quantity"),
        ({"quantity": "Fill ratio"}, "quantity"),
        ({"at_ms": -1}, "time"),
        ({"at_ms": 2**63}, "time"),
        ({"at_ms": 1.5}, "time"),
        ({"quality": "fine"}, "quality"),
    ],
)
def test_a_bad_point_is_named_and_the_good_ones_are_kept(
    store: SeriesStore, quantity: str, change: dict[str, object], named: str
) -> None:
    bad = Point(**{"entity": "k-2", "quantity": quantity, "at_ms": START_MS, "value": 1.0, **change})  # type: ignore[arg-type]
    with pytest.raises(BadPoints, match=named) as caught:
        store.write([Point("k-1", quantity, START_MS, 1.0), bad, Point("k-3", quantity, START_MS, 3.0)])
    assert [culprit.point for culprit in caught.value.culprits] == [bad] or math.isnan(
        caught.value.culprits[0].point.value or 0
    )
    assert set(store.latest(quantity)) == {"k-1", "k-3"}


def test_a_second_client_sees_what_was_written(opened: Callable[[], SeriesStore], quantity: str) -> None:
    opened().write(points(quantity, "k-1", [1.0]))
    with opened() as other:
        assert other.latest(quantity)["k-1"].value == 1.0


def test_check_writes_and_reads(store: SeriesStore) -> None:
    store.check()
    store.check()


@pytest.mark.parametrize("bad", ["nothere'", 'a" or true', "", "A"])
def test_a_quantity_that_cannot_be_has_nothing(store: SeriesStore, bad: str) -> None:
    assert store.latest(bad) == {}
    assert store.keys(bad, 0, 5e9) == set()
