"""Make ISO images that GRUB boots, on a BIOS and on UEFI: the kernel, its command line, its initial file system.

An image takes a fraction of a second, because it has only those of GRUB's modules that it needs; so tools/run
makes one for each run.
"""
import pathlib
import shlex
import shutil
import subprocess
import tempfile

# On this port, before it starts the kernel: SeaBIOS writes its own messages there (guest.py listens).
WITNESS_PORT = 0x402
GRUB_STARTS_KERNEL = "GRUB starts the kernel"

# The partition maps are asked for by what grub-mkrescue puts before our configuration.
MODULES = ("normal configfile iso9660 fat part_acorn part_amiga part_apple part_bsd part_dfly part_dvh part_gpt "
           "part_msdos part_plan part_sun part_sunpc search multiboot2 serial terminal all_video iorw boot")

TOOLS = ("grub-mkrescue", "xorriso", "mformat", "llvm-objcopy")

CONFIGURATION = """\
set timeout=0
if serial --unit=0 --speed=115200; then
    terminal_input serial console
    terminal_output serial console
fi
insmod all_video
menuentry Helix {{
{commands}
}}
"""


def missing_tools():
    """Those that make an image and are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def words_of(command_line):
    """GRUB's shell splits and joins words by the rules of the usual one, but knows no unbalanced quote."""
    try:
        return shlex.split(command_line)
    except ValueError:
        return command_line.split()


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


def configuration(command_line, has_initrd):
    """grub.cfg."""
    commands = [" ".join(["multiboot2", "/boot/helix.elf", *map(quoted, words_of(command_line))])]
    if has_initrd:
        commands.append("module2 /boot/initrd.cpio initrd")
    commands += [f"outb {WITNESS_PORT:#x} {byte:#x}" for byte in f"\n{GRUB_STARTS_KERNEL}\n".encode()]
    return CONFIGURATION.format(commands="\n".join(f"    {command}" for command in commands))


def _run(*command):
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise ValueError(f"{command[0]} ended with status {done.returncode}:\n{done.stdout}")


def write(path, kernel, initrd, command_line):
    """Write an image; without symbols, which GRUB would load too. ValueError says what went wrong."""
    with tempfile.TemporaryDirectory(prefix="helix-iso-") as folder:
        boot = pathlib.Path(folder) / "boot"
        (boot / "grub").mkdir(parents=True)
        (boot / "grub/grub.cfg").write_text(configuration(command_line, initrd is not None), encoding="utf-8")
        _run("llvm-objcopy", "--strip-all", str(kernel), str(boot / "helix.elf"))
        if initrd is not None:
            shutil.copyfile(initrd, boot / "initrd.cpio")
        _run("grub-mkrescue", "--fonts=", "--locales=", "--themes=", f"--install-modules={MODULES}",
             "-o", str(path), folder)
