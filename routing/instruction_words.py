"""Instructions and stops in words, in Dutch and in English."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Literal, NamedTuple

from city.plans import Round, Stop
from routing.instructions import Instruction, Manoeuvre, instructions
from routing.network import Network
from routing.travel import Way

Language = Literal["nl", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "en")

_STREET: Mapping[Language, Mapping[Manoeuvre, str]] = {
    "nl": {
        "depart": "Vertrek over {street}",
        "straight": "Rijd rechtdoor op {street}",
        "slight-left": "Houd links aan naar {street}",
        "left": "Sla linksaf naar {street}",
        "sharp-left": "Sla scherp linksaf naar {street}",
        "slight-right": "Houd rechts aan naar {street}",
        "right": "Sla rechtsaf naar {street}",
        "sharp-right": "Sla scherp rechtsaf naar {street}",
        "u-turn": "Keer om op {street}",
        "roundabout": "Neem op de rotonde de {exit} afslag naar {street}",
    },
    "en": {
        "depart": "Set off along {street}",
        "straight": "Go straight on along {street}",
        "slight-left": "Keep left onto {street}",
        "left": "Turn left onto {street}",
        "sharp-left": "Turn sharp left onto {street}",
        "slight-right": "Keep right onto {street}",
        "right": "Turn right onto {street}",
        "sharp-right": "Turn sharp right onto {street}",
        "u-turn": "Turn round on {street}",
        "roundabout": "At the roundabout take the {exit} exit onto {street}",
    },
}
_NO_NAME: Mapping[Language, Mapping[Manoeuvre, str]] = {
    "nl": {
        "depart": "Vertrek",
        "straight": "Rijd rechtdoor",
        "slight-left": "Houd links aan",
        "left": "Sla linksaf",
        "sharp-left": "Sla scherp linksaf",
        "slight-right": "Houd rechts aan",
        "right": "Sla rechtsaf",
        "sharp-right": "Sla scherp rechtsaf",
        "u-turn": "Keer om",
        "roundabout": "Neem op de rotonde de {exit} afslag",
    },
    "en": {
        "depart": "Set off",
        "straight": "Go straight on",
        "slight-left": "Keep left",
        "left": "Turn left",
        "sharp-left": "Turn sharp left",
        "slight-right": "Keep right",
        "right": "Turn right",
        "sharp-right": "Turn sharp right",
        "u-turn": "Turn round",
        "roundabout": "At the roundabout take the {exit} exit",
    },
}
_STAYS_ON: Mapping[Language, str] = {"nl": "Blijf op de rotonde", "en": "Stay on the roundabout"}
_STOP: Mapping[Language, Mapping[str, str]] = {
    "nl": {"start": "Begin", "empty": "Legen", "clear": "Opruimen", "unload": "Lossen", "end": "Einde"},
    "en": {"start": "Start", "empty": "Empty", "clear": "Clear", "unload": "Unload", "end": "End"},
}
_CONTAINERS: Mapping[Language, tuple[str, str]] = {"nl": ("container", "containers"), "en": ("container", "containers")}


class LegText(NamedTuple):
    """The way to a stop in words, and the stop: its number in the round (0 = not a job), time, work and name."""

    steps: tuple[str, ...]
    number: int
    at: datetime
    work: str
    name: str
    stop: Stop


def instruction_text(one: Instruction, language: Language) -> str:
    """Return one instruction as a sentence.

    >>> instruction_text(Instruction("right", "Oosterstraat", 238.0, 6.57, 53.21), "nl")
    'Sla rechtsaf naar Oosterstraat (240 m)'
    """
    if one.manoeuvre == "roundabout" and not one.exit:
        words = _STAYS_ON[language]
    else:
        words = (_STREET if one.street else _NO_NAME)[language][one.manoeuvre]
    told = words.format(street=one.street, exit=ordinal(one.exit, language))
    return f"{told} ({distance_text(one.distance_m, language)})"


def stop_work(stop: Stop, language: Language) -> str:
    """Return what is done at a stop."""
    work = _STOP[language][stop.kind]
    n = len(stop.containers)
    return f"{work}: {n} {_CONTAINERS[language][n != 1]}" if stop.kind == "empty" and n else work


def leg_texts(
    network: Network, one: Round, ways: Sequence[Way], names: Mapping[str, str], language: Language, zone: tzinfo
) -> list[LegText]:
    """Return a round as text, one leg for each stop; the first has no way to it.

    Parameters
    ----------
    network
        The streets that `ways` are over.
    one
        The round.
    ways
        The way of each leg, one fewer than there are stops.
    names
        What places are called; a place that is not there goes by its id.
    language, zone
        In which language and at which clock.
    """
    texts: list[LegText] = []
    number = 0
    for i, stop in enumerate(one.stops):
        said = instructions(network, ways[i - 1].parts) if i else []
        number += bool(stop.job)
        texts.append(
            LegText(
                tuple(instruction_text(step, language) for step in said),
                number if stop.job else 0,
                datetime.fromtimestamp(stop.arrive_s if i else stop.leave_s, zone),
                stop_work(stop, language),
                names.get(stop.place, stop.place),
                stop,
            )
        )
    return texts


def round_text(title: str, legs: Sequence[LegText]) -> str:
    """Return a round as plain text: the stops in order, and how to drive to each."""
    lines = [title, "=" * len(title), ""]
    for leg in legs:
        lines += [f"  {step}" for step in leg.steps]
        number = f"{leg.number}. " if leg.number else ""
        lines += [f"{leg.at:%H:%M}  {number}{leg.name}: {leg.work}", ""]
    return "\n".join(lines)


def distance_text(metres: float, language: Language) -> str:
    """Return a distance as a driver reads it.

    >>> distance_text(1449.0, "nl"), distance_text(1449.0, "en"), distance_text(238.0, "nl"), distance_text(3.0, "en")
    ('1,4 km', '1.4 km', '240 m', '10 m')
    """
    if metres >= 995.0:
        told = f"{metres / 1000.0:.1f} km"
        return told.replace(".", ",") if language == "nl" else told
    return f"{max(10, round(metres / 10.0) * 10)} m"


def ordinal(n: int, language: Language) -> str:
    """Return a number that counts: 3e, 3rd."""
    if language == "nl":
        return f"{n}e"
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
