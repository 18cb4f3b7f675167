/* What the whole machine does: state, subsystems, components, threads, interrupts, power. */
#include <base/format.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/interrupts/dispatcher.h>
#include <core/kernel/state.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <helix/version.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/power/power.h>
#include <subsys/process/process.h>

#define NS_PER_MS 1000000ULL

/* --- version and state ------------------------------------------------------------------------ */

hx_err helixfs_show_version(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%s\n", HX_VERSION_STRING);
    return HX_OK;
}

static const struct table_column state_columns[] = {
    {.name = "state", .kind = TABLE_WORD},          {.name = "phase", .kind = TABLE_WORD},
    {.name = "version", .kind = TABLE_WORD},        {.name = "uptime_ms", .kind = TABLE_NUMBER},
    {.name = "cpus", .kind = TABLE_NUMBER},         {.name = "cpus_online", .kind = TABLE_NUMBER},
    {.name = "memory_total", .kind = TABLE_NUMBER}, {.name = "memory_free", .kind = TABLE_NUMBER},
    {.name = "heap", .kind = TABLE_NUMBER},         {.name = "processes", .kind = TABLE_NUMBER},
    {.name = "threads", .kind = TABLE_NUMBER},      {.name = "healthy", .kind = TABLE_WORD},
};

static void note_health(const struct component *component, void *argument)
{
    bool *healthy = argument;

    *healthy &= component_is_healthy(component);
}

static hx_err fill_state(struct table *table)
{
    struct frame_statistics frames;
    struct heap_statistics heap;
    bool healthy = true;

    frames_statistics(&frames);
    heap_statistics(&heap);
    component_for_each(note_health, &healthy);
    table_text(table, kernel_state_name(kernel_state_current()));
    table_text(table, lifecycle_phase_name(lifecycle_phase()));
    table_text(table, HX_VERSION_STRING);
    table_number(table, hal_clock_now() / NS_PER_MS);
    table_number(table, hal_cpu_count());
    table_number(table, cpu_online_count());
    table_number(table, frames.total << HAL_PAGE_SHIFT);
    table_number(table, frames.free << HAL_PAGE_SHIFT);
    table_number(table, heap.frames << HAL_PAGE_SHIFT);
    table_number(table, process_count());
    table_number(table, thread_count());
    table_bool(table, healthy);
    return HX_OK;
}

const struct helixfs_table helixfs_state = HELIXFS_RECORD(state_columns, fill_state);

/* --- subsystems ------------------------------------------------------------------------------- */

static const struct table_column subsystem_columns[] = {
    {.name = "order", .kind = TABLE_NUMBER, .width = 5},
    {.name = "name", .kind = TABLE_WORD, .width = 14},
    {.name = "version", .kind = TABLE_WORD, .width = 8},
    {.name = "state", .kind = TABLE_WORD, .width = 8},
    {.name = "dependencies", .kind = TABLE_WORD, .width = 12},
};

#define DEPENDENCIES_SIZE 256U

/* Names with commas between them. */
static void join(const char *const *names, char *joined, size_t size)
{
    size_t used = 0;

    joined[0] = '\0';
    for (; names != NULL && *names != NULL && used < size; names++) {
        used += format_text(joined + used, size - used, "%s%s", used > 0 ? "," : "", *names);
    }
}

