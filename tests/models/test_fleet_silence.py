import numpy as np
import pytest

from city.errors import BadInput
from models.fleet_silence import FleetSilenceModel, fleet_of
from models.rows import Rows
from tests.models.contract import ModelContract
from tests.models.scenes import START_S

HOUR_S = 3600.0
N = 40


def fleet(seed: int, hours: int, away: tuple[float, float] = (np.inf, np.inf), share: float = 0.3) -> Rows:
    """Sensors that report each hour, a little late; a share of them is away for a time."""
    rng = np.random.default_rng(seed)
    at_s = START_S + HOUR_S * (np.arange(hours)[:, None] + np.sort(rng.random(N))) + rng.uniform(0, 60, (hours, N))
    entity = np.broadcast_to(np.arange(N), at_s.shape)
    gone = (entity < share * N) & (at_s > START_S + away[0] * HOUR_S) & (at_s < START_S + away[1] * HOUR_S)
    gone |= rng.random(at_s.shape) < 0.01
    kept = ~gone
    return Rows.of_columns(START_S + hours * HOUR_S, entity[kept], at_s[kept], {"fill_ratio": np.full(kept.sum(), 0.4)})


def model(**given: object) -> FleetSilenceModel:
    return FleetSilenceModel(fleet_of([f"c{i}" for i in range(N)]), **given)  # type: ignore[arg-type]


class TestContract(ModelContract):
    @pytest.fixture
    def model(self) -> FleetSilenceModel:
        return model()

    @pytest.fixture
    def rows(self) -> Rows:
        return fleet(1, 48, (20, 30))


@pytest.mark.parametrize("share", [0.2, 0.3, 0.9])
def test_a_share_that_falls_silent_is_found_within_two_intervals_and_named(share: float) -> None:
    one = model(interval_s=np.full(N, HOUR_S))
    _, found = one.update(one.initial_state(), fleet(2, 60, (30, 40), share))
    assert [(f.kind, f.entity, f.cleared_at_s is None) for f in found] == [
        ("fleet_silent", "fleet", True),
        ("fleet_silent", "fleet", False),
    ]
    assert 0 < found[0].raised_at_s - (START_S + 30 * HOUR_S) <= 2 * HOUR_S
    assert f"of {N} sensors" in found[0].evidence[0].text
    assert abs(found[0].evidence[1].at_s - (START_S + 30 * HOUR_S)) < HOUR_S


def test_single_losses_and_few_dead_for_good_are_no_fleet() -> None:
    one = model()
    assert one.update(one.initial_state(), fleet(3, 96, (30, np.inf), 0.05))[1] == []
    assert one.update(one.initial_state(), fleet(4, 96))[1] == []


def test_groups_are_judged_apart() -> None:
    groups = {f"c{i}": "radar-2.1" if i < 15 else "sonar" for i in range(N)}
    one = FleetSilenceModel(groups)
    _, found = one.update(one.initial_state(), fleet(5, 48, (30, 40)))
    assert {f.entity for f in found} == {"radar-2.1"}


def test_a_wrong_number_of_intervals_is_refused() -> None:
    with pytest.raises(BadInput):
        model(interval_s=[1.0])


def test_sensors_that_are_taken_away_for_good_become_usual() -> None:
    one = model(interval_s=np.full(N, HOUR_S), check_s=HOUR_S / 4)
    _, found = one.update(one.initial_state(), fleet(6, 15 * 24, (48, np.inf)))
    raised, over = found
    assert over.cleared_at_s is not None
    assert 7 <= (over.cleared_at_s - raised.raised_at_s) / (24 * HOUR_S) < 9
    assert over.evidence[0].text.startswith("It has stayed so: ")
