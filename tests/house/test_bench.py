"""`python -m bench` finds its benchmarks by itself."""

import subprocess
import sys

from bench.soak import PARTS, schedule
from tests.house.test_architecture import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_without_a_name_it_lists_what_there_is():
    listed = bench()
    assert listed.returncode == 0
    names = {path.stem.replace("_", "-") for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_")}
    assert names == {line.split()[0] for line in listed.stdout.splitlines()[1:]}


def test_an_unknown_name_is_refused():
    refused = bench("no-such-benchmark")
    assert refused.returncode == 2
    assert refused.stderr.startswith("'no-such-benchmark' is no benchmark.")


def test_a_soak_kills_by_its_seed_and_leaves_every_part_up():
    steps = schedule(7, 600.0, 20.0)
    assert steps == schedule(7, 600.0, 20.0) != schedule(8, 600.0, 20.0)
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    for part in PARTS:
        kills = [step.is_kill for step in steps if step.part == part]
        assert len(kills) > 20
        assert kills == [True, False] * (len(kills) // 2)
