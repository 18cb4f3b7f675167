"""A report that is cut short, or that nobody planned, must not pass for a good one."""
import pathlib
import re

import pytest

from helixtools import record, spec, suites, tap

CMOCKA = "1..2\nok 1 - first_thing\nnot ok 2 - second_thing\n# why\n"
KTAP = "KTAP version 1\n1..2\n[    0.1] some log line\nok 1 suite.first\nok 2 suite.second # SKIP no\n"


def outcome(text, ended="status 0"):
    suite = suites.Suite("host-asan/x", suites.HOST, [], [], [pathlib.Path("x.c")])
    return record.Outcome(suite, {"ended": ended, "seconds": "0"}, text)


def test_the_output_of_cmocka_is_read():
    cases = tap.parse(CMOCKA).cases
    assert [(case.name, case.verdict) for case in cases] == [
        ("first_thing", tap.PASS), ("second_thing", tap.FAIL)]


def test_ktap_between_log_lines_is_read():
    report = tap.parse(KTAP)
    assert report.faults() == []
    assert [case.verdict for case in report.cases] == [tap.PASS, tap.SKIPPED]


@pytest.mark.parametrize("text", ["", "ok 1 - a\n", "1..0\n", "1..2\nok 1 - a\n",
                                  "1..1\nok 1 - a\nok 2 - b\n", "1..2\nok 1 - a\nok 1 - a\n"])
def test_a_report_without_or_against_its_plan_fails(text):
    assert outcome(text).failures()


@pytest.mark.parametrize("ended", ["status 1", "signal 11", "timeout", "not built"])
def test_a_good_report_of_a_program_that_died_fails(ended):
    assert outcome("1..1\nok 1 - a\n", ended).failures()


def test_failed_cases_are_named():
    assert outcome(CMOCKA, "status 1").failures() == ["second_thing"]


def test_a_test_that_cmocka_leaves_out_is_skipped():
    case, = tap.parse("1..1\nnot ok 1 # SKIP first_thing\n").cases
    assert (case.name, case.verdict) == ("first_thing", tap.SKIPPED)


def test_a_tagged_test_that_is_missing_from_a_report_fails():
    tag = spec.Tag("K1", pathlib.Path("x.c"), "third_thing")
    assert spec.verdicts(tag, [outcome(CMOCKA)]) == [tap.FAIL]


@pytest.mark.parametrize("head", ["static void first_thing(void **state)", "BODY(first_thing)",
                                  "char *first_thing(void)", "BODY_ON(CPUS, first_thing)"])
def test_a_claim_belongs_to_the_test_behind_it(tmp_path, monkeypatch, head):
    monkeypatch.setattr(spec.tree, "ROOT", tmp_path)
    source = tmp_path / "tests/host/core/test_x.c"
    source.parent.mkdir(parents=True)
    source.write_text(f"/* SPEC: K1 */\n{head}\n{{\n}}\n\nint main(void)\n{{\n}}\n")
    assert spec.read_tags() == [spec.Tag("K1", source, "first_thing")]


def test_each_claim_in_the_tree_is_read_and_names_a_test_that_is_run():
    for pattern in spec.TAGGED_FILES:
        for source in spec.tree.ROOT.glob(pattern):
            lines = source.read_text(encoding="utf-8").splitlines()
            assert [line for line in lines
                    if re.search(r"SPEC: [A-Z]\d", line) and not spec.TAG.search(line)] == []
    for tag in spec.read_tags():
        if tag.source.suffix == ".c" and tag.source.parent.name != "fuzz":
            assert len(re.findall(rf"\b{tag.test}\b", tag.source.read_text(encoding="utf-8"))) > 1, tag


def test_a_row_without_results_is_not_called_passed():
    row = spec.Row("K1", "text", "")
    tag = spec.Tag("K1", pathlib.Path("x.c"), "first_thing")
    assert spec.line(row, [tag], []) == "spec: K1 host=none metal=none x:first_thing"
    assert spec.judge(row, suites.HOST, [tag], [outcome(CMOCKA)]) == "pass"
    skipped = outcome("1..1\nok 1 - first_thing # SKIP not here\n")
    assert spec.judge(row, suites.HOST, [tag], [skipped]) == "none"


def test_what_runs_does_not_depend_on_who_asks(monkeypatch):
    """make gives the list of tests for the thread sanitizer to its children; others have it too."""
    monkeypatch.delenv("TSAN_TESTS", raising=False)
    suites._tsan_tests.cache_clear()
    assert any(suite.group == "host-tsan" for suite in suites.find_all(seed=1))
    suites._tsan_tests.cache_clear()


def test_records_speak_for_exactly_one_build(tmp_path, monkeypatch):
    monkeypatch.setattr(record.tree, "RESULTS", tmp_path)
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho 1..1; echo 'ok 1 - a'\n")
    program.chmod(0o755)
    suite = suites.Suite("host-asan/p", suites.HOST, [str(program)], [program], [])
    assert record.load(suite) is None
    assert record.run(suite, seed=1).failures() == []
    assert record.load(suite).count(tap.PASS) == 1
    program.write_text(program.read_text() + "# changed\n")
    assert record.load(suite) is None


def test_a_program_that_is_not_there_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(record.tree, "RESULTS", tmp_path)
    missing = tmp_path / "missing"
    suite = suites.Suite("host-asan/p", suites.HOST, [str(missing)], [missing], [])
    assert record.run(suite, seed=1).failures()


def test_the_time_limit_ends_a_whole_process_group(tmp_path, monkeypatch):
    monkeypatch.setattr(record.tree, "RESULTS", tmp_path)
    suite = suites.Suite("host-asan/p", suites.HOST, ["sh", "-c", "echo 1..1; sleep 60 & wait"],
                         [], [], timeout=0.5)
    assert "stopped" in record.run(suite, seed=1).failures()[0]
