"""ext2 on the disk: what programs of the guest write is what e2fsck and debugfs of the host find, whatever the block size,
the gate and the number of CPUs. test_disk_swaps.py exchanges the module meanwhile."""
import hashlib
import os
import random
import subprocess

import pytest
from conftest import USER_SPACE, with_gates
from helix_shell import Patient, Shell, folder_with
from test_userland import Helix, expect_the_same, fill_extra, this_machine  # pylint: disable=unused-import

# Of the programs of tests/userland those that are about files.
SCRIPTS = ["archives", "editing", "errors", "fifos", "files", "find", "hashes", "links", "redirections", "unlinked"]
PROGRAMS_OF_FILES = ["attributes", "copying", "errors_of_files", "locks", "memory", "old_listing", "ordinary_user",
                     "record_locks", "watches"]
# mke2fs, e2fsck and debugfs are where not everybody looks.
TOOLS = {**os.environ, "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}


def md5(data):
    return hashlib.md5(data).hexdigest()


def make_image(path, megabytes=32, options=()):
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext2", *options, str(path)], check=True, env=TOOLS)
    return path


def check(image):
    """The host finds nothing wrong with it, nor that it was not left in order."""
    result = subprocess.run(["e2fsck", "-fn", str(image)], capture_output=True, text=True, check=False,
                            env=TOOLS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "not cleanly" not in result.stdout, result.stdout


def ask(image, request):
    """What debugfs says of an image."""
    return subprocess.run(["debugfs", "-R", request, str(image)], capture_output=True, check=True,
                          env=TOOLS).stdout


def put(image, files):
    """Write files into an image, by their paths."""
    for name, data in files.items():
        source = image.parent / "source"
        source.write_bytes(data)
        subprocess.run(["debugfs", "-w", "-R", f"write {source} {name}", str(image)], check=True, capture_output=True,
                       env=TOOLS)


@pytest.fixture(name="image")
def an_empty_image(tmp_path):
    return make_image(tmp_path / "disk.img")


def booted(boot, image, **options):
    shell = Shell(boot(init=USER_SPACE, disk=image, **options))
    assert shell("mkdir -p /mnt; mount -t ext2 /dev/vda /mnt") == ""
    return shell


@pytest.mark.parametrize("size, gate", [(1024, "open"), (2048, "user"), (4096, "open")])
def test_what_the_host_wrote_is_read(boot, tmp_path, size, gate):
    image = make_image(tmp_path / "disk.img", options=["-b", str(size)])
    files = {"small": b"hello\n", "large": random.Random(2).randbytes(5 << 20), "empty": b""}
    put(image, files)
    subprocess.run(["debugfs", "-w", "-f", "-", str(image)], check=True, capture_output=True, env=TOOLS,
                   input=b"mkdir folder\nsymlink folder/link ../small\n")
    shell = booted(boot, image, append=f"gate.file_system={gate}")
    assert shell("ls /mnt").split() == ["empty", "folder", "large", "lost+found", "small"]
    for name, data in files.items():
        assert md5(data) in shell(f"md5sum /mnt/{name}")
    assert shell("cat /mnt/folder/link; readlink /mnt/folder/link") == "hello\n../small"
    assert "/dev/vda /mnt ext2 rw" in shell("cat /proc/mounts")
    assert shell("umount /mnt; ls /mnt") == ""
    check(image)


TREE = ("mkdir -p /mnt/a/b/c && cp -r /bin /mnt/a/ && dd if=/dev/urandom of=/mnt/a/random bs=7777 count=300 2>/dev/null && "
        "cp /mnt/a/random /mnt/a/b/copy && ln /mnt/a/random /mnt/a/hard && ln -s ../a/random /mnt/a/soft && "
        "ln -s $(printf %0100d 7) /mnt/a/long && mv /mnt/a/b/copy /mnt/a/b/c/moved && "
        "echo one > /mnt/text && echo two >> /mnt/text && sed -i s/one/three/ /mnt/text && "
        "mkfifo /mnt/a/fifo && mknod /mnt/a/null c 1 3 && mknod /mnt/a/far c 300 70000 && "
        "tar -cf /mnt/tree.tar -C /mnt a/b && mkdir /mnt/out && tar -xf /mnt/tree.tar -C /mnt/out && "
        "mkdir /mnt/gone && rmdir /mnt/gone && mv /mnt/out /mnt/a/out && rm -r /mnt/a/bin")


@pytest.mark.parametrize("options, smp, gate", [(["-b", "1024"], 4, "open"), (["-b", "1024"], 1, "user"),
                                                (["-b", "4096"], 4, "user"), (["-b", "2048", "-r", "0"], 1, "open")])
def test_what_is_written_is_what_the_host_finds(boot, tmp_path, options, smp, gate):
    image = make_image(tmp_path / "disk.img", options=options)
    shell = booted(boot, image, smp=smp, append=f"gate.file_system={gate}")
    assert shell(TREE) == ""
    sums = dict(line.split()[::-1] for line in
                shell("cd /mnt; md5sum text tree.tar a/random a/hard a/b/c/moved a/out/a/b/c/moved; cd /").splitlines())
    assert len(sums) == 6
    assert shell("readlink /mnt/a/soft; readlink /mnt/a/long") == "../a/random\n" + "0" * 99 + "7"
    assert shell("cat /mnt/text") == "three\ntwo"
    assert shell("sync; umount /mnt") == ""
    check(image)
    for name, sum_ in sums.items():
        assert md5(ask(image, f"cat {name}")) == sum_, name
    listing = ask(image, "ls -l a").decode()
    assert "bin" not in listing and "fifo" in listing
    assert "Device major/minor number: 300:70000" in ask(image, "stat a/far").decode()


# SPEC: R5
def test_counts_and_hints_go_from_version_to_version(boot, image):
    shell = booted(boot, image)
    assert shell("dd if=/dev/zero of=/mnt/a bs=4096 count=30 2>/dev/null") == ""
    assert shell("echo ext2_hints > /helix/slots/file_system/swap; cat /helix/slots/file_system/active") == "ext2_hints 1.1.0"
    assert shell("dd if=/dev/zero of=/mnt/b bs=4096 count=40 2>/dev/null") == ""
    assert shell("echo ext2 > /helix/slots/file_system/swap; cat /helix/slots/file_system/active") == "ext2 1.0.0"
    assert shell("dd if=/dev/zero of=/mnt/c bs=4096 count=50 2>/dev/null") == ""
    assert shell("umount /mnt") == ""
    assert "120 writes" in shell("dmesg | grep 'uses of names'")
    check(image)


class HelixOnDisk(Helix):
    """The guest of test_userland.py, but its folders, and the programs in them, are on the disk."""

    def __init__(self, boot, extra, folder):
        super().__init__(lambda **options: self._begin(boot, **options), extra)
        self._folder = folder
        self._images = 0

    def _begin(self, boot, **options):
        self._images += 1
        image = make_image(self._folder / f"{self._images}.img", megabytes=64)
        shell = Shell(boot(disk=image, mem=512, **options))
        assert shell("mkdir /mnt; mount -t ext2 /dev/vda /mnt && cp -a /userland /mnt/ && "
                     "mount -o bind /mnt/userland /userland") == ""
        shell.guest.type("")
        return shell.guest


@pytest.fixture(scope="module", name="on_disk")
def a_guest_whose_folders_are_on_the_disk(boot_once, tmp_path_factory):
    extra = tmp_path_factory.mktemp("extra-ext2")
    fill_extra(extra)
    return HelixOnDisk(boot_once, extra, tmp_path_factory.mktemp("disk"))


def apart_from_mounts(said):
    """Without what differs as / is another file system here."""
    lines = said[0].splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("rename to </>")), said[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_on_the_disk_do_as_on_linux(linux, on_disk, name):
    expect_the_same(linux.script(name), on_disk.script(name))


@pytest.mark.parametrize("name", PROGRAMS_OF_FILES)
def test_programs_on_the_disk_do_as_on_linux(linux, on_disk, name):
    expect_the_same(apart_from_mounts(linux.program(name)), apart_from_mounts(on_disk.program(name)))


def test_a_full_disk_says_so_and_is_emptied_again(boot, tmp_path):
    image = make_image(tmp_path / "disk.img", megabytes=4, options=["-b", "1024", "-N", "64"])
    shell = booted(boot, image)
    assert "No space left" in shell("dd if=/dev/zero of=/mnt/all bs=10000")
    assert shell("df /mnt | tail -n 1 | awk '{print $4}'") == "0"
    assert "No space left" in shell("mkdir /mnt/more")
    size = int(shell("stat -c %s /mnt/all"))
    assert shell("rm /mnt/all; dd if=/dev/zero of=/mnt/again bs=10000 2>/dev/null; stat -c %s /mnt/again") == str(size)
    assert shell("rm /mnt/again; sync") == ""
    check(image)
    assert "No space left" in shell("for i in $(seq 100); do > /mnt/$i || break; done 2>&1")
    assert shell("df -i /mnt | tail -n 1 | awk '{print $4}'") == "0"
    shell("rm /mnt/[0-9]*; umount /mnt")
    check(image)


def test_many_names_and_deep_paths(boot, tmp_path):
    image = make_image(tmp_path / "disk.img", options=["-b", "1024", "-N", "4096"])
    shell = booted(boot, image)
    shell("mkdir /mnt/many; cd /mnt/many; for i in $(seq 1000); do > a-file-with-a-number-$i; done; cd /")
    assert shell("ls /mnt/many | wc -l") == "1000"
    shell("cd /mnt/many; for i in $(seq 1 2 1000); do rm a-file-with-a-number-$i; done; cd /")
    assert shell("ls /mnt/many | wc -l") == "500"
    assert shell("cd /mnt; for i in $(seq 80); do mkdir deep; cd deep; done; pwd | wc -c; echo end > end; cd /") == "405"
    assert shell("find /mnt -name end -exec cat {} ';'") == "end"
    assert "File name too long" in shell("> /mnt/$(printf %0256d 1)")
    shell("> /mnt/$(printf %0255d 1)")
    shell("sync")
    check(image)
    assert shell("rm -r /mnt/many /mnt/deep; umount /mnt") == ""
    check(image)


@pytest.mark.parametrize("size", [1024, 4096])
def test_holes_take_no_room(boot, tmp_path, size):
    image = make_image(tmp_path / "disk.img", options=["-b", str(size)])
    shell = booted(boot, image)
    for seek in ("20k", "300k", "70M", "3G"):
        shell(f"echo here | dd of=/mnt/holes bs=1 seek={seek} conv=notrunc 2>/dev/null")
    assert shell("stat -c %s /mnt/holes") == str((3 << 30) + 5)
    assert int(shell("du -k /mnt/holes").split()[0]) < 100
    assert shell("tail -c 5 /mnt/holes; dd if=/mnt/holes bs=1 skip=70M count=5 2>/dev/null") == "here\nhere"
    shell("sync")
    check(image)
    shell("truncate -s 300003 /mnt/holes; truncate -s 400000 /mnt/holes")
    wanted = bytearray(400000)
    wanted[20 << 10:(20 << 10) + 5] = b"here\n"
    assert md5(wanted) in shell("md5sum /mnt/holes")
    shell("umount /mnt")
    check(image)
    assert ask(image, "cat holes") == bytes(wanted)


def test_what_cannot_be_mounted_is_refused(boot, tmp_path):
    def refusal(image):
        shell = Shell(boot(init=USER_SPACE, disk=image))
        return shell("mkdir /mnt; mount -t ext2 /dev/vda /mnt; mount -t ext2 /dev/null /mnt"), shell("dmesg | grep ext2:")

    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(4 << 20))
    said, logged = refusal(empty)
    assert "Invalid argument" in said and "Block device required" in said and "there is no ext2" in logged
    newer = tmp_path / "newer.img"
    newer.write_bytes(bytes(8 << 20))
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", str(newer)], check=True, env=TOOLS)
    said, logged = refusal(newer)
    assert "Invalid argument" in said and "incompatible feature" in logged


def test_a_feature_for_writers_makes_it_read_only(boot, tmp_path):
    image = make_image(tmp_path / "disk.img", options=["-O", "dir_nlink"])
    put(image, {"file": b"text\n"})
    before = image.read_bytes()
    shell = booted(boot, image)
    assert shell("cat /mnt/file") == "text"
    assert "Read-only file system" in shell("> /mnt/new")
    assert "Read-only file system" in shell("rm -f /mnt/file")
    assert "busy" in shell("mkdir /else; mount -t ext2 /dev/vda /else")
    shell("umount /mnt")
    assert image.read_bytes() == before


def test_who_powers_off_without_unmounting_loses_nothing(boot, image):
    guest = boot(init=USER_SPACE, disk=image)
    shell = Shell(guest)
    shell("mkdir /mnt; mount -t ext2 /dev/vda /mnt; seq 10000 > /mnt/numbers")
    guest.type("poweroff")
    guest.end()
    check(image)
    assert ask(image, "cat numbers") == "".join(f"{i}\n" for i in range(1, 10001)).encode()


def test_programs_run_from_it_and_what_runs_is_not_written(boot, image):
    shell = booted(boot, image)
    assert shell("cp /bin/busybox /mnt/busybox; /mnt/busybox echo it runs") == "it runs"
    assert "Text file busy" in shell("/mnt/busybox sleep 1000 & sleep 1; echo more >> /mnt/busybox; kill $!")
    assert "busy" in shell("cd /mnt; umount /mnt; cd /")
    shell("wait; umount /mnt")
    check(image)


# SPEC: R6
def test_callers_wait_while_there_is_no_module(boot, image):
    shell = booted(boot, image)
    assert shell("echo > /helix/slots/file_system/unload; cat /helix/slots/file_system/active") == "-"
    shell("(echo waited > /mnt/file; echo done > /tmp/done) &")
    assert "No such file" in shell("sleep 1; cat /tmp/done")
    shell("echo ext2 > /helix/slots/file_system/swap; wait")
    assert shell("cat /tmp/done /mnt/file; umount /mnt") == "done\nwaited"
    check(image)


# include/helix/file_system_lies.h: what ext2_liar answers, by the offset of a read.
LIES = {"foreign": 1001, "broken": 1002, "untold": 1003, "made up": 1004}
TEXT = random.Random(4).randbytes(10000)


def with_a_liar(boot, image, tmp_path, more):
    """A shell with the disk mounted, on it a file with that text, and ext2_liar in the slot."""
    put(image, {"file": TEXT})
    shell = Patient(boot(init=USER_SPACE, disk=image, extra=folder_with(tmp_path / "extra", "ext2_liar"), append=more))
    assert shell("mkdir /mnt; mount -t ext2 /dev/vda /mnt") == ""
    shell.fill_for_good("file_system", "ext2_liar")
    return shell


def read_from(shell, offset):
    """What a program that reads so many bytes from there on gets: their sum, and errors."""
    return shell(f"dd if=/mnt/file bs={offset} skip=1 count=1 2>/tmp/error | md5sum; grep -v records /tmp/error")


def content(shell):
    return shell("cat /helix/slots/file_system/active; cat /helix/slots/file_system/deaths")


# SPEC: R6
@pytest.mark.parametrize("lie, gate", with_gates(LIES))
def test_an_error_that_is_none_is_asked_of_another(boot, image, tmp_path, lie, gate):
    shell = with_a_liar(boot, image, tmp_path, f"gate.file_system={gate} heal.attempts=0 backup.file_system=ext2")
    assert md5(TEXT[1000:2000]) in read_from(shell, 1000)
    assert content(shell) == "ext2_liar 1.0.0\n0"
    said = read_from(shell, LIES[lie])
    assert md5(TEXT[LIES[lie]:2 * LIES[lie]]) in said and "rror" not in said
    assert content(shell) == "ext2 1.0.0\n1"
    assert shell("umount /mnt") == ""
    check(image)


# SPEC: R6
@pytest.mark.parametrize("lie", LIES)
def test_an_error_that_two_tell_is_believed_and_costs_no_third(boot, image, tmp_path, lie):
    shell = with_a_liar(boot, image, tmp_path, "heal.attempts=3")
    for _ in range(3):
        assert "dd: /mnt/file: " in read_from(shell, LIES[lie])
        assert content(shell) == "ext2_liar 1.0.0\n1"
    assert md5(TEXT[1000:2000]) in read_from(shell, 1000)
    assert shell("umount /mnt") == ""
    check(image)


OTHER_BYTES = 1005


# SPEC: R6
@pytest.mark.parametrize("gate", ["open", "user"])
def test_a_witness_keeps_wrong_bytes_from_programs(boot, image, tmp_path, gate):
    options = f"gate.file_system={gate} gate.witness={gate} heal.attempts=0 backup.file_system=ext2"
    shell = with_a_liar(boot, image, tmp_path, options)
    assert md5(TEXT[:OTHER_BYTES]) in read_from(shell, OTHER_BYTES) # without one nobody knows
    assert content(shell) == "ext2_liar 1.0.0\n0"
    assert shell("helixctl module swap witness ext2") == "ext2 1.0.0"
    assert md5(TEXT[1000:2000]) in read_from(shell, 1000)
    assert content(shell) == "ext2_liar 1.0.0\n0"
    said = read_from(shell, OTHER_BYTES)
    assert md5(TEXT[OTHER_BYTES:2 * OTHER_BYTES]) in said and "dd: " not in said
    assert content(shell) == "ext2 1.0.0\n1"
    # Who was right has ended as well, for nobody knew; without attempts there is no other one.
    assert (shell.heal("witness")["deaths"], shell.heal("witness")["health"]) == ("1", "Failed")
    assert "ext2 1.0.0" in shell("helixctl module swap witness ext2")
    assert shell("cp /mnt/file /mnt/other; mkdir /mnt/folder; mv /mnt/other /mnt/folder; rm /mnt/file; sync") == ""
    assert md5(TEXT) in shell("md5sum /mnt/folder/other")
    assert shell("umount /mnt") == "" and content(shell) == "ext2 1.0.0\n1"
    check(image)


# SPEC: R6
def test_two_that_never_agree_are_not_asked_for_ever(boot, image, tmp_path):
    options = "heal.attempts=100 heal.cooldown=0"
    shell = with_a_liar(boot, image, tmp_path, options)
    assert shell("helixctl module swap witness ext2") == "ext2 1.0.0"
    assert md5(TEXT[:OTHER_BYTES]) in read_from(shell, OTHER_BYTES)
    assert "never agree" in shell("cat /helix/log")
    assert shell.heal("witness")["deaths"] == shell.heal("file_system")["deaths"] == "2"
    assert md5(TEXT[:OTHER_BYTES]) in read_from(shell, OTHER_BYTES)
    assert shell.heal("file_system")["deaths"] == "2"
    assert shell("umount /mnt") == ""
    check(image)
