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
