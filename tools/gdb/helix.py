"""For gdb: what the kernel is at, in its own words. `make gdb` loads this; `help helix` lists the commands.

gdb build/x86_64/helix.elf -x tools/gdb/helix.py -ex 'target remote :1234' -ex helix-slide

`helix-slide` moves the kernel's symbols to where it lies, which the register for its interrupt table tells; one that has not come so far
yet is where it was linked. The other commands begin with that. Everything is read from the kernel's memory, by the names of
its variables, and nothing of it is called: so it works in the middle of a panic as well. Modules have symbol files of their own: the kernel keeps a table of what it has loaded where
(core/hot_reload/module_symbols.h); the files with debug information lie beside the kernel's, as modules/NAME.hxm.debug.
Those of modules built elsewhere are looked for in the folders given to `helix-modules`.
"""
import pathlib
import re

import gdb

KERNEL_BASE = 0xffffffff80000000
SECTIONS = [".text", ".rodata", ".data", ".bss"]  # enum elf_group

# --- reading what C has -----------------------------------------------------------------------------------

def variable(file, name):
    return gdb.parse_and_eval(f"'{file}'::{name}")


def number(value):
    """Of an integer, atomic or not."""
    return int(value.cast(gdb.lookup_type("unsigned long")))


def enumerator(type_name, value, prefix):
    """READY for THREAD_READY; the number where there is no such."""
    for field in gdb.lookup_type(f"enum {type_name}").fields():
        if field.enumval == value:
            return field.name.removeprefix(prefix)
    return str(value)


