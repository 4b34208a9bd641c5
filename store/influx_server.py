"""An InfluxDB server of our own on loopback, for tests and for a demo: started, set up, and ended again."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import urllib3
from urllib3.exceptions import HTTPError

from city.errors import MissingPart, PermanentError, PortInUse, Unreachable

_HOST = "127.0.0.1"
_START_S = 60.0
_STOP_S = 20.0


class RunningInfluxDB:
    """A server that `start_influxdb` started.

    Attributes
    ----------
    url
        What `store.series.open_series` takes, together with `token`.
    http_url
        ``http://HOST:PORT``, for a browser or another client.
    org, bucket, token
        What was made in it; the token may do everything in `org`.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, org: str, bucket: str, token: str) -> None:
        self._process = process
        self.port = port
        self.org = org
        self.bucket = bucket
        self.token = token
        self.http_url = f"http://{_HOST}:{port}"
        self.url = f"influxdb://{_HOST}:{port}/{org}/{bucket}"

    @property
    def pid(self) -> int:
        """Number of the server's process."""
        return self._process.pid

    def stop(self) -> None:
        """End the server and wait for it; what was written stays in its folder."""
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def find_influxd() -> Path:
    """Return the server: one of the 2.x line on PATH, else the one that ``make influxd`` built.

    Raises
    ------
    MissingPart
        There is neither.
    """
    on_path = shutil.which("influxd")
    if on_path and _is_influxd_2(on_path):
        return Path(on_path)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ronde"
    for built in sorted(cache.glob("influxdb-2*/influxd"), reverse=True):
        if _is_influxd_2(str(built)):
            return built
    found = f"{on_path} is not of the 2.x line" if on_path else "no influxd is on PATH"
    raise MissingPart(
        f"There is no InfluxDB 2.x server here: {found}.",
        "Run 'make influxd' (about six minutes, once), or install the vendor's package.",
    )


def start_influxdb(folder: Path, port: int = 0, *, org: str = "ronde", bucket: str = "series") -> RunningInfluxDB:
    """Start a server on 127.0.0.1 with all its files in `folder`, and return when it can be written to.

    A folder of an earlier run is continued: its data and its token stay. `port` 0 takes a free one.

    Raises
    ------
    MissingPart
        There is no InfluxDB 2.x server on this machine.
    PortInUse
        Another program listens on `port`.
    PermanentError
        It ended by itself, or the folder belongs to a server whose token is not known.
    Unreachable
        It did not become ready in time.
    """
    influxd = find_influxd()
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            raise PortInUse(port, "InfluxDB", "--series-port") from None
        port = probe.getsockname()[1]
    log = folder / "influxd.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [
                str(influxd),
                f"--bolt-path={folder / 'influxd.bolt'}",
                f"--sqlite-path={folder / 'influxd.sqlite'}",
                f"--engine-path={folder / 'engine'}",
                f"--http-bind-address={_HOST}:{port}",
                "--reporting-disabled",
                "--log-level=warn",
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # Ctrl-C ends those who write first, and the server after them.
            start_new_session=True,
        )
    try:
        with urllib3.PoolManager(timeout=5, retries=False) as http:
            _wait_until_ready(http, process, port, log)
            token = _set_up(http, port, folder / "token", org, bucket)
    except BaseException:
        _end(process)
        raise
    return RunningInfluxDB(process, port, org, bucket, token)


def _is_influxd_2(path: str) -> bool:
    try:
        said = subprocess.run([path, "version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.match(r"InfluxDB v?(2\.|dev)", said) is not None


def _wait_until_ready(http: urllib3.PoolManager, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise PermanentError(
                f"InfluxDB ended while it started (exit code {process.returncode}): {''.join(last)[:300]}",
                f"See {log}.",
            )
        try:
            if http.request("GET", f"http://{_HOST}:{port}/health").status == 200:
                return
        except HTTPError:
            pass
        time.sleep(0.05)
    raise Unreachable(f"InfluxDB was not ready within {_START_S:.0f} s.", f"See {log}.")


def _set_up(http: urllib3.PoolManager, port: int, token_file: Path, org: str, bucket: str) -> str:
    url = f"http://{_HOST}:{port}/api/v2/setup"
    if not http.request("GET", url).json()["allowed"]:
        try:
            return token_file.read_text().strip()
        except FileNotFoundError:
            raise PermanentError(
                f"The InfluxDB in {token_file.parent} was set up by somebody else.", "Choose another folder."
            ) from None
    token = secrets.token_urlsafe(32)
    # Before the server knows it: a crash in between leaves a folder that can be set up again.
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    account = {"username": "ronde", "password": secrets.token_urlsafe(16), "org": org, "bucket": bucket, "token": token}
    answer = http.request("POST", url, json=account | {"retentionPeriodSeconds": 0})
    if answer.status != 201:
        raise PermanentError(f"InfluxDB could not be set up ({answer.status}): {answer.data.decode()[:300]}")
    return token


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
