"""The configuration of an agent: one TOML file, checked as a whole before anything is opened."""

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec

from city.devices import check_id
from city.errors import BadFile, BadInput
from city.quantities import quantity
from city.readings import ReadingKind
from edge.agent import AgentParameters
from edge.driver import Driver
from edge.drivers.replay import ReplayDriver
from edge.drivers.ultrasonic import UltrasonicDriver, gpio_ping
from edge.geometry import check_depth_table
from edge.sampling import SamplingParameters


class BrokerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the city's broker is."""

    host: str
    port: int = 1883

    def __post_init__(self) -> None:
        if not self.host:
            raise BadInput("host is empty.", "Name the city's broker.")
        if not 1 <= self.port <= 65535:
            raise BadInput(f"port is {self.port}.", "It must be from 1 to 65535.")


class ClockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who says that the time is right: the kernel (a time daemon sets it), or nobody needs to (``trusted``)."""

    sync: Literal["kernel", "trusted"] = "kernel"


class UltrasonicSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="ultrasonic"):
    """An ultrasonic sensor on two GPIO pins (BCM numbers) above a container's waste."""

    channel: str
    trigger_pin: int
    echo_pin: int
    depth_mm: float
    depth_table: tuple[tuple[float, float], ...] = ()
    interval_s: float = 600.0

    def __post_init__(self) -> None:
        _check_driver(self.channel, self.interval_s)
        if not 0 < self.depth_mm <= 10_000:
            raise BadInput(f"depth_mm is {self.depth_mm}.", "It must be above 0 and at most 10000.")
        if self.depth_table:
            check_depth_table(self.depth_table)

    def make(self) -> Driver:
        """Return the driver; raises `city.errors.MissingPart` where there are no pins."""
        return UltrasonicDriver(
            self.channel,
            gpio_ping(self.trigger_pin, self.echo_pin),
            self.depth_mm,
            self.depth_table,
            interval_s=self.interval_s,
        )


class ReplaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="replay"):
    """A CSV file with the columns ``time,value`` that is played back."""

    channel: str
    kind: ReadingKind
    quantity: str
    file: str
    interval_s: float = 600.0

    def __post_init__(self) -> None:
        _check_driver(self.channel, self.interval_s)
        quantity(self.quantity)

    def make(self) -> Driver:
        """Return the driver; raises `city.errors.BadFile` if the file cannot be used."""
        return ReplayDriver.open(self.file, self.channel, self.kind, self.quantity, self.interval_s)


class AgentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an agent needs to know.

    `device` and `city` are ids of the register, `key` and `outbox` paths of files.
    """

    device: str
    city: str
    key: str
    outbox: str
    broker: BrokerSettings
    health_channel: str = ""
    clock: ClockSettings = ClockSettings()
    agent: AgentParameters = AgentParameters()
    sampling: SamplingParameters = SamplingParameters()
    driver: tuple[UltrasonicSettings | ReplaySettings, ...] = ()

    def __post_init__(self) -> None:
        check_id(self.device, "device")
        check_id(self.city, "city")
        if self.health_channel:
            check_id(self.health_channel, "health_channel")
        channels = [one.channel for one in self.driver]
        for one in channels:
            if channels.count(one) > 1:
                raise BadInput(f"The channel {one!r} has two drivers.", "Give one of them another channel.")


def read_settings(path: str | os.PathLike[str]) -> AgentSettings:
    """Return the settings in a TOML file.

    Raises
    ------
    BadFile
        It cannot be read, is no TOML, or a setting is missing, unknown or out of range; the field is named, and for an
        unknown one the nearest that is known.
    """
    name = os.fspath(path)
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(
            f"The configuration cannot be read: {error.strerror}.", "Name it with --config.", file=name
        ) from None
    except (ValueError, RecursionError) as error:
        # What is no TOML or no UTF-8, and numbers and depths that Python does not take.
        line = re.search(r"at line (\d+)", str(error))
        raise BadFile(
            f"This is no TOML: {error}.", "Compare it with the sample.", file=name, line=int(line[1]) if line else 0
        ) from None
    try:
        return msgspec.convert(raw, AgentSettings)
    except msgspec.ValidationError as error:
        raise _explained(error, name) from None


def _explained(error: msgspec.ValidationError, file: str) -> BadFile:
    text, _, where = str(error).partition(" - at ")
    field = where.strip("`").removeprefix("$").removeprefix(".")
    cause = error.__cause__
    if isinstance(cause, BadInput):
        return BadFile(cause.problem, cause.fix, file=file, field=field)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        known = _fields_at(field)
        near = get_close_matches(unknown[1], known, n=1, cutoff=0.5)
        fix = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
        return BadFile(
            f"There is no setting {unknown[1]!r}.", fix, file=file, field=".".join(filter(None, (field, unknown[1])))
        )
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        return BadFile(
            f"The setting {missing[1]!r} is missing.",
            f"Add {missing[1]} = … there.",
            file=file,
            field=".".join(filter(None, (field, missing[1]))),
        )
    return BadFile(f"{text}.", "Compare it with the sample.", file=file, field=field)


def _fields_at(field: str) -> list[str]:
    kinds: dict[str, list[Any]] = {
        "": [AgentSettings],
        "broker": [BrokerSettings],
        "clock": [ClockSettings],
        "agent": [AgentParameters],
        "sampling": [SamplingParameters],
    }
    structs = kinds.get(field, [UltrasonicSettings, ReplaySettings])
    return sorted(
        {name for one in structs for name in one.__struct_fields__} | ({"type"} if len(structs) > 1 else set())
    )


def _check_driver(channel: str, interval_s: float) -> None:
    check_id(channel, "channel")
    if not 1 <= interval_s <= 86_400:
        raise BadInput(f"interval_s is {interval_s}.", "It must be from 1 to 86400.")
