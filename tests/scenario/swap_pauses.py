"""Many swaps of a slot, and their pauses, from lines of its history."""
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

COMPLETED = r"s/^[0-9]* [0-9.]* swap [^:]*: Completed, pause \([0-9]*\) us, state kept$/\1/"
# Lines in one answer: a console whose reader has much to look through is not ready for long, and then loses bytes.
PIECE = 500


def swapping(slot, times, modules):
    """The command line that swaps a slot."""
    return f"swapper {slot} {times} " + " ".join(f"'{module}'" for module in modules)


def pauses_of(shell, slot):
    """Microseconds, in ascending order; each of the slot's swaps ended well, with the state kept."""
    path = f"/tmp/pauses.{slot}"
    lines = []
    for first in range(1, int(shell(f"wc -l < {path}")) + 1, PIECE):
        lines += shell(f"sed -n '{first},{first + PIECE - 1}p' {path} | sed '{COMPLETED}'").splitlines()
    assert all(line.isdigit() for line in lines), [line for line in lines if not line.isdigit()][:5]
    return sorted(int(line) for line in lines)


def report(name, pauses):
    """Print and give the least, the middle, the rare and the most."""
    def share(part):
        return pauses[min(len(pauses) - 1, int(len(pauses) * part))]

    numbers = {"min": pauses[0], "p50": share(.5), "p99": share(.99), "p99.9": share(.999), "max": pauses[-1]}
    print(f"pause: {name}, {len(pauses)} swaps, us:", numbers)
    return numbers
