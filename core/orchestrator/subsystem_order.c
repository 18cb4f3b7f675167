/* The graph of a set of subsystems: sorting it, and showing it to people. */
#include <base/string.h>
#include <base/text.h>
#include <core/orchestrator/subsystem_set.h>
#include <kern/heap.h>

/* --- members that are ready: the first of them in two steps ----------------------------------- */

#define READY_WORDS (SUBSYSTEM_MAX / 64U)

_Static_assert(READY_WORDS <= 64, "one word says which words hold a member");

struct ready {
    uint64_t words[READY_WORDS];
    uint64_t filled; /* a bit for each word that is not 0 */
};

static void ready_add(struct ready *ready, uint32_t member)
{
    ready->words[member / 64] |= 1ULL << (member % 64);
    ready->filled |= 1ULL << (member / 64);
}

/* The member registered first, taken out; there has to be one. */
static uint32_t ready_take(struct ready *ready)
{
    uint32_t word = (uint32_t)__builtin_ctzll(ready->filled);
    uint32_t member = word * 64 + (uint32_t)__builtin_ctzll(ready->words[word]);

    ready->words[word] &= ready->words[word] - 1;
    if (ready->words[word] == 0) {
        ready->filled &= ~(1ULL << word);
    }
    return member;
}

/* --- the graph -------------------------------------------------------------------------------- */

/* One that depends on a member, in the member's list. */
struct edge {
    uint32_t dependent;
    uint32_t next; /* index + 1, 0: the end */
};

struct node {
    uint32_t waiting; /* for so many dependencies; a placed member for none */
    uint32_t edges;   /* its dependents: index of an edge + 1, 0: none */
    bool is_passed;   /* on the way into a ring */
};

/* Scratch for one sort. */
struct graph {
    struct ready ready;
    struct node nodes[SUBSYSTEM_MAX];
    uint32_t edge_count;
    struct edge edges[];
};

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

static size_t count_edges(const struct subsystem_set *set)
{
    size_t edges = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        for (const char *const *name = dependencies_of(set->members[i]); *name != NULL; name++) {
            edges++;
        }
    }
    return edges;
}

static hx_err add_edges(const struct subsystem_set *set, struct graph *graph, uint32_t member,
                        struct subsystem_failure *failure)
{
    const struct subsystem *subsystem = set->members[member];

    for (const char *const *name = dependencies_of(subsystem); *name != NULL; name++) {
        subsystem_id id = subsystem_set_find(set, *name);

        if (id == 0) {
            return report_missing(subsystem->name, *name, failure);
        }
        graph->edges[graph->edge_count++] = (struct edge){member, graph->nodes[id - 1].edges};
        graph->nodes[id - 1].edges = graph->edge_count;
        graph->nodes[member].waiting++;
    }
    return HX_OK;
}

static hx_err add_all_edges(const struct subsystem_set *set, struct graph *graph,
                            struct subsystem_failure *failure)
{
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < set->count && error == HX_OK; i++) {
        error = add_edges(set, graph, i, failure);
        if (graph->nodes[i].waiting == 0) {
            ready_add(&graph->ready, i);
        }
    }
    return error;
}

/* Whoever waited for the member waits for one less. */
static void release_dependents(struct graph *graph, uint32_t member)
{
    for (uint32_t at = graph->nodes[member].edges; at != 0; at = graph->edges[at - 1].next) {
        uint32_t dependent = graph->edges[at - 1].dependent;

        if (--graph->nodes[dependent].waiting == 0) {
            ready_add(&graph->ready, dependent);
        }
    }
}

static void place_all(struct subsystem_set *set, struct graph *graph)
{
    while (graph->ready.filled != 0) {
        uint32_t member = ready_take(&graph->ready);

        set->order[set->ordered++] = member;
        release_dependents(graph, member);
    }
}

/* --- cycles ----------------------------------------------------------------------------------- */

/* A dependency of the member that could not be placed either: there is one. */
static uint32_t next_in_ring(const struct subsystem_set *set, const struct graph *graph,
                             uint32_t member)
{
    for (const char *const *name = dependencies_of(set->members[member]); *name != NULL; name++) {
        uint32_t dependency = subsystem_set_find(set, *name) - 1;

        if (graph->nodes[dependency].waiting != 0) {
            return dependency;
        }
    }
    return member;
}

/* Following dependencies of members that could not be placed leads into a ring: where. */
static uint32_t find_ring(const struct subsystem_set *set, struct graph *graph)
{
    uint32_t member = 0;

    while (graph->nodes[member].waiting == 0) {
        member++;
    }
    while (!graph->nodes[member].is_passed) {
        graph->nodes[member].is_passed = true;
        member = next_in_ring(set, graph, member);
    }
    return member;
}

/* Name the ring, each followed by what it depends on. */
static hx_err report_cycle(const struct subsystem_set *set, struct graph *graph,
                           struct subsystem_failure *failure)
{
    struct text text = text_into(failure->text, sizeof failure->text);
    uint32_t start = find_ring(set, graph);
    uint32_t member = start;
    uint32_t length = 0;

    string_copy(failure->subsystem, sizeof failure->subsystem, set->members[start]->name);
    text_add(&text, "dependency cycle: %s", set->members[start]->name);
    do {
        member = next_in_ring(set, graph, member);
        if (++length <= SUBSYSTEM_CYCLE_NAMED) {
            text_add(&text, " -> %s", set->members[member]->name);
        }
    } while (member != start);
    if (length > SUBSYSTEM_CYCLE_NAMED) {
        text_add(&text, " -> ... (%u members)", (unsigned)length);
    }
    return HX_ECYCLE;
}

/* --- sorting ---------------------------------------------------------------------------------- */

static hx_err sort_in(struct subsystem_set *set, struct graph *graph,
                      struct subsystem_failure *failure)
{
    hx_err error = add_all_edges(set, graph, failure);

    if (error != HX_OK) {
        return error;
    }
    place_all(set, graph);
    if (set->ordered != set->count) {
        set->ordered = 0;
        return report_cycle(set, graph, failure);
    }
    return HX_OK;
}

static hx_err report_no_memory(struct subsystem_failure *failure)
{
    struct text text = text_into(failure->text, sizeof failure->text);

    failure->subsystem[0] = '\0';
    text_add(&text, "no memory to sort the subsystems");
    return HX_ENOMEM;
}

hx_err subsystem_set_sort(struct subsystem_set *set, struct subsystem_failure *failure)
{
    struct graph *graph =
        heap_allocate_zeroed(sizeof *graph + count_edges(set) * sizeof graph->edges[0], OWNER_CORE);
    hx_err error;

    set->ordered = 0;
    if (graph == NULL) {
        return report_no_memory(failure);
    }
    error = sort_in(set, graph, failure);
    heap_free(graph);
    return error;
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
