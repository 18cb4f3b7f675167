"""What the processor really does when a panic breaks into a debugger that is not there."""
import re

BREAKPOINT = re.compile(r"^\s*\d+: v=03 ", re.MULTILINE)


def exceptions(run_to_end, log, action):
    """The emulator's list of interrupts and exceptions of a kernel that panics."""
    run_to_end(append=f"selftest=core_panic_end.in_a_thread panic={action}", timeout=4,
               qemu_args=f"-d int -D {log}")
    return log.read_text(encoding="utf-8")


# SPEC: X5
def test_panic_break_executes_the_breakpoint_instruction_once(run_to_end, tmp_path):
    assert len(BREAKPOINT.findall(exceptions(run_to_end, tmp_path / "break", "break"))) == 1
    assert not BREAKPOINT.search(exceptions(run_to_end, tmp_path / "exit", "exit"))
