"""What a fleet writes down about itself, under `truth/`: for the scoreboard, never for a detector."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from city.errors import BadFile
from edge.witness import drop_cut_line
from simulation.truth import Happening


class EventLog:
    """`truth/events.jsonl`: what really happened, one JSON object a line: event, entity, at_s, and what belongs to it.

    Overflows have an `id`: they are dumpings with the cause overflow that nobody planted on purpose. A last line that a
    kill cut off is dropped.
    """

    def __init__(self, path: Path) -> None:
        drop_cut_line(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, happenings: Iterable[Happening]) -> None:
        """Add what happened."""
        lines = [_line(one) for one in happenings]
        if lines:
            self._file.write("".join(lines))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_events(path: Path) -> list[Happening]:
    """Return what an `EventLog` holds; a last line that a kill cut off is left out.

    Raises
    ------
    BadFile
        A line in the middle is none of ours.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            raw = json.loads(line)
            found.append(
                Happening(
                    str(raw["event"]),
                    str(raw["entity"]),
                    float(raw["at_s"]),
                    str(raw.get("container", "")),
                    bool(raw.get("observable", True)),
                    str(raw.get("truck", "")),
                    float(raw.get("value", 0.0)),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            if number == len(lines) and not line.endswith("\n"):
                break
            raise BadFile(
                "This line tells no event.", "Make the city again in an empty folder.", file=str(path), line=number
            ) from None
    return found


def write_json(path: Path, body: dict[str, Any]) -> None:
    """Write a JSON file that appears whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(msgspec.json.encode(body) + b"\n")
    os.replace(draft, path)


def _line(one: Happening) -> str:
    body: dict[str, Any] = {"event": one.event, "entity": one.entity, "at_s": round(one.at_s, 1)}
    if one.event == "overflow":
        body |= {
            "id": f"overflow-{one.entity}-{one.at_s:.0f}",
            "container": one.container,
            "cause": "overflow",
            "observable": one.observable,
        }
    else:
        body |= {"truck": one.truck, "value": one.value}
    return json.dumps(body) + "\n"
