"""Runs the agent of one device: ``python -m edge --config agent.toml``."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.client import Loop, MqttClient
from broker.envelope import load_key, new_key, public_key_hex, save_key
from city.clock import Clock, WallClock, parse_clock
from city.errors import BadFile, ExitCode, RondeError
from edge.agent import Agent
from edge.config import AgentSettings, read_settings
from edge.link import make_link
from edge.outbox import Outbox
from edge.timekeeping import KernelTime, TimeSense, Trusted, boot_id

_LONGEST_SLEEP_S = 30.0
_CHECK_BROKER_S = 3.0
_logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (`city.errors.ExitCode`)."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = read_settings(options.config)
        if options.make_key:
            print(make_key(settings))  # noqa: T201 - the answer
            return ExitCode.OK
        if options.check:
            return _print_check(settings)
        run(settings, parse_clock(options.clock))
    except RondeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the answer
        return error.exit_code
    return ExitCode.OK


def run(settings: AgentSettings, clock: Clock) -> None:
    """Run the agent until SIGTERM or SIGINT.

    A broker that is not there is no reason to end: readings are kept meanwhile.

    Raises
    ------
    RondeError
        The key, the outbox or a driver cannot be used.
    """
    boot = boot_id()
    key = _load_key(settings)
    drivers = [one.make() for one in settings.driver]
    with Outbox(settings.outbox, settings.device) as outbox:
        client = make_link(settings.broker.host, settings.broker.port, settings.city, settings.device, clock, boot)
        agent = Agent(
            settings.device,
            settings.city,
            drivers,
            outbox,
            client,
            key,
            clock,
            boot,
            parameters=settings.agent,
            sampling=settings.sampling,
            health_channel=settings.health_channel,
            time_sense=_time_sense(settings, clock),
        )
        _drive(agent, client, clock)


def check(settings: AgentSettings) -> Iterator[RondeError]:
    """Yield everything that would keep the agent from its work, each with what mends it."""
    steps: list[Callable[[], object]] = [lambda: _load_key(settings), lambda: _check_outbox(settings)]
    steps += [one.make for one in settings.driver]
    steps += [lambda: _check_broker(settings), lambda: _check_clock(settings)]
    for step in steps:
        try:
            step()
        except RondeError as error:
            yield error


def make_key(settings: AgentSettings) -> str:
    """Make the device's key if there is none, and return the public key for the register."""
    if not Path(settings.key).exists():
        save_key(settings.key, new_key())
    return public_key_hex(load_key(settings.key))


def _drive(agent: Agent, client: MqttClient, clock: Clock) -> None:
    loop = Loop()
    is_ending = False

    def end(*_: object) -> None:
        nonlocal is_ending
        is_ending = True
        loop.wake()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, end)
    loop.add(client)
    was_connected, said = False, client.last_error
    while not is_ending:
        agent.tick()
        if client.is_connected != was_connected or client.last_error != said:
            was_connected, said = client.is_connected, client.last_error
            if was_connected:
                _logger.info("Connected to %s:%d; %d readings wait.", client.host, client.port, agent.pending)
            elif said:
                _logger.warning("No broker at %s:%d (%s); readings are kept.", client.host, client.port, said)
        wait_s = clock.real_s(agent.next_due_s() - clock.now_s())
        loop.run_once(max(0.0, min(_LONGEST_SLEEP_S, wait_s)))
    agent.close()
    loop.run_once(0.0)
    loop.close()
    _logger.info("Ended; %d readings wait in the outbox.", agent.pending)


def _print_check(settings: AgentSettings) -> int:
    code = ExitCode.OK
    for error in check(settings):
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the answer
        code = code or error.exit_code
    if not code:
        print(f"{settings.device}: everything is in order.")  # noqa: T201 - the answer
    return code


def _load_key(settings: AgentSettings) -> Ed25519PrivateKey:
    if not Path(settings.key).exists():
        raise BadFile("There is no key.", "Run once with --make-key, and register what it prints.", file=settings.key)
    return load_key(settings.key)


def _check_outbox(settings: AgentSettings) -> None:
    path = Path(settings.outbox)
    if path.exists():
        Outbox(path, settings.device).close()
    elif not os.access(path.parent, os.W_OK):
        raise BadFile(
            f"The folder {path.parent} cannot be written.", f"Run: mkdir -p {path.parent}", file=settings.outbox
        )


def _check_broker(settings: AgentSettings) -> None:
    # Under a name of its own: the device's would end the agent that runs.
    client = MqttClient(settings.broker.host, settings.broker.port, f"{settings.city}-check-{os.getpid()}")
    loop = Loop()
    try:
        loop.add(client)
        loop.wait_connected(client, _CHECK_BROKER_S)
    finally:
        loop.close()


def _check_clock(settings: AgentSettings) -> None:
    clock = WallClock()
    if not _time_sense(settings, clock).is_synchronised(clock.now_s()):
        raise RondeError(
            "The clock of this machine is not synchronised, so readings are marked clock_unsure.",
            "Start a time daemon (systemctl enable --now systemd-timesyncd), or set clock.sync to 'trusted'.",
        )


def _time_sense(settings: AgentSettings, clock: Clock) -> TimeSense:
    return KernelTime() if settings.clock.sync == "kernel" and isinstance(clock, WallClock) else Trusted()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge", description="The agent of one device.")
    parser.add_argument("--config", required=True, help="TOML file; deploy/edge/agent.toml is a sample")
    parser.add_argument("--check", action="store_true", help="say what is wrong, with what mends it, and end")
    parser.add_argument("--make-key", action="store_true", help="make the key if missing, print the public key")
    parser.add_argument("--clock", help="START_S,SPEED_UP,EPOCH_S of a simulated city")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser
