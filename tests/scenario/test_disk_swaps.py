"""The disk's driver and the file system on it exchanged, at the same time, under programs that check each byte."""
import hashlib
import random
import time

import pytest
from conftest import IS_SOAK, PATIENCE, ROOT, USER_SPACE
from helix_shell import Shell
from swap_pauses import SWAPPER, pauses_of, report, swapping
from test_ext2 import ask, check, make_image

# Of each slot, by gate and processors.
SWAPS = {("open", 4): 40, ("user", 4): 20, ("open", 1): 20}
if IS_SOAK:
    SWAPS = dict.fromkeys(SWAPS, 10000)
DEATHS = 1000 if IS_SOAK else 20
LIMIT = 3 * 3600 if IS_SOAK else 5 * PATIENCE  # of a machine
FILE_SYSTEM_MB = 16
RAW = random.Random(3).randbytes(2 << 20)  # behind the file system, read past the cache
# docs/hot-reload.md
HALF_US = 30000
MOST_US = 500000
WRITERS = 4

# Until /tmp/stop is there, writer $1 writes a file, compares what it reads, and adds a line to its log; every eighth round it
# has all of it on the disk. What is not as it should be it says.
WRITER = """#!/bin/sh
n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    seq $n $((n + 400)) > /mnt/$1.new || echo not written: $n
    a=$(seq $n $((n + 400)) | md5sum)
    b=$(md5sum < /mnt/$1.new)
    [ "$a" = "$b" ] || echo not what was written: $n
    mv /mnt/$1.new /mnt/$1.last || echo not renamed: $n
    echo $n >> /mnt/$1.log || echo not added: $n
    [ $((n % 8)) != 0 ] || sync
done > /tmp/said.$1 2>&1
echo $n > /tmp/rounds.$1
"""
READER = f"""#!/bin/sh
while [ ! -e /tmp/stop ]; do
    a=$(dd if=/dev/vda bs=32k skip={FILE_SYSTEM_MB * 32} 2>/tmp/error | md5sum) || cat /tmp/error
    [ "$a" = '{hashlib.md5(RAW).hexdigest()}  -' ] || echo not what is there: $a
done > /tmp/said.raw 2>&1
"""
# breaker SLOT TIMES MODULE: it dies on trial each time, and what was there before is back.
BREAKER = """#!/bin/sh
slot=/helix/slots/$1
read before < $slot/active
i=0
while [ $i -lt $2 ]; do
    echo $3 > $slot/swap || echo failed: $3
    active=
    while [ "$active" != "$before" ]; do
        usleep 20000
        read active < $slot/active
    done
    i=$((i + 1))
done
"""
FRAGILE = {"block": "virtio_blk_fragile", "file_system": "ext2_fragile"}
SLOTS = {"block": ("virtio_blk 1.0.0", "virtio_blk 1.1.0"), "file_system": ("ext2_hints 1.1.0", "ext2 1.0.0")}


WHOLE = {"block": "virtio_blk 1.1.0", "file_system": "ext2 1.0.0"}


