#include <base/format.h>
#include <core/orchestrator/subsystem_set.h>
#include <kern/heap.h>
#include <tests/bench/measure.h>
#include <tests/bench/subsystem_chain.h>

#define NAME_SIZE 8U
#define NEEDS_MAX 3U /* and the NULL */

struct link {
    struct subsystem subsystem;
    const char *needs[NEEDS_MAX + 1];
    char name[NAME_SIZE];
};

struct chain {
    struct subsystem_set set;
    struct subsystem_failure failure;
    struct link links[];
};

static uint32_t inits;

static hx_err count_init(const struct boot_configuration *config)
{
    (void)config;
    inits++;
    return HX_OK;
}

/* Each needs the one before it, the one half way back, and the first. */
static void make_link(struct link *links, uint32_t number)
{
    const uint32_t needs[NEEDS_MAX] = {number - 1, number / 2, 0};
    struct link *made = &links[number];

    (void)format_text(made->name, sizeof made->name, "s%u", (unsigned)number);
    for (uint32_t i = 0; i < NEEDS_MAX && number != 0; i++) {
        made->needs[i] = links[needs[i]].name;
    }
    made->subsystem = (struct subsystem){
        .name = made->name, .version = "1", .dependencies = made->needs, .init = count_init};
}

static bool register_all(struct chain *chain, uint32_t count)
{
    hx_err error = HX_OK;

    for (uint32_t i = count; i-- > 0 && error == HX_OK;) {
        subsystem_id id;

        error = subsystem_set_add(&chain->set, &chain->links[i].subsystem, &id);
    }
    return error == HX_OK;
}

uint64_t subsystem_chain_start(uint32_t count)
{
    struct chain *chain =
        heap_allocate_zeroed(sizeof *chain + count * sizeof chain->links[0], OWNER_CORE);
    bool is_up;
    uint64_t start;
    uint64_t cycles;

    if (chain == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        make_link(chain->links, i);
    }
    inits = 0;
    start = begin();
    is_up = register_all(chain, count) &&
            subsystem_set_init(&chain->set, NULL, &chain->failure) == HX_OK;
    cycles = cycles_since(start);
    is_up = is_up && inits == count && chain->set.up == count;
    heap_free(chain);
    return is_up ? cycles : 0;
}
