"""The serial console's driver as a module: what programs print arrives whole while it is exchanged, dies or is not there."""
import re

import pytest
from conftest import TESTS_INITRD, USER_SPACE
from helix_shell import Shell

SLOT = "/helix/slots/console"
LINES = 3000


def wanted():
    return [f"line {n} of what a program prints" for n in range(LINES)]


def printed(text):
    return re.findall(r"line \d+ of what a program prints", text)


def print_lines(shell, meanwhile):
    """A program prints all lines while something is done in the background; what arrived."""
    return printed(shell(f"({meanwhile}) 2>/dev/null & i=0; while [ $i -lt {LINES} ]; do "
                         "echo line $i of what a program prints; i=$((i+1)); done; wait"))


# SPEC: R6
@pytest.mark.parametrize("gate", ["open", "user"])
def test_nothing_is_lost_or_doubled_over_a_hundred_swaps(boot, gate):
    shell = Shell(boot(init=USER_SPACE, append=f"gate.console={gate}"))
    assert shell(f"cat {SLOT}/active {SLOT}/gate") == f"serial 1.1.0\n{gate}"
    shell(f"echo 'trial_ms 0' > {SLOT}/options")
    lines = print_lines(shell, "for i in $(seq 50); do for v in 1.0.0 1.1.0; do "
                               f"echo serial $v > {SLOT}/swap || echo bad > /tmp/bad; done; done")
    assert lines == wanted()
    assert "No such" in shell("cat /tmp/bad")
    assert "serial 1.1.0" in shell(f"tail -n 1 {SLOT}/history")


def test_nothing_is_lost_or_doubled_while_it_comes_and_goes(boot):
    shell = Shell(boot(init=USER_SPACE))
    lines = print_lines(shell, f"for i in $(seq 20); do echo > {SLOT}/unload; usleep 20000; "
                               f"echo serial > {SLOT}/swap; usleep 20000; done")
    assert lines == wanted()
    shell(f"echo > {SLOT}/unload")
    assert shell(f"cat {SLOT}/active; echo core prints") == "-\ncore prints"


def without_warnings(text):
    """The kernel's own lines about the death come in between."""
    return re.sub(r"\[ *\d+\.\d+\] warn: [^\n]*(\n|$)", "", text)


# Whether it ends the instance, by what serial_liar does wrong.
LIES = {"@": True, "^": True, "`": True, "}": False}


# SPEC: R6
@pytest.mark.parametrize("gate", ["open", "user"])
@pytest.mark.parametrize("lie", LIES)
def test_who_lies_or_dies_in_the_middle_of_a_piece_loses_and_doubles_nothing(boot, gate, lie):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.console={gate} heal=off"))
    shell(f"echo > {SLOT}/unload; printf 'ab\\{ord(lie):o}cdefghij' > /tmp/text")
    for size in range(1, 11):
        text = f"ab{lie}cdefghij"[:size]
        said = shell(f"echo serial_liar > {SLOT}/swap; head -c {size} /tmp/text; echo; "
                     f"cat {SLOT}/active; echo 2>/dev/null > {SLOT}/unload")
        is_ended = size > 2 and LIES[lie]
        assert without_warnings(said) == f"{text}\n" + ("-" if is_ended else "serial_liar 1.0.0")


# SPEC: R6
@pytest.mark.parametrize("gate", ["open", "user"])
def test_who_sends_without_a_look_at_the_device_is_refused(boot, gate):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.console={gate} heal=off"))
    flood = "}" * 1000
    shell(f"head -c 1000 /dev/zero | tr '\\0' '\\{ord('}'):o}' > /tmp/text; echo serial_liar > {SLOT}/swap")
    assert shell("cat /tmp/text") == flood
    refused = int(shell(f"grep waits {SLOT}/statistics").split()[-1])
    assert refused >= len(flood) // 16 // 2
    assert shell(f"cat {SLOT}/active") == "serial_liar 1.0.0"


def test_lines_of_the_log_come_whole_and_once_too(boot):
    shell = Shell(boot(init=USER_SPACE))
    shell("(for i in $(seq 20); do for v in 1.0.0 1.1.0; do "
          f"echo serial $v > {SLOT}/swap; done; done; touch /tmp/done) & "
          "for i in $(seq 40); do echo /bin/hello > /helix/slots/demo/load; done; "
          "while [ ! -e /tmp/done ]; do usleep 10000; done")
    for _ in range(500):  # printed by a thread of their own, after the command's end maybe
        lines = re.findall(r"warn: slot demo: a module is not taken: [^\r\n]*\)\r", shell.guest.text)
        if len(lines) >= 40:
            break
        shell("usleep 10000")
    assert len(lines) == 40
