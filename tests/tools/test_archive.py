"""The archive that the kernel boots from is the same every time and readable by others."""
import shutil
import subprocess

import pytest

from helixtools import tree
from helixtools.cpio import Archive

CPIO = tree.ROOT / "tools/cpio"


def entries(archive):
    """[(path, mode, data)] of an archive of the newc format."""
    found, at = [], 0
    while at < len(archive):
        fields = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        start = at + (110 + name_size + 3) // 4 * 4
        found.append((archive[at + 110:at + 109 + name_size].decode(), mode,
                      archive[start:start + size]))
        at = start + (size + 3) // 4 * 4
    return found


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


def test_the_lists_words_become_entries(tmp_path):
    (tmp_path / "source").write_text("text")
    (tmp_path / "one").write_text(f"etc/ tmp/>1777 {tmp_path}/source>etc/file>0750\n")
    (tmp_path / "two").write_text("init=sbin/init [=/bin/busybox\n")
    subprocess.run([CPIO, "--list", tmp_path / "one", "--list", tmp_path / "two",
                    "--output", tmp_path / "archive"], check=True)
    assert entries((tmp_path / "archive").read_bytes()) == [
        ("etc", 0o040755, b""), ("tmp", 0o041777, b""), ("etc/file", 0o100750, b"text"),
        ("init", 0o120777, b"sbin/init"), ("[", 0o120777, b"/bin/busybox"), ("TRAILER!!!", 0, b"")]


def test_a_word_without_sense_is_refused(tmp_path):
    (tmp_path / "list").write_text("nonsense\n")
    run = subprocess.run([CPIO, "--list", tmp_path / "list", "--output", tmp_path / "archive"],
                         stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    assert "cannot make sense of 'nonsense'" in run.stderr
