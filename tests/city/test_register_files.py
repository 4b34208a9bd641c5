import contextlib
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.devices import Device, Installation
from city.errors import BadInput, BadRegister
from city.places import STREAMS, Cluster, Container, Truck
from city.register import Register
from city.register_files import parse_register, read_register, write_register
from city.register_tables import TABLES
from tests.city.samples import KEY, small_city

PARTS = [table.name for table in TABLES]


def parts(register: Register) -> dict[str, list[object]]:
    values = {name: getattr(register, name) for name in PARTS}
    listed = {name: list(one.values()) if isinstance(one, dict) else list(one) for name, one in values.items()}
    return {"head": [register.city, register.name, register.timezone], **listed}


def errors_of(folder: Path) -> list[str]:
    with pytest.raises(BadRegister) as caught:
        read_register(folder)
    return [str(error).removeprefix(f"{folder}{os.sep}") for error in caught.value.errors]


@pytest.fixture
def folder(tmp_path):
    write_register(small_city(), tmp_path / "register")
    return tmp_path / "register"


def change(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_bytes().decode()
    assert old in text
    (folder / file).write_bytes(text.replace(old, new, 1).encode())


def test_a_register_that_is_written_and_read_is_the_same(folder):
    assert parts(read_register(folder)) == parts(small_city())


def test_writing_what_was_read_changes_no_byte(folder, tmp_path):
    write_register(read_register(folder), tmp_path / "again")
    for file in folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


names = st.text(max_size=20)
ids = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
numbers = st.floats(0.001, 100)
milliseconds = st.integers(0, 4_000_000_000_000)


@st.composite
def registers(draw):
    places = draw(st.lists(ids, min_size=4, max_size=8, unique=True))
    cluster = Cluster(
        places[0],
        draw(names),
        draw(st.floats(6, 7)),
        draw(st.floats(53, 54)),
        draw(names),
        draw(st.none() | st.floats(0, 24)),
    )
    ratios = draw(st.none() | st.lists(st.floats(0, 1.5), min_size=2, max_size=6, unique=True))
    table = tuple((3000.0 - mm * 17.5, ratio) for mm, ratio in enumerate(sorted(ratios or ())))
    containers = [
        Container(one, places[0], draw(st.sampled_from(STREAMS)), draw(numbers), draw(numbers), table)
        for one in places[1:]
    ]
    devices = [Device(draw(ids), draw(names), draw(st.sampled_from(["", KEY])))]
    start, end = sorted(draw(st.lists(milliseconds, min_size=2, max_size=2, unique=True)))
    channel = draw(st.text(min_size=1, max_size=10))
    installations = [
        Installation(devices[0].id, channel, places[0], start / 1000, draw(st.sampled_from([None, end / 1000])))
    ]
    return Register(
        draw(ids),
        "Europe/Amsterdam",
        name=draw(names),
        clusters=[cluster],
        containers=containers,
        devices=devices,
        installations=installations,
    )


@given(registers())
def test_any_register_survives_being_written(tmp_path_factory, register):
    folder = tmp_path_factory.mktemp("city") / "register"
    write_register(register, folder)
    assert parts(read_register(folder)) == parts(register)


def test_only_the_citys_own_file_is_required(tmp_path):
    (tmp_path / "city.toml").write_text('id = "emmen"\nname = "Emmen"\ntimezone = "Europe/Amsterdam"\n')
    register = read_register(tmp_path)
    assert (register.city, register.name) == ("emmen", "Emmen")
    assert not register.clusters


def test_columns_may_stand_in_any_order_and_defaults_may_be_left_out(folder):
    (folder / "containers.csv").write_bytes(
        b"\xef\xbb\xbfstream,volume_m3,id,cluster\r\nresidual,5,c1,k1\r\n\r\npaper,4.0,c3,k2\r\n"
    )
    register = read_register(folder)
    assert register.containers["c1"] == Container("c1", "k1", "residual", 5.0)


# Each: a file, what stands there, what is put in its place, and the one error that this must make.
FAULTS = [
    # Form of a CSV file.
    (
        "containers.csv",
        "volume_m3",
        "volum_m3",
        "containers.csv:1: volum_m3: 'volum_m3' is no known column. Did you mean 'volume_m3'?",
    ),
    ("containers.csv", ",stream,", ",kind,", "containers.csv:1: stream: The column 'stream' is missing."),
    ("containers.csv", ",depth_mm", ",id", "containers.csv:1: The column 'id' stands there twice."),
    (
        "containers.csv",
        "id,cluster,stream,volume_m3,depth_mm,depth_table",
        "id;cluster",
        "containers.csv:1: The columns have semicolons",
    ),
    ("containers.csv", "c3,k2,", "c3,k2,x,", "containers.csv:4: The row has 7 cells where the header has 6."),
    ("containers.csv", "c3,k2,", 'c3,"k2,', "containers.csv:4: This is no row of a CSV file"),
    ("trucks.csv", "Grab", "Gr\x00ab\nx", "trucks.csv:3: The row has 2 cells"),
    # Single values.
    ("containers.csv", "c3,", "C3!,", "containers.csv:4: id: The id 'C3!' is not allowed."),
    ("containers.csv", "c3,", f"{'c' * 33},", "containers.csv:4: id: The id 'ccc"),
    ("containers.csv", "c3,", ",", "containers.csv:4: id: The id is empty."),
    (
        "containers.csv",
        "paper",
        "papier",
        "containers.csv:4: stream: 'papier' is no known stream. Did you mean 'paper'?",
    ),
    ("containers.csv", "paper,4.0", "paper,4 m3", "containers.csv:4: volume_m3: '4 m3' is no number."),
    ("containers.csv", "paper,4.0", 'paper,"4,0"', "containers.csv:4: volume_m3: '4,0' is no number."),
    ("containers.csv", "paper,4.0", "paper,0", "containers.csv:4: volume_m3: 0 is out of range. It must be above 0"),
    ("containers.csv", "paper,4.0", "paper,nan", "containers.csv:4: volume_m3: 'nan' is no finite number."),
    ("containers.csv", "paper,4.0", "paper,1e999", "containers.csv:4: volume_m3: '1e999' is no finite number."),
    ("containers.csv", "2200.0:0.0", "2200.0", "containers.csv:3: depth_table: '2200.0' is no pair."),
    (
        "containers.csv",
        "150.5:1.0",
        "150.5:0.1",
        "containers.csv:3: depth_table: '2200.0:0.0 1000.0:0.6 150.5:0.1' does not",
    ),
    ("approaches.csv", "12.5", "361", "approaches.csv:2: bearing_deg: 361 is out of range. It must be from 0 to 360."),
    ("approaches.csv", ",2,", ",2.5,", "approaches.csv:2: lanes: 2.5 is not a whole number."),
    ("trucks.csv", ",crane,", ",craen,", "trucks.csv:2: kind: 'craen' is no known kind. Did you mean 'crane'?"),
    (
        "trucks.csv",
        "residual glass",
        "residual glas",
        "trucks.csv:2: streams: 'glas' is no known stream. Did you mean 'glass'?",
    ),
    ("trucks.csv", "10.0/30.0", "10.0", "trucks.csv:3: breaks: '10.0' is no break."),
    ("trucks.csv", "12.5/30.0", "10.2/30.0", "trucks.csv:3: breaks: The breaks '10.0/30.0 10.2/30.0' do not follow"),
    ("trucks.csv", "10.0/30.0", "5.0/30.0", "trucks.csv:3: breaks: The break at 5 h is not within the shift"),
    ("trucks.csv", "residual glass", "glass glass", "trucks.csv:2: streams: 'glass glass' names one of them twice."),
    ("devices.csv", KEY, KEY[:-1], "devices.csv:2: public_key: A key of 63 characters"),
    ("devices.csv", KEY, KEY.upper(), "devices.csv:2: public_key: A key of 64 characters"),
    (
        "installations.csv",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20",
        "installations.csv:2: valid_from: '2023-11-14T22:13:20' has no offset",
    ),
    (
        "installations.csv",
        "2023-11-14T22:13:20Z",
        "last May",
        "installations.csv:2: valid_from: 'last May' is no time.",
    ),
    (
        "unloading_sites.geojson",
        '"closes_hour": 22.0',
        '"closes_hour": 5.0',
        "unloading_sites.geojson:2: closes_hour: The site closes at 5 h",
    ),
    # GeoJSON.
    ("clusters.geojson", '"features"', '"feature"', "clusters.geojson: This is no FeatureCollection"),
    (
        "clusters.geojson",
        "FeatureCollection",
        "Topology",
        "clusters.geojson: This is no FeatureCollection, its type is 'Topology'.",
    ),
    ("clusters.geojson", "}},\n", "}}\n", "clusters.geojson:3: This is not JSON: expected a comma or ]."),
    ("clusters.geojson", '"Point"', '"Polygon"', "clusters.geojson:2: The geometry is a Polygon."),
    (
        "clusters.geojson",
        "[6.5665, 53.219]",
        '["6.5665", 53.219]',
        'clusters.geojson:2: ["6.5665", 53.219] are no coordinates.',
    ),
    ("clusters.geojson", "6.5665", "NaN", "clusters.geojson:2: lon: 'nan' is no finite number."),
    (
        "clusters.geojson",
        '"district"',
        '"distrikt"',
        "clusters.geojson:2: distrikt: 'distrikt' is no known property. Did you mean 'district'?",
    ),
    ("clusters.geojson", '"district": "Centrum"', '"name": "x"', "clusters.geojson:2: 'name' stands there twice."),
    (
        "clusters.geojson",
        '"Centrum"',
        '["Centrum"]',
        "clusters.geojson:2: The property 'district' is a list or an object.",
    ),
    (
        "clusters.geojson",
        '"before_hour": 11.0',
        '"before_hour": 25',
        "clusters.geojson:2: before_hour: 25 is out of range.",
    ),
    (
        "clusters.geojson",
        '"before_hour": 11.0',
        '"before_hour": true',
        "clusters.geojson:2: before_hour: 'true' is no number.",
    ),
    (
        "junctions.geojson",
        '"signalised": false',
        '"signalised": "no"',
        "junctions.geojson:2: signalised: 'no' is neither true nor false.",
    ),
    (
        "clusters.geojson",
        '{"type": "FeatureCollection",',
        '{"type": "FeatureCollection", "crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::28992"}},',
        "clusters.geojson: The coordinates are in another system",
    ),
    # Positions.
    (
        "clusters.geojson",
        "[6.5665, 53.219]",
        "[53.219, 6.5665]",
        "clusters.geojson:2: lon: lon and lat look swapped: 53.219, 6.5665.",
    ),
    (
        "clusters.geojson",
        "[6.5665, 53.219]",
        "[5.5665, 53.219]",
        "clusters.geojson:2: lon: 5.5665, 53.219 is 67 km from the middle",
    ),
    (
        "clusters.geojson",
        "[6.5665, 53.219]",
        "[233883.1, 582084.6]",
        "clusters.geojson:2: lon: 233883.1 is no coordinate in degrees.",
    ),
    # Between rows and files.
    (
        "containers.csv",
        "c3,",
        "c1,",
        "containers.csv:4: id: The id 'c1' is used twice. The first is at containers.csv:2.",
    ),
    (
        "containers.csv",
        "c3,",
        "j1,",
        "containers.csv:4: id: The id 'j1' is used for a junction and a container. The first is at junctions",
    ),
    (
        "containers.csv",
        "c3,k2",
        "c3,k9",
        "containers.csv:4: cluster: The cluster 'k9' of container 'c3' is not in the register.",
    ),
    (
        "approaches.csv",
        "j1",
        "j1x",
        "approaches.csv:2: junction: The junction 'j1x' of approach 'a1' is not in the register. Did you mean 'j1'?",
    ),
    ("trucks.csv", "grab,d1", "grab,dx", "trucks.csv:3: depot: The depot 'dx' of truck 't2' is not in the register."),
    (
        "installations.csv",
        "plain-1,",
        "plain-2,",
        "installations.csv:6: device: The device 'plain-2' of installation 'plain-2/loop'",
    ),
    (
        "installations.csv",
        "loop,a1",
        "loop,d1",
        "installations.csv:6: entity: The entity 'd1' of installation 'plain-1/loop'",
    ),
    (
        "installations.csv",
        "c3,2025-06-15T15:06:40.250000Z",
        "c3,2025-06-15T15:06:40Z",
        "installations.csv:3: valid_from: Channel 'c1' of device 'pi-1' watches two things",
    ),
    (
        "installations.csv",
        "2025-06-15T15:06:40.250000Z\n",
        "2023-11-14T22:13:20Z\n",
        "installations.csv:2: valid_until: The installation ends before it begins.",
    ),
    # The city's own file.
    ("city.toml", 'id = "groningen"', 'id = "Groningen"', "city.toml:1: id: The id 'Groningen' is not allowed."),
    ("city.toml", "name =", "nane =", "city.toml:2: nane: 'nane' is no known key. Did you mean 'name'?"),
    (
        "city.toml",
        "Europe/Amsterdam",
        "Europe/Amsterdm",
        "city.toml:3: timezone: 'Europe/Amsterdm' is no known time zone. Did you mean 'Europe/Amsterdam'?",
    ),
    ("city.toml", '"Groningen"', "5", "city.toml:2: name: The name 5 is no text."),
    ("city.toml", "name = ", "name : ", "city.toml: This is not TOML"),
    ("city.toml", "name = ", f"depth = {'[' * 5000}\nname = ", "city.toml: This is not TOML"),
    ("city.toml", "name = ", f"digits = {'1' * 5000}\nname = ", "city.toml: This is not TOML"),
]


@pytest.mark.parametrize(("file", "old", "new", "error"), FAULTS, ids=[error[:60] for *_, error in FAULTS])
def test_a_fault_is_named_with_its_file_line_and_field(folder, file, old, new, error):
    change(folder, file, old, new)
    found = errors_of(folder)
    assert [one for one in found if one.startswith(error)], found


@pytest.mark.parametrize("which", ["register", "parent"])
def test_a_folder_that_this_user_may_not_read_is_said(folder, which):
    closed = folder if which == "register" else folder.parent
    closed.chmod(0)
    as_root = os.geteuid() == 0
    try:
        if as_root:
            os.seteuid(65534)
        (found,) = errors_of(folder)
    finally:
        if as_root:
            os.seteuid(0)
        closed.chmod(0o700)
    assert "cannot be read: Permission denied" in found
    assert "Check its rights" in found


def test_a_row_that_cannot_be_read_makes_no_errors_of_what_refers_to_it(folder):
    change(folder, "clusters.geojson", '"before_hour": 11.0', '"before_hour": 25')
    change(folder, "devices.csv", KEY, "short")
    assert len(errors_of(folder)) == 2


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("clusters.geojson", '"FeatureCollection"', ""),
        ("clusters.geojson", "}}\n", "}\n"),
        ("devices.csv", "id,", "idd,"),
        ("containers.csv", "c2", '"c2'),
    ],
)
def test_a_file_that_cannot_be_read_makes_no_errors_of_what_refers_to_it(folder, file, old, new):
    change(folder, file, old, new)
    assert {error.partition(":")[0] for error in errors_of(folder)} == {file}


