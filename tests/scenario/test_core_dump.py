"""Core files: a program crashes in the guest, and gdb reads here what it has left.

The file comes out over the console, compressed and in letters; sizes and names of notes are checked with
pyelftools, everything else is asked of gdb.
"""
import base64
import gzip
import pathlib
import re
import subprocess

import pytest
from conftest import PATIENCE, USER_SPACE
from elftools.elf.elffile import ELFFile

CRASH = pathlib.Path(__file__).parents[2] / "build/userland/core/crash"
PROMPT = r"helix:\S+# "
FLOATS = 2 # NT_FPREGSET


class Shell:
    """A guest at its prompt, in an empty folder."""

    def __init__(self, boot, extra):
        (extra / "bin").mkdir()
        (extra / "bin/crash").write_bytes(CRASH.read_bytes())
        (extra / "bin/crash").chmod(0o755)
        self._guest = boot(init=USER_SPACE, extra=extra, smp=2)
        self._guest.expect(PROMPT)

    def say(self, command):
        """What a command prints."""
        self._guest.type(f'{command}; echo "th""at is all"')
        said = self._guest.expect(r"\r\n(.*)that is all\r")[1]
        self._guest.expect(PROMPT)
        return said.replace("\r", "")

    def fetch(self, name):
        """A file's bytes."""
        self._guest.type(f'gzip -c {name} | base64; echo "th""at is all"')
        text = self._guest.expect(r"\r\n(H4sI.*)that is all\r", timeout=2 * PATIENCE)[1]
        self._guest.expect(PROMPT)
        return gzip.decompress(base64.b64decode(re.sub(r"[^A-Za-z0-9+/=]", "", text)))


@pytest.fixture(scope="module", name="shell")
def a_shell(boot_once, tmp_path_factory):
    return Shell(boot_once, tmp_path_factory.mktemp("extra"))


@pytest.fixture(scope="module", name="core")
def a_core_file(shell, tmp_path_factory):
    shell.say("mkdir /tmp/one; cd /tmp/one; ulimit -c unlimited")
    said = shell.say("crash segv; echo status $?")
    assert "status 139" in said and "core dumped" in said
    path = tmp_path_factory.mktemp("core") / "core"
    path.write_bytes(shell.fetch("core"))
    return path


def ask_gdb(core, *commands):
    words = [word for command in commands for word in ("-ex", command)]
    return subprocess.run(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", *words, CRASH, core],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=True,
                          text=True).stdout


def test_gdb_shows_where_the_program_was_and_what_it_held(core):
    said = ask_gdb(core, "bt", "print answer", "print greeting", "frame 1", "print factor", "info registers rip",
                   "frame 0", "info registers rip")
    assert "Program terminated with signal SIGSEGV" in said
    assert re.search(r"#0 .*inner \(where=0x0, factor=21\.5\)(.|\n)*#1 .*outer \(how=.*\"segv\"\)(.|\n)*#2 .*main \(",
                     said), said
    assert "= 42" in said and '"left behind' in said and "= 21.5" in said
    assert re.search(r"rip +0x[0-9a-f]+ +0x[0-9a-f]+ <inner", said)


def test_gdb_shows_every_thread(core):
    said = ask_gdb(core, "thread apply all bt")
    assert len(re.findall(r"wait_here \(number=[78]\)", said)) == 2, said
    assert len(re.findall(r"^Thread [123] ", said, re.MULTILINE)) == 3, said
    own = ask_gdb(core, "thread apply all print/x $fs_base")
    assert len(set(re.findall(r" = (0x[0-9a-f]+)", own))) == 3, own


def test_gdb_knows_the_floating_point_registers(core):
    said = ask_gdb(core, "print $xmm0.v2_double[0]", "print $mxcsr")
    assert "IM" in said and re.search(r"\$1 = (21\.5|43)", said), said


def test_the_notes_are_those_of_linux(core):
    with core.open("rb") as stream:
        file = ELFFile(stream)
        notes = [note for segment in file.iter_segments() if segment["p_type"] == "PT_NOTE"
                 for note in segment.iter_notes()]
        loads = [segment for segment in file.iter_segments() if segment["p_type"] == "PT_LOAD"]
        text = next(segment for segment in loads if segment["p_flags"] == 5 and segment["p_vaddr"] > 0x400000)
    kinds = [note["n_type"] for note in notes]
    assert file["e_type"] == "ET_CORE" and file["e_machine"] == "EM_X86_64"
    for kind, count in (("NT_PRSTATUS", 3), (FLOATS, 3), ("NT_PRPSINFO", 1), ("NT_AUXV", 1), ("NT_FILE", 1),
                        ("NT_SIGINFO", 1)):
        names = {kind, {FLOATS: "NT_FPREGSET"}.get(kind)}
        assert sum(name in names for name in kinds) == count, kinds
    sizes = {note["n_type"]: note["n_descsz"] for note in notes}
    assert sizes["NT_PRSTATUS"] == 336 and sizes["NT_PRPSINFO"] == 136 and sizes["NT_SIGINFO"] == 128
    about = next(note for note in notes if note["n_type"] == "NT_PRPSINFO")["n_desc"]
    assert about["pr_fname"].rstrip(b"\0" if isinstance(about["pr_fname"], bytes) else "\0") in (b"crash", "crash")
    files = next(note for note in notes if note["n_type"] == "NT_FILE")["n_desc"]
    assert b"/bin/crash" in b"".join(files["filename"])
    # The program's text is in its file already.
    assert text["p_filesz"] == 0 < text["p_memsz"]


def test_the_pattern_names_the_file(shell):
    shell.say("mkdir /tmp/two; cd /tmp/two; ulimit -c unlimited")
    shell.say("echo '/tmp/two/of-%e-%s-%u%%' > /proc/sys/kernel/core_pattern")
    assert "of-%e-%s-%u%%" in shell.say("cat /proc/sys/kernel/core_pattern")
    assert "status 134" in shell.say("crash abort; echo status $?")
    assert "of-crash-6-0%" in shell.say("ls")
    shell.say("echo '|/bin/cat' > /proc/sys/kernel/core_pattern; crash abort")
    assert shell.say("ls | wc -l").strip().endswith("1")
    shell.say("echo core > /proc/sys/kernel/core_pattern")


@pytest.mark.parametrize("before, word", [("ulimit -c 0", "segv"), ("ulimit -c unlimited", "hidden"),
                                          ("ulimit -c unlimited; ln -s elsewhere core", "segv"),
                                          ("ulimit -c unlimited; mkdir core", "segv")])
def test_no_file_is_left_where_none_may_be(shell, before, word):
    shell.say("rm -rf /tmp/three; mkdir /tmp/three; cd /tmp/three")
    said = shell.say(f"({before}; crash {word}); echo status $?")
    assert "status 139" in said and "dumped" not in said
    assert "core: ELF" not in shell.say("ls -l; test -f core && echo 'core: ELF'")


def test_the_limit_cuts_the_file(shell):
    shell.say("rm -rf /tmp/four; mkdir /tmp/four; cd /tmp/four")
    shell.say("(ulimit -c 64; crash segv)")
    cut = int(shell.say("stat -c %s core"))
    shell.say("crash segv")
    assert 8192 <= cut <= 32768 < int(shell.say("stat -c %s core"))
