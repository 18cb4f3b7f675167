#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/timer.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_private.h>
#include <subsys/process/signal_timer.h>

#define SI_TIMER        (-2)
#define PERIOD_LEAST_NS 100000U /* as often at most is looked at the time */

/* Keys: I = immutable, M = process_mutex, L = the process's lock */
struct signal_timer {
    struct list link; /* M  of the process */
    int32_t id;       /* I */
    struct process *process;
    struct signal_timer_making making;   /* I */
    struct timer timer;                  /* M to start and cancel */
    struct signal_timer_setting setting; /* L  due: the next time */
    int32_t overrun;                     /* L */
    struct signal_entry *entry;          /* I  of a real-time signal; NULL */
};

/* --- ringing ------------------------------------------------------------------------------------
 */

/* How often its time has come; the next one is set. Locked. */
static int32_t advance(struct signal_timer *timer, uint64_t now)
{
    struct signal_timer_setting *setting = &timer->setting;
    uint64_t times;

    if (setting->due_ns == 0 || now < setting->due_ns) {
        return 0;
    }
    times = setting->period_ns == 0 ? 1 : 1 + (now - setting->due_ns) / setting->period_ns;
    setting->due_ns = setting->period_ns == 0 ? 0 : setting->due_ns + times * setting->period_ns;
    return times < INT32_MAX ? (int32_t)times : INT32_MAX;
}

static struct user_thread *find_thread_locked(const struct process *process, uint32_t id)
{
    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (thread->id == id) {
            return thread;
        }
    }
    return NULL;
}

static struct hal_signal_info info_of(const struct signal_timer *timer)
{
    return (struct hal_signal_info){
        .number = (int32_t)timer->making.signal,
        .code = SI_TIMER,
        .fields = {(uint32_t)timer->id | (uint64_t)(uint32_t)timer->overrun << 32,
                   timer->making.value_is_id ? (uint32_t)timer->id : timer->making.value}};
}

/* Context: irq; the process is there until signal_timers_end has cancelled the timer. */
static void ring(struct timer *kernel_timer)
{
    struct signal_timer *timer = HX_CONTAINER_OF(kernel_timer, struct signal_timer, timer);
    struct process *process = timer->process;
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    struct user_thread *target = find_thread_locked(process, timer->making.thread);
    int32_t times = advance(timer, hal_clock_now());
    bool wakes = false;

    if (times > 0 && (target != NULL || timer->making.thread == 0)) {
        struct signal_pending *pending =
            target != NULL ? &target->pending : &process->signals.pending;
        struct hal_signal_info info = info_of(timer);

        timer->overrun = signal_pending_count_again_locked(pending, &info, timer->entry, times)
                             ? timer->overrun + times
                             : times - 1;
        info = info_of(timer);
        wakes = signal_send_kept_locked(process, target, &info, timer->entry);
    }
    spinlock_release(&process->lock, state);
    signal_note_sent(process, wakes);
}

/* --- making and ending --------------------------------------------------------------------------
 */

static struct signal_timer *find_locked(const struct process *process, int32_t id)
{
    LIST_FOR_EACH (link, &process->timers) {
        struct signal_timer *timer = LIST_ENTRY(link, struct signal_timer, link);

        if (timer->id == id) {
            return timer;
        }
    }
    return NULL;
}

static hx_err take_id_locked(struct process *process, int32_t *id)
{
    for (*id = 0; *id < (int32_t)SIGNAL_TIMERS_MAX; ++*id) {
        if (find_locked(process, *id) == NULL) {
            return HX_OK;
        }
    }
    return HX_EAGAIN;
}

static hx_err check_making(struct process *process, const struct signal_timer_making *making)
{
    hal_interrupt_state state;
    bool is_there;

    if (making->signal > SIGNAL_COUNT) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&process->lock);
    is_there = making->thread == 0 || find_thread_locked(process, making->thread) != NULL;
    spinlock_release(&process->lock, state);
    return is_there ? HX_OK : HX_EINVAL;
}

static struct signal_timer *make(struct process *process, const struct signal_timer_making *making)
{
    struct signal_timer *timer = heap_allocate_zeroed(sizeof(*timer), OWNER_CORE);

    if (timer == NULL) {
        return NULL;
    }
    timer->process = process;
    timer->making = *making;
    timer_init(&timer->timer, ring);
    if (making->signal > SIGNAL_STANDARD) {
        timer->entry = signal_entry_make_kept();
        if (timer->entry == NULL) {
            heap_free(timer);
            return NULL;
        }
    }
    return timer;
}

