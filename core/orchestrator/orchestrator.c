#include <base/assert.h>
#include <core/component/component.h>
#include <core/debug/log.h>
#include <core/ipc/event_bus.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/panic.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <stdatomic.h>

/* Keys: B = before init_all by anyone who registers, then under turn, A = atomic */
static struct {
    struct subsystem_set subsystems; /* B */
    uint64_t shutdown_limit_ns;      /* B */
    struct mutex turn;               /* of who suspends, resumes or shuts down */
    _Atomic uint32_t state; /* A  enum kernel_state; kernel_state_transition alone writes it */
} orchestrator = {
    .subsystems = {.init_retries = SUBSYSTEM_INIT_RETRIES},
    .shutdown_limit_ns = SUBSYSTEM_SHUTDOWN_LIMIT_NS,
    .turn = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "orchestrator"),
             .waiters = LIST_INIT(orchestrator.turn.waiters)},
};

/* One after the other: somebody suspends while another one shuts down.  Errors: HX_EBUSY, where
 * the caller cannot wait. */
HX_MUST_USE static hx_err take_turn(void)
{
    if (mutex_try_lock(&orchestrator.turn)) {
        return HX_OK;
    }
    if (!context_can_block()) {
        return HX_EBUSY;
    }
    mutex_lock(&orchestrator.turn);
    return HX_OK;
}

static void give_turn(void)
{
    mutex_unlock(&orchestrator.turn);
}

/* --- as a component --------------------------------------------------------------------------- */

static void stats(struct component_stats *numbers)
{
    const struct subsystem_set *subsystems = &orchestrator.subsystems;

    numbers->operations = atomic_load_explicit(&subsystems->steps, memory_order_relaxed);
    numbers->errors = atomic_load_explicit(&subsystems->failures, memory_order_relaxed);
    numbers->memory_bytes = sizeof orchestrator;
    numbers->last_error = atomic_load_explicit(&subsystems->last_error, memory_order_relaxed);
}

static bool is_healthy(void)
{
    return kernel_state_current() != KERNEL_PANIC;
}

static const struct component component = {
    .name = "orchestrator",
    .version = "1.0.0",
    .health_check = is_healthy,
    .stats = stats,
};

/* --- the state (SPEC K3: static, so nobody else can link to it) ------------------------------- */

enum kernel_state kernel_state_current(void)
{
    return (enum kernel_state)atomic_load_explicit(&orchestrator.state, memory_order_seq_cst);
}

HX_MUST_USE static hx_err refuse(enum kernel_state from, enum kernel_state to)
{
    kwarn("state: %s -> %s is refused", kernel_state_name(from), kernel_state_name(to));
    return HX_ESTATE;
}

/* SPEC K4. The new state is visible already. */
static void publish_change(enum kernel_state from, enum kernel_state to)
{
    if (to == KERNEL_PANIC) {
        event_bus_enter_panic();
    }
    (void)event_publish(&(struct kernel_event){.kind = EVENT_STATE_CHANGED,
                                               .topic = EVENT_TOPIC_KERNEL_STATE,
                                               .state_changed = {from, to}});
}

/* Move the state if the table allows it, and publish that. Errors: HX_ESTATE, nothing has changed.
 */
