"""A broker on loopback for a newcomer's machine, a demonstration and tests.

mosquitto where it is installed, else rumqttd in the `iotcore` wheel. Both listen on loopback only and ask nobody who
they are: a city runs its own mosquitto with certificates and access rules.
"""

import contextlib
import errno
import ipaddress
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple, Self

import psutil

from broker.codec import MAX_COMMAND_BYTES
from city.errors import BadInput, MissingPart, PortInUse, RondeError

BrokerKind = Literal["mosquitto", "iotcore"]

# Debian installs mosquitto where only root's PATH looks.
_MORE_PATH = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_MAX_PACKET_BYTES = 2 * MAX_COMMAND_BYTES
_START_S = 15.0
_TRIES = 5

_MOSQUITTO = """\
listener {port} {host}
allow_anonymous true
user {user}
max_connections -1
max_packet_size {max_packet_bytes}
set_tcp_nodelay true
# The defaults (20 under way, 1000 waiting, then dropped) are made for small houses.
max_inflight_messages 5000
max_queued_messages 0
persistence true
persistence_location {folder}/
autosave_interval 60
log_dest stderr
log_type error
log_type warning
connection_messages false
"""

# rumqttd keeps one log of segments per subscribed filter. A read takes a whole segment, so segments are small; the
# filters that the ingest reads get enough of them to stand a restart of the ingest, a device's own filters very few.
_RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 200
max_segment_size = 65536
max_segment_count = 16
[router.custom_segment."ronde/+/+/up/+"]
max_segment_size = 1048576
max_segment_count = 64
[v4.1]
name = "loopback"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_packet_bytes}
max_inflight_count = 1000
dynamic_filters = true
"""


class RunningBroker:
    """A broker that this process started.

    Attributes
    ----------
    host, port
        Where it listens.
    kind
        ``mosquitto`` or ``iotcore``.
    pid
        Its process.
    """

    def __init__(self, host: str, port: int, kind: BrokerKind, process: "subprocess.Popen[bytes]") -> None:
        self.host = host
        self.port = port
        self.kind = kind
        self.pid = process.pid
        self._process = process

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process.poll() is None

    def stop(self, timeout_s: float = 5.0) -> None:
        """End it and wait until it is gone. May be called twice."""
        _end(self._process, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_broker(
    folder: str | os.PathLike[str],
    *,
    port: int = 0,
    kind: Literal["auto", "mosquitto", "iotcore"] = "auto",
    host: str = "127.0.0.1",
) -> RunningBroker:
    """Start a broker on loopback and return when it listens.

    Parameters
    ----------
    folder
        Where it keeps its configuration, its log and (mosquitto) its queues; made if it is not there.
    port
        0 = a free one.
    kind
        ``auto`` is mosquitto if it is installed, else iotcore.

    Raises
    ------
    PortInUse
        Another program listens on `port`.
    MissingPart
        The broker that was asked for is not installed.
    BadInput
        `host` is not loopback.
    """
    if not _is_loopback(host):
        raise BadInput(
            f"The built-in broker asks nobody who they are, so it does not listen on {host}.",
            "Use 127.0.0.1, or name the city's own broker.",
        )
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    program = _program(kind)
    for left in reversed(range(_TRIES)):
        chosen = port or free_port(host)
        if port and not _is_free(host, port):
            raise PortInUse(port, "broker", "--broker-port")
        process = _spawn(program, folder, host, chosen)
        try:
            why = _wait_until_it_listens(process, host, chosen)
        except BaseException:
            _end(process, 5.0)
            raise
        if not why:
            return RunningBroker(host, chosen, program.kind, process)
        _end(process, 5.0)
        taken = not _is_free(host, chosen)
        if taken and port:
            raise PortInUse(port, "broker", "--broker-port")
        if not taken or not left:
            raise RondeError(
                f"The broker ({program.kind}) did not start: {why}.", f"Read {folder / 'broker.log'} for its own words."
            )
    raise AssertionError("the last try returns or raises")


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


class _Program(NamedTuple):
    kind: BrokerKind
    path: str


def _program(kind: str) -> _Program:
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=_MORE_PATH)
    if kind in ("auto", "mosquitto") and mosquitto:
        return _Program("mosquitto", mosquitto)
    if kind == "mosquitto":
        raise MissingPart(
            "The broker mosquitto is not installed.", "Install the package 'mosquitto', or use the broker 'iotcore'."
        )
    if kind not in ("auto", "iotcore"):
        raise BadInput(f"There is no broker {kind!r}.", "Use auto, mosquitto or iotcore.")
    if find_spec("iotcore") is None:
        raise MissingPart(
            "No broker is installed: neither mosquitto nor iotcore.",
            "Install the package 'mosquitto', or run: pip install 'ronde[server]'",
        )
    return _Program("iotcore", sys.executable)


def _spawn(program: _Program, folder: Path, host: str, port: int) -> "subprocess.Popen[bytes]":
    if program.kind == "mosquitto":
        config = folder / "mosquitto.conf"
        template = _MOSQUITTO
        command = [program.path, "-c", str(config)]
    else:
        config = folder / "rumqttd.toml"
        template = _RUMQTTD
        command = [program.path, "-m", "broker.embedded", str(config)]
    user = pwd.getpwuid(os.geteuid()).pw_name
    config.write_text(
        template.format(host=host, port=port, user=user, folder=folder, max_packet_bytes=_MAX_PACKET_BYTES)
    )
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with (folder / "broker.log").open("ab") as log:
        # A session of its own: Ctrl-C on the terminal must not end the broker before those who still drain into it.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", host: str, port: int) -> str:
    """Return why it does not listen; empty if it does."""
    until_s = time.monotonic() + _START_S
    pause_s = 0.01
    while time.monotonic() < until_s:
        if process.poll() is not None:
            return f"it ended with code {process.returncode}"
        if _listens(process.pid, port):
            return ""
        time.sleep(pause_s)
        pause_s = min(0.1, pause_s * 1.5)
    return f"it does not listen on {host}:{port} after {_START_S:.0f} s"


def _listens(pid: int, port: int) -> bool:
    """Whether the listener on `port` belongs to the process: an answer on the port alone could be somebody else's."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def _end(process: "subprocess.Popen[bytes]", timeout_s: float) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        # A stopped process handles its signals when it goes on.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout_s)
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _is_free(host: str, port: int) -> bool:
    with socket.socket(_family(host), socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
