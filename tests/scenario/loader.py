"""A boot loader that passes what a test wants: any memory map, command line, boot modules and ACPI tables.

QEMU's own loader builds the start info itself, and builds it well. So the image that it is given is another one: helix.elf's
segments, the test's tables as segments of their own, and behind the PVH note eleven bytes that jump to the kernel's entry
with the address of the test's start info. Nothing of it runs but these.

    loader = Loader()
    loader.command_line = "exit=init init=/bin/hello"
    loader.memory += [(1 << 20, 8 << 20, RESERVED)]
    result = run_to_end(kernel=loader.write(tmp_path / "odd.elf"))
"""
import itertools
import struct

from conftest import ROOT

IMAGE = ROOT / "build/x86_64/helix.elf"
INITRD = ROOT / "build/x86_64/initrd.cpio"

USABLE, RESERVED, ACPI, NVS, BAD = 1, 2, 3, 4, 5
PAGE = 4096
MB = 1 << 20
LOAD, NOTE = 1, 4  # segment types
# Above what the kernel's image may take, below where the firmware is while the machine starts.
PLACE = 16 * MB
MODULES = 17 * MB
START_INFO_MAGIC = 0x336EC578
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
EMPTY_FOLDER_OF_SEGMENTS = 64
# What an ordinary PC with 64 MB has.
ORDINARY_MEMORY = [(0, 0x9FC00, USABLE), (0x9FC00, 0x400, RESERVED), (0xF0000, 0x10000, RESERVED),
                   (1 * MB, 63 * MB, USABLE), (0xFEC00000, 0x1400000, RESERVED)]


