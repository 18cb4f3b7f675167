"""A debugger at the running kernel knows the functions of loaded modules by their names, and what the kernel is at."""
import re
import subprocess

from conftest import PATIENCE, ROOT, USER_SPACE
from helix_shell import Shell

PROMPT = r"helix:\S*# "
COMMANDS = {"threads", "slots", "log", "recorder", "activation"}


def debug(socket, *commands):
    """What gdb says; the guest goes on afterwards."""
    command = ["gdb", "-q", "-batch", str(ROOT / "build/x86_64/helix.elf"), "-x", str(ROOT / "tools/gdb/helix.py"),
               "-ex", f"target remote {socket}"]
    for text in commands:
        command += ["-ex", text]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return result.stdout + result.stderr


# SPEC: R3
def test_a_debugger_stops_in_a_loaded_module_and_names_what_it_finds(boot, tmp_path):
    socket = tmp_path / "gdb"
    guest = boot(init=USER_SPACE, qemu_args=f"-gdb unix:{socket},server=on,wait=off")
    guest.expect(PROMPT)
    said = debug(socket, "helix-modules", "hbreak queues_pick", "continue", "backtrace 2",
                 "helix-modules")
    assert re.search(r"the kernel is 0x[1-9a-f][0-9a-f]+ above where it was linked", said)
    assert "sched_rr: 0x" in said and "sched_rr.hxm.debug" in said
    assert "queues_pick (" in said and "scheduler_queues.h" in said
    assert "hal_gate_call" in said  # its caller in the kernel
    guest.type("helixctl module swap scheduler sched_prio")
    guest.expect(PROMPT)
    assert "sched_prio: 0x" in debug(socket, "helix-modules")
    guest.type("poweroff")
    assert guest.end() == 0


def test_each_command_of_the_helper_has_help():
    said = subprocess.run(["gdb", "-q", "-nx", "-batch", "-x", str(ROOT / "tools/gdb/helix.py"), "-ex", "help helix"],
                          capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert set(re.findall(r"^helix (\w+) -- helix \1", said, re.MULTILINE)) == COMMANDS


# SPEC: R3
def test_a_debugger_is_told_of_threads_slots_log_and_recorder(boot, tmp_path):
    socket = tmp_path / "gdb"
    guest = boot(init=USER_SPACE, smp=2, append="trace=usual,switches", qemu_args=f"-gdb unix:{socket},server=on,wait=off")
    shell = Shell(guest)
    shell("echo mark hello > /helix/trace; sleep 1000 &")
    newest = shell("tail -n 1 /helix/log")
    slots = shell("cd /helix/slots; for slot in *; do echo $slot $(cat $slot/active); done; cd").splitlines()
    said = debug(socket, "helix threads", "helix slots", "helix log 9", "helix recorder 100", "helix activation")
    threads = re.findall(r"^([* ]) +(\d+) +(\d) +([A-Z]\w+) +(\d+)  (.+)$", said, re.MULTILINE)
    assert {"init", "sh", "exe"} <= {thread[5] for thread in threads}
    assert [thread[2] for thread in threads if thread[0] == "*"].count("0") == 1
    assert {"reaper", "console", "boot/0", "boot/1"} <= {thread[5] for thread in threads}
    found = dict(re.findall(r"^([\w.]+) +(?:Active|Empty) +(?:open|user) +\d+  (\S+)$", said, re.MULTILINE))
    assert {slot.split(" ")[0]: (slot.split(" ") + ["-"])[1] for slot in slots} == found
    assert re.sub(r"\s+", " ", newest.strip()) in re.sub(r"\s+", " ", said)
    assert re.search(r"^ +-?\d+\.\d{3} us cpu=\d tid=\d+ mark hello$", said, re.MULTILINE)
    assert {"0", "1"} <= set(re.findall(r" us cpu=(\d) tid=\d+ switch ", said))
    assert re.findall(r"^CPU (\d): \S+ \(tid=\d+\), \d+ calls into modules$", said, re.MULTILINE) == ["0", "1"]
    guest.type("poweroff")
    assert guest.end() == 0


# SPEC: R3
def test_a_debugger_is_told_of_the_call_into_a_module_that_is_under_way(boot, tmp_path):
    socket = tmp_path / "gdb"
    guest = boot(init=USER_SPACE, append="gate.scheduler=user", qemu_args=f"-gdb unix:{socket},server=on,wait=off")
    guest.expect(PROMPT)
    said = debug(socket, "helix-modules", "hbreak queues_pick", "continue", "helix activation")
    assert re.search(r"^CPU 0: \S+ \(tid=\d+\), 1 calls into modules\n"
                     r"  sched_rr behind the user gate, \d+ ms left, returns with rsp=0xffff\w+$", said, re.MULTILINE), said
    guest.type("poweroff")
    assert guest.end() == 0
