"""Sensors of the simulated city: they see the truth as real ones would, with noise, outliers, gaps and faults."""

import math
import random
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from city.places import Container
from city.readings import ReadingKind
from edge.driver import Measurement
from edge.geometry import distance_from_fill, fill_from_distance
from edge.ultrasonic import PINGS, distance_from_echoes, echo_s
from simulation.parameters import DAY_S
from simulation.planted import PlantedEvent
from simulation.traffic import MINUTE_S
from simulation.trucks import TruckDrive
from simulation.truth import Truth

FILL_INTERVAL_S = 900
BESIDE_INTERVAL_S = 900
TRAFFIC_INTERVAL_S = 60
TRUCK_INTERVAL_S = 60
_POOL = 20_011


class SensorNoise(NamedTuple):
    """How bad sensors are.

    `ping_mm` is the spread of an echo, `outlier` the share of echoes that come from elsewhere, `no_echo` of those that
    never come; `gap` is the share of samples at which nothing can be said (a lid is open, a lens is dirty); `object`
    the share of camera samples in which somebody stands there or something is overlooked; `position_deg` the spread of
    a position.
    """

    ping_mm: float = 8.0
    outlier: float = 0.06
    no_echo: float = 0.03
    gap: float = 0.003
    object: float = 0.01
    position_deg: float = 0.00003


class StuckSpells:
    """When a sensor is stuck: from then on it says what it said first."""

    def __init__(self, entity: str, planted: Sequence[PlantedEvent]) -> None:
        self._spells = [
            (e.start_s, math.inf if e.end_s is None else e.end_s)
            for e in planted
            if e.kind == "stuck" and e.entity == entity
        ]
        self._held: dict[str, float | None] | None = None

    def hold(self, values: dict[str, float | None], now_s: float) -> dict[str, float | None]:
        """Return what the sensor says when these are the values."""
        if not self._spells or not any(start <= now_s < end for start, end in self._spells):
            self._held = None
            return values
        if self._held is None:
            self._held = values
        return dict(self._held)


class FillDriver:
    """An ultrasonic sensor in a container: seven echoes become a distance, and that a fill."""

    kind: ReadingKind = "fill"
    interval_s: float = FILL_INTERVAL_S

    def __init__(
        self, channel: str, container: Container, truth: Truth, planted: Sequence[PlantedEvent],
        noise: SensorNoise, seed: int,
    ) -> None:  # fmt: skip
        self.channel = channel
        self._container = container
        self._truth = truth
        self._at = truth.container_index(container.id)
        self._noise = noise
        self._rng = random.Random(f"{seed}/fill/{container.id}")  # noqa: S311 - noise of a sensor, not a secret
        self._stuck = StuckSpells(container.id, planted)
        self._echoes = _echo_pool(noise)
        self._opened = int(truth.openings[self._at])

    def read(self, now_s: float) -> Measurement:
        """Return fill, distance and lid openings since the last sample."""
        opened = int(self._truth.openings[self._at])
        openings, self._opened = float(opened - self._opened), opened
        distance_mm = None if self._rng.random() < self._noise.gap else self._distance_mm(now_s)
        fill = None
        if distance_mm is not None:
            fill = fill_from_distance(distance_mm, self._container.depth_mm, self._container.depth_table)
        seen: dict[str, float | None] = {
            "fill_ratio": None if fill is None else round(fill, 4),
            "distance_mm": None if distance_mm is None else round(distance_mm, 1),
        }
        values = self._stuck.hold(seen, now_s)
        return Measurement({**values, "lid_openings": openings}, interval_s=FILL_INTERVAL_S)

    def _distance_mm(self, now_s: float) -> float | None:
        level = float(self._truth.level[self._at])
        true_mm = distance_from_fill(level, self._container.depth_mm, self._container.depth_table)
        # Colder at night; the sensor's own thermometer is half a degree off.
        air_c = 8.0 + 4.0 * math.sin(2 * math.pi * (now_s / DAY_S - 0.35))
        per_mm_s = echo_s(1.0, air_c)
        depth_mm = self._container.depth_mm
        first = self._rng.randrange(_POOL)
        echoes: list[float | None] = []
        for mm, elsewhere in self._echoes[first : first + PINGS]:
            if mm is None:
                echoes.append(None)
            else:
                far_mm = max(200.0, elsewhere * depth_mm) if elsewhere else max(50.0, true_mm + mm)
                echoes.append(far_mm * per_mm_s)
        return distance_from_echoes(echoes, air_c + self._rng.uniform(-0.8, 0.8))


