"""What can go wrong with a server, and what the store then says."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import urllib3

from city.errors import BadInput, PermanentError, Refused, TransientError, Unreachable
from store.influx_server import RunningInfluxDB, start_influxdb
from store.series import BadPoints, Point, SeriesStore, open_series

_NOW_MS = int(time.time() * 1000)


def _point(value: float | None = 1.0, entity: str = "k-1", quantity: str = "fill_ratio", at_ms: int = _NOW_MS) -> Point:
    return Point(entity, quantity, at_ms, value)


def _everything(store: SeriesStore) -> dict[str, Callable[[], object]]:
    return {
        "write": lambda: store.write([_point()]),
        "latest": lambda: store.latest("fill_ratio"),
        "window": lambda: store.window("k-1", "fill_ratio", 0, 5e9),
        "hourly": lambda: store.hourly(["k-1"], "fill_ratio", 0, 5e9),
        "keys": lambda: store.keys("fill_ratio", 0, 5e9),
        "check": store.check,
    }


_DOORS = ["write", "latest", "window", "hourly", "keys", "check"]


@pytest.mark.parametrize("door", _DOORS)
def test_a_wrong_token_is_refused(influxdb: tuple[str, str], door: str) -> None:
    with open_series(influxdb[0], "wrong") as store, pytest.raises(Refused, match=r"401.*API token"):
        _everything(store)[door]()


@pytest.mark.parametrize("door", _DOORS)
@pytest.mark.parametrize("part", ["org", "bucket"])
def test_a_wrong_bucket_or_organisation_is_refused(influxdb: tuple[str, str], door: str, part: str) -> None:
    """A bucket that is not there must never look like one without points."""
    url, token = influxdb
    base, org, bucket = url.rsplit("/", 2)
    wrong = f"{base}/nowhere/{bucket}" if part == "org" else f"{base}/{org}/nowhere"
    with open_series(wrong, token) as store, pytest.raises(Refused, match="ORG/BUCKET"):
        _everything(store)[door]()


def test_a_token_for_the_bucket_alone_is_enough(own_influxdb: RunningInfluxDB) -> None:
    with open_series(own_influxdb.url, _token(own_influxdb, "read", "write")) as store:
        store.check()
        for call in _everything(store).values():
            call()


def test_a_token_that_may_not_write_is_refused_by_check(own_influxdb: RunningInfluxDB) -> None:
    with open_series(own_influxdb.url, _token(own_influxdb, "read")) as store, pytest.raises(Refused, match="403"):
        store.check()


def test_a_token_that_may_not_read_is_refused_by_check(own_influxdb: RunningInfluxDB) -> None:
    with open_series(own_influxdb.url, _token(own_influxdb, "write")) as store, pytest.raises(Refused):
        store.check()


def test_a_server_that_is_down_can_be_tried_again_and_has_lost_nothing(influxd: Path, tmp_path: Path) -> None:
    with start_influxdb(tmp_path) as server:
        store = open_series(server.url, server.token)
        store.write([_point(0.25), _point(None, "k-2")])
    for call in _everything(store).values():
        with pytest.raises(TransientError) as caught:
            call()
        assert isinstance(caught.value, Unreachable)
    with start_influxdb(tmp_path, server.port):
        store.write([_point(0.5, "k-3")])
        assert {entity: sample.value for entity, sample in store.latest("fill_ratio").items()} == {
            "k-1": 0.25,
            "k-2": None,
            "k-3": 0.5,
        }
    store.close()


def test_a_field_of_another_type_makes_culprits_and_stops_no_others(own_influxdb: RunningInfluxDB) -> None:
    """Somebody else once wrote whole numbers into a measurement: nothing of ours fits beside them in that week."""
    _post(own_influxdb, "write", body=f"lift_kg,entity=k-9 value=1i {_NOW_MS}".encode(), precision="ms")
    conflicts = [_point(float(n), f"k-{n}", "lift_kg", _NOW_MS) for n in range(5)]
    good = [_point(float(n), f"k-{n}") for n in range(20)]
    with open_series(own_influxdb.url, own_influxdb.token) as store:
        with pytest.raises(BadPoints, match="field type conflict") as caught:
            store.write([*good[:7], *conflicts, *good[7:]])
        assert [culprit.point for culprit in caught.value.culprits] == conflicts
        assert len(store.latest("fill_ratio")) == 20


def test_points_older_than_the_retention_are_culprits(own_influxdb: RunningInfluxDB) -> None:
    org = _post(own_influxdb, "orgs", method="GET")["orgs"][0]["id"]
    rules = [{"type": "expire", "everySeconds": 3600, "shardGroupDurationSeconds": 3600}]
    _post(own_influxdb, "buckets", json={"orgID": org, "name": "short", "retentionRules": rules})
    old = [_point(at_ms=_NOW_MS - 86_400_000 * day) for day in range(1, 4)]
    with open_series(own_influxdb.url.replace("/series", "/short"), own_influxdb.token) as store:
        with pytest.raises(BadPoints, match=r"(?i)retention") as caught:
            store.write([old[0], _point(), *old[1:]])
        assert [culprit.point for culprit in caught.value.culprits] == old
        assert store.keys("fill_ratio", 0, 5e9) == {("k-1", _NOW_MS)}


@contextmanager
def _answering(status: int, body: bytes, headers: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"influxdb://127.0.0.1:{server.server_port}/city/ronde"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("door", ["write", "latest"])
def test_an_overloaded_server_says_when_to_come_back(status: int, door: str) -> None:
    with (
        _answering(status, b'{"message": "later"}', {"Retry-After": "7"}) as url,
        open_series(url, "token") as store,
        pytest.raises(TransientError, match=str(status)) as caught,
    ):
        _everything(store)[door]()
    assert caught.value.retry_after_s == 7.0


def test_a_point_that_is_written_while_we_read_is_not_yet_there_rather_than_unknown() -> None:
    """Values are read before qualities: the newest of each of these series came in between."""
    rows = [
        ",value,0,2026-03-02T06:00:00Z,1.5,k-1",
        ",quality,0,2026-03-02T06:00:00Z,0,k-1",
        ",quality,0,2026-03-02T06:01:00Z,0,k-1",
        ",quality,1,2026-03-02T06:01:00Z,0,k-2",
        ",quality,2,2026-03-02T06:01:00Z,4,k-3",
    ]
    body = "\r\n".join(rows).encode()
    with _answering(200, body, {"Content-Type": "text/csv"}) as url, open_series(url, "token") as store:
        found = store.windows(["k-1", "k-2", "k-3"], "fill_ratio", 0, 5e9)
        assert found["k-1"].value.tolist() == [1.5]
        assert found["k-2"].value.size == 0
        assert np.isnan(found["k-3"].value).tolist() == [True]
        latest = store.latest("fill_ratio")
        assert (latest["k-1"].value, latest["k-3"].value) == (1.5, None)
        assert "k-2" not in latest


def test_an_answer_that_is_broken_off_is_never_taken_for_all_points() -> None:
    body = b",value,0,2026-03-02T06:00:00Z,1.0,k-1\r\n,error,,rpc: broken\r\n"
    with (
        _answering(200, body, {"Content-Type": "text/csv; charset=utf-8"}) as url,
        open_series(url, "token") as store,
        pytest.raises(TransientError, match="rpc: broken"),
    ):
        store.latest("fill_ratio")


@pytest.mark.parametrize(("status", "content"), [(200, "text/html"), (200, ""), (405, "text/html"), (301, "")])
def test_another_program_on_the_port_is_no_passing_trouble(status: int, content: str) -> None:
    with (
        _answering(status, b"<html>Welcome</html>", {"Content-Type": content}) as url,
        open_series(url, "token") as store,
        pytest.raises(PermanentError, match="InfluxDB"),
    ):
        store.check()


def _token(server: RunningInfluxDB, *actions: str) -> str:
    org = _post(server, "orgs", method="GET")["orgs"][0]["id"]
    bucket = _post(server, f"buckets?name={server.bucket}", method="GET")["buckets"][0]["id"]
    permissions = [{"action": action, "resource": {"type": "buckets", "id": bucket}} for action in actions]
    made = _post(server, "authorizations", json={"orgID": org, "permissions": permissions})
    return str(made["token"])


def _post(server: RunningInfluxDB, path: str, method: str = "POST", **how: object) -> dict[str, list[dict[str, str]]]:
    precision = how.pop("precision", None)
    if precision:
        path += f"?org={server.org}&bucket={server.bucket}&precision={precision}"
    with urllib3.PoolManager(headers={"Authorization": f"Token {server.token}"}, timeout=10) as http:
        answer = http.request(method, f"{server.http_url}/api/v2/{path}", **how)  # type: ignore[arg-type]
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else {}  # type: ignore[no-any-return]


def test_a_port_that_is_none_is_bad_input() -> None:
    with pytest.raises(BadInput):
        open_series("influxdb://127.0.0.1:99999/city/ronde", "token")
