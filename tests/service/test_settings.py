import pytest

from city.errors import BadFile, BadInput
from city.parameters import parse_parameters, sample
from service.settings import PlanningSettings, ServiceSettings, Settings, parse_address, read_settings


def test_a_file_gives_settings_and_options_come_first(tmp_path):
    file = tmp_path / "ronde.toml"
    file.write_text('[service]\ndata = "city"\nport = 9000\n[planning]\nplan_hour = 6.5\n')
    settings = read_settings(file).with_options(port=9001, host=None)
    assert (settings.service.data, settings.service.port, settings.service.host) == ("city", 9001, "127.0.0.1")
    assert settings.planning.plan_hour == 6.5
    assert settings.series_url.endswith("/city/series.sqlite")


def test_the_sample_shows_the_defaults():
    text = sample(Settings)
    live = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in text.splitlines()
    )
    assert parse_parameters(live, Settings) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service]\nprot = 1\n", "port"),
        ("[servic]\n", "service"),
        ("[service]\nport = 70000\n", "70000 is no port"),
        ('[service]\nbroker = "there"\n', "no address of a broker"),
        ('[service]\nrouter = "valhalla"\n', "no address of a router"),
        ("[planning]\nplan_hour = 25.0\n", "plan_hour"),
        ("[planning]\nsolver_s = 0.0\n", "solver_s"),
        ("[planning]\nmust_probability = 2.0\n", "must_probability"),
        ("service", "not TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, said):
    file = tmp_path / "ronde.toml"
    file.write_text(text)
    with pytest.raises(BadFile, match=said):
        read_settings(file)


def test_without_a_data_folder_it_is_not_complete():
    with pytest.raises(BadInput, match="--data"):
        Settings().check_complete()


@pytest.mark.parametrize("text", ["", "host", "host:", ":1883", "host:port", "host:99999"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadInput):
        parse_address(text)


@pytest.mark.parametrize(
    "change", [{"debounce_s": -1.0}, {"improve_s": 1e6}, {"outdated_s": 1.0}, {"wait_for_late_s": -1.0}]
)
def test_impossible_planning_is_refused(change):
    with pytest.raises(BadInput):
        PlanningSettings(**change)


def test_an_ipv6_broker_is_an_address():
    assert parse_address("[::1]:1883") == ("::1", 1883)
    assert ServiceSettings(broker="[::1]:1883").broker
