"""The pauses of many swaps, from lines of a slot's history."""
import re

COMPLETED = re.compile(r"\d+ [\d.]+ swap .*: Completed, pause (\d+) us, state kept")


def pauses_of(shell, path):
    """Microseconds, in ascending order; each of the swaps in the guest's file ended well, with the state kept."""
    lines = shell(f"cat {path}").splitlines()
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
