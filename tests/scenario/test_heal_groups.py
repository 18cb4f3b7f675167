"""Groups of self-healing: whose module is restarted with whose, as somebody at the shell has it."""
import re

import pytest
from conftest import TESTS_INITRD, USER_SPACE
from test_self_heal import DEATH, FILL, Patient


class Ward(Patient):
    """What is told of all slots, and the groups."""

    def all_events(self):
        return re.findall(r'subsystem\.health (\w+) name=(\S+) cause="([^"]+)" action="([^"]+)"', self("cat /tmp/events"))

    def groups(self):
        return {row["group"]: (row["strategy"], row["above"], row["members"]) for row in self.table("heal_groups")}

    def count(self):
        return int(self("cat /helix/counter"))


@pytest.fixture(name="shell")
def a_ward(boot):
    return Ward(boot(init=USER_SPACE, initrd=TESTS_INITRD))


# SPEC: H7
def test_a_slot_is_behind_the_one_it_needs_and_groups_are_set_or_refused(boot):
    shell = Ward(boot(init=USER_SPACE, append="group.two=rest_for_one:memory,entropy group.bad=all:memory"))
    assert shell.groups()["block"] == ("one_for_one", "system", "block,file_system")
    assert shell.groups()["two"] == ("rest_for_one", "system", "memory,entropy")
    assert "bad" not in shell.groups() and "memory" not in shell.groups()["system"][2]
    assert "group.bad=all:memory is no group" in shell("cat /helix/log")
    assert shell("helixctl heal groups three one_for_all:demo,@two") == ""
    assert shell.groups()["three"] == ("one_for_all", "system", "demo,@two")
    assert shell.groups()["two"][1] == "three"
    for text, error in (("two one_for_all:memory,@three", "Invalid argument"), ("two best:memory", "Invalid argument"),
                        ("two one_for_all:nobody", "No such file"), ("four", "Invalid argument"),
                        ("four none", "No such file"), ("system none", "Invalid argument")):
        before = shell.groups()
        assert error in shell(f"echo '{text}' > /helix/heal_groups"), text
        assert shell.groups() == before
    assert "rest_for_one, or NAME none" in shell("tail -n 3 /helix/log")
    assert "denied" in shell.as_guest("echo three none > /helix/heal_groups")
    assert shell("echo 'three none' > /helix/heal_groups; echo 'block one_for_all' > /helix/heal_groups") == ""
    assert "three" not in shell.groups() and shell.groups()["block"][0] == "one_for_all"


# SPEC: H6 H7
def test_who_lives_is_restarted_with_its_state_when_another_of_its_group_has_died(shell):
    shell.hear_events()
    shell(f"{FILL}; helixctl heal groups pair one_for_all:demo,console")
    counts = [shell.count() for _ in range(3)]
    shell(DEATH)
    shell.until("grep -q restarted /tmp/events")
    assert [shell.count()] == [counts[-1] + 1]
    assert shell.all_events()[-2:] == [("recovered", "console", "exception", shell.heal()["action"]),
                                       ("restarted", "demo", "group pair", "restart with state")]
    assert " restart " in shell("tail -n 1 /helix/slots/demo/history")
    assert (shell.heal("demo")["deaths"], shell.heal("demo")["health"]) == ("0", "Healthy")


# SPEC: H7
def test_one_death_too_many_and_the_group_above_decides(shell):
    shell.hear_events()
    shell(f"{FILL}; helixctl heal options cooldown 0; helixctl heal options group_deaths 1")
    shell("helixctl heal groups pair one_for_one:demo,console")
    shell(DEATH)
    shell.until("grep -q 'recovered name=console' /tmp/events")
    assert "restarted" not in shell("cat /tmp/events")
    shell(DEATH)
    shell.until("grep -q 'restarted name=demo' /tmp/events")
    assert shell.all_events()[-1][2] == "group system"
