"""What the containers say: faults, time to full, dumping, emptyings, silence and scale, each beside its baseline."""

import argparse
import importlib
import json
import sys
from typing import Any

from city.errors import ExitCode, MissingPart

PARTS = {
    "faults": "bench._container_faults",
    "fill": "bench._time_to_full",
    "dumping": "bench._dumping",
    "emptyings": "bench._emptyings",
    "silence": "bench._fleet_silence",
    "scale": "bench._container_scale",
}


def main(arguments: list[str]) -> int:
    """Run the parts that are asked for, all of them without --part."""
    parser = argparse.ArgumentParser(prog="python -m bench containers", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=list(PARTS), action="append", help="run only this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and sizes, to see that it runs")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    tables: list[str] = []
    failed = False
    for name in asked.part or PARTS:
        try:
            part = importlib.import_module(PARTS[name])
            figures[name] = part.run(asked.quick)
            tables.append(part.table(figures[name]))
        except (ModuleNotFoundError, MissingPart) as error:
            figures[name] = {"missing": str(error)}
            tables.append(f"**{name}**: not run: {error}")
            print(f"{name}: not run: {error}", file=sys.stderr)
            failed = True
    print(json.dumps(figures) if asked.json else "\n\n".join(tables))
    return ExitCode.USAGE if failed and asked.part else ExitCode.OK
