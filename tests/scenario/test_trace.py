"""A person records what the kernel does, reads it and turns it into a picture."""
import json
import re
import subprocess

import pytest
from conftest import ROOT, USER_SPACE
from test_panic import the_block
from test_shell import Shell

ROW = re.compile(r"^ *(\d+)  +(\d+)  +(\d+)  +(\S+)  +(\S+)(?:  +(.*))?$", re.MULTILINE)


@pytest.fixture(name="shell")
def a_shell(boot):
    return Shell(boot(init=USER_SPACE, smp=2))


def rows_of(text):
    """The rows of a trace: time, CPU, thread, name, kind, details."""
    return [(int(time), int(cpu), int(thread), name, kind, details or "")
            for time, cpu, thread, name, kind, details in ROW.findall(text)]


def in_order(rows, *wanted):
    """Whether there are rows, one behind the other, of which each fits a pair of kind and pattern."""
    rest = iter(rows)
    return all(any(row[4] == kind and re.search(pattern, row[5]) for row in rest)
               for kind, pattern in wanted)


# SPEC: D4
def test_a_pipeline_is_recorded_with_its_switches_and_calls_in_order(shell):
    shell.run("echo on calls switches > /helix/trace")
    shell.run("echo clear > /helix/trace; echo mark begin > /helix/trace; "
              "seq 30 | wc -l; echo mark end > /helix/trace; echo off > /helix/trace")
    text = shell.run("cat /helix/trace")
    rows = rows_of(text)
    times = [row[0] for row in rows]
    assert times == sorted(times) and len(rows) > 50
    begin, end = (next(number for number, row in enumerate(rows)
                       if row[4:] == ("mark", word)) for word in ("begin", "end"))
    rows = rows[begin:end]
    assert in_order(rows, ("call", "^pipe2"), ("return", "^pipe2 result=0"), ("call", "^clone"),
                    ("fork", r"process=\d+"))
    # Of each of the two programs: its calls, in order, and that it ran.
    seq, = {row[2] for row in rows if row[3] == "seq"}
    wc, = {row[2] for row in rows if row[3] == "wc"}
    assert in_order([row for row in rows if row[2] == seq], ("name", "^seq"), ("call", "^write"),
                    ("return", r"^write result=\d+"), ("exit", r"status=0x0"), ("switch", "ended"))
    assert in_order([row for row in rows if row[2] == wc], ("name", "^wc"), ("call", "^read"),
                    ("return", r"^read result=[1-9]\d*"), ("call", "^read"),
                    ("return", "^read result=0"), ("call", "^write"), ("exit", "status=0x0"))
    for thread in (seq, wc):
        assert any(row[4] == "switch" and row[5].startswith(f"to={thread} ") for row in rows)
    # A call that has begun ends before its thread begins another.
    for thread in (seq, wc):
        words = [row[4] for row in rows if row[2] == thread and row[4] in ("call", "return")]
        assert all(words[at] != words[at + 1] for at in range(len(words) - 1))
    picture = subprocess.run([ROOT / "tools/trace2json"], input=text, text=True, check=True,
                             capture_output=True)
    names = {event["name"] for event in json.loads(picture.stdout)["traceEvents"]}
    assert {"pipe2", "read", "write", f"wc {wc}", f"seq {seq}", "mark begin"} <= names


def test_what_is_recorded_is_shown_switched_and_refused(shell):
    assert re.search(r"^calls +no +call return$", shell.run("cat /helix/trace_kinds"), re.MULTILINE)
    shell.run("echo on calls marks > /helix/trace")
    assert re.search(r"^calls +yes +call return$", shell.run("cat /helix/trace_kinds"), re.MULTILINE)
    shell.run("echo off calls > /helix/trace")
    kinds = shell.run("cat /helix/trace_kinds")
    assert re.search(r"^calls +no ", kinds, re.MULTILINE)
    assert re.search(r"^marks +yes ", kinds, re.MULTILINE)
    for wrong in ("on nonsense", "on", "nonsense", "clear all", "mark"):
        assert "write error" in shell.run(f"echo {wrong} > /helix/trace")
    shell.run("echo off > /helix/trace; echo clear > /helix/trace")
    assert not rows_of(shell.run("ls / > /tmp/x; cat /helix/trace"))


def test_the_trace_is_json_too(shell):
    shell.run("echo off > /helix/trace; echo clear > /helix/trace; echo mark one > /helix/trace")
    row, = json.loads(shell.run("cat /helix/json/trace"))
    assert row["kind"] == "mark" and row["details"] == "one"
    assert set(row) == {"time_ns", "cpu", "thread", "name", "kind", "details"}


def test_who_may_not_does_not_see_what_others_do(shell):
    assert "denied" in shell.run("su nobody -s /bin/sh -c 'cat /helix/trace'")
    assert "denied" in shell.run("su nobody -s /bin/sh -c 'echo clear > /helix/trace'")


def test_the_command_line_says_what_is_recorded(boot):
    shell = Shell(boot(init=USER_SPACE, append="trace=switches,marks,nonsense trace.records=100"))
    assert "trace: no group begins at nonsense" in shell.guest.text
    kinds = shell.run("cat /helix/trace_kinds")
    assert re.findall(r"^(\w+) +yes ", kinds, re.MULTILINE) == ["switches", "marks"]
    rows = rows_of(shell.run("cat /helix/trace"))
    assert {"switch", "wake"} <= {row[4] for row in rows} <= {"switch", "wake", "name", "load"}
    assert all(sum(row[1] == cpu and row[4] in ("switch", "wake") for row in rows) <= 128
               for cpu in (0, 1))


# SPEC: D4
def test_a_panic_reports_what_happened_just_before(run_to_end):
    result = run_to_end(append="selftest=core_panic_end.in_an_nmi panic=exit "
                               "trace=usual,switches", smp=2)
    block = the_block(result.stdout)
    recent = result.stdout[block.start("recent"):]
    rows = re.findall(r"^-(\d+\.\d{3}) us cpu=(\d) tid=(\d+) (\w+) (.*?)\r?$", recent, re.MULTILINE)
    assert recent.startswith(f"Recent Events: {len(rows)}")
    ages = [float(row[0]) for row in rows]
    assert ages == sorted(ages, reverse=True)
    assert {"switch", "nmi", "panic"} <= {row[3] for row in rows}
    assert ("panic", "in an NMI") in [row[3:] for row in rows]
    for cpu in "01":
        assert 0 < sum(row[1] == cpu for row in rows) <= 16
