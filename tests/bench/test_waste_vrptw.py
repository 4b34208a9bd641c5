import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from bench.waste_vrptw import main

_INSTANCE = """\
280 // capacity
400 // day
500 // stops
0 // lunch
40 // mph
id x y from until service load kind
0 0 0 500 1800 0 0 0
1 5000 0 500 1700 60 10 1
2 9000 4000 500 1700 60 20 1
3 7000 7000 500 1700 300 0 2
"""


def test_an_instance_is_solved_and_the_process_is_not_bounded_any_more(tmp_path: Path) -> None:
    stops, routes = tmp_path / "3_stop.txt", tmp_path / "routes.json"
    stops.write_text(_INSTANCE)
    before = resource.getrlimit(resource.RLIMIT_CPU)
    cores = os.sched_getaffinity(0)
    try:
        code = main(["--instance", str(stops), "--seconds", "1", "--solution", str(routes), "--json"])
    finally:
        os.sched_setaffinity(0, cores)
    assert code == 0
    assert sorted(json.loads(routes.read_text())["routes"][0]) == [1, 2, 3]
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


def test_a_solver_that_does_not_come_back_is_ended() -> None:
    endless = (
        "import bench.waste_vrptw as one\none._BUILDING_S = 0.0\nwith one._bounded_cpu(0.5):\n    while True: pass\n"
    )
    ended = subprocess.run([sys.executable, "-c", endless], timeout=120, check=False)
    assert ended.returncode == -signal.SIGXCPU
