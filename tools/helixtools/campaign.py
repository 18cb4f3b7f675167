"""Run many suites: some beside each other, and once more by itself each one that failed.

A machine that runs inside a process measures time, and a busy host can take that time away. A suite
that passes when it is run once more, alone and with the same seed, is unsteady: that is said aloud and
counted, but it is no failure. What no lack of time explains gets no second run.
"""
import concurrent.futures
import dataclasses
import re
from typing import Callable, List, Optional

from helixtools import record
from helixtools.record import Outcome

# What the sanitizers say. Each found something that was really done wrong, however rarely it is done.
SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): \w+Sanitizer: |: runtime error: ")


@dataclasses.dataclass
class Verdict:
    """What a suite is judged by; and, if that is its second run, the one before it."""
    outcome: Outcome
    first: Optional[Outcome] = None

    @property
    def is_unsteady(self):
        return self.first is not None and not self.outcome.failures()


def deserves_second_run(outcome: Outcome) -> bool:
    """Whether a lack of time can be why it failed."""
    if not outcome.failures() or SANITIZER_REPORT.search(outcome.output):
        return False
    ended = outcome.head["ended"]
    return ended == "timeout" or (ended.startswith("status") and outcome.suite.form != "status")


def judge_again(first: Outcome, seed: int) -> Verdict:
    """Run it once more, with nothing beside it; both records are kept."""
    record.keep_as_first(first)
    return Verdict(record.run(first.suite, seed), first)


# Those with suites that take minutes: begun first, so that none is left running by itself in the end.
LONG = ["metal", "models", "scenario", "host-tsan"]


def longest_first(suites):
    return sorted(suites, key=lambda suite: LONG.index(suite.group) if suite.group in LONG else len(LONG))


def run_all(chosen, seed: int, jobs: int, say: Callable[[Verdict], None]) -> List[Verdict]:
    """Verdicts on all suites. Those that want the machine alone, and second runs, come last, one by
    one. say() hears of each run as it ends."""
    verdicts = []

    def settle(outcome):
        verdicts.append(Verdict(outcome))
        say(verdicts[-1])

    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = [pool.submit(record.run, suite, seed) for suite in longest_first(chosen) if not suite.alone]
        for done in concurrent.futures.as_completed(waiting):
            settle(done.result())
    for suite in chosen:
        if suite.alone:
            settle(record.run(suite, seed))
    for place, verdict in enumerate(verdicts):
        if deserves_second_run(verdict.outcome):
            verdicts[place] = judge_again(verdict.outcome, seed)
            say(verdicts[place])
    return verdicts
