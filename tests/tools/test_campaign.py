"""A suite that fails and then passes is said to be unsteady; nothing else becomes a pass by luck."""
import pathlib
import subprocess
import sys
import time

import pytest

from helixtools import campaign, record, suites, tap

FAILS_ONCE = ("echo 1..1; if [ -e {mark} ]; then echo 'ok 1 - a'; "
              "else touch {mark}; echo 'not ok 1 - a'; exit 1; fi")
FAILS = "echo 1..1; echo 'not ok 1 - a'; exit 1"
PASSES = "echo 1..1; echo 'ok 1 - a'"


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(record.tree, "RESULTS", tmp_path)
    return tmp_path


def suite(script, **more):
    return suites.Suite(more.pop("name", "host-asan/p"), suites.HOST, ["sh", "-c", script], [], [], **more)


def outcome(ended, text="1..1\nnot ok 1 - a\n", **more):
    return record.Outcome(suite("", **more), {"ended": ended, "seconds": "0"}, text)


def run(*chosen, jobs=2):
    heard = []
    return campaign.run_all(chosen, 7, jobs, heard.append), heard


@pytest.mark.parametrize("alone", [False, True])
def test_a_suite_that_passes_the_second_time_is_unsteady(results, alone):
    unsteady = suite(FAILS_ONCE.format(mark=results / "mark"), alone=alone)
    (verdict,), heard = run(unsteady)
    assert verdict.is_unsteady
    assert verdict.first.failures() == ["a"]
    assert verdict.outcome.count(tap.PASS) == 1
    assert len(heard) == 2


def test_both_records_of_an_unsteady_suite_are_kept(results):
    unsteady = suite(FAILS_ONCE.format(mark=results / "mark"))
    run(unsteady)
    assert "\nnot ok 1 - a" in record.first_path(unsteady).read_text()
    assert "\nok 1 - a" in record.record_path(unsteady).read_text()
    assert "seed 7" in record.record_path(unsteady).read_text()


def test_a_suite_that_fails_twice_has_failed():
    (verdict,), _ = run(suite(FAILS))
    assert not verdict.is_unsteady
    assert verdict.first and verdict.outcome.failures() == ["a"]


def test_a_suite_that_passes_runs_once(results):
    (verdict,), heard = run(suite(PASSES))
    assert verdict.first is None and not verdict.is_unsteady
    assert len(heard) == 1
    assert not list(results.glob("*.first.tap"))


def test_second_runs_wait_until_nothing_else_runs(results):
    log = results / "log"
    quick = suite(f"echo quick >> {log}; {FAILS}", name="host-asan/quick")
    slow = suite(f"sleep 0.3; echo slow >> {log}; {PASSES}", name="host-asan/slow")
    last = suite(f"echo alone >> {log}; {PASSES}", name="metal/alone", alone=True)
    run(quick, slow, last)
    assert log.read_text().split() == ["quick", "slow", "alone", "quick"]


@pytest.mark.parametrize("text", ["WARNING: ThreadSanitizer: data race (pid=1)",
                                  "==1==ERROR: AddressSanitizer: heap-use-after-free",
                                  "==1==ERROR: LeakSanitizer: detected memory leaks",
                                  "core/a.c:1:2: runtime error: signed integer overflow"])
def test_what_a_sanitizer_found_counts_at_once(text):
    assert not campaign.deserves_second_run(outcome("status 66", "1..1\nok 1 - a\n" + text + "\n"))


@pytest.mark.parametrize("ended", ["signal 11", "not built"])
def test_a_program_that_died_or_is_missing_counts_at_once(ended):
    assert not campaign.deserves_second_run(outcome(ended))


def test_what_a_checker_or_a_fuzzer_found_counts_at_once():
    assert not campaign.deserves_second_run(outcome("status 1", form="status"))


@pytest.mark.parametrize("form", ["tap", "status"])
def test_a_suite_that_took_too_long_gets_a_second_run(form):
    assert campaign.deserves_second_run(outcome("timeout", form=form))


SUMMARY = """
import importlib.machinery, importlib.util, sys
sys.path.insert(0, "tools")
loader = importlib.machinery.SourceFileLoader("test_program", "tools/test")
program = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_program", loader))
loader.exec_module(program)
from helixtools import record, suites
import pathlib
program.tree.RESULTS = pathlib.Path(sys.argv[1])
program.tree.ROOT = program.tree.RESULTS
made = [suites.Suite("host-asan/p", suites.HOST, ["sh", "-c", sys.argv[2]], [], [])]
program.suites.find_all = lambda *_: made
program.build_groups = lambda _: True
sys.argv[1:] = ["host-asan"]
sys.exit(program.main())
"""


def summary(results, script):
    done = subprocess.run([sys.executable, "-c", SUMMARY, str(results), script],
                          cwd=pathlib.Path(__file__).parents[2], text=True, capture_output=True)
    return done.returncode, done.stdout


def test_unsteady_suites_are_named_with_their_tests_and_counted(results):
    status, printed = summary(results, FAILS_ONCE.format(mark=results / "mark"))
    assert status == 0
    assert "\nUNSTEADY host-asan/p: " in printed and "(host-asan-p.first.tap, host-asan-p.tap)\n    a\n" in printed
    assert printed.endswith("\n1 unsteady\n1 passed, 0 failed\n")


def test_a_failure_is_printed_and_counted_once(results):
    status, printed = summary(results, FAILS)
    assert status == 1
    assert "\nFAILED host-asan/p (host-asan-p.tap; before: host-asan-p.first.tap)\n    a\n" in printed
    assert printed.endswith("\n0 unsteady\n0 passed, 1 failed\n")


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


CAMPAIGN_OF_ONE = """
import sys
from helixtools import record, suites
print(record.run(suites.Suite("host-asan/p", suites.HOST, ["sh", "-c", "echo $$ > " + sys.argv[1] + "; exec sleep 1000"], [], []), 7, keep=False))
"""


def test_what_a_campaign_runs_does_not_outlive_it(tmp_path):
    mark = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", CAMPAIGN_OF_ONE, str(mark)], cwd=pathlib.Path(campaign.__file__).parents[1]) as tool:
        wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"))
        running = pathlib.Path("/proc", mark.read_text().strip())
        assert running.exists()
        tool.kill()
    wait_until(lambda: not running.exists())
