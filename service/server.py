"""The service process: a runtime, a web server over it, and a clean end."""

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from city.errors import BadInput, PortInUse
from service.application import create_application
from service.runtime import Runtime, open_runtime
from service.settings import Settings

logger = logging.getLogger(__name__)

_BACKLOG = 512
_GRACE_S = 3


def serve(settings: Settings, ready_file: Path | None = None) -> None:
    """Run the service until it is told to end (SIGTERM, SIGINT).

    Parameters
    ----------
    ready_file
        Written, with the address and the process id as JSON, as soon as the pages answer.

    Raises
    ------
    RondeError
        A part is missing, refuses, or its port is taken; nothing was started then.
    """
    listener = listen(settings.service.host, settings.service.port)
    with closing(listener), _leaving_on_sigterm():
        runtime = open_runtime(settings)
        try:
            _run(runtime, listener, ready_file)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if ready_file:
                ready_file.unlink(missing_ok=True)
            runtime.stop()


def _run(runtime: Runtime, listener: socket.socket, ready_file: Path | None) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    config = uvicorn.Config(
        create_application(runtime),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="off",
    )
    server = _Server(config, runtime.hub.close)
    runtime.start()
    logger.info("The pages are at %s", url)
    if ready_file:
        _write_ready(ready_file, url)
    server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    PortInUse
        Another program has the port.
    BadInput
        This machine has no such address, or the port is not for everybody.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == 98:
            raise PortInUse(port, "service", "--port") from None
        raise BadInput(
            f"The service cannot listen on {host}:{port}: {error.strerror or error}.",
            "Choose an address of this machine with --host, and a port above 1023 with --port.",
        ) from None
    return listener


@contextmanager
def _leaving_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end us by way of every `finally`; while the server runs, its own handler stands in for this one."""

    def leave(signum: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """Ends live streams at once when it is told to end: they would keep it from ending otherwise."""

    def __init__(self, config: uvicorn.Config, close_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._close_streams = close_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; asked a second time, do not wait for anybody."""
        self.force_exit = self.should_exit
        self.should_exit = True
        # In a thread: what the signal interrupted may hold the lock of the streams.
        threading.Thread(target=self._close_streams, daemon=True).start()


def _write_ready(path: Path, url: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    unfinished.replace(path)
