"""helixctl as a person meets it: what it says, what it is refused, and its full screen."""
import json
import re

import pytest
from conftest import USER_SPACE
from helix_shell import PROMPT, Shell

STYLE = re.compile("\x1b\\[[0-9;]*m")
# A user's authority, and the one file of it that the stories are about.
ASK = "helixctl caps grant user:1000 control:{0} read"
REFUSAL = ("helixctl: /helix/{0}: you need read on control:{0} (you are user:1000); "
           "ask root: " + ASK)


class Person(Shell):
    """The shell of process 1, or of whom it becomes, as somebody at the terminal has it."""

    def plain(self, command):
        """The same, without colours."""
        return STYLE.sub("", self(command))

    def status(self, command):
        return int(self(f"{command} > /dev/null 2>&1; echo $?"))

    def become(self, line):
        """Start another shell in this one."""
        self.guest.type(line)
        self.guest.expect(PROMPT)

    def key(self, letter):
        """Press control and a letter."""
        self.guest.press(chr(ord(letter) - ord("A") + 1))


class Screen:
    """What helixctl top shows: rows of text, from the newest whole picture."""

    def __init__(self, shell, command="helixctl top -d 0.5"):
        self.shell = shell
        shell.guest.type(command)
        shell.guest.expect(re.escape("\x1b[?1049h"))
        self.rows = []

    def look(self, pattern="", tries=40):
        """The next picture in which some row has the pattern."""
        for _ in range(tries):
            picture = self.shell.guest.expect("(?s)\x1b\\[H((?:(?!\x1b\\[H).)*?)\x1b\\[J").group(1)
            text = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", picture)
            self.rows = [row.rstrip() for row in text.replace("\r", "").split("\n")]
            if any(re.search(pattern, row) for row in self.rows):
                return self.rows
        raise AssertionError(f"no picture has {pattern!r}; the last one is:\n" + "\n".join(self.rows))

    def press(self, key, pattern):
        self.shell.guest.press(key)
        return self.look(pattern)

    def table(self):
        """The rows below the line of names, as words."""
        start = next(i for i, row in enumerate(self.rows) if re.search(r"% +TIME ", row))
        return [row.split() for row in self.rows[start + 1:-1] if row]

    def left(self):
        """The terminal is the shell's again."""
        self.shell.guest.expect(re.escape("\x1b[?25h\x1b[?1049l"))
        self.shell.guest.expect(PROMPT)


@pytest.fixture(name="shell", scope="module")
def a_shell_for_all(boot_once):
    return Person(boot_once(init=USER_SPACE))


@pytest.fixture(name="fresh")
def a_shell_of_its_own(boot):
    return Person(boot(init=USER_SPACE))


def rows(text):
    """A table's lines as lists of cells; the last cell may have blanks in it."""
    lines = text.splitlines()
    count = len(lines[0].split())
    return [re.split(r" +", line.strip(), maxsplit=count - 1) for line in lines]


def commands(shell):
    return re.findall(r"^  ([a-z]+) ", shell.plain("helixctl --help"), re.MULTILINE)


# --- help and mistakes ------------------------------------------------------------------------------


def test_every_command_of_the_greeting_is_there(shell):
    lines = re.findall(r"^    (\S+(?: \S+)*)  +\S", shell("cat /etc/motd"), re.MULTILINE)
    assert lines == ["helixctl", "helixctl top", "helixctl events",
                     "helixctl slots demo reload user", "su guest"]
    assert "Running, healthy" in shell.plain(lines[0])
    assert "gate:   user" in shell.plain(lines[3])
    assert shell.status("helixctl slots demo reload open") == 0


def test_every_command_has_help_with_an_example(shell):
    names = commands(shell)
    assert len(names) > 15
    for name in names:
        text = shell.plain(f"helixctl {name} --help")
        assert text.startswith(f"helixctl {name}")
        assert f"\nFor example: helixctl {name}" in text
        assert shell.plain(f"helixctl help {name}") == text
        assert shell.status(f"helixctl {name} --help") == 0


