"""Frames that a sanitizer left as addresses get their names."""
import subprocess

from helixtools import addresses


def test_frames_of_the_program_are_named(tmp_path):
    (tmp_path / "a.c").write_text("int answer(void)\n{\n    return 42;\n}\nint main(void) { return answer(); }\n")
    program = tmp_path / "a"
    subprocess.run(["gcc", "-g", "-no-pie", "-o", program, "a.c"], cwd=tmp_path, check=True)
    symbols = subprocess.run(["nm", program], text=True, capture_output=True, check=True).stdout
    address, = (line.split()[0] for line in symbols.splitlines() if line.endswith(" answer"))
    text = f"    #0 <null> <null> (a+0x{address.lstrip('0')}) (BuildId: 12ab)\nok 1\n"
    named = addresses.name_frames(program, text)
    assert "#0 answer at " in named and "a.c:2 (0x" in named
    assert named.endswith("\nok 1\n")


def test_a_program_that_is_not_there_leaves_the_address(tmp_path):
    text = "#0 <null> <null> (a+0x10)\n"
    assert addresses.name_frames(tmp_path / "gone", text) == "#0 ? (0x10)\n"


def test_other_text_stays_as_it_is():
    assert addresses.name_frames("/bin/true", "ok 1 - (a+0x10)\n") == "ok 1 - (a+0x10)\n"
