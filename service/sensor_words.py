"""What the word of a container's sensor is worth, in words."""

from city.findings import Finding
from city.register import Register
from service.answers import SensorAnswer
from service.place_views import finite
from service.snapshot import Snapshot

_IS = {
    "silent": "It says nothing.",
    "stuck": "It is stuck.",
    "implausible": "It says what cannot be.",
    "blocked": "Something blocks its view.",
    "tilt": "The container leans.",
    "drift": "It drifts.",
    "spike": "It has outliers.",
    "jump": "It jumped.",
    "chatter": "It flaps.",
}
# The worst first; of these nothing is believed.
_DISBELIEVED = ("stuck", "blocked", "implausible", "tilt", "silent")
_ORDER = (*_DISBELIEVED, "chatter", "jump", "drift", "spike")


def sensor_answer(register: Register, snapshot: Snapshot, container: str) -> SensorAnswer:
    """Return how far a container's sensor is believed now, and why."""
    known = snapshot.containers
    quality = finite(known.quality[known.index[container]], 2)
    if quality is None:
        text = "No sensor: the level is the forecast from what crews and people tell."
        return SensorAnswer(quality=None, is_believed=False, text=text, since=None)
    found = [one for one in list(snapshot.active.values()) if one.entity == container and one.kind in _ORDER]
    if not found:
        if snapshot.latest.get((container, "fill")) is None:
            return SensorAnswer(quality=quality, is_believed=True, text="It has not been heard of yet.", since=None)
        return SensorAnswer(quality=quality, is_believed=True, text="Nothing is known against it.", since=None)
    worst = min(found, key=lambda one: _ORDER.index(one.kind))
    is_believed = worst.kind not in _DISBELIEVED
    then = "Its word counts for less." if is_believed else "The level shown is the forecast."
    text = f"{_IS[worst.kind]} {_because(worst)}{then}"
    return SensorAnswer(quality=quality, is_believed=is_believed, text=text, since=worst.raised_at_s)


def _because(finding: Finding) -> str:
    return "".join(f"{one.text} " for one in finding.evidence[:1])
