"""The MQTT client: the only place that knows paho.

A `Loop` drives any number of `MqttClient` with one selector in one thread: a Raspberry Pi runs one client, a
simulated city nine hundred, with the same code. MQTT 3.1.1, which both brokers speak on one listener; what 5 would add
(reason codes of a denied publish) the acknowledgement from ingest covers.

Every connection gets a fresh paho client. So whatever a lost connection had not handed over is gone for good, and the
owner, who keeps it until ingest acknowledges it, is the only one who sends it again: never twice by two parties.
"""

import errno
import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from broker.loop import Loop as Loop
from broker.loop import Slot

KEEPALIVE_S = 60
WINDOW = 20
_READ_BYTES = 64 * 1024
# After so many, timers and other clients get their turn.
_PACKETS_AT_ONCE = 500
_CONNECT_TIMEOUT_S = 10.0
_logger = logging.getLogger(__name__)


class Will(NamedTuple):
    """What the broker publishes when this client is lost without having said goodbye; always retained, QoS 1."""

    topic: str
    payload: bytes


class Delivery(NamedTuple):
    """A message that waits for `MqttClient.acknowledge`.

    `again` says that the broker has handed it over before: mosquitto tells, rumqttd does not.
    """

    topic: str
    payload: bytes
    qos: int
    connection: int
    number: int
    again: bool = False


