"""Routes for a waste collection instance of Kim, Kim and Sahoo (2006), made by the product's own solver."""

import argparse
import json
import math
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench._kim import check_routes, problem_of, read_instance, routes_of
from city.errors import ExitCode, RondeError
from routing.fleet_size import plan_with_fleet

# Of CPU, for reading, building and judging on a slow core.
_BUILDING_S = 30.0


def main(arguments: list[str]) -> int:
    """Solve an instance and write its routes."""
    parser = argparse.ArgumentParser(prog="python -m bench waste-vrptw", description=__doc__)
    parser.add_argument("--instance", type=Path, required=True, help="a file *_stop.txt")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for all of it")
    parser.add_argument(
        "--solution", type=Path, required=True, help='where {"routes": [[stop id, ...], ...]} is written'
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cpu", action="store_true", help="seconds are of this process's CPU: for a machine that is busy"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    _one_core()
    try:
        with _bounded_cpu(options.seconds):
            figures = solve(options.instance, options.seconds, options.solution, options.seed, options.cpu)
    except RondeError as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    if options.json:
        print(json.dumps(figures))
    else:
        print("| instance | miles | vehicles | violations | seconds |\n| --- | ---: | ---: | ---: | ---: |")
        print("| {instance} | {miles:.1f} | {vehicles} | {violations} | {seconds:.1f} |".format(**figures))
    return ExitCode.OK if not figures["violations"] else ExitCode.FAILED


def solve(path: Path, seconds: float, solution: Path, seed: int = 0, cpu: bool = False) -> dict[str, Any]:
    """Solve an instance, write its routes and return its figures."""
    timer = time.process_time if cpu else time.perf_counter
    began_s = timer()
    instance = read_instance(path)
    problem = problem_of(instance)
    plan = plan_with_fleet(problem, seconds - (timer() - began_s), seed, timer)
    took_s = timer() - began_s
    routes = routes_of(plan)
    miles, wrong = check_routes(instance, routes)
    solution.write_text(json.dumps({"routes": routes}))
    return {
        "instance": instance.name,
        "stops": len(problem.jobs),
        "miles": round(miles, 2),
        "vehicles": len(routes),
        "violations": len(wrong),
        "first": wrong[:3],
        "unserved": len(plan.unserved),
        "seconds": round(took_s, 2),
        "clock": "process CPU" if cpu else "wall",
    }


@contextmanager
def _bounded_cpu(seconds: float) -> Iterator[None]:
    """End the process when it works far longer than it was asked to: one call of the solver cannot be interrupted."""
    before, most = resource.getrlimit(resource.RLIMIT_CPU)
    ends_s = math.ceil(time.process_time() + 2 * seconds + _BUILDING_S)
    resource.setrlimit(resource.RLIMIT_CPU, (ends_s if most < 0 else min(ends_s, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (before, most))


def _one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
