"""Independent judges: scripts of another folder that score what was written to a file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from city.errors import MissingPart

SHARED = Path(os.environ.get("RONDE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """Return a file or folder of the development data.

    Raises
    ------
    MissingPart
        It is not there.
    """
    path = SHARED.joinpath(*parts)
    if not path.exists():
        raise MissingPart(f"{path.name} is not there.", "Set RONDE_SHARED to the folder with the development data.")
    return path


def judge(script: str, *arguments: str | Path, timeout_s: float = 900.0) -> dict[str, Any]:
    """Run a judge and return what it prints; a judge that prints nothing, as when it prepares a file, gives {}."""
    path = shared("judges", script)
    words = [sys.executable, str(path), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise RuntimeError(f"{script}: {done.stderr.strip() or done.stdout.strip()}")
    figures: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    return figures
