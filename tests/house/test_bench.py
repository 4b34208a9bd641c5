"""`python -m bench` finds its benchmarks by itself."""

import subprocess
import sys

from tests.house.test_architecture import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_without_a_name_it_lists_what_there_is():
    listed = bench()
    assert listed.returncode == 0
    names = {path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_")}
    assert names == {line.split()[0] for line in listed.stdout.splitlines()[1:]}


def test_an_unknown_name_is_refused():
    refused = bench("no-such-benchmark")
    assert refused.returncode == 2
    assert refused.stderr.startswith("'no-such-benchmark' is no benchmark.")
