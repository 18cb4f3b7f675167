"""The files of /helix: what they say, against other sources; their form for programs; events."""
import json
import re

import pytest
from conftest import ROOT, USER_SPACE
from helix_shell import RECORDS, TABLES, Shell, parse


@pytest.fixture(name="extra", scope="module")
def the_program_that_reads_events(tmp_path_factory):
    """A folder to lay over the initrd."""
    extra = tmp_path_factory.mktemp("extra")
    (extra / "bin").mkdir()
    program = extra / "bin/helix_events"
    program.write_bytes((ROOT / "build/userland/helix/helix_events").read_bytes())
    program.chmod(0o755)
    return extra


@pytest.fixture(name="shell", scope="module")
def a_shell_for_all(boot_once, extra):
    return Shell(boot_once(init=USER_SPACE, smp=2, extra=extra))


@pytest.fixture(name="fresh")
def a_shell_of_its_own(boot, extra):
    return Shell(boot(init=USER_SPACE, extra=extra))


# --- JSON -------------------------------------------------------------------------------------------


def as_text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


STEADY = ["subsystems", "modules", "caps", "privileges", "self", "subscribers", "mailboxes"]


@pytest.mark.parametrize("name", TABLES)
def test_json_has_the_cells_of_the_text(shell, name):
    objects = json.loads(shell(f"cat /helix/json/{name}"))
    if name in RECORDS:
        assert list(objects) == list(shell.record(name))
        return
    rows = shell.table(name)
    assert all(list(each) == list(row) for each, row in zip(objects, rows))
    if name in STEADY:
        assert [{key: as_text(value) for key, value in each.items()} for each in objects] == rows
    elif rows:
        key = "kind" if name == "trace" else next(iter(rows[0])) # times are told anew at each look
        assert {as_text(each[key]) for each in objects} & {row[key] for row in rows}


def test_a_string_of_json_is_quoted(shell):
    shell("cp /bin/helix_events '/tmp/a\"b\\c'; '/tmp/a\"b\\c' stay & "
          "until grep -qF 'a\"b' /helix/threads; do :; done")
    objects = json.loads(shell("cat /helix/json/threads"))
    assert 'a"b\\c' in [each["name"] for each in objects]
    shell("kill $!; wait $! 2> /dev/null")


# --- what they say ----------------------------------------------------------------------------------


def test_version_is_unames(shell):
    assert shell("uname -r").endswith(shell("cat /helix/version"))


def test_state_agrees_with_proc(shell):
    state = shell.record("state")
    assert (state["state"], state["phase"], state["healthy"]) == ("Running", "Running", "yes")
    assert state["cpus"] == state["cpus_online"] == shell("nproc") == "2"
    total, free = (int(shell(f"awk '/^{name}:/ {{ print $2 }}' /proc/meminfo")) << 10
                   for name in ("MemTotal", "MemFree"))
    assert abs(int(state["memory_total"]) - total) < 1 << 20
    assert abs(int(state["memory_free"]) - free) < 2 << 20
    before, after = (float(shell("cat /proc/uptime").split()[0]) * 1000 for _ in range(2))
    assert before - 10 <= int(shell.record("state")["uptime_ms"]) and int(
        state["uptime_ms"]) <= after
    # The shell counts its own children in neither.
    ours = shell("grep processes: /helix/state; ls -d /proc/[0-9]* | wc -l").split()
    assert abs(int(ours[1]) - int(ours[2])) <= 1


def test_threads_are_those_of_proc(shell):
    text = shell("cat /helix/threads > /tmp/t; ls -d /proc/[0-9]*/task/[0-9]*; cat /tmp/t")
    tasks = set(re.findall(r"/proc/(\d+)/task/\d+", text))
    rows = parse(text[text.index("    id  process"):])
    assert {"1"} <= {row["process"] for row in rows} - {"0"} <= tasks | {
        row["process"] for row in rows if row["name"] in ("cat", "exe", "sh")}
    for row in rows:
        if row["process"] == "1":
            assert row["name"] == shell("cat /proc/1/comm") == "init"
    assert {"reaper", "console", "boot/0"} <= {row["name"] for row in rows}


def test_subsystems_are_those_of_the_graph_and_the_key(shell):
    rows = shell.table("subsystems")
    edges = set(re.findall(r'"(\w+)" -> "(\w+)"', shell("cat /helix/subsystems.dot")))
    assert edges == {(row["name"], each) for row in rows
                     for each in row["dependencies"].split(",") if each != "-"}
    assert [int(row["order"]) for row in rows] == list(range(1, len(rows) + 1))
    assert {row["state"] for row in rows} == {"healthy"}
    lines = [rf"{row['order']} {row['name']} {row['version']}[^\n]*\n" for row in rows]
    shell.ask("o", "".join(lines))


