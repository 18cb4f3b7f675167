"""null, zero and full under programs, while the module that serves them is exchanged and taken away."""
import hashlib

import pytest
from conftest import TESTS_INITRD, USER_SPACE
from helix_shell import Shell

SLOT = "/helix/slots/memory"
BLOCKS = 3000
BLOCK = 7001


def md5_of_zeros():
    return hashlib.md5(bytes(BLOCKS * BLOCK)).hexdigest()


@pytest.mark.parametrize("gate", ["open", "user"])
def test_programs_notice_nothing_of_a_hundred_swaps(boot, gate):
    shell = Shell(boot(init=USER_SPACE, append=f"gate.memory={gate}"))
    assert shell(f"cat {SLOT}/active {SLOT}/gate") == f"memory_devices 1.1.0\n{gate}"
    shell(f"echo 'trial_ms 0' > {SLOT}/options")
    shell("(while [ ! -e /tmp/stop ]; do "
          f"dd if=/dev/zero bs={BLOCK} count={BLOCKS} 2>/tmp/said | md5sum >> /tmp/sums; "
          "echo gone > /dev/null || echo null >> /tmp/bad; "
          "echo full 2>/dev/null > /dev/full && echo full >> /tmp/bad; "
          "[ -z \"$(cat /dev/null)\" ] || echo end >> /tmp/bad; done; touch /tmp/stopped) &")
    assert shell("for i in $(seq 50); do for v in 1.0.0 1.1.0; do "
                 f"echo memory_devices $v > {SLOT}/swap || echo bad; done; done") == ""
    shell("touch /tmp/stop; while [ ! -e /tmp/stopped ]; do usleep 10000; done")
    assert set(shell("cat /tmp/sums").split("\n")) == {f"{md5_of_zeros()}  -"}
    assert "No such file" in shell("cat /tmp/bad")
    assert shell(f"cat {SLOT}/active") == "memory_devices 1.1.0"


def test_programs_notice_nothing_of_a_module_that_goes_or_lies(boot):
    shell = Shell(boot(init=USER_SPACE, initrd=TESTS_INITRD))
    for command in (f"echo > {SLOT}/unload", f"echo memory_liar > {SLOT}/swap"):
        shell(command)
        assert shell("head -c 3 /dev/zero | od -An -tx1; wc -c < /dev/null") == " 00 00 00\n0"
        assert "No space left" in shell("echo x > /dev/full")


def test_the_command_line_chooses_the_module_or_none(boot):
    shell = Shell(boot(init=USER_SPACE, append="module.memory=none"))
    assert shell(f"cat {SLOT}/active") == "-"
    assert shell("head -c 2 /dev/zero | od -An -tx1") == " 00 00"
