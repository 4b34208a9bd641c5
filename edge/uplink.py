"""Sends one log of an outbox: a window of batches, and everything again from where ingest says it is.

Go-back-N. The acknowledgement from ingest is the only thing that moves the window; what the broker says about a
message is no proof that anything was stored. Nothing here waits or does I/O beyond the outbox: time is an argument and
`send` is called.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from city.readings import Log
from edge.outbox import Outbox, Outgoing

_logger = logging.getLogger(__name__)
# Several answers to one gap come together; the first has been acted on.
_REWIND_PAUSE_S = 1.0
_MAX_TIMEOUT_S = 300.0


class _InFlight(NamedTuple):
    end: int
    sent_s: float


class Uplink:
    """The way of one log to ingest.

    Parameters
    ----------
    send
        Hands a sealed body to the connection; False if there is none.
    window
        Batches that may be unacknowledged at once.
    ack_timeout_s
        Real seconds without progress after which the lowest unacknowledged batch is sent again. Doubles from time to
        time up to five minutes, and only that one batch goes until ingest answers: a broker that queues for an ingest
        that is down must not be filled with copies.
    """

    def __init__(
        self,
        outbox: Outbox,
        log: Log,
        send: Callable[[Outgoing], bool],
        *,
        window: int = 8,
        ack_timeout_s: float = 10.0,
    ) -> None:
        self._outbox = outbox
        self._log = log
        self._send = send
        self._window = window
        self._ack_timeout_s = ack_timeout_s
        self._in_flight: deque[_InFlight] = deque()
        self._next_n = outbox.head(log).kept_n
        self._is_probing = False
        self._timeout_s = ack_timeout_s
        self._deadline_s: float | None = None
        self._rewound_s = float("-inf")
        self._prepared: Outgoing | None = None
        self.resent = 0

    @property
    def deadline_s(self) -> float | None:
        """When `due` has something to do (real, monotonic seconds); None if nothing is under way."""
        return self._deadline_s

    @property
    def in_flight(self) -> int:
        """How many batches are unacknowledged."""
        return len(self._in_flight)

    def connected(self, now_s: float) -> None:
        """Begin anew at the lowest unacknowledged reading: nothing of an earlier connection is under way any more."""
        self._back(now_s)
        self._is_probing = False
        self._timeout_s = self._ack_timeout_s

    def disconnected(self) -> None:
        """Wait for the next connection."""
        self._in_flight.clear()
        self._deadline_s = None

    def pump(self, now_s: float, hold_boot: str = "", may_seal: bool = True) -> None:
        """Send while the window has room.

        Parameters
        ----------
        hold_boot
            See `Outbox.next_batch`.
        may_seal
            False = only what has been sent before; the rest still waits for company.
        """
        window = 1 if self._is_probing else self._window
        while len(self._in_flight) < window:
            batch, self._prepared = self._prepared, None
            if batch is None or batch.n0 != self._next_n:
                if not may_seal and self._next_n >= self._outbox.head(self._log).sealed_n:
                    return
                batch = self._outbox.next_batch(self._log, self._next_n, hold_boot=hold_boot)
            if batch is None or not self._send(batch):
                return
            self._next_n = batch.end
            self._in_flight.append(_InFlight(batch.end, now_s))
            if self._deadline_s is None:
                self._deadline_s = now_s + self._timeout_s

    def prepare(self, hold_boot: str = "") -> None:
        """Seal what `pump` would send first, inside a commit of the outbox: one commit then does for both."""
        head = self._outbox.head(self._log)
        if self._next_n == head.sealed_n < head.next_n and len(self._in_flight) < self._window and not self._is_probing:
            self._prepared = self._outbox.next_batch(self._log, self._next_n, hold_boot=hold_boot)

    def forget_prepared(self) -> None:
        """Forget what was prepared in a commit that failed."""
        self._prepared = None

    def acknowledged(self, n: int, now_s: float) -> None:
        """Follow ingest, which has every reading below `n` and waits for `n`."""
        head = self._outbox.head(self._log)
        if n > head.sealed_n:
            self._restart(f"ingest has {n} readings of it and we have sent {head.sealed_n}", now_s)
        elif n > head.kept_n:
            if self._outbox.acknowledge(self._log, head.log_id, n):
                self._progressed(n, now_s)
            else:
                # Ingest keeps whole batches, so it has had others of this log: a card lost what it had confirmed.
                self._restart(f"ingest has {n} readings of it, and none of our batches ends there", now_s)
        elif self._in_flight and now_s - max(self._rewound_s, self._in_flight[0].sent_s) >= _REWIND_PAUSE_S:
            # Below what is kept there is nothing to go back to: ingest sees that when we begin where we can.
            self._back(now_s)

    def due(self, now_s: float) -> None:
        """Send the lowest unacknowledged batch again if it has waited for too long."""
        if self._deadline_s is None or now_s < self._deadline_s:
            return
        self._back(now_s)
        self._is_probing = True
        self._timeout_s = min(_MAX_TIMEOUT_S, self._timeout_s * 2)

    def _progressed(self, n: int, now_s: float) -> None:
        while self._in_flight and self._in_flight[0].end <= n:
            self._in_flight.popleft()
        self._next_n = max(self._next_n, n)
        self._is_probing = False
        self._timeout_s = self._ack_timeout_s
        self._deadline_s = now_s + self._timeout_s if self._in_flight else None

    def _back(self, now_s: float) -> None:
        self.resent += len(self._in_flight)
        self._in_flight.clear()
        self._prepared = None
        self._deadline_s = None
        self._next_n = self._outbox.head(self._log).kept_n
        self._rewound_s = now_s

    def _restart(self, why: str, now_s: float) -> None:
        old = self._outbox.head(self._log).log_id
        new = self._outbox.restart(self._log)
        _logger.error(
            "%s: the log %s (%s) and ingest cannot meet any more: %s. What is kept goes on as log %s.",
            self._outbox.device,
            old,
            self._log,
            why,
            new,
        )
        self._back(now_s)
        self._is_probing = False
