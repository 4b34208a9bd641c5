import json

import numpy as np
import pytest

from city.errors import BadFile
from service.telraam_counts import read_telraam


def report(hour=7, uptime=0.73, car=452 / 0.73, heavy=57 / 0.73, **more):
    return {
        "instance_id": -1, "segment_id": 348917, "date": f"2020-10-30T{hour:02d}:00:00.000Z", "interval": "hourly",
        "uptime": uptime, "car": car, "heavy": heavy, "bike": 263.01, "pedestrian": 72.6, "v85": 25.5, **more,
    }  # fmt: skip


def api(folder, *reports):
    path = folder / "report.json"
    path.write_text(json.dumps({"status_code": 200, "message": "ok", "report": list(reports)}))
    return [path]


def test_counts_that_telraam_has_divided_by_the_uptime_are_not_divided_again(tmp_path):
    """A real report's numbers, by hand: 57 heavy vehicles / 0.73 are reported as 78.08, 452 cars as 619.18."""
    rows = read_telraam(api(tmp_path, report()))
    assert rows.entity.tolist() == ["348917"]
    assert rows.counted[0] == pytest.approx(78.0821917808 + 619.1780821918)
    assert rows.measured_share.tolist() == [0.73]
    assert rows.start_s[0] == 1_604_041_200
    assert rows.estimates == 1
    assert "divided by the uptime already" in rows.notes[0]


def test_whole_numbers_at_an_uptime_below_one_are_raw_and_are_divided_here(tmp_path):
    whole = [report(h, 0.8, car=400, heavy=40, bike=20, pedestrian=7) for h in range(6)]
    rows = read_telraam(api(tmp_path, *whole))
    assert rows.counted.tolist() == [550.0] * 6
    assert "raw" in rows.notes[0]
    assert read_telraam(api(tmp_path, *whole), scaling="scaled").counted.tolist() == [440.0] * 6


def test_at_full_uptime_a_count_is_a_count(tmp_path):
    rows = read_telraam(api(tmp_path, report(uptime=1.0, car=100, heavy=10, bike=5, pedestrian=5)))
    assert rows.counted.tolist() == [110]
    assert rows.estimates == 0


def test_little_uptime_and_lost_hours_of_the_night_are_unknown_and_not_zero(tmp_path):
    rows = read_telraam(
        api(
            tmp_path,
            report(6),
            report(7, 0.49),
            report(8, None),
            report(9, 0.0, car=0, heavy=0),
            report(22, night=31.0, car=0, heavy=0),
        )
    )
    assert len(rows.counted) == 1
    assert rows.left_out == {"without an uptime": 1, "with an uptime below 0.5": 2, "unclassified at night": 1}


def test_classes_and_directions_come_apart_when_asked_for(tmp_path):
    sides = {"car_lft": 200.0, "car_rgt": 419.2, "heavy_lft": 50.0, "heavy_rgt": 28.1}
    rows = read_telraam(api(tmp_path, report(**sides)), by_class=True, by_direction=True)
    counted = dict(zip(rows.entity.tolist(), rows.counted.tolist(), strict=True))
    assert counted["348917:bike"] == pytest.approx(263.01)
    assert counted["348917:lft"] == 250
    assert counted["348917:rgt"] == pytest.approx(447.3)
    speed = dict(zip(rows.entity.tolist(), rows.speed_kph.tolist(), strict=True))
    assert speed["348917"] == 25.5
    assert np.isnan(speed["348917:bike"])


def test_quarters_keep_their_length_and_a_report_said_twice_counts_once(tmp_path):
    rows = read_telraam(api(tmp_path, report(interval="quarterly"), report(interval="quarterly")))
    assert rows.interval_s.tolist() == [900]
    assert rows.left_out == {"double": 1}


def test_a_table_with_semicolons_and_decimal_commas_is_read(tmp_path):
    path = tmp_path / "sensor.csv"
    path.write_text(
        "segment_id;date;interval;uptime;heavy;car;v85\n9000001844;2022-07-01 06:00:00;hourly;0,75;4,0;96,0;31,5\n"
        "9000001844;2022-07-01 07:00:00;hourly;;;;\n"
    )
    rows = read_telraam([path], scaling="scaled")
    assert rows.entity.tolist() == ["9000001844"]
    assert rows.counted.tolist() == [100]
    assert rows.speed_kph.tolist() == [31.5]
    assert rows.left_out == {"without an uptime": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "cannot be read"),
        ("{}", "no list 'report'"),
        ('{"report": []}', "no report could be used"),
        (json.dumps([report(segment_id=-1)]), "neither segment_id nor instance_id"),
        (json.dumps([report(interval="daily")]), "'daily' is no interval"),
        (json.dumps([report(date="yesterday")]), "is no time"),
        (json.dumps([report(car=-3)]), "is no count"),
        (json.dumps([report(car="many")]), "is no count"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_fix(tmp_path, content, said):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(BadFile, match=said):
        read_telraam([path])
