import pytest

from city.errors import BadInput
from city.findings import Finding
from models.duplicates import same_incident

H = 3600.0
POSITIONS = {"a": (4.9, 52.37), "b": (4.9003, 52.37), "far": (4.95, 52.37)}


def finding(entity: str, raised_h: float, cleared_h: float | None = None, kind: str = "dumping") -> Finding:
    cleared = None if cleared_h is None else cleared_h * H
    return Finding(f"{entity}{raised_h}", kind, entity, raised_h * H, "bulky", 0.9, 0.5, (), cleared)  # type: ignore[arg-type]


def test_near_places_and_times_are_one_incident() -> None:
    findings = [finding("a", 0, 2), finding("far", 1, 2), finding("b", 5, 6), finding("a", 20)]
    assert same_incident(findings, POSITIONS) == [(0, 2), (1,), (3,)]


def test_one_that_lasts_takes_in_what_is_told_later_and_kinds_stay_apart() -> None:
    findings = [finding("b", 40), finding("a", 0), finding("a", 1, kind="silent")]
    assert same_incident(findings, POSITIONS) == [(1, 0), (2,)]


def test_a_place_without_position_is_like_itself_alone() -> None:
    assert same_incident([finding("x", 0), finding("x", 1), finding("a", 1)], POSITIONS) == [(0, 1), (2,)]
    assert same_incident([], POSITIONS) == []


@pytest.mark.parametrize("bad", [{"within_m": -1}, {"within_h": -1}])
def test_negative_distances_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        same_incident([], {}, **bad)
