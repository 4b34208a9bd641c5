import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from city.errors import BadFile, BadInput
from city.register_files import read_register
from routing.network import Network
from simulation.field import ReplayField
from simulation.history import History, read_counts, read_levels, slugs, week_shift_s
from simulation.parameters import HOUR_S, local_time
from simulation.planted import read_planted
from simulation.replay import ReplayCity, ReplayWorld
from simulation.streets import StreetParameters, generate_network
from tests.parts import require

BERLIN = "Europe/Berlin"
START_S = datetime(2026, 11, 22, 22, 0, tzinfo=ZoneInfo(BERLIN)).timestamp()


@pytest.fixture(scope="module")
def network() -> Network:
    return generate_network(2, StreetParameters(half_width_m=1500.0, half_height_m=1200.0))


def write_counts(path: Path, days: int = 16, entities: int = 5) -> Path:
    first = datetime(2024, 6, 1, 0, 0, tzinfo=UTC)
    lines = ["time,entity,value"]
    for hour in range(24 * days):
        at = first + timedelta(hours=hour)
        lines += [f"{at.isoformat()},TE{e:03d},{10 * e + hour % 24}" for e in range(entities) if (hour, e) != (30, 2)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_levels(path: Path) -> Path:
    first = datetime(2019, 3, 1, 12, 0, tzinfo=UTC)
    rows = [
        f"{(first + timedelta(days=d)).isoformat()},bin {b},{((d + b) % 6) * 0.2:.1f}"
        for d in range(40)
        for b in range(4)
    ]
    path.write_text("\n".join(["time,entity,fill_ratio", *rows]) + "\n")
    return path


def test_a_replay_keeps_weekday_and_local_hour(network: Network, tmp_path: Path) -> None:
    city = ReplayCity.build(network, START_S, counts=write_counts(tmp_path / "counts.csv"))
    assert city.counts is not None
    original = read_counts(tmp_path / "counts.csv")
    played = {
        (int(e), float(v), t) for e, v, t in zip(city.counts.entity, city.counts.value, city.counts.at_s, strict=True)
    }
    assert played
    shift = week_shift_s(original, START_S, BERLIN)
    for t in (START_S + HOUR_S, START_S + 30 * HOUR_S):
        then, now = local_time(t - shift, BERLIN), local_time(t, BERLIN)
        assert (then.weekday(), then.hour) == (now.weekday(), now.hour)
    # The last whole week: a week after the start there is still something, two weeks after not.
    assert city.counts.at_s.max() >= START_S + 7 * 86400
    assert city.counts.at_s.max() < START_S + 14 * 86400


def test_a_count_is_told_when_its_hour_is_over(network: Network, tmp_path: Path) -> None:
    path = write_counts(tmp_path / "counts.csv", entities=1)
    city = ReplayCity.build(network, START_S, counts=path)
    field = ReplayField(city)
    field.advance(START_S)
    said = [one.reading for one in field.advance(START_S + 24 * HOUR_S)]
    assert len(said) == 24
    shift_s = week_shift_s(read_counts(path), START_S, BERLIN)
    for one in said:
        begun_s = one.at_ms / 1000 - one.interval_s - shift_s
        # The file counts h vehicles in the hour from h o'clock on, UTC.
        assert one.values["vehicle_count"] == begun_s // HOUR_S % 24


def test_a_week_can_be_chosen(tmp_path: Path) -> None:
    history = read_counts(write_counts(tmp_path / "counts.csv"))
    chosen = datetime(2024, 6, 2, tzinfo=UTC).timestamp()
    shift = week_shift_s(history, START_S, BERLIN, chosen)
    assert local_time(START_S - shift, BERLIN).date().isoformat() == "2024-06-02"
    with pytest.raises(BadInput, match="2024-06-01 to 2024-06-16"):
        week_shift_s(history, START_S, BERLIN, chosen + 400 * 86400)


def test_entities_stand_on_junctions_and_streets(network: Network, tmp_path: Path) -> None:
    city = ReplayCity.build(
        network, START_S, counts=write_counts(tmp_path / "c.csv"), levels=write_levels(tmp_path / "l.csv")
    )
    register = city.register
    assert [a.name for a in register.approaches.values()] == [f"TE{e:03d}" for e in range(5)]
    assert next(iter(register.approaches)) == "d-te000"
    signals = {
        (round(float(network.node_lon[n]), 6), round(float(network.node_lat[n]), 6)) for n in network.signal_nodes
    }
    assert {(j.lon, j.lat) for j in register.junctions.values()} <= signals
    assert len(register.clusters) == len(register.containers) == 4
    assert {t.streams for t in register.trucks.values()} == {("residual",)}
    assert all(i.channel != "beside" for i in register.installations)


def test_more_detectors_than_arms_share(network: Network, tmp_path: Path) -> None:
    city = ReplayCity.build(network, START_S, counts=write_counts(tmp_path / "c.csv", days=8, entities=120))
    assert len(city.register.approaches) == 120


def test_a_missing_hour_stays_missing(network: Network, tmp_path: Path) -> None:
    path = write_counts(tmp_path / "c.csv")
    history = read_counts(path)
    gap = datetime(2024, 6, 2, 6, 0, tzinfo=UTC).timestamp()
    assert not ((history.at_s == gap) & (history.entity == 2)).any()
    assert ((history.at_s == gap) & (history.entity == 1)).any()


def test_a_written_replay_is_read_back_and_says_that_nothing_is_planted(network: Network, tmp_path: Path) -> None:
    city = ReplayCity.build(network, START_S, levels=write_levels(tmp_path / "l.csv"))
    city.write(tmp_path / "run")
    again = ReplayCity.read(tmp_path / "run")
    assert read_planted(tmp_path / "run" / "truth" / "planted.json") is None
    assert again.counts is None
    assert again.levels is not None
    assert city.levels is not None
    assert np.array_equal(again.levels.value, city.levels.value)
    assert read_register(tmp_path / "run" / "register").clusters == city.register.clusters


def test_a_truck_lifts_what_was_last_measured(network: Network, tmp_path: Path) -> None:
    city = ReplayCity.build(network, START_S, levels=write_levels(tmp_path / "l.csv"))
    assert city.levels is not None
    world = ReplayWorld(city)
    container = list(city.register.containers)[1]
    seen = (city.levels.entity == 1) & (city.levels.at_s <= START_S)
    level = city.levels.value[seen][-1]
    assert world.empty(container, START_S, "crane-1") == pytest.approx(level * 4.0 * 55.0, abs=0.1)
    assert world.clear("c-bin-1", START_S) == 0
    assert [h.event for h in world.take_happenings()] == ["emptied", "cleared"]
    with pytest.raises(BadInput):
        world.empty("nobody", START_S)


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    table = pa.table(
        {
            "time": pa.array([datetime(2024, 6, 3, 8, tzinfo=UTC), datetime(2024, 6, 3, 9, tzinfo=UTC)]),
            "entity": ["a", "a"],
            "fill_ratio": [0.25, 1.06],
        }
    )
    pq.write_table(table, tmp_path / "levels.parquet")
    assert read_levels(tmp_path / "levels.parquet").value.tolist() == [0.25, 1.06]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("time,entity,v\n2024-06-03T08:00:00Z,a,5\n", "column 'value' is missing"),
        ("time;entity;value\n2024-06-03T08:00:00Z;a;5\n", "column 'time' is missing"),
        ("time,entity,value\n2024-06-03T08:00:00,a,5\n", "no offset from UTC"),
        ("time,entity,value\nyesterday,a,5\n", "yesterday"),
        ("time,entity,value\n2024-06-03T08:00:00Z,a,many\n", "many"),
        ("time,entity,value\n2024-06-03T08:00:00Z,a,-4\n", "from 0 to"),
        ("time,entity,value\n2024-06-03T08:00:00Z,a\n", "Expected 3 columns"),
        ("time,entity,value\n", "no value"),
        ("time,entity,value\n2024-06-03T08:00:00Z,a,nan\n", "no value"),
        ("", "Empty CSV"),
        ("\x89PNG\r\n\x1a\n\x00\x00", "no such table"),
    ],
)
def test_a_file_that_cannot_be_played_says_why_and_what_mends_it(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadFile) as caught:
        read_counts(path)
    assert says in str(caught.value)
    assert "bad.csv" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet"])
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        read_levels(tmp_path / name)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("time,entity,value\n")
    with pytest.raises(BadFile, match="no such table"):
        read_counts(tmp_path / "x.parquet")


