"""A server of our own, and how `make influxd` and we find one."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from city.errors import MissingPart, PermanentError, PortInUse
from store.influx_server import find_influxd, start_influxdb
from store.series import open_series

_SCRIPT = Path(__file__).parents[2] / "deploy" / "influxdb" / "install.sh"


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def _says(version: str) -> str:
    return f'test "$1" = version && echo "{version}"'


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a shell and little else; returns the folder that stands on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "env", "grep", "mkdir", "mktemp", "rm", "cut", "sort", "chmod", "ls"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return programs


def _install() -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(_SCRIPT)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", ["InfluxDB v2.9.1 (git: none) build_date: x", "InfluxDB 2.7.11 (git: fbf5d4ab5e)"])
def test_a_server_of_the_2_line_on_path_is_taken(bare: Path, version: str) -> None:
    program = _program(bare / "influxd", _says(version))
    assert find_influxd() == program
    done = _install()
    assert (done.returncode, done.stdout.strip()) == (0, str(program))


@pytest.mark.parametrize("version", ["InfluxDB v1.8.10 (git: 1.8 688e697c51fd)", "influxdb3 2.0", ""])
def test_a_server_of_another_line_is_not_taken(bare: Path, version: str) -> None:
    _program(bare / "influxd", _says(version))
    with pytest.raises(MissingPart, match="make influxd"):
        find_influxd()
    assert _install().returncode == 3


def test_a_built_server_is_taken_when_path_has_none_or_another(bare: Path, tmp_path: Path) -> None:
    built = _program(tmp_path / "cache" / "ronde" / "influxdb-2.9.1" / "influxd", _says("InfluxDB v2.9.1 (git: none)"))
    assert find_influxd() == built
    assert _install().stdout.strip() == str(built)
    _program(bare / "influxd", _says("InfluxDB v1.8.10 (git: x)"))
    assert find_influxd() == built
    assert _install().stdout.strip() == str(built)


def test_a_built_server_that_does_not_run_is_not_taken(bare: Path, tmp_path: Path) -> None:
    _program(tmp_path / "cache" / "ronde" / "influxdb-2.9.1" / "influxd", "exit 1")
    with pytest.raises(MissingPart):
        find_influxd()
    assert _install().returncode == 3


def test_missing_tools_are_named_and_nothing_is_left_behind(bare: Path, tmp_path: Path) -> None:
    _program(bare / "go", "exit 1")
    done = _install()
    assert done.returncode == 3
    assert done.stdout == ""
    assert "without: cargo rustc gcc pkg-config." in done.stderr
    assert "make influxd" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_the_server_that_was_built_is_recognised(influxd: Path) -> None:
    assert find_influxd().is_file()
    assert "InfluxDB" in subprocess.run([find_influxd(), "version"], capture_output=True, text=True, check=True).stdout


def test_a_folder_is_continued_with_its_data_and_token(influxd: Path, tmp_path: Path) -> None:
    with start_influxdb(tmp_path) as server:
        first = server.token
        with open_series(server.url, first) as store:
            store.check()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    with start_influxdb(tmp_path) as server:
        assert server.token == first
        with open_series(server.url, first) as store:
            assert store.latest("ronde_check")


def test_a_port_of_another_program_is_named(influxd: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            start_influxdb(tmp_path, port)
    assert not (tmp_path / "influxd.bolt").exists()


def test_a_server_that_ends_by_itself_is_said_at_once(bare: Path, tmp_path: Path) -> None:
    _program(bare / "influxd", _says("InfluxDB v2.9.1") + ' || { echo "no room on the disk"; exit 7; }')
    with pytest.raises(PermanentError, match=r"exit code 7.*no room on the disk"):
        start_influxdb(tmp_path / "influxdb")
