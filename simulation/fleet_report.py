"""`truth/fleet.json`: what a fleet has produced, and what of it is acknowledged."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge.outbox import LOGS
from simulation.fleet_device import FleetDevice
from simulation.records import write_json
from simulation.trucks import TruckDrive


def write_fleet_report(
    path: Path,
    state: str,
    at_s: float,
    devices: Mapping[str, FleetDevice],
    drives: Iterable[TruckDrive],
    *,
    with_devices: bool,
) -> None:
    """Write how a fleet stands: `state` is ``running`` or ``stopped``, `at_s` city time.

    `produced` is `acknowledged` and `pending` together, over both logs of all devices; `with_devices` adds the heads
    of each log.
    """
    heads = {id: one.agent.outbox.heads for id, one in devices.items()}
    produced = sum(h.next_n for one in heads.values() for h in one.values())
    acknowledged = sum(h.kept_n for one in heads.values() for h in one.values())
    body: dict[str, Any] = {
        "state": state,
        "at_s": at_s,
        "produced": produced,
        "acknowledged": acknowledged,
        "pending": produced - acknowledged,
        "connected": sum(one.client.is_connected for one in devices.values()),
        "resent": sum(one.agent.resent for one in devices.values()),
        "dropped": sum(one.agent.dropped for one in devices.values()),
        "trucks": {
            drive.truck.id: {
                "plan": drive.plan,
                "distance_m": round(drive.distance_m, 1),
                "done": [stop.job for stop in drive.done if stop.job],
            }
            for drive in drives
        },
    }
    if with_devices:
        body["devices"] = {
            id: {log: {"log_id": one[log].log_id, "kept_n": one[log].kept_n, "next_n": one[log].next_n} for log in LOGS}
            for id, one in heads.items()
        }
    write_json(path, body)


def reported_at_s(path: Path) -> float | None:
    """Return the city time of the last report; None if there is none."""
    try:
        return float(msgspec.json.decode(path.read_bytes())["at_s"])
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None
