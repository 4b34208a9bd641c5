"""Entries as rows."""

from city.devices import Installation
from city.readings import ReadingKey
from ingest.gate import Accepted, judge
from ingest.rows import rows_of
from ledger import Entry, Head, NewEntry, Recent
from ledger.entry import entry_of
from tests.ingest.town import NOW_S, arrival, body, reading, register, sealed


class _Nothing:
    """A ledger that has nothing."""

    def head(self, device: str, log_id: str) -> Head | None:
        return None

    def recent(self, device: str, log_id: str) -> list[Recent]:
        return []

    def entry(self, recent: Recent) -> Entry:
        raise KeyError(recent)


def _entry(*readings: object, n0: int = 0) -> Entry:
    message = sealed(body(readings, n0))  # type: ignore[arg-type]
    decision = judge(arrival(message), register(), _Nothing(), allow_gap=True)
    assert isinstance(decision, Accepted)
    return entry_of(decision.entry, 0, bytes(32))


def test_a_row_says_what_was_measured_of_what_and_when() -> None:
    (row,) = rows_of(_entry(reading(values={"fill_ratio": 0.5, "distance_mm": None}, at_s=NOW_S - 5)), register())
    assert row.key == ReadingKey("node-1", "log-a", 0)
    assert (row.entity, row.kind, row.at_s, row.received_at_s) == ("c-1", "fill", NOW_S - 5, NOW_S)
    assert row.values == {"fill_ratio": 0.5, "distance_mm": None}
    assert (row.quality, row.signed, row.subject) == ("good", True, None)


def test_readings_that_mean_nothing_have_no_row_and_the_others_keep_their_numbers() -> None:
    entry = _entry(reading(0), reading(channel="c9"), reading(at_s=NOW_S + 999), reading(3), n0=7)
    assert [row.key.n for row in rows_of(entry, register())] == [7, 10]


def test_an_impossible_value_is_unknown_and_makes_the_row_suspect() -> None:
    (row,) = rows_of(_entry(reading(values={"fill_ratio": 9.0, "distance_mm": 100.0})), register())
    assert row.values == {"fill_ratio": None, "distance_mm": 100.0}
    assert row.quality == "suspect"


def test_a_quantity_that_nobody_knows_is_left_out() -> None:
    (row,) = rows_of(_entry(reading(values={"fill_ratio": 0.1, "charm": 1.0})), register())
    assert row.values == {"fill_ratio": 0.1}
    assert rows_of(_entry(reading(values={"charm": 1.0})), register()) == []


def test_a_moved_device_speaks_of_the_place_where_it_stood_then() -> None:
    moved_at_s = NOW_S - 100
    known = register()
    known = type(known)(
        known.city,
        known.timezone,
        clusters=known.clusters.values(),
        containers=known.containers.values(),
        devices=known.devices.values(),
        installations=[
            Installation("node-1", "c1", "c-1", 0.0, moved_at_s),
            Installation("node-1", "c1", "c-2", moved_at_s),
        ],
    )
    entry = _entry(reading(at_s=moved_at_s - 1), reading(at_s=moved_at_s))
    assert [row.entity for row in rows_of(entry, known)] == ["c-1", "c-2"]


def test_a_later_register_places_what_an_earlier_one_could_not() -> None:
    entry = _entry(reading(channel="c9"))
    assert rows_of(entry, register()) == []
    later = register(more=[Installation("node-1", "c9", "c-2", 0.0)])
    assert [row.entity for row in rows_of(entry, later)] == ["c-2"]


def test_a_plain_reading_without_time_was_measured_when_it_arrived() -> None:
    message = b'{"channel":"c2","kind":"fill","values":{"fill_ratio":0.5}}'
    new = NewEntry(NOW_S, "plain", "bare", "plain", 4, 1, False, "", message)
    (row,) = rows_of(entry_of(new, 0, bytes(32)), register())
    assert (row.key.n, row.entity, row.at_s, row.signed) == (4, "c-2", NOW_S, False)


def test_a_body_that_cannot_be_read_has_no_rows() -> None:
    new = NewEntry(NOW_S, "readings", "node-1", "log-a", 0, 1, True, "", sealed(b"no body"))
    assert rows_of(entry_of(new, 0, bytes(32)), register()) == []
