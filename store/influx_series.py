"""Time series in InfluxDB 2.x: for a city, next to its dashboards.

A measurement is a quantity, its one tag is the entity, its fields are `value` (float, absent when unknown) and
`quality` (an integer, always there: the code of `store.points.CODES`, plus 4 where the value is unknown), its time
has ms.

Written as joined line protocol, synchronously: the client's batching writer loses points without a word when the
server is down. Read as raw CSV: the client's record objects cost ten times as much. Why the queries look as they do
stands in docs/adr/0031-influxdb.md.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import repeat
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from influxdb_client import Dialect, InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from numpy.typing import NDArray
from urllib3.exceptions import HTTPError

from city.errors import PermanentError, Refused, TransientError, Unreachable
from store.points import CODES, QUALITIES, QUALITY_NAMES, is_name, is_quantity, sift
from store.series import HOUR_MS, BadPoint, BadPoints, Hour, Point, Sample, Series, check_store

_CHUNK = 5_000
_NAMES_PER_QUERY = 1_000
_TIMEOUT_MS = 30_000
_END_OF_TIME_MS = 9_000_000_000_000
_BARE = Dialect(header=False, annotations=[])
# Values and qualities are read one after the other: only a mark tells an unknown value from one that was written
# in between.
_UNKNOWN = 4
_FIGURES = ("count", "sum", "min", "max", "last")


class _Column(NamedTuple):
    """Of one series, the times (ISO 8601) and values that a pipeline gave."""

    times: list[str]
    values: list[str]


class InfluxSeries:
    """See `store.series.SeriesStore`.

    Parameters
    ----------
    url
        ``http://HOST:PORT`` of the server.
    org, bucket
        Names of the organisation and of the bucket.
    token
        An API token that may read and write the bucket; it needs no other right.
    """

    def __init__(self, url: str, org: str, bucket: str, token: str) -> None:
        self._url = url
        self._org = org
        self._bucket = bucket
        # Retrying belongs to the caller, who knows what it has not acknowledged yet.
        self._client = InfluxDBClient(url=url, token=token, org=org, timeout=_TIMEOUT_MS, retries=False)
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._queries = self._client.query_api()
        self._prefixes: dict[tuple[str, str], str] = {}

    def write(self, points: Iterable[Point]) -> None:
        """See `SeriesStore.write`; points are sent in pieces, so an error may leave the first ones written."""
        good, bad = sift(points)
        for start in range(0, len(good), _CHUNK):
            bad += self._send(good[start : start + _CHUNK])
        if bad:
            raise BadPoints(bad)

    def latest(self, quantity: str, entities: Iterable[str] | None = None) -> dict[str, Sample]:
        """See `SeriesStore.latest`."""
        found: dict[str, Sample] = {}
        pipelines = {"value": ("value", "last()"), "quality": ("quality", "last()")}
        for one in self._ask(pipelines, quantity, entities, 0, _END_OF_TIME_MS):
            for entity, qualities in one["quality"].items():
                sample = _newest(qualities, one["value"].get(entity, _NOTHING))
                if sample:
                    found[entity] = sample
        return found

    def window(self, entity: str, quantity: str, start_s: float, end_s: float) -> Series:
        """See `SeriesStore.window`."""
        return self.windows([entity], quantity, start_s, end_s)[entity]

    def windows(self, entities: Iterable[str], quantity: str, start_s: float, end_s: float) -> dict[str, Series]:
        """See `SeriesStore.windows`."""
        asked = list(entities)
        found = {entity: _series(_NOTHING, _NOTHING) for entity in asked}
        pipelines = {"value": ("value", ""), "quality": ("quality", "")}
        for one in self._ask(pipelines, quantity, asked, _ms(start_s), _ms(end_s)):
            for entity, qualities in one["quality"].items():
                found[entity] = _series(qualities, one["value"].get(entity, _NOTHING))
        return found

    def hourly(self, entities: Iterable[str] | None, quantity: str, start_s: float, end_s: float) -> list[Hour]:
        """See `SeriesStore.hourly`."""
        pipelines = {
            name: ("value", f'aggregateWindow(every: 1h, fn: {name}, createEmpty: false, timeSrc: "_start")')
            for name in _FIGURES
        }
        start_ms, end_ms = _ms(start_s) // HOUR_MS * HOUR_MS, -(-_ms(end_s) // HOUR_MS) * HOUR_MS
        hours: list[Hour] = []
        for one in self._ask(pipelines, quantity, entities, start_ms, end_ms):
            for entity, counts in one["count"].items():
                columns = [counts, *(one[name].get(entity, _NOTHING) for name in _FIGURES[1:])]
                if any(column.times != counts.times for column in columns):
                    # A write came between: the hours that every figure knows are right.
                    columns = _common(columns)
                figures = (map(float, column.values) for column in columns[1:])
                n = map(int, columns[0].values)
                hours += map(Hour, repeat(entity), _times_s(columns[0].times).tolist(), n, *figures)
        return sorted(hours)

    def keys(self, quantity: str, start_s: float, end_s: float) -> set[tuple[str, int]]:
        """See `SeriesStore.keys`."""
        return {
            (entity, at_ms)
            for one in self._ask({"quality": ("quality", "")}, quantity, None, _ms(start_s), _ms(end_s))
            for entity, column in one["quality"].items()
            for at_ms in _times_ms(column.times).tolist()
        }

    def check(self) -> None:
        """See `SeriesStore.check`."""
        check_store(self)

    def close(self) -> None:
        """See `SeriesStore.close`."""
        self._writer.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _send(self, points: Sequence[Point]) -> list[BadPoint]:
        """Write points and return those that the server will never take."""
        try:
            self._writer.write(self._bucket, self._org, "\n".join(map(self._line, points)), write_precision="ms")
        except ApiException as error:
            if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise self._explained(error) from error
            reason = _message(error)
            dropped = re.search(r"dropped=(\d+)", reason)
            if len(points) == 1 or (dropped and int(dropped[1]) == len(points)):
                return [BadPoint(point, reason) for point in points]
            middle = len(points) // 2
            return self._send(points[:middle]) + self._send(points[middle:])
        except HTTPError as error:
            raise self._unreachable(error) from error
        return []

    def _line(self, point: Point) -> str:
        names = (point.quantity, point.entity)
        prefix = self._prefixes.get(names)
        if prefix is None:
            entity = re.sub(r"([,= ])", r"\\\1", point.entity)
            prefix = self._prefixes[names] = f"{point.quantity},entity={entity} "
        code = CODES[point.quality]
        if point.value is None:
            return f"{prefix}quality={code | _UNKNOWN}i {point.at_ms}"
        return f"{prefix}value={float(point.value)!r},quality={code}i {point.at_ms}"

    def _ask(
        self,
        pipelines: Mapping[str, tuple[str, str]],
        quantity: str,
        entities: Iterable[str] | None,
        start_ms: int,
        end_ms: int,
    ) -> Iterator[dict[str, dict[str, _Column]]]:
        """Run pipelines, each a field and what is done with it, and yield what they say of some entities at a time."""
        if not is_quantity(quantity) or start_ms >= end_ms:
            return
        names = None if entities is None else sorted({entity for entity in entities if is_name(entity)})
        for start in range(0, 1 if names is None else len(names), _NAMES_PER_QUERY):
            some = names and names[start : start + _NAMES_PER_QUERY]
            which = f" and r.entity =~ {_pattern(some)}" if some else ""
            # Each pipeline begins anew: one that is shared is not pushed down to the storage, and can block for ever.
            yield self._answer(
                pipelines,
                "\n".join(
                    f"from(bucket: {_quoted(self._bucket)})"
                    f" |> range(start: {_flux_time(start_ms)}, stop: {_flux_time(end_ms)})"
                    f' |> filter(fn: (r) => r._measurement == "{quantity}" and r._field == "{field}"{which})'
                    f"{f' |> {then}' if then else ''}"
                    f' |> keep(columns: ["entity", "_time", "_value"]) |> yield(name: "{name}")'
                    for name, (field, then) in pipelines.items()
                ),
            )

    def _answer(self, names: Iterable[str], query: str) -> dict[str, dict[str, _Column]]:
        try:
            response = self._queries.query_raw(query, dialect=_BARE)
            text = response.data.decode(errors="replace")
        except ApiException as error:
            raise self._explained(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error
        if not response.headers.get("Content-Type", "").startswith("text/csv"):
            raise Refused(f"What answers at {self._url} is no InfluxDB 2.x.", "Correct the url of the store.")
        found: dict[str, dict[str, _Column]] = {name: {} for name in names}
        last = None
        for row in csv.reader(io.StringIO(text)):
            if not row:
                continue
            try:
                _, name, _, at, value, entity = row
                if (name, entity) != last:
                    last = (name, entity)
                    times, values = found[name].setdefault(entity, _Column([], []))
            except (KeyError, ValueError):
                # A server that fails halfway has said 200 already, and says so in a row of another shape.
                raise TransientError(f"InfluxDB at {self._url} broke off its answer: {','.join(row)[:200]}.") from None
            times.append(at)
            values.append(value)
        return found

    def _explained(self, error: ApiException) -> Exception:
        said = _message(error)
        who = f"InfluxDB at {self._url}"
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return Refused(
                f"{who} refuses the token ({error.status}: {said}).",
                f"Give an API token of {self._org!r} that may read and write the bucket {self._bucket!r}.",
            )
        if error.status == HTTPStatus.NOT_FOUND or re.search("organization name .* not found", said):
            return Refused(
                f"{who} does not know organisation {self._org!r} or bucket {self._bucket!r} ({error.status}: {said}).",
                "Make it, or correct the url of the store: influxdb://HOST:PORT/ORG/BUCKET.",
            )
        if error.status == HTTPStatus.TOO_MANY_REQUESTS or (error.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            after = (error.headers or {}).get("Retry-After", "")
            return TransientError(
                f"{who} cannot do that now ({error.status}: {said}).",
                "See its log if this lasts.",
                retry_after_s=float(after) if after.isdigit() else 1.0,
            )
        return PermanentError(f"{who} says {error.status}: {said}.", "See that the url is that of an InfluxDB 2.x.")

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"InfluxDB at {self._url} does not answer ({type(error).__name__}).", "Start it, or correct the url."
        )


def _message(error: ApiException) -> str:
    try:
        said = msgspec.json.decode(error.body or b"", type=dict[str, Any])
    except msgspec.MsgspecError:
        said = {}
    return str(said.get("message") or said.get("error") or error.reason or "no reason given").rstrip(".")


def _pattern(names: Sequence[str]) -> str:
    # Names joined by "or" would nest a level deeper with each, and the server allows a few hundred levels.
    alternatives = "|".join(re.escape(name).replace("/", "\\/") for name in names)
    return f"/^({alternatives})$/"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"').replace("${", "\\${") + '"'


def _flux_time(at_ms: int) -> str:
    return f"time(v: {at_ms * 1_000_000})"


def _ms(at_s: float) -> int:
    return min(max(round(at_s * 1000), 0), _END_OF_TIME_MS)


def _times_ms(times: Sequence[str]) -> NDArray[np.int64]:
    # numpy knows no zones; the server always says Z.
    return np.array([time[:-1] for time in times], dtype="datetime64[ms]").astype(np.int64)


def _times_s(times: Sequence[str]) -> NDArray[np.float64]:
    return _times_ms(times) / 1000


def _newest(qualities: _Column, known: _Column) -> Sample | None:
    code = int(qualities.values[-1])
    quality = QUALITIES[code & ~_UNKNOWN]
    if code & _UNKNOWN and known.times != qualities.times:
        return Sample(_times_s(qualities.times)[-1], None, quality)
    return Sample(_times_s(known.times)[-1], float(known.values[-1]), quality) if known.times else None


def _series(qualities: _Column, known: _Column) -> Series:
    at_ms = _times_ms(qualities.times)
    code = np.array(qualities.values, dtype=np.int64)
    value = np.full(at_ms.size, np.nan)
    _, where, of_known = np.intersect1d(at_ms, _times_ms(known.times), assume_unique=True, return_indices=True)
    value[where] = np.array(known.values, dtype=np.float64)[of_known]
    seen = ~np.isnan(value) | (code & _UNKNOWN > 0)
    return Series(at_ms[seen] / 1000, value[seen], QUALITY_NAMES[code[seen] & ~_UNKNOWN])


def _common(columns: Sequence[_Column]) -> list[_Column]:
    shared = set(columns[0].times).intersection(*(column.times for column in columns))
    kept = ([(at, value) for at, value in zip(*column, strict=True) if at in shared] for column in columns)
    return [_Column([at for at, _ in rows], [value for _, value in rows]) for rows in kept]


_NOTHING = _Column([], [])
