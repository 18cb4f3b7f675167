"""What is typed at the serial console while the module that takes it is exchanged, dies, lies or does not come back:
each byte arrives once, in order."""
import itertools

import pytest
from conftest import IS_SOAK, TESTS_INITRD, USER_SPACE
from helix_shell import PROMPT, Shell

SLOT = "/helix/slots/console"
LIES = {"more": "+", "trap": "!", "loop": "%", "sleep": "=", "nothing": "~"}
# Each gate and each number of CPUs; all pairs in the soak.
MACHINES = pytest.mark.parametrize(
    "gate, smp", [("open", 4), ("user", 1)] + ([("open", 1), ("user", 4)] if IS_SOAK else []))
LINES = 120
ATTEMPTS = 10  # for what core may take in the module's place
DEATHS = 100 if IS_SOAK else 30
CHUNK = 10  # typed at a time
TYPED = [f"line {number} of what a person types" for number in range(LINES)]


def numbers(shell):
    """The slot's statistics, of the module and of core."""
    lines = shell(f"cat {SLOT}/statistics").splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def type_while(shell, step):
    """Type lines to a program while a step is done again and again in the background, fifty times at least;
    what arrived, and how often the step had been done when all had."""
    shell.guest.type("stty -echo; (n=0; while [ $n -lt 50 ] || [ ! -e /tmp/stop ]; do n=$((n+1)); "
                     f"{step}; echo $n > /tmp/steps; done) 2>/dev/null & "
                     f"n=0; while [ $n -lt {LINES} ]; do read -r l; echo \"$l\"; n=$((n+1)); "
                     f"if [ $((n % {CHUNK})) = 0 ]; then echo -'>' $n >&2; fi; done > /tmp/got; "
                     "cat /tmp/steps; touch /tmp/stop; wait; stty echo; rm /tmp/stop; echo 'al'l-done")
    for start in range(0, LINES, CHUNK):
        for text in TYPED[start:start + CHUNK]:
            shell.guest.type(text)
        shell.guest.expect(rf"-> {start + CHUNK}\r")
    steps = int(shell.guest.expect(r"(\d+)\r").group(1))
    shell.guest.expect("all-done")
    shell.guest.expect(PROMPT)
    return shell("cat /tmp/got").splitlines(), steps


def test_the_module_takes_what_is_typed(boot):
    shell = Shell(boot(init=USER_SPACE))
    before = numbers(shell)
    shell("true " + "x" * 500)
    after = numbers(shell)
    assert after["bytes_taken"] - before["bytes_taken"] >= 400
    assert after["takes"] > before["takes"]


# SPEC: R5
def test_what_was_taken_is_counted_on_by_the_next_version_that_counts(boot):
    shell = Shell(boot(init=USER_SPACE))
    shell(f"echo 'trial_ms 0' > {SLOT}/options; true " + "x" * 500)
    before = numbers(shell)
    shell(f"echo serial 1.0.0 > {SLOT}/swap")
    assert numbers(shell)["bytes_taken"] == 0
    shell(f"echo serial 1.1.0 > {SLOT}/swap")
    after = numbers(shell)
    assert after["bytes_taken"] >= before["bytes_taken"] > 400
    assert after["takes"] >= before["takes"] > 0
    # And 1.0 that was never told any.
    shell(f"echo > {SLOT}/unload; echo serial 1.0.0 > {SLOT}/swap; echo serial 1.1.0 > {SLOT}/swap")
    assert numbers(shell)["bytes_taken"] < 400


# SPEC: R6
@MACHINES
def test_nothing_typed_is_lost_or_doubled_over_a_hundred_swaps(boot, gate, smp):
    shell = Shell(boot(init=USER_SPACE, append=f"gate.console={gate}", smp=smp))
    assert shell(f"cat {SLOT}/active {SLOT}/gate") == f"serial 1.1.0\n{gate}"
    shell(f"echo 'trial_ms 0' > {SLOT}/options")
    got, swaps = type_while(shell, "for v in 1.0.0 1.1.0; do "
                                   f"echo serial $v > {SLOT}/swap || echo bad > /tmp/bad; done")
    assert got == TYPED
    assert swaps >= 10
    assert "No such" in shell("cat /tmp/bad")
    assert "serial 1.1.0" in shell(f"tail -n 1 {SLOT}/history")


# SPEC: R9
@MACHINES
def test_nothing_typed_is_lost_or_doubled_while_trials_are_rolled_back(boot, gate, smp):
    shell = Shell(boot(init=USER_SPACE, append=f"gate.console={gate}", smp=smp))
    shell(f"echo 'trial_ms 0' > {SLOT}/options; echo serial 1.0.0 > {SLOT}/swap")
    shell(f"echo 'trial_ms 100000' > {SLOT}/options; echo 'trial_calls 1000000' > {SLOT}/options")
    got, rollbacks = type_while(shell, f"echo serial 1.1.0 > {SLOT}/swap && usleep 1000 && "
                                       f"echo > {SLOT}/rollback || echo bad > /tmp/bad")
    assert got == TYPED
    assert rollbacks >= 10
    assert "No such" in shell("cat /tmp/bad")
    assert shell(f"cat {SLOT}/active") == "serial 1.0.0"
    assert "Rollback" in shell(f"tail -n 1 {SLOT}/history")