def test_without_a_command_it_says_how_the_machine_is(shell):
    text = shell.plain("helixctl")
    assert re.match(r"Helix \d+\.\d+\.\d+\S*, Running, healthy, up \d+:\d\d:\d\d\n"
                    r"processors: 1 of 1, load \d+\.\d\d \d+\.\d\d \d+\.\d\d\n"
                    r"memory: \d+(\.\d)?[KMG] used of \d+(\.\d)?[KMG], kernel heap \d+(\.\d)?[KM]\n"
                    r"running: \d+ processes, \d+ threads\n", text)
    assert all(f"\n  {name} " in text for name in commands(shell))
    assert json.loads(shell("helixctl --json"))["state"] == "Running"


@pytest.mark.parametrize("line, sentence", [
    ("helixctl compnents", "there is no command compnents; do you mean helixctl components?"),
    ("helixctl frobnicate", "there is no command frobnicate; helixctl --help lists them"),
    ("helixctl --frob", "there is no option --frob; helixctl --help lists them"),
    ("helixctl --color=blue state", "--color is always, never or auto, not blue"),
    ("helixctl state --dot", "it has no option --dot"),
    ("helixctl state now", "'now' is too much"),
    ("helixctl power of", "power cannot 'of'; it is: helixctl power off|reboot|suspend [SECONDS]|resume"),
    ("helixctl power off 5", "'5' is too much"),
    ("helixctl power suspend soon", "SECONDS are 1 to 86400, not 'soon'"),
    ("helixctl power suspend 86401", "SECONDS are 1 to 86400, not '86401'"),
    ("helixctl power suspend 0", "SECONDS are 1 to 86400, not '0'"),
    ("helixctl power suspend 5 minutes", "'minutes' is too much"),
    ("helixctl power", "something is missing"),
    ("helixctl caps grant user:1000", "a grant names a subject, a resource and rights"),
    ("helixctl caps events", "'events' is no resource, like control:events"),
    ("helixctl slots demo reload sideways", "the gate is open or user, not 'sideways'"),
    ("helixctl slots ../json", "'../json' is no name"),
    ("helixctl events -n none", "'none' is no count"),
    ("helixctl top -d 0", "SECONDS are 0.1 to 3600"),
    ("helixctl run -- true", "it wants either --only or --nothing"),
    ("helixctl run --nothing true", "the command comes behind --"),
    ("helixctl hooks of metrics", "a hook cannot 'of'"),
    ("helixctl hooks order metrics", "'order' wants a hook's name and a number"),
    ("helixctl heal demo retire", "a slot cannot 'retire'"),
    ("helixctl heal ../json recover", "'../json' is no name"),
    ("helixctl heal options limit", "of options, one wants a name and a value"),
    ("helixctl --json heal demo", "a slot's name and --json do not go together"),
    ("helixctl syscalls clear", "counts cannot 'clear'"),
    ("helixctl trace start", "the recorder cannot 'start'"),
    ("helixctl policy load", "a policy can be loaded from a file, no more"),
    ("helixctl --json audit", "calls are lines"),
    ("helixctl help nothing", "there is no command 'nothing'"),
])
def test_what_it_does_not_understand_it_says_with_status_2(shell, line, sentence):
    assert sentence in shell(line)
    assert shell.status(line) == 2


@pytest.mark.parametrize("line, sentence", [
    ("helixctl slots nothing", "there is no slot nothing: helixctl slots lists them"),
    ("helixctl heal nothing", "there is no slot nothing: helixctl heal lists them"),
    ("helixctl heal options attempts 101", "nothing was changed; helixctl heal options says what can be"),
    ("helixctl caps grant user:1000 control:nothing read", "No such file or directory: nothing was "
     "granted"),
    ("helixctl caps grant user:1000 control:events fly", "Invalid argument: nothing was granted"),
    ("helixctl caps revoke user:1000 control:power", "nothing was taken back"),
    ("helixctl caps control:nothing", "nobody holds anything on control:nothing"),
    ("helixctl events nothing", "there is no such topic: helixctl topics lists them"),
    ("helixctl resources --owner nobody", "no owner is called nobody"),
])
def test_what_the_kernel_does_not_have_it_says_with_status_1(shell, line, sentence):
    assert sentence in shell(line)
    assert shell.status(line) == 1


