"""tools/run with the real kernel: how a guest's end becomes an exit status."""
import hashlib
import os
import re
import socket
import subprocess

import pytest
from conftest import PATIENCE, ROOT, TESTS_INITRD, USER_SPACE

PROMPT = r"helix:\S+# "


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


def test_a_built_in_test_without_its_module_fails_and_names_it(run_to_end):
    append = "selftest=core_module_lock.locks_past* panic=exit"
    result = run_to_end(append=append)
    assert "there is no module demo_locks; initrd-tests.cpio has it" in result.stdout
    assert result.returncode == 1
    assert run_to_end(append=append, initrd=TESTS_INITRD).returncode == 0


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


@pytest.fixture(name="receiver")
def a_guest_that_receives(boot, tmp_path):
    """The guest at its prompt, and the socket to push to; its receiver listens."""
    path = tmp_path / "port"
    guest = boot(init=USER_SPACE, push=path)
    guest.expect(PROMPT)
    guest.type("until stty -a -F /dev/ttyS1 | grep -q ' -icanon'; do sleep 0.1; done; echo list''ens")
    guest.expect("listens")
    guest.expect(PROMPT)
    return guest, path


def push(path, *words):
    return subprocess.run([ROOT / "tools/push", f"--socket={path}", *words], text=True, capture_output=True,
                          timeout=PATIENCE, check=False)


def sum_in_guest(guest, path):
    guest.type(f"sha256sum {path}")
    digest = guest.expect(r"\n([0-9a-f]{64}|sha256sum: [^\r\n]*)")[1]
    guest.expect(PROMPT)
    return digest


def test_files_are_pushed_into_the_running_guest(receiver, tmp_path):
    guest, path = receiver
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "small").write_text("a few words\n")
    large = os.urandom(300_000) # every byte there is: no terminal may change one
    (folder / "large").write_bytes(large)
    result = push(path, folder)
    assert result.returncode == 0, result.stderr
    guest.type("cat /root/folder/small")
    guest.expect("\na few words")
    guest.expect(PROMPT)
    assert sum_in_guest(guest, "/root/folder/large") == hashlib.sha256(large).hexdigest()


def test_a_pushed_program_runs_and_another_follows(receiver, tmp_path):
    guest, path = receiver
    program = tmp_path / "program"
    for number in 1, 2:
        program.write_text(f"#!/bin/sh\necho this is program $(({number} * 10))\n")
        program.chmod(0o755)
        assert push(path, program, "--to=/bin").returncode == 0
        guest.type("program")
        guest.expect(f"\nthis is program {number}0")
        guest.expect(PROMPT)


def test_a_push_that_cannot_be_unpacked_is_refused(receiver, tmp_path):
    guest, path = receiver
    (tmp_path / "file").write_text("text")
    result = push(path, tmp_path / "file", "--to=/proc/nosuch")
    assert result.returncode == 1
    assert "push: the guest: error " in result.stderr
    assert push(path, tmp_path / "file").returncode == 0 # and the next one is taken
    assert sum_in_guest(guest, "/root/file") == hashlib.sha256(b"text").hexdigest()
