"""Why drivers of a simulated city cannot do what was asked: streets that are full at the same hour every weekday."""

import zlib
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from city.errors import BadInput
from city.register import Register
from city.vetoes import VetoReason

# Streets before schools, markets and loading bays: full at one of these hours of a weekday.
_FULL_HOURS = (8, 9, 10, 11, 12, 13)


class Obstacles:
    """Which clusters cannot be reached at which hour.

    Parameters
    ----------
    share
        Of the clusters whose street is full at an hour of every weekday.

    Raises
    ------
    BadInput
        The share is none.
    """

    def __init__(self, register: Register, seed: int, share: float) -> None:
        if not 0 <= share <= 1:
            raise BadInput(f"A share of {share} of the streets is none.", "A share is from 0 to 1.")
        self._timezone = ZoneInfo(register.timezone)
        self.full_hour: dict[str, int] = {}
        for cluster in register.clusters:
            rng = np.random.default_rng([seed, 91, zlib.crc32(cluster.encode())])
            if rng.random() < share:
                self.full_hour[cluster] = int(rng.choice(_FULL_HOURS))

    def refusal(self, cluster: str, at_s: float) -> VetoReason | None:
        """Return why a driver who comes there at a time drives on; None = he does not."""
        local = datetime.fromtimestamp(at_s, self._timezone)
        if local.weekday() < 5 and self.full_hour.get(cluster) == local.hour:
            return "blocked"
        return None
