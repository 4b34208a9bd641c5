"""A year of counts for the junction of the small city, as a file of another counter."""

import numpy as np

from city.clock import parse_time
from models.holidays import local_hours
from simulation.table_files import write_table

HOUR_S = 3600.0
START_S = parse_time("2025-03-01T00:00:00+01:00")
_MORNING = np.exp(-0.5 * ((np.arange(24) - 8) / 1.6) ** 2)
_EVENING = np.exp(-0.5 * ((np.arange(24) - 17) / 1.9) ** 2)


def write_year(folder, *, days=365, lost=(), classes=False, start_s=START_S, seed=1):
    """Hourly counts of both arms in DATA/history; hours whose number is in `lost` are missing on arm-1."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    at_s = start_s + hours * HOUR_S
    on_the_clock = local_hours(at_s, "Europe/Amsterdam")
    local, weekday = on_the_clock % 24, (on_the_clock // 24 + 3) % 7
    quiet = np.where(weekday >= 5, 0.6, 1.0)
    shapes = {"arm-0": 900 * _MORNING + 250 * _EVENING + 40, "arm-1": 250 * _MORNING + 800 * _EVENING + 40}
    rows = {}
    for name, shape in shapes.items():
        luck = np.exp(0.06 * rng.normal(size=days)).repeat(24)
        value = rng.poisson(shape[local] * quiet * luck).astype(float)
        kept = ~np.isin(hours, list(lost)) if name == "arm-1" else np.ones(len(hours), bool)
        rows[name] = at_s[kept], value[kept]
        if classes:
            rows[f"{name}:car"] = at_s[kept], np.round(value[kept] * 0.7)
            rows[f"{name}:bike"] = at_s[kept], np.round(value[kept] * 0.3)
        if classes and name == "arm-1":
            rows["arm-1:lft"] = at_s[kept], value[kept] * 0.6
            rows["arm-1:rgt"] = at_s[kept], value[kept] * 0.4
    columns = {
        "time": np.concatenate([at for at, _ in rows.values()]),
        "entity": np.concatenate([np.full(len(at), name, dtype=object) for name, (at, _) in rows.items()]),
        "value": np.concatenate([value for _, value in rows.values()]),
    }
    write_table(folder / "history" / "counts.parquet", columns, times=("time",))
