/* Questions to the module in the slot "entropy". */
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <helix/entropy.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/random/entropy_source.h>

static struct slot *slot; /* immutable after entropy_source_init; NULL: there is none */
static _Atomic bool is_broken;

void entropy_source_init(void)
{
    slot = slot_find("entropy");
}

bool entropy_source_is_ready(void)
{
    return slot != NULL && context_can_block() && gate_can_nest(thread_current()) &&
           atomic_load_explicit(&slot->way, memory_order_relaxed) != SLOT_WAY_CLOSED;
}

bool entropy_source_is_broken(void)
{
    return atomic_load_explicit(&is_broken, memory_order_relaxed);
}

static void note_quality(uint64_t quality)
{
    bool is = quality == 0;

    if (atomic_exchange_explicit(&is_broken, is, memory_order_relaxed) != is) {
        kwarn("random: the source of entropy %s", is ? "does not work" : "works again");
    }
}

static void look_at_quality(void)
{
    struct hal_gate_result result = gate_call(slot, ENTROPY_QUALITY, 0, 0, 0, 0);

    if (result.error == HX_OK && result.value > HX_ENTROPY_BITS_MAX) {
        slot_distrust(slot);
    } else if (result.error == HX_OK) {
        note_quality(result.value);
    } else {
        note_quality(1); /* nobody there who says that it does not work */
    }
}

bool entropy_source_draw(uint64_t words[ENTROPY_SOURCE_WORDS])
{
    bool is_there = true;

    for (unsigned i = 0; i < ENTROPY_SOURCE_WORDS && is_there; i++) {
        struct hal_gate_result result = gate_call(slot, ENTROPY_DRAW, 0, 0, 0, 0);

        words[i] = result.value;
        is_there = result.error == HX_OK;
    }
    look_at_quality();
    return is_there;
}
