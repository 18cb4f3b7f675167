"""More of everything than is good: who asks for too much gets the error, the rest goes on, and nothing is lost."""
import os

import pytest
from conftest import PARALLEL, PATIENCE, ROOT, USER_SPACE

PROMPT = r"helix:\S+# "
IS_SOAK = bool(os.environ.get("HELIX_SOAK"))
PROCESSES = 1000 if IS_SOAK else 200
THREADS = 10000 if IS_SOAK else 1000
# What the kernel's caches may keep from one load to the next, in KiB; the first load fills them.
KEPT = 512


class Loaded:
    """A guest with the program that overdoes it."""

    def __init__(self, guest):
        self._guest = guest
        guest.expect(PROMPT)
        self.run("load processes 20", "20 ended well")

    def run(self, line, answer):
        self._guest.type(line)
        match = self._guest.expect(answer, 4 * PATIENCE)
        self._guest.expect(PROMPT)
        return match

    def _free_now(self):
        return int(self.run("cat /proc/meminfo", r"MemFree: +(\d+) kB")[1])

    def free(self):
        """KiB, once what has ended is freed: that is done a little later, by a thread of the kernel."""
        before, now = 0, self._free_now()
        while now > before:
            before, now = now, self._free_now()
        return now

    def still_works(self):
        self.run("seq 1000 | sort -n | tail -n 1 | sed 's/$/ lines/'", "\n1000 lines")


@pytest.fixture(name="loaded")
def a_guest(boot, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/load").write_bytes((ROOT / "build/userland/load/load").read_bytes())
    (tmp_path / "bin/load").chmod(0o755)

    def start(**options):
        return Loaded(boot(init=USER_SPACE, extra=tmp_path, parallel=PARALLEL, **options))

    return start


def expect_nothing_lost(loaded, before):
    loaded.still_works()
    assert abs(before - loaded.free()) <= KEPT


@pytest.mark.parametrize("processors", [1, 4])
def test_many_processes_live_at_once_and_leave_nothing(loaded, processors):
    machine = loaded(smp=processors)
    load = f"load processes {PROCESSES}", f"processes: {PROCESSES} at once, {PROCESSES} ended well"
    machine.run(*load)
    before = machine.free()
    machine.run(*load)
    expect_nothing_lost(machine, before)


@pytest.mark.parametrize("processors", [1, 4])
def test_many_threads_live_at_once_and_leave_nothing(loaded, processors):
    machine = loaded(smp=processors, mem=512)
    load = f"load threads {THREADS}", f"threads: {THREADS} at once, {THREADS} joined"
    machine.run(*load)
    before = machine.free()
    machine.run(*load)
    expect_nothing_lost(machine, before)


# SPEC: Q4
def test_a_fork_bomb_meets_its_limit(loaded):
    machine = loaded()
    machine.run("load forks 50", "forks: the bomb is gone")
    before = machine.free()
    machine.run("load forks 50", "forks: the bomb is gone")
    expect_nothing_lost(machine, before)


# SPEC: Q4
def test_who_eats_all_memory_is_ended_and_the_rest_goes_on(loaded):
    machine = loaded(mem=64)
    machine.run("load memory 1", "memory: 1 eaters ended")
    before = machine.free()
    machine.run("load memory 3", "memory: 3 eaters ended")
    expect_nothing_lost(machine, before)
