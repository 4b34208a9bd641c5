"""NDW's open data as DATEX II: the minute's measurements, and the table of sites that says what each number is."""

import gzip
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree import ElementTree

import numpy as np

from city.clock import parse_time
from city.errors import BadFile, BadInput
from service.count_rows import CountRows
from service.ndw_counts import LaneRows, counts_of_lanes

_SITES = "NDW's measurement_current.xml(.gz), the table of its sites"
_MEASURED = "NDW's trafficspeed.xml(.gz), measurements as DATEX II"
_ANY = "anyVehicle"
_BOUNDS = ("comparisonOperator", "vehicleLength")


class _Meaning(NamedTuple):
    lane: str
    kind: str
    period_s: float
    is_flow: bool


def read_ndw_datex(sources: Sequence[Path], sites: Path, wanted: Collection[str] = ()) -> CountRows:
    """Read measurements; each number's lane, class and period stand in the table of sites under the same index.

    The index of a value differs from site to site, so without the table a lane of lorries would pass for the total. A
    rate is vehicles an hour over a period of mostly a minute; -1 and ``dataError`` mean unknown. The time of a
    measurement is taken as the start of its period.

    Parameters
    ----------
    wanted
        Ids of the sites to read; empty = all.

    Raises
    ------
    BadFile
        A file is no such XML, or holds no usable measurement.

    References
    ----------
    DATEX II 2.3, MeasuredDataPublication and MeasurementSiteTablePublication, in NDW's profile.
    """
    meanings = _read_sites(sites, frozenset(wanted))
    rows: list[tuple[str, str, str, float, float, float, float]] = []
    unknown_sites = 0
    for source in sources:
        for record in _elements(source, "siteMeasurements", _MEASURED):
            site = _site_of(record)
            if wanted and site not in wanted:
                continue
            if site not in meanings:
                unknown_sites += 1
                continue
            rows += _rows_of(record, site, meanings[site], source)
    if not rows:
        raise BadFile(
            "no measurement could be used.", f"Give {_MEASURED}, and {_SITES} of the same time.", file=str(sources[0])
        )
    start, end, rate, speed = (np.array([one[i] for one in rows], np.float64) for i in range(3, 7))
    sites_of, lane, kind = (np.array([one[i] for one in rows], dtype=np.str_) for i in range(3))
    counted = counts_of_lanes(
        [LaneRows(sites_of, lane, kind, start, end, rate, (end - start) / 60.0, speed)], sources[0]
    )
    left_out = {**counted.left_out, **({"of sites that the table lacks": unknown_sites} if unknown_sites else {})}
    return counted._replace(left_out=left_out)


def _read_sites(path: Path, wanted: frozenset[str]) -> dict[str, dict[str, _Meaning]]:
    sites: dict[str, dict[str, _Meaning]] = {}
    for record in _elements(path, "measurementSiteRecord", _SITES):
        id = record.get("id", "")
        if wanted and id not in wanted:
            continue
        sites[id] = {
            outer.get("index", ""): _meaning(outer)
            for outer in record
            if _name(outer) == "measurementSpecificCharacteristics"
        }
    if not sites:
        raise BadFile("there is no site of those in it.", f"Give {_SITES}.", file=str(path))
    return sites


def _meaning(outer: ElementTree.Element) -> _Meaning:
    kind = _text(outer, "vehicleType")
    if not kind:
        # Classes of length have no name: their bounds are one.
        kind = " ".join(filter(None, (one.text for one in outer.iter() if _name(one) in _BOUNDS)))
    period = _text(outer, "period")
    return _Meaning(
        _text(outer, "specificLane"),
        kind or _ANY,
        float(period) if period.replace(".", "", 1).isdigit() else 60.0,
        _text(outer, "specificMeasurementValueType") == "trafficFlow",
    )


def _rows_of(
    record: ElementTree.Element, site: str, meanings: dict[str, _Meaning], source: Path
) -> list[tuple[str, str, str, float, float, float, float]]:
    try:
        start_s = parse_time(_text(record, "measurementTimeDefault"))
    except BadInput as error:
        raise BadFile(error.problem, error.fix, file=str(source), field="measurementTimeDefault") from None
    rates: dict[tuple[str, str], tuple[float, float]] = {}
    speeds: dict[tuple[str, str], float] = {}
    for value in record:
        meaning = meanings.get(value.get("index", "")) if _name(value) == "measuredValue" else None
        if meaning is None:
            continue
        key = meaning.lane, meaning.kind
        is_bad = _text(value, "dataError").lower() == "true"
        if meaning.is_flow:
            rates[key] = meaning.period_s, np.nan if is_bad else _value(value, "vehicleFlowRate")
        else:
            speeds[key] = np.nan if is_bad else _value(value, "speed")
    return [
        (site, lane, kind, start_s, start_s + period_s, rate, speeds.get((lane, kind), np.nan))
        for (lane, kind), (period_s, rate) in rates.items()
    ]


def _value(element: ElementTree.Element, name: str) -> float:
    """Return a number of 0 or more; NaN where it is -1 or none."""
    try:
        found = float(_text(element, name))
    except ValueError:
        return np.nan
    return found if 0 <= found < 1e6 else np.nan


def _site_of(record: ElementTree.Element) -> str:
    return next((one.get("id", "") for one in record if _name(one) == "measurementSiteReference"), "")


def _text(element: ElementTree.Element, name: str) -> str:
    return next(((one.text or "").strip() for one in element.iter() if _name(one) == name and one.text), "")


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _elements(path: Path, name: str, layout: str) -> Iterator[ElementTree.Element]:
    """Yield the elements of a name one after another, so that a file of any size fits into memory."""
    try:
        with _opened(path) as file:
            parents: list[ElementTree.Element] = []
            # Expat itself bounds the expansion of entities, and nothing is fetched from outside.
            for event, element in ElementTree.iterparse(file, ("start", "end")):  # noqa: S314
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if _name(element) == name:
                    yield element
                    if parents:
                        parents[-1].remove(element)
    except (ElementTree.ParseError, OSError, EOFError) as error:
        raise BadFile(f"it cannot be read ({error}).", f"Give {layout}.", file=str(path)) from error


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
