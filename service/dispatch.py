"""Rounds on their way to trucks: over MQTT, retained, and sent again to a truck that comes back."""

import logging
import threading

import msgspec

from broker.client import Loop, MqttClient
from broker.codec import BadBody, Command, decode_status, encode_command
from broker.topics import BadTopic, down_topic, parse_topic, up_topic
from city.clock import Clock
from city.plans import Plan, Round
from city.register import Register

logger = logging.getLogger(__name__)

VERB = "follow-round"


class Dispatcher:
    """Tells trucks which round to follow.

    The newest round of each truck is kept here until it expires. It is published retained with QoS 1, so that a truck
    that was away gets it from the broker; and it is published again when we connect anew or a truck says that it is
    back, for a broker that keeps nothing. A truck knows a command by its id and obeys it once.

    Parameters
    ----------
    address
        Host and port of the broker; None = there is none.
    client_id
        Name at the broker; empty = that of the city's one service.
    """

    def __init__(
        self,
        register: Register,
        clock: Clock,
        address: tuple[str, int] | None,
        *,
        client_id: str = "",
    ) -> None:
        self._register = register
        self._clock = clock
        self._address = address
        self._lock = threading.RLock()
        self._wanted: dict[str, Command] = {}
        self._unsent: set[str] = set()
        self._device_of = {
            one.entity: one.device
            for one in sorted(register.installations, key=lambda one: one.valid_from_s)
            if one.entity in register.trucks
        }
        self._truck_of = {device: truck for truck, device in self._device_of.items()}
        self._stop = threading.Event()
        self._loop: Loop | None = None
        self._client: MqttClient | None = None
        self._thread: threading.Thread | None = None
        if address:
            self._client = MqttClient(*address, client_id or f"ronde-service-{register.city}", max_retry_s=5.0)
            self._client.on_message = self._heard
            self._client.on_connected = self._connected

    @property
    def status(self) -> str:
        """``connected``, ``not connected`` or ``none``."""
        if self._client is None:
            return "none"
        return "connected" if self._client.is_connected else "not connected"

    @property
    def problem(self) -> str:
        """Why there is no connection, empty if there is one or none is wanted."""
        return self._client.last_error if self._client and not self._client.is_connected else ""

    @property
    def unsent(self) -> list[str]:
        """Trucks whose newest round has not been handed to the broker."""
        with self._lock:
            return sorted(self._unsent)

    def connect(self, timeout_s: float = 5.0) -> None:
        """Connect, and stay connected in a thread of its own until `close`.

        Raises
        ------
        Unreachable
            No broker answers within `timeout_s` real seconds.
        """
        if self._client is None:
            return
        loop = Loop()
        for truck in self._device_of.values():
            self._client.subscribe(up_topic(self._register.city, truck, "status"), qos=1)
        loop.add(self._client)
        try:
            loop.wait_connected(self._client, timeout_s)
        except BaseException:
            loop.close()
            raise
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="dispatch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say goodbye to the broker."""
        self._stop.set()
        if self._loop is not None and self._thread is not None:
            self._loop.wake()
            self._thread.join(timeout=5)

    def send(self, plan: Plan, trucks: list[str], expires_s: dict[str, float]) -> None:
        """Tell these trucks to follow their round of a plan; one that has none in it is told that it has none any more.

        Parameters
        ----------
        expires_s
            City time after which the round is no longer to be followed, by truck.
        """
        by_truck = {one.truck: one for one in plan.rounds}
        for truck in trucks:
            if truck not in self._device_of:
                continue
            round_ = by_truck.get(truck) or Round(truck, (), 0.0, 0.0)
            body = msgspec.to_builtins(msgspec.structs.replace(round_, path=()))
            command = Command(
                id=f"{plan.id}-{truck}"[-64:],
                expires_at_ms=round(expires_s[truck] * 1000),
                verb=VERB,
                arguments={"plan": plan.id, "round": body},
            )
            with self._lock:
                self._wanted[truck] = command
                self._unsent.add(truck)
            self._publish(truck)

    def _run(self) -> None:
        assert self._loop is not None  # noqa: S101 - connect() made it before this thread began
        while not self._stop.is_set():
            try:
                self._loop.run_once(1.0)
            except Exception:
                logger.exception("The connection to the broker has met a fault; it goes on.")
                self._stop.wait(1.0)
        self._loop.close()

    def _publish(self, truck: str) -> None:
        # Under the lock to the end: a round that is being sent again must not overtake the one that took its place.
        with self._lock:
            command = self._wanted.get(truck)
            if command is None or self._client is None:
                return
            if command.expires_at_ms <= self._clock.now_s() * 1000:
                del self._wanted[truck]
                self._unsent.discard(truck)
                return
            topic = down_topic(self._register.city, self._device_of[truck], "command")
            if self._client.publish(topic, encode_command(command), qos=1, retain=True):
                self._unsent.discard(truck)
            else:
                logger.warning("The round of %s waits: the broker does not answer.", truck)
        if self._loop is not None:
            self._loop.wake()

    def _connected(self) -> None:
        with self._lock:
            trucks = list(self._wanted)
        for truck in trucks:
            self._publish(truck)

    def _heard(self, topic: str, payload: bytes) -> None:
        try:
            device = parse_topic(topic).device
            online = decode_status(payload).online
        except (BadTopic, BadBody) as error:
            logger.warning("A status message cannot be read: %s", error)
            return
        if online and (truck := self._truck_of.get(device)):
            self._publish(truck)
