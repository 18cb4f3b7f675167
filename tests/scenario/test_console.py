"""The console: what is shown, what is not, and the keys of the debug menu."""
import re
import subprocess

import pytest
from conftest import ROOT

RELEASE = ROOT / "build/x86_64/helix.elf"
DEBUG = ROOT / "build/x86_64-debug/helix.elf"
KDEBUG_TEXT = "slot %s: %s: %s -> %s"  # in subsys/modules/modules.c
KDEBUG_LINE = r"slot demo: fill:  -> demo 1\.0\.0"
STAMP = r"\[ *\d+\.\d{6}\] "
SUBSYSTEMS = ["memory", "time", "console", "processors", "modules", "monitor", "random", "terminals", "files",
              "sockets", "processes"]
COMPONENTS = SUBSYSTEMS + ["orchestrator", "events", "mailboxes", "threads", "interrupts"]
IDLE = {"mailboxes", "terminals", "sockets", "processes"}  # nothing was sent, typed or forked yet
WRITERS = 4


# --- writers and levels ---------------------------------------------------------------------------------


# SPEC: D1
def test_the_null_console_prints_nothing_and_the_guest_lives(run_to_end):
    result = run_to_end(append="console=null exit=init", init="/nothing")
    assert result.stdout == ""
    assert result.returncode == 127


# SPEC: D1
def test_several_consoles_at_once_print_each_line_once(run_to_end):
    result = run_to_end(append="console=null,serial exit=init")
    assert result.stdout.count("helix 0.1.0-alpha: state Running") == 1
    assert result.stdout.count("init: hello from user space") == 1
    assert result.returncode == 0


# SPEC: D2 D3
def test_the_level_error_silences_information_and_warnings_alone(run_to_end):
    result = run_to_end(append="loglevel=error strange=1 exit=init")
    assert not re.search(rf"^{STAMP}", result.stdout, re.MULTILINE)
    assert "helix 0.1.0-alpha: state Running" in result.stdout
    assert result.returncode == 0


# SPEC: D2
def test_the_level_warn_shows_warnings_and_no_information(run_to_end):
    result = run_to_end(append="loglevel=warn strange=1 exit=init")
    stamped = re.findall(rf"^{STAMP}(\w+:)", result.stdout, re.MULTILINE)
    assert stamped and set(stamped) == {"warn:"}


# SPEC: D2
def test_release_images_hold_no_debug_messages(run_to_end):
    assert KDEBUG_TEXT.encode() in DEBUG.read_bytes()
    assert KDEBUG_TEXT.encode() not in RELEASE.read_bytes()
    result = run_to_end(append="loglevel=debug exit=init", kernel=RELEASE)
    assert "debug:" not in result.stdout


# SPEC: D2
def test_debug_images_say_file_and_line(run_to_end):
    result = run_to_end(append="loglevel=debug exit=init", kernel=DEBUG)
    assert re.search(rf"^{STAMP}debug: subsys/modules/modules\.c:\d+: {KDEBUG_LINE}", result.stdout,
                     re.MULTILINE)
    stamped = [line for line in result.stdout.splitlines() if re.match(STAMP, line)]
    assert all(re.match(rf"{STAMP}(\w+: )?\w+(/\w+)*\.c:\d+: ", line) for line in stamped)


def turns_of_four_writers(run_to_end):
    """How often another wrote the next line; all of them came out once, whole and in order."""
    result = run_to_end(append="selftest=core_log* panic=exit", smp=4)
    assert result.returncode == 0, result.stdout
    lines = [line for line in result.stdout.splitlines() if "shout" in line]
    parsed = [re.fullmatch(r"# shout (\d) (\d+) (\w)(\3*)\.", line) for line in lines]
    assert all(parsed), [line for line, match in zip(lines, parsed) if not match]
    for writer in range(WRITERS):
        mine = [match for match in parsed if int(match[1]) == writer]
        assert [int(match[2]) for match in mine] == list(range(len(mine)))
        assert len(mine) == 100
        assert all(len(match[4]) == int(match[2]) % 90 for match in mine)
    return sum(before[1] != after[1] for before, after in zip(parsed, parsed[1:]))


# SPEC: D2
def test_lines_of_four_processors_never_tear(run_to_end):
    """The built-in test logs lines of many lengths, from threads and from interrupt handlers. On a
    busy host the processors may run one after the other."""
    assert any(turns_of_four_writers(run_to_end) > WRITERS for _ in range(10))


# --- keys -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="guest")
def a_running_guest(boot_once):
    guest = boot_once(smp=2, append="loglevel=info").until_running()
    guest.expect("init: ended with status 0")
    guest.expect("time: rate corrected")
    return guest


# SPEC: D3
def test_the_key_h_lists_the_keys(guest):
    answer = guest.ask("h", r"keys:\s+(.*?  z  [^\r\n]+)\r")[1]
    listed = re.findall(r"^  (\w)  \w", "  h" + answer.partition("h")[2], re.MULTILINE)
    assert set("hsoltmcgdnprqvz") <= set(listed) and len(set(listed)) == len(listed)


