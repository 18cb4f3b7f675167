/*
 * A hosted machine with a broker, for the tests of core/resource: each body runs in a child, with
 * providers for all classes but the last.
 */
#ifndef TESTS_HOST_CORE_RESOURCE_MACHINE_H
#define TESTS_HOST_CORE_RESOURCE_MACHINE_H

#include <tests/host/core/machine.h>

#include <core/resource/ledger.h>
#include <core/resource/owner.h>
#include <tests/host/random.h>

#define UNPROVIDED RESOURCE_MODULES

static const struct resource_provider plain_provider = {.name = "plain"};

static void (*test_body)(void);
static uint32_t test_cpus;

static void start_broker(void)
{
    resource_init();
    for (unsigned class = 0; class < UNPROVIDED; class ++) {
        CHECK(resource_register_provider((enum resource_class) class, &plain_provider) == HX_OK);
    }
    test_body();
}

static void run_child(void)
{
    machine_run(test_cpus, start_broker);
}

HX_UNUSED static void run(uint32_t cpus, void (*body)(void))
{
    test_cpus = cpus;
    test_body = body;
    passes_in_child(run_child);
}

/* A test that is one function in the child. */
#define BODY_ON(cpus, name)                                                                        \
    static void name##_body(void);                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run(cpus, name##_body);                                                                    \
    }                                                                                              \
    static void name##_body(void)

HX_UNUSED static owner_tag open_owner(const char *name)
{
    owner_tag owner;

    CHECK(resource_owner_open(name, &owner) == HX_OK);
    return owner;
}

HX_UNUSED static resource_handle take(owner_tag owner, enum resource_class class, uint64_t amount)
{
    resource_handle handle;

    CHECK(resource_allocate(owner, class, amount, &handle) == HX_OK);
    CHECK(handle != RESOURCE_HANDLE_NONE);
    return handle;
}

HX_UNUSED static hx_err try_take(owner_tag owner, enum resource_class class, uint64_t amount)
{
    resource_handle handle = 1;
    hx_err error = resource_allocate(owner, class, amount, &handle);

    CHECK(error != HX_OK && handle == RESOURCE_HANDLE_NONE);
    return error;
}

HX_UNUSED static uint64_t used(owner_tag owner, enum resource_class class)
{
    struct resource_usage usage;

    CHECK(resource_get_usage(owner, class, &usage) == HX_OK);
    return usage.used;
}

HX_UNUSED static void limit(owner_tag owner, enum resource_class class, uint64_t soft,
                            uint64_t hard)
{
    const struct resource_limits limits = {.soft = soft, .hard = hard};

    CHECK(resource_set_limit(owner, class, limits) == HX_OK);
}

#endif
