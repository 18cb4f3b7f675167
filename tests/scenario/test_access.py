"""Capabilities as a person at the console meets them."""
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/capabilities.md"


# SPEC: A7
def test_the_key_a_shows_the_grants_of_the_page(boot):
    report, = re.findall(r"```\n([^`]*through kernel\n)```", PAGE.read_text(encoding="utf-8"))
    lines = [".*?" if line == "…" else re.escape(line) + r"\r+\n" for line in report.splitlines()]
    guest = boot().until_running()
    guest.ask("a", "".join(lines))
