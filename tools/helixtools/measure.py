"""What the plug-in tools/plugins/cost.c has counted, told by figure and by symbol."""
import bisect
import collections
import dataclasses
import pathlib
import re
import subprocess
from typing import List

# In the order of a line `cost:`.
KINDS = ["cr3", "wrmsr", "invlpg", "locked", "fence", "ipi", "pio"]
MARKS = {"begin": "bench_mark_begin", "end": "bench_mark_end", "take": "bench_mark_take"}
OUTSIDE = "(outside the image)"


def list_symbols(path):
    """What nm prints of a file."""
    return subprocess.run(["llvm-nm", "--defined-only", path], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def marks_of(path):
    """{mark: address} in a program."""
    addresses = {name: int(address, 16) for address, _, name in
                 (line.split() for line in list_symbols(path).splitlines())}
    return {name: addresses[symbol] for name, symbol in MARKS.items()}


class Symbols:
    """The functions of an image."""

    def __init__(self, listing):
        """listing: what nm prints."""
        symbols = [(int(address, 16), name) for address, kind, name in
                   (line.split() for line in listing.splitlines()) if kind in "AtT"]
        # Of functions of the same name, which only static ones can be, this holds any.
        self.addresses = {name: address for address, name in symbols}
        first, self._end = self.addresses["kernel_image_start"], self.addresses["text_end"]
        names = {address: name for address, name in sorted(symbols, reverse=True)
                 if first <= address < self._end}
        self._starts = sorted(names)
        self._names = [names[start] for start in self._starts]

    @classmethod
    def of(cls, image):
        """Those of a file."""
        return cls(list_symbols(image))

    def at(self, address):
        """The function an address lies in; until paging is on, code runs where it was loaded."""
        for each in (address, address + self.addresses["KERNEL_BASE"]):
            if self._starts[0] <= each < self._end:
                return self._names[bisect.bisect_right(self._starts, each) - 1]
        return OUTSIDE


@dataclasses.dataclass
class Count:
    """How often one instruction was executed; or, with the kind ipi, sent a message."""
    address: int
    executed: int
    kind: str


def entry_of(image):
    """The address at which an ELF file starts."""
    header = pathlib.Path(image).read_bytes()[:32]
    return int.from_bytes(header[24:32], "little")


def plugin_option(plugin, image, program, output):
    """QEMU's words that load the plug-in; counting starts with the image's first instruction, and
    is marked by a program: the image itself, or one that it runs."""
    marks = ",".join(f"{name}={address:#x}" for name, address in marks_of(program).items())
    return f"-plugin {plugin},begin={entry_of(image):#x},{marks},output={output}"


def read_sections(text) -> List[List[Count]]:
    """The sections in the order in which they were taken; what follows the last was not taken."""
    sections, section = [], []
    for line in text.splitlines():
        if line == "take":
            sections.append(section)
            section = []
        else:
            address, executed, kind = line.split()
            section.append(Count(int(address, 16), int(executed, 16), kind))
    return sections


def by_figure(sections, names):
    """
    {name: section}. The first section is the boot; then each figure has one for the run that only
    warms up, and one for the run that is measured.
    """
    if len(sections) != 1 + 2 * len(names):
        raise ValueError(f"{len(names)} figures, but {len(sections)} sections of counts")
    figures = dict(zip(names, sections[2::2]))
    if "boot_to_running" in figures:
        figures["boot_to_running"] = sections[0]
    return figures


def per_run(number, runs):
    """A quotient in as few characters as are true to one decimal."""
    return f"{number / runs:.1f}".removesuffix(".0")


def cost_line(name, section, runs):
    """The line `cost:` of a figure."""
    totals = collections.Counter()
    for count in section:
        totals[count.kind] += count.executed
    return f"cost: {name} " + " ".join(f"{kind}={per_run(totals[kind], runs)}" for kind in KINDS)


def innermost(image, addresses):
    """{address: the function an instruction was written in}, which the compiler may have inlined."""
    addresses = sorted(addresses)
    run = subprocess.run(["llvm-symbolizer", f"--obj={image}"], check=True, text=True,
                         input="".join(f"{address:#x}\n" for address in addresses),
                         stdout=subprocess.PIPE)
    return {address: answer.split("\n", 1)[0]
            for address, answer in zip(addresses, run.stdout.split("\n\n"))}


def profile(section, symbols, image):
    """
    [(function, instructions)] of a section, most first, the marks themselves left out. A function is
    followed by its parts, FUNCTION/PART, when others were inlined into it.
    """
    executed = {count.address: count.executed for count in section if count.kind != "ipi"}
    written_in = innermost(image, executed)
    totals = collections.Counter()
    parts = collections.defaultdict(collections.Counter)
    for address, number in executed.items():
        symbol = symbols.at(address)
        totals[symbol] += number
        parts[symbol][written_in[address]] += number
    lines = []
    for symbol, number in totals.most_common():
        if symbol not in MARKS.values():
            lines.append((symbol, number))
            if len(parts[symbol]) > 1:
                lines += [(f"{symbol}/{part}", share) for part, share in parts[symbol].most_common()]
    return lines


def annotate(section, image, symbol, runs):
    """The disassembly of a function, each instruction with its executions per run."""
    executed = {count.address: count.executed for count in section if count.kind != "ipi"}
    listing = subprocess.run(["llvm-objdump", "-d", "--no-show-raw-insn",
                              f"--disassemble-symbols={symbol}", image],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = []
    for address, text in re.findall(r"^\s*([0-9a-f]+):\s+(.*)$", listing, re.MULTILINE):
        number = executed.get(int(address, 16), 0)
        lines.append(f"{per_run(number, runs) if number else '':>10}  {address}  {text}")
    return lines