def test_components_are_those_of_the_key(shell):
    rows = shell.table("components")
    lines = [rf"{row['name']} {re.escape(row['version'])} healthy: \d+ operations, "
             rf"{row['errors']} errors[^\n]*\n" for row in rows]
    shell.ask("s", "".join(lines))
    assert {row["name"] for row in shell.table("subsystems")} - {row["name"] for row in rows} <= {
        "ipc"}


# What makes a component's operations count go on.
WORK = {
    "memory": "sh -c :", "resources": "sh -c :", "capabilities": "su guest -c :", "time": "sleep 0.01",
    "events": "sh -c :", "mailboxes": None, "console": None, "processors": None,
    "threads": "sh -c :", "interrupts": "sleep 0.01", "modules": "echo open > /helix/slots/demo/reload",
    "monitor": None, "health": "sleep 1.1", "random": "head -c 9 /dev/urandom > /dev/null",
    "terminals": None, "files": "cat /dev/null", "processes": "sh -c :",
    "orchestrator": "echo suspend > /helix/power; echo resume > /helix/power", "hooks": None}


# SPEC: C2
def test_every_components_operations_are_real(shell):
    for name, work in WORK.items():
        read = f"awk '$1 == \"{name}\" {{ print $4 }}' /helix/components"
        if work is not None:
            assert name in shell.column("components", "name")
            before, after = map(int, shell(f"{read}; {work}; {read}").split())
            assert after > before, name
    # What keys and typing provoke.
    read = "awk '/^(monitor|console|terminals) / { print $4 }' /helix/components"
    before = shell(read).split()
    shell.ask("h", "this help")
    after = shell(read).split()
    assert len(before) == 3 and all(int(new) > int(old) for old, new in zip(before, after))


# SPEC: C2
def test_a_components_errors_are_real(boot, tmp_path):
    broken = tmp_path / "lib/modules/demo.hxm"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no module at all")
    shell = Shell(boot(init=USER_SPACE, extra=tmp_path))
    row, = [row for row in shell.table("components") if row["name"] == "modules"]
    assert row["errors"] == "1" and row["last_error"].startswith("HX_E")
    assert "write error" in shell("echo > /helix/slots/demo/reload")
    assert shell("cat /helix/slots/demo/active") == "-"
    assert shell.column("modules", "module")[0] == "-"


def test_modules_are_those_of_the_slots_and_the_key(shell):
    rows = {row["slot"]: row for row in shell.table("modules")}
    row = rows["demo"]
    assert shell("cat /helix/slots/demo/active") == f"{row['module']} {row['version']}"
    assert shell("cat /helix/slots/demo/gate /helix/slots/demo/deaths").split() == [
        row["gate"], row["deaths"]]
    assert set(shell("ls /helix/slots").split()) == set(rows)
    shell.ask("g", rf"slot demo: {row['module']} {row['version']}, {row['gate']} gate, "
              rf"{row['deaths']} deaths")
    shell("echo user > /helix/slots/demo/reload")
    shell.ask("g", r"slot demo: demo 1\.0\.0, user gate")
    assert shell.column("modules", "gate")[0] == "user"
    shell("echo open > /helix/slots/demo/reload")


# SPEC: A5
def test_caps_are_those_of_the_key(shell):
    rows = shell.table("caps")
    lines = [rf"{row['resource']}: {row['holder']}: {row['rights']}, through {row['through']}\r+\n"
             for row in rows]
    shell.ask("a", "".join(lines))
    held = shell.table("self")
    assert [(row["resource"], row["rights"]) for row in held] == [
        (row["resource"], row["rights"]) for row in rows if row["holder"] == "root"]
    assert shell.as_guest("cat /helix/self").splitlines()[1:] == []


# SPEC: A5
def test_privileges_are_those_of_the_list(shell):
    text = (ROOT / "subsys/access/privilege_list.h").read_text(encoding="utf-8")
    listed = re.findall(r'X\(PRIVILEGE_\w+, \d+, "(\w+)", \w+,\s+(?:\\\n\s*)?"([^"]+)"\)', text)
    rows = shell.table("privileges")
    assert [(row["resource"], row["meaning"]) for row in rows] == [
        (f"privilege:{name}", meaning) for name, meaning in listed]
    assert {row["held"] for row in rows} == {"yes"}
    assert {row["held"] for row in parse(shell.as_guest("cat /helix/privileges"))} == {"no"}


# SPEC: A5
def test_refusals_tell_what_was_tried(shell):
    assert shell.as_guest("mount -t tmpfs none /tmp; cat /helix/refused").endswith(
        "missing: execute\non: privilege:mount\nsubject: user:1000\nerror: HX_EPERM")
    newest = shell.table("refusals")[0]
    assert (newest["resource"], newest["rights"], newest["subject"], newest["error"]) == (
        "privilege:mount", "execute", "user:1000", "HX_EPERM")
    assert int(newest["time_ms"]) <= int(shell.record("state")["uptime_ms"])


