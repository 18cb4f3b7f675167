"""A shell in the booted system, the list of /helix's files, and its tables taken apart: for the tests of /helix."""
import re

from conftest import ROOT

PROMPT = r"helix:[^\n]*[$#] "
FILE_LIST = (ROOT / "subsys/helixfs/file_list.h").read_text(encoding="utf-8")
ROWS = re.findall(r'X\(HELIXFS_\w+, \d+, "([^"]+)", "(open|)",\s+(?:\\\n\s*)?"([^"]+)"\)', FILE_LIST)
NAMES = [name for name, _, _ in ROWS]
OPEN = [name for name, access, _ in ROWS if access == "open"]
# A file of the directory stands for all of them.
PATHS = {"slots": "slots/demo/gate", "cpus": "cpus/0/online"}
NOT_READ = ["confine", "power"]
GUARDED = [name for name in NAMES if name not in OPEN + NOT_READ]
TABLES = [name for name in NAMES
          if name not in NOT_READ + ["version", "subsystems.dot", "counter", "log", "events", "slots", "cpus", "policy",
                                     "audit", "messages", "last_panic"]]
RECORDS = ["state", "refused", "screen"]


class Shell:
    """The shell of process 1: each command's output, as text."""

    def __init__(self, guest):
        self.guest = guest
        self._count = 0
        guest.expect(PROMPT)

    def __call__(self, command):
        """Run a command line; what it prints on either output."""
        self._count += 1
        number = self._count
        behind = "" if command.endswith("&") else ";"
        # The quotes keep the echo of the line from looking like what it prints.
        self.guest.type(f"echo 'beg'in-{number}; {command}{behind} echo; echo 'en'd-{number}")
        said = self.guest.expect(rf"(?s)begin-{number}\r*\n(.*?)\r*\nend-{number}\r")
        self.guest.expect(PROMPT)
        return said.group(1).replace("\r", "").rstrip("\n")

    def as_guest(self, command):
        return self(f"su guest -c '{command}'")

    def table(self, name):
        """Rows of a table, as dictionaries of texts."""
        return parse(self(f"cat /helix/{name}"))

    def record(self, name):
        return dict(re.findall(r"^(\w+): (.*)$", self(f"cat /helix/{name}"), re.MULTILINE))

    def column(self, name, column):
        return [row[column] for row in self.table(name)]

    def ask(self, key, answer):
        """Press a key of the monitor; the match of its answer."""
        match = self.guest.ask(key, answer)
        self.guest.type("")
        self.guest.expect(PROMPT)
        return match


def folder_with(path, module):
    """A new folder for extra=, in which the module stands that a slot is then told to load from /MODULE.hxm."""
    path.mkdir()
    (path / f"{module}.hxm").write_bytes((ROOT / f"build/x86_64/modules/{module}.hxm").read_bytes())
    return path


class Patient(Shell):
    """A shell, and what the healer knows of a slot, the console's if none is named."""

    def heal(self, slot="console"):
        return next(row for row in self.table("heal") if row["slot"] == slot)

    def until(self, condition):
        self(f"until {condition}; do usleep 10000; done")

    def fill_for_good(self, slot, module):
        """Put a module from a file into the slot, without a trial."""
        assert self(f"echo 'trial_ms 0' > /helix/slots/{slot}/options; echo /{module}.hxm > /helix/slots/{slot}/load; "
                    f"echo {module} > /helix/slots/{slot}/swap; cat /helix/slots/{slot}/active").startswith(f"{module} ")

    def health(self):
        return self.heal()["health"]

    def option(self, name):
        return next(row["value"] for row in self.table("heal_options") if row["option"] == name)

    def hear_events(self):
        """What is told of health goes to /tmp/events from now on."""
        self("(exec 3<> /helix/events; echo subsystem.health >&3; touch /tmp/heard; exec cat <&3 > /tmp/events) &")
        self.until("[ -e /tmp/heard ]")

    def timed_events(self, slot="console"):
        """(seconds, what, cause, action, attempt) of each that was heard of"""
        said = re.findall(rf'^(\d+\.\d+) subsystem\.health (\w+) name={slot} cause="([^"]+)" action="([^"]+)" '
                          r"attempt=(\d+) us=\d+$", self("cat /tmp/events"), re.MULTILINE)
        return [(float(seconds), *words) for seconds, *words in said]

    def events(self):
        return [event[1:] for event in self.timed_events()]


def parse(text):
    lines = text.splitlines()
    names = lines[0].split()
    cells = [re.split(r" +", line.strip(), maxsplit=len(names) - 1) for line in lines[1:]]
    assert all(len(row) == len(names) for row in cells)
    return [dict(zip(names, row)) for row in cells]
