"""What became of each way to boot, for the table in docs/boot.md (tools/boot-paths)."""
from conftest import ROOT

RESULTS = ROOT / "build/results/boot-paths.txt"


def record(path, cpu, mem, cpus, result):
    """Add a row; of rows that differ in the result alone the last one counts."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with open(RESULTS, "a", encoding="ascii") as file:
        file.write(f"boot-path: {path} cpu={cpu} mem={mem} cpus={cpus} result={result}\n")
