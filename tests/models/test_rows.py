import numpy as np
import pytest

from city.errors import BadInput
from city.readings import ReadingKey, Row
from models.rows import Rows


def row(entity: str, at_s: float, kind: str = "fill", subject: str | None = None, **values: float | None) -> Row:
    quality = "suspect" if values.pop("suspect", None) else "good"
    return Row(ReadingKey("d", "l", 1), entity, kind, at_s, values, 0, quality, True, at_s, subject)  # type: ignore[arg-type]


def test_rows_become_columns_in_the_order_of_time_and_strangers_are_left_out() -> None:
    rows = Rows.of(
        [
            row("b", 20.0, fill_ratio=0.5),
            row("x", 5.0, fill_ratio=0.1),
            row("a", 10.0, lid_openings=2, fill_ratio=None),
        ],
        {"a": 0, "b": 1},
        30.0,
    )
    assert rows.entity.tolist() == [0, 1]
    assert rows.at_s.tolist() == [10.0, 20.0]
    np.testing.assert_array_equal(rows.value("fill_ratio"), [np.nan, 0.5])
    np.testing.assert_array_equal(rows.value("lid_openings"), [2, np.nan])
    assert np.isnan(rows.value("speed_kph")).all()


def test_a_visit_speaks_about_its_subject_and_not_about_the_truck() -> None:
    rows = Rows.of([row("t1", 1.0, "visit", "a", lift_kg=200.0), row("t1", 2.0, "visit")], {"a": 0, "t1": 1}, 3.0)
    assert rows.entity.tolist() == [0]
    assert rows.is_visit.tolist() == [True]


def test_values_of_a_suspect_reading_are_unknown() -> None:
    rows = Rows.of([row("a", 1.0, fill_ratio=1.4, suspect=1.0), row("a", 2.0, fill_ratio=0.4)], {"a": 0}, 3.0)
    assert rows.is_suspect.tolist() == [True, False]
    np.testing.assert_array_equal(rows.value("fill_ratio"), [np.nan, 0.4])


def test_waves_hold_each_entity_once_and_keep_its_order() -> None:
    rng = np.random.default_rng(0)
    entity = rng.integers(0, 5, 60)
    rows = Rows.of_columns(100.0, entity, np.arange(60.0), {})
    seen: dict[int, list[int]] = {}
    for wave in rows.waves():
        assert len(set(rows.entity[wave])) == len(wave)
        for k in wave:
            seen.setdefault(int(rows.entity[k]), []).append(int(k))
    assert all(ks == sorted(ks) for ks in seen.values())
    assert sorted(k for ks in seen.values() for k in ks) == list(range(60))


@pytest.mark.parametrize(
    ("at_s", "values"),
    [([1.0, np.nan], [0.1, 0.2]), ([1.0, np.inf], [0.1, 0.2]), ([1.0, 2.0], [0.1]), ([1.0, 2.0], [[0.1], [0.2]])],
)
def test_columns_that_do_not_fit_are_refused(at_s: list[float], values: list[float]) -> None:
    with pytest.raises(BadInput):
        Rows.of_columns(3.0, [0, 0], at_s, {"fill_ratio": values})


def test_columns_out_of_order_are_refused() -> None:
    n = np.zeros(2)
    with pytest.raises(BadInput, match="order"):
        Rows(3.0, np.array([0, 0]), np.array([2.0, 1.0]), n, {}, n.astype(bool), n.astype(bool), n.astype(bool))


def test_a_part_keeps_every_column_of_its_rows() -> None:
    rows = Rows.of_columns(9.0, [0, 1, 0], [1.0, 2.0, 3.0], {"fill_ratio": [0.1, 0.2, 0.3]}, 5.0, [True, False, False])
    for which in (slice(1, 3), np.array([1, 2]), np.array([False, True, True])):
        part = rows.part(which, 4.0)
        assert (part.now_s, part.entity.tolist(), part.at_s.tolist()) == (4.0, [1, 0], [2.0, 3.0])
        assert part.value("fill_ratio").tolist() == [0.2, 0.3]
        assert (part.interval_s.tolist(), part.is_visit.tolist()) == ([5.0, 5.0], [False, False])
    assert rows.part(slice(0, 0)).now_s == 9.0
