"""Parts that a test needs and a machine may lack: found, or the test skips with the reason.

With ``RONDE_REQUIRE=all`` a missing part fails the test instead: a green run then proves that every part was there that
``.ci/run`` installs. Valhalla is none of them: what can be installed of it needs a newer Python than ours.
"""

import os
import shutil
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ronde"


def require(part: str) -> Path:
    """Return where `part` is: ``mosquitto``, ``influxd``, ``chromium``, ``valhalla`` or ``shared-data``."""
    found, how = _find(part)
    if found:
        return found
    reason = f"{part} is not here: {how}"
    if os.environ.get("RONDE_REQUIRE") == "all" and part != "valhalla":
        pytest.fail(reason)
    pytest.skip(reason)


def _find(part: str) -> tuple[Path | None, str]:
    if part == "shared-data":
        folder = _ROOT.parent / "shared" / "data"
        return (folder if folder.is_dir() else None), "real data for development stands in ../shared/data"
    if part == "influxd":
        built = sorted(_CACHE.glob("influxdb-2*/influxd"))
        path = shutil.which("influxd") or (str(built[-1]) if built else None)
        return (Path(path) if path else None), "run 'make influxd'"
    if part == "valhalla":
        path = shutil.which("valhalla_service")
        return (Path(path).parent if path else None), "put a Valhalla on PATH; the wheel pyvalhalla>=3.9 holds one"
    names = {"mosquitto": ("mosquitto",), "chromium": ("chromium", "chromium-browser", "google-chrome")}[part]
    for name in names:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path:
            return Path(path), ""
    return None, f"install the package '{part}'"