def test_nothing_typed_is_lost_or_doubled_while_it_comes_and_goes(boot):
    shell = Shell(boot(init=USER_SPACE, smp=4))
    got, rounds = type_while(shell, f"echo > {SLOT}/unload; usleep 1000; echo serial > {SLOT}/swap; usleep 1000")
    assert got == TYPED
    assert rounds >= 10
    shell(f"echo > {SLOT}/unload")
    assert shell(f"cat {SLOT}/active; echo core takes") == "-\ncore takes"


def type_to_liars(shell, rounds, texts):
    """A liar is put on trial so many times, and texts are typed to a program until it has gone; what was typed,
    and what arrived. It may take several, as core takes some of the bytes."""
    shell.guest.type(f"stty -echo; for k in $(seq {rounds}); do echo serial_liar > {SLOT}/swap; "
                     f"while grep -q liar {SLOT}/active; do echo -'>' go; read -r l; "
                     "echo \"$l\" >> /tmp/got; done; done; "
                     "stty echo; echo -'>' end")
    typed = []
    while shell.guest.expect(r"-> (go|end)\r").group(1) == "go":
        assert len(typed) < rounds * ATTEMPTS
        typed.append(next(texts))
        shell.guest.type(typed[-1])
    shell.guest.expect(PROMPT)
    return typed, shell("cat /tmp/got").splitlines()


# SPEC: R9
@MACHINES
def test_who_dies_at_any_byte_loses_and_doubles_nothing(boot, gate, smp):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.console={gate}", smp=smp))
    texts = ("x" * (k % 40) + LIES["trap"] + "yz"[:k % 3] for k in itertools.count())
    typed, got = type_to_liars(shell, DEATHS, texts)
    assert got == typed
    assert shell(f"cat {SLOT}/active") == "serial 1.1.0"
    assert int(shell(f"cat {SLOT}/deaths")) >= DEATHS
    assert shell(f"grep -c Rollback {SLOT}/history") != "0"


# SPEC: R6
@pytest.mark.parametrize("lie", ["more", "loop"])
@pytest.mark.parametrize("gate", ["open", "user"])
def test_who_lies_or_does_not_come_back_goes_and_each_byte_arrives(boot, gate, lie):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.console={gate}"))
    texts = ("a" * (k % 4) + LIES[lie] + "b" * k for k in itertools.count())
    typed, got = type_to_liars(shell, 5, texts)
    assert got == typed
    assert int(shell(f"cat {SLOT}/deaths")) >= 5
    assert lie != "loop" or numbers(shell)["input_lapses"] >= 5


# SPEC: R6
@pytest.mark.parametrize("gate", ["open", "user"])
def test_core_takes_what_the_module_leaves(boot, gate):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.console={gate}"))
    shell(f"echo 'trial_ms 0' > {SLOT}/options; echo serial_liar > {SLOT}/swap")
    for _ in range(ATTEMPTS):
        shell(f": {LIES['nothing']}")
    before = numbers(shell)
    shell.ask("h", "this help")
    shell(": this is taken by core")
    after = numbers(shell)
    assert after["input_by_driver"] == before["input_by_driver"]
    assert after["input_by_core"] > before["input_by_core"] + 20
    assert shell(f"cat {SLOT}/active") == "serial_liar 1.0.0"


def block_a_swap(shell):
    """What is said when the module sleeps in the middle of a call, and is to go."""
    for _ in range(ATTEMPTS):
        shell(f"echo serial_liar > {SLOT}/swap")
        said = shell(f": {LIES['sleep']}; echo serial > {SLOT}/swap; cat {SLOT}/blockers; cat {SLOT}/active")
        if said.endswith("serial_liar 1.0.0"):
            return said
    return pytest.fail("it never takes the byte")


# SPEC: R6 R10
@MACHINES
def test_a_module_that_does_not_come_back_is_named_and_the_keys_work(boot, gate, smp):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.console={gate}", smp=smp))
    shell(f"echo 'drain_ms 20' > {SLOT}/options; echo 'trial_ms 0' > {SLOT}/options")
    before = numbers(shell)
    said = block_a_swap(shell)
    assert "(console input) is parked" in said
    assert ("take+" if gate == "open" else "entry_from_module+") in said
    shell.ask("h", "this help")
    assert numbers(shell)["input_lapses"] > before["input_lapses"]
    shell(f"until echo serial > {SLOT}/swap; do usleep 100000; done 2>/dev/null")
    assert shell(f"cat {SLOT}/active") == "serial 1.1.0"
