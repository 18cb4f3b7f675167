"""Names for the addresses in a report of a sanitizer that could not name them itself.

Sanitizers start a symbolizer by a fork, which the kernel as a process does not survive: its threads are
fibers that a timer's signal switches. So their reports there are lists of addresses.
"""
import os
import re
import subprocess

# As in `#3 <null> <null> (helix+0x513588) (BuildId: 366b…)`, the thread sanitizer's, and in
# `#3 0x4dcfc4  (/a/path/helix+0x4dcfc4) (BuildId: ac19…)`, the address sanitizer's.
FRAME = re.compile(r"(?:<null> <null>|0x[0-9a-f]+ ) \(([^()\s]+)\+(0x[0-9a-f]+)\)( \(BuildId: \w+\))?")


def _names(program, addresses):
    """{address: what is there}; an empty one if the program cannot be asked."""
    answer = subprocess.run(["addr2line", "-fpe", str(program), *addresses], text=True,
                            capture_output=True, check=False)
    return dict(zip(addresses, answer.stdout.splitlines())) if answer.returncode == 0 else {}


def name_frames(program, text):
    """The text with the function, file and line of each frame that is the program's; others stay."""
    module = os.path.basename(program)
    found = sorted({match[2] for match in FRAME.finditer(text) if os.path.basename(match[1]) == module})
    names = _names(program, found) if found else {}

    def name(match):
        if os.path.basename(match[1]) != module:
            return match[0]
        return f"{names.get(match[2], '?')} ({match[2]})"

    return FRAME.sub(name, text)
