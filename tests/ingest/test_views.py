"""Feeding the series store from the ledger."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from city.errors import Refused, TransientError, Unreachable
from ingest.cursor import Cursor
from ingest.dead_letters import DeadLetters
from ingest.gate import Accepted, judge
from ingest.views import SeriesFeed
from ledger import Ledger, LedgerReader
from store.series import BadPoint, BadPoints, Point, open_series
from store.sqlite_series import SQLiteSeries
from tests.ingest.town import NOW_S, arrival, chain, register, sealed


class FailingSeries(SQLiteSeries):
    """The real store, behind a line that a test can cut."""

    failure: Exception | None = None
    attempts = 0

    def write(self, points: Iterable[Point]) -> None:
        self.attempts += 1
        if self.failure:
            raise self.failure
        super().write(points)


class Town:
    """A ledger that can grow, and a feed of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.store = FailingSeries(folder / "series.sqlite")
        self.dead_letters = DeadLetters(folder / "dead-letters")
        self.bodies = chain(60)
        self.appended = 0
        self.feed = self.new_feed()

    def new_feed(self) -> SeriesFeed:
        return SeriesFeed(
            LedgerReader(self.folder / "ledger"),
            register,
            self.store,
            Cursor(self.folder / "cursor"),
            self.dead_letters,
            batch=7,
            retry_s=0.01,
            max_retry_s=0.05,
        )

    def grow(self, count: int) -> None:
        for content in self.bodies[self.appended : self.appended + count]:
            decision = judge(arrival(sealed(content)), register(), self.ledger)
            assert isinstance(decision, Accepted)
            self.ledger.append([decision.entry])
        self.ledger.commit()
        self.appended += count

    def stored(self) -> int:
        return len(self.store.keys("fill_ratio", 0.0, NOW_S * 2))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    one = Town(tmp_path)
    yield one
    one.ledger.close()
    one.store.close()


@pytest.fixture
def running(town: Town) -> Iterator[Town]:
    thread = threading.Thread(target=town.feed.run)
    thread.start()
    yield town
    town.feed.stop(5.0)
    thread.join(10)
    assert not thread.is_alive()


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_everything_is_fed_once_in_order(town: Town) -> None:
    town.grow(20)
    while town.feed.step():
        pass
    assert town.stored() == 40
    assert town.feed.status.position == 20
    assert town.feed.status.behind == 0
    assert town.store.latest("fill_ratio")["c-1"].value == 0.25 + 39 / 1e6


def test_a_new_feed_goes_on_where_the_old_one_was(town: Town) -> None:
    town.grow(10)
    town.feed.step()
    attempts = town.store.attempts
    again = town.new_feed()
    assert again.step()
    assert not again.step()
    assert town.store.attempts == attempts + 1
    assert town.stored() == 20


def test_a_lost_cursor_feeds_everything_anew_and_changes_nothing(town: Town) -> None:
    town.grow(10)
    while town.feed.step():
        pass
    (town.folder / "cursor").unlink()
    again = town.new_feed()
    while again.step():
        pass
    assert town.stored() == 20


def test_a_cursor_beyond_the_ledger_begins_anew(town: Town) -> None:
    town.grow(3)
    Cursor(town.folder / "cursor").move(1000)
    again = town.new_feed()
    assert again.step()
    assert town.stored() == 6


def test_a_store_that_is_away_is_tried_until_it_is_back(running: Town) -> None:
    running.grow(5)
    _until(lambda: running.stored() == 10)
    running.store.failure = Unreachable("The series store does not answer.", "Start it.", retry_after_s=0.01)
    running.grow(10)
    running.feed.wake()
    _until(lambda: running.feed.status.state == "retrying" and running.store.attempts > 4)
    assert running.stored() == 10
    assert running.feed.status.behind == 10
    assert "does not answer" in running.feed.status.last_error
    running.store.failure = None
    _until(lambda: running.stored() == 30)
    _until(lambda: running.feed.status.state == "running")
    assert running.feed.status.last_error == ""


def test_a_store_that_refuses_us_ends_the_feed_with_one_line(running: Town, caplog: pytest.LogCaptureFixture) -> None:
    running.store.failure = Refused("The series store answers 401.", "Give a token that may write.")
    running.grow(5)
    running.feed.wake()
    _until(lambda: running.feed.status.state == "stopped")
    attempts = running.store.attempts
    running.grow(5)
    running.feed.wake()
    time.sleep(0.1)
    assert running.store.attempts == attempts
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "401" in errors[0]
    assert "Give a token" in errors[0]
    running.store.failure = None
    running.feed.resume()
    _until(lambda: running.stored() == 20)
    _until(lambda: running.feed.status.state == "running")


def test_a_disk_that_takes_no_cursor_is_tried_until_it_does(running: Town) -> None:
    (running.folder / "cursor.new").mkdir()
    running.grow(5)
    running.feed.wake()
    _until(lambda: running.feed.status.state == "retrying")
    assert "cursor.new" in running.feed.status.last_error
    (running.folder / "cursor.new").rmdir()
    _until(lambda: running.feed.status.state == "running" and running.feed.status.behind == 0)
    assert running.stored() == 10
    assert Cursor(running.folder / "cursor").position == 5


def test_what_nobody_foresaw_ends_the_feed_and_not_the_process(running: Town) -> None:
    running.store.failure = ZeroDivisionError("really")
    running.grow(1)
    running.feed.wake()
    _until(lambda: running.feed.status.state == "stopped")
    assert "really" in running.feed.status.last_error


def test_points_that_a_store_never_takes_go_to_the_dead_letters(town: Town) -> None:
    bad = Point("c-1", "fill_ratio", 5, 0.1)
    town.store.failure = BadPoints([BadPoint(bad, "its type is another")])
    town.grow(2)
    assert town.feed.step()
    assert town.feed.status.bad_points == 1
    (letter,) = town.dead_letters.read()
    assert letter.reason == "store-refused-point"
    assert "its type is another" in letter.detail
    assert not town.feed.step()


def test_a_transient_failure_in_one_step_moves_nothing(town: Town) -> None:
    town.grow(2)
    town.store.failure = TransientError("busy")
    with pytest.raises(TransientError):
        town.feed.step()
    assert Cursor(town.folder / "cursor").position == 0


def test_a_damaged_ledger_ends_the_feed_and_names_the_file(running: Town) -> None:
    segment = next((running.folder / "ledger").glob("*.seg"))
    running.grow(3)
    _until(lambda: running.feed.status.position == 3)
    running.grow(3)
    data = bytearray(segment.read_bytes())
    data[-10] ^= 1
    segment.write_bytes(data)
    running.feed.wake()
    _until(lambda: running.feed.status.state == "stopped" or running.feed.status.position == 6)
    again = SeriesFeed(
        LedgerReader(running.folder / "ledger"),
        register,
        open_series(f"sqlite:///{running.folder / 'other.sqlite'}"),
        Cursor(running.folder / "other"),
        running.dead_letters,
    )
    thread = threading.Thread(target=again.run)
    thread.start()
    _until(lambda: again.status.state == "stopped")
    assert segment.name in again.status.last_error
    again.stop(0.0)
    thread.join(5)
