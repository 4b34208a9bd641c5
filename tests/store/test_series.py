"""Which store a url opens, and which it does not."""

from pathlib import Path

import pytest

from city.errors import BadInput
from store.series import open_series


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/series.sqlite",
        "postgresql://localhost/ronde",
        "http://127.0.0.1:8086",
        "influxdb://127.0.0.1:8086",
        "influxdb://127.0.0.1:8086/city",
        "influxdb://127.0.0.1:8086/city/ronde/more",
        "influxdb:///city/ronde",
        "influxdb://127.0.0.1:port/city/ronde",
    ],
)
def test_a_url_that_names_no_store_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(BadInput, match="influxdb://HOST:PORT/ORG/BUCKET"):
        open_series(url, "token")


@pytest.mark.parametrize("token", [None, ""])
def test_influxdb_needs_a_token(token: str | None) -> None:
    with pytest.raises(BadInput, match="API token"):
        open_series("influxdb://127.0.0.1:8086/city/ronde", token)


def test_opening_influxdb_asks_nothing_of_the_server() -> None:
    open_series("influxdb://127.0.0.1:1/city/ronde", "token").close()


def test_a_path_may_be_relative_or_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_series("sqlite:///data/series.sqlite").close()
    open_series(f"sqlite:///{tmp_path}/other dir/100%25.sqlite").close()
    assert (tmp_path / "data" / "series.sqlite").is_file()
    assert (tmp_path / "other dir" / "100%25.sqlite").is_file()
