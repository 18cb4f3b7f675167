"""Who may open the files of /helix, and what their commands answer."""
import re

import pytest
from conftest import USER_SPACE
from helix_shell import FILE_LIST, GUARDED, NAMES, NOT_READ, OPEN, PATHS, ROWS, TABLES, Shell, parse


@pytest.fixture(name="shell", scope="module")
def a_shell_for_all(boot_once):
    return Shell(boot_once(init=USER_SPACE, smp=2))


# --- who may ----------------------------------------------------------------------------------------


def test_every_row_of_the_list_is_a_file(shell):
    assert len(ROWS) == len(re.findall(r"X\(HELIXFS_", FILE_LIST)) >= 22
    assert sorted(shell("ls /helix").split()) == sorted(NAMES + ["json"])
    assert sorted(shell("ls /helix/json").split()) == sorted(TABLES)


# SPEC: A5
@pytest.mark.parametrize("name", GUARDED)
def test_a_file_is_refused_without_its_capability_and_given_with_it(shell, name):
    path = "/helix/" + PATHS.get(name, name)
    # A stream is waited for.
    read = f"exec 3< {path}" if name in ("events", "audit") else f"head -c 1 {path} > /dev/null"
    refused = shell.as_guest(f"sh -c \"{read}\"; cat /helix/refused")
    assert re.search(f"Permission denied\nmissing: read\non: control:{re.escape(name)}\n"
                     "subject: user:1000\nerror: HX_EACCES$", refused)
    shell(f"echo grant user:1000 control:{name} read > /helix/caps")
    assert shell.as_guest(f"{read} && echo may").endswith("may")
    if name in TABLES:
        assert shell.as_guest(f"head -c 1 /helix/json/{name}") in "[{"
    # It opens that file and no other.
    other = "subsystems" if name != "subsystems" else "threads"
    assert "Permission denied" in shell.as_guest(f"cat /helix/{other}")
    shell(f"echo revoke user:1000 control:{name} > /helix/caps")
    assert "Permission denied" in shell.as_guest(read)
    if name in TABLES:
        assert "Permission denied" in shell.as_guest(f"cat /helix/json/{name}")


# SPEC: A5
@pytest.mark.parametrize("name, command, right", [
    ("caps", "grant user:1000 control:power write", "write"), ("power", "off", "write"),
    ("slots/demo/reload", "user", "write"), ("events", "process", "read"),
    ("hooks", "on audit", "write"), ("policy", "x", "write"), ("syscalls", "reset", "write")])
def test_a_command_is_refused_without_its_capability(shell, name, command, right):
    before = shell("cat /helix/caps /helix/slots/demo/gate /helix/hooks /helix/policy")
    refused = shell.as_guest(f"echo {command} > /helix/{name}; cat /helix/refused")
    assert f"Permission denied\nmissing: {right}\non: control:{name.split('/')[0]}\n" in refused
    assert shell("cat /helix/caps /helix/slots/demo/gate /helix/hooks /helix/policy") == before


# SPEC: A5
def test_to_load_a_module_again_needs_a_right_on_its_slot_too(shell):
    shell("echo grant user:1000 control:slots write > /helix/caps")
    assert "Operation not permitted" in shell.as_guest("echo user > /helix/slots/demo/reload")
    assert "missing: control\non: slot:demo\n" in shell.as_guest("cat /helix/refused")
    assert shell("cat /helix/slots/demo/gate") == "open"
    shell("echo grant user:1000 slot:demo control > /helix/caps")
    assert shell.as_guest("echo user > /helix/slots/demo/reload") == ""
    assert shell("cat /helix/slots/demo/gate") == "user"
    shell("echo revoke user:1000 control:slots > /helix/caps; "
          "echo revoke user:1000 slot:demo > /helix/caps; echo open > /helix/slots/demo/reload")


# SPEC: A5
@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_is_open(shell, name):
    if name not in NOT_READ:
        assert "denied" not in shell.as_guest(f"cat /helix/{name}")
    else:
        assert shell.as_guest(f"echo nothing > /helix/{name}") == ""


def test_files_that_are_no_commands_are_not_written(shell):
    commands = {"caps", "confine", "power", "events", "slots", "hooks", "policy", "syscalls", "cpus"}
    for name in set(NAMES) - commands:
        assert "0" not in shell(f"echo x > /helix/{name}; echo $?").split("\n")[-1], name