def test_resources_count_what_is_there(shell):
    used = "awk '$8 == '$!' && $2 == \"{}\" {{ print $3 }}' /helix/resources"
    shell("helix_events stay 5< /dev/null & until grep -q helix_events /proc/$!/comm; do :; done")
    assert shell(used.format("file-handles")) == shell("ls /proc/$!/fd | wc -l") == "4"
    assert shell(used.format("threads")) == "1"
    assert int(shell(used.format("memory"))) > 4096
    shell("kill $!; wait $! 2> /dev/null")
    assert shell(used.format("threads")) == ""


def test_topics_count_what_happens(shell):
    names = (ROOT / "core/ipc/event_bus.h").read_text(encoding="utf-8")
    fixed = re.findall(r'X\(EVENT_TOPIC_\w+, "([^"]+)"\)', names)
    assert shell.column("topics", "topic")[:len(fixed)] == fixed
    count = "awk '$1 == \"module.lifecycle\" { print $3 }' /helix/topics"
    before, after = map(int, shell(f"{count}; echo > /helix/slots/demo/reload; {count}").split())
    assert after == before + 2


def test_an_open_stream_is_a_subscriber(shell):
    before = shell.table("subscribers")
    text = shell("sh -c 'echo kernel.state > /helix/events; exec 3<> /helix/events; "
                 "echo kernel.state >&3; cat /helix/subscribers'")
    added = [row for row in parse(text) if row not in before]
    assert [row["topics"] for row in added] == ["40"]
    assert shell.table("subscribers") == before


def test_mailboxes_are_those_of_the_key(shell):
    rows = shell.table("mailboxes")
    assert "monitor" in [row["name"] for row in rows]
    shell.ask("x", "".join(rf"(?s).*{row['name']}" for row in rows))


# SPEC: P11
def test_channels_are_those_of_programs(shell):
    assert shell("helix_events channels") == "ok channels"


def test_interrupts_grow_and_belong_to_processors(shell):
    first, second = shell.table("interrupts"), shell.table("interrupts")
    assert sum(int(row["count"]) for row in first) < sum(int(row["count"]) for row in second)
    assert {row["cpu"] for row in first} == {"0", "1"}
    assert all(int(row["longest_ns"]) <= int(row["total_ns"]) for row in first)


def test_the_log_is_the_kernels(shell):
    lines = shell("cat /helix/log").splitlines()
    numbers = [int(line.split()[0]) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert "state: Initializing -> Running" in "\n".join(lines)


# --- events -----------------------------------------------------------------------------------------


# SPEC: P7
@pytest.mark.parametrize("check", ["slow", "pieces", "polled", "woken", "many", "killed", "topics"])
def test_events_hold(shell, check):
    assert shell(f"helix_events {check}") == f"ok {check}"


def test_big_tables_come_whole(shell):
    assert shell("helix_events big") == "ok big"


# SPEC: P7
def test_user_space_hears_of_processes_modules_and_the_kernels_state(fresh):
    fresh("cat /helix/events > /tmp/e & until [ $(awk '$1 == \"kernel.state\" { print $2 }' "
          "/helix/topics) = 2 ]; do :; done")
    fresh("echo user > /helix/slots/demo/reload; echo suspend > /helix/power; echo resume > "
          "/helix/power; sh -c 'exit 3'; echo $! > /tmp/pid; "
          "cp /bin/helix_events /tmp/odd; /tmp/odd; until grep -q name=odd /tmp/e && grep -q status=768 /tmp/e; do :; done")
    text = fresh("kill $(cat /tmp/pid); cat /tmp/e")
    stamp = r"^(\d+)\.(\d{6}) "
    for line in (r"module\.lifecycle unloaded name=demo", r"module\.lifecycle loaded name=demo",
                 r"kernel\.state old=Running new=Suspended", r"kernel\.state old=Suspended new=Running",
                 r"process started id=\d+ parent=\d+ name=sh", r"process executed id=\d+ name=odd",
                 r"process ended id=\d+ status=0 name=odd", r"process ended id=\d+ status=768 name=\w+"):
        assert re.search(stamp + line + "$", text, re.MULTILINE), line
    times = [float(f"{a}.{b}") for a, b in re.findall(stamp, text, re.MULTILINE)]
    assert times == sorted(times)


def test_publishing_to_a_reader_keeps_its_limit(run_to_end):
    # Without a scheduler's module: with one, waking somebody is past it (CAVEATS.md).
    result = run_to_end(append="bench=event_publish_reader* panic=exit console=serial "
                        "module.scheduler=none", icount=True)
    figures = dict(re.findall(r"^bench: (\w+) (\d+) instructions", result.stdout, re.MULTILINE))
    assert len(figures) == 2
    assert int(figures["event_publish_reader"]) <= 300 # one that lags
    assert int(figures["event_publish_reader_wakes"]) <= 300 # one that waits
