"""tools/tour: it can be walked to its end, and says so when something does not come out as it tells."""
import importlib.machinery
import importlib.util
import re
import subprocess
import sys

import pytest
from conftest import PATIENCE, ROOT
from helixtools import tour

PROGRAM = ROOT / "tools/tour"


def test_the_whole_tour_shows_what_it_says():
    walked = subprocess.run([sys.executable, PROGRAM, "--fast"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                            timeout=5 * PATIENCE, check=False)
    assert walked.returncode == 0, walked.stdout[-4000:] + walked.stderr
    assert re.findall(r"^=== \d of \d: (.*) ===$", walked.stdout, re.MULTILINE) == [step.title for step in tour.STEPS]
    assert walked.stdout.count("\nhelix# ") == sum(len(step.commands) for step in tour.STEPS)
    assert "That was the tour" in walked.stdout


@pytest.fixture(name="program")
def the_program_as_a_module(monkeypatch):
    loader = importlib.machinery.SourceFileLoader("tour_program", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tour_program", loader))
    loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["tour", "--fast"])
    return module


def test_a_command_that_does_not_show_what_it_should_ends_the_tour_with_1(program, monkeypatch, capsys):
    commands = [tour.Command("echo no", r"^no$"), tour.Command("cat /helix/nothing", r"^yes$"), tour.Command("echo never")]
    monkeypatch.setattr(tour, "STEPS", [tour.Step("one", "one", "words", commands)])
    assert program.main() == 1
    said = capsys.readouterr().out
    assert "can't open '/helix/nothing'" in said
    assert "tour: this should have come out, and did not: ^yes$" in said
    assert "echo never" not in said and "That was the tour" not in said


def test_a_machine_that_does_not_come_up_ends_it_too(program, monkeypatch, capsys):
    monkeypatch.setattr(tour.Guest, "__init__", lambda guest, run: vars(guest).update(_command=["/bin/false"]))
    assert program.main() == 1
    assert "tour: the shell's prompt did not come (EOF)" in capsys.readouterr().out


# What each step is sure to fail on when the kernel does not do it.
@pytest.mark.parametrize("text, is_good", [
    ("     45 ee9762749fc5338b6c9b0948d14219c7  -", True),
    ("     44 ee9762749fc5338b6c9b0948d14219c7  -\n      1 d41d8cd98f00b204e9800998ecf8427e  -", False),
    ("     44 ee9762749fc5338b6c9b0948d14219c7  -\n      1 head: /dev/zero: Input/output error", False),
    ("", False),
])
def test_a_wrong_byte_is_not_passed_over(text, is_good):
    assert bool(re.search(tour.ALL_THE_SAME, text, re.MULTILINE)) == is_good
