"""The test suites of this tree: what each runs, and what it is the proof of.

A suite is found from the sources, so a program left over from a deleted test is never run.
"""
import dataclasses
import functools
import os
import pathlib
import subprocess
from typing import Dict, List

from helixtools import tree

HOST, METAL, NEITHER = "host", "metal", "neither"

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "abort_on_error=0:detect_stack_use_after_return=0:handle_segv=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # By default each process waits a second when it ends, for what its other threads may still do wrong; there are many processes.
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1:atexit_sleep_ms=20",
}


@dataclasses.dataclass
class Suite:
    """A command whose output is a test report."""
    name: str                    # GROUP/REST
    column: str                  # of `make spec` that it counts for
    command: List[str]
    proves: List[pathlib.Path]   # what is tested: their contents identify the build
    sources: List[pathlib.Path]  # where its tests are written
    timeout: float = 300         # several times what it takes on a machine that does nothing else
    form: str = "tap"            # tap, junit (command gets --junitxml) or status
    alone: bool = False          # wants the whole machine
    environment: Dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def group(self):
        return self.name.split("/")[0]


def find_all(seed: int, fuzz_seconds: int = 5, soak: bool = False) -> List[Suite]:
    """Every suite, in the order of running."""
    patience = 20 if soak else 1
    return (host_suites("host-asan", patience) + host_suites("host-gcc", patience)
            + host_suites("host-tsan", patience) + hosted_suites(seed, patience)
            + metal_suites(seed, patience) + scenario_suites(patience)
            + fuzz_suites(seed, fuzz_seconds) + model_suites(patience) + lint_suites() + tool_suites())


def _sources(pattern):
    return sorted(tree.ROOT.glob(pattern))


@functools.cache
def _tsan_tests():
    """The tests that mk/test.mk names in TSAN_TESTS: from make's environment, or asked of make."""
    listed = os.environ.get("TSAN_TESTS")
    if listed is None:
        listed = subprocess.run(["make", "-s", "tsan-tests"], cwd=tree.ROOT, check=True, text=True,
                                stdout=subprocess.PIPE).stdout
    return listed.split()


def _tsan_listed(source):
    return str(source.relative_to(tree.ROOT)) in _tsan_tests()


def host_suites(variant, patience):
    suites = []
    for source in _sources("tests/host/*/test_*.c"):
        if variant == "host-tsan" and not _tsan_listed(source):
            continue
        place = f"{source.parent.name}/{source.stem}"
        program = tree.BUILD / variant / "tests" / place
        suites.append(Suite(f"{variant}/{place}", HOST, [str(program)], [program], [source],
                            timeout=300 * patience,
                            environment={"CMOCKA_MESSAGE_OUTPUT": "TAP", **SANITIZER_ENVIRONMENT}))
    return suites


def _selftest_sources():
    return _sources("tests/self/*.c")


def _portable_selftest_sources():
    """Those that are not of one machine's image alone."""
    return [source for source in _selftest_sources() if not source.stem.startswith("x86_64_")]


def _counts(patience):
    """The word that asks the built-in tests for their full counts."""
    return ["soak"] if patience > 1 else []


def hosted_suites(seed, patience):
    """The kernel as a process runs the same built-in tests as the image."""
    if not _portable_selftest_sources():
        return []
    suites = []
    initrd = tree.tests_initrd()
    for variant, cpus in (("host-asan", 2), ("host-gcc", 1), ("host-tsan", 4)):
        program = tree.BUILD / variant / "helix"
        command = [str(program), "selftest", "panic=exit", f"seed={seed}", *_counts(patience)]
        suites.append(Suite(f"hosted/{variant[5:]}-{cpus}cpu", HOST, command, [program, initrd],
                            _portable_selftest_sources(), timeout=600 * patience, alone=cpus > 2,
                            environment={"HELIX_CPUS": str(cpus), "HELIX_INITRD": str(initrd),
                                         **SANITIZER_ENVIRONMENT}))
    return suites


def _image(grade):
    folder = tree.image_folder(grade)
    return [folder / "helix.elf", folder / "initrd.cpio", tree.tests_initrd(grade)]


RUN_TOOL = [tree.ROOT / "tools/run", tree.ROOT / "tools/helixtools/guest.py", tree.ROOT / "tools/helixtools/iso.py"]


