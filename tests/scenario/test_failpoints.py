"""Every fallible step of starting and stopping the real subsystems fails once, boot by boot."""
import re

import pytest


@pytest.fixture(scope="module", name="order")
def the_order_of_the_subsystems(boot_once):
    guest = boot_once().until_running()
    answer = guest.ask("o", r"(1 memory.*?\d health [^\r\n]+)\r")[1]
    guest.stop()
    return re.findall(r"^\d+ (\w+) ", answer, re.MULTILINE)


# SPEC: O5 O9
def test_each_init_that_fails_for_good_ends_in_panic_and_is_named(run_to_end, order):
    for name in order:
        result = run_to_end(append=f"failpoint=init:{name} init.retries=0 panic=exit")
        assert f": init of {name} fails" in result.stdout
        assert re.search(rf"Message: the kernel cannot start: init of {name} failed: .*HX_EIO",
                         result.stdout)
        assert "State: Initializing" in result.stdout
        assert result.returncode == 3


# SPEC: O5 O9
def test_an_init_that_fails_once_is_tried_again_and_the_kernel_runs(run_to_end, order):
    result = run_to_end(append="failpoint=4 exit=init")
    assert f"fail point 4: init of {order[3]} fails" in result.stdout
    assert f"init of {order[3]} failed: the device failed; trying again, 1 of 2" in result.stdout
    assert "state Running" in result.stdout
    assert result.returncode == 0


# SPEC: O6 O9
def test_each_shutdown_that_fails_is_reported_and_stops_none_of_the_others(boot, order):
    for name in reversed(order):
        guest = boot(append=f"failpoint=shutdown:{name}").until_running()
        guest.ask("q", rf"fail point \d+: shutdown of {name} fails")
        guest.expect(f"shutdown of {name} failed: .*HX_EIO")
        guest.expect("helix: halted")
        assert guest.end() == 0


# SPEC: O7 O9
def test_each_step_of_suspending_and_resuming_that_fails_is_taken_back(boot, order):
    for name in reversed(order):
        guest = boot(append=f"failpoint=suspend:{name}").until_running()
        guest.ask("z", f"not suspended: suspend of {name} failed")
        guest.ask("z", "suspended: z resumes")
        guest.ask("z", "resumed")
        guest.stop()
