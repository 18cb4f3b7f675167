"""What became of each way to boot, for the table in docs/boot.md (tools/boot-paths)."""
import contextlib
import types

from conftest import ROOT

RESULTS = ROOT / "build/results/boot-paths.txt"


def record(path, cpu, mem, cpus, result):
    """Add a row; of rows that differ in the result alone the last one counts."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with open(RESULTS, "a", encoding="ascii") as file:
        file.write(f"boot-path: {path} cpu={cpu} mem={mem} cpus={cpus} result={result}\n")


@contextlib.contextmanager
def recording(path, cpu, mem, cpus):
    """Add a row in the end, with the result that was put into what this gives, or else `failed`."""
    row = types.SimpleNamespace(result="failed")
    try:
        yield row
    finally:
        record(path, cpu, mem, cpus, row.result)
