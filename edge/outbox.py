"""The outbox: what was measured and is not in the ledger yet.

SQLite in WAL mode with ``synchronous=FULL``: when `Outbox.append` returns, the readings survive a power cut. They leave
only when ingest says that they are in the ledger.

A batch is *sealed* the first time it is sent: its limits, its salt and the hash of the body before it become durable
together with that, so that whenever it is sent again it is the same, byte for byte.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

import msgspec

from broker.codec import body_hash, encode_reading, join_batch
from city.devices import check_id
from city.errors import BadFile
from city.readings import MAX_READINGS_PER_BATCH, Log, Reading
from edge.witness import Witness

LOGS: tuple[Log, ...] = ("readings", "events")
_FORMAT = 1

_SCHEMA = f"""
CREATE TABLE outbox (device TEXT NOT NULL, format INTEGER NOT NULL);
CREATE TABLE log (
    log INTEGER PRIMARY KEY, id TEXT NOT NULL, next_n INTEGER NOT NULL, kept_n INTEGER NOT NULL,
    sealed_n INTEGER NOT NULL, prev TEXT NOT NULL);
CREATE TABLE reading (
    log INTEGER NOT NULL, n INTEGER NOT NULL, boot TEXT NOT NULL, mono_s REAL NOT NULL, wall_s REAL NOT NULL,
    quality TEXT NOT NULL, unsure INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (log, n)) WITHOUT ROWID;
CREATE TABLE sealed (
    log INTEGER NOT NULL, n0 INTEGER NOT NULL, count INTEGER NOT NULL, boot TEXT NOT NULL, prev TEXT NOT NULL,
    salt TEXT NOT NULL, PRIMARY KEY (log, n0)) WITHOUT ROWID;
