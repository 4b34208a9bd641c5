"""The oracle of what was produced: one line per reading, written once it stands in the outbox."""

import os
from collections.abc import Sequence
from typing import Self

from city.readings import Reading

HEADER = "device,log_id,n,channel,at_ms,real_time_s\n"
# Longer than any line.
_TAIL_BYTES = 1 << 16


class Witness:
    """A CSV file that several outboxes of one process share.

    A line follows the durable commit of its reading. So at any moment, also after a kill, every line must be found
    in the ledger or in an outbox.

    Parameters
    ----------
    path
        Made with a header if it is not there; else lines are added. A last line that a kill cut off is dropped:
        the next one must not be written into it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        drop_cut_line(path)
        self._file = open(path, "a", encoding="ascii", buffering=1 << 16)  # noqa: SIM115 - closed by close()
        if self._file.tell() == 0:
            self._file.write(HEADER)

    def saw(self, device: str, log_id: str, n0: int, readings: Sequence[Reading], real_time_s: float) -> None:
        """Write down that `readings` were committed as `n0` and the numbers after it."""
        self._file.write(
            "".join(
                f"{device},{log_id},{n},{one.channel},{one.at_ms},{real_time_s:.3f}\n"
                for n, one in enumerate(readings, n0)
            )
        )
        # To the operating system, so that a kill of this process loses no line.
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def drop_cut_line(path: str | os.PathLike[str]) -> None:
    """Cut a file of lines after its last whole line; a file that is not there is left so."""
    try:
        file = open(path, "r+b")  # noqa: SIM115 - closed by the with below
    except FileNotFoundError:
        return
    with file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _TAIL_BYTES))
        tail = file.read()
        file.truncate(end - len(tail) + tail.rfind(b"\n") + 1)
