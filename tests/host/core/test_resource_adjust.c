/* A handle whose amount changes. */
#include <core/resource/owner.h>
#include <core/resource/resource.h>
#include <tests/host/core/machine.h>

static const struct resource_provider provider = {.name = "test"};
static unsigned warned;

static void count_warning(const struct resource_warning *warning)
{
    (void)warning;
    warned++;
}

static uint64_t used(owner_tag owner)
{
    struct resource_usage usage;

    CHECK(resource_get_usage(owner, RESOURCE_MEMORY, &usage) == HX_OK);
    return usage.used;
}

static void adjust_body(void)
{
    const struct resource_limits limits = {.soft = 100, .hard = 200};
    resource_handle handle;
    owner_tag owner;
    owner_tag other;

    resource_init();
    resource_set_warning_hook(count_warning);
    CHECK(resource_register_provider(RESOURCE_MEMORY, &provider) == HX_OK);
    CHECK(resource_owner_open("test", &owner) == HX_OK);
    CHECK(resource_owner_open("other", &other) == HX_OK);
    CHECK(resource_set_limit(owner, RESOURCE_MEMORY, limits) == HX_OK);
    CHECK(resource_allocate(owner, RESOURCE_MEMORY, 10, &handle) == HX_OK);
    CHECK(resource_adjust(handle, owner, 90) == HX_OK && used(owner) == 90 && warned == 0);
    CHECK(resource_adjust(handle, owner, 150) == HX_OK && used(owner) == 150 && warned == 1);
    CHECK(resource_adjust(handle, owner, 201) == HX_ELIMIT && used(owner) == 150);
    CHECK(resource_adjust(handle, owner, 200) == HX_OK && warned == 1);
    CHECK(resource_adjust(handle, owner, 200) == HX_OK && used(owner) == 200);
    CHECK(resource_adjust(handle, owner, 20) == HX_OK && used(owner) == 20);
    CHECK(resource_adjust(handle, owner, 0) == HX_EINVAL);
    CHECK(resource_adjust(handle, owner, RESOURCE_UNLIMITED + 1) == HX_EINVAL);
    CHECK(resource_adjust(handle, other, 30) == HX_EPERM);
    CHECK(resource_adjust(RESOURCE_HANDLE_NONE, owner, 30) == HX_EINVAL);
    CHECK(resource_unregister_provider(RESOURCE_MEMORY, &provider) == HX_OK);
    CHECK(resource_adjust(handle, owner, 30) == HX_ENOSYS);
    CHECK(resource_adjust(handle, owner, 15) == HX_OK && used(owner) == 15);
    CHECK(resource_release(handle, owner) == HX_OK && used(owner) == 0);
    CHECK(resource_adjust(handle, owner, 30) == HX_ESTALE);
}

static void run_adjust(void)
{
    machine_run(1, adjust_body);
}

/* SPEC: Q2 */
static void only_the_difference_is_charged_and_refused(void **state)
{
    (void)state;
    passes_in_child(run_adjust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_difference_is_charged_and_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
