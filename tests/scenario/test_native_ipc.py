"""Helix's own system calls, from programs: requests, channels, deaths, rights; on one processor and on four."""
import re

import pytest
from conftest import PATIENCE, ROOT

PROGRAM = "build/userland/native/native"


@pytest.fixture(name="guest")
def a_guest(boot, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/native").write_bytes((ROOT / PROGRAM).read_bytes())
    (tmp_path / "bin/native").chmod(0o755)

    def start(**options):
        return boot(init="/bin/native", extra=tmp_path, **options)

    return start


# SPEC: P11
@pytest.mark.parametrize("processors", [1, 4])
def test_programs_call_send_and_receive(guest, processors):
    machine = guest(smp=processors)
    match = machine.expect(r"native: (\d+) of (\d+) passed", 2 * PATIENCE)
    assert machine.end() == 0
    assert not re.findall(r"^not ok .*$|^# tests/.*$", machine.text, re.MULTILINE)
    assert match[1] == match[2]
    assert "panic" not in machine.text and "error:" not in machine.text
