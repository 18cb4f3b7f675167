"""busybox's vi and top, used as a person at the console would."""
import re

import pytest
from conftest import USER_SPACE

PROMPT = r"helix:\S+# "
ESCAPE = "\x1b"


@pytest.fixture(scope="module", name="guest")
def a_guest(boot_once):
    guest = boot_once(init=USER_SPACE)
    guest.expect(PROMPT)
    guest.type("stty rows 24 cols 80; export TERM=vt100; cd /tmp")
    guest.expect(PROMPT)
    return guest


def contents(guest, name):
    guest.type(f"cat {name}; echo en''d")
    text = guest.expect(r"\r\n((?:.|\n)*)end\r")[1]
    guest.expect(PROMPT)
    return text.replace("\r", "")


def insert(guest, command, text):
    """What a command begins to insert; the status line says when it does, and when no more."""
    guest.press(command)
    guest.expect(r"\x1b\[KI letter")
    guest.press(text + ESCAPE)
    guest.expect(r"\x1b\[K- letter")


def test_a_text_is_written_changed_and_saved_with_vi(guest):
    guest.type("vi letter")
    guest.expect(r"- letter")
    insert(guest, "i", "Dear reader,\rthis is a lettr.\rsecond line\rthird line")
    guest.press("/lettr\r")
    insert(guest, "cw", "letter")
    guest.press("jdd") # the second line goes
    guest.press("yyp")
    insert(guest, "A", " again")
    guest.press("1G")
    insert(guest, "O", "first of all")
    guest.press(":%s/Dear/Dearest/\r")
    guest.press("ddu") # and undone
    guest.press(":w\r")
    guest.expect(r"letter' \d+L")
    guest.press(":q\r")
    guest.expect(PROMPT)
    assert contents(guest, "letter") == ("first of all\nDearest reader,\nthis is a letter.\nthird line\n"
                                         "third line again\n")


def test_vi_is_left_without_saving(guest):
    guest.type("vi letter")
    guest.expect(r"- letter")
    guest.press("dG")
    insert(guest, "i", "other")
    guest.press(":q\r")
    guest.expect(r"[Nn]o write|unsaved|modified|overrides")
    guest.press(":q!\r")
    guest.expect(PROMPT)
    assert contents(guest, "letter").startswith("first of all\n")


def test_top_shows_processes_and_obeys_its_keys(guest):
    guest.type("sleep 300 &")
    guest.expect(PROMPT)
    guest.type("top -d 1")
    guest.expect(r"Mem: \d+K used, \d+K free")
    guest.expect(r"CPU: +\d+% usr")
    guest.expect(r"Load average: [\d.]+")
    guest.expect(r"PID +PPID USER")
    guest.expect(r"sleep 300")
    guest.press("N")                 # by process id: the newest first
    guest.expect(r"PID +PPID USER")
    guest.expect(r"Mem: \d+K used")  # it goes on by itself
    guest.press("q")
    guest.expect(PROMPT)
    guest.type("kill %1; wait; stty -a | grep -c ' echo '")
    guest.expect(r"\r\n1\r")         # the terminal is as before


def test_top_ends_by_an_interrupt_too(guest):
    guest.type("top -d 5")
    guest.expect(r"Mem: \d+K used")
    guest.press("\x03")
    guest.expect(PROMPT)
    guest.type("echo still here")
    assert re.search("still here", guest.expect(r"\r\nstill here\r")[0])
