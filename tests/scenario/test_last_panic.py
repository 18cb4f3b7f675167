"""What a panic said is there after the reset, until it is erased."""
import re

from conftest import PATIENCE, USER_SPACE
from helix_shell import PROMPT, Shell

LAST = "/helix/last_panic"
WARNING = r"the kernel panicked before: asked for with the key p; cat /helix/last_panic\r"
EVENT = re.compile(r"-\d+\.\d{3} us (cpu=\d+ tid=\d+ .+)")
MESSAGE = re.compile(r" *(\d+) +(\d+\.\d{6}) (.*)")


def panic(guest):
    """Press the key; what was printed on the console from the block on, as plain lines."""
    guest.ask("p", "=== KERNEL PANIC ===")
    printed = guest.expect(r"(?s)\r*\n(Message: .*Action: Reboot\r*\n.*Report Complete: [^\n]*\n)")
    return ["=== KERNEL PANIC ===", *printed.group(1).replace("\r", "").splitlines()]


def parts(text):
    report, rest = text.split("Flight Recorder:\n")
    events, messages = rest.split("Messages Before:\n")
    return report.splitlines(), events.splitlines(), [MESSAGE.fullmatch(line).groups() for line in messages.splitlines()]


# SPEC: X7 D4
def test_the_report_and_the_last_messages_are_shown_after_the_reset(boot):
    guest = boot(append="panic=reboot", reboots=1, init=USER_SPACE, smp=2)
    shell = Shell(guest)
    assert shell(f"cat {LAST}") == ""
    newest = shell("tail -n 1 /helix/log")
    printed = panic(guest)
    guest.expect(WARNING)
    shell = Shell(guest)
    report, events, messages = parts(shell(f"cat {LAST}"))
    assert report == printed
    recent = [EVENT.fullmatch(line)[1] for line in report if line.startswith("-")]
    kept = [EVENT.fullmatch(line)[1] for line in events]
    assert set(recent) < set(kept) and kept[-1].endswith("panic asked for with t")
    assert messages[-1][2].endswith("state: Running -> Panic")
    assert newest in shell(f"cat {LAST}").splitlines()
    numbers = [int(number) for number, _, _ in messages]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


# SPEC: X7
def test_it_stays_until_it_is_erased_and_a_clean_start_says_nothing(boot):
    guest = boot(append="panic=reboot", reboots=3, init=USER_SPACE)
    shell = Shell(guest)
    panic(guest)
    for is_last in (False, True):
        guest.expect(WARNING)
        shell = Shell(guest)
        assert "Message: asked for with the key p" in shell(f"cat {LAST}")
        if not is_last:
            guest.type("reboot")
    assert "Invalid argument" in shell(f"echo forget > {LAST}")
    assert shell(f"echo erase > {LAST}; cat {LAST}") == ""
    assert "No such file" in shell(f"echo erase > {LAST}")
    before = len(guest.text)
    guest.type("reboot")
    guest.expect(r"helix 0\.1\.0-alpha\r", PATIENCE)
    shell = Shell(guest)
    assert "panicked before" not in guest.text[before:]
    assert shell(f"cat {LAST}; grep -c 'panicked before' /helix/log") == "0"


def reset_by_hand(guest):
    """Of a machine whose first processor halts."""
    guest.press("\x01c")
    guest.expect(r"\(qemu\) ")
    guest.type("info registers")
    while "HLT=1" not in guest.expect(r"(?s)RFL=.*?\(qemu\) ").group():
        guest.type("info registers")
    guest.type("system_reset")
    guest.press("\x01c")


# SPEC: X7
def test_the_panic_of_a_machine_that_halted_is_there_when_it_is_reset_by_hand(boot):
    guest = boot(append="panic=halt", reboots=1, init=USER_SPACE)
    Shell(guest)
    guest.ask("p", "Action: Halt")
    guest.expect("Report Complete: ")
    reset_by_hand(guest)
    guest.expect(WARNING)
    guest.expect(PROMPT)


# SPEC: X6 X7
def test_of_a_panic_inside_another_the_record_has_both(boot):
    guest = boot(append="selftest=core_panic_end.inside_the_panic_handler", reboots=1)
    guest.expect("Report Complete: ")
    reset_by_hand(guest)
    guest.expect(r"the kernel panicked before: the second, after the first \(inside the panic: the first\); cat")
