#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/timer.h>
#include <subsys/process/interval.h>
#include <subsys/process/process_private.h>

#define PERIOD_LEAST_NS 100000U /* shorter ones would leave no time to handle the signal */

/* When the next signal is due, on the clock of the kind; 0: never. */
struct schedule {
    uint64_t due_ns;
    uint64_t period_ns;
};

/* Keys: I = immutable, M = process_mutex */
struct interval_timers {
    struct timer real;                         /* M */
    struct process *process;                   /* I */
    struct schedule schedules[INTERVAL_KINDS]; /* M  of the real one: as it was set */
};

static const unsigned signals[INTERVAL_KINDS] = {SIGNAL_ALARM, SIGNAL_VIRTUAL_ALARM,
                                                 SIGNAL_PROFILE};

/* Context: irq; the process is there until interval_stop has cancelled the timer. */
static void ring(struct timer *timer)
{
    struct interval_timers *timers = HX_CONTAINER_OF(timer, struct interval_timers, real);
    const struct hal_signal_info info = signal_info_kernel(SIGNAL_ALARM);

    (void)!signal_send(timers->process, &info);
}

static uint64_t now_of(enum interval_kind kind, const struct process *process)
{
    return kind == INTERVAL_REAL ? hal_clock_now()
                                 : atomic_load_explicit(&process->cpu_ns, memory_order_relaxed);
}

/* --- telling ---------------------------------------------------------------------------------- */

/* The clock goes on by itself, so what was set may be long past. */
static struct interval left_of(const struct schedule *schedule, uint64_t now)
{
    uint64_t period = schedule->period_ns;

    if (schedule->due_ns > now) {
        return (struct interval){schedule->due_ns - now, period};
    }
    if (schedule->due_ns == 0 || period == 0) {
        return (struct interval){0, period};
    }
    return (struct interval){period - (now - schedule->due_ns) % period, period};
}

/* --- setting ---------------------------------------------------------------------------------- */

static struct interval_timers *make(struct process *process)
{
    struct interval_timers *timers = heap_allocate_zeroed(sizeof(*timers), OWNER_CORE);

    if (timers != NULL) {
        timer_init(&timers->real, ring);
        timers->process = process;
    }
    return timers;
}

static void start_real(struct interval_timers *timers)
{
    const struct schedule *schedule = &timers->schedules[INTERVAL_REAL];
    uint64_t period = schedule->period_ns;

    (void)timer_cancel(&timers->real);
    if (schedule->due_ns != 0) {
        period = period != 0 && period < PERIOD_LEAST_NS ? PERIOD_LEAST_NS : period;
        timer_start(&timers->real, schedule->due_ns, period);
    }
}

/* Have a thread look at the time when the signal is due, if that is before it would anyway. */
static void look_at(struct process *process, uint64_t due_ns)
{
    if (due_ns < atomic_load_explicit(&process->cpu_check_ns, memory_order_relaxed)) {
        atomic_store_explicit(&process->cpu_check_ns, due_ns, memory_order_relaxed);
    }
}

static void set_locked(struct interval_timers *timers, enum interval_kind kind,
                       const struct interval *wanted)
{
    struct schedule *schedule = &timers->schedules[kind];
    uint64_t now = now_of(kind, timers->process);
    uint64_t most = UINT64_MAX - now;

    *schedule = (struct schedule){.period_ns = wanted->period_ns};
    if (wanted->left_ns != 0) {
        schedule->due_ns = now + (wanted->left_ns < most ? wanted->left_ns : most);
    }
    if (kind == INTERVAL_REAL) {
        start_real(timers);
    } else if (schedule->due_ns != 0) {
        look_at(timers->process, schedule->due_ns);
    }
}

hx_err interval_exchange(enum interval_kind kind, const struct interval *wanted,
                         struct interval *old)
{
    struct process *self = process_current();
    hx_err error = HX_OK;

    *old = (struct interval){0, 0};
    mutex_lock(&process_mutex);
    if (self->intervals == NULL && wanted != NULL && wanted->left_ns != 0) {
        self->intervals = make(self);
        error = self->intervals != NULL ? HX_OK : HX_ENOMEM;
    }
    if (self->intervals != NULL) {
        *old = left_of(&self->intervals->schedules[kind], now_of(kind, self));
        if (wanted != NULL) {
            set_locked(self->intervals, kind, wanted);
        }
    }
    mutex_unlock(&process_mutex);
    return error;
}

/* --- time that has been used ------------------------------------------------------------------ */

static void check_one_locked(struct process *process, enum interval_kind kind, uint64_t used_ns)
{
    struct schedule *schedule = &process->intervals->schedules[kind];
    const struct hal_signal_info info = signal_info_kernel(signals[kind]);

    if (schedule->due_ns == 0 || used_ns < schedule->due_ns) {
        return;
    }
    schedule->due_ns = schedule->period_ns != 0 ? used_ns + left_of(schedule, used_ns).left_ns : 0;
    (void)!signal_send(process, &info);
}

void interval_check_locked(struct process *process, uint64_t used_ns)
{
    if (process->intervals == NULL) {
        return;
    }
    for (enum interval_kind kind = INTERVAL_VIRTUAL; kind <= INTERVAL_PROFILE; kind++) {
        check_one_locked(process, kind, used_ns);
        if (process->intervals->schedules[kind].due_ns != 0) {
            look_at(process, process->intervals->schedules[kind].due_ns);
        }
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

void interval_stop(struct process *process)
{
    struct interval_timers *timers;

    mutex_lock(&process_mutex);
    timers = process->intervals;
    process->intervals = NULL;
    mutex_unlock(&process_mutex);
    if (timers != NULL) {
        (void)timer_cancel(&timers->real);
        heap_free(timers);
    }
}
