"""Read test results: TAP as cmocka prints it, KTAP as the kernel does, and pytest's JUnit files."""
import dataclasses
import re
import xml.etree.ElementTree
from typing import List, Optional

RESULT = re.compile(r"^\s*(?P<verdict>ok|not ok) (?P<number>\d+)(?: -)? ?(?P<rest>.*)$")
PLAN = re.compile(r"^\s*1\.\.(?P<count>\d+)\b")
SKIP = re.compile(r"^(?P<name>.*?)\s*#\s*(?:SKIP|TODO)\b\s*(?P<reason>.*)$", re.IGNORECASE)
# cmocka says "not ok 1 # SKIP name", without a reason
CMOCKA_SKIP = re.compile(r"^# SKIP (?P<name>\w+)$")

PASS, FAIL, SKIPPED = "pass", "fail", "skip"


@dataclasses.dataclass
class Case:
    """One test and how it went."""
    name: str
    verdict: str
    number: int = 0


@dataclasses.dataclass
class Report:
    """What a suite printed: its cases, and what is wrong with the report as a whole."""
    cases: List[Case]
    planned: Optional[int]

    def faults(self):
        """Sentences about a report that cannot be trusted."""
        if self.planned is None:
            return ["it printed no plan"]
        if not self.planned:
            return ["it planned no tests"]
        numbers = [case.number for case in self.cases]
        if numbers != list(range(1, self.planned + 1)):
            return [f"it planned {self.planned} tests and reported {len(self.cases)}"]
        return []


def parse(text: str) -> Report:
    """Read TAP or KTAP; lines that are neither are somebody's words and are left alone."""
    report = Report([], None)
    for line in text.splitlines():
        result = RESULT.match(line)
        if result:
            report.cases.append(_case(result))
        elif PLAN.match(line) and report.planned is None:
            report.planned = int(PLAN.match(line)["count"])
    return report


def _case(result):
    name, verdict = result["rest"].strip(), FAIL if result["verdict"] == "not ok" else PASS
    left_out = CMOCKA_SKIP.match(name)
    if left_out:
        return Case(left_out["name"], SKIPPED, int(result["number"]))
    skipped = SKIP.match(name)
    if skipped:
        name, verdict = skipped["name"], SKIPPED if verdict == PASS else FAIL
    return Case(name, verdict, int(result["number"]))


def render(cases: List[Case]) -> str:
    """TAP text of some cases."""
    lines = [f"1..{len(cases)}"]
    for number, case in enumerate(cases, 1):
        verdict = "not ok" if case.verdict == FAIL else "ok"
        skip = " # SKIP" if case.verdict == SKIPPED else ""
        lines.append(f"{verdict} {number} - {case.name}{skip}")
    return "\n".join(lines) + "\n"


def from_junit(path) -> List[Case]:
    """The cases of a JUnit file; a file that cannot be read has none."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return []
    return [Case(element.get("name"), _junit_verdict(element)) for element in root.iter("testcase")]


def _junit_verdict(element):
    if element.find("failure") is not None or element.find("error") is not None:
        return FAIL
    return SKIPPED if element.find("skipped") is not None else PASS
