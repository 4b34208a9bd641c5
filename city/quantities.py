"""What can be measured: the one table of quantities, their units and the range in which a value is plausible."""

import msgspec

from city.errors import BadInput

# Litres that a person throws in at once, mean of triangular(10, 30, 60): a pilot over 473 emptyings, N. A. Wouda et
# al., "An integrated selection and routing policy for urban waste collection", arXiv 2409.13386.
DEPOSIT_L = (10.0 + 30.0 + 60.0) / 3


class Quantity(msgspec.Struct, frozen=True):
    """A measured quantity. A value outside `low..high` is physically impossible and is rejected, not clipped."""

    name: str
    unit: str
    low: float
    high: float
    is_count: bool = False


QUANTITIES: dict[str, Quantity] = {
    q.name: q
    for q in (
        # Containers. Fill is a ratio of the usable volume; readings over 1 are real (106 % was seen in the wild).
        Quantity("fill_ratio", "ratio of usable volume", 0.0, 1.5),
        Quantity("distance_mm", "mm from the sensor to the waste", 0.0, 10_000.0),
        Quantity("lid_openings", "openings in the interval", 0.0, 10_000.0, is_count=True),
        Quantity("objects_beside", "objects seen beside the container", 0.0, 1_000.0, is_count=True),
        Quantity("tilt_deg", "degrees from upright", 0.0, 180.0),
        Quantity("lift_kg", "kg of one lift", 0.0, 10_000.0),
        # What people say of a container or a cluster: a driver's glance, an officer's or a citizen's report.
        Quantity("seen_fill_ratio", "ratio of usable volume, as a person judges it", 0.0, 1.5),
        Quantity("waste_beside", "1 = a person saw waste beside it, 0 = saw none", 0.0, 1.0),
        Quantity("cause_code", "place in city.findings.DUMPING_CAUSES of the cause that a person named", 0.0, 20.0),
        # Why a driver does not do what was asked at a place.
        Quantity("veto_code", "place in city.vetoes.VETO_REASONS of the reason that a driver gives", 0.0, 2.0),
        # Junction approaches, over the interval of the reading. Counts are counts, never rates.
        Quantity("vehicle_count", "vehicles in the interval", 0.0, 100_000.0, is_count=True),
        Quantity("occupancy_ratio", "share of the interval that the detector is covered", 0.0, 1.0),
        Quantity("speed_kph", "km/h, mean of the vehicles in the interval", 0.0, 250.0),
        # Trucks.
        Quantity("lon_deg", "degrees east", -180.0, 180.0),
        Quantity("lat_deg", "degrees north", -90.0, 90.0),
        Quantity("load_kg", "kg aboard", 0.0, 40_000.0),
        # Devices about themselves.
        Quantity("battery_v", "V", 0.0, 60.0),
        Quantity("temperature_c", "degrees Celsius", -60.0, 100.0),
        Quantity("commands_refused", "commands", 0.0, 10_000.0, is_count=True),
    )
}


def quantity(name: str) -> Quantity:
    """Return the quantity called `name`.

    Raises
    ------
    BadInput
        There is no such quantity.
    """
    try:
        return QUANTITIES[name]
    except KeyError:
        raise BadInput(f"{name!r} is no known quantity.", f"Known are {', '.join(QUANTITIES)}.") from None
