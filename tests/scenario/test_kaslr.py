"""The kernel's image and the direct map lie elsewhere at each boot, and all that knows of addresses knows it."""
import re
import subprocess

import pytest
from conftest import ROOT, TESTS_INITRD, USER_SPACE
from helix_shell import Shell

IMAGE = ROOT / "build/x86_64/helix.elf"
SLIDE = re.compile(r"^Slide: image (0x[0-9a-f]+), direct map (0x[0-9a-f]+)\r?$", re.MULTILINE)
FRAME = re.compile(r"^#\d+ (\w+)\+0x[0-9a-f]+ \((0x[0-9a-f]{16})\)\r?$", re.MULTILINE)
PLACES = re.compile(r"^# image at (0x[0-9a-f]+), direct map at (0x[0-9a-f]+)\r?$", re.MULTILINE)
LINKED = (0xffffffff80100000, 0xffff800000000000)
MIB2, GIB = 2 << 20, 1 << 30
IMAGE_END, DIRECT_END = 0xffffffffa0000000, 0xffffc00000000000
BOOTS = 4
COUNT_ADDRESSES = 'grep -a -c -i -E "ffff([89ab][0-9a-f]{11}|ffff[89][0-9a-f]{7})"'


def places_of(result):
    """(image, direct map) as the kernel's own test sees them."""
    assert result.returncode == 0, result.stdout[-4000:]
    return tuple(int(address, 16) for address in PLACES.search(result.stdout).groups())


def boot_and_look(run_to_end, append=""):
    return places_of(run_to_end(append=f"selftest=x86_64_slide.* panic=exit {append}"))


# SPEC: B1
def test_each_boot_is_elsewhere_and_within_the_windows(run_to_end):
    found = [boot_and_look(run_to_end) for _ in range(BOOTS)]
    images, maps = zip(*found)
    assert len(set(images)) > 1 and len(set(maps)) > 1
    for image, direct in found:
        assert LINKED[0] < image < IMAGE_END and (image - LINKED[0]) % MIB2 == 0
        assert LINKED[1] < direct < DIRECT_END and direct % GIB == 0


# SPEC: B1
def test_with_nokaslr_all_is_where_it_was_linked(run_to_end):
    assert boot_and_look(run_to_end, "nokaslr") == LINKED
    assert boot_and_look(run_to_end, "nokaslr") == LINKED


# SPEC: B1
def test_what_only_looks_like_the_option_is_not_the_option(run_to_end):
    assert boot_and_look(run_to_end, "nokaslrs -- nokaslr") != LINKED


def functions_at(addresses):
    """The functions of the image that addresses are in, whatever has been inlined there."""
    answer = subprocess.run(["llvm-symbolizer", f"--obj={IMAGE}", *map(hex, addresses)], text=True,
                            check=True, stdout=subprocess.PIPE).stdout
    return [block.splitlines()[-2] for block in answer.strip().split("\n\n")]


# SPEC: B1 X3
def test_a_report_has_its_names_and_tells_how_to_find_its_addresses(run_to_end):
    result = run_to_end(append="selftest=core_panic_end.in_a_thread panic=exit")
    slide, direct = (int(number, 16) for number in SLIDE.search(result.stdout).groups())
    frames = FRAME.findall(result.stdout)
    assert slide != 0 and direct != 0 and len(frames) > 3
    # A return address may lie behind its function: ask for the call before it.
    addresses = [int(address, 16) - slide - (number > 0) for number, (_, address) in enumerate(frames)]
    assert functions_at(addresses) == [name for name, _ in frames]


# SPEC: X4
def test_a_report_of_a_kernel_that_was_not_moved_tells_no_slide(run_to_end):
    result = run_to_end(append="selftest=core_panic_end.in_a_thread panic=exit nokaslr")
    assert "=== KERNEL PANIC ===" in result.stdout and not SLIDE.search(result.stdout)


# SPEC: B1
@pytest.mark.parametrize("memory, cpus", [(32, 1), (4096, 2), (8192, 4)])
def test_all_memory_is_in_the_direct_map_and_processors_start(run_to_end, memory, cpus):
    result = run_to_end(append="selftest=hal_memory* panic=exit", mem=memory, smp=cpus)
    assert result.returncode == 0, result.stdout[-4000:]
    assert f"processors: {cpus} of {cpus} online" in result.stdout


# SPEC: B1
@pytest.mark.parametrize("gate", ["open", "user"])
def test_modules_are_called_behind_both_gates(run_to_end, gate):
    result = run_to_end(append=f"selftest=core_gate* panic=exit gate.scheduler={gate}", initrd=TESTS_INITRD)
    assert result.returncode == 0, result.stdout[-4000:]
    assert re.search(r"# \d+ passed, 0 failed", result.stdout)


# SPEC: B1
def test_nobody_without_a_capability_is_told_where_the_kernel_lies(boot):
    shell = Shell(boot(init=USER_SPACE))
    assert shell(f"echo at 0xffffffff81234567 | {COUNT_ADDRESSES}") == "1"
    assert shell.as_guest(f"(dmesg; cat /proc/[a-z]* /proc/*/* /helix/* /sys/*) 2>/dev/null | {COUNT_ADDRESSES}") == "0"
    # What may hold addresses is for those who may read it.
    assert "denied" in shell.as_guest("cat /helix/log") and "denied" in shell.as_guest("cat /helix/last_panic")
