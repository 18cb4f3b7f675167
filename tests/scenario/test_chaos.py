"""Faults put into modules: campaigns of tools/chaos, and /helix/inject by hand."""
import os
import random
import re
import subprocess

import pytest
from conftest import PATIENCE, ROOT, USER_SPACE
from helix_shell import Patient, Shell
from helixtools import chaos

IS_SOAK = bool(os.environ.get("HELIX_SOAK"))
SEED = int(os.environ.get("HELIX_SEED", "0")) or random.randrange(1, 1 << 32)
# Of each module and gate. The short campaign is always the same one: new faults are for the long one, and for make chaos.
CAMPAIGN_SEED, COUNT = (SEED, 10000) if IS_SOAK else (20261129, 8)
LOG = ROOT / "build/results/chaos.log"


def campaign(*options):
    """(the lines of the table by their names, the log)"""
    run = subprocess.run([ROOT / "tools/chaos", "--seed", str(CAMPAIGN_SEED), *options], capture_output=True, text=True,
                         check=False, timeout=None if IS_SOAK else 4 * PATIENCE)
    print(run.stdout, run.stderr)
    rows = {}
    for line in run.stdout.splitlines():
        if line.startswith("chaos: "):
            name, *words = line.split()[1:]
            rows[name] = {key: int(value) for key, value in (word.split("=") for word in words)}
    assert rows, run.stderr
    return rows, LOG.read_text()


# SPEC: H5
@pytest.mark.parametrize("module", chaos.MODULES)
def test_no_fault_behind_the_user_gate_reaches_the_kernel(module):
    rows, log = campaign("--module", module, "--gate", "user", "--count", str(COUNT))
    total = rows["total"]
    assert total["kernel_lost"] == 0, log
    assert total["injected"] == sum(total[outcome] for outcome in chaos.OUTCOMES)
    assert total["injected"] > 0


# SPEC: H5
def test_what_the_kernel_sees_of_the_open_gate_is_recovered():
    rows, log = campaign("--module", "memory_devices", "--gate", "open", "--class", "null-pointer", "--count", "40")
    assert rows["total"]["kernel_lost"] == 0 and rows["total"]["detected"] > 0, log
    assert rows["total"]["recovered"] == rows["total"]["detected"], log


def test_a_seed_makes_the_same_faults_with_the_same_outcomes():
    options = ["--module", "audit", "--gate", "user", "--count", "12", "--icount"]
    assert campaign(*options)[1] == campaign(*options)[1]


# A fault after the other until it dies of one, and so on, as soon as somebody serves.
DIE = """
seed={seed}
until grep -q '^memory .* Failed ' /helix/heal; do
    seed=$((seed + 1))
    echo memory null-pointer $seed > /helix/inject && head -c 1000 /dev/zero > /dev/null
done 2> /dev/null
"""


# SPEC: H4 H7
def test_with_the_windows_left_alone_faults_lead_down_the_ladder(boot, tmp_path):
    (tmp_path / "die.sh").write_text(DIE.format(seed=SEED % 1000000))
    run = Patient(boot(init=USER_SPACE, append="inject", extra=tmp_path))
    run.hear_events()
    run("sh /die.sh")
    run.until("grep -q given_up /tmp/events")
    events = run.timed_events("memory")
    # It has a version before it, and no backup; of the three restarts the last one is clean.
    decided = [event[3:] for event in events if event[1] == "died"]
    # The same death twice is blamed on the state.
    second = ("restart clean" if decided[1][0] == "restart clean" else "restart with state", "2")
    assert decided == [("restart with state", "1"), second, ("restart clean", "3"), ("previous version", "1"),
                       ("quarantine", "1")]
    recovered = [event for event in events if event[1] == "recovered"]
    assert [event[3:] for event in recovered] == decided[:-1]
    # From one recovery to the next, in seconds: the cooldown, and as long as it takes until a fault is deadly. That a recovery
    # has ended is said a moment after the cooldown began.
    waits = [later[0] - earlier[0] for earlier, later in zip(recovered, recovered[1:])]
    assert all(0.95 * cooldown <= wait < cooldown + 30 for cooldown, wait in zip([2, 4, 8], waits)), waits
    assert run("head -c 5000 /dev/zero | wc -c").strip() == "5000"


@pytest.fixture(name="shell")
def a_shell(boot):
    return lambda append: Shell(boot(init=USER_SPACE, append=append))


def test_a_fault_is_put_seen_and_healed_at_the_shell(shell):
    run = shell("inject heal.cooldown=0")
    assert run("cat /helix/fault_classes").splitlines()[0].split() == ["class", "meaning"]
    seed = 0
    # Not each fault that is reached is deadly.
    while " reached " not in run("cat /helix/inject") or "recover" not in run("cat /helix/slots/memory/history"):
        seed += 1
        run(f"echo memory null-pointer {seed} > /helix/inject; head -c 1000 /dev/zero > /dev/null")
        assert seed < 200
    assert re.search(rf"memory +memory_devices +null-pointer +{seed} +reached +\S", run("cat /helix/inject"))
    assert run("head -c 5000 /dev/zero | wc -c").strip() == "5000"
    deaths = run("grep ^memory /helix/heal").split()[4]
    run("echo renew memory > /helix/inject")
    assert run("grep ^memory /helix/heal").split()[4] == str(int(deaths) + 1)
    run("echo withdraw > /helix/inject")


def test_nonsense_is_refused_and_says_why(shell):
    run = shell("inject")
    for command, why in [("cellar removed 1", "no such slot"), ("memory wet 1", "no such class"),
                         ("memory removed x", "the seed is a number")]:
        assert "Invalid argument" in run(f"echo {command} > /helix/inject"), command
        assert why in run("cat /helix/log | tail -n 3"), command
    assert "No such" in run("echo memory heap-flip 1 > /helix/inject") # it has no heap
    assert "denied" in run.as_guest("echo memory removed 1 > /helix/inject")


def test_without_the_option_there_are_no_faults(shell):
    run = shell("")
    assert "not permitted" in run("echo memory removed 1 > /helix/inject")
    assert "without the option inject" in run("cat /helix/log | tail -n 3")
