"""Only a mutant that a test of its row notices, and that alone makes it fail, counts as killed."""
import pytest

from helixtools import mutants


def test_a_kill_is_counted():
    assert mutants.is_kill("killed by host-asan/kernel/test_state:a_thing_holds")
    assert mutants.is_kill("killed by a static assertion")


@pytest.mark.parametrize("words", [
    "SURVIVED", "SURVIVED: no test names K1", "INVALID: it does not build",
    "INVALID: without it, too, killed by host-asan/kernel/test_state:a_thing_holds"])
def test_nothing_else_is(words):
    assert not mutants.is_kill(words)
