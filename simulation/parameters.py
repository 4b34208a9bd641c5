"""What a simulated city is made of: one frozen object, checked once."""

import math
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from city.devices import check_id
from city.errors import BadInput
from simulation.streets import StreetParameters

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
QUARTER_S = 900.0


@dataclass(frozen=True)
class CityParameters:
    """Size, equipment and troubles of a city; the default is a Groningen.

    Parameters
    ----------
    city, name, timezone
        Id, name and IANA time zone.
    streets
        Where the streets are generated.
    clusters, containers, junctions
        How many there are. Every cluster has at least one container.
    crane_trucks, grab_trucks
        The fleet: crane trucks empty containers, grab vehicles clear loose waste.
    camera_share
        Share of the clusters with a camera: where dumping can be seen at all.
    paper_share
        Share of the clusters that are for paper; the others are for residual waste. The last crane truck takes it, so a
        city with one crane truck has none.
    deposits_share
        Mean share of a container's volume that is thrown in on a day.
    deposits_day_spread
        Spread (of the logarithm) of a luck of the day that containers do not share; 0 leaves arrivals Poisson.
    dumpings_per_day, jams_per_day
        City-wide rates of what is planted outside the demonstration window.
    demo_dumpings, demo_jams
        How many are planted in the first `demo_window_h` hours after the start.
    stuck_sensors, silent_devices, demo_overflows
        Faults and overflows in that window.
    blocked_share
        Share of the clusters whose street is full at one hour of every weekday: drivers cannot stop there then.
    days_ahead
        How many days after the start events are planted for.
    history_h
        Hours before the start for which the truth exists (the backlog that devices may have).

    References
    ----------
    850 clusters, 1,120 containers, 4 trucks, one depot: arXiv 2409.13386. The other defaults are assumptions.
    """

    city: str = "groningen"
    name: str = "Groningen"
    timezone: str = "Europe/Amsterdam"
    streets: StreetParameters = field(default_factory=StreetParameters)
    clusters: int = 850
    containers: int = 1120
    junctions: int = 24
    crane_trucks: int = 4
    grab_trucks: int = 2
    camera_share: float = 0.4
    paper_share: float = 0.2
    deposits_share: float = 0.14
    deposits_day_spread: float = 0.35
    dumpings_per_day: float = 15.0
    jams_per_day: float = 8.0
    demo_window_h: float = 2.5
    demo_dumpings: int = 8
    demo_jams: int = 4
    demo_overflows: int = 3
    stuck_sensors: int = 2
    silent_devices: int = 2
    blocked_share: float = 0.05
    days_ahead: int = 7
    history_h: float = 48.0

    def __post_init__(self) -> None:
        check_id(self.city, "city")
        for name in ("clusters", "containers", "junctions", "crane_trucks", "grab_trucks"):
            if getattr(self, name) < 1:
                raise BadInput(f"A city with {getattr(self, name)} {name} has nothing to do.", "Give at least 1.")
        if self.containers < self.clusters:
            raise BadInput(
                f"{self.containers} containers are too few for {self.clusters} clusters.",
                "Give every cluster at least one container.",
            )
        for name in ("camera_share", "paper_share", "deposits_share", "blocked_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BadInput(f"{name} is {getattr(self, name)}.", "A share is from 0 to 1.")
        for name in ("deposits_day_spread", "dumpings_per_day", "jams_per_day", "demo_dumpings", "demo_jams",
                     "demo_overflows", "stuck_sensors", "silent_devices", "days_ahead", "history_h"):  # fmt: skip
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"{name} is {value}.", "Give 0 or more.")

    @classmethod
    def of_size(cls, clusters: int, *, city: str = "groningen") -> "CityParameters":
        """Return a city like the default in everything but size.

        >>> CityParameters.of_size(85).junctions
        8
        """
        whole = cls(city=city)
        share = clusters / whole.clusters
        side = math.sqrt(share)
        streets = StreetParameters(
            half_width_m=max(900.0, whole.streets.half_width_m * side),
            half_height_m=max(700.0, whole.streets.half_height_m * side),
        )
        return cls(
            city=city,
            name=city.capitalize(),
            streets=streets,
            clusters=clusters,
            containers=max(clusters, round(whole.containers * share)),
            junctions=min(24, max(2, round(whole.junctions * side))),
            crane_trucks=max(1, round(whole.crane_trucks * side)),
            grab_trucks=max(1, round(whole.grab_trucks * side)),
            dumpings_per_day=max(2.0, whole.dumpings_per_day * share),
            jams_per_day=max(2.0, whole.jams_per_day * side),
            demo_dumpings=min(whole.demo_dumpings, max(1, clusters // 3)),
            demo_jams=min(whole.demo_jams, max(1, round(whole.demo_jams * side))),
            demo_overflows=min(whole.demo_overflows, max(0, clusters // 6)),
            stuck_sensors=min(whole.stuck_sensors, max(1, clusters // 6)),
            silent_devices=min(whole.silent_devices, clusters // 6),
        )


def demo_start_s(day: date, timezone: str = "Europe/Amsterdam", at: time = time(6, 30)) -> float:
    """Return the start of a demonstration: local time `at` on the first weekday from `day` on, seconds since 1970.

    >>> demo_start_s(date(2026, 3, 29)) - datetime(2026, 3, 30, 4, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    0.0
    """
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return datetime.combine(day, at, ZoneInfo(timezone)).timestamp()


def local_time(at_s: float, timezone: str) -> datetime:
    """Return the local time in the city."""
    return datetime.fromtimestamp(at_s, ZoneInfo(timezone))
