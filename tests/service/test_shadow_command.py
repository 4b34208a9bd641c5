import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from city.errors import BadInput
from service.cli import app
from service.shadow_command import policy_of

RUN = ["shadow", "--clusters", "6", "--days", "2", "--iterations", "3", "--seed", "3"]


def test_policies_are_compared_with_the_first() -> None:
    done = CliRunner().invoke(app, [*RUN, "--policy", "fullest-250", "--policy", "ronde", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["baseline"] == "fullest-250"
    assert set(said["policies"]) == {"fullest-250", "ronde"}
    assert said["policies"]["ronde"]["co2_kg"]["value"] >= 0


def test_a_report_is_written_and_a_table_is_for_people(tmp_path: Path) -> None:
    page = tmp_path / "shadow.html"
    done = CliRunner().invoke(app, [*RUN, "--policy", "threshold-0.5", "--report", str(page)])
    assert done.exit_code == 0, done.output
    assert "CO₂ a day, kg" in done.stdout
    assert "threshold-0.5" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["fixed", "ronde", "clairvoyant", "threshold-0.45", "fullest-250"])
def test_a_policy_is_known_by_its_name(name: str) -> None:
    assert policy_of(name, 50.0).name == name


@pytest.mark.parametrize("name", ["nobody", "threshold-x", "threshold-2", "fullest-0", "fullest-900", "fullest-x", ""])
def test_what_is_no_policy_is_named_with_those_that_are(name: str) -> None:
    with pytest.raises(BadInput, match="is no policy") as told:
        policy_of(name, 50.0)
    assert "clairvoyant" in str(told.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--days", "0"], "--days is 0"),
        (["--clusters", "1"], "--clusters is 1"),
        (["--iterations", "0"], "--iterations is 0"),
        (["--first-day", "soon"], "is no day"),
        (["--spared-s", "-3"], "spared_s is -3"),
        (["--policy", "ronde", "--policy", "ronde"], "each once"),
        (["--levels", "/nowhere/levels.csv"], "no such file"),
        (["--report", "/nowhere/report.html"], "no folder"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(more: list[str], says: str) -> None:
    done = CliRunner().invoke(app, [*RUN, *more])
    assert isinstance(done.exception, BadInput)
    assert says in str(done.exception)


def test_a_broken_history_is_named(tmp_path: Path) -> None:
    levels = tmp_path / "levels.csv"
    levels.write_text("time,entity,fill_ratio\n2026-01-01T00:00:00Z,a,zero\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["shadow", "--levels", str(levels)])
    assert isinstance(done.exception, BadInput)
    assert "levels.csv" in str(done.exception)


def test_a_history_of_one_container_is_enough(tmp_path: Path) -> None:
    levels = tmp_path / "levels.csv"
    rows = [f"2026-01-{day:02d}T08:00:00Z,a,{(day % 5) / 5}" for day in range(1, 29)]
    levels.write_text("\n".join(["time,entity,fill_ratio", *rows]) + "\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["shadow", "--levels", str(levels), "--days", "2", "--iterations", "2"])
    assert done.exit_code == 0, done.output
    assert "A history of 1 containers" in done.stdout
