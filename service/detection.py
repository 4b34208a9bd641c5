"""The loop that reads the ledger: rows to the models, incidents to the desk, a new snapshot after every look."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from city.clock import Clock
from city.errors import TransientError
from city.findings import Finding, Incident
from city.readings import Row
from city.register import Register
from ingest.rows import rows_of
from ledger import Entry
from ledger.reader import LedgerReader
from service.decision_rows import decision_rows
from service.detectors import Detectors
from service.incidents import IncidentBook
from service.snapshot import Snapshot
from store.desk import Desk, TrailEntry

logger = logging.getLogger(__name__)

CATCH_UP_ENTRIES = 1000
_SNAPSHOT_EVERY_S = 1.0
_ALL = 1_000_000
# Real seconds until what failed is tried again.
_RETRY_S = 2.0


class DetectionLoop:
    """One thread from the ledger to snapshot and desk.

    Everything that was in the ledger at the start is read before the service calls itself ready; a page shows how
    far that is. Incidents found on the way go to the desk only then, each once, as they are after all of it. What
    people decided about incidents is fed among the entries at the time at which they did, from the trail of the desk.

    Parameters
    ----------
    on_snapshot
        Called from this thread with every new snapshot and the incidents that changed.
    """

    def __init__(
        self,
        reader: LedgerReader,
        register: Register,
        detectors: Detectors,
        desk: Desk,
        clock: Clock,
        *,
        tick_s: float,
        on_snapshot: Callable[[Snapshot, list[Incident]], None],
    ) -> None:
        self._reader = reader
        self._register = register
        self._detectors = detectors
        self._book = IncidentBook(register)
        self._desk = desk
        self._clock = clock
        self._tick_s = tick_s
        self._on_snapshot = on_snapshot
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="detection", daemon=True)
        self._unwritten: dict[str, Incident] = {}
        self._decisions: deque[Row] = deque()
        self._position = 0
        self.fault = ""
        self.skipped = 0
        self.skipped_because = ""

    @property
    def position(self) -> int:
        """How many entries of the ledger have been read."""
        return self._position

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def decided(self, incident: Incident) -> None:
        """Let the detectors learn from what a person has just decided about an incident."""
        # Appending is all that another thread does; the newest decision is the last in time.
        self._decisions.extend(decision_rows(self._desk.trail(1, incident.id), {incident.id: incident}))

    def vetoed(self, said: TrailEntry) -> None:
        """Let everybody know that a place was not served, as the desk has just written down."""
        self._decisions.extend(decision_rows([said], {}))

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        is_caught_up = False
        while not self._stop.is_set():
            began_s = time.monotonic()
            more = False
            try:
                if not is_caught_up:
                    self._catch_up()
                    is_caught_up = True
                more = self._tick()
            except Exception as error:
                # The page keeps answering with what is known, and says in /v1/health that it is getting old.
                said = str(error) or type(error).__name__
                if said != self.fault:
                    logger.exception("Detection waits; it is tried again.")
                self.fault = said
                self._stop.wait(_RETRY_S)
            if not more:
                self._stop.wait(max(0.0, self._tick_s - (time.monotonic() - began_s)))

    def _catch_up(self) -> None:
        entries = self._reader.count()
        if self._position == 0:
            known = {one.id: one for one in self._desk.incidents(limit=_ALL)}
            self._decisions = deque(decision_rows(self._desk.trail(_ALL), known))
        shown_s = 0.0
        while self._position < entries and not self._stop.is_set():
            self._take(CATCH_UP_ENTRIES)
            if time.monotonic() - shown_s > _SNAPSHOT_EVERY_S:
                self._show([], entries, ready=False)
                shown_s = time.monotonic()
        if entries:
            logger.info("The ledger's %d entries are read; detection is up to date.", entries)
        self._compare_with_desk()

    def _tick(self) -> bool:
        taken = self._take(CATCH_UP_ENTRIES)
        if not taken:
            self._feed_decisions(self._clock.now_s())
        written, fault = self._write_down()
        self._show(written, self._reader.count(), ready=True)
        self.fault = fault
        return taken == CATCH_UP_ENTRIES

    def _take(self, limit: int) -> int:
        entries = self._reader.read(self._position, limit)
        if not entries:
            return 0
        first = 0
        for last, entry in enumerate(entries):
            if self._decisions and self._decisions[0].at_s < entry.received_at_s:
                self._feed(entries[first:last])
                self._feed_decisions(entry.received_at_s)
                first = last
        self._feed(entries[first:])
        return len(entries)

    def _feed_decisions(self, at_s: float) -> None:
        decisions = self._decisions_until(at_s)
        try:
            self._note(self._detectors.feed(decisions, at_s))
        except Exception as error:
            if not decisions:
                raise
            self.skipped += 1
            self.skipped_because = str(error) or type(error).__name__
            logger.exception("%d decisions are left out of detection.", len(decisions))

    def _decisions_until(self, at_s: float) -> list[Row]:
        due = []
        while self._decisions and self._decisions[0].at_s < at_s:
            due.append(self._decisions.popleft())
        return due

    def _feed(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self._position = entries[-1].position + 1
        rows: list[Row] = []
        for entry in entries:
            rows += rows_of(entry, self._register)
        try:
            self._note(self._detectors.feed(rows, entries[-1].received_at_s))
        except Exception as error:
            # One entry that a model cannot take must not blind the city: it is left out, and the health check says so.
            # Models pass over rows that they have had, so that the others may be given to them again.
            if len(entries) > 1:
                for entry in entries:
                    self._feed([entry])
                return
            self.skipped += 1
            self.skipped_because = str(error) or type(error).__name__
            logger.exception("Entry %d is left out of detection.", entries[0].position)

    def _note(self, findings: list[Finding]) -> None:
        for incident in self._book.take(findings):
            self._unwritten[incident.id] = incident

    def _compare_with_desk(self) -> None:
        """After a start: write only what the desk does not have yet, and end what nothing says any more."""
        lasting = {one.id for one in self._book.lasting}
        kept = self._desk.incidents(limit=_ALL)
        for known in kept:
            is_strange = known.cleared_at_s is None and known.id not in lasting
            if is_strange and (adopted := self._book.adopt(known)):
                incident, former = adopted
                lasting.discard(former)
                self._unwritten.pop(former, None)
                self._unwritten[incident.id] = incident
                lasting.add(incident.id)
        for known in kept:
            said = self._unwritten.get(known.id)
            if said is not None and _undecided(said) == _undecided(known):
                del self._unwritten[known.id]
            elif said is None and known.cleared_at_s is None and known.id not in lasting:
                over = msgspec.structs.replace(known, cleared_at_s=self._clock.now_s(), status="closed")
                self._unwritten[known.id] = over

    def _write_down(self) -> tuple[list[Incident], str]:
        """Return the incidents that the desk has taken, and what is wrong with it, if anything is."""
        written: list[Incident] = []
        fault = ""
        for incident in list(self._unwritten.values()):
            try:
                written.append(self._desk.put_incident(incident))
            except TransientError as error:
                fault = str(error)
                logger.warning("The desk does not take incidents now: %s", error)
                break
            except Exception as error:
                fault = f"Incident {incident.id} cannot be kept: {error}"
                logger.exception("Incident %s cannot be kept.", incident.id)
            del self._unwritten[incident.id]
        return written, fault

    def _show(self, incidents: list[Incident], entries: int, *, ready: bool) -> None:
        snapshot = self._detectors.snapshot(self._clock.now_s(), self._position, entries, ready)
        self._on_snapshot(snapshot, incidents)


def _undecided(incident: Incident) -> Incident:
    """Return what the detectors said of an incident, without what people decided about it."""
    return msgspec.structs.replace(incident, status="open", decided_by="", decided_at_s=None, note="")
