"""Topics: where each kind of message goes."""

from typing import Literal, NamedTuple

from city.devices import check_id
from city.errors import BadInput

Direction = Literal["up", "down"]
UpLeaf = Literal["readings", "events", "status", "plain"]
DownLeaf = Literal["ack", "command"]

ROOT = "ronde"
UP_LEAVES: tuple[UpLeaf, ...] = ("readings", "events", "status", "plain")
DOWN_LEAVES: tuple[DownLeaf, ...] = ("ack", "command")

_LEAVES: dict[str, tuple[str, ...]] = {"up": UP_LEAVES, "down": DOWN_LEAVES}


class BadTopic(BadInput):
    """A topic that is none of ours; `topic` is its text."""

    def __init__(self, topic: str, why: str) -> None:
        super().__init__(
            f"{topic!r} is no topic of ours: {why}.",
            "Publish to ronde/CITY/DEVICE/up/LEAF with LEAF one of " + ", ".join(UP_LEAVES) + ".",
        )
        self.topic = topic


class Topic(NamedTuple):
    """The parts of a topic."""

    city: str
    device: str
    direction: Direction
    leaf: str


def up_topic(city: str, device: str, leaf: UpLeaf) -> str:
    """Return the topic on which a device publishes.

    Raises
    ------
    BadTopic
        An id cannot stand in a topic, or there is no such leaf.

    >>> up_topic("groningen", "k17", "readings")
    'ronde/groningen/k17/up/readings'
    """
    return _topic(city, device, "up", leaf)


def down_topic(city: str, device: str, leaf: DownLeaf) -> str:
    """Return the topic to which a device listens.

    Raises
    ------
    BadTopic
        An id cannot stand in a topic, or there is no such leaf.
    """
    return _topic(city, device, "down", leaf)


def up_filter(city: str, leaf: UpLeaf) -> str:
    """Return the subscription filter for one leaf of all devices of a city.

    Raises
    ------
    BadTopic
        The city's id cannot stand in a topic, or there is no such leaf.

    >>> up_filter("groningen", "events")
    'ronde/groningen/+/up/events'
    """
    text = f"{ROOT}/{city}/+/up/{leaf}"
    _check(text, city, "any", "up", leaf)
    return text


def parse_topic(text: str) -> Topic:
    """Return the parts of a topic.

    Raises
    ------
    BadTopic
        It is not exactly one of the topics of the contract.

    >>> parse_topic("ronde/groningen/k17/down/ack")
    Topic(city='groningen', device='k17', direction='down', leaf='ack')
    """
    parts = text.split("/")
    if len(parts) != 5:
        raise BadTopic(text, "it must have five levels")
    root, city, device, direction, leaf = parts
    if root != ROOT:
        raise BadTopic(text, f"it must begin with {ROOT}/")
    return Topic(city, device, _check(text, city, device, direction, leaf), leaf)


def _topic(city: str, device: str, direction: Direction, leaf: str) -> str:
    text = f"{ROOT}/{city}/{device}/{direction}/{leaf}"
    _check(text, city, device, direction, leaf)
    return text


def _check(text: str, city: str, device: str, direction: str, leaf: str) -> Direction:
    try:
        check_id(city, "city")
        check_id(device, "device")
    except BadInput as error:
        raise BadTopic(text, error.problem.rstrip(".")) from None
    if leaf not in _LEAVES.get(direction, ()):
        raise BadTopic(text, f"there is no {direction}/{leaf}")
    return "up" if direction == "up" else "down"
