"""Lines on more CPUs than the suites of built-in tests have."""
from conftest import TESTS_INITRD


# SPEC: I4
def test_a_broadcast_reaches_more_cpus_than_the_controller_has_names_for(run_to_end):
    """CPU 9 is away for a while, when CPU 8 is still one too many."""
    result = run_to_end(append="selftest=x86_64_router.*broadcast* panic=exit", initrd=TESTS_INITRD, smp=10)
    assert "# 2 passed, 0 failed" in result.stdout
    assert "CPU 9 is off line" in result.stdout
    assert "SKIP" not in result.stdout


# SPEC: I4
def test_eight_cpus_have_an_even_share_of_eight_lines(run_to_end):
    result = run_to_end(append="selftest=x86_64_lines.* panic=exit", initrd=TESTS_INITRD, smp=8,
                        qemu_args="-global hpet.timers=8")
    assert "ok 1 x86_64_lines.lines_of_the_lowest_priority_are_spread_to_ten_per_cent" in result.stdout.splitlines()
    assert "not ok" not in result.stdout