@cache
def _echo_pool(noise: SensorNoise) -> list[tuple[float | None, float]]:
    """Return errors of echoes: mm off (None = no echo), and the share of the depth from where one comes instead.

    Drawing seven for every sample of a thousand containers would cost more than all the rest of a simulated city;
    each sample takes its seven from a random place here.
    """
    rng = random.Random(8191)  # noqa: S311 - noise of a sensor, not a secret
    pool: list[tuple[float | None, float]] = []
    for _ in range(_POOL + PINGS):
        luck = rng.random()
        if luck < noise.no_echo:
            pool.append((None, 0.0))
        elif luck < noise.no_echo + noise.outlier:
            pool.append((0.0, rng.uniform(0.05, 1.0)))
        else:
            pool.append((rng.gauss(0.0, noise.ping_mm), 0.0))
    return pool


class BesideDriver:
    """A camera's count of objects beside the containers of a cluster; no image leaves it, only the number."""

    kind: ReadingKind = "beside"
    interval_s: float = BESIDE_INTERVAL_S

    def __init__(self, channel: str, cluster: str, truth: Truth, noise: SensorNoise, seed: int) -> None:
        self.channel = channel
        self._truth = truth
        self._at = truth.cluster_index(cluster)
        self._noise = noise
        self._rng = random.Random(f"{seed}/beside/{cluster}")  # noqa: S311 - noise of a sensor, not a secret
        # A bench, a bicycle rack: what is always there and is taken for an object.
        self._clutter = 1 if self._rng.random() < 0.15 else 0

    def read(self, now_s: float) -> Measurement:
        """Return how many objects are seen."""
        if self._rng.random() < self._noise.gap:
            return Measurement({"objects_beside": None})
        objects = self._truth.objects_at(self._at, now_s) + self._clutter
        if self._rng.random() < self._noise.object:
            objects += 1 if self._rng.random() < 0.6 or objects == 0 else -1
        return Measurement({"objects_beside": float(objects)})


class ApproachDriver:
    """A detector upstream of a junction's stop line: a count, an occupancy and a speed for each minute."""

    kind: ReadingKind = "traffic"
    interval_s: float = TRAFFIC_INTERVAL_S

    def __init__(self, channel: str, approach: str, truth: Truth, planted: Sequence[PlantedEvent]) -> None:
        self.channel = channel
        self._truth = truth
        self._at = truth.approach_ids.index(approach)
        self._stuck = StuckSpells(approach, planted)
        self._minute = -1

    def read(self, now_s: float) -> Measurement | None:
        """Return the last whole minute; None if it was read before."""
        number = int(now_s // MINUTE_S)
        if number == self._minute:
            return None
        self._minute = number
        minute = self._truth.minute(now_s)
        speed = float(minute.speed_kph[self._at])
        seen: dict[str, float | None] = {
            "vehicle_count": float(minute.vehicles[self._at]),
            "occupancy_ratio": round(float(minute.occupancy_ratio[self._at]), 4),
            "speed_kph": None if math.isnan(speed) else round(speed, 1),
        }
        return Measurement(self._stuck.hold(seen, now_s), interval_s=TRAFFIC_INTERVAL_S)


class TruckDriver:
    """A truck's own position and load."""

    kind: ReadingKind = "truck"
    interval_s: float = TRUCK_INTERVAL_S

    def __init__(self, channel: str, drive: TruckDrive, noise: SensorNoise, seed: int) -> None:
        self.channel = channel
        self._drive = drive
        self._noise = noise
        self._rng = random.Random(f"{seed}/truck/{drive.truck.id}")  # noqa: S311 - noise of a sensor, not a secret

    def read(self, now_s: float) -> Measurement:
        """Return where the truck is, and what it carries."""
        lon, lat = self._drive.position(now_s)
        spread = self._noise.position_deg
        return Measurement(
            {
                "lon_deg": round(lon + self._rng.gauss(0.0, spread), 6),
                "lat_deg": round(lat + self._rng.gauss(0.0, spread), 6),
                "load_kg": round(self._drive.load_kg, 1),
            }
        )
