"""The contract of every model: subclass `ModelContract` and give it a model and rows that make it find things."""

import pickle
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from city.findings import Finding
from models.rows import Rows


class ModelContract:
    """What holds for every model. `model` and `rows` are fixtures of the subclass."""

    @pytest.fixture
    def model(self) -> Any:
        raise AssertionError("give a model")

    @pytest.fixture
    def rows(self, model: Any) -> Rows:
        raise AssertionError("give rows that make it find something")

    def test_finds_something_in_the_rows_of_this_suite(self, model: Any, rows: Rows) -> None:
        assert model.update(model.initial_state(), rows)[1]

    def test_same_rows_same_answer_and_nothing_given_is_changed(self, model: Any, rows: Rows) -> None:
        before = pickle.dumps((model.initial_state(), rows, model))
        state, rows_, model_ = pickle.loads(before)
        first = model_.update(state, rows_)
        assert_same_arrays(state, model.initial_state())
        for name, column in rows_.values.items():
            np.testing.assert_array_equal(column, rows.values[name])
        again = model.update(model.initial_state(), rows)
        assert_same_arrays(first[0], again[0])
        assert first[1] == again[1]

    def test_a_pickled_model_and_state_go_on_where_they_were(self, model: Any, rows: Rows) -> None:
        half = len(rows) // 2
        state, _ = model.update(model.initial_state(), part(rows, slice(0, half)))
        model_, state_ = pickle.loads(pickle.dumps((model, state)))
        rest = part(rows, slice(half, None))
        one, other = model.update(state, rest), model_.update(state_, rest)
        assert_same_arrays(one[0], other[0])
        assert one[1] == other[1]

    @pytest.mark.parametrize("size", [1, 7, 500])
    def test_many_rows_in_one_call_are_the_same_as_few_at_a_time(self, model: Any, rows: Rows, size: int) -> None:
        rows = part(rows, slice(0, 60 * size)) if size < 100 else rows
        whole, found = model.update(model.initial_state(), replace(rows, now_s=float(rows.at_s[-1])))
        state, pieces = model.initial_state(), []
        for start in range(0, len(rows), size):
            state, more = model.update(state, part(rows, slice(start, start + size)))
            pieces += more
        assert_same_arrays(state, whole)
        assert by_id(pieces) == by_id(found)

    def test_what_was_found_by_then_does_not_change_when_more_comes(self, model: Any, rows: Rows) -> None:
        _, found = model.update(model.initial_state(), rows)
        half = part(rows, slice(0, len(rows) // 2))
        _, early = model.update(model.initial_state(), half)
        told = [f for f in found if (f.cleared_at_s or f.raised_at_s) < half.now_s]
        assert [f for f in early if (f.cleared_at_s or f.raised_at_s) < half.now_s] == told

    def test_rows_told_twice_count_once(self, model: Any, rows: Rows) -> None:
        state, _ = model.update(model.initial_state(), rows)
        again, found = model.update(state, rows)
        assert found == []
        assert_same_arrays(again, state)

    def test_an_entity_is_judged_by_its_own_rows(self, model: Any, rows: Rows) -> None:
        """Whether others report does not change what is found about one."""
        _, found = model.update(model.initial_state(), rows)
        entity = found[0].entity
        mine = np.isin(
            rows.entity, [i for name, i in model.index.items() if name == entity or owner(model, i) == entity]
        )
        _, alone = model.update(model.initial_state(), part(rows, mine, now_s=rows.now_s))
        assert [f for f in alone if f.entity == entity] == [f for f in found if f.entity == entity]

    def test_unknown_values_and_no_rows_find_nothing_and_do_no_harm(self, model: Any, rows: Rows) -> None:
        unknown = replace(
            rows,
            now_s=float(rows.at_s[0]) + 60,
            at_s=np.linspace(rows.at_s[0], rows.at_s[0] + 60, len(rows)),
            values={name: np.full(len(rows), np.nan) for name in rows.values},
            is_visit=np.zeros(len(rows), bool),
            is_report=np.zeros(len(rows), bool),
            is_suspect=np.zeros(len(rows), bool),
        )
        state, found = model.update(model.initial_state(), unknown)
        assert found == []
        state, found = model.update(state, part(rows, slice(0, 0), now_s=float(rows.at_s[0]) + 60))
        assert found == []

    def test_findings_are_in_pythons_own_numbers(self, model: Any, rows: Rows) -> None:
        """JSON and the stores take no others."""
        _, found = model.update(model.initial_state(), rows)
        assert msgspec.json.decode(msgspec.json.encode(found), type=list[Finding]) == found

    def test_findings_are_well_formed(self, model: Any, rows: Rows) -> None:
        _, found = model.update(model.initial_state(), rows)
        raised: dict[str, Finding] = {}
        cleared = set()
        for one in found:
            assert one.entity in model.entities
            assert 0 <= one.probability <= 1
            assert 0 <= one.severity <= 1
            assert one.evidence
            assert all(e.text for e in one.evidence)
            assert one.id not in cleared, "said again after it was over"
            if one.cleared_at_s is None:
                assert one.id not in raised, "raised twice"
                raised[one.id] = one
            else:
                assert one.cleared_at_s >= one.raised_at_s
                assert one.id in raised or one.kind == "emptied", "over before it was raised"
                cleared.add(one.id)
        times = [f.raised_at_s if f.cleared_at_s is None else f.cleared_at_s for f in found]
        assert times == sorted(times)


def part(rows: Rows, which: Any, now_s: float | None = None) -> Rows:
    """Return some of the rows, asked when the last of them was measured."""
    at_s = rows.at_s[which]
    return Rows(
        now_s=now_s if now_s is not None else float(at_s[-1]),
        entity=rows.entity[which],
        at_s=at_s,
        interval_s=rows.interval_s[which],
        values={name: column[which] for name, column in rows.values.items()},
        is_visit=rows.is_visit[which],
        is_report=rows.is_report[which],
        is_suspect=rows.is_suspect[which],
    )


def owner(model: Any, i: int) -> str | None:
    """Return the entity that index `i` speaks about, where the model groups what it indexes."""
    return model.entity_of(i) if hasattr(model, "entity_of") else None


def by_id(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda f: (f.id, f.cleared_at_s or 0.0))


def assert_same_arrays(one: Any, other: Any) -> None:
    """Compare states, but for when they were asked."""
    for name, a, b in zip(one._fields, one, other, strict=True):
        if name not in ("now_s", "asked_at_s"):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=name)
