"""The desk's tables, and engines of SQLAlchemy that keep its transactions honest."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Dialect, make_url

from city.errors import BadInput, MissingPart, TransientError
from city.findings import Incident
from city.plans import Plan, Proposal

VERSION = "1"
_T = TypeVar("_T", bound=msgspec.Struct)


class Document(sa.types.TypeDecorator[Any]):
    """A struct of `city`, kept as JSON."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Turn the struct into what JSON can say."""
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Turn JSON into the struct."""
        return msgspec.convert(value, self.kind)


metadata = sa.MetaData()

setting = sa.Table(
    "setting", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)

plan = sa.Table(
    "plan",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("made_at_s", sa.Double, nullable=False),
    sa.Column("body", Document(Plan), nullable=False),
)

# The decision stands in columns of its own, so that a later word of a detector cannot touch it.
incident = sa.Table(
    "incident",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("entity", sa.Text, nullable=False, index=True),
    sa.Column("raised_at_s", sa.Double, nullable=False),
    sa.Column("body", Document(Incident), nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at_s", sa.Double),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("incident_by_status", "status", "raised_at_s"),
    sa.Index("incident_by_time", "raised_at_s"),
)

proposal = sa.Table(
    "proposal",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("made_at_s", sa.Double, nullable=False),
    sa.Column("plan_before", sa.Text, nullable=False),
    sa.Column("body", Document(Proposal), nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at_s", sa.Double),
    sa.Column("decision_reason", sa.Text, nullable=False),
    sa.Index("proposal_by_status", "status", "made_at_s"),
)

# What an open proposal said before a better plan took its place: somebody may be looking at it.
proposal_version = sa.Table(
    "proposal_version",
    metadata,
    sa.Column("proposal", sa.Text, sa.ForeignKey("proposal.id"), primary_key=True),
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("body", Document(Proposal), nullable=False),
)

# One row for ever. Whoever changes what is current, or decides on a proposal, locks it first.
current_plan = sa.Table(
    "current_plan",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("plan", sa.Text, sa.ForeignKey("plan.id")),
)

trail = sa.Table(
    "trail",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False, index=True),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)


def make_engine(url: str, busy_s: float) -> sa.Engine:
    """Return an engine for `url` that waits `busy_s` for others who write; nothing is opened yet.

    Raises
    ------
    BadInput
        The url names no database, or one kept in memory (which other processes could not see).
    MissingPart
        The driver that the url asks for is not installed.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        parsed = URL.create("unknown")
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql") or not parsed.database or parsed.database == ":memory:":
        raise BadInput(f"{url!r} names no desk.", "Use sqlite:///PATH, for instance sqlite:///data/desk.sqlite.")
    try:
        engine = sa.create_engine(
            parsed,
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
            pool_pre_ping=kind != "sqlite",
        )
    except ModuleNotFoundError as missing:
        raise MissingPart(
            f"The driver {missing.name!r} for {kind} is not installed.", f"Run pip install {missing.name}."
        ) from None
    if kind == "sqlite":
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"The desk cannot be kept there: {error}.", "Choose a folder that can be written.") from None
        sa.event.listen(engine, "connect", lambda db, _record: _on_sqlite_connect(db, busy_s))
        sa.event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def checked(value: _T) -> _T:
    """Return `value` if what is written of it can be read again.

    Raises
    ------
    BadInput
        A number is NaN or infinite (JSON would say null), or a text is not Unicode.
    """
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=type(value))
    except (msgspec.MsgspecError, UnicodeError) as error:
        kind = type(value).__name__.lower()
        raise BadInput(
            f"The {kind} {getattr(value, 'id', '')!r} cannot be kept: {error}.", "Correct that field of it."
        ) from None
    return value


@contextmanager
def explained() -> Iterator[None]:
    """Raise the house's errors where SQLAlchemy raises its own."""
    try:
        yield
    except exc.OperationalError as error:
        # SQLite says with a name what may pass; every other driver keeps this class for what may.
        name = getattr(error.orig, "sqlite_errorname", "SQLITE_BUSY")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")):
            raise TransientError(
                f"The desk cannot be used now: {error.orig}.", "Nothing was changed; try it again."
            ) from error
        raise BadInput(
            f"The desk cannot be used: {error.orig}.", "See that its folder is there and that this user may write it."
        ) from error
    except exc.TimeoutError as error:
        raise TransientError("Every connection to the desk is in use.", "Try it again.") from error
    except exc.DatabaseError as error:
        raise BadInput(
            f"The desk cannot be used: {error.orig}.", "Name another file, or put back the last copy of this one."
        ) from error
    except (exc.StatementError, UnicodeError) as error:
        raise BadInput(f"That cannot be kept: {error}.", "Use plain Unicode text and finite numbers.") from error


def _on_sqlite_connect(db: sqlite3.Connection, busy_s: float) -> None:
    # Transactions begin where `_on_sqlite_begin` says so, not where the driver guesses.
    db.isolation_level = None
    db.execute(f"PRAGMA busy_timeout = {busy_s * 1000:.0f}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("ronde_reads", False)
    # A transaction that reads before it writes would fail halfway if another wrote in between.
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
