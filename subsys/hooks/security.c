#include <subsys/hooks/security.h>

#include <core/capability/capability.h>
#include <core/syscall/syscall.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <stdatomic.h>
#include <subsys/hooks/policy.h>

struct rules {
    uint64_t open[SYSCALL_SET_WORDS]; /* bit n: calls of that number are everyone's */
    struct policy policy;
};

/* Keys: A = atomic, M = mutex */
static struct {
    _Atomic(const struct rules *) rules; /* A  written under the mutex */
    _Atomic uint64_t checked;            /* A */
    _Atomic uint64_t refused;            /* A */
    struct mutex mutex;
    bool is_prepared; /* M */
} security = {
    .mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "security policy"),
              .waiters = LIST_INIT(security.mutex.waiters)},
};

/* --- the check -------------------------------------------------------------------------------- */

static bool may_call(const struct policy_rule *rule, uint32_t number)
{
    if (rule->who != POLICY_HOLDERS) {
        return rule->who == POLICY_EVERYONE;
    }
    return capability_check(syscall_identity().subject,
                            resource_make(RESOURCE_TYPE_CALLS, syscall_class_of(number)),
                            PERMISSION_EXECUTE);
}

static HX_NOINLINE int64_t decide(const struct syscall_call *call, const struct rules *rules)
{
    uint32_t number = call->number;
    struct policy_rule rule = policy_rule_of(&rules->policy, number);

    atomic_fetch_add_explicit(&security.checked, 1, memory_order_relaxed);
    if (may_call(&rule, number)) {
        return 0;
    }
    atomic_fetch_add_explicit(&security.refused, 1, memory_order_relaxed);
    return -(int64_t)hx_error_errno((hx_err)rule.error);
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
    return decide(call, rules);
}

/* --- policies --------------------------------------------------------------------------------- */

static bool is_everyones(const struct policy *policy)
{
    for (unsigned class = 0; class < SYSCALL_CLASS_COUNT; class ++) {
        if (policy->classes[class].who != POLICY_EVERYONE) {
            return false;
        }
    }
    return true;
}

/* A number that nobody has may come to be one of any class, and is judged when it is called. */
static bool is_open(const struct policy *policy, uint32_t number)
{
    return policy_rule_of(policy, number).who == POLICY_EVERYONE &&
           (policy->calls[number].is_given || syscall_lookup(number) != NULL ||
            is_everyones(policy));
}

static void find_open(struct rules *rules)
{
    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        if (is_open(&rules->policy, number)) {
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

/*
 * From the old rules to new ones: the hook sees what either closes while they change. That it may
 * go on to see more than it has to does no harm.
 */
static hx_err use_locked(const struct rules *rules)
{
    const struct rules *old = atomic_load_explicit(&security.rules, memory_order_relaxed);
    hx_err error = see_closed(old, rules);

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
    rules = security.is_prepared ? NULL : heap_allocate_zeroed(sizeof(*rules), OWNER_CORE);
    if (rules != NULL) {
        find_open(rules);
        atomic_store_explicit(&security.rules, rules, memory_order_release);
        security.is_prepared = true;
    }
    mutex_unlock(&security.mutex);
    return security.is_prepared ? HX_OK : HX_ENOMEM;
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
    };
}
