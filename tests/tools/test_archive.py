"""The archive that the kernel boots from is the same every time and readable by others."""
import shutil
import subprocess

import pytest

from helixtools.cpio import Archive


def small_archive(folder):
    (folder / "etc").mkdir()
    (folder / "etc/motd").write_text("hello")
    (folder / "init").symlink_to("bin/sh")
    archive = Archive()
    archive.add_tree(folder)
    return archive.bytes()


def test_the_same_tree_gives_the_same_bytes(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert small_archive(one) == small_archive(two)


@pytest.mark.skipif(shutil.which("cpio") is None, reason="there is no cpio program here")
def test_the_cpio_program_reads_it(tmp_path):
    names = subprocess.run(["cpio", "-it", "--quiet"], input=small_archive(tmp_path),
                           capture_output=True, check=True).stdout.decode().split()
    assert names == ["etc", "etc/motd", "init"]


def test_members_are_aligned(tmp_path):
    assert len(small_archive(tmp_path)) % 4 == 0
