"""A state that kills whoever goes on from it: it is given up, and can be seen to be."""
from conftest import USER_SPACE
from test_self_heal import Patient

SLOT = "/helix/slots/demo"
POISON = 1313 # include/helix/demo.h: demo_fragile dies when it counts to this


# SPEC: H8
def test_a_poisoned_state_is_quarantined_and_an_older_one_taken(boot):
    shell = Patient(boot(init=USER_SPACE))
    shell(f"helixctl heal options cooldown 0; helixctl heal options interval 3600000; echo 'trial_ms 0' > {SLOT}/options")
    shell(f"echo demo_fragile > {SLOT}/swap; cat /helix/counter")
    shell("helixctl heal options interval 3600000")
    shell.until("grep -q demo /helix/checkpoints")
    good = [row["number"] for row in shell.table("checkpoints") if row["slot"] == "demo"]
    shell(f"n=0; while [ $n -lt {POISON - 1} ]; do read n < /helix/counter; done")
    shell("helixctl heal options interval 3600000") # one is due at once
    shell.until("[ $(grep -c '^demo ' /helix/checkpoints) -gt " + str(len(good)) + " ]")
    for restarts in (1, 2):
        shell("cat /helix/counter")
        shell.until(f"[ $(helixctl heal demo | awk '$1 == \"demo\" {{ print $6; exit }}') -ge {restarts} ]")
    assert int(shell("cat /helix/counter")) < POISON - 1
    rows = [(row["number"], row["poisoned"]) for row in shell.table("checkpoints") if row["slot"] == "demo"]
    assert [row for row in rows if row[0] in good and row[1] == "no"] != []
    assert [row[1] for row in rows if row[0] not in good] == ["yes"]
    assert (shell.heal("demo")["health"], shell.heal("demo")["deaths"]) == ("Healthy", "2")
