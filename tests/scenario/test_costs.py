"""What calls cost on silicon: which instructions are on their way, counted by the emulator's plug-in."""
import pytest

from helixtools import build, tree, userbench


@pytest.fixture(scope="module")
def figures():
    """Those of helix-bench, by name."""
    built, text = build.make(["plugins"])
    assert built, text
    kernel = tree.image_folder() / "helix.elf"
    found = userbench.run(userbench.helix(kernel), kernel.parent / "user/helix-bench", 300)
    return {figure.name: figure for figure in found}


def test_the_null_call_has_no_dear_instruction_on_its_way(figures):
    assert figures["getppid"].cost == \
        "cost: getppid cr3=0 wrmsr=0 invlpg=0 locked=0 fence=0 ipi=0 pio=0"


def test_a_page_fault_loads_no_page_table_and_flushes_nothing(figures):
    cost = figures["page_fault"].cost
    assert "cr3=0 wrmsr=0 invlpg=0" in cost and "ipi=0" in cost