def test_errors_of_all_files_are_found_at_once(folder):
    change(folder, "city.toml", "Europe/Amsterdam", "Mars/Olympus")
    change(folder, "containers.csv", "paper,4.0", "papier,x")
    change(folder, "trucks.csv", "grab,d1", "grab,dx")
    change(folder, "clusters.geojson", "[6.5665, 53.219]", "[53.219, 6.5665]")
    files = [error.partition(":")[0] for error in errors_of(folder)]
    assert files == ["city.toml", "containers.csv", "containers.csv", "trucks.csv", "clusters.geojson"]


def test_a_city_with_every_position_swapped_is_told_so_by_its_time_zone(folder):
    for file in ("clusters", "junctions", "depots", "unloading_sites"):
        text = (folder / f"{file}.geojson").read_text()
        swapped = re.sub(r"\[(6\.\d+), (53\.\d+)\]", r"[\2, \1]", text)
        (folder / f"{file}.geojson").write_text(swapped)
    found = errors_of(folder)
    assert len(found) == 6
    assert all("look swapped" in one for one in found)


def test_bytes_that_are_no_text_are_named_by_line(folder):
    (folder / "devices.csv").write_bytes(b"id,name\npi-1,caf\xe9\n")
    assert errors_of(folder)[0].startswith("devices.csv:2: The byte 0xe9 is not UTF-8.")