def test_nothing_to_play_is_refused(network: Network) -> None:
    with pytest.raises(BadInput, match="nothing to replay"):
        ReplayCity.build(network, START_S)


def test_names_become_ids() -> None:
    made = slugs(["TE001", "te001", "", "x" * 60], "d")
    assert len(set(made)) == 4
    assert made[0] == "d-te001"


def test_real_counts_and_levels_are_played(network: Network, tmp_path: Path) -> None:
    data = require("shared-data")
    source = data / "traffic" / "berlin-hourly" / "mq_hr_2024_06.csv.gz"
    with gzip.open(source, "rt") as file, (tmp_path / "counts.csv").open("w") as out:
        out.write("time,entity,value\n")
        for row in csv.DictReader(file, delimiter=";"):
            day, month, year = row["tag"].split(".")
            out.write(
                f"{year}-{month}-{day}T{int(row['stunde']):02d}:00:00+02:00,{row['mq_name']},{row['q_kfz_mq_hr']}\n"
            )
    city = ReplayCity.build(generate_network(1), START_S, counts=tmp_path / "counts.csv")
    assert isinstance(city.counts, History)
    assert len(city.register.approaches) > 150
    night = city.counts.between(START_S, START_S + 8 * HOUR_S)
    assert night.stop - night.start > 1000
