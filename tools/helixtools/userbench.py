"""Run helix-bench, the program of user/bench, as process 1 of Helix or of Linux, under counted instructions."""
import dataclasses
import pathlib
import subprocess
import tempfile
from typing import Dict, List

from helixtools import measure, tree
from helixtools.cpio import Archive

PROGRAM_PATH = "bin/helix-bench"
PLUGIN = tree.BUILD / "tools/cost.so"
LINUX_PATTERN = "vmlinuz-*-cloud-amd64"
# Where the loader jumps to in Linux's image: the 32-bit entry, before it unpacks itself.
LINUX_ENTRY = 0x100000


@dataclasses.dataclass
class Figure:
    """A line of the program, and what the plug-in counted meanwhile."""
    name: str
    value: int
    runs: int
    section: List[measure.Count]

    @property
    def cost(self):
        return measure.cost_line(self.name, self.section, self.runs)

    def lines(self):
        return f"bench: {self.name} {self.value} instructions {self.runs}\n{self.cost}"


@dataclasses.dataclass
class Kernel:
    """What to boot the program on."""
    image: pathlib.Path
    entry: int
    initrd: pathlib.Path
    append: str


def helix(image, more=""):
    return Kernel(image, measure.entry_of(image), image.with_name("initrd.cpio"),
                  f"init=/{PROGRAM_PATH} console=serial panic=exit {more}")


def run_hooked(image, program, timeout):
    """The null call's figure with every hook of system calls on."""
    figures = run(helix(image, "hooks=security,audit,metrics"), program, timeout)
    return renamed(figures, "getppid", "getppid_hooked")


def run_unprivileged(image, program, timeout):
    """The figure of a read from /dev/zero with its module behind the user gate."""
    return renamed(run(helix(image, "gate.memory=user"), program, timeout), "read_zero", "read_zero_user")


def renamed(figures, name, other):
    found = next(figure for figure in figures if figure.name == name)
    return dataclasses.replace(found, name=other)


def newest_linux(folder=pathlib.Path("/boot")):
    """The image of Debian's kernel for clouds; FileNotFoundError without one."""
    images = sorted(folder.glob(LINUX_PATTERN), key=lambda path: path.stat().st_mtime)
    if not images:
        raise FileNotFoundError(f"there is no {LINUX_PATTERN} in {folder}; `make bench-linux` installs it")
    return images[-1]


def linux(image, program, folder):
    """Linux with an initial file system of nothing but the program."""
    archive = Archive()
    for path in ("bin", "dev"):
        archive.add_folder(path)
    archive.add_character_device("dev/console", 5, 1)
    archive.add_character_device("dev/zero", 1, 5)
    archive.add_file(PROGRAM_PATH, program.read_bytes(), 0o755)
    initrd = pathlib.Path(folder) / "initrd.cpio"
    initrd.write_bytes(archive.bytes())
    return Kernel(image, LINUX_ENTRY, initrd,
                  f"rdinit=/{PROGRAM_PATH} console=ttyS0 quiet nokaslr panic=-1")


def marks_of(program):
    """{begin, end, take: address} in the program."""
    listing = subprocess.run(["llvm-nm", "--defined-only", program], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    addresses = {words[2]: int(words[0], 16) for words in map(str.split, listing.splitlines())}
    return {name: addresses[symbol] for name, symbol in measure.MARKS.items()}


def plugin_words(kernel, program, output):
    """QEMU's words: counting starts with the kernel's first instruction, and again at each mark."""
    marks = ",".join(f"{name}={address:#x}" for name, address in marks_of(program).items())
    return f"-plugin {PLUGIN},begin={kernel.entry:#x},{marks},output={output}"


def parse_lines(text):
    """[(name, value, runs)] of the program's lines, and [complaint]."""
    figures, complaints = [], []
    for line in text.splitlines():
        if line.startswith("bench: "):
            _, name, value, _, runs = line.split()
            figures.append((name, int(value), int(runs)))
        elif line.startswith("# "):
            complaints.append(line[2:])
    return figures, complaints


def boot_figure(section):
    """Instructions from the kernel's first to the program's."""
    executed = sum(count.executed for count in section if count.kind != "ipi")
    return Figure("boot_to_user", executed, 1, section)


def join(figures, sections):
    """Figures with their costs: the first section is the boot, then two for each figure."""
    names = [name for name, _, _ in figures]
    counted = measure.by_figure(sections, names)
    return [boot_figure(sections[0])] + [
        Figure(name, value, runs, counted[name]) for name, value, runs in figures]


def run(kernel, program, timeout) -> List[Figure]:
    """All figures of the program on the kernel. ValueError when it did not get through."""
    with tempfile.NamedTemporaryFile("r", prefix="helix-counts-", encoding="ascii") as counts:
        command = [tree.ROOT / "tools/run", "--kernel", kernel.image, "--initrd", kernel.initrd, "--icount",
                   "--append", kernel.append, "--timeout", str(timeout),
                   f"--qemu-args={plugin_words(kernel, program, counts.name)}"]
        end = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             errors="replace", check=False)
        figures, complaints = parse_lines(end.stdout)
        if end.returncode != 0 or complaints or not figures:
            raise ValueError(f"helix-bench on {kernel.image.name}: status {end.returncode}; "
                             f"{'; '.join(complaints) or 'its last words: ' + end.stdout[-500:]}")
        return join(figures, measure.read_sections(counts.read()))


def comparison(helix_figures: List[Figure], linux_figures: List[Figure]) -> List[str]:
    """Both columns, in the order of Helix's."""
    others: Dict[str, Figure] = {figure.name: figure for figure in linux_figures}
    return [f"compare: {figure.name} helix={figure.value} linux={others[figure.name].value} "
            f"ratio={others[figure.name].value / figure.value:.1f}"
            for figure in helix_figures if figure.name in others and figure.value]
