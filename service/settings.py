"""Settings of the service: one frozen object, made at the entry point and handed on."""

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from city.errors import BadInput


class PlanningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When and how rounds are planned. Hours are of the local day, other times city seconds unless named real.

    Parameters
    ----------
    plan_hour
        The day plan is made at this hour.
    solver_s, replan_s
        Real seconds that the solver may take for a day plan, and for a changed one.
    debounce_s
        A cause waits this long for others, so that causes that belong together are one proposal.
    must_probability, must_fill_ratio
        A container that overflows before the next possible visit with more than this probability, or that is this
        full, must be emptied.
    may_probability
        Below this probability of overflow a container is left alone.
    prize_s
        Seconds of driving that preventing one certain overflow is worth.
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
    Must above 99 % probability of overflow, prizes otherwise: arXiv 2409.13386. Emptying takes 2 min per cluster
    and 1 min per container: the same.
    """

    plan_hour: float = 7.0
    solver_s: float = 8.0
    replan_s: float = 3.0
    debounce_s: float = 120.0
    must_probability: float = 0.99
    must_fill_ratio: float = 0.95
    may_probability: float = 0.05
    prize_s: float = 1800.0
    next_visit_margin_s: float = 7 * 3600.0
    service_cluster_s: float = 120.0
    service_container_s: float = 60.0
    clear_s: float = 480.0
    clear_per_object_s: float = 45.0
    object_volume_m3: float = 0.25
    object_kg: float = 15.0
    min_gain_s: float = 180.0
    jam_radius_m: float = 250.0
    command_margin_s: float = 7200.0

    def __post_init__(self) -> None:
        if not 0 <= self.plan_hour < 24:
            raise BadInput(f"plan_hour is {self.plan_hour}.", "Use an hour of the day from 0 up to 24.")
        for name in ("solver_s", "replan_s"):
            if not 0 < getattr(self, name) <= 600:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use a number of seconds above 0, at most 600.")
        for name in ("must_probability", "may_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use a probability from 0 to 1.")
        for name in ("debounce_s", "min_gain_s", "prize_s", "next_visit_margin_s", "command_margin_s"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} is {getattr(self, name)}.", "Use 0 or more seconds.")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a running service was told.

    Parameters
    ----------
    data
        The city's data folder.
    host, port
        Where the pages and the API listen; port 0 takes a free one.
    series, desk
        Addresses of the series and the desk store; empty = SQLite in the data folder.
    broker
        ``HOST:PORT``; empty = none: the city is shown, but no truck can be told anything.
    clock
        As `city.clock.parse_clock` reads it; empty = the machine's time.
    seed
        Of the solver: the same inputs make the same plan.
    tick_s
        Real seconds between two looks into the ledger.
    """

    data: str
    host: str = "127.0.0.1"
    port: int = 8080
    series: str = ""
    series_token: str = ""
    desk: str = ""
    broker: str = "127.0.0.1:1883"
    clock: str = ""
    seed: int = 1
    tick_s: float = 0.5
    contact: str = ""
    planning: PlanningSettings = PlanningSettings()

    def __post_init__(self) -> None:
        if not self.data:
            raise BadInput("No data folder was given.", "Name it with --data FOLDER.")
        if not 0 <= self.port < 65536:
            raise BadInput(f"{self.port} is no port.", "Use --port with a number from 0 to 65535 (0 = a free one).")
        if self.broker:
            self.broker_address()
        if self.tick_s <= 0:
            raise BadInput(f"tick_s is {self.tick_s}.", "Use a number of seconds above 0.")

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.data)

    @property
    def series_url(self) -> str:
        """Address of the series store, the default filled in."""
        return self.series or f"sqlite:///{self.folder / 'series.sqlite'}"

    @property
    def desk_url(self) -> str:
        """Address of the desk store, the default filled in."""
        return self.desk or f"sqlite:///{self.folder / 'desk.sqlite'}"

    def broker_address(self) -> tuple[str, int]:
        """Return host and port of the broker.

        Raises
        ------
        BadInput
            It is not written as ``HOST:PORT``.
        """
        try:
            parts = urlsplit(f"//{self.broker}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port is None:
            raise BadInput(f"{self.broker!r} is no address of a broker.", "Write --broker HOST:PORT.")
        return host, port

    def shown(self) -> dict[str, Any]:
        """Return the settings as plain values, secrets left out."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        values.pop("series_token")
        return values

    def changed(self, **values: Any) -> Self:
        """Return the settings with the given ones in their place; None leaves one as it is."""
        return msgspec.structs.replace(self, **{k: v for k, v in values.items() if v is not None})
