"""Booting: what the kernel says on its way up and down, and on which machines it gets there."""
import re
import shutil

import pytest
from conftest import ROOT

IMAGE = ROOT / "build/x86_64"
PHASES = ["EarlyInit", "CoreInit", "LateInit", "Running", "ShuttingDown", "Halted"]
STATES = ["EarlyBoot -> Initializing", "Initializing -> Running", "Running -> ShuttingDown"]


def lines_of(text):
    return [line for line in re.split(r"[\r\n]+", text) if line]


def memory_regions(text):
    """(first byte, last byte, kind) of each line of the memory map."""
    found = re.findall(r"memory: ([0-9a-f]{16})-([0-9a-f]{16}) ([\w ]+)", text)
    return [(int(first, 16), int(last, 16), kind) for first, last, kind in found]


def memory_of(text, *kinds):
    """Bytes of memory of some kinds."""
    return sum(last + 1 - first for first, last, kind in memory_regions(text) if kind in kinds)


@pytest.fixture(scope="module", name="life")
def a_whole_life(boot_once):
    """A machine that was booted and switched off with the key q."""
    guest = boot_once(append="loglevel=info strange=1 quoted='a b=c' loglevel=\"info\"")
    guest.until_running()
    guest.expect("init: ended")
    guest.ask("q", "helix: halted")
    guest.status = guest.end()
    return guest


# SPEC: K5
def test_the_first_line_is_the_version(life):
    said = [line for line in lines_of(life.text) if not line.startswith("run: ")]
    assert said[0] == "helix 0.1.0-alpha"


# SPEC: L1 L4
def test_the_phases_come_in_order_and_the_key_q_powers_off(life):
    assert re.findall(r"phase: (\w+)", life.text) == PHASES
    assert "shutting down: power off" in life.text
    assert lines_of(life.text)[-1] == "helix: halted"
    assert life.status == 0


# SPEC: K2 L5
def test_the_states_change_in_step_with_the_phases(life):
    assert re.findall(r"state: (\w+ -> \w+)", life.text) == STATES
    steps = re.findall(r"(?:phase|state): ([\w >-]+)", life.text)
    assert steps == ["EarlyInit", STATES[0], "CoreInit", "LateInit", STATES[1], "Running", STATES[2],
                     "ShuttingDown", "Halted"]


def test_the_devices_are_named(life):
    found = re.search(r"devices: ([^\r\n]*)", life.text)[1].split(", ")
    assert {"local APIC", "1 I/O APIC with 24 lines", "HPET", "RTC", "COM1", "ACPI power-off"} == set(found)


# SPEC: B1
def test_the_memory_map_is_sorted_and_free_of_overlaps(life):
    regions = memory_regions(life.text)
    usable = memory_of(life.text, "usable", "kernel image")
    assert all(first <= last for first, last, kind in regions)
    assert all(before[1] < after[0] for before, after in zip(regions, regions[1:]))
    assert 250 << 20 <= usable <= 256 << 20
    assert {"usable", "reserved"} <= {kind for first, last, kind in regions}


# SPEC: B3
def test_the_initrd_is_a_boot_module_of_its_size(life):
    size = (IMAGE / "initrd.cpio").stat().st_size
    assert f"boot module: initrd, {size} bytes" in life.text


# SPEC: B2
def test_unknown_keys_are_warned_about_and_quotes_keep_blanks(life):
    assert "command line: init=/bin/hello loglevel=info strange=1 quoted='a b=c'" in life.text
    assert re.findall(r"warn: .*unknown key (\S+), kept", life.text) == ["strange", "quoted"]


# SPEC: B2
def test_a_quoted_value_reaches_the_one_who_asked_for_it(run_to_end):
    result = run_to_end(append="exit=init", init="'/no such program'")
    assert re.search(r"error: init: /no such program: no such thing", result.stdout)
    assert result.returncode == 127


# SPEC: B2
def test_a_value_that_makes_no_sense_is_warned_about(run_to_end):
    result = run_to_end(append="exit=init loglevel=loud panic=maybe")
    assert re.search(r"warn: .*loglevel=loud: not a level; error, warn, info and debug are",
                     result.stdout)
    assert re.search(r"warn: .*panic=maybe: not an action; halt, reboot, break and exit are",
                     result.stdout)
    assert result.returncode == 0


