"""How much of the machine's memory is in use when the shell waits for its first command."""
import re
import subprocess

from helixtools import tree

PROMPT = "helix:~# "
LIMIT_KIB = 8192
MEMORY_LINE = re.compile(r"memory: ([0-9a-f]{16})-([0-9a-f]{16}) (usable|kernel image)")
MODULE_LINE = re.compile(r"boot module: \S+ (\d+) bytes")


def read_until(stream, words):
    """What comes up to and with the words, or to the end."""
    text = ""
    while not text.endswith(words):
        letter = stream.read(1)
        if not letter:
            break
        text += letter
    return text


def ask(image, timeout):
    """What the guest says while it starts, and then its /proc/meminfo."""
    command = [tree.ROOT / "tools/run", "--kernel", image, "--initrd",
               image.with_name("initrd.cpio"), "--timeout", str(timeout)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          errors="replace") as guest:
        said = read_until(guest.stdout, PROMPT)
        rest, _ = guest.communicate("cat /proc/meminfo\npoweroff\n")
    return said + rest


def kilobytes(text, name):
    """A line of /proc/meminfo."""
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"the guest did not say {name}; its last words: {text[-500:]}")
    return int(found.group(1))


def in_use(text):
    """
    KiB of all memory, the kernel's image with it, that are not free, less the files: the archive
    they were started from, and the pages that file systems have in memory.
    """
    memory = sum(int(last, 16) + 1 - int(first, 16)
                 for first, last, _ in MEMORY_LINE.findall(text))
    files = sum(int(size) for size in MODULE_LINE.findall(text))
    return (memory - files) // 1024 - kilobytes(text, "MemFree") - kilobytes(text, "Cached")


def report(image, timeout):
    """The lines of the figure."""
    return (f"bench: ram_at_prompt {in_use(ask(image, timeout))} KiB 1\n"
            f"target: ram_at_prompt {LIMIT_KIB} KiB")
