/* Counts, errors and times of system calls, version 1.0: eight buckets for each power of two. */
#include <stdint.h>

#define LATENCY_SUB_BITS 3U

#include <../modules/call_metrics_state.h>

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "metrics",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_HOOK,
    .operations_size = sizeof(metrics_operations),
    .operations = &metrics_operations,
    .lifecycle = &metrics_lifecycle,
    .state_kind = "call metrics",
    .heap_pages = HX_MODULE_HEAP_MAX,
};
