"""What tools/bench-host measures, and what it makes of the numbers. docs/bench-host.md explains both."""
import dataclasses
import re
import statistics
from typing import List

OURS = "helix"
# Bounded queues for several senders, which the channel is to be ahead of; then what is no such thing.
BOUNDED = ["ck", "rte_ring", "crossbeam", "std_channel", "mutex", "pipe"]
UNBOUNDED = ["moodycamel", "wfcqueue"]
ALL = [OURS] + BOUNDED + UNBOUNDED + ["bare"]

TITLES = {
    "helix": "Helix channel",
    "ck": "Concurrency Kit ck_ring",
    "rte_ring": "DPDK rte_ring",
    "moodycamel": "moodycamel, unbounded",
    "crossbeam": "crossbeam-channel",
    "std_channel": "Rust std sync_channel",
    "mutex": "mutex and conditions",
    "pipe": "pipe",
    "bare": "bare ring, no close or wake",
    "wfcqueue": "liburcu wfcqueue, unbounded",
    "lfht": "liburcu cds_lfht look-up",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing that is timed: a mode of the programs, with the number of its senders where it has one."""
    name: str
    title: str
    size: int
    words: tuple
    # Operations of one run: enough for many rounds of the ring, or for the clock.
    least: int = 20000
    most: int = 1 << 22

    def command(self, program, count):
        """One run of so many operations."""
        return [str(program), *self.words, str(count)]


PAIRS = [Case(f"pair_{size}", f"one thread, try_send and try_receive, {size} bytes", size, ("pairs",))
         for size in (8, 64)]
STREAMS = [Case(f"stream_{senders}", f"{senders} to 1, trying, 8 bytes", 8, ("stream", str(senders)),
                most=1 << 20) for senders in (1, 2, 4)]
BLOCKING = [Case(f"blocking_{senders}", f"{senders} to 1, blocking, 8 bytes", 8,
                 ("blocking", str(senders)), most=1 << 20) for senders in (1, 4)]
PING = Case("ping", "there and back, blocking, 8 bytes", 8, ("ping",), 500, 1 << 18)
# Counted only: one look-up among 1024 entries, in a read section of its own.
LOOKUP = Case("lookup", "one look-up", 8, ("pairs",))
CASES = PAIRS + STREAMS + BLOCKING + [PING]

# The project's limits for one pair on one thread, closing and waking included.
INSTRUCTION_LIMITS = {"pair_8": 37, "pair_64": 58}


def read_instructions(text):
    """The instructions that a file of callgrind's counts in all."""
    found = re.search(r"^(?:summary|totals):\s*(\d+)", text, re.MULTILINE)
    if not found:
        raise ValueError("callgrind counted nothing")
    return int(found.group(1))


def read_run(text):
    """Nanoseconds per operation from what a peer's program prints."""
    nanoseconds, operations = text.split()
    return int(nanoseconds) / int(operations)


def next_count(case, nanoseconds, wanted_ms):
    """How many operations of so many nanoseconds each take as long as is wanted."""
    count = int(wanted_ms * 1e6 / max(nanoseconds, 0.1))
    return max(case.least, min(case.most, count))


def number(value):
    """Three digits that count, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@dataclasses.dataclass
class Spread:
    """The middle of several values, and the quarters around it."""
    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: List[float]):
        """Of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), low, high)

    def __str__(self):
        return f"{number(self.middle)} ({number(self.low)} to {number(self.high)})"


def ratios(theirs, ours):
    """How many times our time a peer took, from the runs that were made side by side."""
    return Spread.of([their / our for their, our in zip(theirs, ours)])


class Results:
    """instructions: {case: {peer: count}}; times: {case: {peer: [ns of each round]}}"""

    def __init__(self):
        self.instructions = {}
        self.times = {}

    def ratio(self, case, peer):
        """A peer's time in ours, None where one of the two was not measured."""
        times = self.times.get(case, {})
        if not times.get(peer) or not times.get(OURS):
            return None
        return ratios(times[peer], times[OURS])

    def lines(self):
        """The lines `bench:`."""
        for case, counts in self.instructions.items():
            for peer, (count, rounds) in counts.items():
                yield f"bench: host_{case}_{peer} {number(count)} instructions {rounds}"
        for case, times in self.times.items():
            for peer, values in times.items():
                yield f"bench: host_{case}_time_{peer} {number(Spread.of(values).middle)} ns {len(values)}"
                if peer != OURS and self.ratio(case, peer):
                    ratio = number(self.ratio(case, peer).middle)
                    yield f"bench: host_{case}_ratio_{peer} {ratio} times {len(values)}"

    # --- the table ---

    def row(self, case, peer):
        """A peer's line of a case's table."""
        counted = self.instructions.get(case, {}).get(peer)
        times = self.times.get(case, {}).get(peer)
        ratio = self.ratio(case, peer) if peer != OURS else None
        return (f"  {TITLES[peer]:<29} {number(counted[0]) if counted else '':>6} "
                f"{str(Spread.of(times)) if times else '':>25} {ratio or ''!s:>23}").rstrip()

    def table(self, case):
        """The lines of a case that was measured, ours first, then from the fastest to the slowest."""
        measured = set(self.instructions.get(case.name, {})) | set(self.times.get(case.name, {}))
        times = self.times.get(case.name, {})
        order = sorted(measured, key=lambda peer: (
            peer != OURS, statistics.median(times[peer]) if times.get(peer) else 0))
        if not measured:
            return
        yield f"{case.title}"
        yield f"  {'':<29} {'instr.':>6} {'ns, quarters around':>25} {'times ours, quarters':>23}"
        for peer in order:
            yield self.row(case.name, peer)

    # --- targets ---

    def _ahead(self, case, peers):
        for peer in peers:
            ratio = self.ratio(case, peer)
            if ratio:
                yield f"{case} less than {peer}", ratio.middle > 1, f"{ratio} times ours"

    def targets(self):
        """(what, whether it is met, the measured numbers)"""
        for case, limit in INSTRUCTION_LIMITS.items():
            counted = self.instructions.get(case, {}).get(OURS)
            if counted:
                yield (f"{case} at most {limit} instructions", counted[0] <= limit,
                       number(counted[0]))
        for case in PAIRS + STREAMS:
            yield from self._ahead(case.name, BOUNDED)
        four, one = (self.times.get(name, {}).get(OURS) for name in ("stream_4", "stream_1"))
        if four and one:
            times = Spread.of([many / single for many, single in zip(four, one)])
            yield "stream_4 at most twice stream_1", times.middle <= 2, f"{times} times"
        for case in BLOCKING + [PING]:
            yield from self._ahead(case.name, ["crossbeam"])

    def without_target(self):
        """(what, the measured numbers): queues that take whatever comes have no limit to keep to."""
        for case in PAIRS + STREAMS:
            for peer in UNBOUNDED:
                ratio = self.ratio(case.name, peer)
                if ratio:
                    yield f"{case.name} beside {peer}, which is unbounded", f"{ratio} times ours"

    def target_lines(self):
        """The lines `target:`."""
        for what, is_met, measured in self.targets():
            yield f"target: {'met   ' if is_met else 'missed'} {what}: {measured}"
        for what, measured in self.without_target():
            yield f"target: none   {what}: {measured}"