class Loader:
    """What there is to be loaded, and what is said about it."""

    def __init__(self, kernel=IMAGE):
        self._kernel = kernel.read_bytes()
        self._segments = list(self._segments_of_kernel())
        self._next = PLACE
        self.memory = list(ORDINARY_MEMORY)
        self.command_line = ""
        self.modules = []      # (bytes, text), or (address, size, text) of what is not there
        self.rsdp = 0          # the kernel then looks for the firmware's own
        self.start_info = {}   # fields that are to be wrong

    def _segments_of_kernel(self):
        """(address, contents) of each loaded segment."""
        offset, = struct.unpack_from("<Q", self._kernel, 32)
        count, = struct.unpack_from("<H", self._kernel, 56)
        for index in range(count):
            kind, _, at, _, physical, size, _, _ = PROGRAM_HEADER.unpack_from(
                self._kernel, offset + index * PROGRAM_HEADER.size)
            if kind == LOAD:
                yield physical, self._kernel[at:at + size]

    def _entry_of_kernel(self):
        note = struct.pack("<III4s", 4, 8, 18, b"Xen\0")
        at = self._kernel.index(note) + len(note)
        return struct.unpack_from("<Q", self._kernel, at)[0]

    def put(self, contents, address=None):
        """Lay bytes into memory, at the next free place or at an address; returns the address."""
        if address is None:
            address = self._next
            self._next += -(-len(contents) // 16) * 16
        self._segments.append((address, contents))
        return address

    def module(self, contents, text="", address=None):
        """Add a boot module; modules lie one behind the other, each on a page of its own."""
        if address is None:
            address = max([MODULES] + [-(-end // PAGE) * PAGE for end in self._ends()])
        self._segments.append((address, contents))
        self.modules.append((address, len(contents), text))

    def _ends(self):
        return [address + len(contents) for address, contents in self._segments if address >= MODULES]

    def _put_text(self, text):
        return self.put(text.encode() + b"\0") if text else 0

    def _put_modules(self):
        entries = [struct.pack("<QQQQ", address, size, self._put_text(text), 0)
                   for address, size, text in self.modules]
        return self.put(b"".join(entries)) if entries else 0

    def _put_start_info(self):
        fields = {"magic": START_INFO_MAGIC, "version": 1, "flags": 0, "module_count": len(self.modules),
                  "modules": self._put_modules(), "command_line": self._put_text(self.command_line),
                  "rsdp": self.rsdp, "memory_count": len(self.memory),
                  "memory": self.put(b"".join(struct.pack("<QQII", *entry, 0) for entry in self.memory))}
        fields.update(self.start_info)
        order = ["magic", "version", "flags", "module_count", "modules", "command_line", "rsdp", "memory", "memory_count"]
        return self.put(struct.pack("<IIIIQQQQII", *(fields[name] for name in order), 0))

    def write(self, path):
        """Make the image; returns its path."""
        # mov $start_info, %ebx; mov $entry, %eax; jmp *%eax
        jump = struct.pack("<BIBIBB", 0xBB, self._put_start_info(), 0xB8, self._entry_of_kernel(), 0xFF, 0xE0)
        note = struct.pack("<III4sQ", 4, 8, 18, b"Xen\0", self.put(jump))
        path.write_bytes(elf_file(self._segments, note))
        return path


def elf_file(segments, note):
    """An executable of segments, (address, contents) each, and one note."""
    parts = [(LOAD, address, contents) for address, contents in segments] + [(NOTE, 0, note)]
    sizes = [-(-len(contents) // 16) * 16 for _, _, contents in parts]
    start = 64 + len(parts) * PROGRAM_HEADER.size
    offsets = [start + before for before in itertools.accumulate([0] + sizes)]
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, PLACE, 64, 0, 0, 64,
                         PROGRAM_HEADER.size, len(parts), 0, 0, 0)
    table = b"".join(PROGRAM_HEADER.pack(kind, 7, offset, address, address, len(contents), len(contents), 4)
                     for (kind, address, contents), offset in zip(parts, offsets))
    return header + table + b"".join(contents.ljust(size, b"\0") for (_, _, contents), size in zip(parts, sizes))


# --- ACPI -----------------------------------------------------------------------------------------------

def sealed(data, at):
    """With the byte at an offset set so that all add up to zero."""
    data = bytearray(data)
    data[at] = 0
    data[at] = -sum(data) & 0xFF
    return bytes(data)


def table(signature, body, length=None):
    """An ACPI table; length is what its header says, if that is to be wrong."""
    header = struct.pack("<4sIBB6s8sI4sI", signature, len(body) + 36 if length is None else length, 1, 0,
                         b"HELIX ", b"HOSTILE ", 1, b"TEST", 1)
    return sealed(header + body, 9)


def root_pointer(xsdt=0, rsdt=0):
    first = sealed(struct.pack("<8sB6sBI", b"RSD PTR ", 0, b"HELIX ", 2, rsdt), 8)
    return sealed(first + struct.pack("<IQI", 36, xsdt, 0), 32)


def local_apic(number, apic_id, flags=1):
    return struct.pack("<BBBBI", 0, 8, number, apic_id, flags)


def io_apic(address=0xFEC00000, first=0, number=0):
    return struct.pack("<BBBBII", 1, 12, number, 0, address, first)


def override(line, gsi, flags=0):
    return struct.pack("<BBBBIH", 2, 10, 0, line, gsi, flags)


def madt(*entries):
    return table(b"APIC", struct.pack("<II", 0xFEE00000, 1) + b"".join(entries))


def hpet(address=0xFED00000):
    return table(b"HPET", struct.pack("<IBBBBQBHB", 0x8086A201, 0, 64, 0, 0, address, 0, 100, 0))


def fadt(dsdt=0, pm_timer=0x608, pm1a_control=0x604):
    """As the q35 board has it."""
    body = bytearray(244 - 36)
    for offset, value in ((40, dsdt), (48, 0xB2), (64, pm1a_control), (76, pm_timer)):
        struct.pack_into("<I", body, offset - 36, value)
    body[52 - 36] = 2  # what turns ACPI on
    return table(b"FACP", bytes(body))


def dsdt():
    """Nothing but the way to switch off, of the q35 board: sleep types 0."""
    return table(b"DSDT", b"\x08_S5_\x12\x06\x04\x0a\x00\x0a\x00\x00\x00")


def put_acpi(loader, tables, entry_size=8):
    """Lay tables into memory, and a root that lists them; returns the root table's address."""
    addresses = [loader.put(contents) if isinstance(contents, bytes) else contents for contents in tables]
    signature = b"XSDT" if entry_size == 8 else b"RSDT"
    return loader.put(table(signature, b"".join(address.to_bytes(entry_size, "little") for address in addresses)))
