"""The house's own rules, as tests."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

# Put together here, so that this file does not hold them itself.
REGISTRY_HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "npmmirror" + ".com",
    "deb.debian" + ".org",
    "proxy.golang" + ".org",
    "crates" + ".io",
    "repo.maven.apache" + ".org",
    "jsdelivr" + ".net",
    "unpkg" + ".com",
]
MACHINE_PATHS = re.compile(r"(?<![\w.$}~-])/(?:work|root|home|Users|tmp)/[\w.]", re.IGNORECASE)


@cache
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@cache
def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def test_a_room_imports_only_what_it_may():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_room_is_a_package_that_says_what_it_is():
    assert {"city", "broker", "ledger", "store", "models", "routing", "edge", "ingest", "simulation", "service"} == set(
        ROOMS
    )
    for room in ROOMS:
        tree = ast.parse(text_of(ROOT / room / "__init__.py"))
        assert ast.get_docstring(tree), room
        logic = [one for one in tree.body[1:] if not isinstance(one, ast.Import | ast.ImportFrom | ast.Assign)]
        assert not logic, f"{room}/__init__.py holds logic"


def test_every_module_says_what_it_is():
    silent = [path for path in python_files() if path.relative_to(ROOT).parts[0] in (*ROOMS, "bench") and text_of(path)]
    assert not [str(path) for path in silent if not ast.get_docstring(ast.parse(text_of(path)))]


def test_no_module_is_a_drawer_for_anything():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
    assert not [path for path in python_files() if drawers & set(path.relative_to(ROOT).with_suffix("").parts)]


@pytest.mark.parametrize(
    "word", ["unittest.mock", "MagicMock", "NotImplementedError", "TO" + "DO", "FIX" + "ME", "XX" + "X"]
)
def test_nothing_is_left_for_later_or_faked(word):
    this = Path(__file__)
    found = [path for path in python_files() if path != this and re.search(rf"\b{re.escape(word)}\b", text_of(path))]
    assert not found


def test_no_file_names_the_host_of_a_package_registry():
    assert not [(path.name, host) for path in tracked() for host in REGISTRY_HOSTS if host in text_of(path)]


def test_no_file_holds_a_path_of_one_machine():
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            if MACHINE_PATHS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found


@pytest.mark.parametrize("name", ["requirements.lock", "bench/requirements.lock"])
def test_a_lock_pins_everything_by_hash_and_names_no_host(name):
    lock = text_of(ROOT / name)
    assert "://" not in lock
    assert "--index-url" not in lock
    assert "--find-links" not in lock
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert len(packages) > 50
    for package in packages:
        assert re.match(r"[a-z0-9-]+==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]


def test_the_locks_hold_every_dependency_that_the_project_names():
    extras = dict(PROJECT["project"]["optional-dependencies"])
    locked = locked_in("requirements.lock")
    assert names_of(extras.pop("bench")) <= locked_in("bench/requirements.lock").keys()
    assert names_of(PROJECT["project"]["dependencies"]) <= locked.keys()
    assert all(names_of(extra) <= locked.keys() for extra in extras.values())


def test_benchmarks_run_with_the_versions_that_the_tests_ran_with():
    assert locked_in("requirements.lock").items() <= locked_in("bench/requirements.lock").items()


def locked_in(name):
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text_of(ROOT / name), re.MULTILINE))


def names_of(dependencies):
    return {re.match(r"[\w-]+", one)[0].lower() for one in dependencies} - {"ronde"}


def test_npms_lock_names_no_host():
    lock = text_of(ROOT / "service" / "pages" / "package-lock.json")
    assert "://" not in lock
    assert '"resolved"' not in lock
    assert '"integrity": "sha512-' in lock


def test_the_base_is_light():
    assert [Requirement(one).name for one in PROJECT["project"]["dependencies"]] == ["msgspec"]


def test_decisions_are_numbered_once_and_say_context_decision_and_consequence():
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert decisions
    assert len(set(numbers)) == len(numbers)
    for path in decisions:
        text = path.read_text(encoding="utf-8").lower()
        assert re.match(r"\d{4}-[a-z0-9-]+\.md$", path.name), path.name
        assert all(part in text for part in ("context", "decision", "consequence")), path.name
