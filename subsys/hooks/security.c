#include <subsys/hooks/security.h>

#include <core/capability/capability.h>
#include <core/gate/gate.h>
#include <core/gate/loan.h>
#include <core/syscall/syscall.h>
#include <helix/hook.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <stdatomic.h>
#include <subsys/hooks/policy.h>
#include <subsys/modules/modules.h>

struct rules {
    uint64_t open[SYSCALL_SET_WORDS]; /* bit n: calls of that number are everyone's */
    struct hx_hook_policy policy;
};

/* Keys: A = atomic, M = mutex */
static struct {
    _Atomic(const struct rules *) rules; /* A  written under the mutex */
    _Atomic uint64_t checked;            /* A */
    _Atomic uint64_t refused;            /* A */
    _Atomic uint64_t alone;              /* A */
    struct slot *slot;                   /* M  before the hook is added */
    struct mutex mutex;
    bool is_prepared; /* M */
} security = {
    .mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "security policy"),
              .waiters = LIST_INIT(security.mutex.waiters)},
};

/* --- the check -------------------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Give the module the policy; what it has of one, it has from here. */
static hx_err tell_locked(const struct rules *rules)
{
    struct hal_gate_result result;
    struct loan loan;
    uint64_t handle = loan_open_read_only(&loan, &rules->policy, sizeof(rules->policy));

    result =
        gate_call(security.slot, HOOK_CONFIGURE, HX_HOOK_POLICY, handle, sizeof(rules->policy), 0);
    loan_close(&loan);
    return result.error != HX_OK ? result.error : (hx_err)result.value;
}

static hx_err tell(void)
{
    hx_err error;

    mutex_lock(&security.mutex);
    error = tell_locked(atomic_load_explicit(&security.rules, memory_order_relaxed));
    mutex_unlock(&security.mutex);
    return error;
}

/* Wait until the gate is open; what is read does not matter. */
static void wait_for_gate(void)
{
    if (gate_call(security.slot, HOOK_READ, HX_HOOK_REFUSED, 0, 0, 0).error == HX_EAGAIN) {
        thread_yield(); /* all ways in are taken, by callers that leave again */
    }
}

/* What the policy says.  In a read section. */
static hx_err right_answer(uint32_t number, bool holds)
{
    /* Acquire: pairs with the release in use_locked. */
    const struct rules *rules = atomic_load_explicit(&security.rules, memory_order_acquire);
    struct hx_hook_rule rule = policy_rule_of(&rules->policy, number);

    if (rule.who == HX_HOOK_EVERYONE || (rule.who == HX_HOOK_HOLDERS && holds)) {
        return HX_OK;
    }
    return rule.error == HX_EACCES ? HX_EACCES : HX_EPERM;
}

/*
 * The module's answer; HX_ENOSYS: it has none. Leaves the read section and enters it again where it
 * has to wait. One that knows no policy, or judges by another, is told it; who judges otherwise
 * then ends, and what is right counts.
 */
static hx_err ask(uint32_t number, subject_id subject)
{
    uint64_t class = syscall_class_of(number);
    resource_id resource = resource_make(RESOURCE_TYPE_CALLS, class);
    bool holds = capability_check(subject, resource, PERMISSION_EXECUTE);
    bool was_told = false;
    struct hal_gate_result result;
    hx_err right;

    for (;;) {
        result = gate_call(security.slot, HOOK_PRE, number, class, subject, holds);
        right = right_answer(number, holds);
        if (result.error == HX_OK && (hx_err)result.value == right) {
            return right;
        }
        if (result.error != HX_OK && result.error != HX_EAGAIN) {
            return HX_ENOSYS;
        }
        if (result.error == HX_OK && was_told) {
            slot_distrust(security.slot);
            return right;
        }
        read_leave();
        if (result.error == HX_EAGAIN) {
            wait_for_gate();
        } else if (tell() == HX_OK) {
            was_told = true;
        } else {
            read_enter();
            return HX_ENOSYS;
        }
        read_enter();
    }
}

/* While nobody can be asked, calls are kept from all but those who may change that. */
static hx_err judge_alone(subject_id subject)
{
    count(&security.alone);
    slot_tell_troubles();
    return capability_check(subject, modules_slot_resource(security.slot), PERMISSION_CONTROL)
               ? HX_OK
               : HX_EPERM;
}

static HX_NOINLINE int64_t decide(const struct syscall_call *call)
{
    subject_id subject = syscall_identity().subject;
    hx_err answer = ask(call->number, subject);

    if (answer == HX_ENOSYS) {
        answer = judge_alone(subject);
    }
    count(&security.checked);
    if (answer == HX_OK) {
        return 0;
    }
    count(&security.refused);
    return -(int64_t)hx_error_errno(answer == HX_EACCES ? HX_EACCES : HX_EPERM);
}

static bool is_in(const uint64_t *numbers, uint32_t number)
{
    return (numbers[number / 64] >> (number % 64) & 1) != 0;
}

static int64_t check(const struct syscall_call *call, void *argument)
{
    /* Acquire: pairs with the release in use_locked. */
    const struct rules *rules = atomic_load_explicit(&security.rules, memory_order_acquire);
    uint32_t number = call->number;

    (void)argument;
    if (HX_LIKELY(number < SYSCALL_MAX && is_in(rules->open, number))) {
        return 0;
    }
    return decide(call);
}