def test_a_kernel_without_a_file_or_without_helix_is_told_apart(fresh):
    fresh("mkdir -p /tmp/old; mount -t tmpfs none /helix; echo 0.0.1 > /helix/version")
    assert fresh("helixctl threads") == "helixctl: /helix/threads: this kernel has no such file"
    fresh("rm /helix/version")
    assert fresh("helixctl threads") == ("helixctl: /helix is not there: "
                                         "mount -t helixfs helixfs /helix")
    fresh("umount /helix")
    assert fresh.status("helixctl threads") == 0


# --- tables -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command, file", [
    ("subsystems", "subsystems"), ("privileges", "privileges"), ("slots", "modules"),
    ("caps self", "self"), ("refusals", "refusals")])
def test_a_table_has_the_cells_of_its_file(shell, command, file):
    assert rows(shell.plain(f"helixctl {command}")) == rows(shell(f"cat /helix/{file}"))


@pytest.mark.parametrize("command, file", [
    ("components", "components"), ("resources", "resources"), ("topics", "topics"),
    ("subscribers", "subscribers"), ("mailboxes", "mailboxes"), ("threads", "threads"),
    ("interrupts", "interrupts"), ("heal", "heal"), ("heal options", "heal_options")])
def test_a_table_that_changes_has_the_columns_of_its_file(shell, command, file):
    ours, files = rows(shell.plain(f"helixctl {command}")), rows(shell(f"cat /helix/{file}"))
    assert ours[0] == files[0] and len(ours) > 1
    assert all(len(row) == len(ours[0]) for row in ours)
    assert {row[0] for row in files[1:]} & {row[0] for row in ours[1:]}


def test_a_record_has_a_line_for_each_value(shell):
    text = shell("helixctl state | cat")
    assert re.search(r"^state: +Running$", text, re.MULTILINE)
    assert re.findall(r"^(\w+):", text, re.MULTILINE) == re.findall(
        r"^(\w+):", shell("cat /helix/state"), re.MULTILINE)


@pytest.mark.parametrize("command", ["state", "subsystems", "components", "slots", "caps",
                                     "caps self", "privileges", "resources", "topics", "threads",
                                     "refused", "heal", "heal options"])
def test_json_is_what_programs_can_read(shell, command):
    assert json.loads(shell(f"helixctl --json {command}"))


def test_the_graph_is_the_kernels(shell):
    assert shell("helixctl subsystems --dot") == shell("cat /helix/subsystems.dot")
    assert "digraph" in shell("helixctl subsystems --dot")


def test_resources_of_one_owner(shell):
    table = rows(shell.plain("helixctl resources --owner kernel"))
    assert len(table) > 1 and {row[0] for row in table[1:]} == {"kernel"}
    table = rows(shell.plain("helixctl resources --owner process:1"))
    assert len(table) > 1 and {row[-1] for row in table[1:]} == {"1"}


def test_the_log_is_the_kernels(shell):
    assert shell("helixctl log | head -3") == shell("head -3 /helix/log")


def test_colours_are_for_terminals_and_can_be_had_or_not(shell):
    plain = shell("helixctl --color=never components")
    assert not STYLE.search(plain)
    assert STYLE.search(shell("helixctl components"))
    assert not STYLE.search(shell("helixctl components | cat"))
    assert not STYLE.search(shell("NO_COLOR=1 helixctl components"))
    coloured = shell("NO_COLOR=1 helixctl --color=always components | cat")
    assert "\x1b[32mhealthy\x1b[0m" in coloured


def test_completion_names_every_command(shell):
    names = " ".join(commands(shell))
    assert shell("helixctl completion bash") == f"complete -W '{names}' helixctl"
    assert f"({names})" in shell("helixctl completion zsh")


# --- who may ----------------------------------------------------------------------------------------


# SPEC: A5
def test_caps_is_a_tree_of_who_has_it_through_whom(fresh):
    fresh("helixctl caps grant user:1000 control:events read,delegate")
    fresh("su guest -c 'helixctl caps grant user:2000 control:events read'")
    refused = fresh("su guest -c 'helixctl caps grant user:2000 control:events read'")
    assert "you need write on control:caps (you are user:1000)" in refused
    fresh("helixctl caps grant user:1000 control:caps write")
    assert fresh("su guest -c 'helixctl caps grant user:2000 control:events read'") == ""
    tree = fresh.plain("helixctl caps control:events")
    assert tree == ("control:events\n"
                    "  root: read,write,execute,control,delegate\n"
                    "    user:1000: read,delegate\n"
                    "      user:2000: read")
    assert tree in fresh.plain("helixctl caps")
    fresh("helixctl caps revoke user:1000 control:events")
    assert "user:" not in fresh.plain("helixctl caps control:events")


# SPEC: A5
def test_run_keeps_what_it_names_and_nothing_else(shell):
    assert shell("helixctl run --nothing -- helixctl threads") == (
        "helixctl: /helix/threads: you need read on control:threads, and are confined; "
        "start again with helixctl run --only 'control:threads read'")
    line = "helixctl run --only 'control:threads read' --only 'control:topics read' -- "
    assert "switches" in shell(line + "helixctl threads")
    assert "published" in shell(line + "helixctl topics")
    assert "you need read on control:caps" in shell(line + "helixctl caps")
    assert shell.status(line + "false") == 1
    assert shell.status(line + "/no/such/program") == 127
    five = " ".join(f"--only 'control:{name} read'"
                    for name in ("threads", "topics", "caps", "log", "components", "modules"))
    assert "health" in shell(f"helixctl run {five} -- helixctl components")


# SPEC: A5 P7
def test_a_newcomer_follows_events_becomes_guest_is_refused_granted_and_revoked(fresh):
    screen = Screen(fresh)
    screen.look(r"Running \d+ processes")
    fresh.guest.press("q")
    screen.left()

    # Events are followed in the background while things happen.
    fresh("helixctl events > /tmp/events & until grep -q helixctl /proc/$!/comm; do :; done")
    fresh("until grep -q 1 /tmp/ready 2> /dev/null; do ls / > /dev/null; "
          "grep -q process /tmp/events && echo 1 > /tmp/ready; done")
    fresh("helixctl slots demo reload user")
    fresh("until grep -q 'loaded name=demo' /tmp/events; do :; done; kill $!; wait $! 2> /dev/null")
    assert re.search(r"module\.lifecycle unloaded name=demo\n[\d.]+ module\.lifecycle loaded",
                     fresh("cat /tmp/events"))

    fresh.become("su guest")
    assert "uid=1000(guest)" in fresh("id")
    assert fresh("helixctl threads") == REFUSAL.format("threads")
    assert fresh.status("helixctl threads") == 1
    assert fresh("helixctl refused | grep missing").split() == ["missing:", "read"]
    fresh.become("exit")
    assert fresh(ASK.format("threads")) == ""

    fresh.become("su guest")
    assert "switches" in fresh("helixctl threads")
    assert "control:threads" in fresh("helixctl caps self")
    assert fresh("helixctl topics") == REFUSAL.format("topics")


GUEST_READS_TWICE = """
exec 3< /helix/threads
for round in 1 2; do
    read word < /tmp/go
    dd bs=8 count=1 <&3 > /tmp/guest-$round 2>&1
done"""


# SPEC: A5
def test_an_open_file_is_closed_to_its_reader_when_the_right_is_revoked(fresh):
    for name in ("threads", "events"):
        fresh(ASK.format(name))
    fresh("mkfifo -m 666 /tmp/go")
    for line in GUEST_READS_TWICE.strip().split("\n"):
        fresh(f"echo '{line}' >> /tmp/twice")
    fresh("su guest -c 'sh /tmp/twice' &")
    fresh("su guest -c 'helixctl events process' > /tmp/heard 2>&1 &")
    fresh("until grep -q process /tmp/heard; do ls / > /dev/null; done")
    fresh("echo > /tmp/go; until grep -q records /tmp/guest-1; do :; done")
    assert "1+0 records in" in fresh("cat /tmp/guest-1")

    for name in ("threads", "events"):
        fresh(f"helixctl caps revoke user:1000 control:{name}")
    fresh("echo > /tmp/go; until grep -q denied /tmp/guest-2; do :; done")
    assert "Permission denied" in fresh("cat /tmp/guest-2")
    # The other one is woken by an event that it may no longer hear.
    fresh("until grep -q 'you need' /tmp/heard; do ls / > /dev/null; done")
    assert REFUSAL.format("events") in fresh("cat /tmp/heard")


