"""Each way to get the kernel into a machine leads to the same one, on a new processor and on an old one."""
import re
import shutil

import pytest
from boot_paths import recording
from conftest import ROOT
from test_boot import memory_of, memory_regions

INITRD = ROOT / "build/x86_64/initrd.cpio"
MEMORY = 256  # MiB
PATHS = {
    "pvh q35": {},
    "pvh pc": {"machine": "pc"},
    "pvh microvm": {"machine": "microvm"},
    "iso bios": {"iso": "bios"},
    "iso uefi": {"iso": "uefi"},
}
LOADERS = {"pvh": "pvh", "iso": "multiboot2, with a screen of 1024 times 768 pixels"}
# UEFI takes as long as all others together; the other processor has its turn with the reset below.
PAIRS = [(path, cpu) for path in PATHS for cpu in ("max", "qemu64") if (path, cpu) != ("iso uefi", "qemu64")]
TESTS = "config_boot.*"


def assert_configuration(text, loader):
    """What every path must have brought: the loader's name, the memory, the initrd."""
    regions = memory_regions(text)
    assert f"loader: {loader}\n" in text.replace("\r", "")
    assert all(before[1] < after[0] for before, after in zip(regions, regions[1:]))
    # UEFI keeps some for itself.
    assert (MEMORY - 12) << 20 <= memory_of(text, "usable", "kernel image") <= MEMORY << 20
    assert f"boot module: initrd, {INITRD.stat().st_size} bytes" in text
    assert "ACPI power-off" in re.search(r"devices: (.*)", text)[1]
    assert "online" in re.search(r"processors: 2 of 2 (\w+)", text)[1]


def assert_command_line(text, words):
    """GRUB moves the quotes to the ends of a word."""
    line = re.search(r"command line: ([^\r\n]*)", text)[1]
    assert line.startswith(f"init=/bin/hello {words} ")
    assert line.endswith(("word='two words'", '"word=two words"'))


# SPEC: B1 B2 B3
@pytest.mark.parametrize("path, cpu", PAIRS)
def test_the_same_configuration_comes_out_of_every_path(run_to_end, path, cpu):
    words = f"loglevel=info selftest={TESTS} panic=exit"
    with recording(path, cpu, MEMORY, 2) as row:
        result = run_to_end(append=f"{words} word='two words'", smp=2, mem=MEMORY, qemu_args=f"-cpu {cpu}", **PATHS[path])
        passed = re.search(r"# (\d\d?) passed, 0 failed", result.stdout)
        assert passed is not None and int(passed[1]) > 5, result.stdout[-4000:] + result.stderr
        assert result.returncode == 0
        assert "state Running after" in result.stdout
        assert_configuration(result.stdout, LOADERS[path.split()[0]])
        assert_command_line(result.stdout, words)
        row.result = f"Running, {passed[1]} tests passed, off"


@pytest.mark.parametrize("tests", ["hal_*", "x86_64_*"])
@pytest.mark.parametrize("machine", ["q35", "microvm"])
def test_the_machine_is_as_its_contract_says_on_an_old_processor_too(run_to_end, machine, tests):
    """All built-in tests have their turn there in a soak (helixtools/suites.py)."""
    result = run_to_end(append=f"panic=exit selftest={tests}", smp=2, machine=machine, qemu_args="-cpu qemu64")
    assert re.search(r"# \d\d+ passed, 0 failed", result.stdout), result.stdout[-4000:]
    assert result.returncode == 0


def until_user_space(guest):
    guest.until_running()
    guest.expect("init: hello from user space")
    guest.expect("init: ended with status 0")


# SPEC: B1 L4 X7
@pytest.mark.parametrize("path, cpu", [("pvh microvm", "max"), ("iso bios", "max"), ("iso uefi", "qemu64")])
def test_a_machine_comes_back_from_a_reset_and_from_a_panic_and_is_switched_off(boot, path, cpu):
    with recording(path, cpu, MEMORY, 1) as row:
        guest = boot(append="panic=reboot", reboots=2, mem=MEMORY, qemu_args=f"-cpu {cpu}", **PATHS[path])
        until_user_space(guest)
        guest.ask("r", "helix: halted")
        until_user_space(guest)
        assert "the kernel panicked before" not in guest.text
        guest.ask("p", "=== KERNEL PANIC ===")
        guest.expect("the kernel panicked before: asked for with the key p")
        until_user_space(guest)
        guest.ask("q", "helix: halted")
        assert guest.end() == 0
        row.result = "Running, reset, panic, off"


def test_the_watchdog_of_a_microvm_is_heard(run_to_end):
    """Its ACPI does not say where the interval timer's interrupt arrives."""
    result = run_to_end(append="loglevel=info panic=exit selftest=core_watchdog.a_module_that_turns_*", machine="microvm",
                        timeout=60)
    assert "watchdog: PIT, every 55 ms" in result.stdout
    assert "# 1 passed, 0 failed" in result.stdout
    assert result.returncode == 0


# SPEC: B1
def test_tables_at_the_end_of_more_than_three_gibibytes_below_four_are_read(run_to_end):
    with recording("pvh pc", "max", 3500, 1) as row:
        result = run_to_end(append="loglevel=info exit=init", machine="pc", mem=3500)
        assert "ACPI power-off" in re.search(r"devices: (.*)", result.stdout)[1]
        assert "no ACPI tables" not in result.stdout
        assert result.returncode == 0
        row.result = "Running, off"


# SPEC: B1
def test_without_any_timer_of_known_rate_the_kernel_boots_and_says_so(run_to_end):
    with recording("pvh microvm without timers", "max", 256, 1) as row:
        result = run_to_end(append="loglevel=info exit=init", machine="microvm",
                            qemu_args="-M microvm,pit=off,rtc=off")
        assert re.search(r"warn: firmware: there is no timer of known rate: time may be wrong", result.stdout)
        assert "watchdog: none" in result.stdout
        assert "init: hello from user space" in result.stdout
        assert result.returncode == 0
        row.result = "Running, off"


# SPEC: B3
def test_a_folder_is_laid_over_the_initrd_of_an_iso_image_too(run_to_end, tmp_path):
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "build/x86_64/user/hello", tmp_path / "bin/other")
    result = run_to_end(append="exit=init", init="/bin/other", iso="bios", extra=tmp_path)
    assert "init: hello from user space" in result.stdout
    assert result.returncode == 0
