/* The graph of a set of subsystems: sorting it, and showing it to people. */
#include <base/assert.h>
#include <base/string.h>
#include <base/text.h>
#include <core/orchestrator/subsystem_set.h>

_Static_assert(SUBSYSTEM_MAX == 64, "a set of members is one 64-bit word here");

#define NAME_TABLE_SIZE 128U /* a power of two, twice SUBSYSTEM_MAX */

/* The edges, as bit sets of member indices; and the hash table that made them. */
struct graph {
    uint64_t dependencies[SUBSYSTEM_MAX]; /* what a member needs */
    uint64_t dependents[SUBSYSTEM_MAX];   /* who needs it */
    uint8_t names[NAME_TABLE_SIZE];       /* index + 1, 0: free */
};

/* FNV-1a, 32 bits (Fowler, Noll, Vo). */
static uint32_t hash_name(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619U;
    }
    return hash;
}

/* Where a name is in the table, or the free place where it belongs. */
static uint32_t find_place(const struct subsystem_set *set, const struct graph *graph,
                           const char *name)
{
    uint32_t place = hash_name(name) % NAME_TABLE_SIZE;

    while (graph->names[place] != 0 &&
           !string_equal(set->members[graph->names[place] - 1]->name, name)) {
        place = (place + 1) % NAME_TABLE_SIZE;
    }
    return place;
}

static uint32_t first_of(uint64_t members)
{
    return (uint32_t)__builtin_ctzll(members);
}

/* The names a member depends on; a list that is empty when it gives none. */
static const char *const *dependencies_of(const struct subsystem *subsystem)
{
    static const char *const none[] = {NULL};

    return subsystem->dependencies != NULL ? subsystem->dependencies : none;
}

static hx_err report_missing(const char *name, const char *dependency,
                             struct subsystem_failure *failure)
{
    struct text text = text_into(failure->text, sizeof failure->text);

    string_copy(failure->subsystem, sizeof failure->subsystem, name);
    text_add(&text, "%s depends on %s, which is not registered", name, dependency);
    return HX_EMISSING;
}

static hx_err add_edges(const struct subsystem_set *set, struct graph *graph, uint32_t member,
                        struct subsystem_failure *failure)
{
    const struct subsystem *subsystem = set->members[member];

    for (const char *const *name = dependencies_of(subsystem); *name != NULL; name++) {
        uint32_t index_plus_1 = graph->names[find_place(set, graph, *name)];

        if (index_plus_1 == 0) {
            return report_missing(subsystem->name, *name, failure);
        }
        graph->dependencies[member] |= 1ULL << (index_plus_1 - 1);
        graph->dependents[index_plus_1 - 1] |= 1ULL << member;
    }
    return HX_OK;
}

static hx_err build_graph(const struct subsystem_set *set, struct graph *graph,
                          struct subsystem_failure *failure)
{
    hx_err error = HX_OK;

    *graph = (struct graph){0};
    for (uint32_t i = 0; i < set->count; i++) {
        graph->names[find_place(set, graph, set->members[i]->name)] = (uint8_t)(i + 1);
    }
    for (uint32_t i = 0; i < set->count && error == HX_OK; i++) {
        error = add_edges(set, graph, i, failure);
    }
    return error;
}

/*
 * Every member of `left` depends on another one of it, so following dependencies from any of them
 * leads into a ring. Name it, each followed by what it depends on.
 */
static hx_err report_cycle(const struct subsystem_set *set, const struct graph *graph,
                           uint64_t left, struct subsystem_failure *failure)
{
    struct text text = text_into(failure->text, sizeof failure->text);
    uint32_t member = first_of(left);
    uint64_t seen = 0;
    uint32_t start;

    while ((seen >> member & 1) == 0) {
        seen |= 1ULL << member;
        member = first_of(graph->dependencies[member] & left);
    }
    start = member;
    string_copy(failure->subsystem, sizeof failure->subsystem, set->members[start]->name);
    text_add(&text, "dependency cycle: %s", set->members[start]->name);
    do {
        member = first_of(graph->dependencies[member] & left);
        text_add(&text, " -> %s", set->members[member]->name);
    } while (member != start);
    return HX_ECYCLE;
}

static uint64_t all_members(const struct subsystem_set *set)
{
    return set->count == SUBSYSTEM_MAX ? UINT64_MAX : (1ULL << set->count) - 1;
}

/* The members that need nothing of `left`, out of `of`. */
static uint64_t ready_of(const struct graph *graph, uint64_t of, uint64_t left)
{
    uint64_t ready = 0;

    for (; of != 0; of &= of - 1) {
        uint32_t member = first_of(of);

        if ((graph->dependencies[member] & left) == 0) {
            ready |= 1ULL << member;
        }
    }
    return ready;
}

hx_err subsystem_set_sort(struct subsystem_set *set, struct subsystem_failure *failure)
{
    struct graph graph;
    uint64_t left = all_members(set);
    uint64_t ready;
    hx_err error = build_graph(set, &graph, failure);

    set->ordered = 0;
    if (error != HX_OK) {
        return error;
    }
    ready = ready_of(&graph, left, left);
    while (ready != 0) {
        uint32_t member = first_of(ready);

        set->order[set->ordered++] = member;
        left &= ~(1ULL << member);
        ready &= ~(1ULL << member);
        ready |= ready_of(&graph, graph.dependents[member], left);
    }
    if (left != 0) {
        set->ordered = 0;
        return report_cycle(set, &graph, left, failure);
    }
    return HX_OK;
}

/* --- for people ------------------------------------------------------------------------------- */

size_t subsystem_set_text(const struct subsystem_set *set, char *buffer, size_t size)
{
    struct text text = text_into(buffer, size);

    for (uint32_t place = 0; place < set->ordered; place++) {
        const struct subsystem *subsystem = set->members[set->order[place]];

        text_add(&text, "%u %s %s", place + 1, subsystem->name, subsystem->version);
        for (const char *const *name = dependencies_of(subsystem); *name != NULL; name++) {
            text_add(&text, "%s %s", name == subsystem->dependencies ? " <-" : "", *name);
        }
        text_add(&text, "\n");
    }
    return text.length;
}

size_t subsystem_set_dot(const struct subsystem_set *set, char *buffer, size_t size)
{
    struct text text = text_into(buffer, size);

    text_add(&text, "digraph subsystems {\n");
    for (uint32_t place = 0; place < set->ordered; place++) {
        const struct subsystem *subsystem = set->members[set->order[place]];

        text_add(&text, "    \"%s\" [label=\"%u %s\"];\n", subsystem->name, place + 1,
                 subsystem->name);
        for (const char *const *name = dependencies_of(subsystem); *name != NULL; name++) {
            text_add(&text, "    \"%s\" -> \"%s\";\n", subsystem->name, *name);
        }
    }
    text_add(&text, "}\n");
    return text.length;
}
