"""Many swaps of a slot, and their pauses, from lines of its history."""
import re

# swapper SLOT TIMES 'MODULE VERSION' …: one after the other, a line of history for each to /tmp/pauses.SLOT. What is not as it
# should be it says.
SWAPPER = """#!/bin/sh
pauses=/tmp/pauses.$1
slot=/helix/slots/$1
times=$2
shift 2
i=0
while [ $i -lt $times ]; do
    for next in "$@"; do
        echo $next > $slot/swap || echo failed: $next
        read active < $slot/active
        [ "$active" = "$next" ] || echo wrong: $next: $active
        i=$((i + 1))
    done
    grep ' swap ' $slot/history | tail -n $# >> $pauses
done
"""

COMPLETED = re.compile(r"\d+ [\d.]+ swap .*: Completed, pause (\d+) us, state kept")


def swapping(slot, times, modules):
    """The command line that swaps a slot."""
    return f"swapper {slot} {times} " + " ".join(f"'{module}'" for module in modules)


def pauses_of(shell, slot):
    """Microseconds, in ascending order; each of the slot's swaps ended well, with the state kept."""
    lines = shell(f"cat /tmp/pauses.{slot}").splitlines()
    found = [COMPLETED.fullmatch(line) for line in lines]
    assert None not in found, [line for line, match in zip(lines, found) if match is None][:5]
    return sorted(int(match[1]) for match in found)


def report(name, pauses):
    """Print and give the least, the middle, the rare and the most."""
    def share(part):
        return pauses[min(len(pauses) - 1, int(len(pauses) * part))]

    numbers = {"min": pauses[0], "p50": share(.5), "p99": share(.99), "p99.9": share(.999), "max": pauses[-1]}
    print(f"pause: {name}, {len(pauses)} swaps, us:", numbers)
    return numbers
