"""Capabilities as a person at the console meets them."""
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/capabilities.md"


# SPEC: A7
def test_the_key_a_shows_every_grant_as_the_page_says(boot):
    report, = re.findall(r"```\n(\d+ grants.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    guest = boot().until_running()
    guest.ask("a", r"\r+\n".join(re.escape(line) for line in report.splitlines()) + "\r")
