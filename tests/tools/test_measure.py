"""Cost cards and profiles: the emulator's plug-in and what tools/bench makes of its counts."""
import pathlib
import re
import subprocess

import pytest

from helixtools import build, measure, tree

HERE = pathlib.Path(__file__).resolve().parent
NM = "ffffffff80000000 A KERNEL_BASE\nffffffff80100000 T kernel_image_start\n" \
     "ffffffff80100000 T first\nffffffff80100010 t second\nffffffff80100020 T bench_mark_end\n" \
     "ffffffff80100030 t second\nffffffff80100040 T text_end\nffffffff80100040 T rodata_start\n"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    subprocess.run(["clang", "--target=x86_64-none-elf", "-c", HERE / "cost_kernel.S",
                    "-o", folder / "cost.o"], check=True)
    subprocess.run(["ld.lld", "-T", HERE / "small_kernel.lds", "-z", "noexecstack",
                    folder / "cost.o", "-o", folder / "cost.elf"], check=True)
    return folder / "cost.elf"


@pytest.fixture(scope="module")
def plugin():
    built, text = build.make(["plugins"])
    assert built, text
    return tree.BUILD / "tools/cost.so"


def marks(kernel):
    listing = subprocess.run(["llvm-nm", kernel], check=True, stdout=subprocess.PIPE, text=True)
    addresses = {name: address for address, name in
                 re.findall(r"^([0-9a-f]+) t bench_mark_(\w+)$", listing.stdout, re.MULTILINE)}
    return ",".join(f"{name}=0x{address}" for name, address in addresses.items())


def boot(kernel, plugin, options, *words):
    return subprocess.run([tree.ROOT / "tools/run", "--kernel", kernel, "--timeout", "60", *words,
                           f"--qemu-args=-plugin {plugin},{options}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_costly_instructions_between_the_marks_are_counted_and_no_others(kernel, plugin, tmp_path):
    result = boot(kernel, plugin, f"{marks(kernel)},output={tmp_path}/counts", "--icount")
    sections = measure.read_sections((tmp_path / "counts").read_text())
    assert result.returncode == 0, result.stderr
    assert len(sections) == 1
    assert measure.cost_line("it", sections[0], 2) == \
        "cost: it cr3=1 wrmsr=1 invlpg=1 locked=3 fence=3 ipi=1 pio=4"


def test_the_plug_in_refuses_what_it_cannot_count(kernel, plugin, tmp_path):
    output = f"output={tmp_path}/counts"
    for options, words in ((output, []), ("begin=1,end", []),
                           (f"{marks(kernel)},{output}", ["--smp", "2"])):
        result = boot(kernel, plugin, options, *words)
        assert result.returncode != 0 and "cost: " in result.stderr


def test_each_figure_gets_the_section_of_its_measured_run():
    sections = measure.read_sections("1 1 -\ntake\n2 1 -\ntake\n3 1 -\ntake\n4 1 -\ntake\n5 1 -\n"
                                     "take\nffff 1 -\n")
    figures = measure.by_figure(sections, ["boot_to_running", "log_line"])
    assert [figures[name][0].address for name in ("boot_to_running", "log_line")] == [1, 5]
    with pytest.raises(ValueError):
        measure.by_figure(sections, ["log_line"])


def test_what_did_not_happen_at_each_run_is_told_to_one_decimal():
    assert [measure.per_run(number, 10) for number in (0, 5, 10, 1004)] == ["0", "0.5", "1", "100.4"]


def test_an_address_is_told_by_the_function_around_it():
    symbols = measure.Symbols(NM)
    base = 0xffffffff80100000
    assert [symbols.at(base + offset) for offset in (0, 15, 16, 31)] == \
        ["first", "first", "second", "second"]
    assert symbols.at(0x100010) == "second"
    assert symbols.at(base + 0x30) == "second", "another static function of that name"
    assert symbols.at(base + 0x40) == symbols.at(0x400000) == measure.OUTSIDE