def test_json_that_nests_without_end_is_refused(folder):
    (folder / "clusters.geojson").write_text('{"type": "FeatureCollection", "features": [' + "[" * 200_000)
    assert "nested too deeply" in errors_of(folder)[0]


def test_a_misspelt_file_is_not_taken_for_an_absent_one(folder):
    (folder / "containers.csv").rename(folder / "container.csv")
    assert errors_of(folder)[0] == "container.csv: This is no file of a register. Did you mean 'containers.csv'?"


def test_a_folder_without_the_citys_file_is_no_register(tmp_path):
    assert errors_of(tmp_path) == [
        "city.toml: The file cannot be read: No such file or directory. Every register needs it."
    ]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")])
def test_what_is_no_folder_is_no_register(tmp_path, make):
    make(tmp_path / "register")
    with pytest.raises(BadRegister, match=r"The register has 1 error:\n.*folder"):
        read_register(tmp_path / "register")


def test_a_register_may_be_parsed_without_any_file():
    files = {
        "city.toml": b'id = "a"\nname = "A"\ntimezone = "UTC"\n',
        "depots.geojson": b'{"type":"FeatureCollection","features":[]}',
    }
    assert parse_register(files).depots == {}


def test_a_written_register_takes_the_place_of_the_old_one(folder):
    write_register(Register("emmen", "Europe/Amsterdam"), folder)
    assert [file.name for file in folder.iterdir()] == ["city.toml"]
    assert [one.name for one in folder.parent.iterdir()] == ["register"]