# --- acting -----------------------------------------------------------------------------------------


def test_a_slot_is_shown_and_its_module_loaded_again(fresh):
    assert fresh.plain("helixctl slots demo").split("\n")[1:] == ["gate:   open", "deaths: 0"]
    assert "gate:   user" in fresh.plain("helixctl slots demo reload user")
    assert rows(fresh.plain("helixctl slots"))[1][3] == "user"
    assert "gate:   user" in fresh.plain("helixctl slots demo reload")
    assert "gate:   open" in fresh.plain("helixctl slots demo reload open")


# SPEC: P7
def test_events_are_counted_chosen_and_turned_into_objects(shell):
    line = ("helixctl {} > /tmp/e & until grep -q helixctl /proc/$!/comm; do :; done; "
            "while kill -0 $! 2> /dev/null; do ls / > /dev/null; done; cat /tmp/e")
    text = shell(line.format("events -n 2 process"))
    lines = re.findall(r"^\d+\.\d{6} process \w+ id=\d+.* name=\S+$", text, re.MULTILINE)
    assert len(lines) == 2
    objects = [json.loads(each) for each in
               re.findall(r"^\{.*\}$", shell(line.format("--json events -n 2")), re.MULTILINE)]
    assert len(objects) == 2
    assert all(set(each) == {"time", "topic", "what"} for each in objects)


def test_subsystems_are_suspended_and_resumed(fresh):
    fresh.guest.type("helixctl power suspend; cat /helix/state; helixctl power resume")
    fresh.guest.expect(PROMPT)
    assert "state: Suspended" in fresh.guest.text
    assert "state: Running" in fresh("cat /helix/state")


# SPEC: O7
def test_the_machine_sleeps_so_many_seconds(fresh):
    assert fresh.status("helixctl power suspend 2") == 0
    assert "state: Running" in fresh("cat /helix/state")
    assert int(re.search(r"suspended for (\d+) ms", fresh("cat /helix/log"))[1]) >= 1500


def test_power_off_switches_the_machine_off(fresh):
    fresh.guest.type("helixctl power off")
    assert fresh.guest.end() == 0


# SPEC: Y5
def test_hooks_are_switched_and_calls_counted_and_told(fresh):
    assert re.search(r"^metrics +no ", fresh.plain("helixctl hooks"), re.MULTILINE)
    fresh("helixctl hooks on metrics; helixctl hooks on audit; helixctl syscalls reset")
    assert re.search(r"^metrics +yes ", fresh.plain("helixctl hooks"), re.MULTILINE)
    fresh("for i in 1 2 3 4 5; do cat /no/such/file; done")
    table = {row[1]: row for row in rows(fresh.plain("helixctl syscalls"))}
    assert int(table["openat"][2]) >= 5 and int(table["openat"][3]) >= 5
    assert [name for name in table["call"] if name.startswith("p")] == [
        "p50_ns", "p90_ns", "p99_ns", "p999_ns"]
    assert all(int(row[5]) <= int(row[6]) <= int(row[7]) <= int(row[8]) for name, row in table.items()
               if name != "call")
    fresh("helixctl audit -n 40 > /tmp/a & until grep -q read /tmp/a; do ls / > /dev/null; done")
    assert re.search(r"^\d+\.\d{6} process=\d+ thread=\d+ subject=root us=\d+ \w+\(.*\) = -?\d+$",
                     fresh("cat /tmp/a"), re.MULTILINE)
    fresh("helixctl hooks order metrics -5; helixctl hooks off audit")
    text = fresh.plain("helixctl hooks")
    assert re.search(r"^metrics +yes +-5 ", text, re.MULTILINE)
    assert re.search(r"^audit +no ", text, re.MULTILINE)
    assert "nothing was changed" in fresh("helixctl hooks on nothing")


def test_the_recorder_is_switched_marked_and_shown(fresh):
    group = rows(fresh.plain("helixctl trace --kinds"))[1][0]
    assert fresh(f"helixctl trace off; helixctl trace clear; helixctl trace on {group}") == ""
    assert re.search(rf"^{group} +yes ", fresh.plain("helixctl trace --kinds"), re.MULTILINE)
    assert fresh("helixctl trace mark hello there") == ""
    assert "hello" in fresh.plain("helixctl trace")
    assert "lists the groups" in fresh("helixctl trace on nothing")
    assert fresh("helixctl trace off") == ""


