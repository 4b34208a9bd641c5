import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from city.errors import BadFile
from edge.config import (
    AgentSettings,
    BrokerSettings,
    ClockSettings,
    ReplaySettings,
    UltrasonicSettings,
    read_settings,
)

SAMPLE = Path(__file__).parents[2] / "deploy" / "edge" / "agent.toml"


@pytest.fixture
def write(tmp_path):
    def make(text):
        path = tmp_path / "agent.toml"
        path.write_text(text)
        return path

    return make


def test_the_sample_is_read():
    settings = read_settings(SAMPLE)
    assert (settings.device, settings.broker.port, settings.agent.window) == ("k-0001", 1883, 8)
    assert isinstance(settings.driver[0], UltrasonicSettings)


def test_what_the_sample_comments_out_is_the_default_and_nothing_is_left_out():
    text = SAMPLE.read_text()
    text = text[: text.index("# A file with the columns")]
    told = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    plain = msgspec.to_builtins(read_settings(SAMPLE))
    told["driver"][0]["depth_table"] = tuple(told["driver"][0]["depth_table"])
    told["sampling"]["fill_thresholds"] = tuple(told["sampling"]["fill_thresholds"])
    plain["driver"] = list(plain["driver"])
    assert told == plain


def test_the_samples_second_driver_is_read(write):
    text = SAMPLE.read_text()
    head, tail = text.split("# A file with the columns time,value, for a bench without sensors.\n")
    settings = read_settings(write(head + re.sub(r"^# ", "", tail, flags=re.MULTILINE)))
    assert isinstance(settings.driver[1], ReplaySettings)


def _sample(*changes):
    text = SAMPLE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (_sample(('device = "k-0001"', "")), "device", "Add device"),
        (_sample(('device = "k-0001"', 'device = "K 1"')), "", "K 1"),
        (_sample(("health_channel", "x"), ('city = "groningen"', 'citty = "groningen"')), "citty", "'city'"),
        (_sample(("host = ", "hots = ")), "broker.hots", "'host'"),
        (_sample(('host = "broker.example.org"', 'host = ""')), "broker", "host is empty"),
        (_sample(("# port = 1883", "port = 0")), "broker", "from 1 to 65535"),
        (_sample(("# port = 1883", 'port = "1883"')), "broker.port", "int"),
        (_sample(("# window = 8", "window = 99")), "agent", "from 1 to 10"),
        (_sample(("# window = 8", "windows = 8")), "agent.windows", "'window'"),
        (_sample(("# fill_change = 0.05", "fill_change = 0")), "sampling", "above 0"),
        (_sample(('# sync = "kernel"', 'sync = "ntp"')), "clock.sync", "ntp"),
        (_sample(('type = "ultrasonic"', 'type = "laser"')), "driver[0].type", "laser"),
        (_sample(("trigger_pin = 23\n", "")), "driver[0].trigger_pin", "Add trigger_pin"),
        (_sample(("trigger_pin", "triger_pin")), "driver[0].triger_pin", "'trigger_pin'"),
        (_sample(("depth_mm = 2500.0", "depth_mm = -1")), "driver[0]", "above 0"),
        (_sample(("depth_mm = 2500.0", "depth_mm = nan")), "driver[0]", "above 0"),
        (_sample(("# depth_table = []", "depth_table = [[1,0],[2,1]]")), "driver[0]", "fall"),
        (
            SAMPLE.read_text()
            + '[[driver]]\ntype="ultrasonic"\nchannel="container-1"\ntrigger_pin=1\necho_pin=2\ndepth_mm=1\n',
            "",
            "two drivers",
        ),
        (
            SAMPLE.read_text() + '[[driver]]\ntype="replay"\nchannel="c"\nkind="fill"\nquantity="colour"\nfile="x"\n',
            "driver[1]",
            "colour",
        ),
    ],
)
def test_what_is_wrong_is_said_with_field_and_fix(write, text, field, words):
    path = write(text)
    with pytest.raises(BadFile) as caught:
        read_settings(path)
    assert words in str(caught.value)
    assert caught.value.field == field
    assert caught.value.file == str(path)
    assert caught.value.fix


def test_broken_toml_is_said_with_its_line(write):
    with pytest.raises(BadFile) as caught:
        read_settings(write('device = "k1"\ncity = \n'))
    assert caught.value.line == 2


@pytest.mark.parametrize("text", [f"a = {'1' * 5000}", "a = " + "[" * 5000], ids=["digits", "depth"])
def test_toml_that_python_does_not_take_is_said(write, text):
    with pytest.raises(BadFile, match="no TOML"):
        read_settings(write(text))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(BadFile, match="--config"):
        read_settings(tmp_path / "none.toml")


def test_settings_are_values():
    one = AgentSettings("k1", "g", "key", "outbox", BrokerSettings("localhost"))
    assert one.clock == ClockSettings()
    assert one.driver == ()
