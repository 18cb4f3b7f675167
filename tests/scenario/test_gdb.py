"""A debugger at the running kernel knows the functions of loaded modules by their names."""
import re
import subprocess

from conftest import PATIENCE, ROOT, USER_SPACE

PROMPT = r"helix:\S*# "


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
