"""The ingest process: receiver and feed of one city, from start to an orderly end."""

import contextlib
import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from broker.client import Loop, MqttClient
from city.clock import Clock
from city.errors import RondeError
from city.register_files import read_register
from ingest.cursor import Cursor
from ingest.dead_letters import DeadLetters
from ingest.receiver import Receiver
from ingest.status import STATUS_NAME, IngestStatus, ViewStatus, write_status
from ingest.views import FeedStatus, SeriesFeed
from ledger import Ledger, LedgerReader
from store.series import open_series

STATUS_EVERY_S = 1.0
_FEED_END_S = 10.0

_log = logging.getLogger(__name__)


class Options(NamedTuple):
    """What the process is told: see ``python -m ingest --help``."""

    data: Path
    host: str
    port: int
    series: str
    series_token: str | None
    clock: Clock
    ready_file: Path | None
    wait_s: float


def run(options: Options) -> None:
    """Receive and feed until SIGTERM or SIGINT; SIGHUP reads the register again and wakes a stopped feed.

    Raises
    ------
    RondeError
        It cannot start (register, ledger, broker, store), or the ledger's disk failed; the text says what mends it.
    """
    register = read_register(options.data / "register")
    signals = _Signals()
    with (
        signals.caught(),
        Ledger(options.data / "ledger") as ledger,
        contextlib.closing(Loop()) as loop,
        contextlib.closing(DeadLetters(options.data / "dead-letters")) as dead_letters,
    ):
        client = MqttClient(
            options.host,
            options.port,
            f"ronde-ingest-{register.city}",
            clean=False,
            manual_ack=True,
            max_retry_s=5.0,
        )
        signals.wake = loop.wake
        receiver = Receiver(loop, client, ledger, register, dead_letters, options.clock)
        with _feeding(options, receiver, dead_letters) as feed:
            loop.add(client)
            loop.wait_connected(client, options.wait_s)
            watch = _Watch(options, register.city, client, ledger, receiver, feed)
            watch.write()
            if options.ready_file:
                _say_ready(options.ready_file)
            _log.info("Ingest of %s: %d entries in the ledger.", register.city, ledger.count)
            try:
                _go_on(options, signals, receiver, feed, watch)
            finally:
                watch.write()
            feed.stop(_FEED_END_S)
    watch.write(is_over=True)


def _go_on(options: Options, signals: "_Signals", receiver: Receiver, feed: SeriesFeed, watch: "_Watch") -> None:
    while not signals.ended:
        if receiver.step():
            feed.wake()
        watch.write_when_due()
        if signals.hung_up:
            signals.hung_up = False
            _reload(options, receiver)
            feed.resume()
    receiver.finish()
    _log.info("Ingest ends: what was received is in the ledger.")


def _reload(options: Options, receiver: Receiver) -> None:
    try:
        register = read_register(options.data / "register")
    except RondeError as error:
        _log.error("The register is not read again, the old one stays in use: %s", error)
        return
    if register.city != receiver.register.city:
        _log.error("The register is now one of %r: start ingest again for another city.", register.city)
        return
    receiver.use_register(register)
    _log.info("The register was read again: %d devices.", len(register.devices))


@contextlib.contextmanager
def _feeding(options: Options, receiver: Receiver, dead_letters: DeadLetters) -> Iterator[SeriesFeed]:
    cursor = Cursor(options.data / "cursors" / f"series-{hashlib.sha256(options.series.encode()).hexdigest()[:16]}")
    file = options.series.removeprefix("sqlite:///")
    if cursor.position and file != options.series and not Path(file).exists():
        # Whoever deletes the view wants it made again.
        _log.info("The series store is gone: it is made again from the ledger.")
        cursor.move(0)
    with open_series(options.series, options.series_token) as store:
        reader = LedgerReader(options.data / "ledger")
        feed = SeriesFeed(reader, lambda: receiver.register, store, cursor, dead_letters)
        thread = threading.Thread(target=feed.run, name="series-feed")
        thread.start()
        try:
            yield feed
        except BaseException:
            feed.stop(0.0)
            raise
        finally:
            thread.join()


class _Signals:
    """What the process was told while it ran."""

    def __init__(self) -> None:
        self.ended = False
        self.hung_up = False
        self.wake: Callable[[], None] = _nothing

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        before = {one: signal.signal(one, self._handle) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.hung_up = True
        else:
            self.ended = True
        self.wake()


class _Watch:
    """Writes the status file."""

    def __init__(
        self, options: Options, city: str, client: MqttClient, ledger: Ledger, receiver: Receiver, feed: SeriesFeed
    ) -> None:
        self._path = options.data / STATUS_NAME
        self._clock = options.clock
        self._city = city
        self._client = client
        self._ledger = ledger
        self._receiver = receiver
        self._feed = feed
        self._started_at_s = options.clock.now_s()
        self._due_s = 0.0

    def write_when_due(self) -> None:
        if time.monotonic() >= self._due_s:
            self.write()

    def write(self, *, is_over: bool = False) -> None:
        self._due_s = time.monotonic() + STATUS_EVERY_S
        now_s = self._clock.now_s()
        status = IngestStatus(
            city=self._city,
            at_s=now_s,
            started_at_s=self._started_at_s,
            pid=0 if is_over else os.getpid(),
            connected=self._client.is_connected,
            broker_error=self._client.last_error,
            ledger_entries=self._ledger.count,
            ledger_error=self._receiver.ledger_error,
            unacknowledged=self._receiver.unacknowledged,
            delay_ms=round(self._receiver.delay_ms, 1),
            counters=self._receiver.counters,
            series=_view_status(self._feed.status, now_s),
        )
        try:
            write_status(self._path, status)
        except OSError as error:
            # A full disk shows in what it keeps from being committed; the status is not worth ending for.
            _log.debug("The status cannot be written: %s", error)


def _view_status(feed: FeedStatus, now_s: float) -> ViewStatus:
    behind_s = max(0.0, now_s - feed.behind_since_s) if feed.behind and feed.behind_since_s is not None else 0.0
    return ViewStatus(
        feed.state, feed.position, feed.behind, round(behind_s, 1), feed.points, feed.bad_points, feed.last_error
    )


def _say_ready(path: Path) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(f"{os.getpid()}\n", encoding="ascii")
    temporary.replace(path)


def _nothing() -> None:
    """Wake nobody: there is no loop yet."""
