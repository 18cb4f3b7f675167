"""The C of the documentation's worked examples is that of the tests that run them."""
import re

import pytest

from helixtools import tree

EXAMPLES = {"docs/channels.md": "tests/host/ipc/test_channel_example.c"}


@pytest.mark.parametrize("page", EXAMPLES)
def test_each_block_of_c_stands_in_the_test(page):
    source = (tree.ROOT / EXAMPLES[page]).read_text(encoding="utf-8")
    blocks = re.findall(r"```c\n(.*?)```", (tree.ROOT / page).read_text(encoding="utf-8"), re.S)
    assert blocks
    for block in blocks:
        assert block in source
