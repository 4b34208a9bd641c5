import re
from typing import Annotated, Literal

import msgspec
import pytest

from city.errors import BadFile, BadInput
from city.parameters import parse_parameters, read_parameters, sample


class Fill(msgspec.Struct, frozen=True):
    """How full containers get.

    More words that a sample does not show.
    """

    full_ratio: Annotated[float, msgspec.Meta(gt=0, le=1.5, description="From here on a container is full.")] = 0.95
    windows: tuple[int, ...] = (1, 24)
    mode: Literal["learned", "fixed"] = "learned"
    note: str = 'a "quoted" \\ word\n'
    quiet: bool = False
    before_hour: float | None = None

    def __post_init__(self):
        if self.mode == "fixed" and self.before_hour is None:
            raise BadInput("A fixed mode needs an hour.", "Give before_hour.")


class Server(msgspec.Struct, frozen=True):
    """Where the city's parts find each other."""

    series: Annotated[str, msgspec.Meta(examples=["sqlite:///series.sqlite"])]
    port: int = 8080


class Sections(msgspec.Struct, frozen=True):
    server: Server
    fill: Fill = Fill(windows=(2, 3))


MINIMAL = '[server]\nseries = "sqlite:///x"\n'


def test_what_the_file_does_not_say_is_the_codes_default():
    assert parse_parameters(MINIMAL, Sections) == Sections(Server("sqlite:///x"))


def test_a_section_changes_only_what_it_names():
    read = parse_parameters(MINIMAL + "[fill]\nfull_ratio = 1\n", Sections)
    assert read.fill == Fill(full_ratio=1.0, windows=(2, 3))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[fil]\n", "c.toml:3: fil: 'fil' is no known section. Did you mean 'fill'?"),
        ("[colour]\n", "c.toml:3: colour: 'colour' is no known section. Known are server, fill."),
        ("[fill]\nfull = 1\n", "c.toml:4: fill.full: 'full' is no known key of [fill]. Known are full_ratio"),
        ("[fill]\nfull_raito = 1\n", "c.toml:4: fill.full_raito: 'full_raito' is no known key of [fill]. Did you mean"),
        ("[fill]\nfull_ratio = 2\n", "c.toml:4: fill.full_ratio: 2 does not fit. Expected here: float <= 1.5."),
        ("[fill]\nfull_ratio = '1'\n", 'c.toml:4: fill.full_ratio: "1" does not fit. Expected here: float.'),
        ("[fill]\nfull_ratio = true\n", "c.toml:4: fill.full_ratio: true does not fit. Expected here: float."),
        ("[fill]\nwindows = [1, 2.5]\n", "c.toml:4: fill.windows: [1, 2.5] does not fit. Expected here: int."),
        ("[fill]\nmode = 'fixd'\n", "c.toml:4: fill.mode: \"fixd\" is no known word here. Did you mean 'fixed'?"),
        ("[fill]\nmode = 'fixed'\n", "c.toml:3: fill: A fixed mode needs an hour. Give before_hour."),
        ("[fill]\nquiet = 2026-01-01\n", "c.toml:4: fill.quiet: 2026-01-01 does not fit."),
        ("fill == 1\n", "c.toml: This is not TOML"),
        (f"[fill]\nquiet = {'1' * 5000}\n", "c.toml: This is not TOML"),
        (f"[fill]\nquiet = {'[' * 5000}\n", "c.toml: This is not TOML"),
        ("[[fill]]\nquiet = true\n", "c.toml: fill: 'fill' is a section, not a key."),
    ],
)
def test_what_does_not_fit_is_named_with_file_section_and_key(text, error):
    with pytest.raises(BadFile) as caught:
        parse_parameters(MINIMAL + text, Sections, "c.toml")
    assert str(caught.value).startswith(error)


def test_a_required_key_must_be_there():
    with pytest.raises(BadFile, match=r"server\.series: The key 'series' is missing\."):
        parse_parameters("[server]\nport = 1\n", Sections)
    with pytest.raises(BadFile, match=r"server\.series: The key 'series' is missing\."):
        parse_parameters("", Sections)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path):
    with pytest.raises(BadFile, match=r"ronde\.toml: The file cannot be read"):
        read_parameters(tmp_path / "ronde.toml", Sections)
    (tmp_path / "ronde.toml").write_bytes(b"\xff")
    with pytest.raises(BadFile, match="UTF-8"):
        read_parameters(tmp_path / "ronde.toml", Sections)
    (tmp_path / "ronde.toml").write_text(MINIMAL)
    assert read_parameters(tmp_path / "ronde.toml", Sections).server.series == "sqlite:///x"


def test_a_sample_shows_required_keys_live_and_defaults_as_comments():
    assert sample(Sections).splitlines()[:9] == [
        "# Where the city's parts find each other.",
        "[server]",
        'series = "sqlite:///series.sqlite"',
        "#port = 8080",
        "",
        "# How full containers get.",
        "[fill]",
        "# From here on a container is full.",
        "#full_ratio = 0.95",
    ]


def test_the_commented_values_of_a_sample_are_the_codes_defaults():
    text = sample(Sections)
    live = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    assert live.count("\n#port") == 0
    assert parse_parameters(live, Sections) == parse_parameters(text, Sections)
    assert "before_hour is not set unless" in text
