/* Records of system calls, by a module that lies when it is told to: include/helix/hook_lies.h. */
#define STATE_MINOR 1U

#include <../modules/audit_rings.h>
#include <helix/hook_lies.h>

static _Atomic uint64_t lie;

static uint64_t lie_now(void)
{
    return atomic_load_explicit(&lie, memory_order_relaxed);
}

static hx_err liar_post(uint64_t cpu, uint64_t loan, uint64_t count, uint64_t first)
{
    return lie_now() == HX_HOOK_LIE_BUSY ? HX_EAGAIN : audit_post(cpu, loan, count, first);
}

static void twist(struct hx_hook_reading *reading)
{
    switch (lie_now()) {
    case HX_HOOK_LIE_BEFORE:
        reading->next--;
        break;
    case HX_HOOK_LIE_AHEAD:
        reading->next += RING_RECORDS;
        break;
    case HX_HOOK_LIE_TWO:
        reading->count++;
        break;
    default:
        break;
    }
}

static uint64_t read_wrongly(uint64_t index, uint64_t loan, uint64_t size)
{
    struct hx_hook_reading reading;

    if (audit_read(HX_HOOK_RECORDS, index, loan, size) == 0 ||
        hx_loan_read(loan, 0, &reading, sizeof(reading)) != HX_OK) {
        return 0;
    }
    if (reading.count != 0) {
        twist(&reading);
    }
    return hx_loan_write(loan, 0, &reading, sizeof(reading)) == HX_OK;
}

static uint64_t liar_read(uint64_t item, uint64_t index, uint64_t loan, uint64_t size)
{
    if (item == HX_HOOK_LIE_ITEM) {
        atomic_store_explicit(&lie, index, memory_order_relaxed);
        return 0;
    }
    return item == HX_HOOK_RECORDS ? read_wrongly(index, loan, size)
                                   : audit_read(item, index, loan, size);
}

static const struct hx_hook_operations operations = {
    .post = liar_post,
    .read = liar_read,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "audit_liar",
    .version = {.major = 1, .minor = STATE_MINOR, .patch = 0},
    .category = HX_CATEGORY_HOOK,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &audit_lifecycle,
    .state_kind = "call records",
    .heap_pages = HX_HOOK_CPU_MAX * RING_PAGES,
};
