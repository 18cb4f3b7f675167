/* Judges system calls by a policy, version 1.1, and counts what it refuses. */
#define STATE_MINOR 1U

#include <../modules/call_policy.h>

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "security",
    .version = {.major = 1, .minor = STATE_MINOR, .patch = 0},
    .category = HX_CATEGORY_HOOK,
    .operations_size = sizeof(security_operations),
    .operations = &security_operations,
    .lifecycle = &security_lifecycle,
    .state_kind = "call policy",
};
