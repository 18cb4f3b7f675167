"""A campaign of faults: machines that are booted one after the other, each for as many injections as it survives.

The program in the guest is tests/userland/chaos; it talks on the second serial line:

  begin NUMBER CLASS
  end NUMBER CLASS OUTCOME recovered=0|1 quarantined=0|1 deaths=N verdict=N at WHERE
  type TEXT           it wants that line from its console
  unfit SLOT          the work is no good without any fault
  next NUMBER         this machine is done: go on from there
"""
import contextlib
import dataclasses
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

from helixtools import tree

PROGRAM = tree.BUILD / "userland/chaos/chaos"
TOOLS = {**os.environ, "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}
# Each module that is shipped, and its slot.
MODULES = {
    "sched_rr": "scheduler", "sched_prio": "scheduler", "serial": "console", "virtio_blk": "block",
    "ext2": "file_system", "memory_devices": "memory", "entropy": "entropy", "security": "hook.security",
    "audit": "hook.audit", "metrics": "hook.metrics", "demo": "demo",
}
GATES = ["user", "open"]
OUTCOMES = ["inactive", "masked", "detected", "hung", "corrupt", "kernel_lost"]
SILENCE = 60          # seconds of the host's: then the work of a machine hangs, or all of it
ANSWER = 10           # within so many the kernel's monitor answers a key
MONITOR_KEY = "\x1dh" # help, whoever reads the console
BATCH = 50            # injections that share a disk
DISK_MB, FILE_SYSTEM_MB = 24, 16 # tests/userland/chaos/storage.c writes behind the file system
END = re.compile(r"end (\d+) (\S+) (\S+) recovered=(\d) quarantined=(\d) deaths=\d+ verdict=\d+ at (.*)")
INITTAB = """::sysinit:/etc/init.d/rcS
::wait:/bin/chaos {words}
::wait:/sbin/poweroff -f
"""


@dataclasses.dataclass
class Injection:
    """What came of one."""
    number: int
    fault: str
    outcome: str
    is_recovered: bool = False
    is_quarantined: bool = False
    where: str = ""


@dataclasses.dataclass
class Campaign:
    """Faults of a seed for one module behind one gate."""
    module: str
    gate: str
    seed: int
    fault: str = ""      # only this class
    is_counted: bool = False
    is_alone: bool = False # a file system has no witness

    @property
    def slot(self):
        return MODULES[self.module]

    @property
    def can_be_counted(self):
        """Whoever waits for the host must not have time run ahead of it."""
        return self.is_counted and self.slot != "console"


class Machine:
    """A guest that makes injections first to first + count - 1."""

    def __init__(self, campaign, first, count, folder):
        self.campaign = campaign
        self.folder = folder
        self.disk = folder / "disk"
        words = f"{campaign.slot} {campaign.seed} {first} {count} {campaign.fault}"
        self._make_extra(words)
        self._make_disk()
        self._log = open(folder / "console", "wb")
        self._process = subprocess.Popen(self._command(), stdin=subprocess.PIPE, stdout=self._log,
                                         stderr=subprocess.DEVNULL)
        self._socket = self._connect()
        self._buffer = b""

    def _make_extra(self, words):
        extra = self.folder / "extra"
        shutil.rmtree(extra, ignore_errors=True)
        (extra / "bin").mkdir(parents=True)
        (extra / "etc").mkdir()
        shutil.copy(PROGRAM, extra / "bin/chaos")
        (extra / "etc/inittab").write_text(INITTAB.format(words=words), encoding="ascii")

    def _make_disk(self):
        with open(self.disk, "wb") as file:
            file.truncate(DISK_MB << 20)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext2", str(self.disk), f"{FILE_SYSTEM_MB}M"],
                       check=True, env=TOOLS)

    def _command(self):
        campaign = self.campaign
        append = (f"inject panic=exit console=serial hooks=security,audit,metrics heal.cooldown=0 loglevel=error "
                  f"gate.{campaign.slot}={campaign.gate} module.{campaign.slot}={campaign.module}")
        if campaign.slot == "file_system" and not campaign.is_alone:
            append += f" module.witness={campaign.module} gate.witness={campaign.gate}"
        return [str(tree.ROOT / "tools/run"), *(["--icount"] if campaign.can_be_counted else []),
                "--extra", str(self.folder / "extra"), "--disk", str(self.disk),
                "--push", str(self.folder / "line"), "--append", append]

    def _connect(self):
        deadline = time.monotonic() + SILENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(str(self.folder / "line"))
                return line
            except OSError:
                line.close()
                time.sleep(0.02)
        raise ValueError("the machine did not start")

    def lines(self):
        """What the guest tells, until it ends or says nothing any more."""
        while True:
            ready, _, _ = select.select([self._socket], [], [], SILENCE)
            piece = self._socket.recv(4096) if ready else b""
            if not piece:
                return
            self._buffer += piece
            *whole, self._buffer = self._buffer.split(b"\n")
            yield from (line.decode("ascii", "replace").strip() for line in whole)

    def type(self, text):
        with contextlib.suppress(OSError):
            self._process.stdin.write(text.encode() + b"\n")
            self._process.stdin.flush()

    def answers(self):
        """Whether the kernel still does, when its programs do not."""
        before = len(self.console())
        self.type(MONITOR_KEY)
        deadline = time.monotonic() + ANSWER
        while self._process.poll() is None and time.monotonic() < deadline:
            if len(self.console()) > before:
                return True
            time.sleep(0.1)
        return False

    def console(self):
        return (self.folder / "console").read_text(encoding="ascii", errors="replace")

    def end(self):
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        with contextlib.suppress(OSError): # it may have ended before it read all that was typed
            self._process.stdin.close()
        self._log.close()

    def disk_is_clean(self):
        return subprocess.run(["e2fsck", "-fn", str(self.disk)], capture_output=True, check=False,
                              env=TOOLS).returncode == 0


