"""The screen: what stands on it, read back from pictures that QEMU takes of it."""
import re
import time

import pytest
from conftest import PATIENCE, ROOT, TESTS_INITRD, USER_SPACE
from helix_shell import Shell
from helixtools.screenshot import Monitor, Reader

SLOT = "/helix/slots/screen"
KEYBOARD = "/helix/slots/keyboard"
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

    def keep(self, name):
        """For the documentation: `make docs-pictures` copies it."""
        (ROOT / f"build/results/{name}.png").write_bytes(self.picture().png())

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


# SPEC: B1 D1
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_screen_that_a_loader_left_is_drawn_on(boot, screen, firmware):
    boot(append="loglevel=info", iso=firmware, **screen.options).until_running()
    screen.connect()
    text = screen.until("state Running after")
    assert re.search(r"loader: multiboot2, with a screen of 1024 times 768 pixels$", text, re.MULTILINE)
    assert re.search(r"screen: .*128 columns, 48 rows$", text, re.MULTILINE)
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
    screen.keep("screen-panic")


# SPEC: D1
def test_programs_move_about_on_the_screen(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    shell(r"printf '\033[2J\033[10;20Hhere\033[12;1H\033[7mreversed\033[0m \303\244\342\202\254\344\270\255\033[20;1H'")
    rows = screen.until("here").split("\n")
    assert rows[9] == " " * 19 + "here"
    assert rows[11].startswith("reversed ä€\N{REPLACEMENT CHARACTER}")


# --- the driver ---------------------------------------------------------------------------------------

def numbers_on(screen):
    return [int(row.split()[1]) for row in screen.rows() if re.fullmatch(r"line \d+ of what flows by", row)]


def flow(shell, screen, meanwhile, last=1500):
    """Text flows while something is done in the background; the numbers of the lines on the screen, in the end."""
    shell(f"({meanwhile}) 2>/dev/null & i=0; while [ $i -lt {last} ]; do i=$((i+1)); "
          "echo line $i of what flows by; done; wait")
    shell("echo all of it")
    screen.until("^all of it")
    return numbers_on(screen)


# SPEC: D1 R6
@pytest.mark.parametrize("gate", ["open", "user"])
def test_nothing_is_missing_on_the_screen_while_its_driver_is_exchanged(boot, screen, gate):
    shell = Shell(boot(init=USER_SPACE, append=f"gate.screen={gate}", **screen.options))
    screen.connect()
    assert shell(f"cat {SLOT}/active {SLOT}/gate") == f"screen 1.0.0\n{gate}"
    shell(f"echo 'trial_ms 0' > {SLOT}/options")
    numbers = flow(shell, screen, f"for i in $(seq 50); do echo screen > {SLOT}/swap || echo bad > /tmp/bad; done")
    assert len(numbers) > 30 and numbers == list(range(1501 - len(numbers), 1501))
    assert "No such" in shell("cat /tmp/bad")
    assert int(shell(f"grep cells {SLOT}/statistics").split()[1]) > 1000


# SPEC: D1 R6
@pytest.mark.parametrize("gate", ["open", "user"])
@pytest.mark.parametrize("fault", ["null-pointer", "endless-loop"])
def test_nothing_is_missing_on_the_screen_when_its_driver_dies(boot, screen, gate, fault):
    shell = Shell(boot(init=USER_SPACE, append=f"gate.screen={gate} inject heal.cooldown=0", **screen.options))
    screen.connect()
    numbers = flow(shell, screen, f"for i in 1 2 3 4 5 6; do echo screen {fault} $i > /helix/inject; usleep 300000; done")
    assert len(numbers) > 20 and numbers == list(range(1501 - len(numbers), 1501))[-len(numbers):]
    assert int(shell("awk '$1 == \"screen\" { print $5 }' /helix/heal")) > 0


# SPEC: D1 R6
@pytest.mark.parametrize("gate", ["open", "user"])
@pytest.mark.parametrize("lie", ["^", "@", "}"])
def test_a_driver_that_lies_or_dies_ends_and_the_screen_is_right(boot, screen, gate, lie):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD, append=f"gate.screen={gate} heal=off loglevel=error",
                       **screen.options))
    screen.connect()
    shell(f"echo > {SLOT}/unload; echo screen_liar > {SLOT}/swap; clear")
    assert shell(f"cat {SLOT}/active") == "screen_liar 1.0.0"
    shell(f"printf 'some text with \\{ord(lie):o} in it\\n'; sleep 1")
    screen.until(f"^some text with {re.escape(lie)} in it$")
    assert shell(f"cat {SLOT}/active") == "-"