def test_a_register_that_cannot_be_written_leaves_the_old_one(folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    bad = Register("emmen", "Europe/Amsterdam", clusters=[Cluster("k1", "\ud800", 6.5, 53.2)])
    with pytest.raises(ValueError, match="surrogates"):
        write_register(bad, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [one.name for one in folder.parent.iterdir()] == ["register"]


def test_a_folder_that_holds_something_else_is_not_overwritten(folder):
    (folder / "thesis.txt").write_text("dear")
    with pytest.raises(BadInput, match=r"thesis\.txt"):
        write_register(small_city(), folder)


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_register(small_city(), tmp_path / "file" / "register")


def test_a_truck_without_streams_survives_being_written(folder):
    assert read_register(folder).trucks["t2"] == Truck(
        "t2", "Grab", "grab", "d1", (), 15.0, 4000.0, shift_start_hour=6.5, breaks=((10.0, 30.0), (12.5, 30.0))
    )


@given(st.sampled_from([table.file for table in TABLES] + ["city.toml"]), st.data())
def test_no_damage_to_a_file_does_anything_but_a_bad_register(tmp_path_factory, file, data):
    folder = tmp_path_factory.mktemp("city") / "register"
    write_register(small_city(), folder)
    content = (folder / file).read_bytes()
    start, end = sorted(data.draw(st.lists(st.integers(0, len(content)), min_size=2, max_size=2)))
    rubbish = data.draw(st.binary(max_size=20) | st.sampled_from([b"1e999", b"null", b'"', b"{}", b"\n", b"9" * 5000]))
    (folder / file).write_bytes(content[:start] + rubbish + content[min(end, start + 20) :])
    with contextlib.suppress(BadRegister):
        read_register(folder)


def test_thousands_of_faults_are_found_in_seconds(tmp_path):
    clusters = [Cluster(f"k{n}", "", 6.5, 53.2) for n in range(3000)]
    containers = [Container(f"c{n}", f"k{n}", "glass", 5.0) for n in range(3000)]
    write_register(Register("emmen", "Europe/Amsterdam", clusters=clusters, containers=containers), tmp_path / "r")
    text = (tmp_path / "r" / "clusters.geojson").read_text()
    (tmp_path / "r" / "clusters.geojson").write_text(text.replace('"id": "k', '"id": "cluster-'))
    started_s = time.monotonic()
    assert len(errors_of(tmp_path / "r")) == 3000
    assert time.monotonic() - started_s < 20
