#include <core/orchestrator/bounded_call.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stddef.h>

enum job_state {
    JOB_UNDER_WAY,
    JOB_DONE,      /* the caller frees it */
    JOB_ABANDONED, /* the worker frees it */
};

/* Keys: I = immutable after creation, A = atomic, W = worker until JOB_DONE */
struct job {
    hx_err (*function)(const void *argument); /* I */
    const void *argument;                     /* I */
    hx_err result;                            /* W */
    _Atomic uint32_t state;                   /* A  enum job_state */
};

/* All callers wait here: a job may be gone by the time its worker wakes somebody. */
static struct wait_queue finished = {
    .lock = SPINLOCK_INIT(LOCK_RANK_WAIT_QUEUE, "bounded calls"),
    .waiters = LIST_INIT(finished.waiters),
};

static void work(void *argument)
{
    struct job *job = argument;

    job->result = job->function(job->argument);
    /* Release publishes the result; acquire, when abandoned, takes the caller's last access. */
    if (atomic_exchange_explicit(&job->state, JOB_DONE, memory_order_acq_rel) == JOB_ABANDONED) {
        heap_free(job);
    } else {
        wait_queue_wake_all(&finished);
    }
}

static bool is_done(const struct job *job)
{
    return atomic_load_explicit(&job->state, memory_order_acquire) == JOB_DONE;
}

static hx_err await(struct job *job, uint64_t limit_ns)
{
    uint64_t deadline = hal_clock_now() + limit_ns;
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&finished, &waiter);
    while (!is_done(job) && error == HX_OK) {
        error = wait_queue_wait(&finished, &waiter, deadline);
    }
    wait_queue_finish(&finished, &waiter);
    if (atomic_exchange_explicit(&job->state, JOB_ABANDONED, memory_order_acq_rel) != JOB_DONE) {
        return HX_ETIMEDOUT;
    }
    error = job->result;
    heap_free(job);
    return error;
}

/* A job with its worker, started; NULL where that cannot be had. */
static struct job *start(const char *name, hx_err (*function)(const void *argument),
                         const void *argument)
{
    struct job *job = heap_allocate_zeroed(sizeof *job, OWNER_CORE);
    struct thread_options options = {
        .name = name, .entry = work, .argument = job, .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;

    if (job == NULL) {
        return NULL;
    }
    job->function = function;
    job->argument = argument;
    if (thread_create(&options, &thread) != HX_OK) {
        heap_free(job);
        return NULL;
    }
    thread_start(thread);
    return job;
}

hx_err bounded_call(const char *name, hx_err (*function)(const void *argument),
                    const void *argument, uint64_t limit_ns)
{
    struct job *job = context_can_block() ? start(name, function, argument) : NULL;

    return job != NULL ? await(job, limit_ns) : function(argument);
}
