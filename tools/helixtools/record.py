"""Run suites and keep what they printed in build/results/, beside what it is the result of.

A record is the suite's output with a head of TAP comments. Its fingerprint is a hash of the very
files that were tested, so a record speaks for exactly that build and for no other.
"""
import dataclasses
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from typing import Dict, List

from helixtools import addresses, child, tap, tree
from helixtools.build import clean_environment
from helixtools.suites import Suite


@dataclasses.dataclass
class Outcome:
    """What is known of one run of a suite."""
    suite: Suite
    head: Dict[str, str]
    output: str

    def __post_init__(self):
        self.report = tap.parse(self.output)

    @property
    def seconds(self):
        return float(self.head["seconds"])

    def count(self, verdict):
        return sum(case.verdict == verdict for case in self.report.cases)

    def faults(self):
        """What is wrong beyond failed cases: the report is cut short, or the program died."""
        if self.head["ended"] == "timeout":
            return [f"it was stopped after {self.suite.timeout:g} s"]
        if not self.head["ended"].startswith(("status", "signal")):
            return [f"it could not run: {self.head['ended']}"]
        faults = self.report.faults()
        if self.head["ended"] != "status 0" and not self.count(tap.FAIL) and not faults:
            faults = [f"it ended with {self.head['ended']}"]
        return faults

    def failures(self):
        """Names of failed cases and sentences of faults."""
        failed = [case.name for case in self.report.cases if case.verdict == tap.FAIL]
        return failed + self.faults()


def fingerprint(suite: Suite) -> str:
    """Identifies what the suite tests; empty when it cannot be told."""
    digest = hashlib.sha256()
    for path in suite.proves:
        if not path.is_file():
            return ""
        digest.update(path.read_bytes())
    return digest.hexdigest() if suite.proves else ""


def record_path(suite: Suite):
    return tree.RESULTS / (suite.name.replace("/", "-") + ".tap")


def load(suite: Suite):
    """The recorded outcome for exactly this build, None if there is none."""
    wanted = fingerprint(suite)
    path = record_path(suite)
    if not wanted or not path.is_file():
        return None
    head, output = {}, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if line.startswith("#: "):
            key, _, value = line[3:].strip().partition(" ")
            head[key] = value
        else:
            output.append(line)
    if head.get("fingerprint") != wanted or "ended" not in head:
        return None
    return Outcome(suite, head, "".join(output))


def save(outcome: Outcome):
    _write(outcome, record_path(outcome.suite))


def _write(outcome, path):
    tree.RESULTS.mkdir(parents=True, exist_ok=True)
    head = "".join(f"#: {key} {value}\n" for key, value in outcome.head.items())
    path.write_text(head + outcome.output, encoding="utf-8")


def first_path(suite: Suite):
    """Where the record of a run goes that another followed."""
    return record_path(suite).with_suffix(".first.tap")


def keep_as_first(outcome: Outcome):
    """Set the record of this outcome aside, so that the suite's next run does not overwrite it."""
    _write(outcome, first_path(outcome.suite))


def forget_first_runs():
    """Remove what an earlier campaign set aside: it says nothing about the next."""
    for path in tree.RESULTS.glob("*.first.tap"):
        path.unlink()


def run(suite: Suite, seed: int, keep: bool = True) -> Outcome:
    """Run the suite now and, if the outcome is worth keeping, record it."""
    started = time.monotonic()
    before = fingerprint(suite)
    if suite.proves and not before:
        ended, output = "not built", ""
    else:
        ended, output = _execute(suite, seed)
    head = {"suite": suite.name, "fingerprint": before, "seed": str(seed),
            "seconds": f"{time.monotonic() - started:.2f}", "ended": ended}
    outcome = Outcome(suite, head, output)
    if keep:
        save(outcome)
    return outcome


def _execute(suite, seed):
    """(how it ended, its report as TAP text)"""
    environment = {**clean_environment(), **suite.environment, "HELIX_SEED": str(seed)}
    with tempfile.TemporaryDirectory(prefix="helix-test-") as folder:
        junit = os.path.join(folder, "junit.xml")
        command = suite.command + ([f"--junitxml={junit}"] if suite.form == "junit" else [])
        if suite.group == "fuzz":
            os.makedirs(tree.BUILD / "fuzz-corpus" / suite.name.split("/")[1], exist_ok=True)
            tree.RESULTS.mkdir(parents=True, exist_ok=True)
        ended, text = _run_command(command, environment, suite.timeout)
        text = addresses.name_frames(command[0], text)
        if suite.form == "junit":
            return ended, tap.render(tap.from_junit(junit)) + _as_comments(text)
    if suite.form == "status":
        verdict = tap.PASS if ended == "status 0" else tap.FAIL
        return ended, tap.render([tap.Case(suite.name.split("/")[1], verdict)]) + _as_comments(text)
    return ended, text


def _as_comments(text):
    return "".join(f"# {line}\n" for line in text.splitlines())


def _run_command(command: List[str], environment, timeout):
    """(status N, signal N or timeout, output); the command's whole process group ends with it, and the command with us."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(child.ENDS_WITH_US + command, cwd=tree.ROOT, env=environment,
                                       stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return str(error), ""
        try:
            status = process.wait(timeout)
            ended = f"status {status}" if status >= 0 else f"signal {-status}"
        except subprocess.TimeoutExpired:
            ended = "timeout"
        finally:
            _end_group(process)
        output.seek(0)
        return ended, output.read().decode("utf-8", errors="replace").replace("\r", "")


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
