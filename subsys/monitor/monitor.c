/* The debug-key menu. */
#include <base/memory.h>
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/component/component.h>
#include <core/debug/console.h>
#include <core/debug/dump.h>
#include <core/debug/log.h>
#include <core/ipc/message_router.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/panic.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/access/access.h>
#include <subsys/capabilities/capabilities.h>
#include <subsys/console/console_subsystem.h>
#include <subsys/ipc/ipc.h>
#include <subsys/memory/memory.h>
#include <subsys/modules/modules.h>
#include <subsys/monitor/monitor.h>
#include <subsys/power/power.h>
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

static void show_set(size_t (*write)(const struct subsystem_set *set, char *buffer, size_t size))
{
    char *text = heap_allocate_zeroed(TEXT_SIZE, OWNER_CORE);

    if (text != NULL) {
        (void)write(orchestrator_subsystems(), text, TEXT_SIZE);
        print_lines(text);
    }
    heap_free(text);
}

static void show_subsystems(void)
{
    show_set(subsystem_set_text);
}

static void show_graph(void)
{
    show_set(subsystem_set_dot);
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

/* --- rights ----------------------------------------------------------------------------------- */

static _Atomic subject_id console = SUBJECT_NONE;

subject_id monitor_subject(void)
{
    return atomic_load_explicit(&console, memory_order_relaxed);
}

static hx_err find_machine(const char *name, uint64_t *number)
{
    *number = 0;
    return string_equal(name, "whole") ? HX_OK : HX_ENOENT;
}

static bool name_machine(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    return number == 0 && string_copy(name, RESOURCE_NAME_SIZE, "whole");
}

static bool next_machine(uint64_t from, uint64_t *number)
{
    *number = 0;
    return from == 0;
}

static const struct resource_names machine_names = {.type = RESOURCE_TYPE_MACHINE,
                                                    .find = find_machine,
                                                    .name = name_machine,
                                                    .next = next_machine};

static resource_id machine(void)
{
    return resource_make(RESOURCE_TYPE_MACHINE, 0);
}

/* Without such a slot nothing, on which nobody has rights. */
static resource_id demo_slot(void)
{
    const struct slot *slot = slot_find("demo");

    return slot != NULL ? modules_slot_resource(slot) : 0;
}

static hx_err grant(resource_id resource)
{
    return capability_grant(monitor_subject(), resource, PERMISSION_CONTROL, NULL);
}

hx_err monitor_grant_control(void)
{
    const struct slot *slot;
    hx_err error = grant(machine());

    for (size_t i = 0; error == HX_OK && (slot = slot_at(i)) != NULL; i++) {
        error = grant(modules_slot_resource(slot));
    }
    return error;
}

/* --- keys ------------------------------------------------------------------------------------- */

static void crash_demo(void)
{
    monitor_tour(monitor_subject());
}

static void show_help(void);

struct key {
    char key;
    const char *text;
    void (*function)(void);
    resource_id (*controls)(void); /* what it takes PERMISSION_CONTROL on; NULL: it only looks */
};

static const struct key keys[] = {
    {'h', "this help", show_help, NULL},
    {'s', "state: every component's health and numbers", debug_dump_state, NULL},
    {'o', "orchestrator: subsystems, in the order of their start", show_subsystems, NULL},
    {'l', "log: the last lines", show_log, NULL},
    {'t', "threads", show_threads, NULL},
    {'m', "memory", memory_report, NULL},
    {'u', "usage of resources: every owner's ledger and limits", resources_report, NULL},
    {'c', "CPUs", processors_report, NULL},
    {'g', "gate: slots and their modules", modules_report, NULL},
    {'b', "bus: topics, subscriptions, counts", ipc_report_events, NULL},
    {'x', "mailboxes: queues, served, errors", ipc_report_mailboxes, NULL},
    {'a', "access: who holds which capabilities, and through whom", capabilities_report, NULL},
    {'n', "numbers of system calls that were asked for and do not exist", syscall_report_absent,
     NULL},
    {'d', "demo: crash a module in every way", crash_demo, demo_slot},
    {'p', "panic", do_panic, machine},
    {'r', "reboot", do_reboot, machine},
    {'q', "quit: power off", do_power_off, machine},
    {'v', "view: the subsystems as a graph for Graphviz", show_graph, NULL},
    {'z', "sleep: suspend all subsystems; once more: resume them", power_toggle_suspend, machine},
};

static void show_help(void)
{
    kprintln("keys:");
    for (size_t i = 0; i < HX_ARRAY_SIZE(keys); i++) {
        kprintln("  %c  %s", keys[i].key, keys[i].text);
    }
    kprintln("after Ctrl-] while a program has the console");
}

static _Atomic uint64_t presses;
static _Atomic uint64_t refused_presses;

static const struct key *find_key(char byte)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(keys); i++) {
        if (keys[i].key == byte) {
            return &keys[i];
        }
    }
    return NULL;
}

static bool may_press(const struct key *key)
{
    return key->controls == NULL ||
           capability_check(monitor_subject(), key->controls(), PERMISSION_CONTROL);
}

bool monitor_press(char byte)
{
    const struct key *key = find_key(byte);
    bool is_done = key != NULL && may_press(key);

    atomic_fetch_add_explicit(&presses, 1, memory_order_relaxed);
    if (is_done) {
        key->function();
    } else {
        atomic_fetch_add_explicit(&refused_presses, 1, memory_order_relaxed);
        kprintln(key == NULL ? "no such key; h lists them" : "the console has no right to do that");
    }
    return is_done;
}

static void listen(void *argument)
{
    char byte;

    (void)argument;
    while (console_read_byte(&byte, THREAD_NO_DEADLINE) == HX_OK) {
        if (byte != '\r' && byte != '\n') {
            (void)monitor_press(byte);
        }
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
    numbers->errors = atomic_load_explicit(&refused_presses, memory_order_relaxed);
    numbers->last_error = numbers->errors > 0 ? HX_EACCES : HX_OK;
}

static const struct component monitor_component = {
    .name = "monitor",
    .version = "1.0.0",
    .stats = stats,
};

/* Make the console a subject with its rights. */
static hx_err admit_console(void)
{
    subject_id subject;
    hx_err error = capability_subject_create("console", &subject);

    if (error != HX_OK) {
        return error;
    }
    atomic_store_explicit(&console, subject, memory_order_relaxed);
    return monitor_grant_control();
}

static hx_err make_listener(void)
{
    struct thread *thread;
    hx_err error = thread_create(&(struct thread_options){.name = "monitor",
                                                          .entry = listen,
                                                          .priority = THREAD_PRIORITY_NORMAL},
                                 &thread);

    if (error != HX_OK) {
        return error;
    }
    lifecycle_callback.argument = thread;
    return lifecycle_register(&lifecycle_callback);
}

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = resource_names_register(&machine_names);

    (void)config;
    if (error == HX_OK) {
        error = admit_console();
    }
    if (error == HX_OK) {
        error = make_listener();
    }
    if (error == HX_OK) {
        error = open_mailbox();
    }
    return error == HX_OK ? component_register(&monitor_component) : error;
}

static hx_err shutdown(void)
{
    hx_err error = router_unregister(mailbox);
    hx_err last = component_unregister(&monitor_component);

    (void)!capability_subject_destroy(monitor_subject());
    atomic_store_explicit(&console, SUBJECT_NONE, memory_order_relaxed);
    return error == HX_OK ? last : error;
}

static const char *const dependencies[] = {"ipc", "console", "capabilities", "modules", NULL};

const struct subsystem monitor_subsystem = {
    .name = "monitor",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
