"""The figure ram_at_prompt, from what a guest says."""
import pytest

from helixtools import promptram

SAID = """
[    0.1] memory: 0000000000000000-00000000000fffff usable
[    0.1] memory: 0000000000100000-00000000001fffff kernel image
[    0.1] memory: 00000000fffc0000-00000000ffffffff reserved
[    0.1] boot module: initrd, 102400 bytes
MemTotal:           1800 kB
MemFree:             800 kB
Cached:              100 kB
"""


def test_files_and_free_memory_are_taken_off_all_memory():
    assert promptram.in_use(SAID) == 2048 - 100 - 800 - 100


def test_a_guest_that_says_nothing_is_an_error():
    with pytest.raises(ValueError, match="MemFree"):
        promptram.in_use("helix: panic")
