"""Join the rows of docs/spec-rows.md with the tests that name them and with recorded results."""
import dataclasses
import pathlib
import re
from typing import Dict, List

from helixtools import tap, tree
from helixtools.suites import HOST, METAL

ROW_LINE = re.compile(r"^\| (?P<row>[A-Z]\d+) \| (?P<text>.*?) \| (?P<no_host>.*?) ?\|$")
TAG = re.compile(r"(?:/\*|#)\s*SPEC:\s*(?P<rows>[A-Z]\d+(?:[ ,]+[A-Z]\d+)*)")
# A function, or one that a macro begins: BODY_ON(CPUS, name).
C_FUNCTION = re.compile(r"^(?:[A-Za-z_][\w \*]*? \*?|[A-Z_]+\((?:\w+, )?)"
                        r"(?P<name>\w+)(?:\(|\)$)")
PYTHON_FUNCTION = re.compile(r"^(?:async )?def (?P<name>\w+)\(")

TAGGED_FILES = ["tests/host/*/*.c", "tests/self/*.c", "tests/fuzz/*.c", "tests/scenario/*.py"]


@dataclasses.dataclass
class Row:
    """A required behaviour."""
    name: str
    text: str
    no_host: str  # why the host has nothing to show; "" when it must


@dataclasses.dataclass(frozen=True)
class Tag:
    """A test's claim that it proves a row."""
    row: str
    source: pathlib.Path
    test: str

    def __str__(self):
        return f"{self.source.stem}:{self.test}"


def read_rows() -> Dict[str, Row]:
    text = (tree.ROOT / "docs/spec-rows.md").read_text(encoding="utf-8")
    found = (ROW_LINE.match(line) for line in text.splitlines())
    return {match["row"]: Row(match["row"], match["text"], match["no_host"])
            for match in found if match}


def read_tags() -> List[Tag]:
    sources = sorted(path for pattern in TAGGED_FILES for path in tree.ROOT.glob(pattern))
    return [tag for source in sources for tag in _tags_of(source)]


def _tags_of(source):
    function = PYTHON_FUNCTION if source.suffix == ".py" else C_FUNCTION
    waiting, tags = [], []
    for line in source.read_text(encoding="utf-8").splitlines():
        tag = TAG.search(line)
        if tag:
            waiting += re.findall(r"[A-Z]\d+", tag["rows"])
            continue
        definition = function.match(line)
        if definition and waiting:
            name = source.stem if source.parent.name == "fuzz" else definition["name"]
            tags += [Tag(row, source, name) for row in waiting]
            waiting = []
    return tags


def is_case_of(case: tap.Case, tag: Tag) -> bool:
    """Whether the case is the tag's test; the kernel puts the suite's name before it, pytest the
    parameters behind it."""
    name = case.name.split("[")[0].split(" ")[0]
    return re.split(r"[.:/]", name)[-1] == tag.test


def verdicts(tag: Tag, outcomes) -> List[str]:
    """How the tag's test went in each of the outcomes that should contain it."""
    found = []
    for outcome in outcomes:
        if tag.source in outcome.suite.sources:
            mine = [case.verdict for case in outcome.report.cases if is_case_of(case, tag)]
            found += mine or [tap.FAIL]
    return found


def judge(row: Row, column: str, tags: List[Tag], outcomes) -> str:
    """pass, fail, none or n/a"""
    mine = [outcome for outcome in outcomes if outcome.suite.column == column]
    seen = [verdict for tag in tags for verdict in verdicts(tag, mine)]
    if tap.FAIL in seen:
        return "fail"
    if tap.PASS in seen:
        return "pass"
    return "n/a" if column == HOST and row.no_host else "none"


def line(row: Row, tags: List[Tag], outcomes) -> str:
    """The machine-readable line of a row."""
    mine = [tag for tag in tags if tag.row == row.name]
    names = " ".join(dict.fromkeys(str(tag) for tag in mine))
    host, metal = (judge(row, column, mine, outcomes) for column in (HOST, METAL))
    return f"spec: {row.name} host={host} metal={metal} {names}".rstrip()
