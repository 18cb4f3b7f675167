"""From power-on to power-off, as seen from the serial line."""


# SPEC: K5
def test_the_version_is_the_first_thing_said(boot):
    guest = boot(append="selftest=base_memory* panic=exit")
    guest.expect(r"helix 0\.1\.0-alpha\r")
    guest.expect(r"# \d+ passed, 0 failed")
    assert guest.end() == 0


# SPEC: L4
def test_after_the_built_in_tests_the_machine_is_off(run_to_end):
    result = run_to_end(append="selftest=base_memory* panic=exit", smp=4)
    assert result.returncode == 0, result.stderr
    assert "ok 1 " in result.stdout
