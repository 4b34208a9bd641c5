"""Time series in one SQLite file: nothing to install, one process writes while others read."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from city.errors import BadFile, TransientError
from store.points import CODES, QUALITIES, QUALITY_NAMES, sift
from store.series import HOUR_MS, BadPoints, Hour, Point, Sample, Series, check_store

_VERSION = 1
_IDLE_READERS = 4

_SCHEMA = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    quantity TEXT NOT NULL,
    entity TEXT NOT NULL,
    UNIQUE (quantity, entity)
);
CREATE TABLE point (
    series INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL,
    PRIMARY KEY (series, at_ms)
) WITHOUT ROWID;
CREATE TABLE hour (
    series INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    n INTEGER NOT NULL,
    total REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (series, hour)
) WITHOUT ROWID;
"""

_PUT_POINT = """
INSERT INTO point (series, at_ms, value, quality) VALUES (?, ?, ?, ?)
ON CONFLICT (series, at_ms) DO UPDATE SET value = coalesce(excluded.value, value), quality = excluded.quality
"""

# Figures of an hour are taken from its points, never added up write by write: a repeated or corrected point cannot
# count twice, and the order of arrival cannot show.
_PUT_HOUR = """
INSERT OR REPLACE INTO hour (series, hour, n, total, low, high, last)
SELECT * FROM (
    SELECT ?1, ?2, count(*) AS n, total(value), min(value), max(value), (
        SELECT value FROM point
        WHERE series = ?1 AND at_ms >= ?3 AND at_ms < ?4 AND value IS NOT NULL ORDER BY at_ms DESC LIMIT 1
    )
    FROM point WHERE series = ?1 AND at_ms >= ?3 AND at_ms < ?4 AND value IS NOT NULL
) WHERE n > 0
"""


