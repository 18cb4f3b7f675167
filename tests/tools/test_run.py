"""tools/run tells apart how a guest ends, and keeps standard output for the guest."""
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE.parent.parent / "tools/run"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    subprocess.run(["clang", "--target=x86_64-none-elf", "-c", HERE / "small_kernel.S",
                    "-o", folder / "small.o"], check=True)
    subprocess.run(["ld.lld", "-T", HERE / "small_kernel.lds", "-z", "noexecstack",
                    folder / "small.o", "-o", folder / "small.elf"], check=True)
    return folder / "small.elf"


def run(*words, timeout=60):
    return subprocess.run([RUN, "--timeout", str(timeout), *map(str, words)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)


@pytest.mark.parametrize("wish, status", [("p", 0), ("s", 7), ("d", 3), ("r", 1), ("t", 1)])
def test_each_end_has_its_status(kernel, wish, status):
    result = run("--kernel", kernel, "--append", wish)
    assert (result.returncode, result.stdout) == (status, "hello\n")


def test_an_end_without_power_off_is_explained(kernel):
    assert "triple fault" in run("--kernel", kernel, "--append", "t").stderr


def test_a_guest_that_goes_on_is_stopped_in_time(kernel):
    result = run("--kernel", kernel, "--append", "x", timeout=2)
    assert result.returncode == 124 and "time is up" in result.stderr


@pytest.mark.parametrize("reboots", [0, 1, 3])
def test_as_many_resets_are_let_through_as_allowed(kernel, reboots):
    result = run("--kernel", kernel, "--append", "r", "--reboots", reboots)
    assert (result.returncode, result.stdout.count("hello")) == (1, reboots + 1)


def test_counted_instructions_work_with_one_processor_only(kernel):
    assert run("--kernel", kernel, "--append", "p", "--icount").returncode == 0
    assert run("--kernel", kernel, "--append", "p", "--icount", "--smp", 2).returncode == 2


@pytest.mark.parametrize("words", [["--iso", "floppy"], ["--iso", "bios", "--machine", "microvm"],
                                   ["--machine", "toaster"], ["--initrd", "/nowhere"],
                                   ["--extra", "/nowhere"], ["--kernel", "/nowhere"]])
def test_wrong_usage_is_refused_before_anything_starts(kernel, words):
    result = run("--kernel", kernel, *words)
    assert result.returncode == 2 and result.stdout == ""
