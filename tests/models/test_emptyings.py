import numpy as np
import pytest

from city.errors import BadInput
from models.emptyings import (
    EmptyingParameters,
    Emptyings,
    claimed_emptyings,
    match_emptyings,
    precision_recall,
    seen_emptyings,
)
from models.fill import FillModel
from models.rows import Rows
from tests.models.scenes import START_S, containers

HOUR_S = 3600.0


def emptyings(*pairs: tuple[int, float]) -> Emptyings:
    return Emptyings(np.array([i for i, _ in pairs], np.int64), START_S + HOUR_S * np.array([at for _, at in pairs]))


def readings(fill: list[float], entity: int = 0) -> Rows:
    at_s = START_S + HOUR_S * np.arange(len(fill))
    return Rows.of_columns(float(at_s[-1]), np.full(len(fill), entity), at_s, {"fill_ratio": fill})


def test_falls_and_claims_near_each_other_are_one_emptying() -> None:
    rows = readings([0.6, 0.7, 0.8, 0.02, 0.03, 0.05])
    seen = seen_emptyings(FillModel(["a"]), rows)
    matched = match_emptyings(seen, emptyings((0, 2.5)), rows)
    assert seen.at_s.tolist() == [START_S + 3 * HOUR_S]
    assert matched.claimed.at_s.tolist() == [START_S + 2.5 * HOUR_S]
    assert [len(one.entity) for one in matched] == [1, 1, 0, 0, 0]


def test_claimed_but_the_level_stayed_and_seen_but_nobody_claimed() -> None:
    stayed, fell = readings([0.7] * 8), readings([0.6, 0.7, 0.8, 0.02, 0.03], entity=1)
    rows = Rows.of_columns(
        fell.now_s,
        np.r_[stayed.entity, fell.entity],
        np.r_[stayed.at_s, fell.at_s],
        {"fill_ratio": np.r_[stayed.value("fill_ratio"), fell.value("fill_ratio")]},
    )
    matched = match_emptyings(seen_emptyings(FillModel(["a", "b"]), rows), emptyings((0, 4)), rows)
    assert matched.claimed_not_seen.entity.tolist() == [0]
    assert matched.seen_not_claimed.entity.tolist() == [1]
    assert len(matched.seen.entity) == 0


@pytest.mark.parametrize("fill", [[0.05] * 8, [0.7]])
def test_a_claim_that_no_reading_can_check_is_not_called_wrong(fill: list[float]) -> None:
    """Next to nothing was in it, or the sensor was silent."""
    rows = readings(fill)
    matched = match_emptyings(seen_emptyings(FillModel(["a"]), rows), emptyings((0, 4)), rows)
    assert matched.not_observable.entity.tolist() == [0]
    assert len(matched.claimed_not_seen.entity) == 0


def test_each_is_used_once_and_the_nearest_first() -> None:
    rows = readings([0.5] * 12)
    matched = match_emptyings(emptyings((0, 5), (0, 6)), emptyings((0, 5.9), (0, 7.5)), rows)
    assert (matched.seen.at_s - START_S).tolist() == [6 * HOUR_S]
    assert (matched.claimed.at_s - START_S).tolist() == [5.9 * HOUR_S]
    assert len(matched.seen_not_claimed.entity) == 1


def test_what_crews_say_does_not_help_to_see() -> None:
    rows = readings([0.6, 0.7, 0.7, 0.7, 0.7])
    claim = Rows.of_columns(rows.now_s, [0], [START_S + 2 * HOUR_S], {}, is_visit=True)
    both = Rows.of_columns(
        rows.now_s,
        np.r_[rows.entity, claim.entity],
        np.r_[rows.at_s, claim.at_s],
        {"fill_ratio": np.r_[rows.value("fill_ratio"), np.nan]},
        is_visit=np.r_[rows.is_visit, claim.is_visit],
    )
    assert len(seen_emptyings(FillModel(["a"]), both).entity) == 0
    assert claimed_emptyings(both).at_s.tolist() == [START_S + 2 * HOUR_S]


def test_nearly_all_emptyings_are_found_from_levels_alone() -> None:
    found, true = [], []
    for seed in range(60, 64):
        world = containers(seed)
        seen = seen_emptyings(FillModel([f"c{i}" for i in range(6)]), world.rows)
        end = world.rows.now_s - 3 * HOUR_S
        due = [(i, at) for i, at in world.emptied if at < end]
        truth = Emptyings(np.array([i for i, _ in due]), np.array([at for _, at in due]))
        kept = seen.at_s < end
        precision, recall = precision_recall(Emptyings(seen.entity[kept], seen.at_s[kept]), truth, 2 * HOUR_S)
        found.append(precision)
        true.append(recall)
    assert np.mean(found) > 0.97
    assert np.mean(true) > 0.97


def test_columns_that_differ_in_length_are_refused() -> None:
    with pytest.raises(BadInput):
        match_emptyings(emptyings((0, 1)), Emptyings(np.array([0]), np.array([1.0, 2.0])), readings([0.5, 0.5]))


@pytest.mark.parametrize("bad", [{"within_s": 0}, {"watched_s": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        EmptyingParameters(**bad)


def test_a_fall_too_small_to_be_seen_makes_no_liar_of_a_crew() -> None:
    rows = readings([0.21, 0.21, 0.21, 0.21, 0.07, 0.07, 0.08, 0.08])
    matched = match_emptyings(seen_emptyings(FillModel(["a"]), rows), emptyings((0, 3.5)), rows)
    assert [len(one.entity) for one in matched] == [0, 0, 0, 0, 1]
