"""tools/run with the real kernel: how a guest's end becomes an exit status."""
import re
import socket


def test_a_guest_that_goes_on_is_stopped_in_time(run_to_end):
    result = run_to_end(timeout=2)
    assert result.returncode == 124
    assert "time is up" in result.stderr


def test_the_serial_line_alone_goes_to_standard_output(run_to_end):
    result = run_to_end(append="exit=init")
    assert result.stdout.startswith("helix ")
    assert result.stderr == ""


def test_built_in_tests_that_pass_end_with_status_0(run_to_end):
    result = run_to_end(append="selftest=base_memory*")
    passed = re.findall(r"^ok \d+ base_memory\.", result.stdout, re.MULTILINE)
    assert f"1..{len(passed)}\n" in result.stdout and passed
    assert result.returncode == 0


def test_counted_instructions_make_two_boots_the_same(run_to_end):
    outputs = [run_to_end(append="exit=init", icount=True).stdout for _ in range(2)]
    assert "state Running after" in outputs[0]
    assert outputs[0] == outputs[1]


def test_a_counted_boot_keeps_to_its_budget(run_to_end):
    """One microsecond is a thousand instructions; `make bench` counts them from the first one."""
    result = run_to_end(append="exit=init", icount=True)
    assert int(re.search(r"state Running after (\d+) us", result.stdout)[1]) <= 3000


def test_each_boot_draws_another_stack_canary(run_to_end):
    append = "selftest=x86_64_devices.the_canary* panic=exit"
    outputs = [run_to_end(append=append).stdout for _ in range(2)]
    canaries = [re.search(r"# canary ([0-9a-f]{16})", output)[1] for output in outputs]
    assert canaries[0] != canaries[1]


def test_a_pattern_that_no_test_matches_runs_none(run_to_end):
    result = run_to_end(append="selftest=no_such_test panic=exit")
    assert "1..0\n" in result.stdout
    assert result.returncode == 0


def test_a_reboot_that_was_not_allowed_ends_the_run_and_is_explained(boot):
    guest = boot().until_running()
    guest.ask("r", "helix: halted")
    assert guest.end() == 1
    assert "run: the guest was reset" in guest.text


def test_a_socket_is_offered_for_the_second_serial_port(boot, tmp_path):
    guest = boot(push=tmp_path / "port").until_running()
    with socket.socket(socket.AF_UNIX) as port:
        port.connect(str(tmp_path / "port"))
    guest.ask("q", "helix: halted")
    assert guest.end() == 0