/* --- policies --------------------------------------------------------------------------------- */

static bool is_everyones(const struct hx_hook_policy *policy)
{
    for (unsigned class = 0; class < SYSCALL_CLASS_COUNT; class ++) {
        if (policy->classes[class].who != HX_HOOK_EVERYONE) {
            return false;
        }
    }
    return true;
}

/* A number that nobody has may come to be one of any class, and is judged when it is called, unless
 * all classes are everyone's. */
static bool is_open(const struct hx_hook_policy *policy, uint32_t number, bool are_all_open)
{
    return policy_rule_of(policy, number).who == HX_HOOK_EVERYONE &&
           (are_all_open || policy->calls[number].is_given || syscall_lookup(number) != NULL);
}

static void find_open(struct rules *rules)
{
    bool are_all_open = is_everyones(&rules->policy);

    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        if (is_open(&rules->policy, number, are_all_open)) {
            rules->open[number / 64] |= 1ULL << number % 64;
        }
    }
}

/* Have the hook see the numbers that are not open in one of the two.  Errors: HX_ENOMEM; HX_OK too
 * when the hook is not there yet. */
static hx_err see_closed(const struct rules *one, const struct rules *other)
{
    uint64_t numbers[SYSCALL_SET_WORDS];
    hx_err error;

    for (uint32_t word = 0; word < SYSCALL_SET_WORDS; word++) {
        numbers[word] = ~(one->open[word] & other->open[word]);
    }
    error = syscall_hook_set_numbers(SECURITY_HOOK, numbers);
    return error == HX_ENOENT ? HX_OK : error;
}

/* Errors: those of the module, which then has the policy it had; that there is none is no error. */
static hx_err tell_if_there_locked(const struct rules *rules)
{
    hx_err error = tell_locked(rules);

    return error == HX_ENOENT || error == HX_EDIED || error == HX_ENOSYS ? HX_OK : error;
}

/*
 * From the old rules to new ones: the hook sees what either closes while they change. That it may
 * go on to see more than it has to does no harm.
 */
static hx_err use_locked(const struct rules *rules)
{
    const struct rules *old = atomic_load_explicit(&security.rules, memory_order_relaxed);
    hx_err error = see_closed(old, rules);

    if (error == HX_OK) {
        error = tell_if_there_locked(rules);
    }
    if (error != HX_OK) {
        return error;
    }
    /* Release: pairs with check. */
    atomic_store_explicit(&security.rules, rules, memory_order_release);
    read_synchronize();
    heap_free((void *)old);
    (void)!see_closed(rules, rules);
    return HX_OK;
}

static hx_err use(struct rules *rules)
{
    hx_err error;

    find_open(rules);
    mutex_lock(&security.mutex);
    error = use_locked(rules);
    mutex_unlock(&security.mutex);
    return error;
}

hx_err security_replace(const char *text, size_t length, char *error, size_t error_size)
{
    struct rules *rules = heap_allocate_zeroed(sizeof(*rules), OWNER_CORE);
    struct text told = text_into(error, error_size);
    hx_err result;

    if (rules == NULL) {
        text_add(&told, "out of memory");
        return HX_ENOMEM;
    }
    result = policy_read(&rules->policy, text, length, error, error_size);
    if (result == HX_OK) {
        result = use(rules);
    }
    if (result != HX_OK) {
        heap_free(rules);
    }
    if (result == HX_ENOMEM) {
        text_add(&told, "out of memory");
    }
    return result;
}

void security_show(struct text *text)
{
    mutex_lock(&security.mutex);
    policy_write(&atomic_load_explicit(&security.rules, memory_order_relaxed)->policy, text);
    mutex_unlock(&security.mutex);
}

hx_err security_prepare(void)
{
    struct rules *rules;

    mutex_lock(&security.mutex);
    security.slot = slot_find(SECURITY_SLOT);
    rules = security.is_prepared ? NULL : heap_allocate_zeroed(sizeof(*rules), OWNER_CORE);
    if (rules != NULL) {
        find_open(rules);
        atomic_store_explicit(&security.rules, rules, memory_order_release);
        security.is_prepared = true;
    }
    mutex_unlock(&security.mutex);
    return security.slot == NULL ? HX_ENOENT : security.is_prepared ? HX_OK : HX_ENOMEM;
}

hx_err security_start(int32_t order)
{
    static const uint64_t none[SYSCALL_SET_WORDS];
    const struct rules *rules;
    hx_err error = security_prepare();

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&security.mutex);
    rules = atomic_load_explicit(&security.rules, memory_order_relaxed);
    error = syscall_hook_add(&(struct syscall_hook){
        .name = SECURITY_HOOK, .order = order, .pre = check, .numbers = none});
    if (error == HX_OK) {
        error = see_closed(rules, rules);
    }
    mutex_unlock(&security.mutex);
    return error;
}

struct security_statistics security_statistics(void)
{
    return (struct security_statistics){
        .checked = atomic_load_explicit(&security.checked, memory_order_relaxed),
        .refused = atomic_load_explicit(&security.refused, memory_order_relaxed),
        .alone = atomic_load_explicit(&security.alone, memory_order_relaxed),
    };
}

uint64_t security_refused_of(enum syscall_class class)
{
    struct hal_gate_result result =
        gate_call(security.slot, HOOK_READ, HX_HOOK_REFUSED, class, 0, 0);

    return result.error == HX_OK ? result.value : 0;
}
