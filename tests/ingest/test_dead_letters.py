"""Dead letters: durable, bounded, and counted."""

from pathlib import Path

import pytest

from ingest.dead_letters import HOUR_S, REFUSED_BYTES, DeadLetter, DeadLetters, Kind


def _letter(
    kind: Kind = "refused", reason: str = "bad-signature", device: str = "k1", message: bytes = b"\xff\x00x"
) -> DeadLetter:
    return DeadLetter(5.0, kind, reason, "detail", "ronde/x/k1/up/readings", device, message=message, size=len(message))


class _Hours:
    """Real time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_letter_is_read_back_as_it_was_also_by_another_process(tmp_path: Path) -> None:
    letters = [_letter(), _letter("kept", "conflict", message=bytes(range(256)) * 200), _letter("noted", "future")]
    assert DeadLetters(tmp_path).keep(letters) == [True, True, True]
    other = DeadLetters(tmp_path)
    assert sorted(other.read(), key=lambda one: one.kind) == sorted(letters, key=lambda one: one.kind)
    assert list(other.read("kept")) == [letters[1]]
    assert other.count() == {"bad-signature": 1, "conflict": 1, "future": 1}


def test_nothing_is_made_before_the_first_letter(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead-letters")
    assert list(letters.read()) == []
    assert letters.count() == {}
    letters.close()
    assert not (tmp_path / "dead-letters").exists()


def test_only_the_first_bytes_of_a_refused_message_are_kept_and_its_size(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    letters.keep([_letter(message=b"x" * 60_000)])
    (letter,) = letters.read()
    assert (len(letter.message), letter.size) == (REFUSED_BYTES, 60_000)


def test_a_flood_is_counted_and_not_kept(tmp_path: Path) -> None:
    hours = _Hours()
    letters = DeadLetters(tmp_path, per_hour=50, per_device_hour=20, elapsed_s=hours)
    assert letters.keep([_letter() for _ in range(1000)]).count(True) == 20
    assert letters.keep([_letter(device=f"d{n}") for n in range(1000)]).count(True) == 30
    assert letters.keep([_letter(reason="unknown-device")]) == [True]
    assert letters.count() == {"bad-signature": 2000, "unknown-device": 1}
    hours.now_s = HOUR_S
    assert letters.keep([_letter()]) == [True]
    letters.close()
    assert DeadLetters(tmp_path).count() == {"bad-signature": 2001, "unknown-device": 1}
    assert len(list(DeadLetters(tmp_path).read())) == 53


def test_the_number_of_a_flood_survives_the_end_of_the_process(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, per_device_hour=1)
    letters.keep([_letter() for _ in range(10)])
    letters.close()
    assert DeadLetters(tmp_path).count() == {"bad-signature": 10}


def test_the_disk_holds_no_more_than_it_was_told(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, max_bytes=40_000, per_hour=10**6, per_device_hour=10**6)
    for n in range(300):
        letters.keep([_letter(reason=f"r{n}", message=b"x" * 1000)])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 45_000
    reasons = [letter.reason for letter in letters.read()]
    assert reasons[-1] == "r299"
    assert "r0" not in reasons


def test_authentic_messages_are_never_dropped_and_refused_when_there_is_no_room(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, max_bytes=40_000)
    kept = [letters.keep([_letter("kept", "conflict", message=b"x" * 1000)])[0] for _ in range(60)]
    assert kept == sorted(kept, reverse=True)
    assert 20 < kept.count(True) < 40
    assert len(list(letters.read("kept"))) == kept.count(True)
    assert letters.count()["conflict"] == 60


def test_half_a_line_of_a_killed_process_is_passed_over(tmp_path: Path) -> None:
    first = DeadLetters(tmp_path)
    first.keep([_letter()])
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes() + b'{"at_s": 5.0, "ki')
    second = DeadLetters(tmp_path)
    second.keep([_letter(reason="future")])
    assert [one.reason for one in second.read()] == ["bad-signature", "future"]


def test_a_disk_that_refuses_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "dead-letters").write_text("a file where the folder should be")
    letters = DeadLetters(tmp_path / "dead-letters", per_device_hour=1)
    for _ in range(3):
        with pytest.raises(OSError, match="dead-letters"):
            letters.keep([_letter(reason="future")])
    (tmp_path / "dead-letters").unlink()
    letters.keep([_letter(reason="future")])
    assert letters.count() == {"future": 1}


def test_what_a_person_put_aside_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    first = DeadLetters(tmp_path)
    first.keep([_letter("kept", "conflict")])
    first.close()
    next(tmp_path.iterdir()).rename(tmp_path / "kept-000000-seen.jsonl")
    second = DeadLetters(tmp_path)
    assert second.keep([_letter("kept", "conflict")]) == [True]
    assert second.count() == {"conflict": 1}
    assert (tmp_path / "kept-000000-seen.jsonl").exists()
