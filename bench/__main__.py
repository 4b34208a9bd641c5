"""`python -m bench NAME [options]` runs the benchmark `bench/NAME.py`; without a name it lists what there is.

A benchmark is a module of this package with a function `main(arguments: list[str]) -> int`, which returns the exit
code. It prints a table for people, and with `--json` one JSON object. Modules that begin with `_` are no benchmarks.
"""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

from city.errors import ExitCode
from city.spelling import did_you_mean


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names, with the others."""
    names = available()
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m bench NAME [--json] [options of the benchmark]")
        for name in names:
            print(f"  {name.replace('_', '-'):16} {_first_line(name)}")
        return ExitCode.OK
    given, *rest = arguments
    name = given.replace("-", "_")
    if name not in names:
        print(f"{given!r} is no benchmark. {did_you_mean(name, names)}", file=sys.stderr)
        return ExitCode.USAGE
    return int(importlib.import_module(f"bench.{name}").main(rest))


def available() -> list[str]:
    """Return the names of the benchmarks."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def _first_line(name: str) -> str:
    # Not imported: a list must not need what a benchmark needs.
    words = ast.get_docstring(ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")))
    return (words or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
