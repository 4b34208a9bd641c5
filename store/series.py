"""The time-series view: what was measured of each entity, rebuilt from the ledger whenever that is wanted.

One Protocol, two real backends (SQLite in a file, InfluxDB 2.x on a server), one contract suite.

What both keep to:

- A point is known by (entity, quantity, ms). Writing it again changes nothing; writing it with another value
  corrects it, in the hourly figures too.
- An unknown value (None) is kept as unknown: `latest`, `window` and `keys` show it, the hourly figures leave it out.
  It never replaces a value that is known: the same moment seen by somebody who could see wins.
- Bounds are half open: a point at `start_s` is in, one at `end_s` is not.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, Self
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from city.errors import BadInput, MissingPart, PermanentError
from city.readings import Quality

HOUR_MS = 3_600_000
CHECK_QUANTITY = "ronde_check"


class Point(msgspec.Struct, frozen=True, gc=False):
    """One value of one quantity of one entity at `at_ms` (ms since 1970 UTC). `value` None is unknown, not zero."""

    entity: str
    quantity: str
    at_ms: int
    value: float | None
    quality: Quality = "good"


class Sample(NamedTuple):
    """The newest that is known of a series; `value` None says that it was looked for and is unknown."""

    at_s: float
    value: float | None
    quality: Quality


class Series(NamedTuple):
    """Points of one series by rising time.

    `at_s` is float64 `(n,)` in seconds since 1970 UTC, `value` float64 `(n,)` with NaN for unknown, and `quality`
    text `(n,)`.
    """

    at_s: NDArray[np.float64]
    value: NDArray[np.float64]
    quality: NDArray[np.str_]


class Hour(NamedTuple):
    """What is known of a series in the hour that begins at `hour_s`; hours without a known value have none.

    `n` values, their `sum`, `min` and `max`, and `last`, the newest of them.
    """

    entity: str
    hour_s: float
    n: int
    sum: float
    min: float
    max: float
    last: float


class BadPoint(NamedTuple):
    """A point that a store does not take, and why."""

    point: Point
    reason: str


class BadPoints(BadInput):
    """Some points can never be written; all others of the same call are written.

    `culprits` names each with its reason.
    """

    def __init__(self, culprits: Sequence[BadPoint]) -> None:
        named = "; ".join(f"{p.quantity!r} of {p.entity!r} at {p.at_ms!r}: {why}" for p, why in culprits[:3])
        more = f"; and {len(culprits) - 3} more" if len(culprits) > 3 else ""
        super().__init__(
            f"{len(culprits)} points cannot be stored: {named}{more}.", "Put them aside; the others are stored."
        )
        self.culprits = tuple(culprits)


class SeriesStore(Protocol):
    """What the product asks of a time-series store. Safe to use from several threads.

    Every method raises `city.errors.TransientError` when the store cannot be reached or is busy (try again later),
    and `city.errors.Refused` when it says no for good (credentials, a bucket that is not there).
    """

    def write(self, points: Iterable[Point]) -> None:
        """Store points durably; when it returns, a crash of the store loses none of them.

        Raises
        ------
        BadPoints
            Some points can never be stored; the others are.
        """
        ...

    def latest(self, quantity: str, entities: Iterable[str] | None = None) -> dict[str, Sample]:
        """Return the newest sample of each entity (None = of all); entities that never had one are left out."""
        ...

    def window(self, entity: str, quantity: str, start_s: float, end_s: float) -> Series:
        """Return the points of a series in ``[start_s, end_s)``; empty arrays if there are none."""
        ...

    def windows(self, entities: Iterable[str], quantity: str, start_s: float, end_s: float) -> dict[str, Series]:
        """Return `window` of every entity that is asked for, also of those without points."""
        ...

    def hourly(self, entities: Iterable[str] | None, quantity: str, start_s: float, end_s: float) -> list[Hour]:
        """Return figures of the whole hours (UTC) that overlap ``[start_s, end_s)``, by entity and time."""
        ...

    def keys(self, quantity: str, start_s: float, end_s: float) -> set[tuple[str, int]]:
        """Return (entity, at_ms) of every stored point in ``[start_s, end_s)``, unknown ones included."""
        ...

    def check(self) -> None:
        """Write a point of a health series and read it back: an answer to a ping proves neither."""
        ...

    def close(self) -> None:
        """Give up connections; what was written stays written."""
        ...

    def __enter__(self) -> Self:
        """Return the store itself."""
        ...

    def __exit__(self, *exc_info: object) -> None:
        """Close the store."""
        ...


def open_series(url: str, token: str | None = None) -> SeriesStore:
    """Open the store that `url` names; nothing is asked of a server before the first use.

    Parameters
    ----------
    url
        ``sqlite:///PATH`` (an absolute path makes four slashes), made if it is not there, or
        ``influxdb://HOST:PORT/ORG/BUCKET`` (``influxdbs://`` for TLS).
    token
        For InfluxDB: an API token that may read and write the bucket.

    Raises
    ------
    BadInput
        The url names no store, or an InfluxDB url comes without a token.
    MissingPart
        influxdb-client is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        from store.sqlite_series import SQLiteSeries

        return SQLiteSeries(Path(url.removeprefix("sqlite:///")))
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    if parts.scheme in ("influxdb", "influxdbs") and _host(url) and len(path) == 2 and all(path):
        if not token:
            raise BadInput(
                f"The store {url} needs a token and none was given.",
                "Give an API token that may read and write the bucket: --series-token, or RONDE_SERIES_TOKEN.",
            )
        try:
            from store.influx_series import InfluxSeries
        except ModuleNotFoundError as missing:
            raise MissingPart(
                f"The library {missing.name!r} for InfluxDB is not installed.", "Run pip install 'ronde[server]'."
            ) from None
        return InfluxSeries(
            f"{'https' if parts.scheme == 'influxdbs' else 'http'}://{parts.netloc}", path[0], path[1], token
        )
    raise BadInput(
        f"{url!r} names no series store.",
        "Use sqlite:///PATH or influxdb://HOST:PORT/ORG/BUCKET, for instance influxdb://127.0.0.1:8086/city/ronde.",
    )


def check_store(store: SeriesStore) -> None:
    """Write to and read from the health series; this is what `SeriesStore.check` does in every backend."""
    now_s = time.time()
    # One point an hour: many checks make few points.
    at_ms = int(now_s * 1000) // HOUR_MS * HOUR_MS
    value = float(np.float32(now_s % 86_400))
    store.write([Point("check", CHECK_QUANTITY, at_ms, value)])
    found = store.window("check", CHECK_QUANTITY, at_ms / 1000, at_ms / 1000 + 1)
    # Another process may check in the same moment, so its value is as good as ours.
    if found.at_s.size != 1:
        raise PermanentError(
            "The series store took a point and does not give it back.",
            "See whether its retention is shorter than an hour, or whether its disk is full.",
        )


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname
