"""What people bring to containers, whatever trucks do: drawn, or taken from a measured history."""

from typing import Protocol

import numpy as np

from city.errors import BadInput
from city.register import Register
from simulation.deposits import DEPOSIT_LITRES, Deposits
from simulation.history import History
from simulation.parameters import DAY_S, QUARTER_S

_MEAN_LITRES = sum(DEPOSIT_LITRES) / 3.0
# A fall by so much is an emptying; smaller ones are waste that settles and sensors that waver.
_EMPTYING_RATIO = 0.3
_LONGEST_GAP_S = 2 * DAY_S


class Inflow(Protocol):
    """Deposits for each container and quarter of an hour, the same under every policy."""

    def quarter(self, number: int) -> Deposits:
        """Return the deposits from `number` to `number + 1` quarters of an hour since 1970 UTC."""
        ...


class HistoryInflow:
    """The inflow that a history of levels shows.

    Between two readings that are not more than two days apart, the rise of the level came in evenly; after a fall by
    0.3 or more, which is an emptying, everything that is in the container did. Over longer gaps, and before the first
    reading, the container's own mean comes in; how much of all time that is stands in `imputed_share`. A container
    that was full tells nothing of who was turned away, so the inflow is a lower bound there.

    Parameters
    ----------
    history
        Levels; index `i` of `History.entities` is container `i` of the register.

    Raises
    ------
    BadInput
        The history has other containers than the register, or none with two readings.
    """

    def __init__(self, history: History, register: Register) -> None:
        containers = list(register.containers.values())
        if len(containers) != len(history.entities):
            raise BadInput(
                f"The history has {len(history.entities)} containers, the register {len(containers)}.",
                "Make the register from this history.",
            )
        self.volume_l = np.array([one.volume_m3 * 1000.0 for one in containers])
        self.first = int(history.at_s[0] // QUARTER_S)
        self.last = int(history.at_s[-1] // QUARTER_S)
        quarters = self.last - self.first + 1
        rate = np.full((quarters, len(containers)), np.nan, np.float32)
        for i in range(len(containers)):
            mine = np.flatnonzero(history.entity == i)
            at, level = history.at_s[mine], history.value[mine]
            for k in np.flatnonzero(np.diff(at) <= _LONGEST_GAP_S):
                rise = (
                    level[k + 1] if level[k + 1] - level[k] <= -_EMPTYING_RATIO else max(0.0, level[k + 1] - level[k])
                )
                a, b = int(at[k] // QUARTER_S) - self.first, int(at[k + 1] // QUARTER_S) - self.first
                if b > a:
                    rate[a:b, i] = rise / (b - a)
                elif a > 0 and np.isfinite(rate[a - 1, i]):
                    rate[a - 1, i] += rise
        known = np.isfinite(rate)
        if not known.any():
            raise BadInput("No container has two readings less than two days apart.", "Give a longer history.")
        mean = np.where(known.any(axis=0), np.nansum(rate, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
        mean = np.where(np.isnan(mean), np.nanmean(mean), mean)
        self.imputed_share = float(1 - known.mean())
        self._rate = np.where(known, rate, mean).astype(np.float32)
        self._mean = mean

    def quarter(self, number: int) -> Deposits:
        """See `Inflow.quarter`; beyond the history the container's mean comes in."""
        at = number - self.first
        ratio = self._rate[at].astype(np.float64) if 0 <= at < len(self._rate) else self._mean.astype(np.float64)
        # Persons are counted as they fill a deposit's mean volume, so that no fraction of one is lost.
        per_quarter = ratio * self.volume_l / _MEAN_LITRES
        phase = np.modf(np.arange(len(ratio)) * 0.618034)[0]
        count = np.floor(per_quarter * (at + 1) + phase) - np.floor(per_quarter * at + phase)
        return Deposits(count.astype(np.int64), ratio)
