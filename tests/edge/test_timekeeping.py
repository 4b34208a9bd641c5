import pytest

from edge.timekeeping import KernelTime, Trusted, boot_id


@pytest.mark.parametrize("now_s", [0.0, 1_000_000_000.0, 1_704_067_199.0])
def test_a_time_before_the_program_was_written_is_never_right(now_s):
    assert not KernelTime().is_synchronised(now_s)
    assert Trusted().is_synchronised(now_s)


def test_the_kernel_has_an_opinion():
    assert KernelTime().is_synchronised(2e9) in (True, False)


def test_the_boot_has_one_id():
    assert boot_id() == boot_id()
    assert 1 <= len(boot_id()) <= 64
