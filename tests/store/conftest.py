"""Backends that the store's tests run against."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from store.influx_server import RunningInfluxDB, start_influxdb
from store.series import SeriesStore, open_series
from tests.parts import require

_BUCKET = "ronde-test"


@pytest.fixture(scope="session")
def influxd() -> Path:
    """The server's program, or a skip that says why there is none."""
    return require("influxd")


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Url and token of a running InfluxDB: ours, or the one that RONDE_TEST_INFLUXDB_URL and …_TOKEN name.

    That url is ``influxdb://HOST:PORT/ORG/BUCKET``, or ``http://HOST:PORT``: then a bucket is made for the tests in
    the organisation of the token.
    """
    given = os.environ.get("RONDE_TEST_INFLUXDB_URL", "")
    if given:
        token = os.environ.get("RONDE_TEST_INFLUXDB_TOKEN", "")
        yield _with_bucket(given, token) if given.startswith("http") else given, token
        return
    require("influxd")
    with start_influxdb(tmp_path_factory.mktemp("influxdb")) as server:
        yield server.url, server.token


@pytest.fixture
def own_influxdb(influxd: Path, tmp_path: Path) -> Iterator[RunningInfluxDB]:
    """A server that the test may stop."""
    with start_influxdb(tmp_path / "influxdb") as server:
        yield server


@pytest.fixture(params=["sqlite", "influxdb"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], SeriesStore]]:
    """Opens the same store again and again, and closes what it opened."""
    url, token = f"sqlite:///{tmp_path}/series.sqlite", None
    if request.param == "influxdb":
        url, token = request.getfixturevalue("influxdb")
    stores: list[SeriesStore] = []

    def open_it() -> SeriesStore:
        stores.append(open_series(url, token))
        return stores[-1]

    yield open_it
    for one in stores:
        one.close()


@pytest.fixture
def store(opened: Callable[[], SeriesStore]) -> SeriesStore:
    """An open store."""
    return opened()


@pytest.fixture
def quantity() -> str:
    """A quantity that no other test uses, so that tests may share a server."""
    return f"q_{uuid.uuid4().hex}"


def _with_bucket(url: str, token: str) -> str:
    with urllib3.PoolManager(headers={"Authorization": f"Token {token}"}, timeout=10) as http:
        org = http.request("GET", f"{url}/api/v2/orgs").json()["orgs"][0]
        answer = http.request(
            "POST", f"{url}/api/v2/buckets", json={"orgID": org["id"], "name": _BUCKET, "retentionRules": []}
        )
        assert answer.status in (201, 422), answer.data
    return f"influxdb{url.removeprefix('http')}/{org['name']}/{_BUCKET}"
