/* The debug-key menu. */
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/debug/console.h>
#include <core/debug/dump.h>
#include <core/debug/log.h>
#include <core/ipc/message_router.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/console/console_subsystem.h>
#include <subsys/ipc/ipc.h>
#include <subsys/memory/memory.h>
#include <subsys/modules/modules.h>
#include <subsys/monitor/monitor.h>
#include <subsys/processors/processors.h>
#include <subsys/resources/resources.h>

#define TEXT_SIZE   4096
#define LOG_LINES   32
#define THREADS_MAX 64

/* --- looks ------------------------------------------------------------------------------------ */

static void show_log(void)
{
    uint64_t newest = log_statistics().written;
    uint64_t next = newest > LOG_LINES ? newest - LOG_LINES + 1 : 1;
    struct log_entry *entry = heap_allocate(sizeof(*entry), OWNER_CORE);

    while (entry != NULL && next <= newest && log_read(next, true, entry) == LOG_READ_RECORD &&
           entry->number <= newest) {
        kprintln("%6llu %5llu.%06llu %s", (unsigned long long)entry->number,
                 (unsigned long long)(entry->time_ns / HAL_NS_PER_S),
                 (unsigned long long)(entry->time_ns % HAL_NS_PER_S / 1000), entry->text);
        next = entry->number + 1;
    }
    heap_free(entry);
}

/* Printing may block, so names and numbers are collected under the list's lock first. */
struct thread_row {
    uint32_t id;
    uint32_t cpu;
    const char *state;
    uint64_t run_ns;
    uint64_t switches;
    char name[THREAD_NAME_MAX];
};

struct thread_table {
    struct thread_row rows[THREADS_MAX];
    size_t count;
};

static bool collect_thread(struct thread *thread, void *argument)
{
    struct thread_table *table = argument;
    struct thread_row *row = &table->rows[table->count++];

    row->id = thread->id;
    row->cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed);
    row->state = thread_state_name(thread);
    row->run_ns = thread_run_time(thread);
    row->switches = atomic_load_explicit(&thread->switches, memory_order_relaxed);
    for (size_t i = 0; i < THREAD_NAME_MAX; i++) {
        row->name[i] = thread->name[i];
    }
    return table->count < THREADS_MAX;
}

static void show_threads(void)
{
    struct thread_table *table = heap_allocate_zeroed(sizeof(*table), OWNER_CORE);

    if (table == NULL) {
        return;
    }
    thread_for_each(collect_thread, table);
    kprintln("%u threads:", (unsigned)thread_count());
    for (size_t i = 0; i < table->count; i++) {
        const struct thread_row *row = &table->rows[i];

        kprintln("%4u %-24s %-9s CPU %u, %llu us, %llu switches", (unsigned)row->id, row->name,
                 row->state, (unsigned)row->cpu, (unsigned long long)(row->run_ns / 1000),
                 (unsigned long long)row->switches);
    }
    heap_free(table);
}

static void print_lines(char *text)
{
    char *line = text;

    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            *at = '\0';
            kprintln("%s", line);
            line = at + 1;
        }
    }
    if (*line != '\0') {
        kprintln("%s", line);
    }
}

static void show_subsystems(void)
{
    char *text = heap_allocate_zeroed(TEXT_SIZE, OWNER_CORE);

    if (text != NULL) {
        (void)subsystem_set_text(orchestrator_subsystems(), text, TEXT_SIZE);
        print_lines(text);
    }
    heap_free(text);
}

/* --- actions ---------------------------------------------------------------------------------- */

static void do_panic(void)
{
    panic("asked for with the key p");
}

static void do_reboot(void)
{
    lifecycle_request_shutdown(SHUTDOWN_REBOOT);
}

static void do_power_off(void)
{
    lifecycle_request_shutdown(SHUTDOWN_POWER_OFF);
}

static void show_help(void);

struct key {
    char key;
    const char *text;
    void (*function)(void);
};

