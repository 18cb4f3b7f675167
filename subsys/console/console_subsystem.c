/* The console as a subsystem. */
#include <core/component/component.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/console.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <subsys/console/console_subsystem.h>

#define INPUT_SIZE 256U /* a power of two */

/* Keys: I = the interrupt handler writes, R = the reader writes */
static struct {
    char bytes[INPUT_SIZE];
    _Atomic uint32_t written; /* I  free-running */
    _Atomic uint32_t read;    /* R  free-running */
    _Atomic uint32_t dropped; /* I */
} input;

static struct wait_queue readers = WAIT_QUEUE_INIT(readers, "console input");

/* Take what the device holds. Bytes beyond the buffer are dropped and counted. */
static bool take_input(void)
{
    uint32_t written = atomic_load_explicit(&input.written, memory_order_relaxed);
    bool took = false;
    int byte;

    while ((byte = hal_console_read()) >= 0) {
        took = true;
        if (written - atomic_load_explicit(&input.read, memory_order_acquire) == INPUT_SIZE) {
            atomic_fetch_add_explicit(&input.dropped, 1, memory_order_relaxed);
            continue;
        }
        input.bytes[written++ % INPUT_SIZE] = (char)byte;
        /* Release: pairs with the reader's acquire. */
        atomic_store_explicit(&input.written, written, memory_order_release);
    }
    return took;
}

static enum interrupt_action on_input(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    if (!take_input()) {
        return INTERRUPT_NOT_HANDLED;
    }
    wait_queue_wake_one(&readers);
    return INTERRUPT_HANDLED;
}

hx_err console_read_byte(char *byte, uint64_t deadline_ns)
{
    uint32_t read = atomic_load_explicit(&input.read, memory_order_relaxed);
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&readers, &waiter);
    while (atomic_load_explicit(&input.written, memory_order_acquire) == read && error == HX_OK) {
        error = wait_queue_wait(&readers, &waiter, deadline_ns);
    }
    wait_queue_finish(&readers, &waiter);
    if (atomic_load_explicit(&input.written, memory_order_acquire) == read) {
        return error;
    }
    *byte = input.bytes[read % INPUT_SIZE];
    atomic_store_explicit(&input.read, read + 1, memory_order_release);
    return HX_OK;
}

/* A machine whose console cannot interrupt has output only. */
static hx_err start_input(void)
{
    int line = hal_console_line();
    struct hal_line_mode mode = {0};
    uint8_t vector = interrupt_free_vector();
    hx_err error;

    if (line < 0 || vector == 0) {
        return HX_OK;
    }
    error = interrupt_register(vector, "console", on_input, NULL, false);
    if (error == HX_OK) {
        error = router_route((uint32_t)line, vector, mode, ROUTE_FIXED_CPU, 0);
    }
    if (error == HX_OK) {
        hal_console_enable_input();
        kinfo("console: input on line %d, vector %u", line, vector);
    }
    return error;
}

static void stats(struct component_stats *numbers)
{
    struct log_statistics log = log_statistics();

    numbers->operations = log.written + atomic_load_explicit(&input.written, memory_order_relaxed);
    numbers->errors = log.dropped + atomic_load_explicit(&input.dropped, memory_order_relaxed);
    numbers->memory_bytes = sizeof(input);
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
    if (error == HX_OK) {
        error = start_input();
    }
    return error == HX_OK ? component_register(&console_component) : error;
}

static hx_err shutdown(void)
{
    console_flush();
    return component_unregister(&console_component);
}

static const char *const dependencies[] = {"memory", "time", NULL};

const struct subsystem console_subsystem = {
    .name = "console",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
