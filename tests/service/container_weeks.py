"""A small city of which weeks of levels and crews' words are known: what does not match, a stuck sensor, dumpings."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from city.findings import Incident
from city.readings import Reading
from store.desk import Desk
from store.series import Point
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity

DAY_S = 86_400.0
DAYS = 50


def levels(emptied_days: set[int], days: int = DAYS) -> list[tuple[float, float]]:
    """An hourly level that rises by 0.2 a day, and falls to nothing at 09:00 of the days named."""
    level, said = 0.05, []
    for hour in range(days * 24):
        at_s = MONDAY_S - days * DAY_S + hour * HOUR_S
        level = 0.02 if hour % 24 == 0 and hour // 24 in emptied_days else min(level + 0.2 / 24, 1.0)
        said.append((at_s, round(level, 3)))
    return said


def visit(day: int, container: str) -> Reading:
    """A crew says that it emptied a container."""
    at_s = MONDAY_S - DAYS * DAY_S + day * DAY_S
    return Reading(round(at_s * 1000), "truck", "visit", {"lift_kg": 150.0}, place=container)


def keep_dumpings(desk: Desk, place: str, number: int) -> None:
    """Dumpings on Monday evenings, one a week."""
    for n in range(number):
        at_s = MONDAY_S - (n + 1) * 7 * DAY_S + 12 * HOUR_S
        known = Incident(f"d-{place}-{n}", "dumping", place, 6.5, 53.2, at_s, at_s + HOUR_S, "bulky", 0.9, 0.5, ())
        desk.put_incident(known)


@contextlib.contextmanager
def weeks_of_containers(folder: Path) -> Iterator[httpx.Client]:
    """A container that is emptied every fourth day (one told falsely, one not told), and one stuck for days."""
    city = SmallCity(folder / "city")
    emptied = set(range(4, 49, 4))
    told = sorted({*emptied, 34} - {48})
    said = levels(emptied)
    city.tell("node-1", [Reading(round(at * 1000), "k1-residual", "fill", {"fill_ratio": v}) for at, v in said])
    city.tell("cab-crane-1", [visit(day, "k1-residual") for day in told])
    stuck = [v if at < MONDAY_S - 4 * DAY_S else 0.431 for at, v in said]
    city.tell(
        "node-2",
        [
            Reading(round(at * 1000), "k2-residual", "fill", {"fill_ratio": v})
            for (at, _), v in zip(said, stuck, strict=True)
        ],
    )
    seen = [
        Reading(round((MONDAY_S - n * 7 * DAY_S) * 1000), "beside", "beside", {"objects_beside": 0.0}) for n in (8,)
    ]
    city.tell("node-5", seen)
    with runtime_of(settings_for(city, speed_up=1.0)) as runtime:
        runtime.series.write([Point("k1-residual", "fill_ratio", round(at * 1000), v) for at, v in said])
        keep_dumpings(runtime.desk, "kamer-5", 6)
        keep_dumpings(runtime.desk, "kamer-7", 3)
        with client_of(runtime) as client:
            until(lambda: runtime.is_ready)
            yield client
    city.close()
