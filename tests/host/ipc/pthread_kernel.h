/*
 * What core/ipc needs of the kernel, on pthreads: each is a kernel thread on a CPU of its own, so
 * the host's scheduler interrupts every step anywhere, and the thread sanitizer sees all of it.
 * Spinlocks and wait queues are the kernel's own. Included by one test program each.
 *
 * - on_threads() runs functions on threads of their own and waits for all of them.
 * - kernel_heap counts allocations that are not freed, and fails the n-th.
 * - A test that hangs, as one whose wake-up is lost, is ended by a signal after KERNEL_SECONDS.
 */
#ifndef TESTS_HOST_IPC_PTHREAD_KERNEL_H
#define TESTS_HOST_IPC_PTHREAD_KERNEL_H

#include <base/assert.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KERNEL_SECONDS 280U

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s (%s)\n", file, line, sentence, expression);
    abort();
}

/* --- threads ---------------------------------------------------------------------------------- */

struct kernel_thread {
    struct thread thread; /* first: thread_unpark gets a pointer to it */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool token; /* under lock */
    uint32_t cpu;
    bool interrupts_off;
    void (*work)(void *argument);
    void *argument;
};

static _Thread_local struct kernel_thread *kernel_self;
static struct kernel_thread kernel_main_thread = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct kernel_thread *self(void)
{
    return kernel_self != NULL ? kernel_self : &kernel_main_thread;
}

static void make_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

uint32_t hosted_cpu_id(void)
{
    return self()->cpu;
}

struct thread *hosted_thread_current(void)
{
    return &self()->thread;
}

hal_interrupt_state hosted_interrupts_save(void)
{
    hal_interrupt_state was_on = !self()->interrupts_off;

    self()->interrupts_off = true;
    return was_on;
}

void hosted_interrupts_restore(hal_interrupt_state state)
{
    self()->interrupts_off = state == 0;
}

bool hosted_interrupts_enabled(void)
{
    return !self()->interrupts_off;
}

void hosted_cpu_relax(void)
{
    sched_yield();
}

void thread_preempt(void)
{
}

uint64_t hal_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * HAL_NS_PER_S + (uint64_t)now.tv_nsec;
}

void thread_unpark(struct thread *thread)
{
    struct kernel_thread *sleeper = (struct kernel_thread *)(void *)thread;

    pthread_mutex_lock(&sleeper->lock);
    sleeper->token = true;
    pthread_cond_signal(&sleeper->woken);
    pthread_mutex_unlock(&sleeper->lock);
}

hx_err thread_park(uint64_t deadline_ns)
{
    struct kernel_thread *me = self();
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / HAL_NS_PER_S),
                                .tv_nsec = (long)(deadline_ns % HAL_NS_PER_S)};
    int error = 0;
    bool token;

    pthread_mutex_lock(&me->lock);
    while (!me->token && error == 0) {
        error = deadline_ns == THREAD_NO_DEADLINE
                    ? pthread_cond_wait(&me->woken, &me->lock)
                    : pthread_cond_timedwait(&me->woken, &me->lock, &deadline);
    }
    token = me->token;
    me->token = false;
    pthread_mutex_unlock(&me->lock);
    return token ? HX_OK : HX_ETIMEDOUT;
}

/* --- processors ------------------------------------------------------------------------------- */

static _Atomic uint32_t kernel_barriers;

_Atomic uint64_t cpu_online_bits = 1;
_Atomic uint64_t cpu_open_bits = 1;

/* A message to every CPU: the host makes every running thread of the process pass a barrier. */
void cpu_call(uint64_t mask, void (*function)(void *argument), void *argument)
{
    (void)mask;
    assert_true(hal_interrupts_enabled());
    function(argument);
    atomic_fetch_add(&kernel_barriers, 1);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) != 0) {
        abort();
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

static struct {
    _Atomic int64_t live;
    uint64_t fail_in; /* 0: none */
    _Atomic owner_tag last_owner;
} kernel_heap;

void *heap_allocate(size_t size, owner_tag owner)
{
    void *memory;

    assert_true(owner != OWNER_NONE);
    if (kernel_heap.fail_in != 0 && --kernel_heap.fail_in == 0) {
        return NULL;
    }
    memory = aligned_alloc(64, (size + 63) & ~(size_t)63);
    assert_non_null(memory);
    memset(memory, 0xa5, size);
    kernel_heap.last_owner = owner;
    atomic_fetch_add(&kernel_heap.live, 1);
    return memory;
}

void *heap_allocate_zeroed(size_t size, owner_tag owner)
{
    void *memory = heap_allocate(size, owner);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void heap_free(void *pointer)
{
    if (pointer != NULL) {
        assert_false(context_is_interrupt());
        atomic_fetch_sub(&kernel_heap.live, 1);
        free(pointer);
    }
}

/* --- running ---------------------------------------------------------------------------------- */

HX_UNUSED static void kernel_start(void)
{
    make_condition(&kernel_main_thread.woken);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0) != 0) {
        abort();
    }
    alarm(KERNEL_SECONDS * (getenv("HELIX_SOAK") != NULL ? 20 : 1));
}

static void *kernel_thread_main(void *argument)
{
    kernel_self = argument;
    kernel_self->work(kernel_self->argument);
    return NULL;
}

#define KERNEL_THREADS 16U

struct work {
    void (*function)(void *argument);
    void *argument;
};

HX_UNUSED static void on_threads(const struct work *works, uint32_t count)
{
    static struct kernel_thread threads[KERNEL_THREADS];
    pthread_t handles[KERNEL_THREADS];

    assert_true(count <= KERNEL_THREADS);
    for (uint32_t i = 0; i < count; i++) {
        memset(&threads[i], 0, sizeof threads[i]);
        pthread_mutex_init(&threads[i].lock, NULL);
        make_condition(&threads[i].woken);
        threads[i].cpu = i + 1;
        threads[i].work = works[i].function;
        threads[i].argument = works[i].argument;
        assert_int_equal(pthread_create(&handles[i], NULL, kernel_thread_main, &threads[i]), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(handles[i], NULL), 0);
    }
}

/* How often to do something: so often in a long campaign, a hundredth of it otherwise. */
HX_UNUSED static uint64_t campaign(uint64_t full)
{
    return getenv("HELIX_SOAK") != NULL ? full : full / 100;
}

#endif