static void dispose(struct signal_timer *timer)
{
    struct process *process = timer->process;
    hal_interrupt_state state;
    bool is_free = true;

    (void)timer_cancel(&timer->timer);
    if (timer->entry != NULL) {
        state = spinlock_acquire(&process->lock);
        is_free = signal_entry_let_go_locked(timer->entry);
        spinlock_release(&process->lock, state);
    }
    if (is_free) {
        heap_free(timer->entry);
    }
    heap_free(timer);
}

hx_err signal_timer_create(const struct signal_timer_making *making, int32_t *id)
{
    struct process *self = process_current();
    struct signal_timer *timer;
    hx_err error = check_making(self, making);

    if (error != HX_OK) {
        return error;
    }
    timer = make(self, making);
    if (timer == NULL) {
        return HX_ENOMEM;
    }
    mutex_lock(&process_mutex);
    error = take_id_locked(self, &timer->id);
    if (error == HX_OK) {
        list_push_back(&self->timers, &timer->link);
    }
    mutex_unlock(&process_mutex);
    *id = timer->id;
    if (error != HX_OK) {
        dispose(timer);
    }
    return error;
}

hx_err signal_timer_delete(int32_t id)
{
    struct process *self = process_current();
    struct signal_timer *timer;

    mutex_lock(&process_mutex);
    timer = find_locked(self, id);
    if (timer != NULL) {
        list_remove(&timer->link);
    }
    mutex_unlock(&process_mutex);
    if (timer == NULL) {
        return HX_EINVAL;
    }
    dispose(timer);
    return HX_OK;
}

void signal_timers_end(struct process *process)
{
    struct list *link;

    do {
        mutex_lock(&process_mutex);
        link = list_pop_front(&process->timers);
        mutex_unlock(&process_mutex);
        if (link != NULL) {
            dispose(LIST_ENTRY(link, struct signal_timer, link));
        }
    } while (link != NULL);
}

/* --- setting and telling ------------------------------------------------------------------------
 */

/* process_mutex is held, so that it is started and cancelled by one at a time. */
static void set_locked(struct signal_timer *timer, const struct signal_timer_setting *wanted)
{
    uint64_t period = wanted->period_ns;
    hal_interrupt_state state;

    (void)timer_cancel(&timer->timer);
    state = spinlock_acquire(&timer->process->lock);
    timer->setting = *wanted;
    timer->overrun = 0;
    spinlock_release(&timer->process->lock, state);
    if (wanted->due_ns != 0 && timer->making.signal != 0) {
        period = period != 0 && period < PERIOD_LEAST_NS ? PERIOD_LEAST_NS : period;
        timer_start(&timer->timer, wanted->due_ns, period);
    }
}

static void tell(struct signal_timer *timer, struct signal_timer_setting *told)
{
    hal_interrupt_state state = spinlock_acquire(&timer->process->lock);

    *told = timer->setting;
    if (timer->making.signal == 0) { /* nobody has looked at the time meanwhile */
        (void)advance(timer, hal_clock_now());
        *told = timer->setting;
    }
    spinlock_release(&timer->process->lock, state);
}

hx_err signal_timer_exchange(int32_t id, const struct signal_timer_setting *wanted,
                             struct signal_timer_setting *old)
{
    struct signal_timer *timer;

    mutex_lock(&process_mutex);
    timer = find_locked(process_current(), id);
    if (timer != NULL) {
        tell(timer, old);
    }
    if (timer != NULL && wanted != NULL) {
        set_locked(timer, wanted);
    }
    mutex_unlock(&process_mutex);
    return timer != NULL ? HX_OK : HX_EINVAL;
}

hx_err signal_timer_clock(int32_t id, uint32_t *clock)
{
    const struct signal_timer *timer;

    mutex_lock(&process_mutex);
    timer = find_locked(process_current(), id);
    if (timer != NULL) {
        *clock = timer->making.clock;
    }
    mutex_unlock(&process_mutex);
    return timer != NULL ? HX_OK : HX_EINVAL;
}

hx_err signal_timer_overrun(int32_t id, int32_t *count)
{
    struct signal_timer *timer;

    mutex_lock(&process_mutex);
    timer = find_locked(process_current(), id);
    if (timer != NULL) {
        hal_interrupt_state state = spinlock_acquire(&timer->process->lock);

        *count = timer->overrun;
        spinlock_release(&timer->process->lock, state);
    }
    mutex_unlock(&process_mutex);
    return timer != NULL ? HX_OK : HX_EINVAL;
}
