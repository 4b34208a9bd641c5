"""``python -m ingest``: the ingest process of one city."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from city.clock import parse_clock
from city.errors import BadInput, ExitCode, RondeError
from ingest.process import Options, run

DEFAULT_PORT = 1883


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ingest until it is told to end; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Takes readings from the broker into the ledger, acknowledges them, and feeds the series store.",
        epilog="SIGTERM ends it in order. SIGHUP reads the register again, and tries a store again that refused.",
    )
    parser.add_argument("--data", type=Path, required=True, help="the city's folder; its register/ must be there")
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="the MQTT broker")
    parser.add_argument("--series", metavar="URL", help="the series store (default: series.sqlite in the folder)")
    parser.add_argument("--series-token", metavar="TOKEN", help="its token (default: RONDE_SERIES_TOKEN)")
    parser.add_argument("--clock", metavar="SPEC", help="START_S,SPEED_UP,EPOCH_S of a simulated city's clock")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="written when messages are received")
    parser.add_argument("--wait-s", type=float, default=10.0, help="seconds to wait for the broker at the start")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        host, port = _address(given.broker)
        run(
            Options(
                data=given.data,
                host=host,
                port=port,
                series=given.series or f"sqlite:///{given.data.resolve() / 'series.sqlite'}",
                series_token=given.series_token or os.environ.get("RONDE_SERIES_TOKEN"),
                clock=parse_clock(given.clock),
                ready_file=given.ready_file,
                wait_s=given.wait_s,
            )
        )
    except RondeError as error:
        sys.stderr.write(f"ingest: {error}\n")
        return int(error.exit_code)
    return int(ExitCode.OK)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        host, port = text, str(DEFAULT_PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadInput(f"{text!r} is no address of a broker.", "Give HOST:PORT, for instance 127.0.0.1:1883.")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
