"""For gdb: `helix-modules` adds the symbols of the modules that are loaded now.

gdb build/x86_64/helix.elf -x tools/gdb/helix.py -ex 'target remote :1234' (or `make gdb`). The kernel keeps a table of
what it has loaded where (core/hot_reload/module_symbols.h); the files with debug information lie beside the kernel's, as
modules/NAME.hxm.debug. Those of modules built elsewhere are looked for in the folders given as arguments.
"""
import pathlib

import gdb

SECTIONS = [".text", ".rodata", ".data", ".bss"]  # enum elf_group


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
        for name, places in loaded_modules():
            file = find_file(name, folders)
            if file is None:
                print(f"{name}: no {name}.hxm.debug in {', '.join(map(str, folders))}")
                continue
            others = " ".join(f"-s {section} {place:#x}" for section, place in places.items() if section != ".text")
            gdb.execute(f"add-symbol-file {file} {places['.text']:#x} {others}", to_string=True)
            self.added.append(places[".text"])
            print(f"{name}: {places['.text']:#x} {file}")


HelixModules()
