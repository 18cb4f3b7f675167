"""The table of function names that the image carries."""
import pathlib
import subprocess
import sys

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/symbols"
NM = "0000000000001000 T kernel_image_start\n0000000000001010 t second\n" \
     "0000000000001004 T first\n0000000000002000 D data\n                 U nobody\n"


def symbols(text, *words):
    return subprocess.run([sys.executable, TOOL, *words], input=text, text=True,
                          capture_output=True, check=False)


def test_functions_are_sorted_and_counted_from_the_start_of_the_image():
    words = symbols(NM).stdout.split()
    assert words[words.index("symbol_count:") + 2] == "2"
    assert words[words.index("symbol_addresses:") + 2] == "4"
    assert words.index('"first"') < words.index('"second"')
    assert "data" not in symbols(NM).stdout.replace(".rodata", "")


def test_an_empty_table_has_the_same_labels():
    for label in ("symbol_count:", "symbol_addresses:", "symbol_name_offsets:", "symbol_names:"):
        assert label in symbols("").stdout


def test_a_function_that_moved_is_noticed(tmp_path):
    table = tmp_path / "symbols.S"
    table.write_text(symbols(NM).stdout)
    assert symbols(NM, "--check", str(table)).returncode == 0
    moved = symbols(NM.replace("1010", "1020"), "--check", str(table))
    assert moved.returncode == 1 and "moved" in moved.stderr


def test_an_image_without_a_start_is_refused():
    result = symbols("0000000000001004 T first\n")
    assert result.returncode != 0 and "kernel_image_start" in result.stderr