CREATE TABLE command (id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {_FORMAT};
"""


class Outgoing(NamedTuple):
    """A sealed batch: readings `n0` up to and without `end`, and the exact body."""

    log: Log
    n0: int
    end: int
    body: bytes


class Head(NamedTuple):
    """Where a log stands: readings from `kept_n` up to and without `next_n` are here, those below `sealed_n` sealed."""

    log_id: str
    kept_n: int
    sealed_n: int
    next_n: int


class Outbox:
    """Two logs of readings, each with an id made at random here and numbers without a gap.

    Parameters
    ----------
    path
        The file; made if it is not there. One process at a time can have it open.
    device
        Whose outbox it is.
    witness
        Is told of every committed reading.

    Raises
    ------
    BadFile
        The file is no outbox, belongs to another device, or is in use.

    References
    ----------
    SQLite, "Write-Ahead Logging", https://sqlite.org/wal.html.
    """

    def __init__(self, path: str | os.PathLike[str], device: str, witness: Witness | None = None) -> None:
        self.device = check_id(device, "device")
        self._path = os.fspath(path)
        self._witness = witness
        self._unseen: list[tuple[str, int, Sequence[Reading]]] = []
        self._is_open = False
        self._logs: dict[Log, _Log] = {}
        try:
            if not os.path.exists(self._path):
                _create(self._path, self.device)
            # One thread at a time uses it, but it may be another than the one that opened it.
            self._db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from None

    def append(
        self,
        log: Log,
        readings: Sequence[Reading],
        boot: str,
        mono_s: float,
        wall_s: float | None = None,
        *,
        is_unsure: bool = False,
    ) -> int:
        """Keep readings, durably, and return the number of the first.

        Parameters
        ----------
        boot, mono_s, wall_s
            The run of the operating system, its monotonic clock and its wall clock at this moment: what
            `correct_clock` needs.
        is_unsure
            The wall clock cannot be trusted: the readings are marked ``clock_unsure`` until it can.

        Raises
        ------
        BadBody
            A reading can not be sent; none is kept.
        sqlite3.OperationalError
            The disk is full or failing; none is kept.
        """
        head = self._logs[log]
        wall_s = time.time() if wall_s is None else wall_s
        rows = []
        for n, one in enumerate(readings, head.next_n):
            marked = msgspec.structs.replace(one, quality="clock_unsure") if is_unsure else one
            rows.append((head.index, n, boot, mono_s, wall_s, one.quality, is_unsure, encode_reading(marked)))
        n0 = head.next_n
        if not rows:
            return n0
        with self.commit():
            self._db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            head.next_n += len(rows)
            self._save(head)
            self._unseen.append((head.id, n0, readings))
        return n0

    def next_batch(
        self, log: Log, after_n: int, limit: int = MAX_READINGS_PER_BATCH, hold_boot: str = ""
    ) -> Outgoing | None:
        """Return the batch that begins with reading `after_n`, sealing it if it was never sent; None if there is none.

        Readings of the boot `hold_boot` whose clock is unsure are not sealed yet: they can still be corrected.
        """
        head = self._logs[log]
        if head.kept_n <= after_n < head.sealed_n:
            return self._sealed(head, log, after_n)
        if after_n != head.sealed_n or after_n == head.next_n:
            return None
        rows = self._db.execute(
            "SELECT boot, unsure, body FROM reading WHERE log = ? AND n >= ? ORDER BY n LIMIT ?",
            (head.index, after_n, limit),
        ).fetchall()
        boot = rows[0][0]
        bodies: list[bytes] = []
        for row_boot, is_unsure, body in rows:
            if row_boot != boot or (is_unsure and row_boot == hold_boot):
                break
            bodies.append(body)
        if not bodies:
            return None
        salt = secrets.token_hex(8)
        body = join_batch(self.device, head.id, after_n, head.prev, salt, boot, bodies)
        with self.commit():
            self._db.execute(
                "INSERT INTO sealed VALUES (?, ?, ?, ?, ?, ?)",
                (head.index, after_n, len(bodies), boot, head.prev, salt),
            )
            head.sealed_n += len(bodies)
            head.prev = body_hash(body)
            self._save(head)
        return Outgoing(log, after_n, head.sealed_n, body)

    def acknowledge(self, log: Log, log_id: str, n: int) -> bool:
        """Delete the readings below `n`, which are in the ledger; False if there was nothing to delete.

        What was never sealed cannot be in the ledger and stays; nor does a batch go in parts.
        """
        head = self._logs[log]
        if log_id != head.id or not head.kept_n < n <= head.sealed_n:
            return False
        if n < head.sealed_n and not self._is_boundary(head, n):
            return False
        # Not synchronised: a deletion that a power cut undoes is sent again, and acknowledged again.
        with self.commit(is_durable=False):
            self._db.execute("DELETE FROM reading WHERE log = ? AND n < ?", (head.index, n))
            self._db.execute("DELETE FROM sealed WHERE log = ? AND n0 < ?", (head.index, n))
            head.kept_n = n
            self._save(head)
        return True

    def correct_clock(self, boot: str, offset_s: float) -> int:
        """Correct what a boot measured with an unsure clock and did not send yet; return how many readings.

        Parameters
        ----------
        offset_s
            Wall clock minus monotonic clock of this boot, now that the wall clock is right.
        """
        rows = self._db.execute(
            "SELECT reading.log, n, mono_s, wall_s, quality, body FROM reading JOIN log USING (log)"
            " WHERE boot = ? AND unsure = 1 AND n >= sealed_n",
            (boot,),
        ).fetchall()
        corrected = []
        for index, n, mono_s, wall_s, quality, body in rows:
            reading = _READING.decode(body)
            at_ms = reading.at_ms + round((offset_s - (wall_s - mono_s)) * 1000)
            right = msgspec.structs.replace(reading, at_ms=max(0, at_ms), quality=quality)
            corrected.append((encode_reading(right), mono_s + offset_s, index, n))
        if corrected:
            with self.commit():
                self._db.executemany(
                    "UPDATE reading SET body = ?, wall_s = ?, unsure = 0 WHERE log = ? AND n = ?", corrected
                )
        return len(corrected)

    def restart(self, log: Log) -> str:
        """Give what is kept a new log id and numbers from 0, and return the id.

        For when ingest's idea of this log and ours can no longer meet: one of the two was restored from an old copy.
        """
        head = self._logs[log]
        base = head.kept_n
        with self.commit():
            self._db.execute("DELETE FROM sealed WHERE log = ?", (head.index,))
            for (n,) in self._db.execute("SELECT n FROM reading WHERE log = ? ORDER BY n", (head.index,)).fetchall():
                self._db.execute("UPDATE reading SET n = ? WHERE log = ? AND n = ?", (n - base, head.index, n))
            head.id = secrets.token_hex(16)
            head.next_n -= base
            head.kept_n = head.sealed_n = 0
            head.prev = ""
            self._save(head)
        return head.id

    def begin_command(self, command_id: str, expires_at_ms: int, now_ms: int) -> bool:
        """Note, durably, that a command is being carried out; False if it was before."""
        with self.commit():
            self._db.execute("DELETE FROM command WHERE expires_at_ms < ?", (now_ms,))
            done = self._db.execute("INSERT OR IGNORE INTO command VALUES (?, ?)", (command_id, expires_at_ms))
        return done.rowcount == 1

    def pending(self, log: Log) -> int:
        """Return how many readings of a log are not acknowledged."""
        head = self._logs[log]
        return head.next_n - head.kept_n

    @property
    def heads(self) -> dict[Log, Head]:
        """Where each log stands."""
        return {log: Head(one.id, one.kept_n, one.sealed_n, one.next_n) for log, one in self._logs.items()}

    def head(self, log: Log) -> Head:
        """Return where a log stands."""
        one = self._logs[log]
        return Head(one.id, one.kept_n, one.sealed_n, one.next_n)

    @contextmanager
    def commit(self, *, is_durable: bool = True) -> Iterator[None]:
        """Make everything inside one commit; nothing of it is kept if something inside fails."""
        if self._is_open:
            yield
            return
        self._unseen = []
        if not is_durable:
            self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._is_open = True
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            self._is_open = False
            self._load()
            raise
        finally:
            self._is_open = False
            if not is_durable:
                self._db.execute("PRAGMA synchronous=FULL")
        if self._witness and self._unseen:
            now_s = time.time()
            for log_id, n0, readings in self._unseen:
                self._witness.saw(self.device, log_id, n0, readings, now_s)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        execute = self._db.execute
        # Before the first access: with it WAL needs no shared memory file, and a second process is kept out.
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA wal_autocheckpoint=400")
        execute("PRAGMA cache_size=-256")
        execute("BEGIN IMMEDIATE")
        version = execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            raise sqlite3.DatabaseError("it is another database")
        execute("COMMIT")
        if version != _FORMAT:
            raise BadFile(f"This outbox has format {version}.", "Update the agent.", file=self._path)
        owner = execute("SELECT device FROM outbox").fetchone()[0]
        if owner != self.device:
            raise BadFile(
                f"This is the outbox of {owner!r}, not of {self.device!r}.", "Name another file.", file=self._path
            )
        self._load()

    def _load(self) -> None:
        rows = self._db.execute("SELECT log, id, next_n, kept_n, sealed_n, prev FROM log ORDER BY log").fetchall()
        self._logs = {LOGS[row[0]]: _Log(*row) for row in rows}

    def _save(self, head: "_Log") -> None:
        self._db.execute(
            "UPDATE log SET id = ?, next_n = ?, kept_n = ?, sealed_n = ?, prev = ? WHERE log = ?",
            (head.id, head.next_n, head.kept_n, head.sealed_n, head.prev, head.index),
        )

    def _sealed(self, head: "_Log", log: Log, n0: int) -> Outgoing | None:
        found = self._db.execute(
            "SELECT count, boot, prev, salt FROM sealed WHERE log = ? AND n0 = ?", (head.index, n0)
        ).fetchone()
        if not found:
            return None
        count, boot, prev, salt = found
        bodies = self._db.execute(
            "SELECT body FROM reading WHERE log = ? AND n >= ? AND n < ? ORDER BY n", (head.index, n0, n0 + count)
        ).fetchall()
        body = join_batch(self.device, head.id, n0, prev, salt, boot, [one for (one,) in bodies])
        return Outgoing(log, n0, n0 + count, body)

    def _is_boundary(self, head: "_Log", n: int) -> bool:
        found = self._db.execute("SELECT 1 FROM sealed WHERE log = ? AND n0 = ?", (head.index, n))
        return found.fetchone() is not None


@dataclass
class _Log:
    index: int
    id: str
    next_n: int
    kept_n: int
    sealed_n: int
    prev: str


_READING = msgspec.json.Decoder(Reading)


def _create(path: str, device: str) -> None:
    """Make an empty outbox, whole or not at all: a power cut meanwhile must not leave half of one."""
    half = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(half)
    with closing(sqlite3.connect(half, isolation_level=None)) as db:
        # Nothing of this needs to survive before the file has its name.
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA page_size=1024")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            db.execute(statement)
        db.execute("INSERT INTO outbox VALUES (?, ?)", (device, _FORMAT))
        for index in range(len(LOGS)):
            db.execute("INSERT INTO log VALUES (?, ?, 0, 0, 0, '')", (index, secrets.token_hex(16)))
        db.execute("COMMIT")
    _sync(half)
    os.rename(half, path)
    _sync(os.path.dirname(path) or ".")


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(path: str, error: sqlite3.Error) -> BadFile:
    text = str(error)
    if "locked" in text:
        return BadFile("Another process has this outbox open.", "End the agent that runs already.", file=path)
    if "unable to open" in text:
        return BadFile("The outbox cannot be opened.", "Make its folder, and let the agent write there.", file=path)
    return BadFile(
        f"This is no outbox that can be used ({text}).", "Move it away: a new one is made, with new log ids.", file=path
    )