# Comparators that signal a line each; QEMU gives three.
HPET = "-global hpet.timers=8"
# A thread of the host for each processor; or one for all in turn: slower where there are enough, but several times as fast where there
# are fewer, and another order of things.
IN_TURN = f"--qemu-args=-accel tcg,thread=single {HPET}"

# Name, grade, processors, and what tools/run is told besides.
MACHINES = [("release-1cpu", "release", 1), ("release-2cpu", "release", 2), ("debug-4cpu", "debug", 4, IN_TURN)]
SOAK_MACHINES = MACHINES + [
    ("debug-1cpu", "debug", 1), ("release-4cpu", "release", 4, f"--qemu-args={HPET}"),
    ("release-1cpu-qemu64", "release", 1, "--qemu-args=-cpu qemu64"),
    ("release-1cpu-microvm", "release", 1, "--machine=microvm"), ("release-2cpu-pc", "release", 2, "--machine=pc"),
    ("release-2cpu-iso-bios", "release", 2, "--iso=bios"), ("release-2cpu-iso-uefi", "release", 2, "--iso=uefi")]


def _metal_suite(seed, patience, name, grade, cpus, *options):
    kernel, initrd = tree.image_folder(grade) / "helix.elf", tree.tests_initrd(grade)
    limit = 600 * patience
    command = [str(RUN_TOOL[0]), "--kernel", str(kernel), "--initrd", str(initrd), "--smp", str(cpus),
               "--timeout", str(limit), "--append",
               " ".join(["selftest console=serial panic=exit", f"seed={seed}", *_counts(patience)]), *options]
    return Suite(f"metal/{name}", METAL, command, [kernel, initrd] + RUN_TOOL, _selftest_sources(),
                 timeout=limit + 10, alone=cpus > 1 and IN_TURN not in options)


def metal_suites(seed, patience):
    if not _selftest_sources():
        return []
    return [_metal_suite(seed, patience, *machine) for machine in (SOAK_MACHINES if patience > 1 else MACHINES)]


def _pytest(source):
    return [os.environ.get("PYTEST", "pytest-3"), "-q", "-p", "no:cacheprovider", "--tb=short",
            str(source)]


def _wants_processors(source):
    """Whether its machines have a thread of the host for each processor."""
    return "parallel=" in source.read_text(encoding="utf-8")


def scenario_suites(patience):
    sources = _sources("tests/scenario/test_*.py")
    return [Suite(f"scenario/{source.stem}", METAL, _pytest(source),
                  _image("release") + _image("debug") + RUN_TOOL
                  + [source, tree.ROOT / "tests/scenario/conftest.py"],
                  [source], timeout=900 * patience, form="junit", alone=_wants_processors(source))
            for source in sources]


def fuzz_suites(seed, seconds):
    suites = []
    for source in _sources("tests/fuzz/fuzz_*.c"):
        program = tree.BUILD / "host-fuzz" / "fuzz" / source.stem
        grown = tree.BUILD / "fuzz-corpus" / source.stem
        seeds = tree.ROOT / "tests/fuzz/corpus" / source.stem[len("fuzz_"):]
        command = [str(program), f"-max_total_time={seconds}", f"-seed={seed % 2**32}",
                   "-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1",
                   f"-artifact_prefix={tree.RESULTS}/{source.stem}-", str(grown)]
        command += [str(seeds)] if seeds.is_dir() else []
        suites.append(Suite(f"fuzz/{source.stem}", HOST, command, [program], [source],
                            timeout=seconds + 300, form="status", environment=SANITIZER_ENVIRONMENT))
    return suites


def model_suites(patience):
    """Exhaustive checks of the protocols that tests cannot exhaust."""
    tool = tree.ROOT / "tools/model"
    return [Suite(f"models/{source.stem}", NEITHER, [str(tool), str(source)], [tool, source], [source],
                  timeout=600 * patience)
            for source in _sources("tests/models/*.pml")]


def lint_suites():
    return [Suite(f"lint/{target}", NEITHER, ["make", "-s", f"lint-{target}"], [], [], timeout=600,
                  form="status")
            for target in ("format", "layers")]


def tool_suites():
    return [Suite(f"tools/{source.stem}", NEITHER, _pytest(source), [], [source], timeout=900, form="junit")
            for source in _sources("tests/tools/test_*.py")]
