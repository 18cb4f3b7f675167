"""Numbers of components: what programs do wrong is counted where it goes wrong, and what they use is told there."""
import pytest
from conftest import USER_SPACE
from helix_shell import Shell

# A component; what makes it count an error, or more; what its last error is then.
MISTAKES = [
    ("resources", "sh -c 'cd /dev; exec 3< null 4< null 5< null 6< null 7< null 8< null 9< null'", "HX_ELIMIT"),
    ("capabilities", "su guest -c 'cat /helix/threads'", "HX_EACCES"),
    ("processes", "su guest -c 'ulimit -u 1; cat /dev/null; true'", "HX_EAGAIN"),
    ("hooks", "cat /helix/policy > /tmp/policy; echo call sethostname nobody > /helix/policy; hostname other; "
              "cat /tmp/policy > /helix/policy", "HX_EPERM"),
]
# A component; what makes its memory grow, for as long as the shell does not take it back; how that is done.
USES = [
    ("processes", "sleep 1000 &", "kill $!; wait $! 2> /dev/null"),
    ("files", "exec 7< /dev/null 8< /dev/null", "exec 7<&- 8<&-"),
    ("threads", "sleep 1000 &", "kill $!; wait $! 2> /dev/null"),
    ("hooks", "helixctl hooks on audit; helixctl hooks off audit", None),
    ("capabilities", "for i in 1 2 3 4; do su guest -c true; done; "
                     "for i in $(seq 2000 2400); do echo grant user:$i control:threads read > /helix/caps; done", None),
]
# What has some memory of its own from the start.
WITH_MEMORY = ["memory", "resources", "capabilities", "events", "mailboxes", "console", "processors", "threads",
               "health", "random", "files", "processes", "orchestrator"]


@pytest.fixture(name="shell", scope="module")
def a_shell_for_all(boot_once):
    return Shell(boot_once(init=USER_SPACE, smp=2, append="limit.process-files=9"))


def component(shell, name):
    row, = [row for row in shell.table("components") if row["name"] == name]
    return row


# SPEC: C2
@pytest.mark.parametrize("name,mistake,error", MISTAKES, ids=[name for name, _, _ in MISTAKES])
def test_a_mistake_is_counted_where_it_is_made(shell, name, mistake, error):
    before = component(shell, name)
    shell(mistake)
    after = component(shell, name)
    assert int(after["errors"]) > int(before["errors"])
    assert after["last_error"] == error


# SPEC: C2
@pytest.mark.parametrize("name,use,end", USES, ids=[name for name, _, _ in USES])
def test_memory_is_told_where_it_is_used(shell, name, use, end):
    before = int(component(shell, name)["memory"])
    shell(use)
    assert int(component(shell, name)["memory"]) > before
    if end is not None:
        shell(end)
        for _ in range(50): # what has ended is given back a little later
            if int(component(shell, name)["memory"]) <= before:
                break
        assert int(component(shell, name)["memory"]) <= before


# SPEC: C2
def test_every_component_says_how_long_it_is_there_and_many_what_they_take(shell):
    rows = {row["name"]: row for row in shell.table("components")}
    assert all(int(row["uptime_ms"]) > 0 for row in rows.values())
    assert [name for name in WITH_MEMORY if int(rows[name]["memory"]) == 0] == []