static const struct key keys[] = {
    {'h', "this help", show_help},
    {'s', "state: every component's health and numbers", debug_dump_state},
    {'o', "orchestrator: subsystems, in the order of their start", show_subsystems},
    {'l', "log: the last lines", show_log},
    {'t', "threads", show_threads},
    {'m', "memory", memory_report},
    {'u', "usage of resources: every owner's ledger and limits", resources_report},
    {'c', "CPUs", processors_report},
    {'g', "gate: slots and their modules", modules_report},
    {'b', "bus: topics, subscriptions, counts", ipc_report_events},
    {'x', "mailboxes: queues, served, errors", ipc_report_mailboxes},
    {'d', "demo: crash a module in every way", monitor_tour},
    {'p', "panic", do_panic},
    {'r', "reboot", do_reboot},
    {'q', "quit: power off", do_power_off},
};

static void show_help(void)
{
    kprintln("keys:");
    for (size_t i = 0; i < HX_ARRAY_SIZE(keys); i++) {
        kprintln("  %c  %s", keys[i].key, keys[i].text);
    }
}

static _Atomic uint64_t presses;
static _Atomic uint64_t unknown_presses;

static void press(char byte)
{
    if (byte == '\r' || byte == '\n') {
        return;
    }
    atomic_fetch_add_explicit(&presses, 1, memory_order_relaxed);
    for (size_t i = 0; i < HX_ARRAY_SIZE(keys); i++) {
        if (keys[i].key == byte) {
            keys[i].function();
            return;
        }
    }
    atomic_fetch_add_explicit(&unknown_presses, 1, memory_order_relaxed);
    kprintln("no such key; h lists them");
}

static void listen(void *argument)
{
    char byte;

    (void)argument;
    while (console_read_byte(&byte, THREAD_NO_DEADLINE) == HX_OK) {
        press(byte);
    }
}

/* --- the mailbox ------------------------------------------------------------------------------ */

static router_mailbox mailbox;

/* The request "state" is answered with the name of the kernel's state. */
static hx_err answer(void *argument, const struct router_message *request,
                     struct router_message *response)
{
    const char *name = kernel_state_name(kernel_state_current());
    static const char question[] = "state";

    (void)argument;
    if (request->length != sizeof(question) - 1 ||
        memcmp(request->data, question, request->length) != 0) {
        return HX_EINVAL;
    }
    response->length = (uint32_t)string_length(name);
    memcpy(response->data, name, response->length);
    return HX_OK;
}

static hx_err open_mailbox(void)
{
    return router_register(&(struct router_options){.name = "monitor", .handler = answer},
                           &mailbox);
}

/* --- the subsystem ---------------------------------------------------------------------------- */

static void on_phase_enter(void *argument, enum lifecycle_phase phase)
{
    struct thread *thread = argument;

    if (phase == PHASE_RUNNING) {
        thread_start(thread);
    }
}

static const struct lifecycle_ops lifecycle_ops = {.on_phase_enter = on_phase_enter};
static struct lifecycle_callback lifecycle_callback = {.ops = &lifecycle_ops};

static void stats(struct component_stats *numbers)
{
    numbers->operations = atomic_load_explicit(&presses, memory_order_relaxed);
    numbers->errors = atomic_load_explicit(&unknown_presses, memory_order_relaxed);
}

static const struct component monitor_component = {
    .name = "monitor",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err init(const struct boot_configuration *config)
{
    struct thread *thread;
    hx_err error = thread_create(&(struct thread_options){.name = "monitor",
                                                          .entry = listen,
                                                          .priority = THREAD_PRIORITY_NORMAL},
                                 &thread);

    (void)config;
    if (error != HX_OK) {
        return error;
    }
    lifecycle_callback.argument = thread;
    error = lifecycle_register(&lifecycle_callback);
    if (error == HX_OK) {
        error = open_mailbox();
    }
    return error == HX_OK ? component_register(&monitor_component) : error;
}

static hx_err shutdown(void)
{
    hx_err error = router_unregister(mailbox);
    hx_err last = component_unregister(&monitor_component);

    return error == HX_OK ? last : error;
}

static const char *const dependencies[] = {"ipc", "console", "modules", NULL};

const struct subsystem monitor_subsystem = {
    .name = "monitor",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
