/* Records of system calls, version 1.0: the newest 1,024 of each CPU. */
#define STATE_MINOR 0U

#include <../modules/audit_rings.h>

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "audit",
    .version = {.major = 1, .minor = STATE_MINOR, .patch = 0},
    .category = HX_CATEGORY_HOOK,
    .operations_size = sizeof(audit_operations),
    .operations = &audit_operations,
    .lifecycle = &audit_lifecycle,
    .state_kind = "call records",
    .heap_pages = HX_HOOK_CPU_MAX * RING_PAGES,
};
