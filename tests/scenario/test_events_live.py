"""Events followed as they happen, while what they tell of is provoked: health, system calls, a reader that lags."""
import re

import pytest
from conftest import ROOT, USER_SPACE
from helix_shell import Shell

# Memory is filled by a file, whose space is given back by the shell alone: another program would need some.
FILL = "mkdir /tmp/big; mount -t tmpfs -o size=100% tmpfs /tmp/big; dd if=/dev/zero of=/tmp/big/file bs=64k"
GIVE_BACK = ": > /tmp/big/file"


@pytest.fixture(name="fresh")
def a_shell_of_its_own(boot, tmp_path):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/helix_events"
    program.write_bytes((ROOT / "build/userland/helix/helix_events").read_bytes())
    program.chmod(0o755)
    return Shell(boot(init=USER_SPACE, extra=tmp_path, mem=32))


# SPEC: P7
def test_who_falls_sick_and_is_well_again_is_told_while_it_happens(fresh):
    fresh("helixctl --color=never events -n 2 subsystem.health &")
    fresh("until [ $(awk '$1 == \"subsystem.health\" { print $2 }' /helix/topics) = 1 ]; do :; done")
    fresh.guest.type(FILL)
    told = fresh.guest.expect(r"(\d+\.\d{6}) subsystem\.health sick name=memory cause=HX_ENOMEM")
    fresh.guest.type(GIVE_BACK)
    again = fresh.guest.expect(r"(\d+\.\d{6}) subsystem\.health well name=memory cause=HX_ENOMEM")
    assert float(told[1]) < float(again[1])
    fresh.guest.type("")
    assert "Running, healthy" in fresh("helixctl --color=never")


# SPEC: P7 Y5
def test_system_calls_are_told_while_they_are_made(fresh):
    fresh("helixctl events syscall.audit > /tmp/e & "
          "until [ $(awk '$1 == \"syscall.audit\" { print $2 }' /helix/topics) = 1 ]; do :; done")
    fresh("helixctl hooks on audit; cat /no/such/file; helixctl hooks off audit; echo $! > /tmp/pid")
    fresh("until grep -q 'name=openat .*result=-2' /tmp/e; do :; done; kill $(cat /tmp/pid)")
    text = fresh("cat /tmp/e")
    assert re.search(r"^\d+\.\d{6} syscall\.audit id=257 name=openat process=(\d+) thread=\1 result=-2 us=\d+$",
                     text, re.MULTILINE)


# SPEC: P7 Y5
def test_calls_that_a_slow_reader_missed_are_counted(fresh):
    assert fresh("helix_events calls") == "ok calls"


# SPEC: Y5
def test_calls_of_others_are_polled_for_while_another_reads(fresh):
    assert fresh("helix_events audited") == "ok audited"


def test_new_lines_of_the_log_are_polled_for(fresh):
    assert fresh("helix_events messages") == "ok messages"


def test_who_follows_the_log_sleeps_meanwhile(fresh):
    switches = "awk '$2 == '$!' { print $7 }' /helix/threads"
    fresh("helixctl log -f > /tmp/l & until [ -s /tmp/l ]; do :; done; sleep 0.1")
    before, after = fresh(f"{switches}; sleep 1; {switches}").split()
    assert before == after
    fresh("helixctl power suspend; helixctl power resume; until grep -q 'Suspended -> Running' /tmp/l; do :; done")
    assert fresh("cat /tmp/l") == fresh("cat /helix/log")
