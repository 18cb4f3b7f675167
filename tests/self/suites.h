/* The suites of built-in tests; each ends with a NULL name. The runner runs them in table.c's
 * order. */
#ifndef TESTS_SELF_SUITES_H
#define TESTS_SELF_SUITES_H

#include <tests/self/selftest.h>

extern const struct selftest base_memory_tests[];
extern const struct selftest core_capability_tests[];
extern const struct selftest core_channel_tests[];
extern const struct selftest core_debug_tests[];
extern const struct selftest core_end_tests[];
extern const struct selftest core_events_tests[];
extern const struct selftest core_fault_injection_tests[];
extern const struct selftest core_gate_tests[];
extern const struct selftest core_module_lock_tests[];
extern const struct selftest core_hot_reload_tests[];
extern const struct selftest core_hot_reload_life_tests[];
extern const struct selftest core_hot_reload_shortage_tests[];
extern const struct selftest core_inheritance_tests[];
extern const struct selftest core_scheduling_tests[];
extern const struct selftest core_interrupts_tests[];
extern const struct selftest core_ipc_examples_tests[];
extern const struct selftest core_ipc_load_tests[];
extern const struct selftest core_kernel_tests[];
extern const struct selftest core_loader_tests[];
extern const struct selftest core_log_tests[];
extern const struct selftest core_orchestrator_example_tests[];
extern const struct selftest core_orchestrator_tests[];
extern const struct selftest core_panic_end_tests[];
extern const struct selftest core_panic_tests[];
extern const struct selftest core_recorder_tests[];
extern const struct selftest core_resource_tests[];
extern const struct selftest core_syscall_tests[];
extern const struct selftest core_router_tests[];
extern const struct selftest core_self_heal_tests[];
extern const struct selftest core_watchdog_tests[];
extern const struct selftest core_self_heal_loop_tests[];
extern const struct selftest core_self_heal_wear_tests[];
extern const struct selftest core_served_tests[];
extern const struct selftest core_subsystems_tests[];
extern const struct selftest config_boot_tests[];
extern const struct selftest hal_conformance_tests[];
extern const struct selftest hal_memory_tests[];
extern const struct selftest kern_hotplug_tests[];
extern const struct selftest kern_lock_tests[];
extern const struct selftest kern_memory_tests[];
extern const struct selftest kern_thread_tests[];
extern const struct selftest kern_timer_tests[];
extern const struct selftest subsys_block_tests[];
extern const struct selftest subsys_devices_tests[];
extern const struct selftest subsys_entropy_tests[];
extern const struct selftest subsys_health_tests[];
extern const struct selftest subsys_hooks_records_tests[];
extern const struct selftest subsys_hooks_judge_tests[];
extern const struct selftest subsys_hooks_modules_tests[];
extern const struct selftest subsys_hooks_tests[];
extern const struct selftest subsys_processors_tests[];
extern const struct selftest vm_space_tests[];

/* Of the x86_64 image alone: elsewhere there are no such arrays, and the runner passes them over.
 */
extern const struct selftest x86_64_devices_tests[] __attribute__((weak));
extern const struct selftest x86_64_exceptions_tests[] __attribute__((weak));
extern const struct selftest x86_64_router_tests[] __attribute__((weak));
extern const struct selftest x86_64_lines_tests[] __attribute__((weak));
extern const struct selftest x86_64_slide_tests[] __attribute__((weak));
extern const struct selftest x86_64_storm_tests[] __attribute__((weak));
extern const struct selftest x86_64_user_tests[] __attribute__((weak));

#endif
