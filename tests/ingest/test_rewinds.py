"""Asking a device to go back."""

from ingest.rewinds import Rewinds


def test_one_gap_is_asked_for_once_however_many_batches_are_under_way() -> None:
    rewinds = Rewinds()
    assert rewinds.answer("k1", "a", 50, 100, 0.0) == "ask"
    assert [rewinds.answer("k1", "a", 50, n, 0.1) for n in (150, 200, 100)] == ["wait"] * 3


def test_every_log_is_asked_for_itself() -> None:
    rewinds = Rewinds()
    assert rewinds.answer("k1", "a", 0, 50, 0.0) == "ask"
    assert rewinds.answer("k1", "b", 0, 50, 0.0) == "ask"
    assert rewinds.answer("k2", "a", 0, 50, 0.0) == "ask"


def test_a_device_that_always_begins_above_what_is_missing_has_it_no_longer() -> None:
    rewinds = Rewinds(interval_s=1.0, patience=3)
    answers = [rewinds.answer("k1", "a", 0, 5000, t * 1.5) for t in range(5)]
    assert answers == ["ask", "ask", "ask", "accept", "ask"]


def test_a_device_that_goes_back_further_is_given_its_time_again() -> None:
    rewinds = Rewinds(interval_s=1.0, patience=2)
    assert rewinds.answer("k1", "a", 0, 100, 0.0) == "ask"
    assert rewinds.answer("k1", "a", 0, 100, 2.0) == "ask"
    assert rewinds.answer("k1", "a", 0, 50, 4.0) == "ask"
    assert rewinds.answer("k1", "a", 0, 100, 9.0) == "wait"
    assert rewinds.answer("k1", "a", 0, 50, 10.0) == "ask"
    assert rewinds.answer("k1", "a", 0, 50, 12.0) == "accept"


def test_progress_or_an_orderly_batch_forgets_what_was_asked() -> None:
    rewinds = Rewinds(interval_s=1.0, patience=1)
    assert rewinds.answer("k1", "a", 0, 100, 0.0) == "ask"
    assert rewinds.answer("k1", "a", 50, 100, 2.0) == "ask"
    rewinds.forget("k1", "a")
    assert rewinds.answer("k1", "a", 50, 100, 4.0) == "ask"
