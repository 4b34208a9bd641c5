"""A service over the small city, running in this process."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx
import uvicorn

from service.application import create_application
from service.runtime import Runtime, open_runtime
from service.server import listen
from service.settings import PlanningSettings, ServiceSettings, Settings
from tests.service.small_city import SmallCity

T = TypeVar("T")
QUICK = PlanningSettings(solver_s=1.0, improve_s=2.0, debounce_s=60.0)


def settings_for(city: SmallCity, broker: str = "", speed_up: float = 30.0) -> Settings:
    """Settings of a service over a small city."""
    service = ServiceSettings(
        data=str(city.folder), broker=broker, clock=city.clock(speed_up).spec(), port=0, tick_s=0.1
    )
    return Settings(service, QUICK)


@contextlib.contextmanager
def runtime_of(settings: Settings) -> Iterator[Runtime]:
    """A runtime that has started, and is stopped afterwards."""
    runtime = open_runtime(settings)
    try:
        runtime.start()
        yield runtime
    finally:
        runtime.stop()


@contextlib.contextmanager
def client_of(runtime: Runtime) -> Iterator[httpx.Client]:
    """A client of a real server on a free port over a runtime."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(create_application(runtime), log_config=None, lifespan="off", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=10) as client:
            until(lambda: server.started)
            yield client
    finally:
        runtime.hub.close()
        server.should_exit = True
        thread.join(10)
        listener.close()


def until(look: Callable[[], T], seconds: float = 30.0) -> T:
    """Return the first true answer of `look`."""
    end_s = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.05)
    return answer
