"""A panic: its report, and what the machine does after it."""
import pathlib
import re
import subprocess
import time

import pytest
from conftest import PATIENCE, ROOT

IMAGE = ROOT / "build/x86_64/helix.elf"
CPUS = 4
BLOCK = re.compile(r"""=== KERNEL PANIC ===
Message: (?P<message>.+)
Location: (?P<file>[\w/.]+):(?P<line>\d+):(?P<column>\d+)
Thread: (?P<thread>\w+) \(tid=(?P<tid>\d+)\)
State: (?P<state>\w+)
Register Dump:
(?P<registers>(?:\w+=0x[0-9A-F]{16}[ \n])+)Stack Trace:
(?P<frames>(?:#\d+ .+\n)+)Action: (?P<action>\w+)
""")
FRAME = re.compile(r"#(\d+) (\w+)\+0x([0-9a-f]+) \(0x([0-9a-f]{16})\)")
INTERRUPT_FLAG = 0x200


def plain(text):
    return re.sub(r"\r*\n", "\n", text)


@pytest.fixture(scope="module", name="panicked")
def a_guest_that_panicked(boot_once):
    """The key p was pressed with panic=exit."""
    guest = boot_once(append="panic=exit loglevel=info", smp=CPUS).until_running()
    guest.expect("init: ended")
    guest.ask("t", r"(\d+) monitor +running")
    guest.tid = int(re.search(r"(\d+) monitor", guest.text)[1])
    guest.ask("p", "=== KERNEL PANIC ===")
    guest.status = guest.end()
    guest.block = BLOCK.search(plain(guest.text))
    return guest


# SPEC: X1
def test_panic_exit_leaves_with_status_3_and_says_so_last(panicked):
    assert panicked.status == 3
    assert re.search(r"Action: Exit\nSlide: .+\nRecent Events: \d+\n(-.+\n)+Report Complete: after \d+ us\npanic: exit\n$",
                     plain(panicked.text))


# SPEC: X4
def test_the_report_has_its_form_and_order(panicked):
    assert panicked.block, panicked.text
    assert plain(panicked.text).count("=== KERNEL PANIC ===") == 1


# SPEC: X2
def test_the_report_says_what_where_who_and_when(panicked):
    block = panicked.block
    source = (ROOT / block["file"]).read_text().splitlines()
    assert block["message"] == "asked for with the key p"
    assert 'panic("asked for with the key p")' in source[int(block["line"]) - 1]
    assert block["column"] == "0"
    assert block["thread"] == "monitor"
    assert int(block["tid"]) == panicked.tid
    assert block["state"] == "Running"
    assert block["action"] == "Exit"


# SPEC: X2 X4
def test_the_registers_are_those_of_the_kernel(panicked):
    found = re.findall(r"(\w+)=0x([0-9A-F]{16})", panicked.block["registers"])
    values = {name: int(value, 16) for name, value in found}
    wanted = "RAX RBX RCX RDX RSI RDI RBP RSP RIP RFLAGS CS SS CR2 CR3".split()
    wanted += [f"R{number}" for number in range(8, 16)]
    assert set(wanted) <= set(values) and len(values) == len(found)
    assert values["RSP"] >> 47 == values["RIP"] >> 47 == 0x1FFFF
    assert values["CS"] & 3 == 0
    assert values["RFLAGS"] & INTERRUPT_FLAG == 0


def function_at(address):
    """The function of the image that an address is in, whatever has been inlined there."""
    answer = subprocess.run(["llvm-addr2line", "-f", "-i", "-e", IMAGE, hex(address)], text=True,
                            check=True, stdout=subprocess.PIPE).stdout.splitlines()
    return answer[-2]


def slide_of(text):
    """How far the image is from where its file says."""
    return int(re.search(r"\nSlide: image (0x[0-9a-f]+), ", text)[1], 16)


