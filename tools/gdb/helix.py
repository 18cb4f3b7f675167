"""For gdb: `helix-slide` moves the kernel's symbols to where it lies, `helix-modules` adds those of loaded modules.

gdb build/x86_64/helix.elf -x tools/gdb/helix.py -ex 'target remote :1234' -ex helix-slide (or `make gdb`). Where the kernel
lies is told by the register for its interrupt table; one that has not come so far yet is where it was linked. The kernel
keeps a table of what it has loaded where (core/hot_reload/module_symbols.h); the files with debug information lie beside
the kernel's, as modules/NAME.hxm.debug. Those of modules built elsewhere are looked for in the folders given as arguments.
"""
import pathlib
import re

import gdb

SECTIONS = [".text", ".rodata", ".data", ".bss"]  # enum elf_group

KERNEL_BASE = 0xffffffff80000000


class HelixSlide(gdb.Command):
    """helix-slide: move the symbols to where the kernel lies; again after each start of the machine."""

    def __init__(self):
        super().__init__("helix-slide", gdb.COMMAND_FILES)
        self.slide = 0

    def find(self):
        """How far the kernel is from where it was linked."""
        said = gdb.execute("monitor info registers", to_string=True)
        table = int(re.search(r"^IDT=\s*([0-9a-f]+)", said, re.MULTILINE)[1], 16)
        linked = int(gdb.parse_and_eval("&'ports/x86_64/tables.c'::idt")) - self.slide
        return table - linked if table >= KERNEL_BASE else 0

    def invoke(self, argument, from_tty):
        slide = self.find()
        if slide != self.slide:
            gdb.execute(f"symbol-file -o {slide:#x} {gdb.current_progspace().filename}", to_string=True)
            self.slide = slide
        print(f"the kernel is {slide:#x} above where it was linked")


def loaded_modules():
    """(name, address of each section that is not empty)"""
    records = gdb.parse_and_eval("'core/hot_reload/module_symbols.c'::records")
    for index in range(records.type.range()[1] + 1):
        symbols = records[index]["symbols"]
        if int(symbols["file"]) != 0:
            places = [int(symbols["groups"][group]) for group in range(len(SECTIONS))]
            yield symbols["name"].string(), {s: p for s, p in zip(SECTIONS, places) if p != 0}


def find_file(name, folders):
    for folder in folders:
        for candidate in (folder / f"{name}.hxm.debug", folder / f"{name}.debug"):
            if candidate.is_file():
                return candidate
    return None


class HelixModules(gdb.Command):
    """helix-modules [FOLDER ...]: add the symbols of the loaded modules; again after each change of them."""

    def __init__(self):
        super().__init__("helix-modules", gdb.COMMAND_FILES)
        self.added = []

    def forget(self):
        for address in self.added:
            try:
                gdb.execute(f"remove-symbol-file -a {address:#x}", to_string=True)
            except gdb.error:
                pass  # the kernel's own file was read anew
        self.added = []

    def invoke(self, argument, from_tty):
        kernel = pathlib.Path(gdb.current_progspace().filename)
        folders = [pathlib.Path(text) for text in gdb.string_to_argv(argument)] + [kernel.parent / "modules"]
        self.forget()
        gdb.execute("helix-slide")
        for name, places in loaded_modules():
            file = find_file(name, folders)
            if file is None:
                print(f"{name}: no {name}.hxm.debug in {', '.join(map(str, folders))}")
                continue
            others = " ".join(f"-s {section} {place:#x}" for section, place in places.items() if section != ".text")
            gdb.execute(f"add-symbol-file {file} {places['.text']:#x} {others}", to_string=True)
            self.added.append(places[".text"])
            print(f"{name}: {places['.text']:#x} {file}")


HelixSlide()
HelixModules()
