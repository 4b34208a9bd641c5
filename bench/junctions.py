"""Junctions: incidents, forecasts, anomalies and what a tick costs, each beside its baselines.

`python -m bench junctions [--json] [--part incidents|forecast|expectation|anomalies|scale] [--quick]`
"""

import argparse
import importlib
import json
from types import ModuleType
from typing import Any

from city.errors import ExitCode, MissingPart

PARTS = {
    "incidents": "bench._junction_incidents",
    "forecast": "bench._traffic_forecast",
    "expectation": "bench._expectation",
    "anomalies": "bench._anomalies",
    "scale": "bench._junction_scale",
}


def main(arguments: list[str]) -> int:
    """Run the parts and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m bench junctions", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="smaller, for a look")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    tables: list[str] = []
    missing = False
    for part in options.part or PARTS:
        try:
            module = _module(part)
            figures[part] = module.run(options.quick)
            tables.append(f"## {part}\n\n{module.table(figures[part])}")
        except MissingPart as error:
            missing = True
            figures[part] = {"missing": str(error)}
            tables.append(f"## {part}\n\nLeft out: {error}")
    print(json.dumps(figures) if options.json else "\n\n".join(tables))
    return ExitCode.MISSING_PART if missing and len(figures) == 1 else ExitCode.OK


def _module(part: str) -> ModuleType:
    try:
        return importlib.import_module(PARTS[part])
    except ModuleNotFoundError as error:
        raise MissingPart(
            f"{error.name} is not there.", "Install the bench extra: pip install 'ronde[bench]'."
        ) from None
