"""A small city that tests read and write."""

from city.devices import Device, Installation
from city.places import Approach, Cluster, Container, Depot, Junction, Truck, UnloadingSite
from city.register import Register

KEY = "ab" * 32


def small_city() -> Register:
    return Register(
        "groningen",
        "Europe/Amsterdam",
        name="Groningen",
        clusters=[
            Cluster("k1", 'Grote Markt, "noord"', 6.5665, 53.2190, district="Centrum", before_hour=11.0),
            Cluster("k2", "Vismarkt\nzuid", 6.5640, 53.2170),
            Cluster("k3", "", 6.57, 53.21),
        ],
        containers=[
            Container("c1", "k1", "residual", 5.0),
            Container(
                "c2", "k1", "glass", 4.0, depth_mm=2200.0, depth_table=((2200.0, 0.0), (1000.0, 0.6), (150.5, 1.0))
            ),
            Container("c3", "k2", "paper", 4.0),
        ],
        junctions=[Junction("j1", "Emmaplein", 6.5570, 53.2150, signalised=False)],
        approaches=[Approach("a1", "j1", "north", 12.5, lanes=2, free_speed_kph=30.0)],
        depots=[Depot("d1", "Depot", 6.6100, 53.2060)],
        unloading_sites=[UnloadingSite("u1", "Site", 6.6200, 53.2040, opens_hour=6.0, closes_hour=22.0)],
        trucks=[
            Truck("t1", "Truck 1", "crane", "d1", ("residual", "glass"), 22.0, 9500.0),
            Truck(
                "t2", "Grab", "grab", "d1", (), 15.0, 4000.0, shift_start_hour=6.5, breaks=((10.0, 30.0), (12.5, 30.0))
            ),
        ],
        devices=[Device("pi-1", "Pi one", KEY), Device("t1", public_key=KEY), Device("plain-1")],
        installations=[
            Installation("pi-1", "c1", "c1", 1_700_000_000.0, 1_750_000_000.25),
            Installation("pi-1", "c1", "c3", 1_750_000_000.25),
            Installation("pi-1", "beside", "k1", 1_700_000_000.0),
            Installation("t1", "truck", "t1", 0.0),
            Installation("plain-1", "loop", "a1", 1_700_000_000.0),
        ],
    )
