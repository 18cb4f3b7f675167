"""Names for the addresses in a report of a sanitizer that could not name them itself.

The thread sanitizer starts a symbolizer by a fork, which the kernel as a process does not survive: its
threads are fibers that a timer's signal switches. So its reports there are lists of addresses.
"""
import re
import subprocess

# As in `#3 <null> <null> (helix+0x513588) (BuildId: 366b…)`.
FRAME = re.compile(r"<null> <null> \([^()\s]+\+(0x[0-9a-f]+)\)( \(BuildId: \w+\))?")


def _names(program, addresses):
    """{address: what is there}; an empty one if the program cannot be asked."""
    answer = subprocess.run(["addr2line", "-fpe", str(program), *addresses], text=True,
                            capture_output=True, check=False)
    return dict(zip(addresses, answer.stdout.splitlines())) if answer.returncode == 0 else {}


def name_frames(program, text):
    """The text with the function, file and line of each frame that is the program's."""
    found = sorted({match[1] for match in FRAME.finditer(text)})
    names = _names(program, found) if found else {}
    return FRAME.sub(lambda match: f"{names.get(match[1], '?')} ({match[1]})", text)
