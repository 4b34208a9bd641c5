import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from broker.server import free_port, start_broker
from city.errors import BadInput, PortInUse
from tests.parts import require


@pytest.fixture(params=["mosquitto", "iotcore"])
def kind(request):
    if request.param == "mosquitto":
        require("mosquitto")
    return request.param


def test_it_listens_on_loopback_alone_and_ends_when_told(tmp_path, kind):
    running = start_broker(tmp_path, kind=kind)
    listeners = [
        one.laddr for one in psutil.Process(running.pid).net_connections("tcp") if one.status == psutil.CONN_LISTEN
    ]
    assert [tuple(one) for one in listeners] == [("127.0.0.1", running.port)]
    assert running.kind == kind
    assert running.is_running
    running.stop()
    running.stop()
    assert not running.is_running
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((running.host, running.port), timeout=1)


def test_a_port_in_use_is_said_and_nothing_is_left_running(tmp_path, kind):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port}.*--broker-port"):
            start_broker(tmp_path, kind=kind, port=port)
    assert not [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def test_two_brokers_at_once_get_two_ports(tmp_path, kind):
    with start_broker(tmp_path / "a", kind=kind) as one, start_broker(tmp_path / "b", kind=kind) as other:
        assert one.port != other.port


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_it_refuses_to_listen_to_the_world(tmp_path, host):
    with pytest.raises(BadInput, match="asks nobody"):
        start_broker(tmp_path, host=host)


def test_an_unknown_kind_is_said(tmp_path):
    with pytest.raises(BadInput, match="hivemq"):
        start_broker(tmp_path, kind="hivemq")


def test_without_mosquitto_auto_is_iotcore_and_asking_for_it_names_the_package(tmp_path):
    script = (
        "import sys, broker.server as server\n"
        "from city.errors import MissingPart\n"
        "server._MORE_PATH = ''\n"
        "try:\n    server.start_broker(sys.argv[1], kind='mosquitto')\n"
        "except MissingPart as error:\n    print(error)\n"
        "with server.start_broker(sys.argv[1]) as running:\n    print(running.kind)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "Install the package 'mosquitto'" in done.stdout
    assert done.stdout.splitlines()[-1] == "iotcore"


def test_the_embedded_broker_ends_with_whoever_started_it(tmp_path):
    script = (
        "import os, sys, broker.server as server\n"
        "running = server.start_broker(sys.argv[1], kind='iotcore')\n"
        "print(running.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    pid = int(done.stdout)
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s and psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie":
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_free_port_is_free():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        pass
