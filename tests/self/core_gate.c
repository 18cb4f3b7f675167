/* Calls into modules: both backends, and every way a module can die. */
#include <base/memory.h>
#include <core/gate/gate.h>
#include <core/gate/loan.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <subsys/modules/modules.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define BAD_ADDRESS 0x10UL

/* The demo slot with a live instance behind the backend, NULL (and a failed test) without. */
static struct slot *fresh_demo(enum hal_gate_backend backend)
{
    struct slot *slot = slot_find("demo");

    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, backend) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "the demo module cannot be loaded");
        return NULL;
    }
    return slot;
}

static uint64_t call(struct slot *slot, uint32_t operation, uint64_t a0, uint64_t a1)
{
    struct hal_gate_result result = gate_call(slot, operation, a0, a1, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

static void check_calls(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(call(slot, DEMO_ADD, 40, 2), 42);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 1);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 2);
    EXPECT_EQUAL(call(slot, DEMO_SAY, 0, 0), HX_OK);
    EXPECT_EQUAL(call(slot, DEMO_LOG_FROM, BAD_ADDRESS, 0), HX_EFAULT);
    EXPECT_EQUAL(call(slot, DEMO_DEEP, 4, 0), 10);
    EXPECT_EQUAL(gate_call(slot, HAL_GATE_OPERATIONS - 1, 0, 0, 0, 0).error, HX_ENOSYS);
}

static void an_open_call_returns_the_modules_answer(void)
{
    check_calls(HAL_GATE_OPEN);
}

static void a_user_call_returns_the_modules_answer(void)
{
    check_calls(HAL_GATE_USER);
}

/* --- loans ------------------------------------------------------------------------------------ */

static hx_err reverse(struct slot *slot, uint64_t handle, uint64_t offset, uint64_t size)
{
    struct hal_gate_result result = gate_call(slot, DEMO_REVERSE, handle, offset, size, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return (hx_err)result.value;
}

static void check_loans(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend);
    char bytes[] = "0123456789";
    struct loan loan;
    struct loan other;
    uint64_t handle;

    if (slot == NULL) {
        return;
    }
    handle = loan_open(&loan, bytes, sizeof(bytes) - 1);
    EXPECT_EQUAL(reverse(slot, handle, 2, 5), HX_OK);
    EXPECT(memcmp(bytes, "0165432789", sizeof(bytes)) == 0);
    EXPECT_EQUAL(reverse(slot, handle, 10, 0), HX_OK);
    EXPECT_EQUAL(reverse(slot, handle, 10, 1), HX_ERANGE);
    EXPECT_EQUAL(reverse(slot, handle, UINT64_MAX, 2), HX_ERANGE);
    EXPECT_EQUAL(reverse(slot, handle + 1, 0, 1), HX_EINVAL);
    EXPECT_EQUAL(reverse(slot, 0, 0, 1), HX_EINVAL);
    EXPECT_EQUAL(reverse(slot, loan_open_read_only(&other, bytes, 4), 0, 4), HX_EPERM);
    EXPECT_EQUAL(reverse(slot, handle, 0, 10), HX_OK); /* both are open */
    loan_close(&other);
    loan_close(&loan);
    EXPECT(memcmp(bytes, "9872345610", sizeof(bytes)) == 0);
    EXPECT_EQUAL(reverse(slot, handle, 0, 1), HX_EINVAL);
    (void)loan_open_to_fill(&loan, bytes, sizeof(bytes) - 1);
    loan_close(&loan);
    EXPECT(bytes[0] == 0 && bytes[sizeof(bytes) - 2] == 0); /* nothing of before is lent */
    loan_open(&loan, bytes, 1);
    loan.place++; /* as a call of the module it calls would */
    EXPECT_EQUAL(reverse(slot, handle, 0, 1), HX_EINVAL);
    loan_close(&loan);
}

static void an_open_instance_reaches_what_it_is_lent_and_no_more(void)
{
    check_loans(HAL_GATE_OPEN);
}

