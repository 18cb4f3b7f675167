"""A machine that sleeps, with its disk: programs that check each byte notice nothing but the time."""
import re

import pytest
from conftest import IS_SOAK, PATIENCE, USER_SPACE
from helix_shell import Patient, Shell, folder_with
from test_disk_swaps import FILE_SYSTEM_MB, RAW, READER, WRITER
from test_ext2 import ask, check, make_image

SLEEPS = 100 if IS_SOAK else 4
AWHILE = 40 if IS_SOAK else 4
WRITERS = 2
DEAF = 1008  # include/helix/block_lies.h
STARTED = "block block: the driver was started anew"
# Says how long it did not run, in hundredths of a second, each time that that was long.
WATCHER = """#!/bin/sh
hundredths() {
    read up idle < /proc/uptime
    now=$((${up%.*} * 100 + 1${up#*.} - 100))
}
hundredths
while [ ! -e /tmp/stop ]; do
    last=$now
    hundredths
    [ $((now - last)) -lt 50 ] || echo $((now - last))
done > /tmp/gaps
"""


@pytest.fixture(name="image")
def a_disk_with_a_file_system_and_bytes_behind_it(tmp_path):
    image = make_image(tmp_path / "disk.img", megabytes=FILE_SYSTEM_MB)
    with open(image, "ab") as file:
        file.write(RAW)
    return image


@pytest.fixture(name="loaded")
def a_guest(boot, image, tmp_path):
    """Call it to start a machine with the disk mounted and everybody at work; its shell."""
    (tmp_path / "extra/bin").mkdir(parents=True)
    for name, text in {"writer": WRITER, "reader": READER}.items():
        (tmp_path / "extra/bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "extra/bin" / name).chmod(0o755)

    def start(append="", **options):
        shell = Patient(boot(init=USER_SPACE, disk=image, extra=tmp_path / "extra", timeout=5 * PATIENCE,
                             append=f"loglevel=error {append}", **options))
        shell("mkdir -p /mnt; mount -t ext2 /dev/vda /mnt; reader &")
        for i in range(WRITERS):
            shell(f"writer {i} &")
        shell.until(f"[ -s /mnt/{WRITERS - 1}.log ]")
        return shell

    return start


def starts(shell):
    return int(shell(f"grep -c '{STARTED}' /helix/log"))


def finish(shell, image):
    """All end, have got every byte, and no module has died; the host finds the same on the disk."""
    shell("touch /tmp/stop; wait; umount /mnt")
    assert shell("cat /tmp/said.*") == ""
    assert set(shell.column("heal", "deaths")) == {"0"}
    assert next(row["errors"] for row in shell.table("components") if row["name"] == "block") == "0"
    check(image)
    for i in range(WRITERS):
        rounds = int(shell(f"cat /tmp/rounds.{i}"))
        assert ask(image, f"cat {i}.log").split() == [str(n).encode() for n in range(1, rounds + 1)]


# SPEC: O7
@pytest.mark.parametrize("smp, gate", [(1, "open"), (2, "user")])
def test_a_disk_sleeps_with_the_machine_and_no_byte_is_lost(loaded, image, smp, gate):
    shell = loaded(smp=smp, append=f"gate.block={gate}")
    for _ in range(SLEEPS):
        assert shell("echo 'suspend 1' > /helix/power && echo awake").endswith("awake")
    assert starts(shell) == SLEEPS
    finish(shell, image)


# SPEC: O7
@pytest.mark.parametrize("smp", [1, 2])
def test_no_thread_of_a_sleeping_machine_runs(boot, tmp_path, smp):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/watcher").write_text(WATCHER, encoding="utf-8")
    (tmp_path / "bin/watcher").chmod(0o755)
    shell = Shell(boot(init=USER_SPACE, smp=smp, extra=tmp_path))
    shell("watcher &")
    for seconds in (2, 3):
        shell(f"echo 'suspend {seconds}' > /helix/power; sleep 0.2")
    gaps = [int(gap) for gap in shell("touch /tmp/stop; wait; cat /tmp/gaps").split()]
    assert len([gap for gap in gaps if gap >= 150]) == 2 and max(gaps) >= 250, gaps


# SPEC: O7
def test_a_driver_is_exchanged_while_its_disk_is_suspended(loaded, image):
    shell = loaded(smp=2)
    shell("echo 'trial_ms 0' > /helix/slots/block/options")
    for version in ("1.0.0", "1.1.0"):
        shell("echo suspend > /helix/power")
        assert shell("cat /helix/state | grep state") == "state: Suspended"
        assert shell(f"echo virtio_blk {version} > /helix/slots/block/swap; cat /helix/slots/block/active") == f"virtio_blk {version}"
        shell(f"sleep {AWHILE}; echo resume > /helix/power")  # longer than any request may take
    assert starts(shell) == 2
    finish(shell, image)


# SPEC: O7 O9
@pytest.mark.parametrize("step, wakes", [("disk", 0), ("console", 1)])
def test_a_disk_goes_on_when_the_machine_does_not_fall_asleep(loaded, image, step, wakes):
    shell = loaded(append=f"failpoint=suspend:{step}")
    assert "error" in shell("echo 'suspend 1' > /helix/power")
    assert shell("cat /helix/state | grep state") == "state: Running"
    assert starts(shell) == wakes
    assert shell("echo 'suspend 1' > /helix/power && echo awake").endswith("awake")
    finish(shell, image)


# SPEC: O7
def test_a_disk_whose_driver_does_not_flush_it_stays_awake(boot, image, tmp_path):
    shell = Patient(boot(init=USER_SPACE, disk=image, extra=folder_with(tmp_path / "extra", "virtio_blk_liar"),
                         append="heal.attempts=0"))
    shell.fill_for_good("block", "virtio_blk_liar")
    read = f"dd if=/dev/vda bs=512 skip={DEAF} count=1 2>/dev/null | md5sum"
    bytes_there = shell(read)
    assert "imed out" in shell("echo 'suspend 1' > /helix/power")
    assert shell("cat /helix/state | grep state; cat /helix/slots/block/active") == "state: Running\nvirtio_blk_liar 1.0.0"
    assert shell(read) == bytes_there
    # Another one does.
    assert shell("echo virtio_blk > /helix/slots/block/swap; echo 'suspend 1' > /helix/power && echo awake").endswith("awake")
    assert shell(read) == bytes_there


# SPEC: O7
@pytest.mark.skipif(not IS_SOAK, reason="takes a minute")
def test_time_asleep_is_no_time_without_a_driver(boot, image):
    shell = Shell(boot(init=USER_SPACE, disk=image))
    read = "dd if=/dev/vda bs=64k 2>/dev/null | md5sum"
    bytes_there = shell(read)
    shell(f"echo > /helix/slots/block/unload; ({read}) > /tmp/read &")
    shell("sleep 10; echo 'suspend 30' > /helix/power; sleep 5; echo virtio_blk > /helix/slots/block/swap; wait")
    assert shell("cat /tmp/read") == bytes_there
