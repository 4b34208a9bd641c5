"""An ultrasonic distance sensor above the waste (HC-SR04 and its kin)."""

import time
from collections.abc import Callable
from importlib import import_module

from city.errors import MissingPart
from city.readings import ReadingKind
from edge.driver import Measurement
from edge.geometry import DepthTable, check_depth_table, fill_from_distance
from edge.ultrasonic import measure_distance

Ping = Callable[[], float | None]
# After this no echo comes any more: 6 m away and back.
_LONGEST_ECHO_S = 0.036
# Shorter, and a ping hears the echo of the one before.
_BETWEEN_PINGS_S = 0.06


class UltrasonicDriver:
    """Measures the fill of one container; the raw distance is kept beside it.

    Parameters
    ----------
    channel
        Of the device.
    ping
        Sends one ping and returns the seconds until its echo, None if none came (`gpio_ping`).
    depth_mm, depth_table
        The container's geometry, see `edge.geometry.fill_from_distance`.
    interval_s
        City seconds between two measurements.
    temperature_c
        Returns the temperature of the air in the shaft, None if it is unknown.
    is_open
        Whether the lid is open or the container tilted: then nothing is measured.
    """

    kind: ReadingKind = "fill"

    def __init__(
        self,
        channel: str,
        ping: Ping,
        depth_mm: float,
        depth_table: DepthTable = (),
        *,
        interval_s: float = 600.0,
        temperature_c: Callable[[], float | None] = lambda: None,
        is_open: Callable[[], bool] = lambda: False,
    ) -> None:
        if depth_table:
            check_depth_table(depth_table)
        self.channel = channel
        self.interval_s = interval_s
        self._ping = ping
        self._depth_mm = depth_mm
        self._depth_table = depth_table
        self._temperature_c = temperature_c
        self._is_open = is_open

    def read(self, now_s: float) -> Measurement | None:
        """Return fill and distance; both unknown if too few echoes came, the fill alone if it cannot be waste."""
        if self._is_open():
            return None
        distance_mm = measure_distance(self._ping, self._temperature_c())
        if distance_mm is None:
            return Measurement({"fill_ratio": None, "distance_mm": None})
        fill_ratio = fill_from_distance(distance_mm, self._depth_mm, self._depth_table)
        return Measurement(
            {
                "fill_ratio": None if fill_ratio is None else round(fill_ratio, 4),
                "distance_mm": round(distance_mm, 1),
            },
            quality="suspect" if fill_ratio is None else "good",
        )


def gpio_ping(trigger_pin: int, echo_pin: int) -> Ping:
    """Return the ping of a sensor on two GPIO pins (BCM numbers).

    Raises
    ------
    MissingPart
        gpiozero is not installed, or there are no such pins here.
    """
    try:
        gpiozero = import_module("gpiozero")
    except ImportError:
        raise MissingPart(
            "The driver 'ultrasonic' needs the package gpiozero.", "Run: pip install gpiozero lgpio"
        ) from None
    try:
        trigger = gpiozero.DigitalOutputDevice(trigger_pin)
        echo = gpiozero.DigitalInputDevice(echo_pin)
    except gpiozero.GPIOZeroError as error:
        raise MissingPart(
            f"The pins {trigger_pin} and {echo_pin} cannot be used: {error}.", "Check the wiring and the pin numbers."
        ) from None

    def ping() -> float | None:
        time.sleep(_BETWEEN_PINGS_S)
        trigger.on()
        time.sleep(0.00001)
        trigger.off()
        if not echo.wait_for_active(_LONGEST_ECHO_S):
            return None
        begin_s = time.perf_counter()
        if not echo.wait_for_inactive(_LONGEST_ECHO_S):
            return None
        return time.perf_counter() - begin_s

    return ping