HX_MUST_USE static hx_err kernel_state_transition(enum kernel_state to)
{
    uint32_t from = atomic_load_explicit(&orchestrator.state, memory_order_seq_cst);

    do {
        if (!kernel_state_allows((enum kernel_state)from, to)) {
            return refuse((enum kernel_state)from, to);
        }
        /* Sequentially consistent: lifecycle_wait_shutdown announces itself, then reads the state.
         */
    } while (!atomic_compare_exchange_weak_explicit(&orchestrator.state, &from, (uint32_t)to,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    publish_change((enum kernel_state)from, to);
    return HX_OK;
}

/* Move state and phase together. The phase is looked at first, so that both move or none. */
HX_MUST_USE static hx_err enter(enum kernel_state state, enum lifecycle_phase phase)
{
    hx_err error;

    if ((unsigned)lifecycle_phase() + 1 != (unsigned)phase) {
        kwarn("state: %s needs the phase before %s", kernel_state_name(state),
              lifecycle_phase_name(phase));
        return HX_ESTATE;
    }
    error = kernel_state_transition(state);
    return error != HX_OK ? error : lifecycle_advance(phase);
}

void orchestrator_enter_panic(void)
{
    if (kernel_state_current() != KERNEL_PANIC) {
        hx_err error = kernel_state_transition(KERNEL_PANIC);

        (void)error; /* refused only when another CPU was quicker: it is Panic then */
    }
}

/* --- start ------------------------------------------------------------------------------------ */

hx_err orchestrator_register(const struct subsystem *subsystem, subsystem_id *id)
{
    if (kernel_state_current() != KERNEL_EARLY_BOOT) {
        return HX_ESTATE;
    }
    return subsystem_set_add(&orchestrator.subsystems, subsystem, id);
}

void orchestrator_set_init_retries(uint32_t retries)
{
    orchestrator.subsystems.init_retries = retries;
}

hx_err orchestrator_init_all(const struct boot_configuration *config,
                             struct subsystem_failure *failure)
{
    hx_err error = enter(KERNEL_INITIALIZING, PHASE_CORE_INIT);

    if (error == HX_OK) {
        error = component_register(&component);
    }
    return error != HX_OK ? error : subsystem_set_init(&orchestrator.subsystems, config, failure);
}

void orchestrator_start(const struct boot_configuration *config)
{
    static struct subsystem_failure failure;
    hx_err error = orchestrator_init_all(config, &failure);

    if (error != HX_OK) {
        panic("the kernel cannot start: %s", failure.text);
    }
}

hx_err orchestrator_run(void)
{
    hx_err error = enter(KERNEL_RUNNING, PHASE_RUNNING);

    if (error == HX_OK) {
        lifecycle_state_changed();
    }
    return error;
}

/* --- stop ------------------------------------------------------------------------------------- */

void orchestrator_set_shutdown_limit(uint64_t nanoseconds)
{
    orchestrator.shutdown_limit_ns = nanoseconds;
}

static hx_err shut_down_in_turn(struct subsystem_failure *failure)
{
    hx_err first = enter(KERNEL_SHUTTING_DOWN, PHASE_SHUTTING_DOWN);
    hx_err error;

    if (first != HX_OK) {
        return first;
    }
    first =
        subsystem_set_shutdown(&orchestrator.subsystems, orchestrator.shutdown_limit_ns, failure);
    error = lifecycle_advance(PHASE_HALTED);
    return first != HX_OK ? first : error;
}

hx_err orchestrator_shutdown_all(struct subsystem_failure *failure)
{
    hx_err error = take_turn();

    if (error == HX_OK) {
        error = shut_down_in_turn(failure);
        give_turn();
    }
    return error;
}

/* --- suspend and resume ----------------------------------------------------------------------- */

static hx_err suspend_in_turn(struct subsystem_failure *failure)
{
    hx_err error;

    if (kernel_state_current() != KERNEL_RUNNING) {
        return refuse(kernel_state_current(), KERNEL_SUSPENDED);
    }
    error = subsystem_set_suspend(&orchestrator.subsystems, failure);
    return error != HX_OK ? error : kernel_state_transition(KERNEL_SUSPENDED);
}

hx_err orchestrator_suspend(struct subsystem_failure *failure)
{
    hx_err error = take_turn();

    if (error == HX_OK) {
        error = suspend_in_turn(failure);
        give_turn();
    }
    return error;
}

static hx_err resume_in_turn(struct subsystem_failure *failure)
{
    hx_err error;

    if (kernel_state_current() != KERNEL_SUSPENDED) {
        return refuse(kernel_state_current(), KERNEL_RUNNING);
    }
    error = subsystem_set_resume(&orchestrator.subsystems, failure);
    return error != HX_OK ? error : kernel_state_transition(KERNEL_RUNNING);
}

hx_err orchestrator_resume(struct subsystem_failure *failure)
{
    hx_err error = take_turn();

    if (error == HX_OK) {
        error = resume_in_turn(failure);
        give_turn();
    }
    if (error == HX_OK) {
        lifecycle_state_changed();
    }
    return error;
}

/* --- readers ---------------------------------------------------------------------------------- */

const struct subsystem_set *orchestrator_subsystems(void)
{
    return &orchestrator.subsystems;
}
