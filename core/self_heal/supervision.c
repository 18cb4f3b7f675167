/* The tree of who is restarted with whom. */
#include <base/assert.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/self_heal/supervision.h>

const char *supervision_strategy_name(enum supervision_strategy strategy)
{
    static const char *const names[] = {
#define STRATEGY_NAME(name, text) text,
        SUPERVISION_STRATEGY_LIST(STRATEGY_NAME)
#undef STRATEGY_NAME
    };

    return names[strategy];
}

/* --- building --------------------------------------------------------------------------------- */

static bool is_intensity(uint32_t intensity)
{
    return intensity <= SUPERVISION_INTENSITY_MAX || intensity == SUPERVISION_UNLIMITED;
}

static hx_err add(struct supervision_tree *tree, const struct supervision_node *fresh,
                  const char *name, uint32_t *node)
{
    size_t length = string_length_max(name, SUPERVISION_NAME_MAX);

    if (length == 0 || length == SUPERVISION_NAME_MAX || fresh->parent >= tree->count ||
        !tree->nodes[fresh->parent].is_group) {
        return HX_EINVAL;
    }
    if (supervision_find(tree, name) != SUPERVISION_NONE) {
        return HX_EEXIST;
    }
    if (tree->count == SUPERVISION_NODES_MAX) {
        return HX_ENOSPC;
    }
    *node = tree->count++;
    tree->nodes[*node] = *fresh;
    (void)string_copy(tree->nodes[*node].name, SUPERVISION_NAME_MAX, name);
    return HX_OK;
}

hx_err supervision_init(struct supervision_tree *tree, uint32_t intensity, uint64_t window_ns)
{
    if (!is_intensity(intensity)) {
        return HX_ERANGE;
    }
    memset(tree, 0, sizeof(*tree));
    tree->nodes[SUPERVISION_ROOT] = (struct supervision_node){.name = "system",
                                                              .parent = SUPERVISION_NONE,
                                                              .is_group = true,
                                                              .strategy = SUPERVISION_ONE_FOR_ONE,
                                                              .intensity = intensity,
                                                              .window_ns = window_ns};
    tree->count = 1;
    return HX_OK;
}

hx_err supervision_add_group(struct supervision_tree *tree, uint32_t parent, const char *name,
                             enum supervision_strategy strategy, uint32_t intensity,
                             uint64_t window_ns, uint32_t *node)
{
    const struct supervision_node fresh = {.parent = parent,
                                           .is_group = true,
                                           .strategy = strategy,
                                           .intensity = intensity,
                                           .window_ns = window_ns};

    return is_intensity(intensity) ? add(tree, &fresh, name, node) : HX_ERANGE;
}

hx_err supervision_add_member(struct supervision_tree *tree, uint32_t parent, const char *name,
                              uint32_t *node)
{
    const struct supervision_node fresh = {.parent = parent};

    return add(tree, &fresh, name, node);
}

uint32_t supervision_find(const struct supervision_tree *tree, const char *name)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        if (string_equal(tree->nodes[i].name, name)) {
            return i;
        }
    }
    return SUPERVISION_NONE;
}

/* --- walking ---------------------------------------------------------------------------------- */

/* The first child of a group that was added after a node, which is one or the group itself. */
static uint32_t child_after(const struct supervision_tree *tree, uint32_t group, uint32_t node)
{
    for (uint32_t i = node + 1; i < tree->count; i++) {
        if (tree->nodes[i].parent == group) {
            return i;
        }
    }
    return SUPERVISION_NONE;
}

/* The next node of the tree below top, children before siblings. */
static uint32_t next_below(const struct supervision_tree *tree, uint32_t top, uint32_t node)
{
    uint32_t next = child_after(tree, node, node);

    while (next == SUPERVISION_NONE && node != top) {
        next = child_after(tree, tree->nodes[node].parent, node);
        node = tree->nodes[node].parent;
    }
    return next;
}

/* A node is restarted, with all that is below it. */
static void restart(struct supervision_tree *tree, uint32_t top,
                    struct supervision_verdict *verdict)
{
    for (uint32_t node = top; node != SUPERVISION_NONE; node = next_below(tree, top, node)) {
        if (tree->nodes[node].is_group) {
            tree->nodes[node].death_count = 0;
        } else {
            verdict->members[verdict->count++] = node;
        }
    }
}

/* --- deciding --------------------------------------------------------------------------------- */

/* A child of the group has died. Returns false when that was one too many. */
static bool bear_death(struct supervision_node *group, uint64_t now_ns)
{
    uint32_t kept = 0;

    if (group->intensity == SUPERVISION_UNLIMITED) {
        return true;
    }
    for (uint32_t i = 0; i < group->death_count; i++) {
        if (now_ns - group->deaths_ns[i] <= group->window_ns) {
            group->deaths_ns[kept++] = group->deaths_ns[i];
        }
    }
    group->death_count = kept;
    if (kept >= group->intensity) {
        return false;
    }
    group->deaths_ns[group->death_count++] = now_ns;
    return true;
}

static void apply_strategy(struct supervision_tree *tree, uint32_t group, uint32_t dead,
                           struct supervision_verdict *verdict)
{
    enum supervision_strategy strategy = tree->nodes[group].strategy;
    uint32_t child = strategy == SUPERVISION_ONE_FOR_ALL ? child_after(tree, group, group) : dead;

    verdict->group = group;
    while (child != SUPERVISION_NONE) {
        restart(tree, child, verdict);
        child = strategy == SUPERVISION_ONE_FOR_ONE ? SUPERVISION_NONE
                                                    : child_after(tree, group, child);
    }
}

void supervision_died(struct supervision_tree *tree, uint32_t member, uint64_t now_ns,
                      struct supervision_verdict *verdict)
{
    uint32_t dead = member;
    uint32_t group;

    HX_ASSERT(member < tree->count && !tree->nodes[member].is_group, "it is a member that died");
    verdict->count = 0;
    verdict->is_beyond = false;
    group = tree->nodes[member].parent;
    while (!bear_death(&tree->nodes[group], now_ns)) {
        if (group == SUPERVISION_ROOT) {
            verdict->group = SUPERVISION_ROOT;
            verdict->is_beyond = true;
            restart(tree, SUPERVISION_ROOT, verdict);
            return;
        }
        dead = group;
        group = tree->nodes[group].parent;
    }
    apply_strategy(tree, group, dead, verdict);
}
