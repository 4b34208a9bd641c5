"""An entry of the ledger as rows: what views and detectors see of it."""

from broker.codec import BadBody, PlainReading, decode_batch, decode_plain
from broker.envelope import BadEnvelope, body_of
from city.readings import Reading, ReadingKey, Row
from city.register import Register
from ingest.faults import meaning_of
from ledger import Entry


def rows_of(entry: Entry, register: Register) -> list[Row]:
    """Return the rows of an entry, given where the register says that the device stood; the same in every replay.

    Readings that mean nothing (see `ingest.faults`) have no row: the entry keeps them, and a later register may
    place them.
    """
    rows = []
    for number, reading in enumerate(readings_of(entry)):
        n = entry.n0 + number
        meaning, _ = meaning_of(reading, n, entry.device, register, entry.received_at_s)
        if meaning is not None:
            rows.append(
                Row(
                    ReadingKey(entry.device, entry.log_id, n),
                    meaning.entity,
                    reading.kind,
                    meaning.at_s,
                    meaning.values,
                    reading.interval_s,
                    meaning.quality,
                    entry.signed,
                    entry.received_at_s,
                    reading.place,
                )
            )
    return rows


def readings_of(entry: Entry) -> list[Reading]:
    """Return the readings in an entry; none if its body cannot be read (it is kept because it was authentic)."""
    try:
        if entry.log == "plain":
            return [reading_of(decode_plain(entry.message), entry.received_at_s)]
        return decode_batch(body_of(entry.message)).readings
    except (BadBody, BadEnvelope):
        return []


def reading_of(plain: PlainReading, received_at_s: float) -> Reading:
    """Return a plain reading as a reading; without a time of its own it was measured when it was received."""
    at_ms = round(received_at_s * 1000) if plain.at_ms is None else plain.at_ms
    return Reading(at_ms, plain.channel, plain.kind, plain.values, plain.interval_s, "good", plain.place)