static hx_err fill_subsystems(struct table *table)
{
    const struct subsystem_set *set = orchestrator_subsystems();
    char dependencies[DEPENDENCIES_SIZE];

    for (uint32_t i = 0; i < set->ordered; i++) {
        const struct subsystem *subsystem = set->members[set->order[i]];

        join(subsystem->dependencies, dependencies, sizeof(dependencies));
        table_number(table, i + 1);
        table_text(table, subsystem->name);
        table_text(table, subsystem->version);
        table_text(table, i >= set->up                      ? "down"
                          : subsystem_is_healthy(subsystem) ? "healthy"
                                                            : "sick");
        table_text(table, dependencies);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_subsystems = HELIXFS_TABLE(subsystem_columns, fill_subsystems);

hx_err helixfs_show_graph(const struct pseudo_node *node, struct text *text)
{
    size_t free = text->size > text->length ? text->size - text->length : 0;
    char *at = text->buffer + (free > 0 ? text->length : 0);

    (void)node;
    text->length += subsystem_set_dot(orchestrator_subsystems(), at, free);
    return HX_OK;
}

/* --- components ------------------------------------------------------------------------------- */

static const struct table_column component_columns[] = {
    {.name = "name", .kind = TABLE_WORD, .width = 14},
    {.name = "version", .kind = TABLE_WORD, .width = 8},
    {.name = "health", .kind = TABLE_WORD, .width = 7},
    {.name = "operations", .kind = TABLE_NUMBER, .width = 12},
    {.name = "errors", .kind = TABLE_NUMBER, .width = 8},
    {.name = "memory", .kind = TABLE_NUMBER, .width = 10},
    {.name = "uptime_ms", .kind = TABLE_NUMBER, .width = 10},
    {.name = "last_error", .kind = TABLE_WORD, .width = 10},
};

static void add_component(const struct component *component, void *argument)
{
    struct component_stats stats = component_get_stats(component);
    struct table *table = argument;

    table_text(table, component->name);
    table_text(table, component->version);
    table_text(table, component_is_healthy(component) ? "healthy" : "sick");
    table_number(table, stats.operations);
    table_number(table, stats.errors);
    table_number(table, stats.memory_bytes);
    table_number(table, stats.uptime_ns / NS_PER_MS);
    table_text(table, stats.last_error != HX_OK ? hx_error_name(stats.last_error) : "");
}

static hx_err fill_components(struct table *table)
{
    component_for_each(add_component, table);
    return HX_OK;
}

const struct helixfs_table helixfs_components = HELIXFS_TABLE(component_columns, fill_components);

/* --- threads ---------------------------------------------------------------------------------- */

static const struct table_column thread_columns[] = {
    {.name = "id", .kind = TABLE_NUMBER, .width = 6},
    {.name = "process", .kind = TABLE_NUMBER, .width = 7},
    {.name = "state", .kind = TABLE_WORD, .width = 9},
    {.name = "cpu", .kind = TABLE_NUMBER, .width = 3},
    {.name = "priority", .kind = TABLE_NUMBER, .width = 8},
    {.name = "run_us", .kind = TABLE_NUMBER, .width = 12},
    {.name = "switches", .kind = TABLE_NUMBER, .width = 10},
    {.name = "name", .kind = TABLE_TEXT, .width = 4},
};

/* Collected under the list's lock, where nothing may block. */
struct thread_row {
    uint32_t id;
    uint32_t process;
    const char *state;
    uint32_t cpu;
    uint8_t priority;
    uint64_t run_ns;
    uint64_t switches;
    char name[THREAD_NAME_MAX];
};

struct thread_rows {
    struct thread_row *rows;
    size_t room;
    size_t count;
};

#define THREADS_SLACK 16U /* that begin meanwhile */

static bool collect_thread(struct thread *thread, void *argument)
{
    struct thread_rows *all = argument;

    if (all->count == all->room) {
        return false;
    }
    all->rows[all->count] = (struct thread_row){
        .id = thread->id,
        .process = thread->process != NULL ? thread->process->id : 0,
        .state = thread_state_name(thread),
        .cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed),
        .priority = thread_priority(thread),
        .run_ns = thread_run_time(thread),
        .switches = atomic_load_explicit(&thread->switches, memory_order_relaxed),
    };
    (void)string_copy(all->rows[all->count++].name, THREAD_NAME_MAX, thread->name);
    return true;
}

static void add_thread(struct table *table, const struct thread_row *row)
{
    table_number(table, row->id);
    table_number(table, row->process);
    table_text(table, row->state);
    table_number(table, row->cpu);
    table_number(table, row->priority);
    table_number(table, row->run_ns / 1000);
    table_number(table, row->switches);
    table_text(table, row->name);
}

static hx_err fill_threads(struct table *table)
{
    struct thread_rows all = {.room = thread_count() + THREADS_SLACK};

    all.rows = heap_allocate(all.room * sizeof(all.rows[0]), OWNER_CORE);
    if (all.rows == NULL) {
        return HX_ENOMEM;
    }
    thread_for_each(collect_thread, &all);
    for (size_t i = 0; i < all.count; i++) {
        add_thread(table, &all.rows[i]);
    }
    heap_free(all.rows);
    return HX_OK;
}

const struct helixfs_table helixfs_threads = HELIXFS_TABLE(thread_columns, fill_threads);

/* --- interrupts ------------------------------------------------------------------------------- */

static const struct table_column interrupt_columns[] = {
    {.name = "vector", .kind = TABLE_NUMBER, .width = 6},
    {.name = "cpu", .kind = TABLE_NUMBER, .width = 3},
    {.name = "count", .kind = TABLE_NUMBER, .width = 10},
    {.name = "unhandled", .kind = TABLE_NUMBER, .width = 9},
    {.name = "longest_ns", .kind = TABLE_NUMBER, .width = 10},
    {.name = "total_ns", .kind = TABLE_NUMBER, .width = 12},
    {.name = "masked", .kind = TABLE_WORD, .width = 6},
};

#define VECTORS 256U

static uint64_t nanoseconds(uint64_t cycles)
{
    uint64_t rate = hal_clock_cycles_per_second();

    return cycles / rate * HAL_NS_PER_S + cycles % rate * HAL_NS_PER_S / rate;
}

static void add_vector(struct table *table, uint8_t vector, uint32_t cpu)
{
    struct interrupt_statistics numbers = interrupt_statistics(vector, cpu);

    if (numbers.count == 0) {
        return;
    }
    table_number(table, vector);
    table_number(table, cpu);
    table_number(table, numbers.count);
    table_number(table, numbers.unhandled);
    table_number(table, nanoseconds(numbers.longest));
    table_number(table, nanoseconds(numbers.total));
    table_bool(table, interrupt_is_masked(vector));
}

static hx_err fill_interrupts(struct table *table)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
            add_vector(table, (uint8_t)vector, cpu);
        }
    }
    return HX_OK;
}

