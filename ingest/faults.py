"""What is wrong with single readings: the one judgement that the door and every view of the ledger share."""

from typing import Literal, NamedTuple

from city.quantities import QUANTITIES
from city.readings import Quality, Reading
from city.register import Register

ReadingFaultReason = Literal[
    "not-installed", "unknown-place", "unknown-quantity", "out-of-range", "future", "too-old-to-be-true"
]
BatchFaultReason = Literal["unreadable-body", "broken-chain"]

# A device's clock may run ahead by this much; what is further ahead was not measured then.
MAX_AHEAD_S = 300.0
# 2000-01-01T00:00Z: no sensor of any city's history is older, a clock that lost its battery is.
MIN_AT_S = 946_684_800.0
# Millions of values a day pass here, so the bounds stand ready.
_BOUNDS = {quantity.name: (quantity.low, quantity.high) for quantity in QUANTITIES.values()}


class ReadingFault(NamedTuple):
    """Why reading `n` of a log, or a value of it, is in no view (the ledger keeps it all the same)."""

    n: int
    reason: ReadingFaultReason
    detail: str


class BatchFault(NamedTuple):
    """What is wrong with the authentic batch that begins at `n` as a whole (the ledger keeps it all the same)."""

    n: int
    reason: BatchFaultReason
    detail: str


class Meaning(NamedTuple):
    """What a reading says about which entity, as far as it can be believed."""

    entity: str
    at_s: float
    values: dict[str, float | None]
    quality: Quality


def meaning_of(
    reading: Reading, n: int, device: str, register: Register, received_at_s: float
) -> tuple[Meaning | None, list[ReadingFault]]:
    """Return what a reading means, and what is wrong with it.

    A reading that cannot be placed in time or space means nothing. An impossible value becomes unknown and makes the
    reading suspect; a quantity that nobody knows is left out.

    Parameters
    ----------
    n
        The reading's number, for the faults.
    received_at_s
        When ingest received it, in city time: what the reading's own time is held against.
    """
    at_s = reading.at_ms / 1000
    if at_s > received_at_s + MAX_AHEAD_S:
        ahead_s = at_s - received_at_s
        return None, [ReadingFault(n, "future", f"measured {ahead_s:.0f} s after it was received")]
    if at_s < MIN_AT_S:
        return None, [ReadingFault(n, "too-old-to-be-true", f"at_ms is {reading.at_ms}, before the year 2000")]
    entity = register.entity_at(device, reading.channel, at_s)
    if entity is None:
        return None, [ReadingFault(n, "not-installed", f"channel {reading.channel!r} watched nothing at that time")]
    if reading.place is not None and not _is_place(register, reading.place):
        return None, [ReadingFault(n, "unknown-place", f"the register has no place {reading.place!r}")]
    for name, value in reading.values.items():
        bounds = _BOUNDS.get(name)
        if bounds is None or (value is not None and not bounds[0] <= value <= bounds[1]):
            return _partial(reading, n, entity, at_s)
    return Meaning(entity, at_s, reading.values, reading.quality), []


def _partial(reading: Reading, n: int, entity: str, at_s: float) -> tuple[Meaning | None, list[ReadingFault]]:
    """Return what remains of a reading of which some values cannot be believed."""
    faults: list[ReadingFault] = []
    values: dict[str, float | None] = {}
    quality = reading.quality
    for name, value in reading.values.items():
        quantity = QUANTITIES.get(name)
        if quantity is None:
            faults.append(ReadingFault(n, "unknown-quantity", name))
        elif value is not None and not quantity.low <= value <= quantity.high:
            allowed = f"{quantity.low:g}..{quantity.high:g}"
            faults.append(ReadingFault(n, "out-of-range", f"{name} is {value:g}, possible is {allowed}"))
            values[name] = None
            quality = "suspect"
        else:
            values[name] = value
    return (Meaning(entity, at_s, values, quality) if values else None), faults


def _is_place(register: Register, place: str) -> bool:
    return register.position(place) is not None or place in register.trucks
