"""Self-healing as somebody at the shell has it: a module dies, another takes its place, and what was done can be read."""
import hashlib
import re

import pytest
from conftest import TESTS_INITRD, USER_SPACE
from helix_shell import Patient

SLOT = "/helix/slots/console"
# serial_liar dies when it prints one; what it takes while it serves has no + ! % = ~ (include/helix/console.h).
DEATH = r"printf '\136\n'"
SIZE = 20000000
ZEROS = hashlib.md5(bytes(SIZE)).hexdigest()
FILL = f"echo 'trial_ms 0' > {SLOT}/options; echo serial_liar > {SLOT}/swap"
# What is kept is then of serial_liar, which does not read what the version before it wrote.
REFILL = f"helixctl heal options heal off; {FILL}; helixctl heal options heal on"


@pytest.fixture(name="shell")
def a_patient(boot):
    return Patient(boot(init=USER_SPACE, initrd=TESTS_INITRD))


# SPEC: H1
def test_every_slot_is_healthy_and_has_checkpoints_of_its_state(shell):
    rows = shell.table("heal")
    assert [row["slot"] for row in rows] == shell.column("modules", "slot")
    assert [row["module"] for row in rows] == shell.column("modules", "module")
    # Nobody wants a witness, and there is no display.
    empty = {"witness", "screen", "keyboard"}
    assert {row["slot"] for row in rows if row["health"] == "Unknown"} == empty
    assert {(row["health"], row["deaths"], row["action"]) for row in rows if row["slot"] not in empty} == {
        ("Healthy", "0", "none")}
    shell.until("grep -q console /helix/checkpoints")
    row = next(row for row in shell.table("checkpoints") if row["slot"] == "console")
    assert int(row["bytes"]) > 0 and row["poisoned"] == "no"
    assert int(shell.heal()["taken"]) >= int(row["number"])


# SPEC: H1 H6
def test_who_dies_is_recovered_while_programs_go_on(shell):
    shell.hear_events()
    shell(REFILL)
    shell.until("grep -q console /helix/checkpoints")
    shell(f"(head -c {SIZE} /dev/zero | md5sum > /tmp/sum; touch /tmp/done) &")
    shell(DEATH)
    shell.until("grep -q recovered /tmp/events")
    row = shell.heal()
    assert (row["module"], row["health"], row["deaths"], row["recoveries"]) == ("serial_liar", "Healthy", "1", "1")
    assert row["action"] == "restart with state" and int(row["recovery_us"]) > 0 and row["attempts"] == "1"
    cause = ("exception", "restart with state", "1")
    assert shell.events() == [("died", *cause), ("recovered", *cause)]
    assert "restart with state" in shell("helixctl heal console")
    assert " recover " in shell(f"tail -n 1 {SLOT}/history")
    shell.until("[ -e /tmp/done ]")
    assert shell("cat /tmp/sum") == f"{ZEROS}  -"


# The hat is in a warning that is printed while slots are still being filled.
# SPEC: H5 H6
def test_who_dies_while_the_kernel_boots_is_recovered_before_it_runs(boot):
    guest = boot(initrd=TESTS_INITRD, append="module.console=serial_liar module.hook.metrics=no^such exit=init")
    guest.expect(r"there is no module no\^such\r")
    guest.expect(r"heal: console \(serial_liar\) died: exception; next: restart")
    guest.expect("heal: console serves again after")
    assert guest.until_running().end() == 0
    assert guest.text.count("there is no module") == 1


# SPEC: H5 O6
@pytest.mark.parametrize("gate", ["open", "user"])
def test_who_dies_when_told_to_leave_does_not_keep_the_kernel_from_ending(boot, gate):
    guest = boot(initrd=TESTS_INITRD, append=f"module.demo=demo_departing gate.demo={gate}").until_running()
    guest.ask("q", "warn: module demo_departing: ")
    guest.expect("shutdown of modules failed: .*HX_EDIED")
    guest.expect("helix: halted")
    assert guest.end() == 0
    assert "PANIC" not in guest.text


