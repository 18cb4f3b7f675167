"""The vDSO in a guest: what tests/userland/vdso.c finds there besides what it finds on Linux."""
import re
import subprocess

import pytest
from conftest import ROOT, USER_SPACE

PROMPT = r"helix:\S+# "
SYMBOLS = {"__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_gettimeofday", "__vdso_time",
           "__vdso_getcpu", "LINUX_2.6"}


@pytest.fixture(scope="module", name="extra")
def a_folder_with_the_program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extra")
    (folder / "bin").mkdir()
    (folder / "bin/vdso").write_bytes((ROOT / "build/userland/vdso").read_bytes())
    (folder / "bin/vdso").chmod(0o755)
    return folder


@pytest.fixture(name="said", params=[1, 4])
def what_the_program_says(boot, extra, request):
    guest = boot(init=USER_SPACE, smp=request.param, extra=extra)
    guest.expect(PROMPT)
    guest.type("vdso own; echo status $?")
    text = guest.expect(r"backward by(.*)status 0\r")[0]
    guest.expect(PROMPT)
    return text


def test_no_clock_goes_back_on_any_processor_while_the_time_is_set(said):
    assert re.findall(r"backward by (-?\d+), (\d+) wrong", said) == [("0", "0")] * 2
    assert "times of day: 0 wrong" in said
    assert "processors: 0 wrong" in said


def test_the_image_has_the_symbols_and_its_mappings_their_names(said):
    assert SYMBOLS - {"LINUX_2.6"} <= set(re.findall(r"symbol (\w+)", said))
    assert "mapping r-xp [vdso]" in said
    assert "mapping r--p [vvar]" in said


def test_a_program_reads_the_clock_without_a_system_call(boot):
    guest = boot(init=USER_SPACE, icount=True)
    guest.expect(PROMPT)
    guest.type("helix-bench clock_gettime")
    cost = guest.expect(r"bench: clock_gettime (\d+) instructions")
    assert int(cost[1]) <= 70


@pytest.mark.parametrize("smp", [1, 4])
def test_no_clock_goes_back_while_the_counters_rate_is_corrected(run_to_end, extra, smp):
    """As process 1: the rate is measured again in the first second."""
    result = run_to_end(init="/bin/vdso", append="exit=init", smp=smp, extra=extra)
    assert result.stdout.count("backward by 0, 0 wrong") == 1
    assert result.returncode == 0


# Without rdtscp the CPU's number comes from the kernel.
def test_a_processor_that_does_not_say_its_number_is_asked_through_the_kernel(run_to_end, extra):
    result = run_to_end(init="/bin/vdso", append="exit=init", extra=extra, qemu_args="-cpu qemu64,-rdtscp")
    assert "processors: 0 wrong" in result.stdout
    assert result.returncode == 0