# SPEC: A5
def test_guest_passes_on_only_what_it_may(shell):
    shell("echo grant user:1000 control:caps write > /helix/caps; "
          "echo grant user:1000 control:log read > /helix/caps")
    denied = "Operation not permitted"
    assert denied in shell.as_guest("echo grant user:7 control:log read > /helix/caps")
    assert "missing: read,delegate\non: control:log\n" in shell.as_guest("cat /helix/refused")
    assert denied in shell.as_guest("echo grant user:1000 control:power write > /helix/caps")
    shell("echo grant user:1000 control:topics read,delegate > /helix/caps")
    assert denied in shell.as_guest("echo grant user:7 control:topics write > /helix/caps")
    assert shell.as_guest("echo grant user:7 control:topics read > /helix/caps") == ""
    # What it did not give it cannot take.
    shell("echo grant user:7 control:threads read > /helix/caps")
    assert "No such file" in shell.as_guest("echo revoke user:7 control:threads > /helix/caps")
    assert shell.as_guest("echo revoke user:7 control:topics > /helix/caps") == ""
    for line in ("user:1000 control:caps", "user:1000 control:log", "user:1000 control:topics",
                 "user:7 control:threads"):
        assert shell(f"echo revoke {line} > /helix/caps") == ""
    assert "user:" not in shell("cat /helix/caps")


# --- commands ---------------------------------------------------------------------------------------

INVALID, ABSENT = "Invalid argument", "No such file or directory"


@pytest.mark.parametrize("name, command, error", [
    ("caps", "", INVALID), ("caps", "frobnicate", INVALID), ("caps", "grant", INVALID),
    ("caps", "grant user:1 control:log", INVALID),
    ("caps", "grant user:1 control:log read read", INVALID),
    ("caps", "grant user:1 control:log fly", INVALID),
    ("caps", "grant user:1 control:log read,", INVALID),
    ("caps", "grant user:1 control read", INVALID),
    ("caps", "grant user:x control:log read", INVALID),
    ("caps", "grant user:1 control:nothing read", ABSENT),
    ("caps", "grant user:1 nothing:log read", ABSENT),
    ("caps", "grant process:99999 control:log read", ABSENT),
    ("caps", "grant user:1 control:log read\\nrevoke user:1 control:log", INVALID),
    ("caps", "revoke user:1 control:log", ABSENT), ("caps", "revoke user:1", INVALID),
    ("caps", "a b c d e f g h i j", INVALID),
    ("power", "", INVALID), ("power", "of", INVALID), ("power", "off now", INVALID),
    ("power", "offf", INVALID),
    ("slots/demo/reload", "closed", INVALID), ("slots/demo/reload", "open user", INVALID),
    ("confine", "", INVALID), ("confine", "control:log", INVALID),
    ("confine", "control:log read control:caps", INVALID),
    ("confine", "control:nothing read", ABSENT), ("confine", "control:log fly", INVALID),
    ("confine", "nothing more", INVALID),
])
def test_a_bad_command_is_named_and_changes_nothing(shell, name, command, error):
    looks = "cat /helix/caps /helix/slots/demo/gate /helix/self; grep state: /helix/state"
    before = shell(looks)
    assert error in shell(f"echo -e '{command}' > /helix/{name}")
    assert shell(looks) == before


def test_a_process_is_confined_to_64_rights_at_most(shell):
    confine = "sh -c 'read x < /tmp/rights; echo $x > /helix/confine && wc -l < /helix/self'"
    shell("awk 'NR > 1 && NR < 42 { printf \"%s read \", $1 }' /helix/self > /tmp/rights")
    assert shell(confine) == "41"
    shell("for i in $(seq 65); do echo -n 'control:log read '; done > /tmp/rights")
    assert INVALID in shell(confine)


# SPEC: A5
def test_a_confined_process_keeps_what_it_said_and_gives_it_to_its_children(shell):
    line = "echo control:log read control:threads read,delegate > /helix/confine; "
    held = parse(shell(f"sh -c '{line} cat /helix/self'"))
    assert {(row["resource"], row["rights"]) for row in held} == {
        ("control:log", "read"), ("control:threads", "read,delegate")}
    assert "Permission denied" in shell(f"sh -c '{line} sh -c \"cat /helix/caps\"'")
    assert "switches" in shell(f"sh -c '{line} sh -c \"cat /helix/threads\"'")
    # More is not to be had, not even as another user.
    again = "echo control:caps read > /helix/confine"
    assert "Operation not permitted" in shell(f"sh -c '{line} {again}'")
    assert "Operation not permitted" in shell(f"sh -c '{line} su root -c \"cat /helix/caps\"'")
    half = "echo control:threads read > /helix/confine; "
    assert parse(shell(f"sh -c '{line} {half} cat /helix/self'"))[0]["rights"] == "read"
