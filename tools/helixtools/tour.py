"""What tools/tour shows, and the machine that it shows it on."""
import contextlib
import dataclasses
import re
from typing import List

import pexpect

PATIENCE = 120  # seconds for one command
PROMPT = r"helix:[^\n]*[$#] "
MONITOR = "\x1d"  # Ctrl-], before a key of the kernel's own menu
# One processor, one reset let through; the kernel resets the machine when it panics, and faults may be put into modules.
MACHINE = ["--reboots", "1", "--append", "init=/init inject panic=reboot loglevel=error"]
COLORS = re.compile(r"\033\[[0-9;?]*[A-Za-z]")


class Failure(Exception):
    """Something did not go as the tour says it does."""


@dataclasses.dataclass
class Command:
    """What is typed, what its output must match, and what to look for in it."""
    text: str
    expect: str = ""
    look: str = ""
    is_panic: bool = False  # the text is what a person would press; the machine is back at the prompt afterwards


@dataclasses.dataclass
class Step:
    """A part of the tour."""
    name: str
    title: str
    words: str
    commands: List[Command]


class Guest:
    """The machine, from its first prompt on. run: the program that boots it."""

    def __init__(self, run):
        self._command = [str(run), *MACHINE]
        self._child = None
        self._count = 0

    def __enter__(self):
        self._child = pexpect.spawn(self._command[0], self._command[1:], timeout=PATIENCE, encoding="utf-8",
                                    codec_errors="replace", echo=False)
        try:
            self._expect(PROMPT, "the shell's prompt")
        except Failure:
            self._child.close(force=True)
            raise
        return self

    def __exit__(self, *error):
        with contextlib.suppress(pexpect.ExceptionPexpect):
            self._child.close(force=True)

    def _expect(self, pattern, what):
        try:
            self._child.expect(pattern)
        except (pexpect.EOF, pexpect.TIMEOUT) as error:
            said = clean(self._child.before or "")[-2000:]
            raise Failure(f"{what} did not come ({type(error).__name__}); last was said:\n{said}") from error
        return self._child.match

    def run(self, command):
        """Run one; what it printed, as plain text."""
        return self._panic() if command.is_panic else self._run(command.text)

    def _run(self, text):
        self._count += 1
        # The quotes keep the echo of the line from looking like what it prints.
        behind = "" if text.endswith("&") else ";"
        self._child.send(f"echo 'beg'in-{self._count}; {text}{behind} echo; echo 'en'd-{self._count}\r")
        said = self._expect(rf"(?s)begin-{self._count}\r*\n(.*?)\r*\nend-{self._count}\r", f"the end of `{text}`")
        self._expect(PROMPT, "the shell's prompt")
        return clean(said.group(1))

    def _panic(self):
        self._child.send(MONITOR + "p")
        said = self._expect(rf"(?s)(=== KERNEL PANIC ===.*?){PROMPT}", "the prompt after the panic and the reset")
        return clean(said.group(1)).rsplit("\n", 1)[0]


def clean(text):
    """Without colours and carriage returns."""
    return COLORS.sub("", text).replace("\r", "").strip("\n")


def seeds(fault, word, last):
    """A fault is put where a seed says; one in code that nobody runs does nothing, and the next seed is tried."""
    numbers = " ".join(str(number) for number in range(1, last + 1))
    return (f"for seed in {numbers}; do echo memory {fault} $seed > /helix/inject; sleep 1; "
            f"grep '{word}' /helix/log && break; done")


PIPELINE = "while [ ! -e /tmp/stop ]; do seq 3000 | sort -rn | sort -n | md5sum; done > /tmp/sums 2>&1 &"
ZEROS = "while [ ! -e /tmp/stop ]; do head -c 200000 /dev/zero | md5sum; done > /tmp/zeros 2>&1 &"
# One kind of line, and no other: nothing went wrong in any round.
ALL_THE_SAME = r"\A *\d+ [0-9a-f]{32}  -\n?\Z"

