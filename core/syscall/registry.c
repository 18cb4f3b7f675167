#include <core/debug/log.h>
#include <core/syscall/registry.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <stddef.h>

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "system calls"); /* for writers */

#define SLOW_16                                                                                    \
    syscall_slow, syscall_slow, syscall_slow, syscall_slow, syscall_slow, syscall_slow,            \
        syscall_slow, syscall_slow, syscall_slow, syscall_slow, syscall_slow, syscall_slow,        \
        syscall_slow, syscall_slow, syscall_slow, syscall_slow
#define SLOW_128 SLOW_16, SLOW_16, SLOW_16, SLOW_16, SLOW_16, SLOW_16, SLOW_16, SLOW_16
_Atomic(syscall_target) syscall_targets[SYSCALL_MAX] = {SLOW_128, SLOW_128, SLOW_128, SLOW_128};
_Static_assert(SYSCALL_MAX == 4 * 128, "every number begins with nobody");

_Atomic(syscall_handler) syscall_handlers[SYSCALL_MAX];
static _Atomic(const struct syscall_entry *) entries[SYSCALL_MAX];
static uint64_t slow[SYSCALL_SET_WORDS]; /* under the lock  numbers that hooks look at */
static _Atomic uint64_t absent[SYSCALL_MAX + 1];

/* --- numbers that nobody has ------------------------------------------------------------------ */

static _Atomic(const char *const *) absent_names;

void syscall_set_absent_names(const char *const names[SYSCALL_MAX])
{
    /* Release: pairs with name_of_absent. */
    atomic_store_explicit(&absent_names, names, memory_order_release);
}

static const char *name_of_absent(uint32_t number)
{
    /* Acquire: pairs with syscall_set_absent_names. */
    const char *const *names = atomic_load_explicit(&absent_names, memory_order_acquire);
    const char *name = names != NULL && number < SYSCALL_MAX ? names[number] : NULL;

    return name != NULL ? name : "a number without a name";
}

int64_t syscall_absent(uint32_t number)
{
    uint32_t known = number < SYSCALL_MAX ? number : SYSCALL_MAX;

    if (atomic_fetch_add_explicit(&absent[known], 1, memory_order_relaxed) == 0) {
        kinfo("thread %u (%s) called %s (%u), which does not exist here", thread_current()->id,
              thread_current()->name, name_of_absent(number), number);
    }
    return -(int64_t)hx_error_errno(HX_ENOSYS);
}

uint64_t syscall_absent_count(uint32_t number)
{
    uint32_t known = number < SYSCALL_MAX ? number : SYSCALL_MAX;

    return atomic_load_explicit(&absent[known], memory_order_relaxed);
}

static void report_one(uint32_t number)
{
    uint64_t count = syscall_absent_count(number);

    if (count != 0) {
        kprintln("  %s (%s%u): %llu times", name_of_absent(number),
                 number == SYSCALL_MAX ? "from " : "", number, (unsigned long long)count);
    }
}

void syscall_report_absent(void)
{
    kprintln("system calls that were asked for and do not exist:");
    for (uint32_t number = 0; number <= SYSCALL_MAX; number++) {
        report_one(number);
    }
}

/* --- registration ----------------------------------------------------------------------------- */

static bool is_name_character(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') ||
           character == '_';
}

static bool is_name(const char *name)
{
    size_t length = 0;

    while (length < SYSCALL_NAME_MAX && is_name_character(name[length])) {
        length++;
    }
    return length > 0 && length < SYSCALL_NAME_MAX && name[length] == '\0';
}

static bool is_entry(const struct syscall_entry *entry)
{
    return entry != NULL && entry->name != NULL && entry->handler != NULL &&
           entry->arguments <= SYSCALL_ARGUMENTS && is_name(entry->name);
}

/* Where the gateway goes on with a number.  Release, both: pairs with who looks there. */
static void publish_locked(uint32_t number)
{
    const struct syscall_entry *entry = syscall_lookup(number);
    bool is_plain = entry != NULL && entry->validate == NULL;
    bool is_fast = is_plain && (slow[number / 64] >> (number % 64) & 1) == 0;

    atomic_store_explicit(&syscall_handlers[number], is_plain ? entry->handler : NULL,
                          memory_order_release);
    atomic_store_explicit(&syscall_targets[number],
                          is_fast ? (syscall_target)(void (*)(void))entry->handler : syscall_slow,
                          memory_order_release);
}

void syscall_set_slow(const uint64_t numbers[SYSCALL_SET_WORDS])
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        slow[number / 64] = numbers[number / 64];
        publish_locked(number);
    }
    spinlock_release(&lock, state);
}

hx_err syscall_register(uint32_t number, const struct syscall_entry *entry)
{
    hal_interrupt_state state;
    hx_err error = HX_EEXIST;

    if (number >= SYSCALL_MAX) {
        return HX_ERANGE;
    }
    if (!is_entry(entry)) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&lock);
    if (syscall_lookup(number) == NULL) {
        /* Release: pairs with syscall_lookup. */
        atomic_store_explicit(&entries[number], entry, memory_order_release);
        publish_locked(number);
        error = HX_OK;
    }
    spinlock_release(&lock, state);
    return error;
}

hx_err syscall_unregister(uint32_t number)
{
    hal_interrupt_state state;
    hx_err error = HX_ENOENT;

    if (number >= SYSCALL_MAX) {
        return HX_ERANGE;
    }
    state = spinlock_acquire(&lock);
    if (syscall_lookup(number) != NULL) {
        atomic_store_explicit(&entries[number], NULL, memory_order_relaxed);
        publish_locked(number);
        error = HX_OK;
    }
    spinlock_release(&lock, state);
    return error;
}

const struct syscall_entry *syscall_lookup(uint32_t number)
{
    /* Acquire: pairs with the store in syscall_register. */
    return number < SYSCALL_MAX ? atomic_load_explicit(&entries[number], memory_order_acquire)
                                : NULL;
}

/* --- classes ---------------------------------------------------------------------------------- */

enum syscall_class syscall_class_of(uint32_t number)
{
    const struct syscall_entry *entry = syscall_lookup(number);

    if (entry == NULL) {
        return SYSCALL_CLASS_UNKNOWN;
    }
    return entry->class == SYSCALL_CLASS_UNKNOWN && number >= SYSCALL_NATIVE_FIRST
               ? SYSCALL_CLASS_NATIVE
               : (enum syscall_class)entry->class;
}

const char *syscall_class_name(enum syscall_class class)
{
#define CLASS_NAME(name, number, text, meaning) [number] = (text),
    static const char *const names[] = {SYSCALL_CLASS_LIST(CLASS_NAME)};
#undef CLASS_NAME

    return (unsigned)class < SYSCALL_CLASS_COUNT ? names[class] : "?";
}