# SPEC: D1
def test_the_screen_is_drawn_while_there_is_no_driver(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    shell(f"echo > {SLOT}/unload; echo core draws this")
    screen.until("^core draws this")
    drawn = shell("grep by_module /helix/screen")
    shell("seq 100")
    assert shell("grep by_module /helix/screen") == drawn


# --- the keyboard -------------------------------------------------------------------------------------

NAMES = {" ": "spc", "-": "minus", "=": "equal", "/": "slash", ".": "dot", ",": "comma", ";": "semicolon",
         "'": "apostrophe", "\n": "ret"}


def type_text(screen, text):
    for character in text:
        name = NAMES.get(character, character.lower())
        screen.monitor.press(*(["shift"] if character.isupper() else []), name)
        time.sleep(0.03)  # QEMU holds a key for so long, and has a short queue
    return screen


# SPEC: D1
def test_a_shell_is_served_at_the_keyboard_and_answers_on_the_screen(boot, screen):
    Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    type_text(screen, "echo Typed-here; uname -s\n")
    assert "\nTyped-here\nLinux" in screen.until("^Linux")
    type_text(screen, "ls --color /; helixctl heal\n")
    screen.until("^keyboard")
    screen.keep("screen")


# SPEC: D1
def test_the_german_layout_by_command_line_and_at_run_time(boot, screen):
    shell = Shell(boot(init=USER_SPACE, append="keyboard.layout=de", **screen.options))
    screen.connect()
    shell("clear")
    for keys in ("e c h o spc backslash shift-backslash apostrophe y z minus shift-2 alt_r-q alt_r-7 semicolon bracket_left "
                 "less shift-7 shift-backslash shift-0 ret").split():
        screen.monitor.press(*keys.split("-"))
        time.sleep(0.05)
    screen.until("echo #'äzyß\"@{öü</'=")
    assert shell("grep layout /helix/screen") == "layout: de"
    assert shell("echo layout us > /helix/screen; grep layout /helix/screen").endswith("layout: us")
    assert "rror" in shell("echo layout fr > /helix/screen")


# SPEC: D1
def test_modifiers_outlive_a_swap_of_the_keyboards_driver(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    screen.monitor.press("caps_lock")
    time.sleep(0.2)
    shell(f"clear; echo 'trial_ms 0' > {KEYBOARD}/options; echo ps2_keyboard > {KEYBOARD}/swap; "
          f"tail -n 1 {KEYBOARD}/history")
    type_text(screen, "echo abc\n")
    screen.until("ECHO ABC")


# SPEC: D1 O7
def test_a_key_wakes_the_machine_and_typing_works_afterwards(boot, screen):
    shell = Shell(boot(init=USER_SPACE, smp=2, **screen.options))
    screen.connect()
    shell.guest.type("clear; echo mem > /sys/power/state; echo awake")
    time.sleep(3)
    assert not re.search("^awake", screen.text(), re.MULTILINE)
    type_text(screen, "\n")
    screen.until("^awake")
    shell("clear")
    type_text(screen, "echo Typed-here; uname -s\n")
    screen.until("^Typed-here\nLinux")
    assert int(re.search(r"suspended for (\d+) ms", shell("cat /helix/log"))[1]) >= 1000


# SPEC: D1 O7
def test_modifiers_are_let_go_in_a_sleep(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    screen.monitor("input-send-event",
                   events=[{"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "shift"}}}])
    time.sleep(0.2)
    shell("clear; echo 'suspend 1' > /helix/power")
    type_text(screen, "echo small\n")
    screen.until("^small")


# SPEC: O7
@pytest.mark.parametrize("smp", [1, 2])
def test_the_controller_is_started_anew_after_a_sleep(run_to_end, smp):
    result = run_to_end(append="selftest=x86_64_devices.a_keyboard* panic=exit", smp=smp, qemu_args="-vga std")
    assert "\nok 1 x86_64_devices.a_keyboard_that_was_off_is_on_after_a_sleep\n" in result.stdout.replace("\r", ""), result.stdout


# SPEC: D1
def test_keys_wait_for_a_driver_while_there_is_none(boot, screen):
    shell = Shell(boot(init=USER_SPACE, **screen.options))
    screen.connect()
    shell(f"echo > {KEYBOARD}/unload; clear")
    type_text(screen, "echo patient\n")
    assert "patient" not in screen.text()
    shell(f"echo ps2_keyboard > {KEYBOARD}/swap")
    screen.until("^patient")


# SPEC: D1
def test_control_alt_delete_restarts_the_machine(boot, screen):
    guest = boot(init=USER_SPACE, **screen.options)
    Shell(guest)
    screen.connect()
    screen.monitor.press("ctrl", "alt", "delete")
    guest.expect("shutting down: reboot")
    guest.end()