# SPEC: B1
def test_a_command_line_that_is_too_long_is_cut_with_a_warning(run_to_end):
    """The emulator's own loader has room for little more than 4 KiB and ruins its tables beyond."""
    result = run_to_end(append="exit=init x=".ljust(4100, "a"))
    assert re.search(r"warn: .*the command line is too long: cut", result.stdout)
    assert "state Running" in result.stdout
    assert result.returncode == 0


# SPEC: L4
def test_after_the_built_in_tests_the_machine_is_off(run_to_end):
    result = run_to_end(append="selftest=base_memory* panic=exit", smp=4)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^ok 1 ", result.stdout, re.MULTILINE)
    assert re.search(r"# \d+ passed, 0 failed", result.stdout)


# SPEC: L4
def test_the_key_r_reboots_and_the_kernel_boots_again(boot):
    guest = boot(reboots=1).until_running()
    guest.ask("r", "shutting down: reboot")
    guest.expect("helix: halted")
    guest.expect(r"helix 0\.1\.0-alpha\r*\n")
    guest.until_running()
    guest.ask("q", "helix: halted")
    assert guest.end() == 0


# SPEC: B1
@pytest.mark.parametrize("megabytes", [32, 64, 1024, 8192])
def test_a_machine_with_so_much_memory_uses_it(run_to_end, megabytes):
    result = run_to_end(append="exit=init", mem=megabytes)
    managed = int(re.search(r"memory: (\d+) KiB managed", result.stdout)[1]) << 10
    initrd = int(re.search(r"boot module: initrd, (\d+) bytes", result.stdout)[1])
    assert memory_of(result.stdout, "usable", "kernel image") >= (megabytes - 1) << 20
    usable = memory_of(result.stdout, "usable") - initrd
    assert usable * 0.96 - (1 << 20) <= managed <= usable
    assert "state Running" in result.stdout
    assert result.returncode == 0


@pytest.mark.parametrize("processors", [1, 2, 4, 8, 16])
def test_every_processor_comes_online(run_to_end, processors):
    result = run_to_end(append="exit=init", smp=processors)
    assert f"processors: {processors} of {processors} online" in result.stdout
    assert result.returncode == 0


# SPEC: B2
def test_the_option_smp_leaves_processors_out(boot):
    guest = boot(append="smp=2", smp=4)
    guest.expect("processors: 2 of 4 online")
    guest.until_running()
    guest.ask("c", "")
    states = [guest.expect(rf"CPU {cpu}: (\w+)\W")[1] for cpu in range(4)]
    assert states == ["online", "online", "offline", "offline"]


def test_a_processor_without_the_newer_protections_is_enough(run_to_end):
    result = run_to_end(append="exit=init", qemu_args="-cpu qemu64")
    protections = re.search(r"protection: (.*)", result.stdout)[1].split()
    assert {"wp", "nx"} <= set(protections)
    assert not {"smep", "smap", "umip"} & set(protections)
    assert "init: hello from user space" in result.stdout
    assert result.returncode == 0


# SPEC: L4
def test_the_older_board_boots_and_powers_off_too(boot):
    guest = boot(qemu_args="-M pc").until_running()
    guest.ask("q", "helix: halted")
    assert guest.end() == 0


# SPEC: B1 B3
def test_without_an_initrd_the_kernel_runs_and_says_so(run_to_end, tmp_path):
    shutil.copy(IMAGE / "helix.elf", tmp_path)
    result = run_to_end(append="exit=init", kernel=tmp_path / "helix.elf")
    assert re.search(r"warn: .*slot demo: there is no module demo", result.stdout)
    assert re.search(r"error: init: /bin/hello: no such thing", result.stdout)
    assert "state Running" in result.stdout
    assert result.returncode == 127


# SPEC: B1 B3
@pytest.mark.parametrize("damage", ["noise", "cut"])
def test_a_damaged_initrd_is_refused_with_a_clear_message(run_to_end, tmp_path, damage):
    whole = (IMAGE / "initrd.cpio").read_bytes()
    damaged = {"noise": bytes((i * i >> 3) & 0xFF for i in range(5000)), "cut": whole[:200]}[damage]
    path = tmp_path / "initrd"
    path.write_bytes(damaged)
    result = run_to_end(append="exit=init", initrd=path)
    assert f"boot module: initrd, {len(damaged)} bytes" in result.stdout
    assert "error: files: initrd: the archive is damaged" in result.stdout
    assert re.search(r"error: init: /bin/hello: no such thing", result.stdout)
    assert "state Running" in result.stdout
    assert result.returncode == 127