# SPEC: Y5
def test_the_policy_is_shown_and_replaced_or_kept(fresh):
    assert fresh("helixctl policy") == fresh("cat /helix/policy")
    assert fresh("helixctl policy > /tmp/p; helixctl policy load /tmp/p") == ""
    fresh("echo nonsense > /tmp/q")
    before = fresh("helixctl policy")
    assert "the old one is in force" in fresh("helixctl policy load /tmp/q")
    assert fresh("helixctl policy") == before
    assert "No such file" in fresh("helixctl policy load /no/file")


# --- the full screen --------------------------------------------------------------------------------


def test_top_shows_who_computes_and_sorts(fresh):
    fresh("sh -c 'while :; do :; done' & sleep 1000 &")
    screen = Screen(fresh)
    screen.look(r"^ +\d+ +1 +[5-9]\d\.\d .* sh -c while")
    assert "while" in screen.table()[0]
    assert any("*CPU%" in row for row in screen.rows)
    screen.press("p", r"\*PID")
    numbers = [int(row[0]) for row in screen.table()]
    assert numbers == sorted(numbers) and 0 in numbers and 1 in numbers
    screen.press("n", r"\*NAME")
    names = [" ".join(row[5:]) for row in screen.table()]
    assert names == sorted(names) and "sleep 1000" in names
    screen.press("m", r"\*MEMORY")
    sizes = [float(row[4][:-1]) * {"B": 1, "K": 1 << 10, "M": 1 << 20}[row[4][-1]]
             for row in screen.table()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    screen.press("t", r"THREAD .*STATE")
    assert any(row[-1] == "reaper" for row in screen.table())
    screen.press("h", "sort by memory")
    screen.press("h", r"THREAD .*STATE")
    fresh.guest.press("q")
    screen.left()
    fresh("kill %1 %2")


def test_top_counts_as_the_files_do(shell):
    screen = Screen(shell)
    screen.look(r"Running \d+ processes")
    processes, threads = map(int, re.search(r"Running (\d+) processes, (\d+) threads",
                                            "\n".join(screen.rows)).groups())
    shell.guest.press("q")
    screen.left()
    state = dict(re.findall(r"^(\w+): (.*)$", shell("cat /helix/state"), re.MULTILINE))
    # helixctl then, cat now.
    assert abs(int(state["processes"]) - processes) <= 1 and abs(int(state["threads"]) - threads) <= 2


def test_top_gives_the_terminal_back_whatever_ends_it(shell):
    before = shell("stty -a")
    for key in ("q", "\x03"):
        screen = Screen(shell)
        screen.look("q quit")
        shell.guest.press(key)
        screen.left()
        assert shell("stty -a") == before
    screen = Screen(shell)
    screen.look("q quit")
    shell.key("Z")
    screen.left()
    assert shell("stty -a") == before
    assert "Stopped" in shell("jobs")
    again = Screen(shell, "fg")
    again.look("q quit")
    shell.guest.press("q")
    again.left()
    assert shell("stty -a") == before


def test_top_follows_the_size_of_the_window(shell):
    shell("stty rows 24 cols 80")
    shell("(sleep 2; stty rows 12 cols 40 < /dev/console) &")
    screen = Screen(shell)
    screen.look("q quit")
    assert len(screen.rows) == 24
    for _ in range(40):
        if len(screen.look()) == 12:
            break
    assert len(screen.rows) == 12 and all(len(row) <= 40 for row in screen.rows)
    shell.guest.press("q")
    screen.left()
    shell("stty rows 24 cols 200")


def test_top_ends_after_its_count_and_prints_without_a_terminal(shell):
    text = shell("helixctl top -n 2 -d 0.2 | cat")
    assert text.count("\nRunning ") == 2 and "\x1b" not in text
    assert re.search(r"^ +1 +1 .* init$", text, re.MULTILINE)
    screen = Screen(shell, "helixctl top -n 1 -d 0.2")
    screen.left()
