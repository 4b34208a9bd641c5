"""Live events: from any thread to any number of browsers, with bounded memory however slow one is."""

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

RETRY_MS = 2000


class LiveEvent(NamedTuple):
    """An event as it goes over the wire; `id` rises by one per event."""

    id: int
    name: str
    text: str

    def encode(self) -> str:
        """Return the event in the format of server-sent events."""
        return f"id: {self.id}\nevent: {self.name}\ndata: {self.text}\n\n"


class LiveHub:
    """Hands events to its listeners.

    Parameters
    ----------
    backlog
        Events kept for a client that comes back with ``Last-Event-ID``.
    queue_size
        Events that wait for one client at most. A client that is slower gets one ``resync`` instead of what it
        missed, and reads the state anew.
    """

    def __init__(self, backlog: int = 512, queue_size: int = 64) -> None:
        self._recent: deque[LiveEvent] = deque(maxlen=backlog)
        self._queue_size = queue_size
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()
        self._last_id = 0
        self._closed = False

    @property
    def clients(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @property
    def last_id(self) -> int:
        """Id of the newest event, 0 before the first."""
        return self._last_id

    def publish(self, name: str, data: Any) -> None:
        """Hand an event to every listener; may be called from any thread and never waits."""
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        with self._lock:
            if self._closed:
                return
            self._last_id += 1
            event = LiveEvent(self._last_id, name, text)
            self._recent.append(event)
            for listener in self._listeners:
                listener.offer(event)

    def close(self) -> None:
        """End every stream; later listeners end at once."""
        with self._lock:
            self._closed = True
            for listener in self._listeners:
                listener.close()

    async def stream(self, last_id: int | None = None, heartbeat_s: float = 8.0) -> AsyncIterator[str]:
        """Yield events as text for one client: first what it missed since `last_id`, then what comes.

        A heartbeat goes out when nothing happened for `heartbeat_s` real seconds, so that proxies keep the line open,
        a page can tell silence from calm, and a client that went away is noticed.
        """
        listener = _Listener(asyncio.get_running_loop(), self._queue_size)
        with self._lock:
            if self._closed:
                return
            missed = self._missed(last_id)
            self._listeners.add(listener)
            newest = self._last_id
        try:
            yield f"retry: {RETRY_MS}\n\n"
            if missed is None:
                yield _resync(newest)
            for event in missed or ():
                yield event.encode()
            while True:
                events, resync = await listener.take(heartbeat_s)
                if resync:
                    yield _resync(self._last_id)
                for event in events:
                    yield event.encode()
                if not events and not resync:
                    if listener.closed:
                        return
                    yield "event: heartbeat\ndata: {}\n\n"
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _missed(self, last_id: int | None) -> list[LiveEvent] | None:
        if last_id is None or last_id == self._last_id:
            return []
        if last_id > self._last_id or not self._recent or self._recent[0].id > last_id + 1:
            return None
        missed = [one for one in self._recent if one.id > last_id]
        return missed if len(missed) <= self._queue_size else None


class _Listener:
    """A bounded queue between the threads that publish and the event loop of one client."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._loop = loop
        self._size = size
        self._events: deque[LiveEvent] = deque()
        self._overflowed = False
        self._lock = threading.Lock()
        self._wake = asyncio.Event()
        self.closed = False

    def offer(self, event: LiveEvent) -> None:
        with self._lock:
            if len(self._events) >= self._size:
                self._events.clear()
                self._overflowed = True
            self._events.append(event)
        self._signal()

    def close(self) -> None:
        self.closed = True
        self._signal()

    async def take(self, timeout_s: float) -> tuple[list[LiveEvent], bool]:
        if not self._events and not self._overflowed and not self.closed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return [], False
        with self._lock:
            events, overflowed = list(self._events), self._overflowed
            self._events.clear()
            self._overflowed = False
            self._wake.clear()
        return ([], True) if overflowed else (events, False)

    def _signal(self) -> None:
        # The loop may close between any look at it and the call: then nobody listens any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)


def _resync(last_id: int) -> str:
    return f"id: {last_id}\nevent: resync\ndata: {{}}\n\n"
