"""The pages on /helix and what is done with it: what their blocks type is typed, what they show is shown."""
import re

import pytest
from conftest import ROOT, USER_SPACE
from helix_shell import Shell

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STYLE = re.compile("\x1b\\[[0-9;]*m")


def steps_of(block):
    """(user's prompt, line to be typed, lines that answer) for each command of a block."""
    for part in re.split(r"^helix(?=[#$] )", block, flags=re.MULTILINE)[1:]:
        command, *answer = part.rstrip("\n").split("\n")
        yield command[0], command[2:], answer


def steps(page):
    for block in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        yield from steps_of(block)


def pattern(lines):
    """Numbers and blanks may be others; … is anything."""
    wanted = ""
    for line in lines:
        if line == "…":
            wanted += r"(?:[^\n]*\n)*"
            continue
        words = re.escape(line.strip()).replace("\\ ", " ").replace("…", "[^\n]*")
        words = re.sub(r"\\\[(\\#|\\\.)+\\\]", r"\\[[#.]+\\]", words)
        words = re.sub(r"\d+(\\\.\d+)?[KMG]?", r"\\d+(?:\\.\\d+)?[KMG]?", words)
        wanted += " *" + re.sub(r" +", " +", words) + " *\n"
    return wanted


class Reader(Shell):
    """Who types a page's commands, as root or guest."""

    who = "#"

    def become(self, who):
        if who != self.who:
            self.guest.type("su guest" if who == "$" else "exit")
            self.guest.expect(r"helix:[^\n]*" + re.escape(who) + " ")
            self.who = who


@pytest.mark.parametrize("page", ["helix-files.md", "helixctl.md", "hooks.md", "hot-reload.md"])
def test_the_pages_commands_do_what_it_says(boot, page):
    reader = Reader(boot(init=USER_SPACE))
    count = 0
    for who, command, answer in steps(page):
        reader.become(who)
        said = STYLE.sub("", reader(command))
        said = said + "\n" if said else ""
        assert re.fullmatch(pattern(answer), said), f"{command}\nsays:\n{said}\nnot:\n" + "\n".join(answer)
        count += 1
    assert count >= {"hot-reload.md": 8, "hooks.md": 6}.get(page, 15)


def test_the_page_of_helixctl_has_no_command_that_is_not_there():
    text = (ROOT / "docs/helixctl.md").read_text(encoding="utf-8")
    table = (ROOT / "user/helixctl/commands.c").read_text(encoding="utf-8")
    names = set(re.findall(r'(?:\.name = |TABLE_COMMAND\()"(\w+)"', table))
    for line in re.findall(r"helixctl ([a-z]+)[^\n]*$", text, re.MULTILINE):
        assert line in names or line in ("of",), line
    assert len(names) > 20
