import csv
import gzip
from datetime import UTC, datetime

import numpy as np
import pytest

from city.errors import BadInput
from models.evaluation import Origins, daily_origins, integrated_brier, share_full_by_level
from models.fill import DAY_S, FillModel
from models.fill_parameters import FillParameters
from models.rows import Rows
from tests.parts import require

# Steps of 0.2 seen once a day, full at 0.8: a reading of 0.8 may be 0.7, and a fall of one step is a waver.
COARSE = FillParameters(sensor_sd=0.06, emptying_ratio=0.3, full_ratio=0.75)


def test_origins_end_when_full_when_emptied_and_at_a_missing_day() -> None:
    day = np.array([0, 1, 2, 3, 4, 6, 7])
    level = np.array([0.2, 0.6, 0.2, 0.4, 0.6, 0.6, 0.8])
    origins = daily_origins(np.zeros(7, int), day, level)
    assert list(zip(origins.day.tolist(), origins.duration_d.tolist(), origins.event.tolist(), strict=True)) == [
        (0, 1, False),
        (2, 2, False),
        (3, 1, False),
        (6, 1, True),
    ]


def test_a_perfect_forecast_scores_nothing_and_an_ignorant_one_a_quarter() -> None:
    n = 40
    duration = 1 + np.arange(n) % 7
    origins = Origins(np.zeros(n, int), np.arange(n), np.zeros(n), duration, np.ones(n, bool))
    truth = (duration[:, None] <= np.arange(1, 8)).astype(float)
    assert integrated_brier(origins, truth) == 0
    assert integrated_brier(origins, np.full((n, 7), 0.5)) == pytest.approx(0.25)
    with pytest.raises(BadInput):
        integrated_brier(origins, truth[:, :3])


def test_the_fill_model_beats_the_naive_forecast_walking_forward_on_real_containers() -> None:
    """31 bins in Wyndham, forecast from what was known each day, scored after 2019-10-01.

    The naive forecast is the share by level among all containers before that day.
    """
    path = require("shared-data") / "fill" / "wyndham" / "levels.csv.gz"
    with gzip.open(path, "rt") as file:
        read = [(r["timestamp"], r["serialNumber"], r["latestFullness"]) for r in csv.DictReader(file)]
    kept = {(day, serial): float(level) / 10 for day, serial, level in read if level}
    names = sorted({serial for _, serial in kept})
    entity = np.array([names.index(serial) for _, serial in kept])
    day = np.array([int(datetime.fromisoformat(d).replace(tzinfo=UTC).timestamp() // DAY_S) for d, _ in kept])
    level = np.array(list(kept.values()))
    cut = int(datetime(2019, 10, 1, tzinfo=UTC).timestamp() // DAY_S)

    origins = daily_origins(entity, day, level)
    test = Origins(*(column[origins.day > cut] for column in origins))
    naive = share_full_by_level(Origins(*(column[origins.day <= cut - 14] for column in origins)))

    model = FillModel(names, COARSE)
    state = model.initial_state()
    said = np.full((len(names), day.max() + 1 - cut, 7), np.nan)
    for today in np.unique(day):
        mine = day == today
        rows = Rows.of_columns(today * DAY_S, entity[mine], today * DAY_S, {"fill_ratio": level[mine]})
        state, _ = model.update(state, rows)
        if today > cut:
            ahead = today * DAY_S + DAY_S * np.arange(1, 8)
            said[:, today - cut] = model.forecast(state, ahead, full_at=0.7).overflow_probability
    mine = integrated_brier(test, said[test.entity, test.day - cut])
    baseline = integrated_brier(test, np.array([naive[float(one)] for one in test.level]))
    assert mine < 0.95 * baseline, f"integrated Brier score {mine:.3f} against {baseline:.3f}"
