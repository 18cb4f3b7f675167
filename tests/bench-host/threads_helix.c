/* Kernel threads, each on a CPU of its own of a hosted machine: a CPU is a thread of the host. */
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <kern/area.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <ports/hosted/hosted.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/bench-host/pin.h>
#include <tests/bench-host/threads.h>

#define MEMORY_MB 64U

#define STACK_SIZE (256U * 1024U)

static int (*main_function)(void);

static const struct threads_work *all_works;
static uint32_t all_count;
static _Atomic uint32_t arrived;
static _Atomic uint32_t finished;

static void must(hx_err error)
{
    if (error != HX_OK) {
        fprintf(stderr, "helix: %s\n", hx_error_name(error));
        _Exit(EXIT_FAILURE);
    }
}

static struct thread *start(void (*entry)(void *argument), void *argument, uint32_t cpu)
{
    const struct thread_options options = {.name = "bench",
                                           .entry = entry,
                                           .argument = argument,
                                           .affinity = 1ULL << cpu,
                                           .priority = THREAD_PRIORITY_NORMAL,
                                           .stack_size = STACK_SIZE};
    struct thread *thread;

    must(thread_create(&options, &thread));
    thread_start(thread);
    return thread;
}

/* --- works ------------------------------------------------------------------------------------ */

void threads_relax(void)
{
    hal_cpu_relax();
}

static void do_work(void *argument)
{
    const struct threads_work *work = argument;

    pin_to_turn(hal_cpu_id());
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < all_count) {
        threads_relax();
    }
    work->function(work->argument);
    atomic_fetch_add(&finished, 1);
}

void threads_run(const struct threads_work *works, uint32_t count)
{
    all_works = works;
    all_count = count;
    atomic_store(&arrived, 0);
    atomic_store(&finished, 0);
    for (uint32_t i = 1; i < count; i++) {
        start(do_work, (void *)&works[i], i);
    }
    do_work((void *)&works[0]);
    while (atomic_load(&finished) < count) {
        threads_relax();
    }
}

/* --- the machine ------------------------------------------------------------------------------ */

void kernel_secondary_main(void)
{
    cpu_set_online();
    thread_idle();
}

static void boot(uint32_t cpus)
{
    const struct frame_range usable = {HOSTED_MEMORY_FIRST,
                                       ((uint64_t)MEMORY_MB << 20) - HOSTED_MEMORY_FIRST};

    if (!hosted_start(cpus, MEMORY_MB)) {
        must(HX_ENOMEM);
    }
    thread_init_boot();
    must(frames_init(&usable, 1, NULL, 0));
    must(heap_init());
    must(area_init());
    interrupts_init();
    exceptions_init();
    must(thread_start_scheduling());
}

static void start_secondary(uint32_t cpu)
{
    struct area *stack;

    must(area_allocate(4, HAL_READ | HAL_WRITE, OWNER_CORE, &stack));
    must(hal_cpu_start(cpu, (void *)(stack->base + 4 * HAL_PAGE_SIZE), thread_boot(cpu)));
    while ((cpu_online_mask() >> cpu & 1) == 0) {
        hal_cpu_relax();
    }
}

/* The process ends with the kernel threads where they are. */
static void run_main(void *argument)
{
    int status;

    (void)argument;
    status = main_function();
    fflush(stdout);
    _Exit(status);
}

void threads_start(uint32_t count, int (*function)(void))
{
    pin_start();
    main_function = function;
    boot(count);
    for (uint32_t cpu = 1; cpu < count; cpu++) {
        start_secondary(cpu);
    }
    start(run_main, NULL, 0);
    thread_idle();
}
