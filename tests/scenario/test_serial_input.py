"""What is typed at the serial console, while the module that takes it is exchanged, dies or lies: each byte arrives once, in order."""
import pytest
from conftest import USER_SPACE
from helix_shell import Shell

SLOT = "/helix/slots/console"


def numbers(shell):
    """The slot's statistics, of the module and of core."""
    return {name: int(value) for name, value in (line.split() for line in shell(f"cat {SLOT}/statistics").splitlines())}


def test_the_module_takes_what_is_typed(boot):
    shell = Shell(boot(init=USER_SPACE))
    before = numbers(shell)
    shell("true " + "x" * 500)
    after = numbers(shell)
    assert after["bytes_taken"] - before["bytes_taken"] >= 400
    assert after["takes"] > before["takes"]
