"""Traffic on the approaches of junctions, minute by minute: rhythm, noise, and jams."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.places import Approach
from simulation.parameters import local_time
from simulation.planted import PlantedEvent

Floats = npt.NDArray[np.float64]

MINUTE_S = 60.0
# Vehicles an hour and lane that a signal lets through: half of a saturation flow of 1,800.
_CAPACITY_PER_LANE = 900.0
_VEHICLE_AND_LOOP_M = 7.0
# Share of an approach's own peak, by local hour; between hours it is interpolated.
_WORKDAY = np.array(
    [0.08, 0.05, 0.04, 0.04, 0.08, 0.20, 0.50, 0.88, 1.0, 0.80, 0.66, 0.66, 0.70, 0.70, 0.74, 0.84, 0.97, 1.0, 0.80,
     0.58, 0.44, 0.36, 0.28, 0.16]
)  # fmt: skip
_WEEKEND = np.array(
    [0.18, 0.12, 0.09, 0.06, 0.05, 0.07, 0.12, 0.18, 0.28, 0.42, 0.56, 0.66, 0.72, 0.74, 0.72, 0.70, 0.68, 0.64, 0.58,
     0.48, 0.40, 0.34, 0.30, 0.24]
)  # fmt: skip
_RISE_S = 180.0
_FALL_S = 480.0
_BPR = (0.9, 4.0)


class Minute(NamedTuple):
    """What detectors would say about the minute that ended: `(n_approaches,)` each.

    `speed_kph` is NaN where no vehicle passed.
    """

    vehicles: npt.NDArray[np.int64]
    occupancy_ratio: Floats
    speed_kph: Floats


class Traffic:
    """Traffic of all approaches, a pure function of the time and the seed.

    Demand follows the local hour and weekday; speed falls with demand over capacity as in the function of the Bureau
    of Public Roads, so the morning is slow and still no incident. A jam takes most of the capacity: high occupancy,
    walking pace, fewer vehicles.

    Parameters
    ----------
    approaches
        In the order of all arrays here.
    jams
        Planted events of kind `jam` (others are ignored).
    seed
        Of the city.
    timezone
        IANA name.

    References
    ----------
    Bureau of Public Roads (1964), Traffic Assignment Manual: travel time = free time * (1 + a * (v/c)^b); a = 0.9
    instead of 0.15 because signals add to it.
    """

    def __init__(self, approaches: Sequence[Approach], jams: Sequence[PlantedEvent], seed: int, timezone: str) -> None:
        self._seed = seed
        self._timezone = timezone
        n = len(approaches)
        rng = np.random.default_rng([seed, 21])
        self.free_speed_kph = np.array([a.free_speed_kph for a in approaches], dtype=float)
        self._lanes = np.array([a.lanes for a in approaches], dtype=float)
        main = self._lanes > 1
        self._peak = np.where(main, rng.uniform(0.45, 0.82, n), rng.uniform(0.12, 0.4, n))
        self._capacity = _CAPACITY_PER_LANE * self._lanes
        self._morning = rng.uniform(0.8, 1.15, n)
        index = {a.id: i for i, a in enumerate(approaches)}
        here = [e for e in jams if e.kind == "jam" and e.entity in index]
        self._jam_at = np.array([index[e.entity] for e in here], dtype=np.int64)
        self._jam_start_s = np.array([e.start_s for e in here])
        self._jam_end_s = np.array([np.inf if e.end_s is None else e.end_s for e in here])
        self._jam_speed = np.array([e.speed_ratio for e in here])
        self._jam_capacity = np.array([e.capacity_ratio for e in here])

    def minute(self, end_s: float) -> Minute:
        """Return what was measured in the minute that ended at `end_s` (a whole minute, seconds since 1970)."""
        number = round(end_s / MINUTE_S)
        rng = np.random.Generator(np.random.Philox(key=[self._seed + (2 << 32), number]))
        middle_s = end_s - MINUTE_S / 2
        hindered = self._hindered(middle_s)
        flow, speed = self._flow_and_speed(middle_s, hindered)
        n = len(flow)
        count = rng.poisson(flow / 60.0)
        noise = rng.normal(0.0, 1.0, (2, n))
        spread = speed * (0.05 + 0.18 / np.sqrt(np.maximum(count, 1)))
        seen = np.clip(speed + spread * noise[0], 3.0, None)
        moving = count * _VEHICLE_AND_LOOP_M / (np.maximum(seen, 3.0) / 3.6) / MINUTE_S / self._lanes
        standing = hindered * (0.82 + 0.07 * noise[1])
        occupancy = np.clip(np.maximum(moving * (1.0 - hindered), standing), 0.0, 0.98)
        passed = count > 0
        occupancy = np.where(passed, np.maximum(occupancy, 0.002), occupancy * (hindered > 0.05))
        return Minute(count, occupancy, np.where(passed, seen, np.nan))

    def speed_ratio(self, at_s: float) -> Floats:
        """Return the true speed as a share of the free speed, `(n_approaches,)`, without the noise of measuring."""
        speed_kph: Floats = self._flow_and_speed(at_s, self._hindered(at_s))[1]
        ratio: Floats = speed_kph / self.free_speed_kph
        return ratio

    def jammed(self, at_s: float) -> npt.NDArray[np.bool_]:
        """Return whether a jam stands on each approach `(n_approaches,)`."""
        return self._hindered(at_s) > 0.3

    def _hindered(self, at_s: float) -> Floats:
        """How far each approach is in a jam, 0..1."""
        worst = np.zeros(len(self.free_speed_kph))
        np.maximum.at(worst, self._jam_at, self._depth(at_s))
        return worst

    def _depth(self, at_s: float) -> Floats:
        rise = np.clip((at_s - self._jam_start_s) / _RISE_S, 0.0, 1.0)
        return rise * (1.0 - np.clip((at_s - self._jam_end_s) / _FALL_S, 0.0, 1.0))

    def _flow_and_speed(self, at_s: float, hindered: Floats) -> tuple[Floats, Floats]:
        demand = self._demand(at_s)
        speed_share = 1.0 / (1.0 + _BPR[0] * np.minimum(demand, 1.1) ** _BPR[1])
        left = np.ones_like(demand)
        floor = np.ones_like(demand)
        depth = self._depth(at_s)
        np.minimum.at(left, self._jam_at, 1.0 - depth * (1.0 - self._jam_capacity))
        np.minimum.at(floor, self._jam_at, np.where(depth > 0, self._jam_speed, 1.0))
        share = speed_share * (1.0 - hindered) + np.minimum(floor, speed_share) * hindered
        return np.minimum(demand, left) * self._capacity, share * self.free_speed_kph

    def _demand(self, at_s: float) -> Floats:
        """Demand over capacity, with a slow luck of its own for each approach."""
        here = local_time(at_s, self._timezone)
        hour = here.hour + here.minute / 60.0 + here.second / 3600.0
        day = _WEEKEND if here.weekday() >= 5 else _WORKDAY
        share = np.interp(hour, np.arange(25), np.append(day, day[0]))
        afternoon = np.clip((hour - 10.0) / 4.0, 0.0, 1.0)
        lean = self._morning * (1.0 - afternoon) + (2.0 - self._morning) * afternoon
        block, within = divmod(at_s, 1800.0)
        luck = (1 - within / 1800.0) * self._luck(int(block)) + within / 1800.0 * self._luck(int(block) + 1)
        demand: Floats = self._peak * share * lean * np.exp(0.09 * luck)
        return demand

    def _luck(self, block: int) -> Floats:
        rng = np.random.Generator(np.random.Philox(key=[self._seed + (3 << 32), block]))
        return rng.normal(0.0, 1.0, len(self._peak))
