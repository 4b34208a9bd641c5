import json
import subprocess
import sys

import numpy as np
import pytest

from city.errors import BadInput
from service.count_rows import CountRows, renamed, write_counts
from simulation.history import read_counts
from simulation.table_files import read_table
from tests.service.test_ndw_counts import export, minute
from tests.service.test_telraam_counts import api, report

HOUR = 1_717_394_400.0


def rows_of(counts, interval_s=900.0, share=1.0, entity="a"):
    n = len(counts)
    start = HOUR + np.arange(n) * interval_s
    full = np.full(n, float(interval_s))
    return CountRows(
        np.array([entity] * n), start, full, np.array(counts, float), np.full(n, share), np.full(n, np.nan), {}
    )


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "service", "import", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_quarters_become_the_hours_of_a_series_that_a_replay_reads(tmp_path, suffix):
    out = tmp_path / f"series{suffix}"
    assert write_counts(rows_of([10, 20, 30, 40, 50, 60]), out, hourly=True) == 1
    history = read_counts(out)
    assert history.value.tolist() == [100]
    assert history.at_s.tolist() == [HOUR]


def test_what_part_was_measured_stays_with_the_count(tmp_path):
    out = tmp_path / "series.csv"
    write_counts(rows_of([10, 20, 30, 40], share=0.8), out, hourly=True)
    table = read_table(out, {"measured_share": "number", "interval_s": "number"}, "SERIES")
    assert table.numbers["measured_share"].tolist() == [0.8]
    assert table.numbers["interval_s"].tolist() == [3600]


def test_the_speed_of_an_hour_is_that_of_its_vehicles(tmp_path):
    """By hand: (10 * 50 + 30 * 30) / 40 = 35 km/h; a quarter without speed or without vehicles says nothing."""
    out = tmp_path / "series.csv"
    rows = rows_of([10, 30, 0, 20, 5, 5, 5, 5])
    write_counts(rows._replace(speed_kph=np.array([50.0, 30, 90, *[np.nan] * 5])), out, hourly=True)
    assert read_table(out, {"speed_kph": "number"}, "SERIES").numbers["speed_kph"] == pytest.approx(
        [35, np.nan], nan_ok=True
    )


def test_places_get_the_ids_of_approaches_and_others_stay_out():
    both = rows_of([1, 2])._replace(entity=np.array(["RWS01", "RWS02"]))
    kept = renamed(both, ["RWS02=arm-0"])
    assert kept.entity.tolist() == ["arm-0"]
    assert kept.left_out == {"of other entities": 1}
    assert renamed(both, []) is both
    apart = both._replace(entity=np.array(["RWS01:bike", "RWS02:bike"]))
    assert renamed(apart, ["RWS01=arm-0"]).entity.tolist() == ["arm-0:bike"]


@pytest.mark.parametrize(
    ("pair", "said"), [("RWS02", "no pair"), ("=x", "no pair"), ("RWS09=x", "There is no 'RWS09'")]
)
def test_a_pair_that_is_none_is_named(pair, said):
    with pytest.raises(BadInput, match=said):
        renamed(rows_of([1], entity="RWS01"), [pair])


@pytest.mark.parametrize(
    ("pairs", "said"),
    [(["A=x", "B=x"], "id 'x' stands in two pairs"), (["A=x", "A=y"], "place 'A' stands in two pairs")],
)
def test_no_count_is_lost_or_doubled_because_a_name_is_given_twice(pairs, said):
    both = rows_of([1, 2])._replace(entity=np.array(["A", "B"]))
    with pytest.raises(BadInput, match=said):
        renamed(both, pairs)


def test_ndw_is_imported_from_the_command_line(tmp_path):
    source = export(tmp_path, *(minute(n, 1200) for n in range(59)))[0]
    out = tmp_path / "history" / "ndw.parquet"
    done = run("ndw", source, out, "--as", "A=arm-0", "--hourly", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["entities"]) == (1, 1)
    assert read_counts(out).entities == ("arm-0",)
    # Fifty-nine of sixty minutes of 20 vehicles are scaled up to the hour.
    assert read_counts(out).value.tolist() == [1200]


def test_telraam_is_imported_from_the_command_line_and_says_what_it_assumed(tmp_path):
    source = api(tmp_path, report(), report(8, 0.4))[0]
    out = tmp_path / "telraam.csv"
    done = run("telraam", source, out)
    assert done.returncode == 0, done.stderr
    assert "1 with an uptime below 0.5" in done.stdout
    assert "1 counts are estimates" in done.stdout
    assert read_counts(out).value.tolist() == pytest.approx([697.26])
    wrong = run("telraam", source, out, "--scaling", "perhaps")
    assert wrong.returncode == 3
    assert "Use auto, scaled or raw." in wrong.stderr
