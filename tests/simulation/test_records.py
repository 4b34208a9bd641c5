from pathlib import Path

from simulation.records import EventLog, read_events
from simulation.truth import Happening


def test_an_event_is_not_written_into_a_line_that_a_kill_cut_off(tmp_path: Path) -> None:
    """Else the next start could not read the file: the line would stand in its middle."""
    file = tmp_path / "events.jsonl"
    happened = [Happening("emptied", "co-1", 10.0, truck="crane-1", value=0.5), Happening("cleared", "cl-1", 20.0)]
    for one in happened:
        log = EventLog(file)
        log.write([one])
        log.close()
        with file.open("a") as left:
            left.write('{"event": "emp')
    assert read_events(file) == happened
