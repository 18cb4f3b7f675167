#include <core/debug/console_inlet.h>
#include <core/gate/gate.h>
#include <helix/console.h>
#include <kern/timer.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <subsys/console/console_driver.h>
#include <subsys/console/console_input.h>
#include <subsys/console/console_taker.h>

/* Keys: A = atomic, P = who has set is_watched, and the timer's function */
static struct {
    struct wait_queue work;
    _Atomic uint32_t wanted; /* A  requests so far */
    _Atomic uint32_t done;   /* A  those of them that the thread has seen to */
    _Atomic bool is_late;    /* A  the module has not come back in time; core does not wait */
    _Atomic bool is_watched; /* A  the timer runs */
    uint32_t watched;        /* P  wanted, when the timer was started */
    struct timer patience;
    _Atomic uint64_t lapses; /* A */
    struct thread *thread;   /* of who starts it; NULL: not yet */
} taker = {
    .work = WAIT_QUEUE_INIT(taker.work, "console input"),
};

static uint32_t wanted(void)
{
    /* Pairs with the addition in console_taker_request: what it stands for is in the device. */
    return atomic_load_explicit(&taker.wanted, memory_order_seq_cst);
}

static uint32_t done(void)
{
    return atomic_load_explicit(&taker.done, memory_order_acquire);
}

/* --- patience --------------------------------------------------------------------------------- */

/* Have the timer look after the requests there are, unless it does. */
static void watch(void)
{
    if (!atomic_exchange_explicit(&taker.is_watched, true, memory_order_seq_cst)) {
        taker.watched = wanted();
        timer_start(&taker.patience, hal_clock_now() + CONSOLE_TAKER_PATIENCE_NS, 0);
    }
}

static void lose_patience(void)
{
    atomic_fetch_add_explicit(&taker.lapses, 1, memory_order_relaxed);
    atomic_store_explicit(&taker.is_late, true, memory_order_relaxed);
    (void)console_input_attend();
}

static void look_after(struct timer *timer)
{
    bool is_over = (int32_t)(done() - taker.watched) < 0;

    (void)timer;
    if (is_over) {
        lose_patience();
    }
    /* A request that comes now either finds nobody watching or is seen here. */
    atomic_store_explicit(&taker.is_watched, false, memory_order_seq_cst);
    if (!is_over && wanted() != done()) {
        watch();
    }
}

void console_taker_request(void)
{
    atomic_fetch_add_explicit(&taker.wanted, 1, memory_order_seq_cst);
    wait_queue_wake_all(&taker.work);
    if (atomic_load_explicit(&taker.is_late, memory_order_relaxed)) {
        (void)console_input_attend();
    } else {
        watch();
    }
}

uint64_t console_taker_lapses(void)
{
    return atomic_load_explicit(&taker.lapses, memory_order_relaxed);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Returns how many bytes the module took. */
static uint32_t ask_module(struct slot *slot)
{
    struct hal_gate_result result;
    uint32_t taken;

    console_input_ask(HX_CONSOLE_TAKE_MAX);
    result = gate_call(slot, CONSOLE_TAKE, HX_CONSOLE_TAKE_MAX, 0, 0, 0);
    taken = console_input_answer();
    if (result.error == HX_OK && result.value != taken) {
        slot_distrust(slot);
    }
    return taken;
}

static void take_all(void)
{
    struct slot *slot;

    do {
        slot = console_driver_slot();
    } while (slot != NULL && ask_module(slot) > 0);
    (void)console_input_attend();
}

static uint32_t wait_for_request(void)
{
    struct waiter waiter;
    uint32_t requests;

    wait_queue_prepare(&taker.work, &waiter);
    while ((requests = wanted()) == done()) {
        (void)!wait_queue_wait(&taker.work, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&taker.work, &waiter);
    return requests;
}

HX_NORETURN static void keep_taking(void *argument)
{
    (void)argument;
    for (;;) {
        uint32_t requests = wait_for_request();

        take_all();
        /* Release: pairs with done(); what was asked for before is with its readers. */
        atomic_store_explicit(&taker.done, requests, memory_order_release);
        atomic_store_explicit(&taker.is_late, false, memory_order_relaxed);
    }
}

static hx_err make_thread(void)
{
    static const struct thread_options options = {
        .name = "console input", .entry = keep_taking, .priority = THREAD_PRIORITY_NORMAL};
    hx_err error = thread_create(&options, &taker.thread);

    if (error == HX_OK) {
        timer_init(&taker.patience, look_after);
        thread_start(taker.thread);
    }
    return error;
}

hx_err console_taker_start(void)
{
    hx_err error = taker.thread == NULL ? make_thread() : HX_OK;

    if (error == HX_OK) {
        console_set_taker(console_input_take);
        console_input_set_request(console_taker_request);
    }
    return error;
}
