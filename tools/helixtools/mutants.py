"""Read mutants; run the tests that name a row, in each column the cheapest first, until one fails."""
import dataclasses
import itertools
import sys
import tomllib

from helixtools import build, record, spec, suites, tap, tree

# The builds that judging uses; copies of them make a mutant cost seconds.
BUILDS = ["host-asan", "x86_64", "x86_64-debug"]
SEED = 1

# One suite of each kind is enough, in this order.
PREFERRED = ["hosted/asan", "host-asan/", "metal/debug-4cpu", "metal/release-1cpu", "scenario/",
             "metal/release-2cpu"]


# Groups whose programs can run one test alone.
NARROWABLE = ("hosted", "metal", "scenario")
# A mutant may well hang.
ONE_TEST_SECONDS = 30
HOST_SECONDS = 60
SCENARIO_PATIENCE = 20


def build_originals():
    """Build what copies start from; what does not build is said."""
    built, text = build.make(["tests-asan", "build/host-asan/helix", "images", "userland"])
    if not built:
        print("\n".join(build.complaints(text)), file=sys.stderr)
    return built


def _goals(suite):
    """What make builds for the suite; a scenario may boot either image."""
    if suite.column == suites.HOST: # the hosted kernel loads its modules from an initrd
        return [str(path.relative_to(tree.ROOT)) for path in suite.proves]
    return ["all"] if suite.name.startswith("metal/release") else ["images"]


def _narrow(suite, tag):
    """The suite with the tag's test alone."""
    if suite.group == "scenario":
        return dataclasses.replace(suite, command=suite.command + ["-k", tag.test],
                                   environment={"HELIX_PATIENCE": str(SCENARIO_PATIENCE)})
    command = [word.replace("selftest", f"selftest=*{tag.test}", 1)
               if word.startswith("selftest") else word for word in suite.command]
    return dataclasses.replace(suite, command=command, timeout=ONE_TEST_SECONDS)


def _candidates(row, column):
    """(suite, tag) pairs, cheapest first; those of one suite follow each other."""
    found = [suite for suite in suites.find_all(SEED) if suite.column == column]
    tags = [tag for tag in spec.read_tags() if tag.row == row]
    for start in PREFERRED:
        for suite in found:
            if suite.name.startswith(start):
                yield from ((suite, tag) for tag in tags if tag.source in suite.sources)


class _DoesNotBuild(Exception):
    """What make said."""


def _runs(suite, tags):
    """What to run to learn how the suite's tests went: (suite, the tags it answers)."""
    if suite.group in NARROWABLE:
        return [(_narrow(suite, tag), [tag]) for tag in tags]
    return [(dataclasses.replace(suite, timeout=HOST_SECONDS), tags)]


def _first_failure(suite, tags):
    """The tag whose test fails, None: none. A program that dies before it reports a test has failed
    it."""
    for narrowed, answered in _runs(suite, tags):
        outcome = record.run(narrowed, SEED, keep=False)
        if outcome.head["ended"] == "not built":
            raise _DoesNotBuild(f"error: something that {suite.name} needs is missing")
        for tag in answered:
            if tap.FAIL in spec.verdicts(tag, [outcome]):
                return tag
    return None


def columns_of(row: str):
    """Where a mutant of the row has to be killed: on the host as well, unless it has no half there.
    Raises ValueError when there is no such row."""
    rows = spec.read_rows()
    if row not in rows:
        raise ValueError(f"docs/spec-rows.md has no row {row}")
    return [suites.METAL] if rows[row].no_host else [suites.HOST, suites.METAL]


def find_files():
    """The mutants' files, in order of their names."""
    return sorted((tree.ROOT / "tests/mutants").glob("*.toml"))


def read(path):
    """The mutant's table, and as `text` the file as it is with the change. Raises ValueError when it
    cannot be applied to this tree."""
    try:
        mutant = tomllib.loads(path.read_text(encoding="utf-8"))
        wanted = {"row", "file", "old", "new"}
        if not wanted <= mutant.keys():
            raise ValueError(f"it lacks {', '.join(sorted(wanted - mutant.keys()))}")
        text = (tree.ROOT / mutant["file"]).read_text(encoding="utf-8")
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(str(error)) from error
    count = text.count(mutant["old"])
    if count != 1:
        raise ValueError(f"the old text occurs {count} times in {mutant['file']}")
    mutant["text"] = text.replace(mutant["old"], mutant["new"])
    if mutant["text"] == text:
        raise ValueError("it changes nothing")
    mutant.setdefault("columns", columns_of(mutant["row"]))
    return mutant


def _find_killer(row, column):
    """"SUITE:TEST" of the first test of the row that fails here, None: none does."""
    for suite, pairs in itertools.groupby(_candidates(row, column), key=lambda pair: pair[0]):
        built, text = build.make(_goals(suite))
        if not built:
            raise _DoesNotBuild(text)
        tag = _first_failure(suite, [tag for _, tag in pairs])
        if tag:
            return f"{suite.name}:{tag.test}"
    return None


def _blame_build(text):
    """The words for a mutant that does not build: only an assertion of ours counts as a test."""
    if "static assertion failed" in text or "static_assert failed" in text:
        return "killed by a static assertion"
    print(text, file=sys.stderr)
    return "INVALID: it does not build"


def judge(row: str, columns) -> str:
    """The verdict on this tree, in the words of `make spec-mutants`."""
    killers = []
    for column in columns:
        try:
            killer = _find_killer(row, column)
        except _DoesNotBuild as error:
            return _blame_build(str(error))
        if killer is None:
            return f"SURVIVED on {column}"
        killers.append(killer)
    return f"killed by {' and '.join(killers)}"


def is_kill(verdict: str) -> bool:
    """Whether the words say that the mutant was killed; those of an invalid one may quote a kill."""
    return verdict.startswith("killed by ")


def is_honest(row: str, columns, verdict: str) -> bool:
    """Whether the tests that killed a mutant of the row pass on this tree, which is not mutated."""
    killers = verdict.removeprefix("killed by ").split(" and ") if is_kill(verdict) else []
    return not any(f"{suite.name}:{tag.test}" in killers and _first_failure(suite, [tag])
                   for column in columns for suite, tag in _candidates(row, column))
