"""The tutorial on modules, done word for word: its commands at the host and in the guest, its changes of the source."""
import os
import re
import subprocess

from conftest import PATIENCE, ROOT, USER_SPACE
from helix_shell import Shell
from test_helix_docs import STYLE, pattern, steps_of

BLOCK = re.compile(r"^```(sh|diff|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the kernel says meanwhile.
KERNEL = re.compile(r"^\[ *\d+\.\d+\] [^\n]*\n?", re.MULTILINE)


class Newcomer:
    """Somebody with two terminals."""

    def __init__(self, boot, folder):
        self.boot = boot
        self.folder = folder
        self.shell = None
        for name in ("build", "tools", "Makefile", "mk"):
            (folder / name).symlink_to(ROOT / name)

    def sh(self, block):
        for line in block.splitlines():
            if line.startswith("make run"):
                self.shell = Shell(self.boot(init=USER_SPACE, push=self.folder / "push"))
                continue
            line = line.replace("--socket build/push", f"--socket {self.folder}/push")
            folder = ROOT if line == "make sdk" else self.folder
            done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, timeout=10 * PATIENCE,
                                  check=False, env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"})
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def diff(self, block):
        change = "--- a/tally/tally.c\n+++ b/tally/tally.c\n" + block
        subprocess.run(["git", "apply", "--unidiff-zero", "-"], cwd=self.folder, input=change, text=True, check=True)

    def console(self, block):
        for _, command, answer in steps_of(block):
            if command == "poweroff":
                self.shell.guest.type(command)
                assert self.shell.guest.end() == 0
                continue
            said = STYLE.sub("", self.shell(command))
            if "dmesg" not in command:
                said = KERNEL.sub("", said)
            said = said + "\n" if said else ""
            assert re.fullmatch(pattern(answer), said), f"{command}\nsays:\n{said}\nnot:\n" + "\n".join(answer)


# SPEC: R3 R5 R6 R9
def test_a_newcomer_follows_the_tutorial(boot, tmp_path):
    newcomer = Newcomer(boot, tmp_path)
    done = []
    for kind, block in BLOCK.findall((ROOT / "docs/module-tutorial.md").read_text(encoding="utf-8")):
        getattr(newcomer, kind)(block)
        done.append(kind)
    assert done.count("diff") == 2 and done.count("console") >= 6