def entries(head, type_name, link):
    """Each structure of a list of struct list."""
    kind = gdb.lookup_type(f"struct {type_name}")
    offset = next(field.bitpos for field in kind.fields() if field.name == link) // 8
    node = head["next"]
    while node != head.address:
        yield (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(kind.pointer()).dereference()
        node = node["next"]


def cpus():
    """Number and block of each processor that there is."""
    blocks = gdb.parse_and_eval("x86_cpus")
    for index in range(blocks.type.range()[1] + 1):
        if blocks[index]["present"]:
            yield index, blocks[index]


def threads():
    """Those that the processors began with, and idle in, then all others."""
    boot = variable("kern/thread.c", "boot_threads")
    yield from (boot[index] for index, _ in cpus())
    yield from (thread for thread in entries(variable("kern/thread.c", "all")["threads"], "thread", "all_link")
                if not boot.address <= thread.address < (boot.address + 1))


def text_of(value):
    return value.string(errors="replace") if value.type.code == gdb.TYPE_CODE_ARRAY else value.string()


# --- commands ---------------------------------------------------------------------------------------------

class Helix(gdb.Command):
    """What the kernel is at. See the commands below it; none of them changes anything."""

    def __init__(self):
        super().__init__("helix", gdb.COMMAND_STATUS, prefix=True)


class Command(gdb.Command):
    """A command below `helix`: its name is the class's."""

    def __init__(self):
        super().__init__(f"helix {type(self).__name__.lower()}", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        gdb.execute("helix-slide", to_string=True)
        for line in self.lines(gdb.string_to_argv(argument)):
            print(line)

    def lines(self, words):
        raise NotImplementedError


class Threads(Command):
    """helix threads: every thread, what it is doing, and on which processor; an asterisk is before those that run."""

    def lines(self, words):
        running = {int(cpu["current"]): index for index, cpu in cpus()}
        yield f"  {'id':>5} {'cpu':>3}  {'state':10} {'process':>7}  name"
        for thread in threads():
            state = enumerator("thread_state", number(thread["state"]) & 0xFF, "THREAD_")
            mark = "*" if int(thread.address) in running else " "
            yield (f"{mark} {int(thread['id']):5} {number(thread['cpu']):3}  {state.capitalize():10} "
                   f"{int(thread['process_number']):7}  {text_of(thread['name'])}")


class Slots(Command):
    """helix slots: every slot, what is in it, behind which gate, and how many calls it has died in."""

    def lines(self, words):
        slots = variable("core/gate/slot.c", "slots")
        yield f"{'slot':16} {'status':10} {'gate':5} {'deaths':>6}  module"
        for index in range(slots.type.range()[1] + 1):
            slot = slots[index]
            name = text_of(slot["name"])
            if name:
                holder = slot["holder"].cast(gdb.lookup_type("struct module_instance").pointer())
                status = enumerator("slot_status", number(slot["status"]), "SLOT_")
                gate = enumerator("hal_gate_backend", int(slot["backend"]), "HAL_GATE_")
                yield (f"{name:16} {status.capitalize():10} {gate.lower():5} {number(slot['deaths']):6}  "
                       f"{text_of(holder['name']) if int(holder) else '-'}")


class Log(Command):
    """helix log [N]: the newest N lines of the kernel's log, printed or not; 20 when N is left out."""

    def lines(self, words):
        ring = variable("core/debug/log.c", "ring")
        head, records = number(ring["head"]), ring["records"]
        size = records.type.range()[1] + 1
        wanted = int(words[0]) if words else 20
        for index in range(max(1, head - min(wanted, size) + 1), head + 1):
            record = records[index % size]
            if number(record["state"]) != 2 * index:
                yield f"{index:6} (being written)"
                continue
            length = number(record["origin"]) >> 32 & 0xFFFF
            text = gdb.selected_inferior().read_memory(int(record["text"].address), length).tobytes()
            seconds, microseconds = divmod(number(record["time"]) // 1000, 1000000)
            yield f"{index:6} {seconds:5}.{microseconds:06} {text.decode(errors='replace')}"


class Recorder(Command):
    """helix recorder [N]: what each processor did last: the newest N records of each ring, 8 when N is left out, by time."""

    NAMED = {"NAME", "LOAD", "UNLOAD", "DEATH", "PANIC", "MARK"}  # their details are a text

    def records_of(self, cpu, recorder, most):
        size = 1 << int(recorder["shift"])
        end, first = number(recorder["next"]), number(recorder["first"])
        for index in range(max(first, end - min(most, size)), end) if int(recorder["records"]) else []:
            record = recorder["records"][index % size]
            header = number(record["header"])
            kind = header >> 32 & 0xFF
            if kind != 0 and header >> 40 == index // size:
                yield number(record["cycles"]), cpu, header & 0xFFFFFFFF, kind, number(record["a"]), number(record["bc"])

    def details(self, kind, first, second):
        if kind in self.NAMED:
            text = first.to_bytes(8, "little") + second.to_bytes(8, "little")
            return text.split(b"\0")[0].decode(errors="replace")
        return f"a={first:#x} b={second & 0xFFFFFFFF:#x} c={second >> 32:#x}"

    def lines(self, words):
        most = int(words[0]) if words else 8
        recorders = gdb.parse_and_eval("recorders")
        found = []
        for cpu, _ in cpus():
            for ring in range(recorders[cpu].type.range()[1] + 1):
                found += self.records_of(cpu, recorders[cpu][ring], most)
        if not found:
            yield "nothing is recorded"
            return
        rate = number(variable("ports/x86_64/clock.c", "clock_hz"))
        newest = max(found)[0]
        for cycles, cpu, thread, kind, first, second in sorted(found):
            name = enumerator("recorder_kind", kind, "RECORDER_")
            yield (f"{(cycles - newest) * 1e6 / rate:14.3f} us cpu={cpu} tid={thread} {name.lower()} "
                   f"{self.details(name, first, second)}")


class Activation(Command):
    """helix activation: the calls into modules that the thread on each processor is in, the innermost first."""

    def calls_of(self, thread):
        record = thread["hal"]["gate_top"]
        while record > thread["gate_records"][0].address:
            record = record - 1
            yield record.dereference()

    def module_of(self, record):
        """Of the instance that the gate's one is the beginning of."""
        address = record["instance"].cast(gdb.lookup_type("struct module_instance").pointer())
        return text_of(address["name"]) if int(address) else "-"

    def lines(self, words):
        for index, cpu in cpus():
            thread = cpu["current"]
            if not int(thread):
                yield f"CPU {index}: not started"
                continue
            calls = list(self.calls_of(thread.dereference()))
            yield f"CPU {index}: {text_of(thread['name'])} (tid={int(thread['id'])}), {len(calls)} calls into modules"
            for record in calls:
                instance = record["instance"].cast(gdb.lookup_type("struct hal_gate_instance").pointer())
                gate = enumerator("hal_gate_backend", int(instance["backend"]), "HAL_GATE_").lower() if int(instance) else "-"
                where = f", in callout {int(record['callout_depth'])}" if int(record["callout_depth"]) else ""
                effects = ", with effects" if int(record["has_effects"]) else ""
                yield (f"  {self.module_of(record)} behind the {gate} gate, {int(record['ticks_left'])} ms left, "
                       f"returns with rsp={int(record['machine'][0]):#x}{where}{effects}")


# --- symbols of the kernel ---------------------------------------------------------------------------------

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


# --- symbols of modules -----------------------------------------------------------------------------------

def loaded_modules():
    """(name, address of each section that is not empty)"""
    records = variable("core/hot_reload/module_symbols.c", "records")
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
Helix()
Threads()
Slots()
Log()
Recorder()
Activation()
HelixModules()