STEPS = [
    Step("look", "look around", """
        The system is up: a kernel of its own under Debian's busybox, which does not know. What the kernel has to show of
        itself are files in /helix, and `helixctl` is a friendly program on top of them.""", [
            Command("uname -a; ps", r"/init|init", "An ordinary shell with ordinary programs."),
            Command("ls /helix", r"slots", "Each is a text to read, and some can be written."),
            Command("helixctl subsystems", r"memory .*healthy", "The kernel's parts, in the order in which they were started."),
            Command("helixctl slots", r"scheduler +sched_rr", """A slot is a position that a module fills: the scheduler,
                    the drivers of disk and console, the file system. Each can be exchanged, and can die, alone."""),
        ]),
    Step("swap", "swap the scheduler under load", f"""
        A pipeline sorts numbers, round after round, and writes the checksum of each result to a file. Meanwhile the
        scheduler is exchanged: first come, first served makes place for priorities, and back, ten times. Every thread that
        waits for the processor has to be handed over. The pipeline must not notice.""", [
            Command(PIPELINE),
            Command("for i in 1 2 3 4 5; do for kind in sched_prio sched_rr; do echo $kind > /helix/slots/scheduler/swap; "
                    "grep ' swap ' /helix/slots/scheduler/history | tail -n 1; sleep 1; done; done",
                    r"\A(\d+ .* swap sched_\w+ .* -> sched_\w+ .*: Completed, pause \d+ us, state kept\n?){10}\Z",
                    """Ten swaps, and each took the threads along. The pause is how long callers of the scheduler had to
                    wait, in microseconds."""),
            Command("touch /tmp/stop; wait; sort /tmp/sums | uniq -c", ALL_THE_SAME, """All rounds gave the same checksum:
                    a single line, its count before it. A wrong byte would be a second line."""),
        ]),
    Step("crash", "crash a driver under a running program", """
        The slot `memory` has the driver of /dev/zero and its like. A program reads from it and computes checksums. Now a
        fault is put into the driver's code: a pointer becomes zero. The driver dies of it; the kernel does not, and puts
        another instance in its place, with the state of the last checkpoint.""", [
            Command("rm -f /tmp/stop; " + ZEROS),
            Command(seeds("null-pointer", "exception: page fault", 20), r"module memory_devices: exception: page fault",
                    """The driver reached memory where there is none. A fault in code that nobody runs does nothing, so
                    it was put in one place after the other, as many seconds as the line took."""),
            Command("until grep 'heal: memory serves again' /helix/log; do usleep 100000; done", r"serves again after \d+ us",
                    "From the death to service: calls that came meanwhile waited."),
            Command("helixctl heal memory", r"memory +memory_devices +Healthy +\d+ +[1-9]",
                    "Healthy, and its deaths are counted."),
        ]),
    Step("hang", "hang it", """
        Worse than a crash: the driver loops for ever. A call into a module has a deadline; who misses it is ended like one
        who crashed. The program still runs.""", [
            Command("rm -f /tmp/stop; [ -e /tmp/zeros ] || " + ZEROS),
            Command(seeds("endless-loop", "missed its deadline", 40), r"module memory_devices: missed its deadline",
                    "The deadline passed, and the module was ended where it stood."),
            Command("until [ $(grep -c 'heal: memory serves' /helix/log) = $(grep -c 'module memory_devices:' /helix/log) ]; "
                    "do usleep 100000; done; tail -n 1 /helix/slots/memory/history", r"recover .* -> memory_devices",
                    "Another one serves."),
            Command("touch /tmp/stop; wait; sort /tmp/zeros | uniq -c", ALL_THE_SAME,
                    "The program has not got one wrong byte, nor an error, through crash and hang."),
        ]),
    Step("poison", "a poisoned state", """
        What if the state is what kills? demo_fragile counts the reads of /helix/counter, and dies when it counts to 1313,
        so a checkpoint taken at 1312 is deadly, though its checksum is right: whoever goes on from it dies at once. The
        kernel goes on from it, sees another death, and takes an older one. Restarts would wait for a while between two
        deaths; that is switched off here, and checkpoints are taken by hand.""", [
            Command("helixctl heal options cooldown 0; helixctl heal options interval 3600000; "
                    "echo trial_ms 0 > /helix/slots/demo/options; echo demo_fragile > /helix/slots/demo/swap; "
                    "cat /helix/slots/demo/active", r"^demo_fragile"),
            Command("helixctl heal options interval 3600000; until grep '^demo ' /helix/checkpoints; do usleep 10000; done",
                    r"^demo +\d+ .* no$", "A good state is kept: `no` says that it is not poisoned."),
            Command("n=0; while [ $n -lt 1312 ]; do read n < /helix/counter; done; echo $n", r"^1312$"),
            Command("old=$(grep -m 1 '^demo ' /helix/checkpoints); helixctl heal options interval 3600000; "
                    "until [ \"$(grep -m 1 '^demo ' /helix/checkpoints)\" != \"$old\" ]; do usleep 10000; done; "
                    "grep '^demo ' /helix/checkpoints", r"^demo +\d+ .* no$", "One more, the newest first: the deadly one."),
            Command("for death in 1 2; do cat /helix/counter; until [ $(grep -c 'heal: demo serves' /helix/log) -ge $death ]; "
                    "do usleep 10000; done; done; grep 'heal: demo' /helix/log", r"(?s)died.*serves.*died.*serves",
                    "It died, was restarted with the deadly state, and died again."),
            Command("helixctl heal demo", r"^demo +\d+ .* yes$", "The state is marked as poisoned, and nobody gets it any more."),
            Command("cat /helix/counter", r"^\d{1,3}$", "It counts again, from a state that was good."),
        ]),
    Step("rollback", "a rollback", """
        A swap can be taken back: the version before takes the place over again, with the state as it is now.""", [
            Command("helixctl module swap demo demo; cat /helix/counter", r"^demo 1\.0\.0\n\d+$"),
            Command("helixctl module swap demo demo_fragile; cat /helix/counter", r"^demo_fragile 1\.1\.0\n\d+$"),
            Command("helixctl module rollback demo; cat /helix/counter", r"demo 1\.0\.0\n\d+$",
                    "The older version serves, and counts on from where the newer one was."),
            Command("tail -n 2 /helix/slots/demo/history", r"demo_fragile 1\.1\.0 -> demo 1\.0\.0", "All of it is written down."),
        ]),
    Step("panic", "a kernel panic", """
        The kernel itself can have a fault too. A key of its menu makes it panic: it says all it knows, keeps that in memory
        that a reset leaves alone, and resets the machine. The next kernel finds it.""", [
            Command("Ctrl-] p", r"(?s)Message: asked for with the key p.*Stack Trace:.*Action: Reboot",
                    "Who, where, registers and stack; then, of the new kernel, its first lines.", is_panic=True),
            Command("grep 'panicked before' /helix/log", r"the kernel panicked before: asked for with the key p",
                    "The new kernel knows."),
            Command("cat /helix/last_panic", r"(?s)=== KERNEL PANIC ===.*Message: asked for with the key p.*Messages Before:",
                    "The same report, and the messages that came before it."),
            Command("echo erase > /helix/last_panic; cat /helix/last_panic; echo nothing is left", r"\Anothing is left",
                    "It stays until it is erased, or the power goes."),
        ]),
]