@dataclasses.dataclass
class Boot:
    """What one machine did."""
    injections: list
    following: int  # the number to go on from
    is_ended: bool  # in order: its disk was unmounted


def read_end(line):
    match = END.match(line)
    if match is None:
        raise ValueError(f"the guest said {line!r}")
    number, fault, outcome, recovered, quarantined, where = match.groups()
    return Injection(int(number), fault, outcome, recovered == "1", quarantined == "1", where)


def how_it_was_lost(console):
    """What a machine that ended said last."""
    panic = re.search(r"^Message: *(.*)$", console, re.MULTILINE)
    return "panic: " + panic[1].strip() if panic else "no word of it"


def follow(machine, first):
    """Read what a machine tells to its end."""
    boot = Boot([], first, False)
    begun = None
    for line in machine.lines():
        word, _, rest = line.partition(" ")
        if word == "begin":
            number, fault = rest.split()
            begun = Injection(int(number), fault, "kernel_lost")
        elif word == "end":
            boot.injections.append(read_end(line))
            boot.following, begun = boot.injections[-1].number + 1, None
        elif word == "type":
            machine.type(rest)
        elif word == "unfit":
            raise ValueError(f"the work with slot {rest} fails without any fault; the console said:\n"
                             + machine.console()[-2000:])
        elif word == "next":
            boot.following, boot.is_ended = int(rest), True
            break
    if begun is not None:
        if machine.answers():
            begun.outcome = "hung"
        begun.where = how_it_was_lost(machine.console())
        boot.injections.append(begun)
        boot.following = begun.number + 1
    return boot


def boot_machine(campaign, first, count, folder):
    """(what it did, whether its file system is in order)"""
    machine = Machine(campaign, first, count, folder)
    try:
        boot = follow(machine, first)
    finally:
        machine.end()
    is_clean = not boot.is_ended or campaign.slot not in ("block", "file_system") or machine.disk_is_clean()
    if campaign.slot == "console":
        check_console(boot, machine.console())
    return boot, is_clean


def check_console(boot, text):
    """Lines that the work has written: each whole, in order, once. Which injection lost one its number tells."""
    rounds = [int(number) for number, mark in re.findall(r"console (\d+) of ([0-9a-f]{8})", text)
              if int(mark, 16) == int(number) * 2654435761 % (1 << 32)]
    for injection in boot.injections:
        if injection.outcome in ("inactive", "masked", "detected"):
            wanted = [injection.number * 8 + i for i in range(3)]
            if [number for number in rounds if number in wanted] != wanted:
                injection.outcome, injection.is_recovered = "corrupt", False


def blame(campaign, boot, folder):
    """The disk was not in order in the end: find whose fault that is, each one again on a disk of its own."""
    suspects = [one for one in boot.injections if one.outcome in ("masked", "detected")]
    for suspect in suspects:
        _, is_clean = boot_machine(campaign, suspect.number, 1, folder)
        if not is_clean:
            suspect.outcome, suspect.is_recovered = "corrupt", False
    if suspects and not any(one.outcome == "corrupt" for one in suspects):
        suspects[-1].outcome, suspects[-1].is_recovered = "corrupt", False


def run(campaign, first, count, told):
    """Make injections first to first + count - 1; told is called with each."""
    number = first
    with tempfile.TemporaryDirectory(prefix="helix-chaos-") as name:
        folder = pathlib.Path(name)
        while number < first + count:
            batch = min(BATCH, first + count - number)
            boot, is_clean = boot_machine(campaign, number, batch, folder)
            if not is_clean:
                blame(campaign, boot, folder)
            for injection in boot.injections:
                told(injection)
            if boot.following == number:
                raise ValueError("the machine made no injection; the console said:\n"
                                 + (folder / "console").read_text(errors="replace")[-2000:])
            number = boot.following


# --- the table ------------------------------------------------------------------------------------


class Table:
    """Counts by class."""

    def __init__(self):
        self.rows = {}

    def add(self, injection):
        row = self.rows.setdefault(injection.fault, dict.fromkeys(
            ["injected", *OUTCOMES, "recovered", "quarantined"], 0))
        if injection.outcome == "impossible":
            return # there is no place for such a fault in the module
        row["injected"] += 1
        row[injection.outcome] += 1
        row["recovered"] += injection.is_recovered
        row["quarantined"] += injection.is_quarantined

    def total(self):
        total = dict.fromkeys(["injected", *OUTCOMES, "recovered", "quarantined"], 0)
        for row in self.rows.values():
            for key, value in row.items():
                total[key] += value
        return total

    @staticmethod
    def line(name, row):
        words = " ".join(f"{key}={row[key]}" for key in ("injected", "inactive", "masked", "detected", "hung", "corrupt",
                                                         "recovered", "quarantined", "kernel_lost"))
        return f"chaos: {name} {words}"

    def lines(self):
        return [*(self.line(name, self.rows[name]) for name in sorted(self.rows)), self.line("total", self.total())]
