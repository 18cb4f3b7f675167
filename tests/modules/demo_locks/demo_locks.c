/*
 * A module that does with locks what it is told, good or bad: for the tests of them. Its state is
 * modules/demo's. include/helix/demo.h lists its operations.
 */
#include <helix/demo.h>
#include <helix/lock.h>
#include <helix/module.h>

#define STATE_COUNTER 1U

static uint64_t counter;

static uint64_t count(void)
{
    return ++counter;
}

static uint64_t divide(uint64_t a, uint64_t b)
{
    return a / b;
}

static uint64_t illegal(void)
{
    __asm__ volatile("ud2");
    return 0;
}

static uint64_t give_up(void)
{
    static const char text[] = "demo_locks: asked to give up";

    hx_fail(text, sizeof(text) - 1);
}

static uint64_t lock_create(void)
{
    uint64_t lock;

    return hx_lock_create(&lock) == HX_OK ? lock : 0;
}

static hx_err lock_acquire(uint64_t lock, uint64_t limit_ns)
{
    return hx_lock_acquire(lock, limit_ns);
}

static hx_err lock_release(uint64_t lock)
{
    return hx_lock_release(lock);
}

static hx_err lock_destroy(uint64_t lock)
{
    return hx_lock_destroy(lock);
}

static hx_err lock_count(uint64_t lock, uint64_t ns)
{
    hx_err error = hx_lock_acquire(lock, HX_LOCK_LIMIT_MAX);
    uint64_t seen;

    if (error != HX_OK) {
        return error;
    }
    seen = counter;
    error = hx_sleep(ns);
    counter = seen + 1;
    (void)hx_lock_release(lock);
    return error;
}

static const struct hx_demo_operations operations = {
    .count = count,
    .divide = divide,
    .illegal = illegal,
    .give_up = give_up,
    .lock_create = lock_create,
    .lock_acquire = lock_acquire,
    .lock_release = lock_release,
    .lock_destroy = lock_destroy,
    .lock_count = lock_count,
};

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return hx_state_get(STATE_COUNTER, 0, &counter, sizeof(counter));
}

static hx_err export_state(uint64_t minor)
{
    (void)minor;
    return hx_state_put(STATE_COUNTER, &counter, sizeof(counter));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "demo_locks",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "demo",
};
