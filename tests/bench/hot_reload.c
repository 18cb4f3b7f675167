/* What changing a module costs: loading one, and how long callers are kept waiting. */
#include <base/string.h>
#include <core/hot_reload/hot_reload.h>
#include <core/hot_reload/loader.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

static const struct swap_options no_trial = {.drain_limit_ns = SWAP_DRAIN_LIMIT_NS_DEFAULT};

/* --- loading ---------------------------------------------------------------------------------- */

/* From the bytes of a file of 64 KiB to an instance that could be called: all checks, relocations,
 * memory, owner; initialising it is not in it. */
static uint64_t load_64k(uint32_t runs)
{
    char why[LOADER_WHY_MAX];
    struct module_instance *instance;
    struct module_file file;
    uint64_t cycles = 0;

    if (module_store_get("demo_large", NULL, &file) != HX_OK) {
        return BENCH_NOT_HERE;
    }
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start = begin();
        hx_err error = loader_load(file.bytes, file.size, HAL_GATE_OPEN, &instance, why);

        cycles += cycles_since(start);
        if (error != HX_OK) {
            cycles = 0;
            break;
        }
        loader_unload(instance);
    }
    module_store_put(&file);
    return cycles;
}

/* --- swapping --------------------------------------------------------------------------------- */

/*
 * The pause of the swap to a module, as the kernel measures and tells it: from the closing of the
 * gate to its opening, without a trial afterwards. 0: it failed.
 */
static uint64_t pause_of(struct slot *slot, const char *name)
{
    struct modules_change change;
    uint64_t start = begin();
    hx_err error = modules_swap(slot, name, NULL);

    (void)cycles_since(start);
    return error == HX_OK && modules_change_at(slot, 0, &change) ? change.pause_ns : 0;
}

/* There and back, half as often each; afterwards the second one is in the slot. */
static uint64_t pauses(const char *slot_name, const char *there, const char *back, uint32_t runs)
{
    struct slot *slot = slot_find(slot_name);
    struct swap_options options;
    uint64_t sum = 0;

    if (slot == NULL || slot_instance(slot) == NULL) {
        return BENCH_NOT_HERE;
    }
    options = modules_options(slot);
    modules_set_options(slot, &no_trial);
    for (uint32_t i = 0; i < runs; i++) {
        sum += pause_of(slot, i % 2 == 0 ? there : back);
    }
    (void)pause_of(slot, back);
    modules_set_options(slot, &options);
    return sum;
}

static uint64_t swap_pause_small(uint32_t runs)
{
    return pauses("demo", "demo", "demo", runs);
}

/* To a module of 64 KiB. */
static uint64_t swap_pause_large(uint32_t runs)
{
    return pauses("demo", "demo_large", "demo", runs);
}

/* --- the scheduler, with many threads that wait to run ------------------------------------------
 */

#define CROWD 1000U

static struct {
    _Atomic bool shall_end;
    _Atomic uint32_t running;
} crowd;

static void yield_until_the_end(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&crowd.shall_end, memory_order_relaxed)) {
        thread_yield();
    }
    atomic_fetch_sub_explicit(&crowd.running, 1, memory_order_release);
}

/* How many there are then. */
static uint32_t start_crowd(void)
{
    const struct thread_options options = {.name = "bench-crowd",
                                           .entry = yield_until_the_end,
                                           .priority = thread_priority(thread_current()),
                                           .affinity = 1ULL << hal_cpu_id()};
    struct thread *thread;
    uint32_t started = 0;

    atomic_store_explicit(&crowd.shall_end, false, memory_order_relaxed);
    atomic_store_explicit(&crowd.running, 0, memory_order_relaxed);
    while (started < CROWD && thread_create(&options, &thread) == HX_OK) {
        atomic_fetch_add_explicit(&crowd.running, 1, memory_order_relaxed);
        thread_start(thread);
        started++;
    }
    return started;
}

/* Until all have been freed too. */
static void end_crowd(uint32_t threads_before)
{
    atomic_store_explicit(&crowd.shall_end, true, memory_order_relaxed);
    while (atomic_load_explicit(&crowd.running, memory_order_acquire) != 0 ||
           thread_count() > threads_before) {
        thread_yield();
    }
}

/* From one scheduler to the other and back, while a thousand threads are runnable. */
static uint64_t swap_pause_sched_1000(uint32_t runs)
{
    uint32_t before = thread_count();
    uint64_t sum = start_crowd() == CROWD ? pauses("scheduler", "sched_prio", "sched_rr", runs) : 0;

    end_crowd(before);
    return sum;
}

const struct benchmark hot_reload_benchmarks[] = {
    {"load_64k", "instructions", 20, load_64k},
    {"swap_pause_small", "instructions", 20, swap_pause_small},
    {"swap_pause_large", "instructions", 20, swap_pause_large},
    {"swap_pause_sched_1000", "instructions", 20, swap_pause_sched_1000},
    {0},
};