static void a_user_instance_reaches_what_it_is_lent_and_no_more(void)
{
    check_loans(HAL_GATE_USER);
}

/* --- death ------------------------------------------------------------------------------------ */

struct crash {
    uint32_t operation;
    uint64_t a0;
    enum death_cause cause_open;
    enum death_cause cause_user;
};

static const struct crash crashes[] = {
    {DEMO_WILD_WRITE, BAD_ADDRESS, DEATH_EXCEPTION, DEATH_EXCEPTION},
    {DEMO_WILD_READ, BAD_ADDRESS, DEATH_EXCEPTION, DEATH_EXCEPTION},
    {DEMO_WILD_JUMP, BAD_ADDRESS, DEATH_EXCEPTION, DEATH_EXCEPTION},
    {DEMO_DIVIDE, 1, DEATH_EXCEPTION, DEATH_EXCEPTION},
    {DEMO_ILLEGAL, 0, DEATH_EXCEPTION, DEATH_EXCEPTION},
    {DEMO_INTERRUPTS_OFF, 0, DEATH_INTERRUPTS, DEATH_EXCEPTION},
    {DEMO_ENDLESS_LOOP, 0, DEATH_DEADLINE, DEATH_DEADLINE},
    {DEMO_UNINTERRUPTIBLE, 0, DEATH_UNINTERRUPTIBLE, DEATH_EXCEPTION},
    {DEMO_DEEP, 1000000, DEATH_EXCEPTION, DEATH_EXCEPTION},
    {DEMO_GIVE_UP, 0, DEATH_ASSERTION, DEATH_ASSERTION},
};

/* The caller gets its error, with its own state as it was, and the slot is empty. */
static void check_death(enum hal_gate_backend backend, const struct crash *crash)
{
    struct slot *slot = fresh_demo(backend);
    uint32_t depth = thread_current()->preempt_depth;
    const struct module_instance *instance;

    if (slot == NULL) {
        return;
    }
    instance = slot_instance(slot);
    EXPECT_EQUAL(gate_call(slot, crash->operation, crash->a0, 0, 0, 0).error, HX_EDIED);
    EXPECT(hal_interrupts_enabled());
    EXPECT_EQUAL(thread_current()->preempt_depth, depth);
    EXPECT(gate_activation(thread_current()) == NULL);
    EXPECT(slot_instance(slot) == NULL);
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, 1, 1, 0, 0).error, HX_ENOENT);
    EXPECT_EQUAL(instance->death_cause,
                 backend == HAL_GATE_OPEN ? crash->cause_open : crash->cause_user);
    /* And a fresh instance serves. */
    slot = fresh_demo(backend);
    if (slot != NULL) {
        EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 1);
    }
}

static void check_deaths(enum hal_gate_backend backend)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(crashes); i++) {
        check_death(backend, &crashes[i]);
    }
}

/* SPEC: H5 */
static void every_crash_behind_the_open_gate_is_contained(void)
{
    check_deaths(HAL_GATE_OPEN);
}

/* SPEC: H5 */
static void every_crash_behind_the_user_gate_is_contained(void)
{
    check_deaths(HAL_GATE_USER);
}

/* Addresses that an unprivileged module must not reach: kernel image, direct map, its caller's
 * stack. */
static void the_user_gate_keeps_a_module_off_the_kernels_memory(void)
{
    uint64_t local = 1;
    const uint64_t targets[] = {hal_kernel_image().text.base, hal_kernel_image().data.base,
                                (uint64_t)hal_direct_map(0x100000), (uint64_t)&local};

    for (size_t i = 0; i < HX_ARRAY_SIZE(targets); i++) {
        const struct crash write = {DEMO_WILD_WRITE, targets[i], DEATH_NONE, DEATH_EXCEPTION};
        const struct crash read = {DEMO_WILD_READ, targets[i], DEATH_NONE, DEATH_EXCEPTION};
        const struct crash jump = {DEMO_WILD_JUMP, targets[i], DEATH_NONE, DEATH_EXCEPTION};

        check_death(HAL_GATE_USER, &write);
        check_death(HAL_GATE_USER, &read);
        check_death(HAL_GATE_USER, &jump);
    }
    EXPECT_EQUAL(local, 1);
}

