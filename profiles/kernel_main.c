/* The kernel's life from the port's call to the power button, phase by phase. */
#include <abi/helix/calls.h>
#include <abi/linux/calls.h>
#include <abi/linux/vdso.h>
#include <base/assert.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/debug/recorder_control.h>
#include <core/debug/screen.h>
#include <core/debug/symbols.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/last_panic.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <hal/entry.h>
#include <hal/power.h>
#include <helix/version.h>
#include <kern/thread.h>
#include <profiles/profile.h>
#include <subsys/ipc/ipc.h>
#include <subsys/memory/memory.h>
#include <subsys/resources/resources.h>
#include <tests/bench/bench.h>

static void require(hx_err error, const char *what)
{
    if (error != HX_OK) {
        panic("%s: %s", what, hx_error_text(error));
    }
}

/* --- options ---------------------------------------------------------------------------------- */

/* failpoint=N or failpoint=OPERATION:SUBJECT */
static void arm_failpoint(const struct command_line *line)
{
    const char *text = command_line_text(line, "failpoint", "0");
    uint64_t number;

    if (command_line_u64(line, "failpoint", &number) == HX_OK) {
        failpoint_arm(number);
    } else if (command_line_has(line, "failpoint") && failpoint_arm_named(text) != HX_OK) {
        kwarn("failpoint=%s: neither a number nor OPERATION:SUBJECT", text);
    }
}

static void apply_options(void)
{
    const struct command_line *line = kernel_command_line();
    const char *text = command_line_text(line, "loglevel", "info");
    enum panic_action action;
    enum log_level level;
    uint64_t number;

    if (log_level_parse(text, &level)) {
        log_set_level(level);
    } else {
        kwarn("loglevel=%s: not a level; error, warn, info and debug are", text);
    }
    text = command_line_text(line, "panic", "halt");
    if (panic_action_parse(text, &action)) {
        panic_set_action(action);
    } else {
        kwarn("panic=%s: not an action; halt, reboot, break and exit are", text);
    }
    arm_failpoint(line);
    if (command_line_u64(line, "init.retries", &number) == HX_OK) {
        orchestrator_set_init_retries((uint32_t)number);
    }
}

static void open_consoles(void)
{
    const struct command_line *line = kernel_command_line();

    if (!command_line_has(line, "console") || command_line_lists(line, "console", "serial")) {
        require(console_register(&console_serial), "serial console");
    }
    if (command_line_lists(line, "console", "null")) {
        require(console_register(&console_null), "null console");
    }
}

/* Once memory can be mapped. */
static void open_screen(const struct boot_configuration *config)
{
    const struct command_line *line = kernel_command_line();
    hx_err error;

    if (command_line_has(line, "console") && !command_line_lists(line, "console", "fb")) {
        return;
    }
    error = screen_start(config);
    if (error == HX_OK) {
        error = console_register_late(&console_framebuffer);
    }
    if (error != HX_OK && error != HX_ENOENT) {
        kwarn("screen: %s", hx_error_text(error));
    }
}

static void report_firmware(const struct boot_configuration *config)
{
    for (size_t i = 0; i < config->warning_count; i++) {
        kwarn("firmware: %s", config->warnings[i]);
    }
    if (config->dropped_regions + config->dropped_modules + config->fixed_regions > 0) {
        kwarn("boot loader: %u memory regions and %u modules dropped, %u regions corrected",
              (unsigned)config->dropped_regions, (unsigned)config->dropped_modules,
              (unsigned)config->fixed_regions);
    }
}

static void report_loader(const struct boot_configuration *config)
{
    const struct boot_framebuffer *screen = &config->framebuffer;

    if (screen->physical == 0) {
        kinfo("loader: %s", config->loader);
    } else {
        kinfo("loader: %s, with a screen of %u times %u pixels", config->loader,
              (unsigned)screen->width, (unsigned)screen->height);
    }
}

static void report_options(void)
{
    const struct command_line *line = kernel_command_line();
    const struct command_line_option *option;

    kinfo("command line: %s", kernel_boot_configuration()->command_line);
    for (size_t i = 0; (option = command_line_unknown(line, i)) != NULL; i++) {
        kwarn("command line: unknown key %s, kept", option->key);
    }
}

