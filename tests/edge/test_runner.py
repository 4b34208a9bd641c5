"""``python -m edge`` as an installer meets it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from broker.client import Loop, MqttClient
from broker.envelope import load_key, public_key_hex
from broker.server import free_port, start_broker
from city.errors import ExitCode
from edge.outbox import Outbox
from tests.edge.town import CITY, Tiny

ROOT = Path(__file__).parents[2]


def edge(*arguments, timeout=30):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture
def config(tmp_path):
    def write(port, more=""):
        path = tmp_path / "agent.toml"
        path.write_text(
            f'device = "k1"\ncity = "{CITY}"\nkey = "{tmp_path}/k1.key"\noutbox = "{tmp_path}/outbox.sqlite"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {port}\n[clock]\nsync = "trusted"\n{more}'
        )
        return path

    return write


def replay(tmp_path):
    now = time.time()
    lines = [f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + n))},{n + 1}" for n in range(-1, 60)]
    (tmp_path / "levels.csv").write_text("time,value\n" + "\n".join(lines) + "\n")
    return (
        f'[[driver]]\ntype = "replay"\nchannel = "c1"\nkind = "traffic"\nquantity = "vehicle_count"\n'
        f'file = "{tmp_path}/levels.csv"\ninterval_s = 1\n'
    )


def test_check_of_a_good_configuration_is_short(tmp_path, config):
    with start_broker(tmp_path / "broker") as broker:
        path = config(broker.port)
        made = edge("--config", path, "--make-key")
        assert made.stdout.strip() == public_key_hex(load_key(tmp_path / "k1.key"))
        assert edge("--config", path, "--make-key").stdout == made.stdout
        done = edge("--config", path, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "k1: everything is in order.\n", "")


def test_check_says_everything_that_is_wrong_each_with_a_fix(tmp_path, config):
    port = free_port()
    path = config(
        port, '[[driver]]\ntype = "replay"\nchannel = "c"\nkind = "fill"\nquantity = "fill_ratio"\nfile = "none"\n'
    )
    path.write_text(path.read_text().replace(f"{tmp_path}/outbox", f"{tmp_path}/none/outbox"))
    done = edge("--config", path, "--check")
    lines = done.stderr.splitlines()
    assert done.returncode == ExitCode.BAD_INPUT
    assert len(lines) == 4
    for line, words in zip(lines, ["--make-key", "mkdir -p", "Name a CSV file", f"127.0.0.1:{port}"], strict=True):
        assert line.startswith("error: ")
        assert words in line


@pytest.mark.parametrize(
    ("text", "code"),
    [("", ExitCode.BAD_INPUT), ("device = \n", ExitCode.BAD_INPUT), ('devise = "k1"\n', ExitCode.BAD_INPUT)],
)
def test_a_broken_configuration_is_one_line(tmp_path, text, code):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    done = edge("--config", path)
    assert done.returncode == code
    assert done.stderr.startswith(f"error: {path}")
    assert "Traceback" not in done.stderr


def test_a_key_that_others_can_read_stops_it(tmp_path, config):
    path = config(free_port())
    edge("--config", path, "--make-key")
    (tmp_path / "k1.key").chmod(0o644)
    done = edge("--config", path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "chmod 600" in done.stderr


def test_it_keeps_readings_without_a_broker_sends_them_when_it_comes_and_ends_on_sigterm(tmp_path, config):
    port = free_port()
    path = config(port, replay(tmp_path))
    edge("--config", path, "--make-key")
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "--config", str(path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        time.sleep(2.5)
        with start_broker(tmp_path / "broker", port=port):
            loop = Loop()
            client = MqttClient("127.0.0.1", port, "ingest", clean=False)
            tiny = Tiny(client, {"k1": public_key_hex(load_key(tmp_path / "k1.key"))})
            loop.add(client)
            until_s = time.monotonic() + 20
            while tiny.count() < 5 and time.monotonic() < until_s:
                loop.run_once(0.1)
            process.send_signal(signal.SIGTERM)
            while process.poll() is None and time.monotonic() < until_s:
                loop.run_once(0.1)
            loop.close()
    finally:
        process.kill()
        said = process.stderr.read()
        process.wait()
        process.stderr.close()
    assert process.returncode == 0, said
    assert "readings are kept" in said
    assert "Connected to" in said
    with Outbox(tmp_path / "outbox.sqlite", "k1") as outbox:
        assert outbox.head("readings").next_n >= tiny.count() >= 5
        assert outbox.head("readings").kept_n <= tiny.count()


def test_it_stays_light(tmp_path):
    """On a Pi the base and the edge extra are all there is."""
    script = (
        "import sys, edge.runner\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'psutil', 'iotcore', 'fastapi', 'sqlalchemy', 'pyvrp', 'ledger',"
        " 'store', 'service', 'simulation', 'models', 'routing', 'ingest'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
