"""One reading, from its driver to the round that a truck is told, through every real part (docs/path-of-a-reading.md).

The device, the broker, ingest and the service are processes of their own, started by their own commands.
"""

import time
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path

import httpx
import pytest

from broker.client import Loop, MqttClient
from broker.codec import decode_command
from broker.server import free_port, start_broker
from broker.topics import down_topic
from city.clock import ScaledClock, utc
from city.readings import ReadingKey
from edge.outbox import Outbox
from ingest.rows import rows_of
from ledger import LedgerReader
from ledger.audit import audit
from service.children import Children, wait_for
from simulation.city import SimulatedCity
from simulation.parameters import CityParameters, demo_start_s
from store.influx_server import start_influxdb
from store.series import open_series
from tests.parts import require

DEVICE = "pi-c0001"
CONTAINER = "c0001-1"
FILL = 0.97
SPEED_UP = 60.0

AGENT = """
device = "{device}"
city = "groningen"
key = "{folder}/fleet/keys/{device}.key"
outbox = "{folder}/outbox.sqlite"

[broker]
host = "127.0.0.1"
port = {port}

[clock]
sync = "trusted"

[[driver]]
type = "replay"
channel = "fill-1"
kind = "fill"
quantity = "fill_ratio"
file = "{folder}/levels.csv"
interval_s = 86400.0
"""


@pytest.mark.parametrize(("broker_kind", "store"), [("iotcore", "sqlite"), ("mosquitto", "influxdb")])
def test_a_reading_goes_from_its_driver_to_a_trucks_round(tmp_path: Path, broker_kind: str, store: str) -> None:
    if broker_kind == "mosquitto":
        require("mosquitto")
    if store == "influxdb":
        require("influxd")
    start_s = demo_start_s(date(2026, 3, 2)) + 1740  # 06:59: the plan of the day is made in a real second.
    city = SimulatedCity.generate(CityParameters.of_size(6), seed=3, start_s=start_s).write(tmp_path / "fleet")
    data = tmp_path / "city"
    data.mkdir()
    for name in ("register", "network.npz"):
        (data / name).symlink_to(tmp_path / "fleet" / name)
    (tmp_path / "levels.csv").write_text(f"time,value\n{utc(start_s - 3600).isoformat()},{FILL}\n")
    with ExitStack() as stack:
        influxdb = stack.enter_context(start_influxdb(tmp_path / "influxdb")) if store == "influxdb" else None
        series = influxdb.url if influxdb else f"sqlite:///{data / 'series.sqlite'}"
        token = influxdb.token if influxdb else None
        broker = stack.enter_context(start_broker(tmp_path / "broker", kind=broker_kind))
        children = Children(tmp_path / "log")
        stack.callback(children.end_all)
        clock = ScaledClock(start_s, SPEED_UP, time.time() + 5.0)
        told = _listen_to_trucks(city, broker.port, stack)
        common = ["--data", str(data), "--broker", f"127.0.0.1:{broker.port}", "--clock", clock.spec()]
        common += ["--series", series]
        environment = {"RONDE_SERIES_TOKEN": token} if token else {}
        port = free_port()
        children.start("ingest", ["ingest", *common, "--ready-file", str(tmp_path / "ready")], environment)
        (tmp_path / "service.toml").write_text("[planning]\nwait_for_late_s = 2.0\n")  # One container is heard of.
        serve = ["service", "serve", *common, "--port", str(port), "--config", str(tmp_path / "service.toml")]
        children.start("service", serve, environment)
        wait_for(tmp_path / "ready", children, "ingest", 20)

        agent = tmp_path / "agent.toml"
        agent.write_text(AGENT.format(device=DEVICE, folder=tmp_path, port=broker.port))
        children.start("device", ["edge", "--config", str(agent), "--clock", clock.spec()])

        # In the ledger, whole, and signed by the device.
        reader = LedgerReader(data / "ledger")
        entry = _until(lambda: reader.read(0, 1), children)[0]
        row = next(one for one in rows_of(entry, city.register))
        assert (row.entity, row.values["fill_ratio"], row.signed) == (CONTAINER, FILL, True)
        assert row.key == ReadingKey(DEVICE, entry.log_id, 0)

        # In the series store.
        with open_series(series, token) as found:
            at_ms = round(row.at_s * 1000)
            _until(lambda: (CONTAINER, at_ms) in found.keys("fill_ratio", row.at_s - 1, row.at_s + 1), children)

        # On the screen, as what the device said; in a round that stands at the desk, and was told to the truck.
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as page:
            answer = _until(lambda: _json(page, f"/v1/entities/{CONTAINER}", "fillRatio"), children)
            assert answer["fillRatio"] == pytest.approx(FILL, abs=0.05)
            assert answer["state"] == "urgent"
            plan = _until(lambda: _json(page, "/v1/plans/current", "rounds"), children)
        rounds = [r for r in plan["rounds"] if any(CONTAINER in s["containers"] for s in r["stops"])]
        assert len(rounds) == 1
        arguments = _until(lambda: told(f"pi-{rounds[0]['truck']}"), children)
        assert arguments["plan"] == plan["id"]
        assert any(CONTAINER in stop.get("containers", ()) for stop in arguments["round"]["stops"])

        # The device no longer holds it, and what the city holds is whole.
        children.end("device")
        with Outbox(tmp_path / "outbox.sqlite", DEVICE) as outbox:
            assert outbox.pending("readings") == 0
        assert children.end("ingest") == 0
        assert children.end("service") == 0
        assert audit(data / "ledger").fault is None


def _listen_to_trucks(city: SimulatedCity, port: int, stack: ExitStack):
    """Subscribe as each truck's device would; the answer returns what a device was told, running the loop meanwhile."""
    loop = stack.enter_context(closing(Loop()))
    heard: dict[str, dict[str, object]] = {}
    for truck in city.register.trucks:
        device = f"pi-{truck}"
        client = MqttClient("127.0.0.1", port, f"listener-{device}")
        client.on_message = lambda _, payload, device=device: heard.update({device: decode_command(payload).arguments})
        client.subscribe(down_topic("groningen", device, "command"))
        loop.add(client)
        loop.wait_connected(client, 10)

    def told(device: str) -> dict[str, object] | None:
        loop.run_once(0.05)
        return heard.get(device)

    return told


def _json(page: httpx.Client, path: str, wanted: str) -> dict[str, object] | None:
    """Return the answer once it holds `wanted`."""
    try:
        answer = page.get(path)
    except httpx.TransportError:
        return None
    body = answer.json() if answer.status_code == httpx.codes.OK else {}
    return body if body and body.get(wanted) not in (None, []) else None


def _until(look, children: Children, within_s: float = 80.0):
    until_s = time.monotonic() + within_s
    while not (answer := look()):
        children.check()
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.05)
    return answer
