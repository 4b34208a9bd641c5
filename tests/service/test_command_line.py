"""Everything that can be wrong at the start is one clear line that names the fix, and an exit code that is not 0."""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from broker.server import free_port, start_broker
from city.errors import ExitCode
from service.cli import main
from tests.service.running import settings_for
from tests.service.small_city import SmallCity


def run(capsys, *arguments):
    """Exit code, output and error output of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def one_line(err):
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("line") / "city")
    city.history(hours=4)
    city.close()
    return city


@pytest.fixture
def refusing():
    """A server that answers everything with 401, as an InfluxDB does to a wrong token."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.do_POST()

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b'{"code":"unauthorized","message":"unauthorized access"}'
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_data_folder_that_is_not_there(capsys, tmp_path):
    code, _, err = run(capsys, "serve", "--data", tmp_path / "none", "--broker", "", "--port", 0)
    assert code == ExitCode.BAD_INPUT
    assert "does not exist" in one_line(err)


def test_no_data_folder_at_all(capsys):
    code, _, err = run(capsys, "serve", "--port", 0)
    assert code == ExitCode.BAD_INPUT
    assert "--data" in one_line(err)


def test_a_missing_register(capsys, tmp_path):
    code, _, err = run(capsys, "serve", "--data", tmp_path, "--broker", "", "--port", 0)
    assert code == ExitCode.BAD_INPUT
    assert "register" in err
    assert "Traceback" not in err


def test_a_road_network_that_is_none(capsys, tmp_path):
    city = SmallCity(tmp_path / "city")
    city.close()
    (city.folder / "network.npz").write_bytes(b"no network")
    code, _, err = run(capsys, "serve", "--data", city.folder, "--broker", "", "--port", 0)
    assert code == ExitCode.BAD_INPUT
    assert "network.npz" in one_line(err)
    assert not (city.folder / "desk.sqlite").exists()


def test_a_broker_that_is_not_there(capsys, city):
    port = free_port()
    code, _, err = run(capsys, "serve", "--data", city.folder, "--broker", f"127.0.0.1:{port}", "--port", 0)
    assert code == ExitCode.UNREACHABLE
    assert f"127.0.0.1:{port}" in one_line(err)


def test_a_port_that_is_in_use(capsys, city):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, _, err = run(capsys, "serve", "--data", city.folder, "--broker", "", "--port", port)
    assert code == ExitCode.UNREACHABLE
    assert f"Port {port}" in one_line(err)
    assert "--port" in err


def test_an_address_that_is_not_ours(capsys, city):
    code, _, err = run(capsys, "serve", "--data", city.folder, "--broker", "", "--host", "203.0.113.7", "--port", 0)
    assert code == ExitCode.BAD_INPUT
    assert "--host" in one_line(err)


def test_an_influxdb_that_says_401(capsys, city, refusing):
    code, _, err = run(
        capsys, "serve", "--data", city.folder, "--broker", "", "--port", 0,
        "--series", f"influxdb://127.0.0.1:{refusing}/ronde/ronde", "--series-token", "wrong",
    )  # fmt: skip
    assert code == ExitCode.REFUSED
    assert "token" in one_line(err)
    assert "wrong" not in err


def test_settings_with_an_error_name_file_line_and_the_nearest_key(capsys, city, tmp_path):
    file = tmp_path / "ronde.toml"
    file.write_text('[service]\nbrokr = "x"\n')
    code, _, err = run(capsys, "serve", "--config", file, "--data", city.folder)
    assert code == ExitCode.BAD_INPUT
    assert "ronde.toml:2" in one_line(err)
    assert "'broker'" in err


def test_a_usage_error_has_its_own_code(capsys):
    code, _, err = run(capsys, "serve", "--nonsense")
    assert code == ExitCode.USAGE
    assert "--nonsense" in err


