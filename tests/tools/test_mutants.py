"""Each mutant applies; only one that a test of its row notices, and that alone makes it fail, counts as killed."""
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


def complaint(path):
    """Why the mutant cannot be applied; empty when it can."""
    try:
        mutants.read(path)
    except ValueError as error:
        return f"{path.stem}: {error}"
    return ""


def test_all_apply_to_this_tree():
    paths = mutants.find_files()
    told = [why for why in map(complaint, paths) if why]
    assert paths and not told, "\n".join(told)


MUTANT = """
row = "K2"
file = "core/kernel/state.c"
old = {old}
new = {new}
"""


@pytest.mark.parametrize("text, why", [
    (MUTANT.format(old='"no such text"', new='""'), "the old text occurs 0 times in core/kernel/state.c"),
    (MUTANT.format(old='"state"', new='""'), r"the old text occurs \d\d+ times in core/kernel/state.c"),
    (MUTANT.format(old="'#include <core/kernel/state.h>'", new="'#include <core/kernel/state.h>'"), "it changes nothing"),
    (MUTANT.format(old='""', new='""').replace("state.c", "none.c"), "No such file"),
    ('row = "K2"', "it lacks file, new, old"),
    ("row", "Expected"),
])
def test_one_that_does_not_apply_says_why(tmp_path, text, why):
    (tmp_path / "K2-a.toml").write_text(text)
    with pytest.raises(ValueError, match=why):
        mutants.read(tmp_path / "K2-a.toml")
