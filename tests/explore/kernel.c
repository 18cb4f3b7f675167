/* What the explored code needs of the kernel, on virtual threads. */
#include <base/assert.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/area.h>
#include <kern/cpu.h>
#include <kern/dispatch.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <kern/thread.h>
#include <ports/hosted/machine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/explore/explore.h>
#include <tests/explore/point.h>

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    (void)expression, (void)file, (void)line;
    explore_fail(sentence);
}

/* --- processors ------------------------------------------------------------------------------- */

uint32_t hosted_cpu_id(void)
{
    return explore_cpu();
}

struct thread *hosted_thread_current(void)
{
    return explore_thread();
}

hal_interrupt_state hosted_interrupts_save(void)
{
    bool *off = explore_interrupts_off();
    hal_interrupt_state was_on = !*off;

    *off = true;
    return was_on;
}

void hosted_interrupts_restore(hal_interrupt_state state)
{
    *explore_interrupts_off() = state == 0;
}

bool hosted_interrupts_enabled(void)
{
    return !*explore_interrupts_off();
}

void hosted_cpu_relax(void)
{
    explore_yield();
}

_Atomic uint64_t cpu_online_bits = 1;
_Atomic uint64_t cpu_open_bits = 1;

/* Everybody passes a barrier: that changes nothing where all is sequentially consistent. */
void cpu_call(uint64_t mask, void (*function)(void *argument), void *argument)
{
    (void)mask;
    HX_ASSERT(hal_interrupts_enabled(), "who calls other processors has interrupts on");
    EXPLORE_POINT();
    function(argument);
}

bool cpu_call_until(uint64_t mask, void (*function)(void *argument), void *argument,
                    uint64_t deadline_ns)
{
    (void)deadline_ns;
    cpu_call(mask, function, argument);
    return true;
}

void hal_interrupt_send(uint32_t cpu, uint8_t vector)
{
    (void)vector;
    explore_interrupt(cpu);
}

/* A message: the CPU switches threads, if only from one to itself. */
void explore_on_interrupt(void)
{
    hal_interrupt_state state = hal_interrupts_save();

    thread_current()->reschedule = false;
    read_quiescent(hal_cpu_id());
    hal_interrupts_restore(state);
}

void thread_preempt(void)
{
    if (context_can_block()) {
        explore_on_interrupt();
    }
}

/*
 * The fibers of the hosted port refer to these; but nothing here switches kernel threads, or has
 * exceptions.
 */
void hosted_exception_dispatch(struct hal_frame *frame);

struct hosted_cpu *hosted_cpu(void)
{
    abort();
}

void hosted_exception_dispatch(struct hal_frame *frame)
{
    (void)frame;
    abort();
}

/* What the kernel would say in the end; a failure is told by explore_fail. */
void hal_console_write(const char *bytes, size_t size)
{
    (void)fwrite(bytes, 1, size, stderr);
}

void hal_console_flush(void)
{
}

/* A constant, so that what is hashed with it is found in the same number of steps each time. */
uint64_t hal_cpu_entropy(void)
{
    return EXPLORE_ENTROPY;
}

/* --- threads and time ------------------------------------------------------------------------- */

hx_err thread_create(const struct thread_options *options, struct thread **thread)
{
    *thread = explore_create(options->entry, options->argument);
    return *thread != NULL ? HX_OK : HX_ENOMEM;
}

void thread_start(struct thread *thread)
{
    explore_start(thread);
}

/* Who parks leaves its CPU idle, which is quiescent. */
hx_err thread_park(uint64_t deadline_ns)
{
    HX_ASSERT(context_can_block(), "who parks may block");
    explore_on_interrupt();
    EXPLORE_POINT();
    return explore_park(deadline_ns);
}

void thread_wait(void)
{
    (void)!thread_park(THREAD_NO_DEADLINE);
}

void thread_unpark(struct thread *thread)
{
    EXPLORE_POINT();
    explore_unpark(thread);
}

void thread_for_each(bool (*callback)(struct thread *thread, void *argument), void *argument)
{
    bool goes_on = true;

    for (unsigned i = 0; i < EXPLORE_THREADS && goes_on; i++) {
        EXPLORE_POINT();
        goes_on = callback(explore_thread_at(i), argument);
    }
}

void thread_for_each_in_call(bool (*callback)(struct thread *thread, void *argument),
                             void *argument)
{
    thread_for_each(callback, argument);
}

/* All virtual threads have the same priority. */
void dispatch_change_priority(struct thread *thread, uint8_t priority)
{
    (void)thread;
    (void)priority;
}

void dispatch_tell_priority(struct thread *thread)
{
    (void)thread;
}

void thread_yield(void)
{
    explore_yield();
}

uint64_t hal_clock_now(void)
{
    return explore_now();
}

/* --- memory ----------------------------------------------------------------------------------- */

static int64_t heap_blocks;

int64_t explore_heap_blocks(void)
{
    return heap_blocks;
}

void *heap_allocate(size_t size, owner_tag owner)
{
    void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

    HX_ASSERT(owner != OWNER_NONE, "memory has an owner");
    if (memory == NULL) {
        abort();
    }
    heap_blocks++;
    return memset(memory, 0xa5, size);
}

void *heap_allocate_zeroed(size_t size, owner_tag owner)
{
    return memset(heap_allocate(size, owner), 0, size);
}

void heap_free(void *pointer)
{
    if (pointer != NULL) {
        EXPLORE_POINT();
        heap_blocks--;
        free(pointer);
    }
}

/* The area's own structure stands behind its pages, so that whoever keeps those keeps it. */
hx_err area_allocate(size_t pages, unsigned protection, owner_tag owner, struct area **area)
{
    size_t size = pages * HAL_PAGE_SIZE;
    unsigned char *memory = aligned_alloc(HAL_PAGE_SIZE, size + HAL_PAGE_SIZE);

    (void)protection;
    if (memory == NULL) {
        abort();
    }
    memset(memory, 0, size);
    *area = (struct area *)(void *)(memory + size);
    **area = (struct area){.base = (uintptr_t)memory, .pages = pages, .owner = owner};
    heap_blocks++;
    return HX_OK;
}

void area_free(struct area *area)
{
    heap_blocks--;
    free((void *)area->base);
}
