/* The console as a subsystem. */
#include <core/component/component.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/debug/screen.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <kern/timer.h>
#include <subsys/console/console_driver.h>
#include <subsys/console/console_input.h>
#include <subsys/console/console_subsystem.h>
#include <subsys/console/console_taker.h>
#include <subsys/console/keyboard.h>
#include <subsys/console/screen_driver.h>

/* How often a device that cannot interrupt is looked at: a person does not notice. */
#define POLL_NS (20 * HAL_NS_PER_MS)

static uint8_t input_vector; /* immutable after init; 0: no interrupt */
static struct timer poll;    /* instead of it; function NULL: not used */

static enum interrupt_action on_input(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    /* An edge whose byte the look for the one before it has taken already was not for nothing. */
    console_taker_request();
    return INTERRUPT_HANDLED;
}

static hx_err connect(uint32_t line, uint8_t vector)
{
    const struct hal_line_mode mode = {0};
    hx_err error = interrupt_register(vector, "console", on_input, NULL, false);

    if (error != HX_OK) {
        return error;
    }
    error = router_route(line, vector, mode, ROUTE_FIXED_CPU, 0);
    if (error != HX_OK) {
        (void)!interrupt_unregister(vector, "console");
        return error;
    }
    input_vector = vector;
    hal_console_enable_input();
    kinfo("console: input on line %u, vector %u", line, vector);
    return HX_OK;
}

static void look(struct timer *timer)
{
    (void)timer;
    console_taker_request();
}

static void start_polling(void)
{
    kwarn("console: its device has no interrupt: looked at every %u ms",
          (unsigned)(POLL_NS / HAL_NS_PER_MS));
    timer_init(&poll, look);
    timer_start(&poll, hal_clock_now() + POLL_NS, POLL_NS);
}

static hx_err start_input(void)
{
    int line = hal_console_line();
    uint8_t vector = interrupt_free_vector();
    hx_err error = console_input_init();

    error = error == HX_OK ? console_taker_start() : error;
    if (error != HX_OK) {
        return error;
    }
    if (line >= 0 && vector != 0) {
        return connect((uint32_t)line, vector);
    }
    if (hal_console_has_registers()) {
        start_polling();
    }
    return HX_OK;
}

/* Who has a screen may type, too. */
static hx_err start_screen(void)
{
    hx_err error = screen_driver_start();

    return error == HX_OK ? keyboard_start() : error;
}

/* The reader gets what is left, then HX_ECLOSED. */
static void stop_input(void)
{
    if (input_vector != 0) {
        (void)!interrupt_unregister(input_vector, "console");
    }
    if (poll.function != NULL) {
        (void)timer_cancel(&poll);
    }
    console_input_fini();
}

static void stats(struct component_stats *numbers)
{
    struct log_statistics log = log_statistics();

    numbers->operations = log.written + console_input_count();
    numbers->errors = log.dropped;
    numbers->memory_bytes = console_input_memory();
    numbers->last_error = numbers->errors > 0 ? HX_EAGAIN : HX_OK;
}

static const struct component console_component = {
    .name = "console",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = console_start_thread();

    (void)config;
    if (error != HX_OK && error != HX_ESTATE) { /* it runs already when this is tried again */
        return error;
    }
    error = component_register(&console_component);
    if (error != HX_OK) {
        return error;
    }
    error = start_input();
    if (error == HX_OK && screen_is_there()) {
        error = start_screen();
    }
    if (error != HX_OK) {
        (void)!component_unregister(&console_component);
        return error;
    }
    console_driver_start();
    return HX_OK;
}

static hx_err shutdown(void)
{
    stop_input();
    console_flush();
    return component_unregister(&console_component);
}

/* What was logged is on the wire. Input stays on: it is what wakes the machine. */
static hx_err suspend(void)
{
    console_flush();
    return HX_OK;
}

/* Devices that were without power have forgotten that they should interrupt. */
static hx_err resume(void)
{
    if (input_vector != 0) {
        hal_console_enable_input();
    }
    keyboard_resume();
    return HX_OK;
}

static const char *const dependencies[] = {"memory", "time", NULL};

const struct subsystem console_subsystem = {
    .name = "console",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
    .suspend = suspend,
    .resume = resume,
};
