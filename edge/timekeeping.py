"""Whether the time of this machine can be believed, and which run of the operating system this is.

A Raspberry Pi has no battery for its clock: it starts where it stopped, or in 1970, until a time server has answered.
"""

import ctypes
import uuid
from pathlib import Path
from typing import Protocol

# Before this, the clock cannot be right: the program is younger.
EARLIEST_S = 1_704_067_200.0  # 2024-01-01
_TIME_ERROR = 5
_TIMEX_BYTES = 512


class TimeSense(Protocol):
    """Says whether the wall clock is right."""

    def is_synchronised(self, now_s: float) -> bool:
        """Whether `now_s`, which the wall clock shows, can be believed."""
        ...


class Trusted:
    """The clock is right: it has a battery, or it is a simulation's."""

    def is_synchronised(self, now_s: float) -> bool:
        """See `TimeSense.is_synchronised`."""
        return True


class KernelTime:
    """Asks the kernel, whichever time daemon keeps it.

    References
    ----------
    adjtimex(2): ``TIME_ERROR`` while the clock is not synchronised.
    """

    def is_synchronised(self, now_s: float) -> bool:
        """See `TimeSense.is_synchronised`."""
        return now_s >= EARLIEST_S and _kernel_is_synchronised()


def boot_id() -> str:
    """Return the id of this run of the operating system; a new one each call where the system has none."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        text = ""
    return text or str(uuid.uuid4())


def _kernel_is_synchronised() -> bool:
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return True
    # All zero asks without changing anything; the structure is smaller than this.
    state: int = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return state not in (-1, _TIME_ERROR)
