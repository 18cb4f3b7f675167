"""The screen: what stands on it, read back from pictures that QEMU takes of it."""
import re
import time

import pytest
from conftest import PATIENCE, USER_SPACE
from helix_shell import Shell
from helixtools.screenshot import Monitor, Reader

GREY, WHITE, RED, YELLOW = "aaaaaa", "ffffff", "ff5555", "ffff55"
ROWS, COLUMNS = 48, 128


class Screen:
    """The screen of a guest that `boot` started with its options."""

    def __init__(self, folder):
        self._socket, self._picture = folder / "monitor", folder / "picture.ppm"
        self._reader = Reader()
        self.options = {"qemu_args": f"-vga std -qmp unix:{self._socket},server=on,wait=off"}

    def connect(self):
        self.monitor = Monitor(self._socket)
        return self

    def picture(self):
        return self.monitor.picture(self._picture)

    def rows(self):
        return self._reader.rows(self.picture())

    def text(self):
        return "\n".join(self.rows())

    def until(self, pattern, patience=PATIENCE):
        """Wait until a regular expression is found on the screen; the text that is there then."""
        end = time.monotonic() + patience
        while not re.search(pattern, self.text(), re.MULTILINE):
            if time.monotonic() > end:
                pytest.fail(f"no {pattern!r} on the screen:\n{self.text()}", pytrace=False)
            time.sleep(0.2)
        return self.text()

    def colour_of(self, text):
        return self._reader.colour_of(self.picture(), text)


@pytest.fixture(name="screen")
def a_screen(tmp_path):
    return Screen(tmp_path)


# SPEC: D1
def test_the_log_is_on_the_screen_from_its_first_line_in_colours_by_level(boot, screen):
    guest = boot(append="loglevel=info strange=1", **screen.options).until_running()
    screen.connect()
    text = screen.until("state Running after")
    on_the_line = re.search(r"^(helix \S+)\r", guest.text, re.MULTILINE)[1]
    assert on_the_line in text and re.search(r"^\[ +\d\.\d{6}\] screen: standard VGA, 128 columns, 48 rows$", text, re.MULTILINE)
    assert screen.colour_of("screen: standard VGA") == GREY
    assert screen.colour_of("warn: command line: unknown key strange") == YELLOW
    assert screen.colour_of("state Running after") == WHITE


# SPEC: D1
def test_without_a_display_there_is_no_screen_and_nobody_says_a_word(boot):
    guest = boot(append="loglevel=debug", qemu_args="-vga none").until_running()
    assert "screen" not in guest.text.replace("modules/screen", "")


# SPEC: D1
@pytest.mark.parametrize("console, is_shown", [("console=serial", False), ("console=serial,fb", True)])
def test_console_says_whether_the_screen_is_used(boot, screen, console, is_shown):
    boot(append=f"loglevel=info {console}", **screen.options).until_running()
    screen.connect()
    if is_shown:
        screen.until("state Running")
    else:
        assert "Running" not in screen.text()


# SPEC: D1
def test_what_scrolls_by_is_there_whole_and_in_order(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    for first in (1, 1001, 2001):
        shell(f"seq {first} {first + 777} | while read n; do echo $n is a line of its own; done")
        shell("echo the last one")
        screen.until("^the last one")
        rows = screen.rows()
        numbers = [int(row.split()[0]) for row in rows if row.endswith("is a line of its own")]
        assert len(numbers) >= ROWS - 10
        assert numbers == list(range(first + 778 - len(numbers), first + 778))


# SPEC: D1
def test_a_panics_report_is_on_the_screen(boot, screen):
    guest = boot(append="panic=halt loglevel=info", **screen.options).until_running()
    screen.connect()
    guest.expect("init: ended")
    guest.ask("p", "=== KERNEL PANIC ===")
    text = screen.until("^Action: Halt$")
    for line in ("Message: asked for with the key p", r"Location: subsys/monitor/\w+.c:\d+:\d+", "State: Running",
                 r"RAX=0x[0-9A-F]{16}", r"#0 \w+\+0x"):
        assert re.search(f"^{line}", text, re.MULTILINE), text


# SPEC: D1
def test_programs_move_about_on_the_screen(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    shell(r"printf '\033[2J\033[10;20Hhere\033[12;1H\033[7mreversed\033[0m \303\244\342\202\254\344\270\255\033[20;1H'")
    rows = screen.until("here").split("\n")
    assert rows[9] == " " * 19 + "here"
    assert rows[11].startswith("reversed ä€\N{REPLACEMENT CHARACTER}")