/* The kernel's text is not writable, for a module in the kernel's own mode either. */
static void the_open_gate_keeps_a_module_off_the_kernels_text(void)
{
    const struct crash write = {DEMO_WILD_WRITE, hal_kernel_image().text.base, DEATH_EXCEPTION,
                                DEATH_EXCEPTION};

    check_death(HAL_GATE_OPEN, &write);
}

/* --- many callers ----------------------------------------------------------------------------- */

#define CALLERS 4
#define CALLS   200

static _Atomic uint32_t callers_left;
static _Atomic uint32_t wrong_answers;

static void call_many(void *argument)
{
    struct slot *slot = argument;

    for (uint64_t i = 0; i < CALLS; i++) {
        struct hal_gate_result result = gate_call(slot, DEMO_ADD, i, 1, 0, 0);

        if (result.error != HX_OK || result.value != i + 1) {
            atomic_fetch_add_explicit(&wrong_answers, 1, memory_order_relaxed);
        }
        if (i % 16 == 0) {
            thread_yield();
        }
    }
    atomic_fetch_sub_explicit(&callers_left, 1, memory_order_release);
}

static void check_many_callers(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend);

    if (slot == NULL) {
        return;
    }
    atomic_store_explicit(&wrong_answers, 0, memory_order_relaxed);
    atomic_store_explicit(&callers_left, CALLERS, memory_order_relaxed);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct thread *thread;

        if (thread_create(&(struct thread_options){.name = "gate-caller",
                                                   .entry = call_many,
                                                   .argument = slot,
                                                   .priority = THREAD_PRIORITY_NORMAL},
                          &thread) == HX_OK) {
            thread_start(thread);
        }
    }
    while (atomic_load_explicit(&callers_left, memory_order_acquire) != 0) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(atomic_load_explicit(&wrong_answers, memory_order_relaxed), 0);
}

static void many_threads_call_one_open_instance_at_once(void)
{
    check_many_callers(HAL_GATE_OPEN);
}

static void many_threads_call_one_user_instance_at_once(void)
{
    check_many_callers(HAL_GATE_USER);
}

const struct selftest core_gate_tests[] = {
    {"core_gate.an_open_call_returns_the_modules_answer", an_open_call_returns_the_modules_answer,
     0},
    {"core_gate.a_user_call_returns_the_modules_answer", a_user_call_returns_the_modules_answer,
     SELFTEST_METAL_ONLY},
    {"core_gate.an_open_instance_reaches_what_it_is_lent_and_no_more",
     an_open_instance_reaches_what_it_is_lent_and_no_more, 0},
    {"core_gate.a_user_instance_reaches_what_it_is_lent_and_no_more",
     a_user_instance_reaches_what_it_is_lent_and_no_more, SELFTEST_METAL_ONLY},
    {"core_gate.every_crash_behind_the_open_gate_is_contained",
     every_crash_behind_the_open_gate_is_contained, SELFTEST_METAL_ONLY},
    {"core_gate.every_crash_behind_the_user_gate_is_contained",
     every_crash_behind_the_user_gate_is_contained, SELFTEST_METAL_ONLY},
    {"core_gate.the_user_gate_keeps_a_module_off_the_kernels_memory",
     the_user_gate_keeps_a_module_off_the_kernels_memory, SELFTEST_METAL_ONLY},
    {"core_gate.the_open_gate_keeps_a_module_off_the_kernels_text",
     the_open_gate_keeps_a_module_off_the_kernels_text, SELFTEST_METAL_ONLY},
    {"core_gate.many_threads_call_one_open_instance_at_once",
     many_threads_call_one_open_instance_at_once, 0},
    {"core_gate.many_threads_call_one_user_instance_at_once",
     many_threads_call_one_user_instance_at_once, SELFTEST_METAL_ONLY},
    {0},
};
