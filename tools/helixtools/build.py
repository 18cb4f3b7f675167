"""Have make build what suites need, and say in a few lines what went wrong."""
import os
import subprocess
import sys

from helixtools import tree

# What make must have built for a group of suites.
GOALS = {
    "host-asan": ["tests-asan"], "host-gcc": ["tests-gcc"], "host-tsan": ["tests-tsan"],
    "hosted": ["kernels-hosted", "images"], "metal": ["images"], "scenario": ["images", "userland"], "fuzz": ["fuzzers"],
    "models": [], "lint": [], "tools": ["build/host-gcc/tables", "plugins", "sdk", "build/host-gcc/helix"],
}
GROUPS = list(GOALS)


def clean_environment():
    """Ours, without what an outer make left in it: its jobs are not ours to take."""
    return {name: value for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}


def make(goals, jobs=os.cpu_count()):
    """(whether all was built, what make said)"""
    run = subprocess.run(["make", "-k", f"-j{jobs}", *goals], cwd=tree.ROOT,
                         env=clean_environment(), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace")
    return run.returncode == 0, run.stdout


def complaints(text):
    """The first lines of make's output that say what is wrong."""
    words = ("error", "undefined reference", "***")
    return [line for line in text.splitlines() if any(word in line for word in words)][:40]


def build_groups(groups):
    """Build what the groups need; whether all of it could be built."""
    goals = sorted({goal for group in groups for goal in GOALS[group]})
    if not goals:
        return True
    print(f"building {' '.join(goals)} …", file=sys.stderr, flush=True)
    built, text = make(goals)
    tree.RESULTS.mkdir(parents=True, exist_ok=True)
    log = tree.RESULTS / "build.log"
    log.write_text(text, encoding="utf-8")
    if not built:
        print("\n".join(complaints(text)), file=sys.stderr)
        print(f"the build failed; all it said is in {log.relative_to(tree.ROOT)}", file=sys.stderr)
    return built