# SPEC: X3
def test_the_stack_trace_agrees_with_the_debug_information(panicked):
    frames = [FRAME.fullmatch(line) for line in panicked.block["frames"].splitlines()]
    assert all(frames), panicked.block["frames"]
    assert [int(frame[1]) for frame in frames] == list(range(len(frames)))
    # A return address may lie behind its function: ask for the call before it.
    slide = slide_of(panicked.text)
    addresses = [int(frame[4], 16) - slide - (int(frame[1]) > 0) for frame in frames]
    names = [frame[2] for frame in frames]
    assert [function_at(address) for address in addresses] == names
    assert names[0] == "panic_at" and names[-1] == "thread_main"
    assert {"do_panic", "listen"} <= set(names)


# SPEC: K2 X3
def test_the_state_moves_to_panic_before_the_report(panicked):
    assert re.search(r"state: Running -> Panic\n=== KERNEL PANIC ===", plain(panicked.text))


def registers_of_all_cpus(guest):
    """(interrupt flag, halted) of each processor, asked of the emulator's monitor."""
    guest.type("info registers -a")
    text = guest.expect(rf"CPU#{CPUS - 1}.*?\(qemu\) ").string
    return [(int(flags, 16) & INTERRUPT_FLAG != 0, halted == "1")
            for flags, halted in re.findall(r"RFL=([0-9a-f]{8}).*?HLT=(\d)", text)]


def every_processor_stops(guest):
    """Whether all of them halt, interrupts off; the last one does so after its last line is out."""
    guest.press("\x01c")
    guest.expect(r"\(qemu\) ")
    return any(registers_of_all_cpus(guest) == [(False, True)] * CPUS for _ in range(100))


# SPEC: X1 X3
def test_panic_halt_stops_every_processor_for_good(boot):
    guest = boot(append="panic=halt", smp=CPUS).until_running()
    guest.expect("init: ended")
    guest.ask("p", "Action: Halt")
    assert every_processor_stops(guest)


# SPEC: X1
def test_halt_is_the_default_and_no_key_is_answered_after_it(boot):
    guest = boot().until_running()
    guest.ask("p", "Action: Halt")
    guest.type("h")
    guest.press("\x01c")
    monitor = guest.expect(r"\(qemu\) ")
    assert "keys:" not in monitor.string


# SPEC: L4 X1 X5
def test_panic_reboot_boots_again(boot):
    guest = boot(append="panic=reboot", reboots=1, smp=2).until_running()
    guest.ask("p", "Action: Reboot")
    guest.expect(r"helix 0\.1\.0-alpha\r")
    guest.until_running()
    guest.ask("q", "helix: halted")
    assert guest.end() == 0


def is_listening(path):
    """Whether one can connect: a socket's file is there a moment before."""
    sockets = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()]
    return any(words[3] == "00010000" and words[-1] == str(path) for words in sockets)


def wait_for_listener(path):
    deadline = time.monotonic() + PATIENCE
    while not is_listening(path):
        assert time.monotonic() < deadline, f"nobody listens at {path}"
        time.sleep(0.1)


# SPEC: X1 X5
def test_panic_break_stops_a_debugger_at_its_function(boot, tmp_path):
    """As with --gdb, but for the port, which another machine may have taken."""
    guest = boot(append="panic=break nokaslr", qemu_args=f"-S -gdb unix:{tmp_path}/gdb,server=on,wait=off")
    wait_for_listener(tmp_path / "gdb")
    with subprocess.Popen(
            ["gdb", "-nx", "-batch", IMAGE, "-ex", "set confirm off",
             "-ex", f"set remotetimeout {PATIENCE}",
             "-ex", f"target remote {tmp_path}/gdb", "-ex", "break panic_debug_break",
             "-ex", "continue", "-ex", "backtrace", "-ex", "kill"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True) as debugger:
        guest.until_running()
        guest.ask("p", "Action: DebugBreak")
        said, _ = debugger.communicate(timeout=PATIENCE)
    assert re.search(r"Breakpoint 1, (0x\w+ in )?panic_debug_break", said), said
    assert re.search(r"#\d+ .*\bdo_panic\b", said), said


# SPEC: X1 X5
def test_panic_break_without_a_debugger_halts(boot):
    guest = boot(append="panic=break", smp=CPUS).until_running()
    guest.expect("init: ended")
    guest.ask("p", "Action: DebugBreak")
    assert every_processor_stops(guest)
    assert guest.text.count("=== KERNEL PANIC ===") == 1
