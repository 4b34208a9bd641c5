import gzip

import numpy as np
import pytest

from city.errors import BadFile
from service.ndw_counts import read_ndw

HEADER = (
    "id_meetlocatie,start_meetperiode,eind_meetperiode,gem_intensiteit,gebruikte_minuten_intensiteit,"
    "data_error_intensiteit,technical_exclusion,rijstrook_rijbaan,voertuigcategorie,gem_snelheid\n"
)


def export(folder, *rows, name="export.csv"):
    path = folder / name
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return [path]


def minute(n, rate, *, site="A", lane="lane1", kind="anyVehicle", used=1, error=0, exclusion="", speed=50):
    start, end = f"2024-06-03 08:{n:02d}:00", f"2024-06-03 08:{n + 1:02d}:00"
    return f"{site},{start},{end},{rate},{used},{error},{exclusion},{lane},{kind},{speed}"


def test_rates_become_counts_of_their_interval_and_are_never_summed(tmp_path):
    """By hand: 60 minutes at 1,200 vehicles/h are 1,200 vehicles, 20 in each minute, and not 72,000."""
    rows = read_ndw(export(tmp_path, *(minute(n, 1200) for n in range(59))))
    assert rows.counted.tolist() == [20.0] * 59
    assert rows.interval_s.tolist() == [60.0] * 59
    assert rows.start_s[0] == 1_717_394_400  # 08:00 in Amsterdam is 06:00 UTC


def test_an_hourly_export_keeps_its_rate_for_a_quarter_takes_a_quarter(tmp_path):
    hour = "A,2024-06-03 08:00:00,2024-06-03 09:00:00,900,60,0,,lane1,anyVehicle,50"
    quarter = "A,2024-06-03 09:00:00,2024-06-03 09:15:00,900,15,0,,lane1,anyVehicle,50"
    assert read_ndw(export(tmp_path, hour, quarter)).counted.tolist() == [900, 225]


def test_lanes_are_added_and_a_place_with_an_unknown_lane_is_unknown(tmp_path):
    rows = read_ndw(
        export(
            tmp_path,
            minute(0, 600, speed=40),
            minute(0, 1200, lane="lane2", speed=70),
            minute(1, 600),
            minute(1, -1, lane="lane2"),
            minute(2, 600),
        )
    )
    assert rows.counted.tolist() == [30]
    assert rows.speed_kph.tolist() == [60]
    assert rows.left_out["places with an unknown lane"] == 2


def test_zero_is_a_count_and_a_speed_of_minus_one_is_none(tmp_path):
    rows = read_ndw(export(tmp_path, minute(0, 0, speed=-1)))
    assert rows.counted.tolist() == [0]
    assert np.isnan(rows.speed_kph).all()


@pytest.mark.parametrize("bad", [{"rate": -1}, {"rate": ""}, {"error": 1}, {"exclusion": "v"}, {"used": 0.5}])
def test_what_ndw_marks_as_bad_is_unknown_and_counted(tmp_path, bad):
    rate = bad.pop("rate", 600)
    rows = read_ndw(export(tmp_path, minute(0, 600), minute(1, rate, **bad)))
    assert rows.counted.tolist() == [10]
    assert rows.left_out["without a usable rate"] == 1


def test_classes_are_added_only_where_there_is_no_total(tmp_path):
    rows = read_ndw(
        export(
            tmp_path,
            minute(0, 600),
            minute(0, 480, kind="car"),
            minute(0, 120, kind="lorry"),
            minute(0, 300, site="B", kind="car"),
            minute(0, 60, site="B", kind="lorry"),
        )
    )
    assert dict(zip(rows.entity.tolist(), rows.counted.tolist(), strict=True)) == {"A": 10, "B": 6}


def test_a_carriageway_beside_its_lanes_and_a_row_said_twice_count_once(tmp_path):
    total = minute(0, 600, lane="allLanesCompleteCarriageway")
    rows = read_ndw(export(tmp_path, minute(0, 300), minute(0, 300), minute(0, 300, lane="lane2"), total))
    assert rows.counted.tolist() == [10]
    assert rows.left_out["double"] == 1


def test_the_hour_that_the_clock_repeats_is_left_out_and_offsets_are_kept(tmp_path):
    doubtful = "A,2024-10-27 02:30:00,2024-10-27 02:31:00,600,1,0,,lane1,anyVehicle,50"
    rows = read_ndw(export(tmp_path, doubtful, minute(0, 600)))
    assert len(rows.counted) == 1
    assert rows.left_out["with a doubtful time"] == 1
    zulu = "A,2024-06-03T06:00:00Z,2024-06-03T06:01:00Z,600,1,0,,lane1,anyVehicle,50"
    assert read_ndw(export(tmp_path, zulu)).start_s.tolist() == [1_717_394_400]


def test_semicolons_decimal_commas_and_gzip_are_read_and_optional_columns_may_miss(tmp_path):
    path = tmp_path / "small.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("id_meetlocatie;start_meetperiode;eind_meetperiode;gem_intensiteit\n")
        file.write("A;2024-06-03 08:00:00;2024-06-03 08:05:00;90,0\n")
    rows = read_ndw([path])
    assert rows.counted.tolist() == [7.5]
    assert rows.measured_share.tolist() == [1.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "there is no column 'id_meetlocatie'"),
        (HEADER, "no row could be used"),
        (HEADER + minute(0, "many") + "\n", "no number"),
        (HEADER + minute(0, -1) + "\n", "no row could be used"),
        (HEADER + "A,monday,2024-06-03 08:01:00,1,1,0,,lane1,anyVehicle,50\n", "a time is none"),
        ("", "there is no column"),
        ("\x00\xff", "bad.csv"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_fix(tmp_path, content, said):
    path = tmp_path / "bad.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadFile, match=said):
        read_ndw([path])
