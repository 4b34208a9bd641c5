"""Names for generated streets and districts: plausible, and nobody's address."""

from typing import NamedTuple

_STEMS = (
    "Eik", "Linde", "Beuk", "Els", "Wilg", "Berk", "Esdoorn", "Kastanje", "Iep", "Meidoorn", "Kruisbes", "Framboos",
    "Korenbloem", "Klaproos", "Zonnebloem", "Lijster", "Merel", "Spreeuw", "Kievit", "Grutto", "Zwaluw", "Reiger",
    "Ooievaar", "Meeuw", "Bakker", "Brouwer", "Smid", "Molen", "Zeilmaker", "Touw", "Visser", "Kuiper", "Weef",
    "Turf", "Hooi", "Graan", "Botering", "Haver", "Gerst", "Rogge", "Zaag", "Ankers", "Schipper", "Sluis", "Kade",
    "Dok", "Werf", "Haven", "Jupiter", "Saturnus", "Mercurius", "Venus", "Orion", "Poolster", "Kompas", "Goud",
    "Zilver", "Koper", "Tin", "IJzer", "Robijn", "Saffier", "Opaal", "Barnsteen",
)  # fmt: skip
_ENDINGS = ("straat", "laan", "weg", "hof", "pad", "singel", "plein", "dreef")


class District(NamedTuple):
    """A district (wijk) of the generated city: its centre as a share of the city's half axes, and its grain."""

    name: str
    x: float
    y: float
    block: float
    one_way: bool


DISTRICTS: tuple[District, ...] = (
    District("Binnenstad", 0.0, 0.0, 0.75, True),
    District("Schildersbuurt", -0.24, 0.06, 0.8, True),
    District("Oranjebuurt", -0.16, 0.27, 0.85, True),
    District("Korrewegwijk", 0.14, 0.30, 0.85, True),
    District("Oosterpark", 0.27, 0.10, 0.85, True),
    District("Rivierenbuurt", 0.04, -0.26, 0.85, True),
    District("Zeeheldenbuurt", -0.24, -0.16, 0.85, True),
    District("Selwerd", -0.22, 0.52, 1.0, False),
    District("Paddepoel", -0.42, 0.45, 1.0, False),
    District("Vinkhuizen", -0.60, 0.22, 1.0, False),
    District("Hoogkerk", -0.82, -0.12, 1.15, False),
    District("Corpus den Hoorn", -0.20, -0.56, 1.0, False),
    District("De Wijert", 0.06, -0.60, 1.0, False),
    District("Helpman", 0.24, -0.66, 1.0, False),
    District("Euvelgunne", 0.56, -0.34, 1.3, False),
    District("Oosterhoogebrug", 0.50, 0.22, 1.1, False),
    District("Lewenborg", 0.74, 0.34, 1.0, False),
    District("Beijum", 0.48, 0.62, 1.0, False),
    District("De Hunze", 0.10, 0.66, 1.1, False),
    District("Reitdiep", -0.58, 0.66, 1.1, False),
    District("Peizermeer", -0.52, -0.44, 1.4, False),
)


def street_name(number: int) -> str:
    """Return a name for street `number`; the same number has the same name.

    >>> street_name(0), street_name(72)
    ('Eikstraat', 'Ieplaan')
    """
    stem = _STEMS[number % len(_STEMS)]
    turn = number // len(_STEMS) + number
    return f"{stem}{_ENDINGS[turn % len(_ENDINGS)]}"
