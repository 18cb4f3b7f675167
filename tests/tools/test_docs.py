"""The pages that the documentation takes from the code's tables say what the code says."""
import subprocess

from helixtools import tree


def test_generated_pages_are_up_to_date():
    run = subprocess.run(["make", "--no-print-directory", "docs-check"], cwd=tree.ROOT,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
