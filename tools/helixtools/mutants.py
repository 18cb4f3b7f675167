"""Run the tests that name a row, cheapest first, until one fails."""
import dataclasses
import sys

from helixtools import build, record, spec, suites, tap, tree

# The builds that judging uses; copies of them make a mutant cost seconds.
BUILDS = ["host-asan", "x86_64"]
SEED = 1

# One suite of each kind is enough, in this order.
PREFERRED = ["host-asan/", "hosted/asan", "metal/release-4cpu", "metal/release-1cpu", "scenario/"]


def build_originals():
    """Build what copies start from; what does not build is said."""
    built, text = build.make(["tests-asan", "build/host-asan/helix", "all"])
    if not built:
        print("\n".join(build.complaints(text)), file=sys.stderr)
    return built


def _goals(suite):
    """What make builds for the suite; a scenario or boot needs the whole image."""
    if suite.column == suites.HOST:
        return [str(suite.proves[0].relative_to(tree.ROOT))]
    return ["all"]


def _narrow(suite, tag):
    """The suite with the tag's test alone, where its program can choose."""
    if suite.group in ("hosted", "metal"):
        command = [word.replace("selftest", f"selftest=*{tag.test}", 1)
                   if word.startswith("selftest") else word for word in suite.command]
        return dataclasses.replace(suite, command=command)
    if suite.group == "scenario":
        return dataclasses.replace(suite, command=suite.command + ["-k", tag.test])
    return suite


def _candidates(row):
    """(suite, tag) pairs, cheapest first."""
    found = suites.find_all(SEED)
    tags = [tag for tag in spec.read_tags() if tag.row == row]
    for start in PREFERRED:
        for suite in found:
            if suite.name.startswith(start):
                yield from ((suite, tag) for tag in tags if tag.source in suite.sources)


def _fails(suite, tag):
    """Whether the test fails. A program that dies before it reports the test counts as a failure."""
    outcome = record.run(_narrow(suite, tag), SEED, keep=False)
    return tap.FAIL in spec.verdicts(tag, [outcome])


def _killed(suite, tag):
    return f"killed by {suite.name}:{tag.test}"


def _blame_build(text):
    """The words for a mutant that does not build: only an assertion of ours counts as a test."""
    if "static assertion failed" in text or "static_assert failed" in text:
        return "killed by a static assertion"
    print(text, file=sys.stderr)
    return "INVALID: it does not build"


def judge(row: str) -> str:
    """The verdict on this tree, in the words of `make spec-mutants`."""
    tried = 0
    for suite, tag in _candidates(row):
        built, text = build.make(_goals(suite))
        if not built:
            return _blame_build(text)
        tried += 1
        if _fails(suite, tag):
            return _killed(suite, tag)
    return "SURVIVED" if tried else f"SURVIVED: no test names {row}"


def is_kill(verdict: str) -> bool:
    """Whether the words say that the mutant was killed; those of an invalid one may quote a kill."""
    return verdict.startswith("killed by ")


def is_honest(row: str, verdict: str) -> bool:
    """Whether the test that killed a mutant of the row passes on this tree, which is not mutated."""
    return not any(verdict == _killed(suite, tag) and _fails(suite, tag)
                   for suite, tag in _candidates(row))
