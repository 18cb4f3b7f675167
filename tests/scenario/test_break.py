"""What the processor really does when a panic breaks into a debugger that is not there."""
import re

BREAKPOINT = re.compile(r"^\s*\d+: v=03 ", re.MULTILINE)


def exceptions(boot, log, action, said):
    """The emulator's list of interrupts and exceptions of a kernel that panics."""
    guest = boot(append=f"selftest=core_panic_end.in_a_thread panic={action}",
                 qemu_args=f"-d int -D {log}")
    guest.expect(said)
    guest.rests()
    guest.stop()
    return log.read_text(encoding="utf-8")


# SPEC: X5
def test_panic_break_executes_the_breakpoint_instruction_once(boot, tmp_path):
    assert len(BREAKPOINT.findall(exceptions(boot, tmp_path / "break", "break", "Action: "))) == 1
    assert not BREAKPOINT.search(exceptions(boot, tmp_path / "exit", "exit", "panic: exit"))
