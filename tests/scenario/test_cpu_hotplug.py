"""CPUs off line and back under programs that know nothing of it, by the files for it; and a machine that sleeps."""
import hashlib
import re
import time

import pytest
from conftest import IS_SOAK, PATIENCE, USER_SPACE
from helix_shell import Shell

ROUNDS = 300 if IS_SOAK else 5
SORTED = "\n".join(str(number) for number in range(1, 2001)) + "\n"
CHECKSUM = hashlib.md5(SORTED.encode()).hexdigest()
# Each goes on until /tmp/stop is there, and writes a line when it does not get what it should.
LOADS = {
    "pipeline": f"[ \"$(seq 2000 | sort -rn | sort -n | md5sum)\" = '{CHECKSUM}  -' ] || echo bytes",
    "forks": "/bin/true || echo status; (exit 3); [ $? = 3 ] || echo status",
}
SCRIPT = """#!/bin/sh
while [ ! -e /tmp/stop ]; do
    {body}
done > /tmp/said.{name} 2>&1
echo done >> /tmp/said.{name}
"""


@pytest.fixture(name="machine")
def a_guest(boot, tmp_path):
    (tmp_path / "bin").mkdir()
    for name, body in LOADS.items():
        program = tmp_path / "bin" / f"load-{name}"
        program.write_text(SCRIPT.format(name=name, body=body))
        program.chmod(0o755)
    return lambda **options: Shell(boot(init=USER_SPACE, extra=tmp_path, mem=512, timeout=5 * PATIENCE, **options))


def set_online(shell, cpu, value):
    assert shell(f"echo {value} > /helix/cpus/{cpu}/online && cat /helix/cpus/{cpu}/online") == str(value)


# SPEC: K7
def test_programs_see_nothing_of_cpus_that_go_and_come(machine):
    shell = machine(smp=4)
    for name in LOADS:
        shell(f"load-{name} &")
        shell(f"load-{name} > /dev/null &")
    for _ in range(ROUNDS):
        for cpu in (1, 2, 3):
            set_online(shell, cpu, 0)
        assert shell("nproc; cat /sys/devices/system/cpu/online") == "1\n0"
        for cpu in (2, 3, 1):
            set_online(shell, cpu, 1)
        assert shell("nproc; cat /sys/devices/system/cpu/online") == "4\n0-3"
    shell("touch /tmp/stop")
    shell("wait")
    assert {name: shell(f"sort -u /tmp/said.{name}") for name in LOADS} == dict.fromkeys(LOADS, "done")


# SPEC: K7
def test_both_files_take_a_cpu_off_line_and_say_so(machine):
    shell = machine(smp=2)
    shell("cat /helix/events > /tmp/events &")
    shell("echo 0 > /sys/devices/system/cpu/cpu1/online")
    assert shell("cat /helix/cpus/1/online /sys/devices/system/cpu/online") == "0\n0"
    assert shell.column("processors", "online") == ["yes", "no"]
    assert re.findall(r"(?m)^\s*\d+\s+(yes|no)\b", shell("helixctl cpus")) == ["yes", "no"]
    assert shell("grep -c ^processor /proc/cpuinfo; cat /sys/devices/system/cpu/possible") == "1\n0-1"
    shell("echo 1 > /helix/cpus/1/online")
    assert shell("cat /sys/devices/system/cpu/cpu1/online") == "1"
    assert "busy" in shell("echo 0 > /helix/cpus/0/online")
    assert "Invalid argument" in shell("echo 2 > /helix/cpus/1/online")
    assert "Permission denied" in shell.as_guest("echo 0 > /helix/cpus/1/online")
    assert "Permission denied" in shell.as_guest("echo 0 > /sys/devices/system/cpu/cpu1/online")
    assert len(re.findall(r"(?i)cpu", shell("grep -i hotplug /tmp/events"))) >= 2


# SPEC: K7 R6
def test_schedulers_are_exchanged_while_a_cpu_is_away(machine):
    shell = machine(smp=3)
    shell("load-pipeline &")
    for module in ("sched_prio", "sched_rr"):
        set_online(shell, 2, 0)
        assert shell(f"helixctl module swap scheduler {module} > /dev/null && echo swapped").endswith("swapped")
        set_online(shell, 2, 1)
    shell("touch /tmp/stop")
    shell("wait")
    assert shell("cat /tmp/said.pipeline") == "done"


# SPEC: O7
def test_a_machine_sleeps_for_the_time_it_is_told(machine):
    shell = machine(smp=4)
    start = time.monotonic()
    before = float(shell("cut -d' ' -f1 /proc/uptime"))
    assert shell("echo 'suspend 3' > /helix/power && echo awake").endswith("awake")
    assert time.monotonic() - start >= 3
    assert float(shell("cut -d' ' -f1 /proc/uptime")) - before >= 3  # the clock has gone on
    assert shell("cat /sys/devices/system/cpu/online") == "0-3"
    assert "Invalid argument" in shell("echo 'suspend never' > /helix/power")


# SPEC: O7
def test_a_key_wakes_a_machine(machine):
    shell = machine(smp=2)
    shell.guest.type("cat /sys/power/state; echo mem > /sys/power/state; echo awa''ke")
    shell.guest.expect(r"\nmem\r")
    time.sleep(4)
    shell.guest.type("")
    shell.guest.expect("awake")
    assert int(re.search(r"suspended for (\d+) ms", shell("cat /helix/log")).group(1)) >= 1000
    assert shell("cat /sys/devices/system/cpu/online") == "0-1"
