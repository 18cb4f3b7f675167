"""The watchdog on machines that differ in what they have for it: who loops with interrupts off is ended on each."""
import pytest
from conftest import TESTS_INITRD

MACHINES = {"HPET": "-machine hpet=on", "PIT": "-machine hpet=off"}


# SPEC: H5
@pytest.mark.parametrize("source", MACHINES)
@pytest.mark.parametrize("smp", [1, 2])
def test_who_loops_with_interrupts_off_is_ended(run_to_end, source, smp):
    result = run_to_end(append="selftest=core_watchdog.* panic=exit", initrd=TESTS_INITRD, smp=smp,
                        qemu_args=MACHINES[source])
    assert f"watchdog: {source}, every " in result.stdout
    assert result.stdout.count("looped with interrupts off") >= 3
    assert "# 5 passed, 0 failed" in result.stdout
    assert "nobody expects" not in result.stdout


# SPEC: H5
def test_more_cpus_than_the_controller_has_names_for_are_all_watched(run_to_end):
    """One CPU in ten is not reached by the timer itself, and the scheduler loops on each."""
    result = run_to_end(append="selftest=core_watchdog.a_scheduler* panic=exit", initrd=TESTS_INITRD, smp=10)
    assert "# 2 passed, 0 failed" in result.stdout
