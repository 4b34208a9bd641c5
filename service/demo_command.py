"""``ronde demo``: a whole city on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Nobody looks on: a stand-in dispatcher accepts the best proposals.")
    ] = False,
    minutes: Annotated[float | None, typer.Option(help="Real minutes until it ends [default: until Ctrl-C].")] = None,
    scoreboard: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the scoreboard there as JSON.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything there, an empty folder [default: a temporary one].")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the page on 127.0.0.1, 0 = a free one.")] = 8080,
    broker: Annotated[
        Literal["auto", "mosquitto", "iotcore"], typer.Option(help="auto: mosquitto if it is installed, else iotcore.")
    ] = "auto",
    broker_port: Annotated[int, typer.Option(help="Port of the broker, 0 = a free one.")] = 0,
    store: Annotated[Literal["sqlite", "influxdb"], typer.Option(help="The series store.")] = "sqlite",
    clusters: Annotated[int, typer.Option(help="Size of the simulated city.")] = 850,
    seed: Annotated[int, typer.Option(help="The same seed makes the same city and the same troubles.")] = 1,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="When the city's day starts, ISO 8601 with an offset.")
    ] = "",
    speed_up: Annotated[
        float | None, typer.Option(help="City seconds per real second [default: 120, a replay 360].")
    ] = None,
    network: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Real streets, an OpenStreetMap extract (.osm.pbf).")
    ] = None,
    counts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Real hourly counts: time, entity, value (CSV or Parquet).")
    ] = None,
    levels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Real fill levels: time, entity, fill_ratio (CSV or Parquet).")
    ] = None,
) -> None:
    """Run a whole city on this machine: devices, broker, ingest, ledger, stores, detection, rounds and the page."""
    from rich.console import Console

    from service.demo import DemoOptions, run_demo
    from service.demo_screen import Screen

    options = DemoOptions(
        headless=headless,
        minutes=minutes,
        scoreboard=scoreboard,
        folder=folder,
        port=port,
        broker=broker,
        broker_port=broker_port,
        store=store,
        clusters=clusters,
        seed=seed,
        start=start,
        speed_up=speed_up,
        network=network,
        counts=counts,
        levels=levels,
    )
    raise typer.Exit(run_demo(options, Screen(Console())))
