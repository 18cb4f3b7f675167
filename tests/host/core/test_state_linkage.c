/*
 * Nobody but the orchestrator can link to what moves the state: references to it from another
 * translation unit stay unresolved. They are weak, so that this program can look.
 */
#include "machine.h"

#include <core/kernel/state.h>

__attribute__((weak)) hx_err kernel_state_transition(enum kernel_state to);
extern char orchestrator[] __attribute__((weak));

/* SPEC: K3 */
static void the_transition_cannot_be_linked_to(void **state)
{
    (void)state;
    assert_ptr_equal(kernel_state_transition, NULL);
    assert_ptr_equal(orchestrator, NULL);
    assert_int_equal(kernel_state_current(), KERNEL_EARLY_BOOT); /* so the object is linked in */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_transition_cannot_be_linked_to),
    };

    return cmocka_run_group_tests_name("core/state_linkage", tests, NULL, NULL);
}
