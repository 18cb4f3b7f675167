"""The same programs, byte for byte the same output on Linux and on Helix.

Scripts, tests/userland/*.sh, run in Debian's busybox: here, in a folder of nothing but busybox's commands,
and in the guest. Programs, tests/userland/*.c, are built with musl twice, at a fixed address and free to be
loaded anywhere; both are to say what the first says here. Each runs in an empty folder of its own, without input, and prints into a pipe what it finds;
the output and the status are compared. Nothing is compared with a wish written down.
"""
import base64
import difflib
import functools
import os
import re
import subprocess

import pytest
from conftest import PATIENCE, ROOT, USER_SPACE

SOURCES = ROOT / "tests/userland"
PROGRAMS = ROOT / "build/userland"
BUSYBOX = os.environ.get("BUSYBOX", "/bin/busybox")
SCRIPT_NAMES = sorted(path.stem for path in SOURCES.glob("*.sh"))
PROGRAM_NAMES = sorted(path.stem for path in SOURCES.glob("*.c"))
KINDS = "scripts", "programs" # a script and a program may have the same name
PROMPT = r"helix:\S+# "

# `run KIND/NAME COMMAND…`: the command in a folder of its own, and what it said in letters that no terminal
# changes. The marks are put together here, so that the echo of a command is none.
GUEST_RUNNER = """#!/bin/sh
mkdir "/userland/$1" && cd "/userland/$1" || exit
name=$1
shift
{
    env -i PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ "$@" 2>&1 < /dev/null
    echo $? > /tmp/status
} | cat > /tmp/said
cd /
echo "said""-begin"; base64 /tmp/said; echo "said""-end $(cat /tmp/status)"
rm -rf "/userland/$name" /tmp/said /tmp/status
"""
# So many runs and the guest is replaced: its life is limited.
RUNS_PER_GUEST = 15


class Linux:
    """This machine, with busybox's commands alone."""

    def __init__(self, folder):
        self._bin = folder / "bin"
        self._work = folder / "work"
        self._bin.mkdir()
        for kind in KINDS:
            (self._work / kind).mkdir(parents=True)
        subprocess.run([BUSYBOX, "--install", "-s", self._bin], check=True)

    def _run(self, kind, name, *words):
        """(output, status)"""
        folder = self._work / kind / name
        folder.mkdir()
        # Whoever runs this in the background may ignore some signals: what is run does not.
        end = subprocess.run(["/usr/bin/env", "--default-signal", *words], cwd=folder, env={"PATH": str(self._bin), "HOME": "/"},
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, umask=0o022,
                             stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        status = end.returncode if end.returncode >= 0 else 128 - end.returncode
        return end.stdout.decode(errors="replace"), status

    def script(self, name):
        (self._work / "scripts" / f"{name}.sh").write_bytes((SOURCES / f"{name}.sh").read_bytes())
        return self._run("scripts", name, "sh", f"../{name}.sh")

    @functools.cache
    def program(self, name):
        (self._work / "programs" / f"{name}.program").symlink_to(PROGRAMS / name)
        return self._run("programs", name, f"../{name}.program")


class Helix:
    """A guest at its prompt; another one is started when it does not answer any more."""

    def __init__(self, boot, extra):
        self._boot = boot
        self._extra = extra
        self._guest = None
        self._runs_left = 0

    def _at_prompt(self):
        if self._guest is None or self._runs_left == 0:
            self._guest = self._boot(init=USER_SPACE, extra=self._extra)
            self._guest.expect(PROMPT)
            self._runs_left = RUNS_PER_GUEST
        self._runs_left -= 1
        return self._guest

    def _run(self, kind, name, *words):
        """(output, status)"""
        guest = self._at_prompt()
        self._guest = None # unless it answers
        guest.type(f"run {kind}/{name} {' '.join(words)}")
        said = guest.expect(r"said-begin\r*\n(.*)said-end (\d+)\r")
        guest.expect(PROMPT)
        self._guest = guest
        text = base64.b64decode(re.sub(r"[^A-Za-z0-9+/=]", "", said[1]))
        return text.decode(errors="replace"), int(said[2])

    def script(self, name):
        return self._run("scripts", name, "sh", f"../{name}.sh")

    def program(self, name):
        return self._run("programs", name, f"../{name}.program")


@pytest.fixture(scope="module", name="linux")
def this_machine(tmp_path_factory):
    return Linux(tmp_path_factory.mktemp("linux"))


def fill_extra(extra):
    """What a guest needs besides its image."""
    (extra / "bin").mkdir()
    for kind in KINDS:
        (extra / "userland" / kind).mkdir(parents=True)
    (extra / "bin/run").write_text(GUEST_RUNNER)
    (extra / "bin/run").chmod(0o755)
    for name in SCRIPT_NAMES:
        (extra / f"userland/scripts/{name}.sh").write_bytes((SOURCES / f"{name}.sh").read_bytes())
    for name in PROGRAM_NAMES:
        for form in (name, f"{name}-pie"):
            (extra / f"userland/programs/{form}.program").write_bytes((PROGRAMS / form).read_bytes())
            (extra / f"userland/programs/{form}.program").chmod(0o755)


@pytest.fixture(scope="module", name="helix")
def a_guest(boot_once, tmp_path_factory):
    extra = tmp_path_factory.mktemp("extra")
    fill_extra(extra)
    return Helix(boot_once, extra)


def expect_the_same(wanted, got):
    """Both are (output, status); what differs is shown line by line."""
    lines = difflib.unified_diff(wanted[0].splitlines(), got[0].splitlines(), "linux", "helix", n=1,
                                 lineterm="")
    difference = "\n".join(line[:300] for line in lines)
    if wanted != got:
        pytest.fail(f"status {wanted[1]} on Linux, {got[1]} here\n{difference}", pytrace=False)


# SPEC: Y1 Y3
@pytest.mark.parametrize("name", SCRIPT_NAMES)
def test_a_script_says_the_same_as_on_linux(linux, helix, name):
    wanted = linux.script(name)
    assert wanted[0]
    expect_the_same(wanted, helix.script(name))


# SPEC: Y1 Y3
@pytest.mark.parametrize("form", ["", "-pie"])
@pytest.mark.parametrize("name", PROGRAM_NAMES)
def test_a_program_says_the_same_as_on_linux(linux, helix, name, form):
    wanted = linux.program(name)
    assert wanted[0] and wanted[1] == 0
    expect_the_same(wanted, helix.program(name + form))
