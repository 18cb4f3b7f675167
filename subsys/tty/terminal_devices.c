/* The terminals that a machine has: one on its console, one on its second serial line. */
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/serial.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <subsys/console/console_subsystem.h>
#include <subsys/process/terminal_link.h>
#include <subsys/tty/terminal.h>
#include <subsys/vfs/device.h>

#define MAJOR_TERMINAL  4ULL
#define MAJOR_ALTERNATE 5ULL
#define MINOR_SERIAL    64U

static struct terminal *console_terminal; /* immutable after init */
static struct terminal *serial_terminal;  /* the same; NULL: there is no such line */

static hx_err start(const char *name, void (*entry)(void *argument))
{
    struct thread *thread;
    hx_err error = thread_create(
        &(struct thread_options){.name = name, .entry = entry, .priority = THREAD_PRIORITY_NORMAL},
        &thread);

    if (error == HX_OK) {
        thread_start(thread);
    }
    return error;
}

/* --- the console ------------------------------------------------------------------------------ */

static void feed(struct terminal *terminal, char byte)
{
    while (terminal_input(terminal, &byte, 1) == 0) {
        terminal_await_room(terminal);
    }
}

static void listen_to_console(void *argument)
{
    char byte;

    (void)argument;
    while (console_read_program_byte(&byte, THREAD_NO_DEADLINE) == HX_OK) {
        feed(console_terminal, byte);
    }
}

static const struct terminal_device console_device = {
    .name = "console",
    .write = console_write_bytes,
    .in_use = console_let_programs_listen,
};

static hx_err open_console(struct file *file)
{
    return terminal_open(console_terminal, TERMINAL_CONSOLE, file);
}

static hx_err open_first_line(struct file *file)
{
    return terminal_open(console_terminal, TERMINAL_ORDINARY, file);
}

/* --- the second serial line ------------------------------------------------------------------- */

static struct wait_queue serial_arrived = WAIT_QUEUE_INIT(serial_arrived, "serial line");

/* The bytes stay in the device until the thread has room for them: that is the flow control. */
static enum interrupt_action on_serial(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    wait_queue_wake_all(&serial_arrived);
    return INTERRUPT_HANDLED;
}

static void feed_all_there_is(void)
{
    int byte;

    while ((byte = hal_serial_read()) != HAL_SERIAL_NOTHING) {
        if (byte == HAL_SERIAL_BREAK) {
            terminal_input_break(serial_terminal);
        } else {
            feed(serial_terminal, (char)byte);
        }
    }
}

static void listen_to_serial(void *argument)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    (void)argument;
    wait_queue_prepare(&serial_arrived, &waiter);
    hal_serial_enable_input();
    while (error == HX_OK) {
        feed_all_there_is();
        error = wait_queue_wait(&serial_arrived, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&serial_arrived, &waiter);
}

static hx_err connect_serial(void)
{
    const struct hal_line_mode mode = {0};
    int line = hal_serial_line();
    uint8_t vector = interrupt_free_vector();
    hx_err error;

    if (line < 0 || vector == 0) {
        return HX_ENXIO;
    }
    error = interrupt_register(vector, "serial line", on_serial, NULL, false);
    if (error != HX_OK) {
        return error;
    }
    error = router_route((uint32_t)line, vector, mode, ROUTE_FIXED_CPU, 0);
    if (error != HX_OK) {
        (void)!interrupt_unregister(vector, "serial line");
    }
    return error;
}

static const struct terminal_device serial_device = {
    .name = "serial line",
    .write = hal_serial_write,
};

static hx_err open_second_line(struct file *file)
{
    return terminal_open(serial_terminal, TERMINAL_ORDINARY, file);
}

static const struct device second_line = {
    .name = "ttyS1",
    .number = MAJOR_TERMINAL << 32 | (MINOR_SERIAL + 1),
    .mode = 0600,
    .ops = &terminal_file_ops,
    .open = open_second_line,
};

/* A machine without the line, or where it cannot interrupt, goes without. */
static hx_err init_serial(void)
{
    hx_err error;

    if (!hal_serial_is_present()) {
        return HX_OK;
    }
    error = terminal_create(&serial_device, second_line.number, TERMINAL_RAW, &serial_terminal);
    if (error != HX_OK) {
        return error;
    }
    error = connect_serial();
    if (error != HX_OK) {
        kwarn("terminal: second serial line: no interrupt: %s", hx_error_text(error));
        return HX_OK;
    }
    error = device_register(&second_line);
    return error == HX_OK ? start("serial line", listen_to_serial) : error;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct device devices[] = {
    {.name = "console",
     .number = MAJOR_ALTERNATE << 32 | 1,
     .mode = 0600,
     .ops = &terminal_file_ops,
     .open = open_console},
    {.name = "tty",
     .number = MAJOR_ALTERNATE << 32,
     .mode = 0666,
     .ops = &terminal_file_ops,
     .open = terminal_open_controlling},
    {.name = "ttyS0",
     .number = MAJOR_TERMINAL << 32 | MINOR_SERIAL,
     .mode = 0620,
     .ops = &terminal_file_ops,
     .open = open_first_line},
};

static hx_err register_devices(void)
{
    hx_err error = HX_OK;

    for (size_t i = 0; i < HX_ARRAY_SIZE(devices) && error == HX_OK; i++) {
        error = device_register(&devices[i]);
    }
    return error;
}

hx_err terminal_init(void)
{
    hx_err error = terminal_create(&console_device, MAJOR_TERMINAL << 32 | MINOR_SERIAL,
                                   TERMINAL_COOKED, &console_terminal);

    if (error == HX_OK) {
        error = register_devices();
    }
    if (error == HX_OK) {
        error = start("terminal", listen_to_console);
    }
    if (error != HX_OK) {
        return error;
    }
    terminal_link_set(&terminal_process_link);
    return init_serial();
}
