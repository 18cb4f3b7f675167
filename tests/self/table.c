/* All built-in tests, suite by suite, in the order in which they run. */
#include <stddef.h>
#include <tests/self/runner.h>
#include <tests/self/suites.h>

const struct selftest *const selftest_suites[] = {
    base_memory_tests,
    config_boot_tests,
    hal_conformance_tests,
    hal_memory_tests,
    kern_memory_tests,
    kern_lock_tests,
    kern_thread_tests,
    kern_timer_tests,
    core_gate_tests,
    x86_64_devices_tests,
    NULL,
};