# SPEC: H1 H2 H6
def test_a_recovery_waits_for_its_cooldown_or_for_nobody_and_has_an_end(shell):
    shell.hear_events()
    shell(f"{REFILL}; helixctl heal options cooldown 3600000; helixctl heal options cooldown_most 3600000")
    shell(DEATH)
    shell.until("grep -q recovered /tmp/events")
    shell(DEATH)
    shell.until("[ $(grep -c died /tmp/events) -eq 2 ]")
    assert shell.health() == "Crashed" and shell(f"cat {SLOT}/active") == "-"
    assert "denied" in shell.as_guest(f"echo > {SLOT}/recover") and shell.health() == "Crashed"
    shell("helixctl heal console recover")
    assert shell.health() == "Healthy" and shell.heal()["recoveries"] == "2"
    shell("helixctl heal options attempts 0")
    shell(DEATH)
    shell.until("grep -q given_up /tmp/events")
    assert shell.health() == "Failed" and shell(f"cat {SLOT}/active; cat {SLOT}/status") == "-\nFailed"
    assert "Input/output error" in shell(f"echo > {SLOT}/recover")
    assert shell.events()[-1][:3] == ("given_up", "exception", "quarantine")
    shell(f"echo serial > {SLOT}/swap")
    assert (shell.health(), shell.heal()["attempts"]) == ("Healthy", "0")


# SPEC: H2
def test_options_are_those_of_the_command_line_and_are_set_or_refused(boot):
    shell = Patient(boot(init=USER_SPACE, append="heal.limit=7000 heal.attempts=101"))
    assert (shell.option("limit"), shell.option("attempts"), shell.option("heal")) == ("7000", "3", "on")
    assert (shell.option("check"), shell.option("cooldown")) == ("1000", "2000")
    assert shell("echo limit 1234 > /helix/heal_options") == "" and shell.option("limit") == "1234"
    for command, error, sentence in (
            ("limt 5", "Invalid argument", "there are: heal, attempts, check, limit, "),
            ("limit many", "Invalid argument", "limit is a number from 1 to 3600000"),
            ("limit 0", "Numerical result out of range", "limit is a number from 1 to 3600000"),
            ("checkpoints 9", "Numerical result out of range", "checkpoints is a number from 0 to 8"),
            ("heal maybe", "Invalid argument", "it is on or off"),
            ("limit", "Invalid argument", "")):
        assert error in shell(f"echo {command} > /helix/heal_options"), command
        assert sentence in shell("tail -n 1 /helix/log"), command
    assert (shell.option("limit"), shell.option("checkpoints")) == ("1234", "4")
    assert "denied" in shell.as_guest("echo limit 9 > /helix/heal_options")
    assert shell.option("limit") == "1234"


# SPEC: H2
def test_a_time_that_was_made_shorter_is_not_waited_for(shell):
    shell("helixctl heal options check 3600000; helixctl heal options interval 0")
    shell("usleep 100000; helixctl heal options heal off; helixctl heal options heal on")
    assert shell.table("checkpoints") == []
    shell("helixctl heal options interval 3600000")
    shell.until("grep -q scheduler /helix/checkpoints")
    taken = int(shell.heal("scheduler")["taken"])
    shell("helixctl heal options interval 100")
    shell.until(f"[ $(awk '$1 ~ /^scheduler/ {{ print $8 }}' /helix/heal) -gt {taken + 1} ]")


# SPEC: H1 H2
def test_without_healing_the_slot_stays_empty(boot):
    shell = Patient(boot(init=USER_SPACE, initrd=TESTS_INITRD, append="heal=off"))
    assert shell.option("heal") == "off"
    shell(FILL)
    shell(DEATH)
    shell.until(f"[ $(cat {SLOT}/deaths) -eq 1 ]")
    shell("helixctl heal options heal on")
    shell.until("grep -q entropy /helix/checkpoints") # it has looked after all of them
    assert shell(f"cat {SLOT}/active") == "-"
    assert (shell.health(), shell.heal()["deaths"]) == ("Unknown", "0")
