"""The table by which the image moves itself."""
import pathlib
import re
import subprocess
import sys

import pytest

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/relocations"
BASE, LOAD, DIRECT = 0xffffffff80000000, 0x100000, 0xffff800000000000
SLIDE, DIRECT_SLIDE = 0x12400000, 0x1234 << 30
SOURCE = """
    .globl kernel_image_start, data_start
    .text
kernel_image_start:
    movq $function, %rax
    movq words(,%rcx,8), %rax
    movq words - 64(,%rcx,8), %rax
    movabsq $direct_map, %rax
    movabsq $words, %rax
    movl $words - KERNEL_BASE, %eax
    .fill 300, 1, 0x90
function:
    leaq words(%rip), %rax
    call other
    .section .text.other, "ax"
other:
    movq $other, %rbx
    .section .rodata, "a"
    .quad function, 0x1234, other - KERNEL_BASE
    .data
data_start:
words:
    .quad words, function
    .byte 1
    .quad other + 5
"""


def link(folder, name, source=SOURCE, base=BASE, direct=DIRECT, more=("--emit-relocs",)):
    """An image of the source for a base."""
    objects, image = folder / f"{name}.o", folder / name
    text = source.replace("KERNEL_BASE", f"{base:#x}")
    subprocess.run(["clang", "--target=x86_64-linux-gnu", "-c", "-x", "assembler", "-", "-o", objects], check=True,
                   input=text, text=True)
    subprocess.run(["ld.lld", "--no-dynamic-linker", "-e", "0", "-o", image, objects, *more,
                    f"--image-base={base + LOAD - 0x1000:#x}", f"--section-start=.text={base + LOAD:#x}",
                    f"--section-start=.rodata={base + LOAD + 0x2000:#x}",
                    f"--section-start=.data={base + LOAD + 0x4000:#x}",
                    f"--defsym=KERNEL_BASE={base:#x}", f"--defsym=direct_map={direct:#x}"], check=True)
    return image


def relocations(*words):
    return subprocess.run([sys.executable, TOOL, *words], text=True, capture_output=True, check=False)


def contents(image, section):
    dump = image.with_suffix(".dump")
    subprocess.run(["llvm-objcopy", f"--dump-section={section}={dump}", image, image.with_suffix(".copy")], check=True)
    return bytearray(dump.read_bytes())


def lists_of(table):
    """The four lists, read as the kernel reads them."""
    data = [int(number) for line in re.findall(r"\.byte (.*)", table) for number in line.split(",")]

    def take():
        number, shift = 0, 0
        while True:
            byte = data.pop(0)
            number |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return number

    lists = []
    for _ in range(4):
        place, places = 0, []
        for _ in range(take()):
            place += take()
            places.append(place)
        lists.append(places)
    assert not data
    return lists


def move(sections, places, size, distance):
    for place in places:
        start = max(each for each in sections if each <= place)
        at = place - start
        number = int.from_bytes(sections[start][at:at + size], "little") + distance
        sections[start][at:at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")


def test_an_image_that_is_moved_equals_one_that_is_linked_there(tmp_path):
    here = link(tmp_path, "here")
    there = link(tmp_path, "there", base=BASE + SLIDE, direct=DIRECT + DIRECT_SLIDE)
    result = relocations(here)
    assert result.returncode == 0, result.stderr
    words, data_words, longs, direct = lists_of(result.stdout)
    assert [len(places) for places in (words, data_words, longs, direct)] == [2, 3, 4, 1]
    sections = {0: contents(here, ".text"), 0x2000: contents(here, ".rodata"), 0x4000: contents(here, ".data")}
    move(sections, words, 8, SLIDE)
    move(sections, [0x4000 + place for place in data_words], 8, SLIDE)
    move(sections, longs, 4, SLIDE)
    move(sections, direct, 8, DIRECT_SLIDE)
    assert sections == {0: contents(there, ".text"), 0x2000: contents(there, ".rodata"),
                        0x4000: contents(there, ".data")}


def test_an_empty_table_has_four_empty_lists():
    assert lists_of(relocations().stdout) == [[], [], [], []]


@pytest.mark.parametrize("line", [
    ".data; .quad direct_map",        # data is moved with the image alone
    ".text; .quad direct_map + 4096", # what is not the direct map's address itself is not looked for
    ".text; .quad 0xffffffffa0000000 + KERNEL_LOAD_ADDRESS",
    ".text; call far",
])
def test_what_cannot_be_moved_is_refused(tmp_path, line):
    source = SOURCE + "\n    .set far, 0xffffffffb0000000\n    .globl far\n    " \
        + line.replace("KERNEL_LOAD_ADDRESS", "far_symbol") + "\n"
    image = link(tmp_path, "image", source, more=("--emit-relocs", "--defsym=far_symbol=0x1000"))
    result = relocations(image)
    assert result.returncode != 0 and "cannot be moved" in result.stderr


def test_a_second_link_that_has_moved_something_is_noticed(tmp_path):
    table = tmp_path / "table.S"
    table.write_text(relocations(link(tmp_path, "first")).stdout)
    assert relocations(link(tmp_path, "second", more=()), "--check", table).returncode == 0
    shifted = link(tmp_path, "shifted", SOURCE.replace("movq $function", "nop; movq $function"), more=())
    result = relocations(shifted, "--check", table)
    assert result.returncode == 1 and "no address at kernel_image_start + 0x" in result.stderr


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "text").write_text("not an ELF file")
    result = relocations(tmp_path / "text")
    assert result.returncode != 0 and "ELF64" in result.stderr
