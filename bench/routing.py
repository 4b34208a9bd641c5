"""Rounds: waste instances, travel matrices, replanning, day plans, a year in shadow mode, and bad problems."""

import argparse
import importlib
import inspect
import json
import sys
from typing import Any

from city.errors import ExitCode, MissingPart

# The modules, which other benchmarks' needs must not keep from being listed: each is imported when it is run.
PARTS = {
    "kim": "bench._kim_instances",
    "matrix": "bench._matrix",
    "replan": "bench._replan",
    "day": "bench._day_plan",
    "shadow": "bench._shadow",
    "arrivals": "bench._arrival_times",
    "bad": "bench._bad_problems",
}


def main(arguments: list[str]) -> int:
    """Run the parts and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m bench routing", description=__doc__)
    parser.add_argument("--part", choices=sorted(PARTS), action="append", help="only this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--reference-s", type=float, help="seconds of the long search that answers are held against")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    for name in options.part or PARTS:
        figures[name] = _run(name, options.quick, options.reference_s)
        if not options.json:
            print(f"## {name}\n\n{_table(name, figures[name])}\n", flush=True)
    if options.json:
        print(json.dumps(figures))
    return ExitCode.MISSING_PART if any("missing" in one for one in figures.values()) else ExitCode.OK


def _run(name: str, quick: bool, reference_s: float | None) -> dict[str, Any]:
    try:
        module = importlib.import_module(PARTS[name])
        more = {"reference_s": reference_s} if "reference_s" in inspect.signature(module.run).parameters else {}
        result: dict[str, Any] = module.run(quick, **more)
    except (ImportError, MissingPart) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return {"missing": str(error)}
    return result


def _table(name: str, figures: dict[str, Any]) -> str:
    if "missing" in figures:
        return f"Not run: {figures['missing']}"
    return str(importlib.import_module(PARTS[name]).table(figures))
