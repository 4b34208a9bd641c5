"""The agent's connection to the broker, as the agent sees it."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from broker.client import MqttClient, Will
from broker.codec import Status, encode_status
from broker.topics import up_topic
from city.clock import Clock


class Link(Protocol):
    """What the agent asks of a client."""

    on_message: Callable[[str, bytes], None] | None
    on_connected: Callable[[], None] | None
    on_disconnected: Callable[[str], None] | None

    @property
    def is_connected(self) -> bool:
        """Whether a message can be handed over now."""
        ...

    def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        """Ask for messages, now and after every reconnect."""
        ...

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> bool:
        """Hand over a message; False and nothing kept if there is no connection."""
        ...


def make_link(
    host: str,
    port: int,
    city: str,
    device: str,
    clock: Clock,
    boot: str,
    *,
    retry_s: float = 1.0,
    max_retry_s: float = 60.0,
) -> MqttClient:
    """Return a device's client: its own id and session, and a will that says that it is gone."""
    will = Status(False, max(0, round(clock.now_s() * 1000)), boot, agent_version(), 0)
    return MqttClient(
        host,
        port,
        f"{city}-{device}",
        will=Will(up_topic(city, device, "status"), encode_status(will)),
        clean=False,
        retry_s=retry_s,
        max_retry_s=max_retry_s,
    )


def agent_version() -> str:
    """Return the version of the installed product; 0 where it runs from a folder."""
    try:
        return version("ronde")
    except PackageNotFoundError:
        return "0"
