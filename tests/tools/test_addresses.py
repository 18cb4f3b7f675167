"""Frames that a sanitizer left as addresses get their names."""
import subprocess

from helixtools import addresses


def test_frames_of_the_program_are_named(tmp_path):
    (tmp_path / "a.c").write_text("int answer(void)\n{\n    return 42;\n}\nint main(void) { return answer(); }\n")
    program = tmp_path / "a"
    subprocess.run(["gcc", "-g", "-no-pie", "-o", program, "a.c"], cwd=tmp_path, check=True)
    symbols = subprocess.run(["nm", program], text=True, capture_output=True, check=True).stdout
    address, = (line.split()[0] for line in symbols.splitlines() if line.endswith(" answer"))
    place = f"0x{address.lstrip('0')}"
    for frame in (f"<null> <null> (a+{place}) (BuildId: 12ab)", f"{place}  ({program}+{place})"):
        named = addresses.name_frames(program, f"    #0 {frame}\nok 1\n")
        assert "#0 answer at " in named and "a.c:2 (0x" in named
        assert named.endswith("\nok 1\n")


def test_a_program_that_is_not_there_leaves_the_address(tmp_path):
    text = "#0 <null> <null> (gone+0x10)\n"
    assert addresses.name_frames(tmp_path / "gone", text) == "#0 ? (0x10)\n"


def test_other_text_stays_as_it_is():
    assert addresses.name_frames("/bin/true", "ok 1 - (a+0x10)\n") == "ok 1 - (a+0x10)\n"


def test_frames_of_libraries_stay_as_they_are():
    text = "    #1 0x7f627668f249  (/lib/x86_64-linux-gnu/libc.so.6+0x27249) (BuildId: 93ac)\n"
    assert addresses.name_frames("/bin/true", text) == text
