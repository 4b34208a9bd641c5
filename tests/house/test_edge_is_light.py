"""An edge device needs the light base and the `edge` extra, and nothing else."""

import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
OURS = {"edge", "broker", "city"}

# An interpreter in which only a Pi's modules exist, as if the others were not installed.
AS_ON_A_PI = """
import sys

class NotOnAPi:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {modules!r} and top not in sys.stdlib_module_names and not top.startswith("__editable__"):
            raise ModuleNotFoundError(f"No module named {{name!r}}, on a Pi", name=name)

sys.meta_path.insert(0, NotOnAPi())
{action}
"""

EVERY_MODULE = """
import importlib, pkgutil, edge
for module in pkgutil.walk_packages(edge.__path__, "edge."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""

HELP = """
import runpy
sys.argv = ["edge", "--help"]
runpy.run_module("edge", run_name="__main__", alter_sys=True)
"""


def modules_on_a_pi() -> set[str]:
    """Return the top-level modules of the light base and the `edge` extra, with what these need themselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [*project["dependencies"], *project["optional-dependencies"]["edge"]]
    names: set[str] = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = requirement.name.lower()
        if name not in names and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            names.add(name)
            waiting += metadata.requires(name) or []
    modules = metadata.packages_distributions()
    return {module for module, found in modules.items() if {one.lower() for one in found} & names}


def on_a_pi(action: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_ON_A_PI.format(modules=sorted(modules_on_a_pi() | OURS), action=action)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_module_of_the_edge_can_be_imported_on_a_pi():
    ran = on_a_pi(EVERY_MODULE)
    assert ran.returncode == 0, ran.stderr


def test_the_edge_shows_its_help_on_a_pi():
    ran = on_a_pi(HELP)
    assert ran.returncode == 0, ran.stderr
    assert "--config" in ran.stdout


@pytest.mark.parametrize("module", ["numpy", "ledger", "store", "service", "scipy", "influxdb_client", "fastapi"])
def test_what_a_pi_does_not_have_is_really_missing_here(module):
    ran = on_a_pi(f"import {module}")
    assert ran.returncode != 0
    assert "on a Pi" in ran.stderr


def test_the_edge_extra_brings_what_the_wire_needs():
    assert {"msgspec", "paho", "cbor2", "cryptography"} <= modules_on_a_pi()
