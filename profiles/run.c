/* What happens once the kernel is Running. */
#include <abi/linux/exec.h>
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/power.h>
#include <kern/thread.h>
#include <profiles/profile.h>
#include <subsys/monitor/monitor.h>
#include <subsys/process/process.h>
#include <tests/bench/bench.h>
#include <tests/self/hook_churn.h>
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

/* Say how process 1 has ended; returns it as a shell would. */
static unsigned tell_end(int status)
{
    unsigned number = (unsigned)status & 0x7f;

    if (number != 0) {
        kprintln("init: ended by signal %u", number);
        return 128 + number;
    }
    kprintln("init: ended with status %u", (unsigned)status >> 8);
    return (unsigned)status >> 8;
}

/* Run process 1 to its end. Returns its exit code, or 127 if it could not be run. */
static unsigned run_init(void)
{
    const char *path = command_line_text(kernel_command_line(), "init", "/init");
    hx_err error;

    keep_quiet();
    error = linux_start_first(path);
    if (error != HX_OK) {
        kerror("init: %s: not started: %s", path, hx_error_text(error));
        return 127;
    }
    return tell_end(process_wait_first());
}

/* Tell the result to who started the emulator, and leave. */
static void leave_with(unsigned status)
{
    console_flush();
    hal_power_exit(status);
}

/* Process 1's whole life. */
static void watch_init(void *nothing)
{
    unsigned status = run_init();

    (void)nothing;
    if (string_equal(command_line_text(kernel_command_line(), "exit", ""), "init")) {
        leave_with(status);
    }
}

/* In a thread of its own: process 1 may ask for the end of the system, and live on. */
static void start_init(void)
{
    const struct thread_options options = {
        .name = "init", .entry = watch_init, .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;
    hx_err error = thread_create(&options, &thread);

    if (error == HX_OK) {
        thread_start(thread);
    } else {
        kerror("init: not started: %s", hx_error_text(error));
    }
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
    if (command_line_has(line, "churn")) {
        hook_churn_start();
    }
    start_init();
}