# SPEC: C2 D3
def test_the_key_s_shows_every_component_healthy_with_its_numbers(guest):
    answer = guest.ask("s", r"state Running, phase Running\s+(.*?processes [^\r\n]+)\r")[1]
    rows = re.findall(r"^(\S+) \d+\.\d+\.\d+ healthy: (\d+) operations, (\d+) errors "
                      r"\(last HX_OK\), (\d+) bytes, up (\d+) ms", answer, re.MULTILINE)
    numbers = {row[0]: row for row in rows}
    assert set(COMPONENTS) <= set(numbers)
    assert all(int(numbers[name][1]) > 0 for name in COMPONENTS if name not in IDLE)
    assert all(int(row[4]) > 0 for row in rows)
    assert int(numbers["memory"][3]) > 0
    assert int(numbers["processors"][1]) == 2


# SPEC: O2 O8
def test_the_key_o_shows_subsystems_behind_what_they_need(guest):
    answer = guest.ask("o", r"(1 memory.*?\d processes [^\r\n]+)\r")[1]
    seen = []
    for number, line in enumerate(re.split(r"[\r\n]+", answer), 1):
        match = re.fullmatch(r"(\d+) (\w+) [\d.]+(?: <- ([\w ]+))?", line)
        assert int(match[1]) == number
        assert set((match[3] or "").split()) <= set(seen)
        seen.append(match[2])
    assert set(SUBSYSTEMS) <= set(seen)


# SPEC: O8
def test_the_key_v_shows_the_graph_that_graphviz_draws(guest):
    graph = guest.ask("v", r"(digraph subsystems \{.*?\r?\n\})")[1].replace("\r", "")
    drawn = subprocess.run(["dot", "-Tplain"], input=graph, text=True, capture_output=True, check=True)
    edges = set(re.findall(r"^edge (\w+) (\w+) ", drawn.stdout, re.MULTILINE))
    assert {("time", "memory"), ("console", "memory"), ("monitor", "ipc")} <= edges
    assert set(SUBSYSTEMS) <= set(re.findall(r"^node (\w+) ", drawn.stdout, re.MULTILINE))


# SPEC: O7 S1 K2 K4
def test_the_key_z_suspends_the_kernel_and_wakes_it(guest):
    guest.ask("z", "state: Running -> Suspended")
    guest.expect("suspended: z resumes")
    guest.ask("s", "state Suspended, phase Running")
    guest.ask("z", r"time: suspended for \d+ ms, \d{9,} seconds since 1970")
    guest.expect("state: Suspended -> Running")
    guest.expect("resumed")
    guest.ask("s", "state Running, phase Running")


# SPEC: K2 L3
def test_switching_off_while_suspended_waits_until_the_kernel_is_resumed(boot):
    guest = boot(append="loglevel=info").until_running()
    guest.ask("z", "suspended: z resumes")
    guest.ask("q", "shutdown requested: power off")
    guest.ask("s", "state Suspended, phase Running")
    guest.ask("z", "shutting down: power off")
    guest.expect("helix: halted")
    assert guest.end() == 0


# SPEC: D4
def test_the_key_l_shows_earlier_lines_again_in_order(guest):
    guest.ask("?", "no such key; h lists them")
    answer = guest.ask("l", r"\d\.\d{6} no such key; h lists them")
    rows = re.findall(r"^ *(\d+) +(\d+\.\d{6}) (.*?)\r*$", answer.string[:answer.end()],
                      re.MULTILINE)
    numbers = [int(row[0]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [float(row[1]) for row in rows] == sorted(float(row[1]) for row in rows)
    assert 1 < len(rows) <= 32


# SPEC: D4
def test_the_log_keeps_what_the_console_did_not_show(boot):
    guest = boot(append="loglevel=error").until_running()
    assert "phase: Running" not in guest.text
    guest.ask("l", r" \d+\.\d{6} phase: Running")


def test_the_key_t_shows_the_threads_there_are(guest):
    answer = guest.ask("t", r"(\d+) threads:(.*?monitor[^\r\n]+)\r")
    rows = re.findall(r"^ *(\d+) (\S+) +(\w+) +CPU (\d+), (\d+) us, (\d+) switches", answer[2],
                      re.MULTILINE)
    names = {row[1]: row for row in rows}
    assert {"boot/0", "boot/1", "kernel", "console", "monitor", "reaper"} <= set(names)
    assert len({row[0] for row in rows}) == len(rows)
    assert names["monitor"][2] == "running"
    assert all(int(row[3]) < 2 for row in rows)


def test_the_key_m_shows_memory_that_adds_up(guest):
    answer = guest.ask("m", r"memory: (\d+) KiB managed, (\d+) KiB free; heap (\d+) objects")
    managed, free, objects = (int(answer[group]) for group in (1, 2, 3))
    assert 0 < free < managed <= 256 << 10
    assert objects > 0


def test_the_key_c_shows_both_processors_online(guest):
    answer = guest.ask("c", r"CPU 0: online, busy (\d+) per mille, (\d+) ticks\s+"
                            r"CPU 1: online, busy (\d+) per mille, (\d+) ticks")
    assert int(answer[1]) <= 1000 and int(answer[3]) <= 1000
    assert int(answer[2]) > 0


def test_the_key_g_shows_the_module_in_its_slot(guest):
    guest.ask("g", r"slot demo: demo 1\.0\.0, open gate, 0 deaths")
