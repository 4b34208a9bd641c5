"""The command line ``ronde``: everything a city runs, one clear line for everything that goes wrong."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from city.errors import ExitCode, RondeError
from service.commands import audit_command, import_app, network_app, register_app
from service.demo_command import demo
from service.evaluate_app import evaluate_app
from service.import_counts import import_ndw, import_telraam
from service.settings import read_settings
from service.shadow_command import shadow

logger = logging.getLogger(__name__)

app = typer.Typer(
    name="ronde",
    help="A city's waste and traffic readings, from the sensor to a better round.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(register_app, name="register")
app.add_typer(import_app, name="import")
app.add_typer(network_app, name="network")
import_app.command("ndw")(import_ndw)
import_app.command("telraam")(import_telraam)
app.add_typer(evaluate_app, name="evaluate")
app.command("audit")(audit_command)
app.command("demo")(demo)
app.command("shadow")(shadow)

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error comes from.")] = False,
) -> None:
    """Look at `main` for what --debug does: an error is no longer a command's business when it is printed."""


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="The city's data folder.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 = a free one [default: 8080].")] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The MQTT broker; empty = none [default: 127.0.0.1:1883].")
    ] = None,
    series: Annotated[
        str | None, typer.Option(metavar="URL", help="The series store [default: SQLite in the data folder].")
    ] = None,
    series_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", envvar="RONDE_SERIES_TOKEN", help="Its token.")
    ] = None,
    desk: Annotated[
        str | None, typer.Option(metavar="URL", help="The desk store [default: SQLite in the data folder].")
    ] = None,
    clock: Annotated[
        str | None, typer.Option(metavar="START_S,SPEED_UP,EPOCH_S", help="The clock of a simulated city.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in TOML; options of this line come first.")
    ] = None,
    replay: Annotated[bool | None, typer.Option("--replay", help="Say that a history is played back.")] = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Written when the pages answer, with their address.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log also what is only of interest to a developer.")
    ] = False,
) -> None:
    """Run the service: detection, planning, the API and the pages."""
    from service.server import serve as run_service

    configure_logging(verbose)
    settings = read_settings(config).with_options(
        data=None if data is None else str(data),
        host=host,
        port=port,
        broker=broker,
        series=series,
        series_token=series_token,
        desk=desk,
        clock=clock,
        replay=replay,
    )
    run_service(settings.check_complete(), ready_file)


@app.command(context_settings=_PASSED_ON, add_help_option=False)
def ingest(context: typer.Context) -> None:
    """Take readings from the broker into the ledger (ronde ingest --help says how)."""
    from ingest.__main__ import main as run_ingest

    raise typer.Exit(run_ingest(context.args))


@app.command(context_settings=_PASSED_ON, add_help_option=False)
def simulate(context: typer.Context) -> None:
    """Make a simulated city, or run its devices (ronde simulate --help says how)."""
    from simulation.command import main as run_simulation

    raise typer.Exit(run_simulation(context.args))


def configure_logging(verbose: bool = False) -> None:
    """Log to standard error, one line per state change."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("httpx", "httpcore", "uvicorn.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.INFO if verbose else logging.WARNING)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=arguments, prog_name="ronde")
    except RondeError as error:
        if "--debug" in arguments:
            raise
        sys.stderr.write(error_line(error) + "\n")
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has heard enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitCode.FAILED))


def error_line(error: RondeError) -> str:
    """Return what a person reads when a command fails.

    >>> error_line(RondeError("The bin is full.", "Empty it."))
    'error: The bin is full. Empty it.'
    """
    return f"error: {f'{error.problem} {error.fix}'.strip()}"