class MqttClient:
    """One client of a broker. It connects when it is in a `Loop`, and connects again for as long as it stays there.

    Parameters
    ----------
    host, port
        The broker.
    client_id
        Unique at the broker: a second client with this id ends the first.
    will
        Published by the broker when the connection is lost.
    clean
        Whether the broker forgets subscriptions and queued messages between connections.
    manual_ack
        Deliver to `on_delivery`, and tell the broker that a message has arrived only on `acknowledge`.
    window
        How many QoS 1 messages may be under way to the broker at once.
    retry_s, max_retry_s
        Before attempt k after a loss it waits between 0 and ``min(max_retry_s, retry_s * 2**k)`` real seconds, drawn
        evenly (full jitter), so that a broker that comes back is not met by everybody at once.

    Attributes
    ----------
    on_message
        Called with topic and payload.
    on_delivery
        Called with a `Delivery` instead of `on_message` when `manual_ack` is set.
    on_connected
        Called when the broker has accepted us and every subscription has been asked for.
    on_disconnected
        Called with the reason when an accepted connection is lost.
    last_error
        Why there is no connection, in words; empty while there is one.

    References
    ----------
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        will: Will | None = None,
        clean: bool = True,
        manual_ack: bool = False,
        window: int = WINDOW,
        keepalive_s: int = KEEPALIVE_S,
        retry_s: float = 1.0,
        max_retry_s: float = 60.0,
    ) -> None:
        self.host = host
        self.port = port
        self.client_id = client_id
        self.on_message: Callable[[str, bytes], None] | None = None
        self.on_delivery: Callable[[Delivery], None] | None = None
        self.on_connected: Callable[[], None] | None = None
        self.on_disconnected: Callable[[str], None] | None = None
        self.last_error = "not connected yet"
        self.connections = 0
        self._will = will
        self._clean = clean
        self._manual_ack = manual_ack
        self._window = window
        self._keepalive_s = keepalive_s
        self._retry_s = retry_s
        self._max_retry_s = max_retry_s
        self._subscriptions: dict[str, int] = {}
        self._paho: _Paho | None = None
        self._slot: Slot | None = None
        self._connecting: socket.socket | None = None
        self._deadline_s = 0.0
        self._attempt = 0
        self._is_connected = False
        self._is_paused = False
        self._is_leaving = False
        self._addresses: list[tuple[int, Any]] = []
        self._in_flight = 0
        self._counting = threading.Lock()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and nothing says that it is gone."""
        return self._is_connected

    @property
    def in_flight(self) -> int:
        """How many publishes of this connection the broker has not confirmed (QoS 0: not taken from us) yet."""
        return self._in_flight

    def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        """Ask for what `topic_filter` matches, now and after every reconnect."""
        self._subscriptions[topic_filter] = qos
        if self._is_connected and self._paho:
            self._paho.subscribe(topic_filter, qos)

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message to the present connection; False if there is none, and then nothing is kept of it.

        True does not say that it arrived: the connection may be lost, and the message with it. May be called from any
        thread.
        """
        paho = self._paho
        if not self._is_connected or paho is None:
            return False
        self._count(1)
        if paho.publish(topic, payload, qos, retain).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._count(-1)
            return False
        return True

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Tell the broker that messages have arrived for good. May be called from any thread.

        Those of an earlier connection are passed over: the broker delivers them again.
        """
        paho = self._paho
        for one in deliveries:
            if paho is not None and one.connection == self.connections and one.qos:
                paho.ack(one.number, one.qos)

    def pause(self) -> None:
        """Stop reading, so that the broker has to wait. May be called from any thread."""
        self._is_paused = True
        if self._slot:
            self._slot.changed()

    def resume(self) -> None:
        """Read again. May be called from any thread."""
        self._is_paused = False
        if self._slot:
            self._slot.changed()

    def disconnect(self) -> None:
        """Say goodbye (the will is not published) and stay away until the client is added to a loop again."""
        self._is_leaving = True
        if self._paho is not None:
            self._drive(self._paho.disconnect)
        if self._paho is not None:
            self._drive(self._paho.loop_write)
        self._drop("disconnected by ourselves")
        self._slot = None

    # What the loop calls, always from its own thread.

    def attached(self, slot: Slot) -> None:
        """Take the place in a loop, and connect."""
        self._slot = slot
        self._is_leaving = False
        slot.want_to_connect()

    def begin(self, now_s: float) -> None:
        """Begin to connect, without waiting for it (only for the name to be looked up)."""
        if self._slot is None or self._paho is not None or self._connecting is not None:
            return
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # A name with an empty label ("a..b") is not even looked up.
            why = getattr(error, "strerror", None) or error
            self._failed(f"{self.host} cannot be found: {why}", now_s)
            return
        self._addresses = [(family, address) for family, _, _, _, address in found]
        self._try_next("there is no address", now_s)

    def ready(self, can_read: bool, can_write: bool, now_s: float) -> None:
        """Go on: the socket can be read or written."""
        if self._connecting is not None:
            self._established(now_s)
        elif self._paho is not None:
            if can_write:
                self._write()
            if can_read and not self._is_paused:
                self._read()

    def due(self, now_s: float) -> None:
        """Do what the time asks for: give up on a connection, keep it alive, or begin the next."""
        if self._slot is None:
            return
        if self._connecting is None and self._paho is None:
            self._slot.want_to_connect()
            return
        if not self._is_connected:
            if now_s >= self._deadline_s:
                self._give_up(f"no answer within {_CONNECT_TIMEOUT_S:.0f} s", now_s)
            return
        if self._paho is not None and not self._is_paused:
            self._drive(self._paho.loop_misc)
        if self._paho is not None:
            self._slot.call_at(now_s + self._misc_s())

    def flush(self) -> None:
        """Write what was queued since, and follow a pause or its end."""
        if self._paho is not None and self._paho.socket() is not None:
            self._write()
            if self._paho is not None and not self._is_paused:
                self._read_buffered()

    def _try_next(self, why: str, now_s: float) -> None:
        """Try the next address of the host: `localhost` has two, and a broker often listens on one of them."""
        while self._addresses and self._slot is not None:
            family, address = self._addresses.pop(0)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setblocking(False)
                error = sock.connect_ex(address)
            except OSError as problem:
                why = problem.strerror or str(problem)
                continue
            if error in (0, errno.EINPROGRESS):
                self._connecting = sock
                self._deadline_s = now_s + _CONNECT_TIMEOUT_S
                self._slot.register(sock, read=False, write=True)
                self._slot.call_at(self._deadline_s)
                return
            sock.close()
            why = os.strerror(error)
        self._failed(why, now_s)

    def _established(self, now_s: float) -> None:
        sock, slot = self._connecting, self._slot
        if sock is None or slot is None:
            return
        slot.unregister()
        self._connecting = None
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            sock.close()
            self._try_next(os.strerror(error), now_s)
            return
        self.last_error = ""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffered = _BufferedSocket(sock)
        self._paho = _Paho(buffered, self.client_id, self._clean, self._manual_ack)
        self.connections += 1
        self._in_flight = 0
        self._set_up(self._paho, slot)
        slot.register(buffered, read=True, write=False)
        self._deadline_s = now_s + _CONNECT_TIMEOUT_S
        slot.call_at(self._deadline_s)
        self._drive(self._paho.reconnect)

    def _set_up(self, paho: "_Paho", slot: Slot) -> None:
        if self._will:
            paho.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        paho.max_inflight_messages_set(self._window)
        paho.connect_async(self.host, self.port, self._keepalive_s)
        paho.on_connect = self._paho_connected
        paho.on_disconnect = self._paho_disconnected
        paho.on_message = self._paho_message
        paho.on_publish = self._paho_published
        paho.on_socket_register_write = lambda *_: slot.changed()
        paho.on_socket_close = lambda *_: slot.unregister()

    def _read(self) -> None:
        if self._paho is not None:
            self._drive(self._paho.loop_read)
            self._read_buffered()

    def _read_buffered(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            if self._paho is None or self._is_paused or not self._paho.buffered.has_more:
                return
            self._drive(self._paho.loop_read)
        if self._slot:
            self._slot.changed()

    def _write(self) -> None:
        paho, slot = self._paho, self._slot
        if paho is None or slot is None:
            return
        self._drive(paho.loop_write)
        if paho is self._paho:
            slot.watch(read=not self._is_paused, write=paho.want_write())

    def _drive(self, step: Callable[[], object]) -> None:
        """Let paho do something; what a broker sends can make it fail, and that must not end the loop."""
        try:
            step()
        except Exception as error:
            _logger.warning("%s: gave up a connection to %s:%d: %r", self.client_id, self.host, self.port, error)
            self._give_up(f"what it sent cannot be read: {error}", self._slot.now_s() if self._slot else 0.0)

    def _paho_connected(
        self, paho: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if paho is not self._paho or self._slot is None:
            return
        if reason.is_failure:
            self.last_error = f"the broker refused us: {reason}"
            _logger.warning("%s: %s:%d %s", self.client_id, self.host, self.port, self.last_error)
            return
        self._is_connected = True
        self._attempt = 0
        self.last_error = ""
        self._slot.settled()
        self._slot.call_at(self._slot.now_s() + self._misc_s())
        if self._subscriptions:
            paho.subscribe(list(self._subscriptions.items()))
        _call(self.on_connected)

    def _paho_disconnected(
        self, paho: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if paho is self._paho:
            now_s = self._slot.now_s() if self._slot else 0.0
            self._give_up(self.last_error or str(reason), now_s)

    def _paho_message(self, paho: Client, _data: object, message: MQTTMessage) -> None:
        if paho is not self._paho:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            _logger.warning("%s: passed over a message whose topic is no text.", self.client_id)
            if self._manual_ack:
                paho.ack(message.mid, message.qos)
            return
        payload = bytes(message.payload)
        if self._manual_ack:
            delivery = Delivery(topic, payload, message.qos, self.connections, message.mid, message.dup)
            _call(self.on_delivery, delivery)
        else:
            _call(self.on_message, topic, payload)

    def _paho_published(
        self, paho: Client, _data: object, _number: int, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if paho is self._paho:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self._in_flight = max(0, self._in_flight + change)

    def _give_up(self, reason: str, now_s: float) -> None:
        """End what there is of a connection, and come back later."""
        self._drop(reason)
        self._failed(reason, now_s)

    def _drop(self, reason: str) -> None:
        paho, self._paho = self._paho, None
        connecting, self._connecting = self._connecting, None
        was_connected, self._is_connected = self._is_connected, False
        self._in_flight = 0
        self.last_error = reason
        if self._slot:
            self._slot.unregister()
        if connecting is not None:
            connecting.close()
        if paho is not None:
            paho.buffered.close()
        if was_connected:
            _call(self.on_disconnected, reason)

    def _failed(self, reason: str, now_s: float) -> None:
        self.last_error = reason
        if self._slot is None:
            return
        self._slot.settled()
        if self._is_leaving:
            return
        longest_s = min(self._max_retry_s, self._retry_s * 2 ** min(self._attempt, 16))
        self._attempt += 1
        self._slot.call_at(now_s + random.uniform(0.0, longest_s))  # noqa: S311 - spreads load, hides nothing

    def _misc_s(self) -> float:
        return min(5.0, self._keepalive_s / 4)


class _BufferedSocket(socket.socket):
    """Reads in large pieces: paho asks for a message's head byte by byte, and each would be a system call."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=sock.detach())
        self.setblocking(False)
        self._buffer = b""
        self._at = 0

    @property
    def has_more(self) -> bool:
        """Whether bytes wait here that the selector does not see."""
        return self._at < len(self._buffer)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Return up to `size` bytes."""
        if self._at >= len(self._buffer):
            self._buffer = super().recv(_READ_BYTES, flags)
            self._at = 0
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        return piece


class _Paho(Client):
    """A paho client that takes a socket which is connected already, instead of blocking until it has one."""

    def __init__(self, buffered: _BufferedSocket, client_id: str, clean: bool, manual_ack: bool) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean,
            protocol=MQTTv311,
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        self.buffered = buffered

    def _create_socket_connection(self) -> socket.socket:
        return self.buffered


def _call(callback: Callable[..., None] | None, *arguments: object) -> None:
    """Call back; what goes wrong there is logged, because it must not end the network."""
    if callback is None:
        return
    try:
        callback(*arguments)
    except Exception:
        _logger.exception("A callback of the MQTT client failed; the client goes on.")
