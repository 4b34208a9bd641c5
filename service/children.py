"""The processes that a demonstration starts: each in a session of its own, ended in the opposite order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from city.errors import ExitCode, RondeError


class ChildEnded(RondeError):
    """A process that should go on has ended; it says why with its own words and exit code."""

    def __init__(self, name: str, said: str, code: int, last_line: str) -> None:
        last = f" Its last line: {last_line}" if last_line else ""
        super().__init__(
            said or f"The {name} has ended unexpectedly (code {code}).{last}",
            "" if said else f"Run it again with --folder FOLDER, and read FOLDER/log/{name}.log for its own words.",
        )
        if code in tuple(ExitCode) and code != ExitCode.OK:
            self.exit_code = ExitCode(code)


class _Child(NamedTuple):
    name: str
    process: "subprocess.Popen[bytes]"
    log: Path


class Children:
    """Processes of this product, each logging to a file of its own.

    Parameters
    ----------
    folder
        Where the logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[_Child] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start ``python -m ARGUMENTS`` as `name`."""
        log = self._folder / f"{name}.log"
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        with log.open("ab") as out:
            # A session of its own: Ctrl-C reaches the demonstration alone, which then ends the others in order.
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **(environment or {}), "PYTHONPATH": path},
            )
        self._children.append(_Child(name, process, log))

    def check(self) -> None:
        """See that all go on.

        Raises
        ------
        ChildEnded
            One has ended.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise ChildEnded(child.name, _last_error(child.log), code, _last_line(child.log))

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return next(child.process.pid for child in self._children if child.name == name)

    def end(self, name: str, within_s: float = 20.0) -> int | None:
        """End a child with SIGTERM, kill it when it takes longer; return its exit code, None if there is none."""
        for child in [one for one in self._children if one.name == name]:
            # Only one that has ended is forgotten: whoever is interrupted here has to end it after all.
            code = _end(child.process, within_s)
            self._children.remove(child)
            return code
        return None

    def end_all(self, within_s: float = 20.0) -> None:
        """End all, the last started first."""
        for child in reversed(self._children.copy()):
            self.end(child.name, within_s)

    def kill_all(self) -> None:
        """Kill all, at once; whoever waits for one need not wait any longer. May be called from a signal handler."""
        for child in self._children:
            child.process.kill()


def wait_for(ready: Path, children: Children, what: str, within_s: float) -> None:
    """Wait until a child has written its ready file.

    Raises
    ------
    ChildEnded
        A child ended meanwhile.
    RondeError
        It took too long.
    """
    until_s = time.monotonic() + within_s
    while not ready.exists():
        children.check()
        if time.monotonic() > until_s:
            raise RondeError(f"The {what} is not ready after {within_s:.0f} s.", "Is the machine very busy? Try again.")
        time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]", within_s: float) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(5.0)


def _lines(log: Path) -> list[str]:
    return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]


def _last_line(log: Path) -> str:
    return "".join(_lines(log)[-1:]).strip()


def _last_error(log: Path) -> str:
    """Return the line in which the process said what is wrong, without the name in front of it."""
    for line in reversed(_lines(log)[-20:]):
        head, _, said = line.partition(": ")
        if head in {"error", "ingest", "fleet", "simulation"} and said:
            return said
    return ""
