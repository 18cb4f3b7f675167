"""A disk: /dev/vda against the file it stands for, behind both gates, and with a driver that goes."""
import hashlib
import random

import pytest
from conftest import USER_SPACE, with_gates
from helix_shell import Patient, Shell, folder_with

SIZE = 4 << 20


@pytest.fixture(name="disk")
def a_disk_of_random_bytes(tmp_path):
    path = tmp_path / "disk,with a comma.img"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("gate", ["open", "user"])
def test_what_is_read_is_the_file(boot, disk, gate):
    shell = Shell(boot(init=USER_SPACE, disk=disk, append=f"gate.block={gate}"))
    whole = md5(disk.read_bytes())
    assert shell("cat /helix/slots/block/gate") == gate
    assert whole in shell("dd if=/dev/vda bs=64k 2>/dev/null | md5sum")
    assert whole in shell("dd if=/dev/vda bs=7777 2>/dev/null | md5sum")
    assert md5(disk.read_bytes()[-1000:]) in shell("tail -c 1000 /dev/vda | md5sum")
    assert shell("blockdev --getsize64 /dev/vda") == str(SIZE)
    assert shell("blockdev --getsz /dev/vda") == str(SIZE // 512)


@pytest.mark.parametrize("gate", ["open", "user"])
def test_what_is_written_arrives_in_the_file(boot, disk, gate):
    wanted = bytearray(disk.read_bytes())
    wanted[1100:1111] = b"hello-disk\n"
    wanted[SIZE - 5:SIZE] = b"last\n"
    shell = Shell(boot(init=USER_SPACE, disk=disk, append=f"gate.block={gate}"))
    shell("echo hello-disk | dd of=/dev/vda bs=11 seek=100 conv=notrunc,fsync 2>/dev/null")
    shell(f"echo last | dd of=/dev/vda bs=1 seek={SIZE - 5} conv=notrunc,fsync 2>/dev/null")
    assert disk.read_bytes() == bytes(wanted)
    assert "No space left" in shell(f"echo more | dd of=/dev/vda bs=5 seek={SIZE // 5 + 1} conv=notrunc")
    assert disk.read_bytes() == bytes(wanted)


def test_only_who_has_the_capability_opens_it(boot, disk):
    shell = Shell(boot(init=USER_SPACE, disk=disk))
    shell("chmod 666 /dev/vda")
    said = shell.as_guest("head -c 1 /dev/vda; cat /helix/refused")
    assert "Operation not permitted" in said and "device:vda" in said


@pytest.mark.parametrize("gate", ["open", "user"])
def test_readers_notice_nothing_of_reloads(boot, disk, gate):
    shell = Shell(boot(init=USER_SPACE, smp=4, disk=disk, append=f"gate.block={gate}"))
    whole = md5(disk.read_bytes())
    shell("for i in 1 2 3 4; do dd if=/dev/vda bs=4k 2>&1 | md5sum > /tmp/$i & done; "
          "for i in 1 2 3 4 5 6 7 8 9 10; do echo > /helix/slots/block/reload; done; wait")
    assert shell("cat /tmp/1 /tmp/2 /tmp/3 /tmp/4").count("-") == 4
    shell("for i in 1 2 3 4; do dd if=/dev/vda bs=4k 2>/dev/null | md5sum > /tmp/$i & done; "
          "for i in 1 2 3 4 5 6 7 8 9 10; do echo > /helix/slots/block/reload; done; wait")
    assert shell("cat /tmp/1 /tmp/2 /tmp/3 /tmp/4").count(whole) == 4


# SPEC: I6 O7
@pytest.mark.parametrize("gate", ["open", "user"])
@pytest.mark.parametrize("smp", [1, 4])
def test_nothing_is_lost_when_the_driver_dies_or_the_disk_sleeps(run_to_end, disk, gate, smp):
    result = run_to_end(append=f"selftest=subsys_block* panic=exit console=serial gate.block={gate}",
                        smp=smp, disk=disk)
    assert result.returncode == 0
    assert result.stdout.count("\nok ") + result.stdout.count("\r\nok ") >= 10, result.stdout
    assert "not ok" not in result.stdout and "SKIP" not in result.stdout


def drive(disk):
    path = str(disk).replace(",", ",,")
    return (f"-drive 'if=none,id=plain,format=raw,file={path}' "
            "-device virtio-blk-pci,drive=plain,disable-legacy=on,write-cache=off,config-wce=off")


# SPEC: O7
def test_a_disk_that_caches_nothing_sleeps_without_a_flush(run_to_end, boot, disk):
    result = run_to_end(append="selftest=subsys_block.a_driver_* panic=exit", smp=2, qemu_args=drive(disk))
    assert result.stdout.replace("\r", "").count("\nok ") == 2, result.stdout
    shell = Shell(boot(init=USER_SPACE, qemu_args=drive(disk)))
    shell("echo 'suspend 1' > /helix/power")
    assert md5(disk.read_bytes()) in shell("md5sum < /dev/vda")
    assert shell("grep flushes /helix/slots/block/statistics") == "flushes 0"


# SPEC: R5
@pytest.mark.parametrize("gate", ["open", "user"])
def test_what_the_driver_counts_goes_from_version_to_version(boot, disk, gate):
    shell = Shell(boot(init=USER_SPACE, disk=disk, append=f"gate.block={gate}"))

    def numbers():
        return {name: int(value) for name, value in
                (line.split() for line in shell("cat /helix/slots/block/statistics").splitlines())}

    def swap(version):
        shell(f"echo virtio_blk {version} > /helix/slots/block/swap")
        assert shell("cat /helix/slots/block/active") == f"virtio_blk {version}"

    assert list(numbers()) == ["reads", "writes", "flushes", "bytes_read", "bytes_written", "failed", "most_under_way"]
    shell("dd if=/dev/vda of=/dev/null bs=64k count=3; dd if=/dev/zero of=/dev/vda bs=4k count=2 conv=notrunc,fsync")
    first = numbers()
    assert first["bytes_read"] == 3 * 65536 and first["bytes_written"] == 2 * 4096
    assert first["flushes"] >= 1 and first["failed"] == 0 and first["most_under_way"] >= 1
    swap("1.0.0")
    assert not numbers()
    shell("dd if=/dev/vda of=/dev/null bs=64k count=1")
    swap("1.1.0")
    assert numbers() == first
    shell("dd if=/dev/vda of=/dev/null bs=64k count=1")
    assert numbers()["reads"] == first["reads"] + 1
    assert "state none" not in shell("grep ' swap ' /helix/slots/block/history")


BAD_SECTOR = 1000
BAD = f"""[inject-error]
event = "read_aio"
errno = "5"
sector = "{BAD_SECTOR}"
once = "off"
"""


# SPEC: H1
def test_a_bad_sector_is_believed_when_two_drivers_say_so(boot, disk, tmp_path):
    (tmp_path / "bad").write_text(BAD)
    path = str(disk).replace(",", ",,")
    shell = Patient(boot(init=USER_SPACE, qemu_args=(
        f"-drive 'if=none,id=bad,driver=raw,file.driver=blkdebug,file.config={tmp_path}/bad,file.image.driver=file,"
        f"file.image.filename={path}' -device virtio-blk-pci,drive=bad,disable-legacy=on")))

    def read(sector):
        return shell(f"dd if=/dev/vda bs=512 skip={sector} count=1 2>&1 >/tmp/got | grep -v records; md5sum < /tmp/got")

    def good(sector):
        return md5(disk.read_bytes()[512 * sector:512 * (sector + 1)])

    assert good(BAD_SECTOR - 1) in read(BAD_SECTOR - 1)
    assert "Input/output error" in read(BAD_SECTOR)
    assert shell.heal("block")["deaths"] == "1"
    assert good(BAD_SECTOR + 1) in read(BAD_SECTOR + 1)
    assert "Input/output error" in read(BAD_SECTOR) and shell.heal("block")["deaths"] == "1"


# include/helix/block_lies.h: what virtio_blk_liar does, by the sector.
LIES = {"silent": 1001, "refused": 1002, "done": 1003, "failed": 1004, "half": 1005, "stuck": 1006, "elsewhere": 1007}


# SPEC: H1
@pytest.mark.parametrize("lie, gate", with_gates(LIES))
def test_a_driver_that_lies_is_ended_and_who_reads_gets_the_right_bytes(boot, disk, tmp_path, lie, gate):
    shell = Patient(boot(init=USER_SPACE, disk=disk, extra=folder_with(tmp_path / "extra", "virtio_blk_liar"),
                         append=f"gate.block={gate} heal.attempts=0 backup.block=virtio_blk"))
    shell.fill_for_good("block", "virtio_blk_liar")

    def read(sector):
        return shell(f"dd if=/dev/vda bs=512 skip={sector} count=1 2>/tmp/error | md5sum; grep -v records /tmp/error")

    def good(sector):
        return md5(disk.read_bytes()[512 * sector:512 * (sector + 1)])

    assert good(1000) in read(1000)
    assert shell("cat /helix/slots/block/active; cat /helix/slots/block/deaths") == "virtio_blk_liar 1.0.0\n0"
    said = read(LIES[lie])
    assert good(LIES[lie]) in said and "rror" not in said
    assert shell("cat /helix/slots/block/active; cat /helix/slots/block/deaths") == "virtio_blk 1.1.0\n1"
    assert shell("blockdev --getsize64 /dev/vda") == str(SIZE)
    assert good(1000) in read(1000)
