"""ext2 on the disk: what programs of the guest write is what e2fsck and debugfs of the host find, whatever the block size,
the gate and the number of CPUs, and while one version of the module takes over from the other."""
import hashlib
import random
import subprocess

import pytest
from conftest import USER_SPACE
from helix_shell import Shell

GATES = ["open", "user"]


def md5(data):
    return hashlib.md5(data).hexdigest()


def make_image(path, megabytes=32, options=()):
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext2", *options, str(path)], check=True)
    return path


def check(image):
    """The host finds nothing wrong with it, nor that it was not left in order."""
    result = subprocess.run(["e2fsck", "-fn", str(image)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "not cleanly" not in result.stdout, result.stdout


def ask(image, request):
    """What debugfs says of an image."""
    return subprocess.run(["debugfs", "-R", request, str(image)], capture_output=True, check=True).stdout


def put(image, files):
    """Write files into an image, by their paths."""
    for name, data in files.items():
        source = image.parent / "source"
        source.write_bytes(data)
        subprocess.run(["debugfs", "-w", "-R", f"write {source} {name}", str(image)], check=True, capture_output=True)


@pytest.fixture(name="image")
def an_empty_image(tmp_path):
    return make_image(tmp_path / "disk.img")


def booted(boot, image, **options):
    shell = Shell(boot(init=USER_SPACE, disk=image, **options))
    assert shell("mkdir -p /mnt; mount -t ext2 /dev/vda /mnt") == ""
    return shell


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("size", [1024, 2048, 4096])
def test_what_the_host_wrote_is_read(boot, tmp_path, size, gate):
    image = make_image(tmp_path / "disk.img", options=["-b", str(size)])
    files = {"small": b"hello\n", "large": random.Random(2).randbytes(5 << 20), "empty": b""}
    put(image, files)
    subprocess.run(["debugfs", "-w", "-f", "-", str(image)], check=True, capture_output=True,
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


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("smp", [1, 4])
@pytest.mark.parametrize("options", [["-b", "1024"], ["-b", "4096"], ["-b", "2048", "-r", "0"]])
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


# Each of four writers makes a file of its own, again and again, and says whenever it does not read what it wrote.
WRITERS = ("for i in 1 2 3 4; do (n=0; while [ $n -lt {rounds} ]; do n=$((n + 1)); "
           "seq $n $((n + {length})) > /mnt/$i.$n && a=$(seq $n $((n + {length})) | md5sum) && b=$(md5sum < /mnt/$i.$n) && "
           "[ \"$a\" = \"$b\" ] || echo WRONG $i $n; mv /mnt/$i.$n /mnt/last.$i; done) & done; ")


def written(number, length):
    return "".join(f"{i}\n" for i in range(number, number + length + 1)).encode()


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("smp", [1, 4])
def test_swaps_lose_nothing_of_what_programs_write(boot, image, smp, gate):
    shell = booted(boot, image, smp=smp, append=f"gate.file_system={gate}")
    shell("printf 'trial_ms 0' > /helix/slots/file_system/options")
    said = shell(WRITERS.format(rounds=20, length=3000) +
                 "for v in 1 2 3 4 5 6 7 8; do echo ext2_hints > /helix/slots/file_system/swap; "
                 "echo ext2 > /helix/slots/file_system/swap; done; wait")
    assert "WRONG" not in said and "error" not in said, said
    history = shell("cat /helix/slots/file_system/history")
    assert history.count("state kept") >= 8 and "Rollback" not in history, history
    assert shell("umount /mnt") == ""
    check(image)
    for i in range(1, 5):
        assert ask(image, f"cat last.{i}") == written(20, 3000)


def test_counts_and_hints_go_from_version_to_version(boot, image):
    shell = booted(boot, image)
    shell("printf 'trial_ms 0' > /helix/slots/file_system/options")
    assert shell("dd if=/dev/zero of=/mnt/a bs=4096 count=30 2>/dev/null") == ""
    assert shell("echo ext2_hints > /helix/slots/file_system/swap; cat /helix/slots/file_system/active") == "ext2_hints 1.1.0"
    assert shell("dd if=/dev/zero of=/mnt/b bs=4096 count=40 2>/dev/null") == ""
    assert shell("echo ext2 > /helix/slots/file_system/swap; cat /helix/slots/file_system/active") == "ext2 1.0.0"
    assert shell("dd if=/dev/zero of=/mnt/c bs=4096 count=50 2>/dev/null") == ""
    assert shell("umount /mnt") == ""
    assert "120 writes" in shell("dmesg | grep 'uses of names'")
    check(image)
