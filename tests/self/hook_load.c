#include <tests/self/hook_load.h>

#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <subsys/hooks/hooks.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/selftest.h>

#define EINVAL  22
#define CALLERS 4U
#define TURN    16U /* calls between two yields */

#define FOR_EVER_NS (100000 * HAL_NS_PER_MS)

static const struct swap_options no_trial = {.drain_limit_ns = CREW_PATIENCE_NS};
const struct swap_options hook_load_long_trial = {
    .drain_limit_ns = CREW_PATIENCE_NS, .trial_calls = UINT32_MAX, .trial_ns = FOR_EVER_NS};
const struct hx_module_version hook_load_old_version = {.major = 1, .minor = 0};

static struct crew crew;
static _Atomic bool shall_stop;
static _Atomic uint32_t calls_made;
static _Atomic uint32_t wrong;

/* --- one call --------------------------------------------------------------------------------- */

static int64_t answer(uint64_t result)
{
    return (int64_t)result;
}

static const struct syscall_entry entry = {
    .name = "test_modules", .handler = SYSCALL_HANDLER(answer), .arguments = 1};

int64_t hook_load_call(int64_t result)
{
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {(uint64_t)result};

    return syscall_invoke(HOOK_LOAD_NUMBER, arguments);
}

static int64_t result_of(uint32_t number)
{
    return number % 2 == 0 ? 0 : -EINVAL;
}

void hook_load_call_many(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_EQUAL(hook_load_call(result_of(i)), result_of(i));
    }
}

/* --- begin and end ---------------------------------------------------------------------------- */

struct slot *hook_load_begin(const char *hook, const char *name, enum hal_gate_backend backend)
{
    struct slot *slot = slot_find(name);

    if (slot != NULL) {
        modules_set_options(slot, &no_trial);
    }
    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, backend) != HX_OK ||
        modules_swap(slot, hook, NULL) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "the module of the hook cannot be loaded");
        return NULL;
    }
    EXPECT_EQUAL(syscall_register(HOOK_LOAD_NUMBER, &entry), HX_OK);
    EXPECT_EQUAL(hooks_set(hook, true), HX_OK);
    return slot;
}

void hook_load_end(const char *hook, struct slot *slot)
{
    EXPECT_EQUAL(hooks_set(hook, false), HX_OK);
    EXPECT_EQUAL(syscall_unregister(HOOK_LOAD_NUMBER), HX_OK);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    EXPECT_EQUAL(modules_swap(slot, hook, NULL), HX_OK);
}

/* --- many calls ------------------------------------------------------------------------------- */

static void keep_calling(void *argument)
{
    int64_t refusal = (int64_t)(intptr_t)argument;
    uint32_t made = 0;

    while (!atomic_load_explicit(&shall_stop, memory_order_relaxed)) {
        int64_t result = hook_load_call(result_of(made));

        if (result != (refusal != 0 ? refusal : result_of(made))) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        if (++made % TURN == 0) {
            thread_yield();
        }
    }
    atomic_fetch_add_explicit(&calls_made, made, memory_order_relaxed);
}

void hook_load_start(int64_t refusal)
{
    atomic_store_explicit(&shall_stop, false, memory_order_relaxed);
    atomic_store_explicit(&calls_made, 0, memory_order_relaxed);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < CALLERS; i++) {
        (void)crew_start(&crew, keep_calling, (void *)(intptr_t)refusal, 0);
    }
}

uint32_t hook_load_stop(void)
{
    atomic_store_explicit(&shall_stop, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    return atomic_load_explicit(&calls_made, memory_order_relaxed);
}

void hook_load_swap_often(struct slot *slot, const char *hook)
{
    for (unsigned i = 0; i < HOOK_LOAD_SWAPS; i++) {
        EXPECT_EQUAL(modules_swap(slot, hook, i % 2 == 0 ? &hook_load_old_version : NULL), HX_OK);
        thread_sleep(HAL_NS_PER_MS / 4);
    }
}

void hook_load_kill(struct slot *slot)
{
    (void)instance_doom(slot_instance(slot), DEATH_ASSERTION, 0, 0, 0);
}
