"""What a panic leaves on the serial line, in every context, and what it does last."""
import re

import pytest
from conftest import IS_SOAK, ROOT

EXIT_STATUS = 3
LONGEST_REPORT_US = 1000000
# A soak has the other two as well.
MACHINES = [("x86_64", 4), ("x86_64-debug", 1)] + ([("x86_64", 1), ("x86_64-debug", 4)] if IS_SOAK else [])

# The whole report, with the block of SPEC X4: nothing else stands between its lines.
BLOCK = re.compile(
    r"^=== KERNEL PANIC ===\r?\n"
    r"Message: (?P<message>.+)\r?\n"
    r"Location: (?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+)\r?\n"
    r"Thread: (?P<thread>[^\n]+) \(tid=\d+\)\r?\n"
    r"State: (?P<state>\w+)\r?\n"
    r"Register Dump:\r?\n"
    r"(?:[A-Z0-9]+=0x[0-9A-F]{16}[^\n]*\n){8,}"
    r"Stack Trace:\r?\n"
    r"(?P<frames>(?:#\d+ [^\n]+\n)+)"
    r"Action: (?P<action>\w+)\r?\n"
    r"(?:Slide: [^\n]+\n)?"
    r"(?P<recent>Recent Events: \d+\r?\n(?P<events>(?:-\d+\.\d{3} us cpu=\d+ tid=\d+ [a-z]+[^\n]*\n)+))?"
    r"Report Complete: after (?P<took>\d+) us\r?\n", re.MULTILINE)


def the_block(text):
    """The one block in what the guest said."""
    assert text.count("=== KERNEL PANIC ===") == 1, text[-4000:]
    block = BLOCK.search(text)
    assert block, text[-4000:]
    return block


def panic_with_exit(run_to_end, name, **options):
    result = run_to_end(append=f"selftest=core_panic_end.{name} panic=exit", **options)
    block = the_block(result.stdout)
    assert result.returncode == EXIT_STATUS, result.stderr
    assert block["action"] == "Exit"
    assert result.stdout.rstrip().endswith("panic: exit")
    assert block["state"] == "Running"
    return result.stdout, block


# SPEC: X3 X4 X6
def test_in_a_thread_nothing_queued_is_lost_or_printed_twice(run_to_end):
    text, block = panic_with_exit(run_to_end, "in_a_thread")
    assert block["message"].strip() == "in a thread"
    assert block["file"].endswith("tests/self/core_panic_end.c")
    assert block["column"] == "0"
    assert re.findall(r"^# queued (\d+)\r?$", text, re.MULTILINE) == [str(n) for n in range(50)]
    assert text.index("# queued 49") < block.start()
    assert re.search(r"#\d+ in_a_thread\+0x[0-9a-f]+ ", block["frames"])


CONTEXTS = [
    ("in_a_thread", "in a thread"),
    ("in_an_interrupt", "in an interrupt"),
    ("in_an_nmi", "in an NMI"),
    ("with_the_console_lock_held", "with the console lock held"),
    ("with_a_lock_held", "with a lock held, interrupts were on"),
    ("with_the_heap_lock_held", "with the heap lock held"),
    ("in_the_middle_of_a_swap", "in the middle of a swap"),
    ("by_stack_overflow", "stack overflow at 0x"),
    ("x86_64_exceptions.by_a_double_fault", "double fault, error code 0x0"),
    ("by_a_wild_write", "page fault: write of 0x18, which is not mapped"),
    ("by_a_failed_assertion", "assertion failed: this sentence is in the report ("),
    ("by_a_smashed_stack", "assertion failed: a function's stack canary is intact ("),
    ("on_a_secondary_cpu", "on cpu 1"),
    ("on_all_cpus_at_once", "all at once"),
    ("out_of_memory", "out of memory: yes"),
]


def reports_of(text):
    """Each block in what the guest said, one for each panic."""
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("=== KERNEL PANIC ===") == text.count("Report Complete:"), text[-6000:]
    return blocks


# SPEC: X3 X4 X6 X7
@pytest.mark.parametrize("grade, smp", MACHINES)
@pytest.mark.parametrize("name, message", CONTEXTS)
def test_every_context_gives_a_full_report_that_the_next_boot_knows_of(run_to_end, name, message, grade, smp):
    if name == "on_a_secondary_cpu" and smp == 1:
        pytest.skip("there is none")
    test = name if "." in name else f"core_panic_end.{name}"
    # One thread of the host for all processors: else the time is that until the host runs each of them.
    threads = {} if name.startswith("on_") else {"qemu_args": "-accel tcg,thread=single"}
    said = run_to_end(append=f"selftest={test} panic=reboot", smp=smp, reboots=1, kernel=ROOT / f"build/{grade}/helix.elf",
                      **threads).stdout
    blocks = reports_of(said)
    assert len(blocks) == 2, said[-6000:]
    for block in blocks:
        assert block["message"].startswith(message)
        assert block["action"] == "Reboot" and block["state"] == "Running"
        assert re.search(r" cpu=\d+ tid=\d+ panic ", block["events"])
        assert int(block["took"]) < LONGEST_REPORT_US
    assert re.findall(r"the kernel panicked before: (.*); cat /helix/last_panic", said) == [blocks[0]["message"].strip()]


# SPEC: X1
def test_another_handler_decides(run_to_end):
    text, block = panic_with_exit(run_to_end, "with_another_handler")
    assert text.index("# the handler sees: with another handler") < block.start()


# SPEC: K4
def test_only_who_is_prepared_for_a_panic_hears_of_it(run_to_end):
    text, _ = panic_with_exit(run_to_end, "with_two_who_listen_to_states")
    assert re.findall(r"^# (.+) hears of state (\d)\r?$", text, re.MULTILINE) == [
        ("who is prepared for a panic", "4")]


def panic_that_stays(boot, append, **options):
    """The block of a machine that neither ends nor says anything more."""
    guest = boot(append=append, **options)
    guest.expect(r"Report Complete: after \d+ us\r*\n")
    assert guest.rests()
    return the_block(re.sub(r"\r*\n", "\n", guest.text))


# SPEC: X1 X6
@pytest.mark.parametrize("grade, smp", MACHINES)
def test_a_panic_inside_the_panic_handler_reports_both_and_halts(boot, grade, smp):
    block = panic_that_stays(boot, "selftest=core_panic_end.inside_the_panic_handler panic=exit", smp=smp,
                             kernel=ROOT / f"build/{grade}/helix.elf")
    assert block["action"] == "Halt"
    assert block["message"].strip() == "the second, after the first (inside the panic: the first)"
    assert int(block["took"]) < LONGEST_REPORT_US


# SPEC: X1
def test_halt_is_the_default_and_stays(boot):
    assert panic_that_stays(boot, "selftest=core_panic_end.in_a_thread")["action"] == "Halt"


# SPEC: X1
def test_break_goes_past_its_breakpoint_without_a_debugger_and_stays(boot):
    block = panic_that_stays(boot, "selftest=core_panic_end.in_a_thread panic=break")
    assert block["action"] == "DebugBreak"


# SPEC: X1 X5
def test_reboot_boots_again(run_to_end):
    result = run_to_end(append="selftest=core_panic_end.in_a_thread panic=reboot", reboots=1)
    assert result.stdout.count("Action: Reboot") == 2
    assert result.stdout.count("=== KERNEL PANIC ===") == 2
