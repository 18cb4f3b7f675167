/* All built-in tests, suite by suite, in the order in which they run. */
#include <helix/attributes.h>
#include <stddef.h>
#include <tests/self/runner.h>
#include <tests/self/suites.h>

/* One suite to a line. */
/* clang-format off */
const struct selftest *const selftest_suites[] = {
    core_kernel_tests, /* first, while the log still holds the boot */
    base_memory_tests,
    config_boot_tests,
    hal_conformance_tests,
    hal_memory_tests,
    kern_memory_tests,
    kern_lock_tests,
    kern_thread_tests,
    kern_timer_tests,
    kern_hotplug_tests,
    core_debug_tests,
    core_log_tests,
    core_recorder_tests,
    core_interrupts_tests,
    core_subsystems_tests,
    core_orchestrator_tests,
    core_orchestrator_example_tests,
    core_channel_tests,
    core_events_tests,
    core_router_tests,
    core_self_heal_tests,
    core_watchdog_tests,
    core_self_heal_loop_tests,
    core_self_heal_wear_tests,
    core_served_tests,
    core_ipc_examples_tests,
    core_ipc_load_tests,
    core_panic_tests,
    core_panic_end_tests,
    core_fault_injection_tests,
    core_gate_tests,
    core_module_lock_tests,
    core_loader_tests,
    core_hot_reload_tests,
    core_hot_reload_life_tests,
    core_hot_reload_shortage_tests,
    core_inheritance_tests,
    core_scheduling_tests,
    vm_space_tests,
    core_capability_tests,
    core_resource_tests,
    core_syscall_tests,
    subsys_block_tests,
    subsys_devices_tests,
    subsys_entropy_tests,
    subsys_health_tests,
    subsys_hooks_tests,
    subsys_processors_tests,
    subsys_hooks_records_tests,
    subsys_hooks_judge_tests,
    subsys_hooks_modules_tests,
    x86_64_devices_tests,
    x86_64_exceptions_tests,
    x86_64_router_tests,
    x86_64_lines_tests,
    x86_64_slide_tests,
    x86_64_storm_tests,
    x86_64_user_tests,
    core_end_tests, /* last: it shuts the kernel down */
};
/* clang-format on */

const size_t selftest_suite_count = HX_ARRAY_SIZE(selftest_suites);