/* --- the flight recorder ---------------------------------------------------------------------- */

/* With what is recorded at least, so that the report of an early panic has it. */
static void start_recorder(void)
{
    uint64_t records = 0;

    if (command_line_u64(kernel_command_line(), "trace.records", &records) == HX_OK &&
        records > RECORDER_BUSY_MOST) {
        kwarn("trace.records: at most %u", RECORDER_BUSY_MOST);
    }
    require(recorder_start(records < UINT32_MAX ? (uint32_t)records : UINT32_MAX), "recorder");
    recorder_set_kinds(recorder_group_find("usual", 5));
}

/* What the command line says; this takes a thread. */
static void switch_recorder(void)
{
    const char *unknown;
    uint32_t kinds =
        recorder_groups_parse(command_line_text(kernel_command_line(), "trace", "usual"), &unknown);

    if (unknown != NULL) {
        kwarn("trace: no group begins at %s", unknown);
    }
    require(recorder_switch(kinds), "trace");
}

/* --- phases ----------------------------------------------------------------------------------- */

static void early_init(const struct boot_configuration *config)
{
    require(lifecycle_advance(PHASE_EARLY_INIT), "entering EarlyInit");
    require(memory_init_early(config), "memory");
    start_recorder();
    require(resources_init_early(), "resources");
    exceptions_init();
    interrupts_init();
}

static void register_subsystems(void)
{
    for (size_t i = 0; profile_subsystems[i] != NULL; i++) {
        subsystem_id id;

        require(orchestrator_register(profile_subsystems[i], &id), profile_subsystems[i]->name);
    }
}

/* Until somebody asks for the end. Who suspends the kernel at that moment is waited for. */
static enum shutdown_reason run_to_the_end(void)
{
    static struct subsystem_failure failure;
    enum shutdown_reason reason;
    hx_err error;

    do {
        reason = lifecycle_wait_shutdown();
        kprintln("helix: shutting down: %s", shutdown_reason_name(reason));
        error = orchestrator_shutdown_all(&failure);
    } while (error == HX_ESTATE);
    if (error != HX_OK) {
        kerror("shutdown: %s: %s", failure.subsystem, failure.text);
    }
    return reason;
}

/* Core and late initialisation, then Running until somebody asks for the end. */
static void live(void *argument)
{
    const struct boot_configuration *config = argument;
    enum shutdown_reason reason;

    switch_recorder();
    register_subsystems();
    require(ipc_log_states(), "a line for each state");
    orchestrator_start(config);
    require(lifecycle_advance(PHASE_LATE_INIT), "entering LateInit");
    require(linux_calls_register(), "system calls");
    require(helix_calls_register(), "Helix's own system calls");
    require(linux_vdso_init(), "vDSO");
    require(orchestrator_run(), "entering Running");
    bench_note_running();
    kprintln("helix %s: state Running after %llu us; press h for help", HX_VERSION_STRING,
             (unsigned long long)(hal_clock_now() / 1000));
    profile_run();
    reason = run_to_the_end();
    kprintln("helix: halted");
    console_flush();
    if (reason == SHUTDOWN_REBOOT) {
        hal_power_reset();
    }
    hal_power_off();
}

void kernel_main(const struct boot_configuration *config)
{
    static struct hal_symbols symbols;
    struct thread *thread;

    thread_init_boot();
    symbols = hal_kernel_symbols();
    symbols_set_table(&symbols);
    kernel_configuration_set(config);
    open_consoles();
    kprintln("helix %s", HX_VERSION_STRING);
    apply_options();
    report_loader(config);
    report_options();
    report_firmware(config);
    last_panic_announce();
    early_init(config);
    open_screen(config);
    require(thread_start_scheduling(), "scheduling");
    require(thread_create(&(struct thread_options){.name = "kernel",
                                                   .entry = live,
                                                   .argument = (void *)(uintptr_t)config,
                                                   .priority = THREAD_PRIORITY_NORMAL},
                          &thread),
            "the kernel's thread");
    thread_start(thread);
    thread_idle();
}
