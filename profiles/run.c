/* What happens once the kernel is Running. */
#include <abi/linux/process.h>
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/config/initrd.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/power.h>
#include <profiles/profile.h>
#include <subsys/monitor/monitor.h>
#include <tests/bench/bench.h>
#include <tests/self/selftest.h>

/*
 * The console is process 1's from now on: only warnings and worse, unless the command line says
 * else. The level holds when a line is printed, so those of the boot that still wait are printed
 * first.
 */
static void keep_quiet(void)
{
    if (!command_line_has(kernel_command_line(), "loglevel")) {
        console_flush();
        log_set_level(LOG_WARN);
    }
}

/* Run process 1 to its end. Returns its exit code, or 127 if it could not be run. */
static unsigned run_init(void)
{
    const char *path = command_line_text(kernel_command_line(), "init", "/init");
    struct cpio_entry entry;
    struct process *process;
    const char *why = NULL;
    hx_err error = initrd_find(path, &entry, &why);

    if (error != HX_OK) {
        kwarn("init: %s: %s", path, why);
        return 127;
    }
    error = process_start("init", entry.data, entry.size, &process, &why);
    if (error != HX_OK) {
        kerror("init: %s: not started: %s", path, why != NULL ? why : hx_error_text(error));
        return 127;
    }
    keep_quiet();

    int status = process_wait(process);

    kprintln("init: ended with status %d", status);
    return (status & 0x7f) != 0 ? 128U + (unsigned)(status & 0x7f) : (unsigned)status >> 8;
}

/* Tell the result to who started the emulator, and leave. */
static void leave_with(unsigned status)
{
    console_flush();
    hal_power_exit(status);
}

void profile_run(void)
{
    const struct command_line *line = kernel_command_line();

    if (command_line_has(line, "selftest")) {
        leave_with(selftest_run(command_line_text(line, "selftest", "")) == 0 ? 0 : 1);
    }
    if (command_line_has(line, "bench")) {
        bench_run(command_line_text(line, "bench", ""));
        lifecycle_request_shutdown(SHUTDOWN_POWER_OFF);
        return;
    }
    if (command_line_has(line, "tour")) {
        monitor_tour(SUBJECT_KERNEL);
    }
    unsigned status = run_init();

    if (string_equal(command_line_text(line, "exit", ""), "init")) {
        leave_with(status);
    }
}
