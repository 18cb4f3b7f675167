"""Machines that misbehave: what loaders and firmware say that is not so, and what is not there.

A test of this file claims the same each time: the kernel says what is wrong, in a sentence, and boots as well as that lets
it; or, where it cannot, one line says why and the machine is left. It never panics and never resets.
"""
import random
import re
import struct

import loader as ld
import pytest
from boot_paths import recording
from conftest import IS_SOAK, USER_SPACE
from helix_shell import Shell

GREETS = "init=/bin/hello exit=init panic=exit"
GREETING = "init: hello from user space"
MB = ld.MB


def ordinary():
    """A loader that does everything right."""
    loader = ld.Loader()
    loader.command_line = GREETS
    loader.module(ld.INITRD.read_bytes())
    return loader


@pytest.fixture(name="start")
def a_machine_of_a_loader(run_to_end, tmp_path):
    """Call it with a loader; what the guest said. Whatever was loaded, it says how it ends."""
    def start(loader, status=0, mem=64, timeout=60, **options):
        result = run_to_end(append="", kernel=loader.write(tmp_path / "image.elf"), mem=mem, timeout=timeout, **options)
        assert "KERNEL PANIC" not in result.stdout, result.stdout[-4000:]
        assert result.returncode == status, (result.stderr, result.stdout[-4000:])
        assert status != 0 or GREETING in result.stdout
        return result.stdout
    return start


def warnings(text):
    return re.findall(r"warn: (?:\S+:\d+: )?(.*?)\r?$", text, re.MULTILINE)


def regions(text):
    found = re.findall(r"memory: ([0-9a-f]{16})-([0-9a-f]{16}) ([\w ]+)", text)
    return [(int(first, 16), int(last, 16) + 1, kind) for first, last, kind in found]


def usable(text):
    return sum(end - first for first, end, kind in regions(text) if kind == "usable")


# --- start info -----------------------------------------------------------------------------------------

# SPEC: B1
def test_a_loader_that_does_everything_right_is_not_complained_about(start):
    said = start(ordinary())
    assert warnings(said) == []
    assert f"boot module: initrd, {ld.INITRD.stat().st_size} bytes" in said


# SPEC: B1
@pytest.mark.parametrize("wrong, why", [
    ({"magic": 7}, "the PVH start info has the wrong magic number"),
    ({"version": 0}, "PVH start info version 0 has no memory map"),
    ({"memory_count": 0}, "the start info has an empty memory map"),
    ({"memory_count": 2 ** 32 - 1}, "the memory map has an impossible size"),
    ({"memory": 0xDFFFFFFF}, "the memory map is not in readable memory"),
    ({"memory": 2 ** 64 - 24}, "the memory map has an impossible size"),
    ({"memory": 0xA0000}, "the memory map is not in readable memory"),
])
def test_a_start_info_that_cannot_be_read_is_a_boot_error(start, wrong, why):
    loader = ordinary()
    loader.start_info = wrong
    assert start(loader, status=1).strip() == f"helix: cannot boot: boot loader data: {why}"


# SPEC: B1
def test_a_map_without_usable_memory_is_a_boot_error(start):
    loader = ordinary()
    loader.memory = [(0, 64 * MB, ld.RESERVED)]
    assert start(loader, status=1).startswith("helix: cannot boot: boot loader data:")


# SPEC: B1
@pytest.mark.parametrize("wrong, why", [
    ({"command_line": 0xA0000}, "the command line is not in readable memory: ignored"),
    ({"module_count": 60000}, "a boot module is empty or not in readable memory: ignored"),
    ({"modules": 2 ** 64 - 32, "module_count": 2}, "the list of boot modules is not in readable memory"),
])
def test_what_can_be_done_without_is_done_without(start, wrong, why):
    loader = ordinary()
    loader.start_info = wrong
    is_greeted = "modules" not in wrong and "command_line" not in wrong
    if "command_line" in wrong:  # so nobody leaves the machine
        loader.start_info = {**wrong, "module_count": 0}
        said = start(loader, status=124, timeout=4)
    else:
        said = start(loader, status=0 if is_greeted else 127)
    assert f"firmware: {why}" in warnings(said)
    assert "state Running" in said


# SPEC: B1 B2
def test_a_command_line_of_64_kib_is_cut_and_its_beginning_holds(start):
    loader = ordinary()
    loader.command_line = f"{GREETS} x=".ljust(65536, "a")
    assert "firmware: the command line is too long: cut" in warnings(start(loader))