def test_the_register_is_checked(capsys, city, tmp_path):
    code, out, _ = run(capsys, "register", "check", city.folder / "register", "--json")
    assert (code, json.loads(out)["clusters"]) == (0, 12)
    code, out, _ = run(capsys, "register", "check", tmp_path, "--json")
    assert code == ExitCode.BAD_INPUT
    assert json.loads(out)["errors"]


def test_the_ledger_is_audited_and_damage_is_found(capsys, tmp_path):
    city = SmallCity(tmp_path / "city")
    city.history(hours=2)
    city.close()
    code, out, _ = run(capsys, "audit", city.folder, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["fault"]) == (0, True, None)
    assert report["readings"] > 0
    segment = next((city.folder / "ledger").glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    code, out, _ = run(capsys, "audit", city.folder)
    assert code == ExitCode.FAILED
    assert segment.name in out


def test_an_audit_of_nothing_is_an_error(capsys, tmp_path):
    code, _, err = run(capsys, "audit", tmp_path / "none")
    assert code == ExitCode.BAD_INPUT
    assert "no ledger" in one_line(err)


def test_a_network_is_imported_from_osm_and_another_file_is_refused(capsys, tmp_path):
    osm = tmp_path / "tiny.osm"
    osm.write_text(
        '<osm version="0.6"><node id="1" lat="53.2" lon="6.5"/><node id="2" lat="53.201" lon="6.5"/>'
        '<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way></osm>'
    )
    code, out, _ = run(capsys, "network", "import", osm, tmp_path / "network.npz", "--json")
    assert (code, json.loads(out)["edges"]) == (0, 2)
    bad = tmp_path / "bad.osm.pbf"
    bad.write_text("this is no map")
    code, _, err = run(capsys, "network", "import", bad, tmp_path / "other.npz")
    assert code == ExitCode.BAD_INPUT
    assert "OSM" in one_line(err)
    assert not (tmp_path / "other.npz").exists()


def test_levels_are_imported(capsys, tmp_path):
    source = tmp_path / "levels.csv"
    source.write_text("when;bin;pct\n2024-01-01T00:00:00Z;k1;40\n2024-01-01T01:00:00Z;k1;250\n")
    arguments = ("--time-column", "when", "--entity-column", "bin", "--value-column", "pct", "--scale", 0.01)
    code, out, _ = run(capsys, "import", "levels", source, tmp_path / "out.csv", *arguments, "--json")
    assert code == 0
    assert json.loads(out) == {
        "out": str(tmp_path / "out.csv"), "rows": 1, "rows_read": 2, "without_value": 0, "out_of_range": 1,
        "poor_quality": 0, "doubtful_time": 0, "double": 0,
    }  # fmt: skip
    code, _, err = run(capsys, "import", "levels", tmp_path / "none.csv", tmp_path / "out2.csv", *arguments)
    assert code == ExitCode.BAD_INPUT
    assert "none.csv" in one_line(err)
    assert not (tmp_path / "out2.csv").exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_process_answers_soon_streams_and_ends_in_order(city, tmp_path, how):
    """`python -m service serve`, with a browser listening when it is told to end."""
    ready = tmp_path / "ready"
    with start_broker(tmp_path / "broker") as broker:
        settings = settings_for(city).service
        began_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--data", str(city.folder), "--port", "0",
             "--broker", f"{broker.host}:{broker.port}", "--clock", settings.clock, "--ready-file", str(ready)],
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            while not ready.exists():
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() - began_s < 60
                time.sleep(0.05)
            said = json.loads(ready.read_text())
            assert said["pid"] == process.pid
            assert httpx.get(said["url"] + "v1/city", timeout=5).status_code == 200
            with httpx.stream("GET", said["url"] + "v1/live", timeout=20) as live:
                lines = live.iter_lines()
                assert next(lines).startswith("retry")
                os.kill(process.pid, how)
                for _ in lines:
                    pass
            _, err = process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert "leaked" not in err
        assert not ready.exists()
        with pytest.raises(httpx.ConnectError):
            httpx.get(said["url"] + "v1/city", timeout=2)