class SQLiteSeries:
    """See `store.series.SeriesStore`; times and hours are kept as whole ms and whole hours since 1970.

    Parameters
    ----------
    path
        The file; it and its folder are made if they are not there.
    busy_s
        How long to wait for another process that writes, before `TransientError`.

    Raises
    ------
    BadFile
        The file cannot be opened, is no series store, or is one of another version.
    """

    def __init__(self, path: Path, busy_s: float = 10.0) -> None:
        self._path = path
        self._busy_s = busy_s
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._ids: dict[tuple[str, str], int] = {}
        with self._explained():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadFile(str(error), "Choose a folder that can be written.", file=str(path)) from None
            self._writer = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise

    def write(self, points: Iterable[Point]) -> None:
        """See `SeriesStore.write`; one call is one transaction."""
        good, bad = sift(points)
        if good:
            with self._lock, self._explained(), _transaction(self._writer) as db:
                new = self._new_ids(db, {(p.quantity, p.entity) for p in good})
                ids = self._ids | new if new else self._ids
                rows = [(ids[p.quantity, p.entity], p.at_ms, p.value, CODES[p.quality]) for p in good]
                db.executemany(_PUT_POINT, rows)
                hours = {(row[0], row[1] // HOUR_MS) for row in rows if row[2] is not None}
                db.executemany(_PUT_HOUR, [(i, h, h * HOUR_MS, (h + 1) * HOUR_MS) for i, h in sorted(hours)])
            self._ids.update(new)
        if bad:
            raise BadPoints(bad)

    def latest(self, quantity: str, entities: Iterable[str] | None = None) -> dict[str, Sample]:
        """See `SeriesStore.latest`."""
        which, arguments = _of(entities)
        rows = self._rows(
            f"""
            SELECT s.entity, p.at_ms, p.value, p.quality FROM series s
            JOIN point p ON p.series = s.id AND p.at_ms = (SELECT max(at_ms) FROM point WHERE series = s.id)
            WHERE s.quantity = ? {which}
            """,  # noqa: S608 - `which` is one of two constants
            (quantity, *arguments),
        )
        return {entity: Sample(at_ms / 1000, value, QUALITIES[code]) for entity, at_ms, value, code in rows}

    def window(self, entity: str, quantity: str, start_s: float, end_s: float) -> Series:
        """See `SeriesStore.window`."""
        return self.windows([entity], quantity, start_s, end_s)[entity]

    def windows(self, entities: Iterable[str], quantity: str, start_s: float, end_s: float) -> dict[str, Series]:
        """See `SeriesStore.windows`."""
        asked = list(entities)
        found: dict[str, list[tuple[int, float | None, int]]] = {entity: [] for entity in asked}
        which, arguments = _of(asked)
        for entity, *row in self._rows(
            f"""
            SELECT s.entity, p.at_ms, p.value, p.quality FROM series s JOIN point p ON p.series = s.id
            WHERE s.quantity = ? AND p.at_ms >= ? AND p.at_ms < ? {which} ORDER BY p.series, p.at_ms
            """,  # noqa: S608 - `which` is one of two constants
            (quantity, _ms(start_s), _ms(end_s), *arguments),
        ):
            found[entity].append((row[0], row[1], row[2]))
        return {entity: _series(rows) for entity, rows in found.items()}

    def hourly(self, entities: Iterable[str] | None, quantity: str, start_s: float, end_s: float) -> list[Hour]:
        """See `SeriesStore.hourly`."""
        which, arguments = _of(entities)
        rows = self._rows(
            f"""
            SELECT s.entity, h.hour * 3600.0, h.n, h.total, h.low, h.high, h.last
            FROM series s JOIN hour h ON h.series = s.id
            WHERE s.quantity = ? AND h.hour >= ? AND h.hour < ? {which} ORDER BY s.entity, h.hour
            """,  # noqa: S608 - `which` is one of two constants
            (quantity, _ms(start_s) // HOUR_MS, -(-_ms(end_s) // HOUR_MS), *arguments),
        )
        return [Hour(*row) for row in rows]

    def keys(self, quantity: str, start_s: float, end_s: float) -> set[tuple[str, int]]:
        """See `SeriesStore.keys`."""
        return set(
            self._rows(
                """
                SELECT s.entity, p.at_ms FROM series s JOIN point p ON p.series = s.id
                WHERE s.quantity = ? AND p.at_ms >= ? AND p.at_ms < ?
                """,
                (quantity, _ms(start_s), _ms(end_s)),
            )
        )

    def check(self) -> None:
        """See `SeriesStore.check`."""
        check_store(self)

    def close(self) -> None:
        """See `SeriesStore.close`."""
        with self._lock, self._idle_lock:
            self._writer.close()
            while self._idle:
                self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _connect(self) -> sqlite3.Connection:
        # isolation_level None: transactions begin where `_transaction` says so, and nowhere else.
        db = sqlite3.connect(self._path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        # The feed moves its cursor after a write: only FULL keeps the write through a power cut in WAL mode.
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")
        return db

    def _prepare(self) -> None:
        db = self._writer
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            with _transaction(db):
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in filter(str.strip, _SCHEMA.split(";")):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {_VERSION}")
                elif version != _VERSION:
                    raise BadFile(
                        f"This is no series store of version {_VERSION}.",
                        "Name another file, or remove this one: the series are rebuilt from the ledger.",
                        file=str(self._path),
                    )
        self._ids = {(q, e): i for i, q, e in db.execute("SELECT id, quantity, entity FROM series")}

    def _new_ids(self, db: sqlite3.Connection, names: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
        new = [name for name in names if name not in self._ids]
        db.executemany("INSERT OR IGNORE INTO series (quantity, entity) VALUES (?, ?)", sorted(new))
        find = "SELECT id FROM series WHERE quantity = ? AND entity = ?"
        return {name: db.execute(find, name).fetchone()[0] for name in new}

    def _rows(self, query: str, arguments: tuple[object, ...]) -> list[Any]:
        with self._explained():
            with self._idle_lock:
                db = self._idle.pop() if self._idle else None
            db = db or self._connect()
            try:
                return db.execute(query, arguments).fetchall()
            finally:
                with self._idle_lock:
                    if len(self._idle) < _IDLE_READERS:
                        self._idle.append(db)
                    else:
                        db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise TransientError(f"{self._path} is busy: another process is writing to it.") from error
            if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise TransientError(
                    f"{self._path} cannot be written: {error}.", "Free space on the disk; nothing is lost.", 5.0
                ) from error
            raise BadFile(
                str(error), "See that the folder is there and that this user may write it.", file=str(self._path)
            ) from error
        except sqlite3.DatabaseError as error:
            raise BadFile(
                f"This is no SQLite file, or it is damaged ({error}).",
                "Name another file, or remove this one: the series are rebuilt from the ledger.",
                file=str(self._path),
            ) from error


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _of(entities: Iterable[str] | None) -> tuple[str, tuple[str, ...]]:
    # One JSON argument, because SQLite bounds the number of arguments.
    if entities is None:
        return "", ()
    return "AND s.entity IN (SELECT value FROM json_each(?))", (json.dumps(list(entities)),)


def _ms(at_s: float) -> int:
    return round(at_s * 1000)


def _series(rows: list[tuple[int, float | None, int]]) -> Series:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Series(columns[:, 0] / 1000, columns[:, 1].copy(), QUALITY_NAMES[columns[:, 2].astype(np.intp)])
