"""Scenarios: a person at the serial console of a booted kernel, played by pexpect.

A test asks for the fixture `boot` and calls it once for each machine it wants:

    def test_the_prompt_appears(boot):
        guest = boot(init=USER_SPACE, append="loglevel=info", smp=4)
        guest.expect("# ")
        guest.type("poweroff")
        assert guest.end() == 0

Process 1 is a program that greets and ends, unless the test names another: so what the guest says is the
kernel's.
The terminal adds a carriage return to the guest's own, so a pattern does not say more of a line's end
than \\r. What the guests said is kept in build/results/scenario-TEST.log.
"""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # helixtools
RUN = ROOT / "tools/run"
# Seconds; a mutant, which may well hang, is given less.
PATIENCE = int(os.environ.get("HELIX_PATIENCE", "120"))
IS_SOAK = bool(os.environ.get("HELIX_SOAK"))
# The longest that a machine may run; in a soak as long as the test says.
LONGEST = None if IS_SOAK else 2 * PATIENCE
# One thread of the host plays all processors of a machine in turn: where the host has fewer of its own, or other things to do, with a
# thread for each whoever is waited for is often not running, and the same takes many times as long. Tests that want the threads
# nevertheless say parallel=PARALLEL, and get them but in a soak.
IN_TURN = "-accel tcg,thread=single"
PARALLEL = not IS_SOAK

HELLO = "/bin/hello"
USER_SPACE = "/init"  # of the image: busybox init, which ends at a shell
TESTS_INITRD = ROOT / "build/x86_64/initrd-tests.cpio"  # for initrd=: with modules that only tests use
# Ctrl-], before a key that is the monitor's whoever reads the console.
MONITOR = "\x1d"
RUNNING = r"state Running after \d+ us[^\n]*\n"


class Guest:
    """A machine that runs; `text` is all that it has said."""

    def __init__(self, command, log):
        self._child = pexpect.spawn(command[0], command[1:], cwd=str(ROOT), timeout=PATIENCE,
                                    encoding="utf-8", codec_errors="replace", echo=False)
        self._child.logfile_read = log
        # The guest takes what is sent when it is ready, and who closes knows that it is gone: pexpect's own waits gain nothing.
        self._child.delaybeforesend = None
        self._child.ptyproc.delayafterclose = 0
        self.text = ""

    def expect(self, pattern, timeout=PATIENCE):
        """Wait for a regular expression; returns its match."""
        try:
            self._child.expect(pattern, timeout=timeout)
        except (pexpect.EOF, pexpect.TIMEOUT) as error:
            said = self.text + (self._child.before or "")
            pytest.fail(f"{type(error).__name__} while waiting for {pattern!r}; the guest said:\n"
                        f"{said[-4000:]}", pytrace=False)
        self.text += self._child.before + self._child.after
        return self._child.match

    def type(self, line):
        """Enter a line at the console."""
        self._child.send(line + "\r")

    def press(self, keys):
        """Send keys as they are."""
        self._child.send(keys)

    def ask(self, key, answer, timeout=PATIENCE):
        """Press a key of the monitor's menu; returns the match of the answer."""
        self.press(MONITOR + key)
        return self.expect(answer, timeout)

    def until_running(self):
        """Wait for the line that says how to go on; returns the guest."""
        self.expect(RUNNING)
        return self

    def end(self, timeout=PATIENCE):
        """Wait until the machine is gone; returns the exit status of tools/run."""
        try:
            self._child.expect(pexpect.EOF, timeout=timeout)
        except pexpect.TIMEOUT:
            pytest.fail(f"the guest goes on; it said:\n{self._child.before[-4000:]}", pytrace=False)
        self.text += self._child.before
        self._child.wait()
        self._child.close()
        return self._child.exitstatus

    def rests(self, seconds=1):
        """Whether the machine is still there after so long, and has said nothing more."""
        ended = self._child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=seconds) == 0
        return not ended and not self._child.before

    def stop(self):
        if not self._child.closed:
            self._child.kill(signal.SIGTERM)
            end = time.monotonic() + 10
            while self._child.isalive() and time.monotonic() < end:
                time.sleep(0.002)
            self._child.close(force=True)


def with_gates(kinds):
    """Each of them with one of the gates in turn; in a soak with both."""
    kinds = list(kinds)
    return [(kind, gate) for i, kind in enumerate(kinds) for j, gate in enumerate(["user", "open"]) if IS_SOAK or i % 2 == j]


def run_arguments(append="", timeout=2 * PATIENCE, init=HELLO, parallel=False, **options):
    """Words for tools/run: smp=4 becomes --smp 4, icount=True becomes --icount."""
    if options.get("smp", 1) > 1 and not parallel:
        options["qemu_args"] = f"{IN_TURN} {options.get('qemu_args', '')}".strip()
    words = [str(RUN), f"--timeout={min(timeout, LONGEST or timeout)}", f"--append=init={init} {append}"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [f"{flag}={value}"]
    return words


@contextlib.contextmanager
def guests_of(name):
    """A function that starts machines; what is still running in the end is stopped."""
    folder = ROOT / "build/results"
    folder.mkdir(parents=True, exist_ok=True)
    guests = []
    with open(folder / f"scenario-{name}.log", "w", encoding="utf-8") as log:
        def start(append="", **options):
            guests.append(Guest(run_arguments(append, **options), log))
            return guests[-1]

        yield start
        for guest in guests:
            guest.stop()


@pytest.fixture
def boot(request):
    """Call it to start a machine; what is still running after the test is stopped."""
    with guests_of(re.sub(r"\W+", "-", request.node.name)) as start:
        yield start


@pytest.fixture(scope="module")
def boot_once(request):
    """The same for fixtures of a whole file, whose tests share the machine."""
    with guests_of(request.module.__name__) as start:
        yield start


@pytest.fixture
def run_to_end():
    """Call it to boot without a console; returns the completed process, its output as text."""
    def run(append="", **options):
        return subprocess.run(run_arguments(append, **options), cwd=ROOT, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=3 * PATIENCE, check=False)

    return run
