import asyncio
import threading

from service.live import LiveHub


def collect(hub, count, last_id=None, heartbeat_s=5.0, before=None):
    """The first `count` pieces of text that a client gets; `before` runs once it listens."""

    async def run():
        stream = hub.stream(last_id, heartbeat_s)
        pieces = [await anext(stream)]
        if before:
            before()
        try:
            async with asyncio.timeout(5):
                while len(pieces) < count:
                    pieces.append(await anext(stream))
        except StopAsyncIteration:
            pieces.append("END")
        await stream.aclose()
        return pieces

    return asyncio.run(run())


def test_events_reach_a_listener_in_order_with_rising_ids():
    hub = LiveHub()

    def publish():
        for n in range(3):
            hub.publish("clock", {"n": n})

    pieces = collect(hub, 4, before=publish)
    assert pieces[0] == "retry: 2000\n\n"
    assert pieces[1:] == [f'id: {n + 1}\nevent: clock\ndata: {{"n":{n}}}\n\n' for n in range(3)]
    assert hub.clients == 0


def test_events_may_come_from_any_thread():
    hub = LiveHub(queue_size=1000)

    def publish():
        threads = [threading.Thread(target=lambda: [hub.publish("x", {}) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    pieces = collect(hub, 201, before=publish)
    ids = [int(piece.split()[1]) for piece in pieces[1:]]
    assert ids == list(range(1, 201))


def test_a_client_that_comes_back_gets_what_it_missed():
    hub = LiveHub()
    for n in range(5):
        hub.publish("plan", {"n": n})
    pieces = collect(hub, 3, last_id=3)
    assert [piece.split("\n")[0] for piece in pieces[1:]] == ["id: 4", "id: 5"]


def test_a_client_that_missed_more_than_is_kept_is_told_to_read_everything():
    hub = LiveHub(backlog=4)
    for n in range(10):
        hub.publish("plan", {"n": n})
    assert collect(hub, 2, last_id=2)[1] == "id: 10\nevent: resync\ndata: {}\n\n"
    # An id of another life of the service means nothing here.
    assert "event: resync" in collect(hub, 2, last_id=999)[1]


def test_a_slow_client_gets_a_resync_and_costs_bounded_memory():
    hub = LiveHub(queue_size=8)

    def publish():
        for n in range(5000):
            hub.publish("places", {"n": n})
        (listener,) = hub._listeners
        assert len(listener._events) <= 8

    pieces = collect(hub, 2, before=publish)
    assert pieces[1] == "id: 5000\nevent: resync\ndata: {}\n\n"


def test_silence_is_broken_by_a_heartbeat():
    assert collect(LiveHub(), 2, heartbeat_s=0.05)[1] == "event: heartbeat\ndata: {}\n\n"


def test_closing_ends_every_stream_and_later_ones_at_once():
    hub = LiveHub()
    assert collect(hub, 3, before=hub.close)[-1] == "END"

    async def late():
        return [piece async for piece in hub.stream()]

    assert asyncio.run(late()) == []
