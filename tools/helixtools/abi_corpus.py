"""Kernels and modules that were built with different headers, for tests/tools/test_abi.py.

The kernel of the corpus is that of the tree, linked with the signatures of its headers as tests/abi changes
them: helix-module-check and the hosted kernel. A variant is a module built with headers that are changed once more.
"""
import dataclasses
import os
import pathlib
import shutil
import subprocess
from typing import List

from helixtools import cpio, dwarf_types, signature_source, signatures, tree

ABI = tree.ROOT / "tests/abi"
OBJECTS = tree.BUILD / "host-gcc/obj"
ARCHIVES = [tree.BUILD / "host-gcc/libhelix.a", tree.BUILD / "host-gcc/libabove.a"]
FLAGS = ("--target=x86_64-linux-gnu -nostdlibinc -std=gnu17 -ffreestanding -mcmodel=kernel -mno-red-zone "
         "-mgeneral-regs-only -fno-pic -fno-common -fno-stack-protector -ffunction-sections -fdata-sections "
         "-O1").split()
DEBUG = ["-gdwarf-5", "-fstandalone-debug"]


class DoesNotBuild(Exception):
    """What the compiler said."""


def _run(*words):
    run = subprocess.run([str(word) for word in words], text=True, capture_output=True, check=False)
    if run.returncode != 0:
        raise DoesNotBuild(run.stderr)


@dataclasses.dataclass(frozen=True)
class Change:
    """One place of one header, and what stands there instead."""
    header: str
    old: str
    new: str


def _apply(folder, change):
    path = folder / "helix" / change.header
    text = path.read_text(encoding="utf-8")
    assert text.count(change.old) == 1, f"{change.header} has {text.count(change.old)} of {change.old}"
    path.write_text(text.replace(change.old, change.new), encoding="utf-8")


@dataclasses.dataclass
class Headers:
    """A set of headers, and the signatures that they give."""
    folder: pathlib.Path      # with helix/ in it
    exports: List[signatures.Export]

    @property
    def names(self):
        return sorted(f"helix/{path.name}" for path in (self.folder / "helix").glob("*.h"))


def make_headers(folder, changes) -> Headers:
    """The tree's headers with those of tests/abi, and the changes."""
    shutil.copytree(tree.ROOT / "include/helix", folder / "helix")
    shutil.copy(ABI / "abi.h", folder / "helix/abi.h")
    _apply(folder, Change("module.h", "uint64_t hx_clock_now(void);", "#include <helix/abi.h>"))
    for change in changes:
        _apply(folder, change)
    headers = Headers(folder, [])
    included = [word for name in headers.names for word in ("-include", folder / name)]
    _run("clang", *FLAGS, *DEBUG, "-I", folder, "-I", tree.ROOT, *included, "-c",
         tree.ROOT / "sdk/exports.c", "-o", folder / "exports.o")
    headers.exports = signatures.find_exports(dwarf_types.read_object(folder / "exports.o"))
    return headers


def build_module(headers, signed_by, flags=()) -> pathlib.Path:
    """A module of these headers, with the signatures of a set that should be the same."""
    folder = headers.folder
    source = folder / "helix_signatures.c"
    source.write_text(signature_source.source(signed_by.exports, headers.names), encoding="ascii")
    parts = []
    for path in (ABI / "module.c", source):
        parts.append(folder / f"{path.stem}.o")
        _run("clang", *FLAGS, *flags, "-I", folder, "-c", path, "-o", parts[-1])
    _run("ld.lld", "-r", "-T", tree.ROOT / "sdk/module.lds", "-o", folder / "demo.hxm", *parts)
    return folder / "demo.hxm"


class Kernel:
    """The kernel of the corpus, as the program that judges files and as a process."""

    def __init__(self, folder, headers):
        self.folder, text, carrier = folder, folder / "signatures", folder / "signature_text.o"
        text.write_text(signatures.text(headers.exports), encoding="ascii")
        source = (tree.ROOT / "core/hot_reload/signature_text.S").read_text(encoding="ascii")
        (folder / "signature_text.S").write_text(source.replace("build/sdk/signatures", str(text)),
                                                 encoding="ascii")
        _run("clang", "-c", folder / "signature_text.S", "-o", carrier)
        self.check_program = self._link("helix-module-check", carrier,
                                        [OBJECTS / "sdk/helix_module_check.c.o"])
        self.process = self._link("helix", carrier,
                                  sorted((OBJECTS / "ports/hosted/program").glob("*.o")))

    def _link(self, name, carrier, parts):
        """The carrier comes before the library, which then keeps its own signatures back."""
        _run("clang", "-O2", "-o", self.folder / name, *parts, carrier, "-Wl,--start-group", *ARCHIVES,
             "-Wl,--end-group", "-no-pie", "-pthread")
        return self.folder / name

    def judge(self, module):
        """(whether helix-module-check would have it, its sentence)"""
        run = subprocess.run([self.check_program, module], text=True, capture_output=True, check=False)
        assert run.returncode in (0, 1), run.stderr
        return run.returncode == 0, run.stdout.strip().removeprefix(f"{module}: ")

    def load(self, module):
        """(whether the loader of a running kernel takes it from its initrd, what the kernel said)"""
        archive, path = cpio.Archive(), module.with_suffix(".cpio")
        archive.add_file("lib/modules/demo.hxm", module.read_bytes())
        path.write_bytes(archive.bytes())
        environment = {**os.environ, "HELIX_INITRD": str(path), "HELIX_CPUS": "1"}
        run = subprocess.run([self.process, "selftest=none", "panic=exit"], text=True, timeout=60,
                             capture_output=True, check=False, env=environment,
                             stdin=subprocess.DEVNULL)
        assert "Running" in run.stdout, run.stdout + run.stderr
        return not any(words in run.stdout for words in ("left out", "slot demo: fill of")), run.stdout
