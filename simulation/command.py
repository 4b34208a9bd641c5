"""The commands of the simulated city."""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from city.clock import parse_clock, parse_time
from city.errors import BadFile, BadInput, ExitCode, RondeError
from routing.network import Network
from routing.osm import read_osm
from simulation.city import SimulatedCity
from simulation.field import Field, ReplayField, SimulatedField
from simulation.fleet import Fleet
from simulation.fleet_device import FleetParameters
from simulation.parameters import CityParameters, demo_start_s
from simulation.planted import read_planted
from simulation.records import write_json
from simulation.replay import ReplayCity, ReplayParameters
from simulation.streets import generate_network


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(name)s %(message)s")
    try:
        {"generate": _generate, "replay": _replay, "fleet": _fleet}[options.command](options)
    except RondeError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return int(ExitCode.OK)


def read_field(folder: Path) -> Field:
    """Return what `generate` or `replay` wrote to `folder`, at the beginning of its history.

    Raises
    ------
    BadFile, BadRegister
        There is no city, or a file of it is wrong.
    """
    if read_planted(folder / "truth" / "planted.json") is None:
        return ReplayField(ReplayCity.read(folder))
    return SimulatedField(SimulatedCity.read(folder))


def read_network(path: Path | None, seed: int) -> Network:
    """Return the streets of a file, `.npz` or OpenStreetMap; None generates some.

    Raises
    ------
    BadFile
        The file is neither.
    """
    if path is None:
        return generate_network(seed)
    return Network.load(path) if path.suffix == ".npz" else read_osm(path)


def _generate(options: argparse.Namespace) -> None:
    parameters = (
        CityParameters(city=options.city)
        if options.clusters is None
        else CityParameters.of_size(options.clusters, city=options.city)
    )
    start_s = _start_s(options, parameters.timezone)
    _refuse_overwriting(options.folder)
    city = SimulatedCity.generate(parameters, options.seed, start_s).write(options.folder)
    _say(
        {
            "folder": str(options.folder),
            "start_s": start_s,
            "devices": len(city.register.devices),
            "containers": len(city.register.containers),
            "approaches": len(city.register.approaches),
            "planted": len(city.planted),
        }
    )


def _replay(options: argparse.Namespace) -> None:
    parameters = ReplayParameters(city=options.city, timezone=options.timezone, volume_m3=options.volume_m3)
    start_s = _start_s(options, parameters.timezone)
    _refuse_overwriting(options.folder)
    city = ReplayCity.build(
        read_network(options.network, options.seed),
        start_s,
        counts=options.counts,
        levels=options.levels,
        counts_from_s=_day_s(options.counts_from),
        levels_from_s=_day_s(options.levels_from),
        seed=options.seed,
        parameters=parameters,
    ).write(options.folder)
    _say(
        {
            "folder": str(options.folder),
            "start_s": start_s,
            "devices": len(city.register.devices),
            "containers": len(city.register.containers),
            "approaches": len(city.register.approaches),
            "planted": None,
        }
    )


def _fleet(options: argparse.Namespace) -> None:
    host, _, port = options.broker.rpartition(":")
    if not host or not port.isdigit():
        raise BadInput(f"{options.broker!r} is no broker.", "Give HOST:PORT, for instance 127.0.0.1:1883.")
    fleet = Fleet(
        read_field(options.folder),
        options.folder,
        host,
        int(port),
        parse_clock(options.clock),
        FleetParameters(options.backlog_h, options.traffic_backlog_h, options.drain_s),
    )
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: fleet.stop())
    made = fleet.play_backlog()

    def ready() -> None:
        if options.ready_file:
            write_json(options.ready_file, {"ready": True, "backlog": made})

    fleet.run(ready, parse_time(options.until) if options.until else None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    commands = parser.add_subparsers(dest="command", required=True)

    generate = commands.add_parser("generate", help="make a city: register, streets, keys, planted troubles")
    generate.add_argument("--city", default="groningen", help="id of the city")
    generate.add_argument("--clusters", type=int, help="size; everything else follows (default: a Groningen)")

    replay = commands.add_parser("replay", help="make a city of files that were measured")
    replay.add_argument("--city", default="replay", help="id of the city")
    replay.add_argument("--timezone", default="Europe/Berlin", help="IANA name, of the files and the city")
    replay.add_argument("--network", type=Path, help=".npz or OpenStreetMap (.osm.pbf); left out: generated streets")
    replay.add_argument("--counts", type=Path, help="SERIES: time, entity, value (hourly counts)")
    replay.add_argument("--levels", type=Path, help="LEVELS: time, entity, fill_ratio")
    replay.add_argument("--from", dest="counts_from", help="day of the counts to begin with (default: last whole week)")
    replay.add_argument("--levels-from", help="the same for the levels")
    replay.add_argument("--volume-m3", type=float, default=4.0, help="volume of each container (default 4)")

    for one in (generate, replay):
        one.add_argument("--folder", type=Path, required=True, help="where to write the city")
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--start", help="start of the demonstration, ISO 8601 with an offset")
        one.add_argument("--day", type=date.fromisoformat, help="instead: 06:30 on the first working day from this")

    fleet = commands.add_parser("fleet", help="run all devices of a city against a broker")
    fleet.add_argument("--folder", type=Path, required=True, help="a folder that generate or replay wrote")
    fleet.add_argument("--broker", required=True, metavar="HOST:PORT")
    fleet.add_argument("--clock", help="START_S,SPEED_UP,EPOCH_S; left out: this machine's time")
    fleet.add_argument("--backlog-h", type=float, default=48.0, help="hours that outboxes hold at first (default 48)")
    fleet.add_argument("--traffic-backlog-h", type=float, default=2.0, help="the same for minutely devices (default 2)")
    fleet.add_argument("--drain-s", type=float, default=20.0, help="real seconds to drain at the end (default 20)")
    fleet.add_argument("--until", help="stop at this city time, ISO 8601 with an offset")
    fleet.add_argument("--ready-file", type=Path, help="written when the backlog is played and devices connect")
    return parser


def _start_s(options: argparse.Namespace, timezone: str) -> float:
    if options.start:
        return parse_time(options.start)
    return demo_start_s(options.day or datetime.now(UTC).date(), timezone)


def _day_s(text: str | None) -> float | None:
    if not text:
        return None
    return parse_time(text if "T" in text else f"{text}T12:00:00Z")


def _refuse_overwriting(folder: Path) -> None:
    if (folder / "truth" / "events.jsonl").exists():
        raise BadFile(
            "A fleet ran in this folder; a new city would not fit its outboxes.", "Choose an empty folder.",
            file=str(folder),
        )  # fmt: skip


def _say(body: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