const struct helixfs_table helixfs_interrupts = HELIXFS_TABLE(interrupt_columns, fill_interrupts);

/* --- power ------------------------------------------------------------------------------------ */

#define SLEEP_MAX_S 86400U

/* suspend SECONDS */
static hx_err sleep_for(const struct helixfs_word *seconds)
{
    struct subsystem_failure failure = {0};
    uint64_t count;

    if (string_to_u64(seconds->start, seconds->length, &count) != HX_OK || count == 0 ||
        count > SLEEP_MAX_S) {
        return HX_EINVAL;
    }
    return power_suspend(hal_clock_now() + count * HAL_NS_PER_S, &failure);
}

hx_err helixfs_change_power(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    struct subsystem_failure failure = {0};
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error == HX_OK && count == 2 && helixfs_is_word(&words[0], "suspend")) {
        return sleep_for(&words[1]);
    }
    if (error != HX_OK || count != 1) {
        return HX_EINVAL;
    }
    if (helixfs_is_word(&words[0], "off")) {
        (void)lifecycle_request_shutdown(SHUTDOWN_POWER_OFF);
        return HX_OK;
    }
    if (helixfs_is_word(&words[0], "reboot")) {
        (void)lifecycle_request_shutdown(SHUTDOWN_REBOOT);
        return HX_OK;
    }
    if (helixfs_is_word(&words[0], "suspend")) {
        return orchestrator_suspend(&failure);
    }
    return helixfs_is_word(&words[0], "resume") ? orchestrator_resume(&failure) : HX_EINVAL;
}
