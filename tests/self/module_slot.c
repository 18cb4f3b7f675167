#include <base/string.h>
#include <hal/clock.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>

void module_slot_empty(struct slot *slot)
{
    hx_err error = modules_unload(slot);

    EXPECT(error == HX_OK || error == HX_ENOENT);
}

void module_slot_put(struct slot *slot, const char *module, const struct hx_module_version *version)
{
    EXPECT_EQUAL(modules_swap(slot, module, version), HX_OK);
    EXPECT(string_equal(modules_content_of(slot).name, module));
}

bool module_slot_await_death(struct slot *slot, uint64_t deaths)
{
    for (unsigned i = 0; i < CREW_PATIENCE_NS / HAL_NS_PER_MS; i++) {
        if (modules_content_of(slot).deaths > deaths) {
            return true;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return false;
}

struct slot *module_slot_begin(const char *name, const char *module,
                               const struct hx_module_version *version,
                               enum hal_gate_backend backend, const struct swap_options *options)
{
    struct slot *slot = slot_find(name);

    if (slot == NULL) {
        selftest_fail(__FILE__, __LINE__, "there is no slot %s", name);
        return NULL;
    }
    modules_set_options(slot, options);
    module_slot_empty(slot);
    module_slot_put(slot, module, version);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, backend), HX_OK);
    return slot;
}
