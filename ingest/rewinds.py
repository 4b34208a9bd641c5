"""Asking a device to go back, and knowing when it cannot."""

from typing import Literal, NamedTuple

Answer = Literal["ask", "wait", "accept"]


class _Asked(NamedTuple):
    expected: int
    lowest: int
    times: int
    at_s: float


class Rewinds:
    """How often each log was asked to go back to the number that is missing.

    A device that is asked sends from its lowest unacknowledged reading. If that is still above the missing one after
    `patience` times, it has no longer what is missing (its ledger was restored from an older copy, or its outbox lost
    its beginning), and refusing what it has would keep all that follows from the ledger for ever. So the gap is
    accepted then; it stays visible in the ledger.

    Parameters
    ----------
    interval_s
        Real seconds between two askings of one log: what is under way meanwhile is no answer.
    patience
        Askings that must be answered from above before the gap is accepted. Our own agent gives up sooner, and begins
        a new log with what it has; this is for those that do not.
    """

    def __init__(self, interval_s: float = 1.0, patience: int = 8) -> None:
        self._interval_s = interval_s
        self._patience = patience
        self._asked: dict[tuple[str, str], _Asked] = {}

    def answer(self, device: str, log_id: str, expected: int, offered: int, elapsed_s: float) -> Answer:
        """Return what to do about a batch that begins at `offered` where `expected` is next in line.

        Parameters
        ----------
        elapsed_s
            Real seconds that never run backwards.
        """
        key = (device, log_id)
        asked = self._asked.get(key)
        if asked is None or asked.expected != expected or offered < asked.lowest:
            self._asked[key] = _Asked(expected, offered, 1, elapsed_s)
            return "ask"
        if elapsed_s - asked.at_s < self._interval_s or offered > asked.lowest:
            return "wait"
        if asked.times >= self._patience:
            del self._asked[key]
            return "accept"
        self._asked[key] = asked._replace(times=asked.times + 1, at_s=elapsed_s)
        return "ask"

    def forget(self, device: str, log_id: str) -> None:
        """Forget a log that is in line again."""
        self._asked.pop((device, log_id), None)
