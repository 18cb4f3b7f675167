"""User space cannot break the kernel: random calls of every number, while hooks come and go.

`HELIX_SEED=n` repeats the random numbers (how threads meet is the machine's); `HELIX_SOAK=1` makes ten million
calls. tests/userland/load/call_fuzzer.c says what calls are made.
"""
import os
import random
import re
import time

import pytest
from conftest import IS_SOAK, PATIENCE, ROOT, USER_SPACE

PROMPT = r"helix:\S+# "
SEED = int(os.environ.get("HELIX_SEED", "0")) or random.randrange(1, 1 << 32)
CALLS = 5_000_000 if IS_SOAK else 6_000
LIMIT = 3 * 3600 if IS_SOAK else 5 * PATIENCE
# What the kernel's caches may keep, in KiB and in objects; a first, shorter campaign fills them. The table of ids stays: 512
# pieces of 4 KiB, once all ids have been used. So do names of mailboxes, 256 at most.
KEPT, KEPT_OBJECTS = (4096, 800) if IS_SOAK else (1024, 300)
# A program that sets itself a limit is ended by it, and the kernel says so.
# Of a hook that is exchanged there are two while the old one is drained, which on a busy host takes its time.
EXPECTED = re.compile(r"warn: process \d+ \(.*\) is ended: its CPU time is used up|"
                      r"warn: resources: (security|audit|metrics) has \d+ bytes of memory, above its soft limit")
# Who makes a mailbox holds its name from then on, once (docs/native-ipc.md): calls make some, under names of files.
MAKERS = re.compile(r"root mailbox:(?!every )\S+ kernel 1 read,write,control,delegate")


class Campaign:
    """A guest with the program that makes the calls."""

    def __init__(self, guest):
        self.guest = guest
        guest.expect(PROMPT)

    def run(self, line, answer, timeout=PATIENCE):
        self.guest.type(line)
        match = self.guest.expect(answer, timeout)
        self.guest.expect(PROMPT)
        return match

    def calls(self, seed, count, more=""):
        answer = (rf"call_fuzzer: seed {seed}: (\d+) calls of \d+ numbers by \d+ workers, of which \d+ ended by a "
                  r"signal and \d+ were stuck, (\d+) without a reason")
        match = self.run(f"call_fuzzer {seed} {count} 4 2 {more}", answer, LIMIT)
        assert int(match[1]) >= count
        assert match[2] == "0", self.guest.text[-4000:] # threads that wait in the kernel for what never comes

    def _number(self, line, answer):
        return int(self.run(line, answer)[1])

    def _free_now(self):
        return self._number("cat /proc/meminfo", r"MemFree: +(\d+) kB")

    def free(self):
        """KiB, once what has ended is freed: that is done a little later, by a thread of the kernel."""
        before, now = 0, self._free_now()
        while now > before:
            before, now = now, self._free_now()
        return now

    def processes(self):
        return self._number("set -- /proc/[0-9]*; echo there are $#", r"\nthere are (\d+)\s")

    def table(self, name, heading):
        """The lines of a table of /helix below its heading, each as a list of words."""
        said = self.run(f"cat /helix/{name}; echo that is all", rf"(?s){heading}[^\n]*\n(.*)\nthat is all")[1]
        return [line.split() for line in said.splitlines() if line.strip()]

    def capabilities(self):
        """Grants, listed and counted, and the number of subjects; without what who makes a mailbox holds."""
        rows = [" ".join(row) for row in self.table("caps", "holder +resource")]
        made = [row for row in rows if MAKERS.fullmatch(row)]
        assert len(set(made)) == len(made), made
        match = self.guest.ask("a", r"(\d+) grants, (\d+) subjects")
        return sorted(set(rows) - set(made)), int(match[1]) - len(made), match[2]

    def ledger(self):
        """Who has how much of what; the memory of the kernel and of its caches is compared by free()."""
        rows = [row[:3] for row in self.table("resources", "owner +class")]
        return sorted(tuple(row) for row in rows if row[1] != "cpu-time" and row[:2] != ["kernel", "memory"])

    def open_files(self):
        """Bytes of all open files, of whomever."""
        return self._number("awk '$1 == \"files\" { print \"bytes\", $6 }' /helix/components", r"\nbytes (\d+)\s")

    def lines(self):
        """What else is listed, as counted lines: subscribers, mailboxes, channels, mounts; the listing is in the log."""
        files = "/helix/subscribers /helix/mailboxes /helix/channels /proc/mounts"
        return self._number(f"cat {files}; cat {files} | wc -l | sed 's/^/lines /'", r"\nlines (\d+)\s")

    def heap_objects(self):
        match = self.guest.ask("m", r"heap (\d+) objects in \d+ KiB")
        self.guest.type("")
        self.guest.expect(PROMPT)
        return int(match[1])

    def left(self):
        """What is there."""
        return (self.processes(), *self.capabilities(), self.open_files(), self.lines(), self.ledger())

    def comes_down_to(self, wanted):
        """What ended lately is given back by threads of the kernel: look again, a bounded number of times."""
        for _ in range(20):
            now = self.left()
            if now == wanted:
                return
            time.sleep(0.2)
        assert now == wanted, self.run("ps", "PID")

    def has_nothing_to_say(self):
        """Neither a fault nor a warning of the kernel's but those that are meant."""
        said = EXPECTED.sub("", self.guest.text)
        assert not re.search(r"(warn|error): |KERNEL PANIC|assert|fault in the kernel", said), said[-4000:]


@pytest.fixture(name="campaign")
def a_guest(boot, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/call_fuzzer").write_bytes((ROOT / "build/userland/load/call_fuzzer").read_bytes())
    (tmp_path / "bin/call_fuzzer").chmod(0o755)

    def start(**options):
        return Campaign(boot(init=USER_SPACE, extra=tmp_path, timeout=LIMIT, mem=512, **options))

    return start


# SPEC: Y3 Y7
def test_random_calls_while_hooks_come_and_go_break_nothing(campaign):
    machine = campaign(smp=4, append=f"churn seed={SEED} hooks=security,audit,metrics")
    machine.calls(SEED, CALLS, "switch")
    machine.guest.type("poweroff")
    match = machine.guest.expect(r"churn: (\d+) changes, (\d+) calls seen, all paired")
    assert int(match[1]) > 0 and int(match[2]) > 0
    assert machine.guest.end() == 0
    machine.has_nothing_to_say()


# SPEC: Y3
def test_random_calls_leave_nothing_behind(campaign):
    machine = campaign(smp=4)
    there = machine.left()
    machine.calls(SEED, 3_000)
    machine.comes_down_to(there)
    free, objects = machine.free(), machine.heap_objects()
    machine.calls(SEED + 1, CALLS)
    machine.comes_down_to(there)
    assert machine.heap_objects() - objects <= KEPT_OBJECTS
    assert free - machine.free() <= KEPT
    machine.run("seq 1000 | sort -n | tail -n 1 | sed 's/$/ lines/'", "\n1000 lines")
    machine.has_nothing_to_say()
