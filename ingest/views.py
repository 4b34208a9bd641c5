"""The ledger's rows into the series store, at the store's own pace."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from city.errors import PermanentError, TransientError
from city.readings import Row
from city.register import Register
from ingest.cursor import Cursor
from ingest.dead_letters import DeadLetter, DeadLetters
from ingest.rows import rows_of
from ledger import LedgerReader
from store.series import BadPoints, Point, SeriesStore

FeedState = Literal["running", "retrying", "stopped"]

_log = logging.getLogger(__name__)


class FeedStatus(NamedTuple):
    """How a feed is: `behind` entries of the ledger are not in the view, the oldest received at `behind_since_s`."""

    state: FeedState
    position: int
    behind: int
    behind_since_s: float | None
    points: int
    bad_points: int
    last_error: str


class SeriesFeed:
    """Feeds a series store from the ledger: what is not in the store yet is in the ledger, so it can take its time.

    A store that is away or busy, or a disk that takes no cursor, is tried again with jitter. A store that refuses us
    (credentials, a bucket that is not there) ends the feed with one line, because trying again cannot help; `resume`
    begins anew. Points that a store can never take go to the dead letters, the others are stored.

    Parameters
    ----------
    register
        Returns the register to use; asked for every entry, so that a reload counts from then on.
    batch
        Entries that are read, written and marked as done together.
    retry_s, max_retry_s
        Real seconds before the second attempt, and at most before any.
    """

    def __init__(
        self,
        reader: LedgerReader,
        register: Callable[[], Register],
        store: SeriesStore,
        cursor: Cursor,
        dead_letters: DeadLetters,
        *,
        batch: int = 200,
        retry_s: float = 0.5,
        max_retry_s: float = 30.0,
    ) -> None:
        self._reader = reader
        self._register = register
        self._store = store
        self._cursor = cursor
        self._dead_letters = dead_letters
        self._batch = batch
        self._retry_s = retry_s
        self._max_retry_s = max_retry_s
        self._attempt = 0
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._stop_at_s = float("inf")
        self._status = FeedStatus("running", cursor.position, 0, None, 0, 0, "")

    def step(self) -> bool:
        """Feed one batch; return whether there was one.

        Raises
        ------
        TransientError
            The store could not take it now; nothing has moved.
        PermanentError
            It can never be done as it is.
        """
        count = self._reader.count()
        position = self._cursor.position
        if position > count:
            _log.warning("The view was fed up to entry %d of a ledger that has %d: feeding it anew.", position, count)
            self._cursor.move(0)
            position = 0
        entries = self._reader.read(position, self._batch)
        self._note(behind=count - position, behind_since_s=entries[0].received_at_s if entries else None)
        if not entries:
            return False
        register = self._register()
        points = [point for entry in entries for row in rows_of(entry, register) for point in points_of(row)]
        bad = 0
        if points:
            try:
                self._store.write(points)
            except BadPoints as error:
                bad = len(error.culprits)
                self._put_aside(error, entries[-1].received_at_s)
        self._cursor.move(entries[-1].position + 1)
        self._note(
            position=self._cursor.position,
            behind=max(0, count - self._cursor.position),
            points=self._status.points + len(points) - bad,
            bad_points=self._status.bad_points + bad,
        )
        return True

    def run(self) -> None:
        """Feed until `stop`; what goes wrong is retried or said, and never raised."""
        while not self._is_over():
            if self._status.state == "stopped":
                self._note(behind=max(0, self._reader.count() - self._cursor.position))
                self._pause(1.0)
                continue
            try:
                fed = self.step()
            except TransientError as error:
                self._retry(error)
                continue
            except PermanentError as error:
                self._stopped(str(error))
                continue
            except OSError as error:
                # The cursor or a dead letter: a full disk passes.
                self._retry(TransientError(f"{error}.", "Free space on the disk, or look at it."))
                continue
            except Exception as error:
                _log.exception("Feeding the series store failed in a way that nobody foresaw.")
                self._stopped(repr(error))
                continue
            if self._status.state == "retrying":
                _log.info("The series store is fed again.")
                self._note(state="running", last_error="")
            self._attempt = 0
            if not fed:
                if self._ending.is_set():
                    return
                self._pause(0.5)

    def wake(self) -> None:
        """Say that there is more to read."""
        self._wake.set()

    def resume(self) -> None:
        """Try again now, also if the store had refused us."""
        if self._status.state == "stopped":
            self._note(state="retrying")
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Make `run` return when all is fed, or after `within_s` real seconds. May be called from any thread."""
        self._stop_at_s = time.monotonic() + within_s
        self._ending.set()
        self._wake.set()

    @property
    def status(self) -> FeedStatus:
        """How the feed is. May be asked from any thread."""
        return self._status

    def _is_over(self) -> bool:
        if not self._ending.is_set():
            return False
        return self._status.state != "running" or time.monotonic() >= self._stop_at_s

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _retry(self, error: TransientError) -> None:
        if self._status.state != "retrying":
            _log.warning("The series store cannot be fed now, and is tried again: %s", error)
        self._note(state="retrying", last_error=str(error))
        longest_s = max(error.retry_after_s, self._retry_s * 2 ** min(self._attempt, 16))
        self._attempt += 1
        delay_s = min(self._max_retry_s, longest_s) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        # A new entry in the ledger is no reason to try sooner; the end is.
        self._ending.wait(delay_s)

    def _stopped(self, why: str) -> None:
        _log.error("The series store is not fed any more: %s The ledger goes on; nothing is lost.", why)
        self._note(state="stopped", last_error=why)

    def _put_aside(self, error: BadPoints, at_s: float) -> None:
        self._dead_letters.keep(
            [
                DeadLetter(
                    at_s,
                    "noted",
                    "store-refused-point",
                    f"{point.quantity} of {point.entity} at {point.at_ms}, value {point.value}: {reason}",
                )
                for point, reason in error.culprits
            ]
        )

    def _note(self, **changes: object) -> None:
        self._status = self._status._replace(**changes)  # type: ignore[arg-type]


def points_of(row: Row) -> list[Point]:
    """Return a row as points, one per quantity; an unknown value stays unknown."""
    at_ms = round(row.at_s * 1000)
    return [Point(row.entity, name, at_ms, value, row.quality) for name, value in row.values.items()]
