"""All waste collection instances that are there, solved with the same settings and judged from outside."""

import tempfile
from pathlib import Path
from typing import Any

from bench._judge import judge, shared
from bench.waste_vrptw import solve

# Miles and vehicles of the best published plans (Kim 2006; Buhrkal 2012): for the table alone, no setting knows them.
_PUBLISHED_MILES = {"102": 174.5, "335": 182.1, "444": 78.3, "1051": 2370.4, "2100": 1749.0}
_SECONDS, _QUICK_S = 60.0, 6.0


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of each instance; seconds are of this process's CPU."""
    instances = sorted(shared("data", "waste-vrptw").glob("*_stop.txt"), key=lambda path: path.stat().st_size)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in instances[:2] if quick else instances:
            name = path.name.partition("_")[0]
            solution = Path(folder) / f"{name}.json"
            made = solve(path, _QUICK_S if quick else _SECONDS, solution, cpu=True)
            said = judge("kim.py", path, solution)
            best = _PUBLISHED_MILES.get(name)
            rows.append(
                {
                    "instance": name,
                    "miles": round(said["miles"], 1),
                    "vehicles": said["vehicles"],
                    "violations": said["violations"],
                    "published_miles": best,
                    "ratio": round(said["miles"] / best, 3) if best else None,
                    "cpu_s": made["seconds"],
                }
            )
    return {"instances": rows}


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| instance | miles | vehicles | violations (judge) | best published miles | ratio | CPU s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in figures["instances"]:
        words = "| {instance} | {miles} | {vehicles} | {violations} | {published_miles} | {ratio} | {cpu_s} |"
        lines.append(words.format(**one))
    return "\n".join(lines)