@pytest.fixture(name="loaded")
def a_guest(boot, tmp_path):
    """Call it to start a machine with the disk mounted and everybody at work; its shell and its disk."""
    (tmp_path / "extra/bin").mkdir(parents=True)
    for module in FRAGILE.values():
        (tmp_path / f"extra/{module}.hxm").write_bytes((ROOT / f"build/x86_64/modules/{module}.hxm").read_bytes())
    for name, text in {"writer": WRITER, "reader": READER, "swapper": SWAPPER, "breaker": BREAKER}.items():
        (tmp_path / "extra/bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "extra/bin" / name).chmod(0o755)
    image = make_image(tmp_path / "disk.img", megabytes=FILE_SYSTEM_MB)
    with open(image, "ab") as file:
        file.write(RAW)

    def start(gate, processors, more=""):
        shell = Shell(boot(init=USER_SPACE, extra=tmp_path / "extra", disk=image, smp=processors, timeout=LIMIT,
                           append=f"gate.block={gate} gate.file_system={gate} {more}"))
        assert shell("mkdir /mnt; mount -t ext2 /dev/vda /mnt") == ""
        for slot in SLOTS:
            # What the host lets a processor wait for is not what a swap is called off for.
            shell(f"printf 'drain_ms 30000' > /helix/slots/{slot}/options")
        for i in range(WRITERS):
            shell(f"writer {i} &")
        shell("reader &")
        return shell, image

    return start


def in_both_slots(shell, times, command):
    """Run a command of each slot at once; everything that the two say."""
    begin = " ".join(f"{command(slot)} > /tmp/said.{slot} 2>&1 &" for slot in SLOTS)
    shell.guest.type(f"({begin} wait); echo 'both ''are over'")
    shell.guest.expect("both are over", times * PATIENCE / 20 + PATIENCE)
    shell.guest.type("")
    return shell("cat " + " ".join(f"/tmp/said.{slot}" for slot in SLOTS))


def written_in(round_):
    return "".join(f"{number}\n" for number in range(round_, round_ + 401)).encode()


def lines_to(last):
    return "".join(f"{number}\n" for number in range(1, last + 1)).encode()


def end_load(shell):
    """Nobody had anything to say; how many rounds each writer has done."""
    shell("touch /tmp/stop; wait")
    assert shell("cat /tmp/said.[0-9] /tmp/said.raw") == ""
    return [int(shell(f"cat /tmp/rounds.{i}")) for i in range(WRITERS)]


def deaths_of(shell):
    return [int(shell(f"cat /helix/slots/{slot}/deaths")) for slot in SLOTS]


def expect_all_on_disk(shell, image, rounds):
    """No byte is lost, none doubled, and the host finds all in order."""
    print("rounds of the writers:", rounds)
    assert shell("umount /mnt") == ""
    check(image)
    for i, last in enumerate(rounds):
        assert ask(image, f"cat {i}.last") == written_in(last)
        assert ask(image, f"cat {i}.log") == lines_to(last)


# SPEC: R6
@pytest.mark.parametrize("gate, processors", SWAPS)
def test_two_slots_swap_at_once_and_no_byte_is_lost(loaded, gate, processors):
    shell, image = loaded(gate, processors)
    times = SWAPS[gate, processors]
    begin = time.monotonic()
    assert in_both_slots(shell, times, lambda slot: swapping(slot, times, SLOTS[slot])) == ""
    print(f"swap: {(time.monotonic() - begin) / times / len(SLOTS) * 1000:.0f} ms of the host each, the load beside it")
    rounds = end_load(shell)
    assert deaths_of(shell) == [0, 0]
    for slot in SLOTS:
        pauses = pauses_of(shell, slot)
        assert len(pauses) >= times
        assert report(f"{slot}, {processors} CPUs, {gate} gate", pauses)["p50"] <= HALF_US
        # Of four processors one may have none of the host for as long as that likes.
        assert pauses[int(len(pauses) * .99) - 1] <= MOST_US or processors > 1
    expect_all_on_disk(shell, image, rounds)


# SPEC: R9
@pytest.mark.parametrize("gate", ["open", "user"])
def test_versions_that_die_on_trial_are_taken_back_and_no_byte_is_lost(loaded, gate):
    shell, image = loaded(gate, 4)
    for slot, module in FRAGILE.items():
        assert shell(f"echo /{module}.hxm > /helix/slots/{slot}/load") == ""
    assert in_both_slots(shell, DEATHS, lambda slot: f"breaker {slot} {DEATHS} {FRAGILE[slot]}") == ""
    rounds = end_load(shell)
    assert min(deaths_of(shell)) >= DEATHS
    assert "RollbackFailed" not in shell("cat /helix/slots/*/history")
    assert shell("cat /helix/slots/block/active /helix/slots/file_system/active") == "virtio_blk 1.1.0\next2 1.0.0"
    expect_all_on_disk(shell, image, rounds)


# SPEC: H4 H5
@pytest.mark.parametrize("gate", ["open", "user"])
def test_versions_that_die_for_good_are_replaced_and_no_byte_is_lost(loaded, gate):
    shell, image = loaded(gate, 2, "heal.attempts=100 heal.cooldown=0 loglevel=error")
    for slot, module in FRAGILE.items():
        shell(f"printf 'trial_ms 0' > /helix/slots/{slot}/options")
        assert shell(f"echo /{module}.hxm > /helix/slots/{slot}/load") == ""
        assert shell(f"echo {module} > /helix/slots/{slot}/swap") == ""
    shell(f"until [ $(cat /helix/slots/block/deaths) -ge {DEATHS} ] && "
          f"[ $(cat /helix/slots/file_system/deaths) -ge {DEATHS} ]; do usleep 100000; done")
    for slot in SLOTS:
        shell(f"until [ \"$(cat /helix/slots/{slot}/active)\" = '{WHOLE[slot]}' ]; do "
              f"echo {WHOLE[slot]} > /helix/slots/{slot}/swap; usleep 100000; done 2>/dev/null")
    rounds = end_load(shell)
    assert "quarantine" not in shell.guest.text
    expect_all_on_disk(shell, image, rounds)
