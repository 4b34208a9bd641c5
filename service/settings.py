"""Settings of the service: one frozen object, made at the entry point and handed on."""

from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import msgspec

from city.errors import BadInput
from city.parameters import read_parameters
from routing.selection import SelectionParameters


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises
    ------
    BadInput
        It is not written so.

    >>> parse_address("127.0.0.1:1883")
    ('127.0.0.1', 1883)
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        raise BadInput(f"{text!r} is no address of a broker.", "Write HOST:PORT, such as 127.0.0.1:1883.")
    return host, port


class PlanningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When and how rounds are planned.

    Hours are of the local day, other times are city seconds unless they are called real.

    Parameters
    ----------
    plan_hour
        The day plan is made at this hour.
    solver_s
        Real seconds that the solver may take for a day plan.
    improve_s
        Real seconds for which better changes of a plan are searched for, after the first, which comes at once.
    outdated_s
        A proposal is reckoned anew when trucks should have set out to follow it this long ago; no search for a better
        one lasts longer either.
    wait_for_late_s
        Real seconds after a start that a day plan waits for devices that still tell what they kept while they were
        away. A plan made without them is completed later.
    debounce_s
        A cause waits this long for others, so that causes that belong together are one proposal.
    must_probability, must_fill_ratio
        A container that overflows before the next possible visit with more than this probability, or that is this
        full, must be emptied.
    may_probability
        Below this probability of overflow a container is left alone.
    spared_s
        Seconds of driving that it is worth to spare one person a full container.
    next_visit_margin_s
        How long after the next plan hour a truck may come at last.
    min_gain_s
        A change for a jam is proposed only when it saves at least this much.
    jam_radius_m
        A jam concerns a round whose remaining path passes this close.
    command_margin_s
        A round sent to a truck expires this long after it should have ended.

    References
    ----------
    See `routing.selection`.
    """

    plan_hour: float = 7.0
    solver_s: float = 8.0
    improve_s: float = 60.0
    outdated_s: float = 300.0
    wait_for_late_s: float = 45.0
    debounce_s: float = 120.0
    must_probability: float = 0.99
    must_fill_ratio: float = 1.0
    may_probability: float = 0.01
    spared_s: float = 100.0
    next_visit_margin_s: float = 7 * 3600.0
    clear_s: float = 480.0
    clear_per_object_s: float = 45.0
    object_volume_m3: float = 0.25
    object_kg: float = 15.0
    min_gain_s: float = 180.0
    jam_radius_m: float = 250.0
    command_margin_s: float = 7200.0

    @property
    def selection(self) -> SelectionParameters:
        """How emptyings are chosen."""
        return SelectionParameters(self.must_probability, self.must_fill_ratio, self.may_probability, self.spared_s)

    def __post_init__(self) -> None:
        if not 0 <= self.plan_hour < 24:
            raise BadInput(f"plan_hour is {self.plan_hour}.", "Use an hour of the day from 0 up to 24.")
        for name in ("solver_s", "improve_s"):
            if not 0 < getattr(self, name) <= 600:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use a number of seconds above 0, at most 600.")
        # Checks its own parameters.
        _ = self.selection
        if not self.outdated_s >= 60:
            raise BadInput(f"outdated_s is {self.outdated_s}.", "Use at least 60 seconds: trucks need them to react.")
        waits = ("wait_for_late_s", "debounce_s", "command_margin_s")
        for name in (*waits, "min_gain_s", "next_visit_margin_s"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use 0 or more seconds.")


class ServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the service listens and what it is connected to."""

    data: Annotated[str, msgspec.Meta(description="The city's data folder.")] = ""
    host: Annotated[str, msgspec.Meta(description="Address that the pages and the API listen on.")] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(description="0 takes a free one.")] = 8080
    series: Annotated[str, msgspec.Meta(description="Series store; empty = SQLite in the data folder.")] = ""
    series_token: Annotated[str, msgspec.Meta(description="Token of the series store, if it needs one.")] = ""
    desk: Annotated[str, msgspec.Meta(description="Desk store; empty = SQLite in the data folder.")] = ""
    broker: Annotated[
        str, msgspec.Meta(description="HOST:PORT; empty = none: the city is shown, but no truck is told anything.")
    ] = "127.0.0.1:1883"
    router: Annotated[
        str,
        msgspec.Meta(description="A Valhalla server's address; empty = the city's own streets, live traffic included."),
    ] = ""
    weather: Annotated[
        str,
        msgspec.Meta(
            description="CSV file time,beaufort with the wind of each hour, read again when it changes; empty = none: "
            "unknown wind forbids nothing."
        ),
    ] = ""
    clock: Annotated[str, msgspec.Meta(description="START_S,SPEED_UP,EPOCH_S; empty = the machine's time.")] = ""
    seed: Annotated[int, msgspec.Meta(description="Of the solver: the same inputs make the same plan.")] = 1
    tick_s: Annotated[float, msgspec.Meta(description="Real seconds between two looks into the ledger.")] = 0.5
    contact: Annotated[str, msgspec.Meta(description="Who answers questions about the API.")] = ""
    replay: Annotated[bool, msgspec.Meta(description="Whether readings are played back from a history.")] = False

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise BadInput(f"{self.port} is no port.", "Use --port with a number from 0 to 65535 (0 = a free one).")
        if self.broker:
            parse_address(self.broker)
        if self.router and not self.router.startswith(("http://", "https://")):
            raise BadInput(f"{self.router!r} is no address of a router.", "Write http://HOST:PORT, or leave it empty.")
        if not 0 < self.tick_s <= 60:
            raise BadInput(f"tick_s is {self.tick_s}.", "Use a number of seconds above 0, at most 60.")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a running service was told, one section for each part."""

    service: ServiceSettings = ServiceSettings()
    planning: PlanningSettings = PlanningSettings()

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.service.data)

    @property
    def series_url(self) -> str:
        """Address of the series store, the default filled in."""
        return self.service.series or f"sqlite:///{(self.folder / 'series.sqlite').absolute()}"

    @property
    def desk_url(self) -> str:
        """Address of the desk store, the default filled in."""
        return self.service.desk or f"sqlite:///{(self.folder / 'desk.sqlite').absolute()}"

    def with_options(self, **options: Any) -> Self:
        """Return the settings with options of the command line in the section `service`; None leaves one as it is."""
        given = {k: v for k, v in options.items() if v is not None}
        return msgspec.structs.replace(self, service=msgspec.structs.replace(self.service, **given))

    def check_complete(self) -> Self:
        """Return the settings if the service can start with them.

        Raises
        ------
        BadInput
            What has no default is not there.
        """
        if not self.service.data:
            raise BadInput("No data folder was given.", "Name it with --data FOLDER.")
        return self


def read_settings(path: Path | None) -> Settings:
    """Return the settings of a TOML file, the defaults if there is none.

    Raises
    ------
    BadFile
        The file cannot be read, or a section, key or value is wrong.
    """
    return read_parameters(path, Settings) if path else Settings()
