"""Limits of the command line: they bind, and key u shows them with what everybody has."""


# SPEC: Q1 Q2
def test_a_module_larger_than_its_limit_is_not_loaded(boot):
    guest = boot(append="limit.module-memory=8K").until_running()
    assert "warn: slot demo: fill of a module failed in Loading: load: memory" in guest.text
    guest.ask("g", "slot demo: empty")


# SPEC: Q1 Q2
def test_no_more_modules_are_loaded_than_the_limit(boot):
    guest = boot(append="limit.modules=0").until_running()
    assert "warn: slot demo: fill of a module failed in Loading: load: modules" in guest.text
    guest.ask("u", r"modules: 0 instances by 0 handles, limits 0 and 0, \d+ refused")


# SPEC: Q1 Q2
def test_no_more_threads_are_made_than_the_limit(boot):
    guest = boot(append="limit.threads=24 selftest=core_resource.the_kernels_thread_limit_binds")
    guest.expect(r"warn: resources: kernel has 23 threads of threads, above its soft limit of 22")
    guest.expect(r"\nok 1 core_resource\.the_kernels_thread_limit_binds\r")
    assert guest.end() == 0


def test_a_limit_that_is_no_number_is_warned_about(boot):
    guest = boot(append="limit.threads=many").until_running()
    assert "limit.threads=many: " in guest.text


# SPEC: Q1 Q5
def test_a_key_shows_every_owner_with_its_ledger(boot):
    guest = boot(append="limit.modules=17").until_running()
    guest.ask("u", r"owner 1\.0: kernel\s+\d+ frames, \d+ heap bytes in \d+ objects, \d+ threads, "
                   r"\d+ subscriptions, \d+ mailboxes\r")
    threads = guest.expect(r"threads: (\d+) threads by (\d+) handles, limits none and none, 0 refused"
                           r"\s+threads as measured by threads: (\d+) threads\r")
    assert threads[1] == threads[2] == threads[3]
    guest.expect(r"modules: (\d+) instances by \1 handles, limits 16 and 17, 0 refused\r")
    guest.expect(r"owner \d+\.\d+: demo\r")
    memory = guest.expect(r"memory: (\d+) bytes by 1 handles, limits 8388608 and 16777216, 0 refused"
                          r"\s+memory as measured by frames: (\d+) bytes\r")
    assert memory[1] == memory[2]
