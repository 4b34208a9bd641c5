"""The clock of a fleet: first the past, as fast as it can be played, then the city's."""

from city.clock import Clock


class FleetClock:
    """Stands while the past is played, and is the city's clock after `go_live`."""

    def __init__(self, live: Clock, now_s: float) -> None:
        self._live = live
        self._now_s = now_s
        self._is_live = False

    @property
    def speed_up(self) -> float:
        """See `Clock.speed_up`; the past passes as fast as it can."""
        return self._live.speed_up if self._is_live else 1e6

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return self._live.now_s() if self._is_live else self._now_s

    def real_s(self, city_s: float) -> float:
        """See `Clock.real_s`."""
        return self._live.real_s(city_s)

    def set(self, now_s: float) -> None:
        """Be at `now_s`, while the past is played."""
        self._now_s = now_s

    def go_live(self) -> None:
        """Follow the city's clock from now on."""
        self._is_live = True
