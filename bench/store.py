"""Time series in SQLite and InfluxDB: writing, trends, latest values, and hours of a whole city.

Both stores get the same points in the same run, and SQLite is the baseline: read the ratios, not the seconds.
InfluxDB is left out where there is no server (`make influxd` builds one), and the answers of both are compared.

    python -m bench store [--json] [--entities 1000] [--days 7] [--every-s 3600] [--seed 1]
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from city.errors import MissingPart
from store.influx_server import start_influxdb
from store.series import Point, SeriesStore, open_series

START_S = 1_770_595_200.0
BATCH = 5_000
REPEATS = 3


def main(arguments: list[str]) -> int:
    """Run the benchmark; return 0, or 1 when the stores answer differently."""
    parser = argparse.ArgumentParser(prog="python -m bench store", description="SQLite against InfluxDB.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--entities", type=int, default=1_000, help="series of the city (default 1000)")
    parser.add_argument("--days", type=int, default=7, help="days of history of each (default 7)")
    parser.add_argument("--every-s", type=int, default=3_600, help="seconds between points (default 3600)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    results: dict[str, dict[str, float]] = {}
    answers: dict[str, list[object]] = {}
    missing = ""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stores = {"sqlite": stack.enter_context(open_series(f"sqlite:///{folder}/series.sqlite"))}
        try:
            server = stack.enter_context(start_influxdb(Path(folder) / "influxdb"))
            stores["influxdb"] = stack.enter_context(open_series(server.url, server.token))
        except MissingPart as error:
            missing = str(error)
        for name, store in stores.items():
            results[name], answers[name] = _measure(store, options)
    agree = all(answer == answers["sqlite"] for answer in answers.values())
    if options.json:
        ratios = {
            what: round(results["influxdb"][what] / value, 2)
            for what, value in results["sqlite"].items()
            if "influxdb" in results
        }
        print(
            json.dumps(
                {"options": vars(options), "results": results, "ratio": ratios, "agree": agree, "missing": missing}
            )
        )
    else:
        _print(results, missing)
    if not agree:
        print("The stores do not give the same answers.", file=sys.stderr)
    return 0 if agree else 1


def _measure(store: SeriesStore, options: argparse.Namespace) -> tuple[dict[str, float], list[object]]:
    entities = [f"k-{n}" for n in range(options.entities)]
    end_s = START_S + options.days * 86_400
    trend_end_s = START_S + 30 * 86_400
    points = list(_points(entities, "fill_ratio", options.days, options.every_s, options.seed))
    trend = list(_points(["k-0"], "vehicle_count", 30, 60, options.seed))
    by_time = _seconds(lambda: _write(store, points))
    again = _seconds(lambda: _write(store, points))
    _write(store, trend)

    def day() -> list[float]:
        return store.window("k-0", "vehicle_count", START_S, START_S + 86_400).value.tolist()

    reads: dict[str, Callable[[], object]] = {
        "trend_30_days_hourly_ms": lambda: store.hourly(["k-0"], "vehicle_count", START_S, trend_end_s),
        "window_1_day_of_minutes_ms": day,
        "latest_of_all_ms": lambda: store.latest("fill_ratio"),
        "city_hourly_ms": lambda: store.hourly(None, "fill_ratio", START_S, end_s),
    }
    measured = {
        "written_points_per_s": round(len(points) / by_time),
        "rewritten_points_per_s": round(len(points) / again),
    }
    answers = []
    for name, read in reads.items():
        answers.append(read())
        measured[name] = round(statistics.median(_seconds(read) for _ in range(REPEATS)) * 1000, 2)
    return measured, answers


def _points(entities: list[str], quantity: str, days: int, every_s: int, seed: int) -> Iterator[Point]:
    # As a city sends them: everybody's next reading, then everybody's next. Quarters, so that sums are exact.
    chance = random.Random(seed)
    for at_s in range(int(START_S), int(START_S) + days * 86_400, every_s):
        for entity in entities:
            yield Point(entity, quantity, at_s * 1000, chance.randrange(400) / 4)


def _write(store: SeriesStore, points: Iterable[Point]) -> None:
    rest = iter(points)
    while batch := list(islice(rest, BATCH)):
        store.write(batch)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _print(results: dict[str, dict[str, float]], missing: str) -> None:
    print(f"{'':32}{''.join(f'{name:>14}' for name in results)}{'ratio':>10}")
    for what in results["sqlite"]:
        values = [one[what] for one in results.values()]
        ratio = f"{values[1] / values[0]:10.2f}" if len(values) > 1 else f"{'-':>10}"
        print(f"{what:32}{''.join(f'{value:14,.2f}' for value in values)}{ratio}")
    if missing:
        print(f"InfluxDB was left out. {missing}")