# SPEC: B1 B2
def test_a_command_line_of_any_bytes_is_no_danger(start):
    loader = ordinary()
    noise = random.Random(8).choices([chr(byte) for byte in range(1, 128) if byte != ord('"') and byte != ord("'")], k=3000)
    loader.command_line = f"{GREETS} {''.join(noise)}"
    assert "state Running" in start(loader)


# --- boot modules ---------------------------------------------------------------------------------------

# SPEC: B1 B3
def test_modules_that_cannot_be_are_dropped_and_the_others_stay(start):
    loader = ordinary()
    loader.modules += [(1 * MB, MB, "over-the-image"), (2 ** 63, 2 ** 63, "wraps"), (0xA0000, ld.PAGE, "screen"),
                       (48 * MB, 2 ** 40, "too-long"), (80 * MB, MB, "behind-the-memory"), (48 * MB, 0, "empty")]
    said = start(loader)
    assert re.findall(r"boot module: (\S+),", said) == ["initrd"]
    assert "6 modules dropped" in said


# SPEC: B1 B3
def test_a_module_right_behind_the_image_does_not_lie_in_the_way(start):
    loader = ordinary()
    end = max(address + len(contents) for address, contents in loader._segments if address < 8 * MB)
    place = -(-end // ld.PAGE) * ld.PAGE + 64 * 1024  # the image's end without what is zero at first
    loader.module(b"in the way" * 1000, "near", address=max(place, 5 * MB))
    assert re.findall(r"boot module: (\S+),", start(loader)) == ["initrd", "near"]


def entry(path, **fields):
    """A header of the newc format with fields as it should not have them."""
    numbers = {"inode": 1, "mode": 0o100644, "uid": 0, "gid": 0, "links": 1, "time": 0, "size": 4, "major": 0, "minor": 0,
               "device_major": 0, "device_minor": 0, "name": len(path) + 1, "check": 0, **fields}
    head = b"070701" + b"".join(b"%08X" % (number & 0xFFFFFFFF) for number in numbers.values()) + path + b"\0"
    return head + b"\0" * (-len(head) % 4) + b"data"


# SPEC: B1 B3
@pytest.mark.parametrize("archive", [
    entry(b"long", size=0xFFFFFFFF), entry(b"longer", size=0x7FFFFFFF), entry(b"name", name=0xFFFFFFFF),
    entry(b"nameless", name=0), entry(b"short", name=2), entry(b"up/../../../../out"), entry(b"x" * 5000),
    entry(b"a") + entry(b"a/b"), b"070701" * 100, b"070701", ld.INITRD.read_bytes()[:1000000],
], ids=["size", "half-size", "name-size", "no-name", "name-cut", "upwards", "long-name", "file-as-folder", "magic", "magic-alone",
        "cut"])
def test_an_archive_that_lies_is_no_danger(start, archive):
    loader = ld.Loader()
    loader.command_line = "init=/bin/nothing exit=init"
    loader.module(archive)
    said = start(loader, status=127)
    assert f"boot module: initrd, {len(archive)} bytes" in said
    assert "state Running" in said
    assert re.search(r"(error|warn): .*(initrd|files)", said)


# --- memory ---------------------------------------------------------------------------------------------

# SPEC: B1
@pytest.mark.parametrize("more, kept", [
    ([(0x2000000, ld.PAGE, ld.RESERVED)], 63 * MB - ld.PAGE),
    ([(address, ld.PAGE, ld.RESERVED) for address in range(32 * MB, 64 * MB, MB)], 63 * MB - 32 * ld.PAGE),
    ([(address, ld.PAGE, ld.BAD) for address in range(5 * MB, 16 * MB, MB)], 63 * MB - 11 * ld.PAGE),
    ([(32 * MB, 64 * MB, ld.USABLE), (48 * MB, 2 * MB, ld.NVS), (48 * MB, MB, ld.ACPI)], 61 * MB),
    ([(2 ** 64 - ld.PAGE, 2 * ld.PAGE, ld.USABLE), (2 ** 63, 2 ** 63, ld.RESERVED)], 63 * MB),
    ([(0, 0, ld.USABLE), (MB, 0, ld.BAD)], 63 * MB),
    ([(0x3000001, 1, ld.RESERVED), (0x3001fff, 2, 77)], 63 * MB - 3),
    ([(1 * MB, 15 * MB, ld.RESERVED)], 48 * MB),
], ids=["an-island", "islands", "islands-behind-the-image", "overlaps", "wraps", "empty", "odd-bytes", "the-image-itself"])
def test_holes_and_islands_are_gone_round(start, more, kept):
    loader = ordinary()
    loader.memory += more
    said = start(loader)
    image = sum(end - first for first, end, kind in regions(said) if kind == "kernel image")
    high = sum(end - first for first, end, kind in regions(said) if kind == "usable" and first >= MB)
    assert kept - 8 <= high + image <= kept
    assert all(before[1] <= after[0] for before, after in zip(regions(said), regions(said)[1:]))


# SPEC: B1
def test_an_island_right_behind_the_image_does_not_stop_the_boot(start):
    said = start(ordinary())
    end = next(end for first, end, kind in regions(said) if kind == "kernel image")
    loader = ordinary()
    loader.memory += [(end + ld.PAGE, MB, ld.RESERVED)]
    assert "state Running" in start(loader)


# SPEC: B1
def test_the_kernel_may_lie_where_the_map_has_a_hole(start):
    loader = ordinary()
    loader.memory = [(0, 0x9FC00, ld.USABLE), (16 * MB, 48 * MB, ld.USABLE)]
    assert usable(start(loader)) == 48 * MB + 0x9FC00


# SPEC: B1
def test_more_regions_than_there_is_room_for_lose_memory_and_nothing_else(start):
    loader = ordinary()
    loader.memory += [(address, ld.PAGE, ld.RESERVED) for address in range(32 * MB, 64 * MB, 64 * 1024)]
    said = start(loader)
    assert "firmware: the memory map has too many entries: some memory is not used" in warnings(said)
    reserved = {address for address in range(32 * MB, 64 * MB, 64 * 1024)}
    assert not any(first <= address < end for first, end, kind in regions(said) if kind == "usable" for address in reserved)


# SPEC: B1
@pytest.mark.parametrize("memory", [
    [(4 << 30, 1 << 52, ld.USABLE)], [(64 * MB, 2 << 30, ld.USABLE)], [(1 << 45, 1 << 30, ld.USABLE)],
    [(4 << 30, 4 << 30, ld.USABLE), (16 << 30, 4 << 30, ld.USABLE)],
], ids=["endless", "below-4-GiB", "beyond-the-processor", "twice"])
def test_memory_that_is_not_there_is_not_used(start, memory):
    loader = ordinary()
    loader.memory += memory
    said = start(loader)
    assert "firmware: the memory map has usable memory that is not there: cut" in warnings(said)
    assert 62 * MB < usable(said) + 4 * MB < 66 * MB


# SPEC: B1
def test_a_map_that_calls_everything_usable_is_held_against_the_machine(start):
    loader = ordinary()
    loader.memory = [(0, 2 ** 64 - 1, ld.USABLE)]
    said = start(loader)
    assert {"firmware: the memory map has usable memory that is not there: cut",
            "firmware: the memory map calls the board's own addresses memory"} <= set(warnings(said))
    assert all(end <= 64 * MB for first, end, kind in regions(said) if kind == "usable")
    assert (0xA0000, 0x100000, "reserved") in regions(said)


# SPEC: B1
@pytest.mark.parametrize("kind", [ld.USABLE, ld.ACPI, ld.NVS])
def test_interrupt_controllers_are_found_under_what_is_called_memory(start, kind):
    loader = with_acpi()
    loader.memory += [(0xC0000000, 1 << 30, kind)]
    said = start(loader)
    assert "firmware: the memory map calls the board's own addresses memory" in warnings(said)
    assert "1 I/O APIC with 24 lines" in devices(said) and "HPET" in devices(said)


# SPEC: B1
def test_processors_are_not_started_in_memory_of_somebody_else(start):
    loader = ordinary()
    loader.memory = [(1 * MB, 63 * MB, ld.USABLE)]
    said = start(loader, smp=2)
    assert "firmware: the memory that CPUs start in is not usable: one CPU only" in warnings(said)
    assert "processors: 1 of 1 online" in said


# --- ACPI -----------------------------------------------------------------------------------------------

def with_acpi(*entries, tables=(), root=None):
    """An ordinary loader with tables of ours; the MADT's entries, or those of one CPU and its I/O APIC."""
    loader = ordinary()
    entries = entries or (ld.local_apic(0, 0), ld.io_apic(), ld.override(0, 2))
    tables = tables or [ld.fadt(loader.put(ld.dsdt())), ld.madt(*entries), ld.hpet()]
    loader.rsdp = loader.put(ld.root_pointer(xsdt=root(loader, tables) if root else ld.put_acpi(loader, tables)))
    return loader


def devices(text):
    return re.search(r"devices: ([^\r\n]*)", text)[1].split(", ")


# SPEC: B1
def test_tables_that_are_right_are_not_complained_about(start):
    said = start(with_acpi(ld.local_apic(0, 0), ld.local_apic(1, 1), ld.io_apic(), ld.override(0, 2)), smp=2)
    assert warnings(said) == []
    assert "processors: 2 of 2 online" in said
    assert devices(said) == ["local APIC", "1 I/O APIC with 24 lines", "HPET", "RTC", "COM1", "ACPI power-off"]


# SPEC: B1
@pytest.mark.parametrize("root", [
    b"RSD PTR " + bytes(28), ld.root_pointer()[:-1] + b"\1", ld.root_pointer(xsdt=0xFFFFFFFFFFFFFFF0, rsdt=0xFFFFFFF0),
], ids=["checksum", "extended-checksum", "wild"])
def test_a_bad_root_pointer_is_replaced_by_the_firmwares_own(start, root):
    loader = ordinary()
    loader.rsdp = loader.put(root)
    said = start(loader, smp=2)
    assert "processors: 2 of 2 online" in said
    assert warnings(said)


def damaged(contents, at, value):
    return contents[:at] + bytes([value]) + contents[at + 1:]


# SPEC: B1
@pytest.mark.parametrize("madt, why", [
    (damaged(ld.madt(ld.local_apic(0, 0), ld.local_apic(1, 1)), 44, 9), "a table's checksum is wrong"),
    (ld.table(b"APIC", bytes(40), length=0xFFFFFFFF), "a table is too short or impossibly long"),
    (ld.table(b"APIC", bytes(40), length=8), "a table is too short or impossibly long"),
    (ld.madt(b"\0\0" * 20), "a MADT entry is cut or too short"),
    (ld.madt(b"\0\xff\0\0\1\0\0\0"), "a MADT entry is cut or too short"),
    (ld.madt(*[ld.local_apic(0, 0)] * 300, ld.io_apic(), ld.override(0, 2)), "a table or entry is there twice"),
    (ld.madt(*[struct.pack("<BBHIII", 9, 16, 0, 1000 + i, 1, i) for i in range(600)]),
     "there are more CPUs than the kernel can drive"),
], ids=["checksum", "endless", "short", "empty-entries", "entry-too-long", "one-CPU-300-times", "600-CPUs"])
def test_a_bad_madt_costs_what_it_would_have_told(start, madt, why):
    loader = ordinary()
    root = ld.put_acpi(loader, [ld.fadt(loader.put(ld.dsdt())), madt, ld.hpet()])
    loader.rsdp = loader.put(ld.root_pointer(xsdt=root))
    said = start(loader)
    assert f"firmware: {why}" in warnings(said)


# SPEC: B1
@pytest.mark.parametrize("where", [0x2000000, 0x100000, 0xD0000000, 0xFFFFF000], ids=["memory", "image", "nothing", "firmware"])
def test_an_io_apic_that_is_none_is_not_written_to(start, where):
    said = start(with_acpi(ld.local_apic(0, 0), ld.io_apic(where), ld.override(0, 2)))
    assert "firmware: there is no I/O APIC where ACPI says: ignored" in warnings(said)
    assert "console: its device has no interrupt: looked at every 20 ms" in warnings(said)
    assert devices(said)[1] == "0 I/O APIC with 0 lines"


# SPEC: B1
@pytest.mark.parametrize("where", [0x2000000, 0x100000, 1 << 51], ids=["memory", "image", "beyond"])
def test_an_hpet_that_is_none_is_not_written_to(start, where):
    loader = ordinary()
    tables = [ld.fadt(loader.put(ld.dsdt())), ld.madt(ld.local_apic(0, 0), ld.io_apic(), ld.override(0, 2)), ld.hpet(where)]
    loader.rsdp = loader.put(ld.root_pointer(xsdt=ld.put_acpi(loader, tables)))
    said = start(loader)
    assert "firmware: there is no HPET where ACPI says: ignored" in warnings(said)
    assert "ACPI timer" in devices(said)


# SPEC: B1
@pytest.mark.parametrize("port", [0x20, 0x40], ids=["hardly-changes", "jumps"])
def test_timers_that_do_not_count_are_passed_over(start, port):
    tables = [ld.fadt(pm_timer=port), ld.madt(ld.local_apic(0, 0), ld.io_apic(), ld.override(0, 2)), ld.hpet(0xD0000000)]
    assert "PIT" in devices(start(with_acpi(tables=tables)))


# SPEC: B1
def test_lines_that_no_io_apic_has_are_not_routed(start):
    said = start(with_acpi(ld.local_apic(0, 0), ld.io_apic(), ld.override(0, 0xFFFFFFFF), ld.override(4, 0x80000000)))
    assert "console: its device has no interrupt: looked at every 20 ms" in warnings(said)
    assert "watchdog: none" in said


# SPEC: B1
def test_io_apics_whose_lines_wrap_are_not_taken(start):
    said = start(with_acpi(ld.local_apic(0, 0), *[ld.io_apic(0xFEC00000 + 4096 * n, 0xFFFFFFFF - n) for n in range(4)]))
    assert "firmware: an entry or register has an impossible value" in warnings(said)


# SPEC: B1
def test_tables_listed_again_and_again_and_those_that_list_themselves_are_no_loop(start):
    def looped(loader, tables):
        place = loader.put(bytes(64 * 1024))
        loader._segments.pop()
        addresses = [loader.put(table) for table in tables] * 200 + [place, 0, 0xFFFFFFFF, 2 ** 64 - 36, loader.rsdp]
        return loader.put(ld.table(b"XSDT", b"".join(address.to_bytes(8, "little") for address in addresses)), place)

    said = start(with_acpi(root=looped))
    assert "firmware: a table or entry is there twice" in warnings(said)
    assert "processors: 1 of 1 online" in said


# SPEC: B1
def test_what_qemu_adds_to_its_own_tables_is_passed_over(run_to_end, tmp_path):
    (tmp_path / "noise").write_bytes(random.Random(3).randbytes(500))
    more = " ".join(f"-acpitable sig={name},data={tmp_path}/noise" for name in ("APIC", "FACP", "HPET", "SSDT", "XXXX"))
    result = run_to_end(append="exit=init", qemu_args=more, smp=2)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "processors: 2 of 2 online" in result.stdout
    assert warnings(result.stdout)


# SPEC: B1
def test_processors_that_do_not_exist_are_not_waited_for_one_by_one(start):
    entries = [ld.local_apic(number, number) for number in range(16)]
    said = start(with_acpi(*entries, ld.io_apic(), ld.override(0, 2)), smp=2)
    assert "processors: 2 of 16 online" in said
    assert int(re.search(r"state Running after (\d+) us", said)[1]) < 20e6


# --- what is missing ------------------------------------------------------------------------------------

# SPEC: B1
@pytest.mark.parametrize("machine, has, warning", [
    ("-machine hpet=off", "ACPI timer", None),
    ("-M microvm,rtc=off", "PIT", "time: no clock says the date: it is 1970 until it is set"),
    ("-M microvm,rtc=off,acpi=off", "PIT", "firmware: there are no ACPI tables"),
], ids=["no-hpet", "no-rtc", "no-acpi"])
def test_a_machine_without_it_boots(run_to_end, machine, has, warning):
    result = run_to_end(append="exit=init", qemu_args=machine)
    assert GREETING in result.stdout and result.returncode == 0
    assert has in devices(result.stdout)
    assert warning is None or warning in warnings(result.stdout)
    assert ("RTC" in devices(result.stdout)) == ("rtc=off" not in machine)


# SPEC: B1
def test_a_shell_on_a_machine_whose_console_has_no_interrupt_answers(boot, tmp_path):
    loader = with_acpi(ld.local_apic(0, 0))
    loader.command_line = f"init={USER_SPACE}"
    shell = Shell(boot(init=USER_SPACE, kernel=loader.write(tmp_path / "image.elf"), mem=64))
    assert shell("echo $((6 * 7))") == "42"


# --- sizes ----------------------------------------------------------------------------------------------

# SPEC: B1
@pytest.mark.parametrize("cpu, mem, cpus", [
    ("max", 32, 1), ("max", 512, 2), ("qemu64", 32, 2), ("max", 8192, 1), ("qemu64", 8192, 4), ("max", 1024, 16),
])
def test_from_32_mb_to_8_gb_and_1_to_16_processors_there_is_a_shell(boot, cpu, mem, cpus):
    with recording("pvh q35", cpu, mem, cpus) as row:
        shell = Shell(boot(init=USER_SPACE, mem=mem, smp=cpus, qemu_args=f"-cpu {cpu}"))
        assert shell("grep -c ^processor /proc/cpuinfo") == str(cpus)
        total = int(re.search(r"MemTotal: +(\d+) kB", shell("cat /proc/meminfo"))[1])
        # Frames' metadata, the image, and on small machines the initrd.
        assert total >= mem * 1024 * 0.97 - 8192
        shell.guest.type("poweroff")
        assert shell.guest.end() == 0
        row.result = "Running, a shell, off"


# --- anything -------------------------------------------------------------------------------------------

KINDS = [ld.USABLE] * 3 + [ld.RESERVED, ld.ACPI, ld.NVS, ld.BAD, 0, 6, 7, 99]
NUMBERS = [0, 1, ld.PAGE, 0x8000, 0xA0000, 0x100000, 0x3C5000, 0x7F8000, 8 * MB, 16 * MB, 17 * MB, 63 * MB, 64 * MB,
           0xBFFFFFFF, 0xFEC00000, 0xFED00000, 0xFEE00000, 2 ** 32 - 1, 2 ** 32, 2 ** 36, 2 ** 40, 2 ** 46, 2 ** 52, 2 ** 63,
           2 ** 64 - 1]


def some_number(dice):
    return (dice.choice(NUMBERS) + dice.choice([0, 0, 0, -1, 1, ld.PAGE, -ld.PAGE, dice.getrandbits(25)])) % 2 ** 64


def some_entry(dice):
    kind = dice.choice([0, 0, 1, 2, 3, 4, 5, 9, 10, dice.randrange(256)])
    length = dice.choice([8, 12, 10, 16, 0, 1, 6, dice.randrange(256)])
    return bytes([kind, length]) + bytes(dice.choice([0, 1, 2, 0xFE, 0xFF, dice.randrange(256)]) for _ in range(max(length, 2) - 2))


def some_loader(dice):
    """Right in most, wrong in some."""
    loader = ordinary()
    loader.memory += [(some_number(dice), some_number(dice), dice.choice(KINDS)) for _ in range(dice.randrange(12))]
    dice.shuffle(loader.memory)
    loader.modules += [(some_number(dice), some_number(dice), "m") for _ in range(dice.randrange(4))]
    madt = ld.madt(ld.local_apic(0, 0), *[some_entry(dice) for _ in range(dice.randrange(8))], ld.io_apic(),
                   ld.io_apic(some_number(dice) % 2 ** 32, dice.choice([24, some_number(dice) % 2 ** 32])), ld.override(0, 2))
    tables = [ld.fadt(loader.put(ld.dsdt()), pm_timer=some_number(dice) % 2 ** 32), madt, ld.hpet(some_number(dice)),
              some_number(dice), ld.table(b"SSDT", dice.randbytes(50), length=some_number(dice) % 2 ** 32)]
    dice.shuffle(tables)
    loader.rsdp = loader.put(ld.root_pointer(xsdt=ld.put_acpi(loader, tables)))
    return loader


# SPEC: B1
@pytest.mark.parametrize("seed", range(200 if IS_SOAK else 12))
def test_whatever_is_said_the_kernel_boots_or_says_why_not(run_to_end, tmp_path, seed):
    loader = some_loader(random.Random(seed))
    result = run_to_end(append="", kernel=loader.write(tmp_path / "image.elf"), mem=64, timeout=60)
    is_starved = re.search(r"(Message: the kernel cannot start|error: init: \S+: not started): .*out of memory", result.stdout)
    assert is_starved or "KERNEL PANIC" not in result.stdout, result.stdout[-4000:]
    assert result.returncode in (0, 1, 3, 127), (result.returncode, result.stdout[-4000:])
    assert is_starved or re.search("init: ended with status|helix: cannot boot: ", result.stdout), result.stdout[-4000:]
