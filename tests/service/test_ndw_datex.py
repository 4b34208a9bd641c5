import gzip

import pytest

from city.errors import BadFile
from service.ndw_datex import read_ndw_datex
from tests.service.test_import_counts import run

SPACE = 'xmlns="http://datex2.eu/schema/2/2_0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
# What index 1, 2, … mean at a site: lane, value type, class; and at the second site the total has another index.
SITE_A = [
    ("lane1", "trafficFlow", "<vehicleLength>5.6</vehicleLength>"),
    ("lane1", "trafficFlow", "<vehicleType>anyVehicle</vehicleType>"),
    ("lane1", "trafficSpeed", "<vehicleType>anyVehicle</vehicleType>"),
    ("lane2", "trafficFlow", "<vehicleType>anyVehicle</vehicleType>"),
    ("lane2", "trafficSpeed", "<vehicleType>anyVehicle</vehicleType>"),
]
SITE_B = [("lane1", "trafficFlow", "<vehicleType>anyVehicle</vehicleType>")]


def table(folder, **sites):
    records = "".join(
        f'<measurementSiteRecord id="{id}" version="1">'
        + "".join(
            f'<measurementSpecificCharacteristics index="{i}"><measurementSpecificCharacteristics>'
            f"<accuracy>95</accuracy><period>60</period><specificLane>{lane}</specificLane>"
            f"<specificMeasurementValueType>{what}</specificMeasurementValueType>"
            f"<specificVehicleCharacteristics>{kind}</specificVehicleCharacteristics>"
            "</measurementSpecificCharacteristics></measurementSpecificCharacteristics>"
            for i, (lane, what, kind) in enumerate(meanings, start=1)
        )
        + "</measurementSiteRecord>"
        for id, meanings in sites.items()
    )
    path = folder / "measurement_current.xml.gz"
    with gzip.open(path, "wt") as file:
        file.write(f"<d2LogicalModel {SPACE}><measurementSiteTable>{records}</measurementSiteTable></d2LogicalModel>")
    return path


def flow(index, rate, more=""):
    return (
        f'<measuredValue index="{index}"><measuredValue><basicData xsi:type="TrafficFlow"><vehicleFlow>{more}'
        f"<vehicleFlowRate>{rate}</vehicleFlowRate></vehicleFlow></basicData></measuredValue></measuredValue>"
    )


def speed(index, kph):
    return (
        f'<measuredValue index="{index}"><measuredValue><basicData xsi:type="TrafficSpeed"><averageVehicleSpeed>'
        f"<speed>{kph}</speed></averageVehicleSpeed></basicData></measuredValue></measuredValue>"
    )


def measured(folder, *records, name="trafficspeed.xml"):
    said = "".join(
        f'<siteMeasurements><measurementSiteReference id="{id}" version="1"/>'
        f"<measurementTimeDefault>2024-06-03T06:{minute:02d}:00Z</measurementTimeDefault>{''.join(values)}</siteMeasurements>"
        for id, minute, values in records
    )
    path = folder / name
    path.write_text(f"<d2LogicalModel {SPACE}><payloadPublication>{said}</payloadPublication></d2LogicalModel>")
    return path


def test_the_index_is_read_through_the_table_and_rates_become_counts(tmp_path):
    """By hand: lanes of 600 and 1,200 vehicles/h are 30 vehicles in a minute; 40 and 70 km/h are 60 on average."""
    source = measured(
        tmp_path,
        ("A", 0, [flow(1, 60), flow(2, 600), speed(3, 40), flow(4, 1200), speed(5, 70)]),
        ("B", 0, [flow(1, 60)]),
    )
    rows = read_ndw_datex([source], table(tmp_path, A=SITE_A, B=SITE_B))
    assert dict(zip(rows.entity.tolist(), rows.counted.tolist(), strict=True)) == {"A": 30, "B": 1}
    assert rows.speed_kph[rows.entity == "A"].tolist() == [60]
    assert rows.start_s.tolist() == [1_717_394_400] * 2


@pytest.mark.parametrize("bad", [flow(4, -1), flow(4, 600, "<dataError>true</dataError>"), flow(4, "")])
def test_an_unknown_lane_makes_the_place_unknown(tmp_path, bad):
    source = measured(tmp_path, ("A", 0, [flow(2, 600), bad]), ("A", 1, [flow(2, 600), flow(4, 0)]))
    rows = read_ndw_datex([source], table(tmp_path, A=SITE_A))
    assert rows.counted.tolist() == [10]
    assert rows.left_out["places with an unknown lane"] == 1


def test_sites_that_the_table_lacks_or_nobody_wants_are_left_out(tmp_path):
    source = measured(tmp_path, ("A", 0, [flow(2, 60), flow(4, 0)]), ("B", 0, [flow(1, 60)]), ("C", 0, [flow(1, 60)]))
    sites = table(tmp_path, A=SITE_A, B=SITE_B)
    assert read_ndw_datex([source], sites).left_out["of sites that the table lacks"] == 1
    assert set(read_ndw_datex([source], sites, ["B"]).entity.tolist()) == {"B"}


@pytest.mark.parametrize(
    ("content", "said"), [("<a>", "cannot be read"), ("", "cannot be read"), ("<a/>", "no measurement could be used")]
)
def test_a_file_that_is_none_is_named(tmp_path, content, said):
    path = tmp_path / "bad.xml"
    path.write_text(content)
    with pytest.raises(BadFile, match=said):
        read_ndw_datex([path], table(tmp_path, A=SITE_A))


def test_a_table_without_the_site_is_named(tmp_path):
    source = measured(tmp_path, ("A", 0, [flow(2, 60)]))
    with pytest.raises(BadFile, match="no site of those"):
        read_ndw_datex([source], table(tmp_path, A=SITE_A), ["Z"])


def test_the_command_line_wants_the_table_of_sites(tmp_path):
    source = measured(tmp_path, ("B", 0, [flow(1, 60)]))
    alone = run("ndw", source, tmp_path / "out.csv")
    assert alone.returncode == 3
    assert "--sites" in alone.stderr
    done = run("ndw", source, tmp_path / "out.csv", "--sites", table(tmp_path, B=SITE_B), "--as", "B=arm-0")
    assert done.returncode == 0, done.stderr
    assert "1 intervals of 1 place" in done.stdout
