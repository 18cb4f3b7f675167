"""Schedulers exchanged under programs that know nothing of it: each ends well, with the bytes it should have."""
import hashlib

import pytest
from conftest import IS_SOAK, PARALLEL, PATIENCE, ROOT, USER_SPACE
from helix_shell import Shell
from swap_pauses import SWAPPER, pauses_of, report, swapping

SWAPS = 10000 if IS_SOAK else 100
THREADS = 1000
LIMIT = 3 * 3600 if IS_SOAK else 5 * PATIENCE  # of a machine
# Each gate and each number of CPUs; all pairs in the soak.
MACHINES = [("open", 4), ("user", 1)] + ([("open", 1), ("user", 4)] if IS_SOAK else [])
# docs/hot-reload.md: for each thread that waits, and for the rest.
INSTRUCTIONS_PER_THREAD = 60
INSTRUCTIONS_BESIDE = 5000
NS_PER_INSTRUCTION = 25
TURN_US = 20000
DRAIN_LIMIT_US = 500000

SORTED = "\n".join(str(number) for number in range(1, 3001)) + "\n"
CHECKSUM = hashlib.md5(SORTED.encode()).hexdigest()

# Each goes on until /tmp/stop is there, and writes a line when it does not get what it should.
LOADS = {
    "pipeline": f"[ \"$(seq 3000 | sort -rn | sort -n | md5sum)\" = '{CHECKSUM}  -' ] || echo bytes",
    "forks": "/bin/true || echo status; (exit 3); [ $? = 3 ] || echo status",
    "files": "seq 500 > /tmp/f$$; [ $(cat /tmp/f$$ | wc -l) = 500 ] || echo bytes",
}
SCRIPT = """#!/bin/sh
while [ ! -e /tmp/stop ]; do
    {body}
done > /tmp/said.{name} 2>&1
echo done >> /tmp/said.{name}
"""
# Kind and version change, together and each by itself.
MODULES = ["sched_prio 1.1.0", "sched_prio 1.0.0", "sched_rr 1.0.0", "sched_rr 1.1.0", "sched_prio 1.0.0", "sched_rr 1.1.0"]


@pytest.fixture(name="loaded")
def a_guest(boot, tmp_path):
    (tmp_path / "bin").mkdir()
    programs = {"storm": (ROOT / "build/userland/load/storm").read_bytes(), "swapper": SWAPPER.encode()}
    programs |= {f"load-{name}": SCRIPT.format(name=name, body=body).encode() for name, body in LOADS.items()}
    for name, contents in programs.items():
        (tmp_path / "bin" / name).write_bytes(contents)
        (tmp_path / "bin" / name).chmod(0o755)
    return lambda **options: Shell(boot(init=USER_SPACE, extra=tmp_path, mem=512, timeout=LIMIT,
                                        parallel=PARALLEL, **options))


def start_load(shell):
    for name in LOADS:
        shell(f"load-{name} &")
    shell(f"(storm {THREADS} /tmp/stop 300000; echo storm $? > /tmp/said.storm) &")
    shell("(storm 8 /tmp/stop 0; echo storm $? > /tmp/said.few) &")


def end_load(shell):
    shell("touch /tmp/stop")
    shell("wait")
    assert {name: shell(f"cat /tmp/said.{name}") for name in LOADS} == dict.fromkeys(LOADS, "done")
    assert shell("cat /tmp/said.storm /tmp/said.few") == "storm 0\nstorm 0"


# SPEC: R6 R8
@pytest.mark.parametrize("gate, processors", MACHINES)
def test_programs_see_nothing_of_swapped_schedulers(loaded, gate, processors):
    shell = loaded(smp=processors, append=f"gate.scheduler={gate}")
    start_load(shell)
    shell.guest.type(f"{swapping('scheduler', SWAPS, MODULES)}; echo 'swap''ping is over'")
    said = shell.guest.expect(r"(?s)\n(.*)swapping is over", SWAPS * PATIENCE / 20)[1]
    shell.guest.type("")
    assert "failed" not in said and "wrong" not in said, said
    end_load(shell)
    pauses = pauses_of(shell, "scheduler")
    assert len(pauses) >= SWAPS
    numbers = report(f"{processors} CPUs, {gate} gate", pauses)
    instructions = INSTRUCTIONS_PER_THREAD * THREADS + INSTRUCTIONS_BESIDE
    assert numbers["p50"] <= instructions * NS_PER_INSTRUCTION / 1000 + TURN_US
    # Of four, one may have no processor of the host for as long as that likes.
    assert numbers["max"] <= DRAIN_LIMIT_US or processors > 1
    deaths = shell("cat /helix/slots/scheduler/deaths")
    assert deaths == "0"


# SPEC: R8
def test_a_schedulers_statistics_have_names_and_outlive_it(boot):
    shell = Shell(boot(init=USER_SPACE, smp=2))

    def numbers():
        return {name: int(value) for name, value in
                (line.split() for line in shell("cat /helix/slots/scheduler/statistics").splitlines())}

    first = numbers()
    assert list(first) == ["picks", "steals", "preemptions", "turns_ended", "longest_queue", "waiting_0", "waiting_1"]
    assert first["picks"] > 0
    shell("helixctl module swap scheduler sched_prio")
    shell("seq 5000 | sort -r | tail -n 1")
    second = numbers()
    assert second["picks"] > first["picks"] and second["steals"] >= first["steals"]
    assert shell("cat /helix/slots/demo/statistics") == ""
