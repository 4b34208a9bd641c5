"""What people throw in: exogenous, the same whatever trucks do, so that policies can be compared on equal terms."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.register import Register
from simulation.parameters import DAY_S, QUARTER_S, CityParameters, local_time

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DEPOSIT_LITRES = (10.0, 30.0, 60.0)
_MEAN_LITRES = sum(DEPOSIT_LITRES) / 3.0
# Share of a day's deposits in each hour: few at night, a morning and a stronger evening.
_HOURS = np.array(
    [0.8, 0.4, 0.3, 0.2, 0.3, 0.8, 2.2, 4.2, 5.6, 5.6, 5.4, 5.2, 5.4, 5.2, 5.2, 5.6, 6.6, 7.6, 8.4, 8.0,
     6.6, 5.0, 3.4, 2.0]
)  # fmt: skip
_WEEKDAYS = np.array([1.02, 0.95, 0.94, 0.95, 1.0, 1.12, 1.02])
_CONTAINER_SPREAD = 0.6


class Deposits(NamedTuple):
    """Deposits of one quarter of an hour: `(n_containers,)` each."""

    number: Ints
    ratio: Floats


class DepositProcess:
    """Deposits for each container and quarter of an hour, from a seed alone.

    Each quarter has its own random stream, keyed by (seed, quarter): any quarter can be asked for at any time and in
    any order with the same answer. Deposits arrive as a Poisson process whose rate follows the local hour, the
    weekday, the container, and a luck of the day that containers do not share; each is triangular(10, 30, 60) litres.

    Parameters
    ----------
    register
        Whose containers, in the register's order.
    parameters
        Mean deposits.
    seed
        Of the city.

    References
    ----------
    Triangular deposits, Poisson arrivals by hour: arXiv 2409.13386.
    """

    def __init__(self, register: Register, parameters: CityParameters, seed: int) -> None:
        self.volume_l = np.array([c.volume_m3 * 1000.0 for c in register.containers.values()])
        self._seed = seed
        self._timezone = register.timezone
        self._day_spread = parameters.deposits_day_spread
        rng = np.random.default_rng([seed, 11])
        spread = rng.lognormal(-(_CONTAINER_SPREAD**2) / 2, _CONTAINER_SPREAD, len(self.volume_l))
        per_day = parameters.deposits_share * self.volume_l / _MEAN_LITRES
        self.per_day = per_day * np.clip(spread, 0.1, 4.0)

    def quarter(self, number: int) -> Deposits:
        """Return the deposits from `number` to `number + 1` quarters of an hour since 1970 UTC."""
        here = local_time(number * QUARTER_S, self._timezone)
        share = _HOURS[here.hour] / _HOURS.sum() / 4.0 * _WEEKDAYS[here.weekday()]
        rng = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        count = rng.poisson(self.per_day * share * self._luck(number))
        most = int(count.max(initial=0))
        litres = rng.triangular(*DEPOSIT_LITRES, size=(most, len(count)))
        litres[np.arange(most)[:, None] >= count] = 0.0
        return Deposits(count, litres.sum(axis=0) / self.volume_l)

    def total_ratio(self, first: int, last: int) -> Floats:
        """Return what quarters `first` to `last` (exclusive) bring together, `(n_containers,)`, ratio of the volume."""
        total = np.zeros(len(self.volume_l))
        for number in range(first, last):
            total += self.quarter(number).ratio
        return total

    def _luck(self, number: int) -> Floats:
        day = int(number * QUARTER_S // DAY_S)
        rng = np.random.Generator(np.random.Philox(key=[self._seed + (1 << 32), day]))
        return rng.lognormal(-(self._day_spread**2) / 2, self._day_spread, len(self.volume_l))
