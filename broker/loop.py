"""One thread for any number of connections."""

import contextlib
import heapq
import selectors
import socket
import threading
import time
from collections import deque
from itertools import count
from typing import Literal, Protocol

from city.errors import Unreachable


class Driven(Protocol):
    """What a loop drives (`broker.client.MqttClient`)."""

    host: str
    port: int
    last_error: str

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted it."""
        ...

    def attached(self, slot: "Slot") -> None:
        """Take the place that it got when it was added."""
        ...

    def begin(self, now_s: float) -> None:
        """Begin to connect."""
        ...

    def ready(self, can_read: bool, can_write: bool, now_s: float) -> None:
        """Go on: the socket can be read or written."""
        ...

    def due(self, now_s: float) -> None:
        """Do what the time asks for that it wanted to be called at."""
        ...

    def flush(self) -> None:
        """Follow what it said had changed."""
        ...

    def disconnect(self) -> None:
        """End the connection."""
        ...


class Loop:
    """Drives clients: the selector, the timers, and how many may connect at once.

    Parameters
    ----------
    max_connecting
        How many clients may be under way to an accepted connection at once. A listen queue is short, and nine hundred
        agents that start together would overrun it.
    """

    def __init__(self, max_connecting: int = 50) -> None:
        self._selector = selectors.DefaultSelector()
        self._slots: dict[int, Slot] = {}
        self._timers: list[tuple[float, int, Slot]] = []
        self._order = count()
        self._changed: deque[Slot] = deque()
        self._waiting: deque[Slot] = deque()
        self._max_connecting = max_connecting
        self._connecting = 0
        self._thread = threading.get_ident()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._selector.register(self._wake_r, selectors.EVENT_READ, None)

    def add(self, client: Driven) -> None:
        """Drive `client` from now on; it begins to connect on the next `run_once`."""
        slot = Slot(self, client)
        self._slots[id(client)] = slot
        client.attached(slot)

    def remove(self, client: Driven) -> None:
        """Disconnect `client` and forget it."""
        slot = self._slots.pop(id(client), None)
        if slot:
            client.disconnect()
            slot.leave()

    def run_once(self, timeout_s: float) -> None:
        """Wait for at most `timeout_s` real seconds until something happens, and do all that can be done then."""
        self._thread = threading.get_ident()
        self._flush()
        now_s = time.monotonic()
        self._start_waiting(now_s)
        if self._timers:
            timeout_s = min(timeout_s, self._timers[0][0] - now_s)
        if self._changed:
            timeout_s = 0.0
        for key, events in self._selector.select(max(0.0, timeout_s)):
            slot: Slot | None = key.data
            if slot is None:
                self._drain_wakes()
            elif slot.fileno == key.fd:
                slot.client.ready(
                    bool(events & selectors.EVENT_READ), bool(events & selectors.EVENT_WRITE), time.monotonic()
                )
        now_s = time.monotonic()
        while self._timers and self._timers[0][0] <= now_s:
            at_s, _, slot = heapq.heappop(self._timers)
            if slot.timer_s == at_s and slot.state != "gone":
                slot.timer_s = None
                slot.client.due(now_s)
        self._start_waiting(now_s)
        self._flush()

    def wait_connected(self, client: Driven, timeout_s: float = 10.0) -> None:
        """Run until `client` is connected.

        Raises
        ------
        Unreachable
            It is not within `timeout_s` real seconds.
        """
        until_s = time.monotonic() + timeout_s
        while not client.is_connected:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise Unreachable(
                    f"No MQTT broker answers at {client.host}:{client.port} ({client.last_error}).",
                    "Start one there, or name the right host and port.",
                )
            self.run_once(min(left_s, 0.2))

    def wake(self) -> None:
        """End the present `run_once` early. May be called from any thread and from a signal handler."""
        with contextlib.suppress(OSError):
            self._wake_w.send(b"\0")

    def close(self) -> None:
        """Disconnect every client and give back what the loop holds."""
        for slot in list(self._slots.values()):
            self.remove(slot.client)
        self._selector.close()
        self._wake_r.close()
        self._wake_w.close()

    def _flush(self) -> None:
        for _ in range(len(self._changed)):
            slot = self._changed.popleft()
            slot.is_changed = False
            if slot.state != "gone":
                slot.client.flush()

    def _start_waiting(self, now_s: float) -> None:
        while self._waiting and self._connecting < self._max_connecting:
            slot = self._waiting.popleft()
            if slot.state == "waiting":
                slot.state = "connecting"
                self._connecting += 1
                slot.client.begin(now_s)

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_r.recv(4096)


class Slot:
    """The place of one client in a loop: its socket, its timer, and word that something changed."""

    def __init__(self, loop: Loop, client: Driven) -> None:
        self.client = client
        self.fileno = -1
        self.timer_s: float | None = None
        self.is_changed = False
        self.state: Literal["idle", "waiting", "connecting", "gone"] = "idle"
        self._loop = loop
        self._events = 0

    def now_s(self) -> float:
        """Return the time that timers are in."""
        return time.monotonic()

    def want_to_connect(self) -> None:
        """Queue for a turn to connect; `Driven.begin` is called then."""
        if self.state == "idle":
            self.state = "waiting"
            self._loop._waiting.append(self)

    def settled(self) -> None:
        """Give the turn to the next: connected, or failed."""
        if self.state == "connecting":
            self.state = "idle"
            self._loop._connecting -= 1

    def leave(self) -> None:
        """Take no part any more."""
        self.settled()
        self.unregister()
        self.state = "gone"

    def register(self, sock: socket.socket, *, read: bool, write: bool) -> None:
        """Watch `sock`."""
        self.fileno = sock.fileno()
        self._events = _events(read, write)
        self._loop._selector.register(self.fileno, self._events, self)

    def watch(self, *, read: bool, write: bool) -> None:
        """Change what the socket is watched for."""
        events = _events(read, write)
        if self.fileno < 0 or events == self._events:
            return
        # A selector refuses to watch for nothing.
        if not self._events:
            self._loop._selector.register(self.fileno, events, self)
        elif not events:
            self._loop._selector.unregister(self.fileno)
        else:
            self._loop._selector.modify(self.fileno, events, self)
        self._events = events

    def unregister(self) -> None:
        """Watch the socket no longer; it must still be open, or its number may be somebody else's by now."""
        if self.fileno >= 0:
            if self._events:
                self._loop._selector.unregister(self.fileno)
            self.fileno = -1
            self._events = 0

    def call_at(self, at_s: float) -> None:
        """Have `Driven.due` called at `at_s`, instead of what was asked for before."""
        self.timer_s = at_s
        heapq.heappush(self._loop._timers, (at_s, next(self._loop._order), self))

    def changed(self) -> None:
        """Have `Driven.flush` called soon. May be called from any thread."""
        if not self.is_changed:
            self.is_changed = True
            self._loop._changed.append(self)
            if threading.get_ident() != self._loop._thread:
                self._loop.wake()


def _events(read: bool, write: bool) -> int:
    return (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
