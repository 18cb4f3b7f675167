#include <base/memory.h>
#include <core/debug/console_outlet.h>
#include <core/gate/gate.h>
#include <helix/console.h>
#include <stdatomic.h>
#include <subsys/console/console_driver.h>

/* Slots are made after the console is there: looked for until it is found. */
static _Atomic(struct slot *) found;

static struct slot *slot_of_console(void)
{
    struct slot *slot = atomic_load_explicit(&found, memory_order_relaxed);

    if (HX_UNLIKELY(slot == NULL)) {
        slot = slot_find("console");
        atomic_store_explicit(&found, slot, memory_order_relaxed);
    }
    return slot;
}

/* A closed gate is not waited at: who exchanges the module may be who wants to print. */
static bool is_ready(const struct slot *slot)
{
    return slot != NULL && slot_instance(slot) != NULL &&
           atomic_load_explicit(&slot->way, memory_order_relaxed) != SLOT_WAY_CLOSED &&
           gate_can_nest(thread_current());
}

struct slot *console_driver_slot(void)
{
    struct slot *slot = slot_of_console();

    return is_ready(slot) ? slot : NULL;
}

static void drive(const char *bytes, size_t size)
{
    struct slot *slot = console_driver_slot();
    uint64_t words[HX_CONSOLE_WRITE_MAX / sizeof(uint64_t)] = {0};
    struct hal_gate_result result;

    if (slot == NULL) {
        return;
    }
    memcpy(words, bytes, size);
    result = gate_call(slot, CONSOLE_WRITE, words[0], words[1], size, 0);
    if (result.error == HX_OK &&
        (result.value != console_outlet_sent() || console_outlet_was_wrong())) {
        slot_distrust(slot);
    }
}

void console_driver_start(void)
{
    console_set_driver(drive);
}
