/* The tree of who is restarted with whom. */
#include <base/assert.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/self_heal/supervision.h>

static const char *const strategy_names[] = {
#define STRATEGY_NAME(name, text, whom) [SUPERVISION_##name] = (text),
    SUPERVISION_STRATEGY_LIST(STRATEGY_NAME)
#undef STRATEGY_NAME
};

const char *supervision_strategy_name(enum supervision_strategy strategy)
{
    return (unsigned)strategy < SUPERVISION_STRATEGY_COUNT ? strategy_names[strategy] : "?";
}

bool supervision_strategy_parse(const char *text, size_t length,
                                enum supervision_strategy *strategy)
{
    for (unsigned i = 0; i < SUPERVISION_STRATEGY_COUNT; i++) {
        if (string_length(strategy_names[i]) == length &&
            memcmp(strategy_names[i], text, length) == 0) {
            *strategy = (enum supervision_strategy)i;
            return true;
        }
    }
    return false;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_group(uint32_t child)
{
    return (child & SUPERVISION_GROUP) != 0;
}

static uint32_t number_of(uint32_t child)
{
    return child & ~SUPERVISION_GROUP;
}

static uint32_t *parent_at(struct supervision_tree *tree, uint32_t child)
{
    return is_group(child) ? &tree->groups[number_of(child)].parent : &tree->parent_of[child];
}

static bool is_there(const struct supervision_tree *tree, uint32_t child)
{
    if (is_group(child)) {
        return number_of(child) < SUPERVISION_GROUPS_MAX &&
               tree->groups[number_of(child)].name[0] != '\0';
    }
    return child < SUPERVISION_MEMBERS_MAX && tree->parent_of[child] != SUPERVISION_NONE;
}

uint32_t supervision_find(const struct supervision_tree *tree, const char *name)
{
    for (uint32_t i = 0; name[0] != '\0' && i < SUPERVISION_GROUPS_MAX; i++) {
        if (string_equal(tree->groups[i].name, name)) {
            return i;
        }
    }
    return SUPERVISION_NONE;
}

static uint32_t place_among(const struct supervision_group *group, uint32_t child)
{
    uint32_t place = 0;

    while (place < group->child_count && group->children[place] != child) {
        place++;
    }
    return place;
}

static bool is_name(const char *name)
{
    size_t length = string_length_max(name, SUPERVISION_NAME_MAX);

    for (size_t i = 0; i < length; i++) {
        char letter = (char)(name[i] | 0x20);
        bool is_letter = letter >= 'a' && letter <= 'z';
        bool is_digit = name[i] >= '0' && name[i] <= '9';

        if (!is_letter && !is_digit && name[i] != '.' && name[i] != '_' && name[i] != '-') {
            return false;
        }
    }
    return length > 0 && length < SUPERVISION_NAME_MAX;
}

/* --- building --------------------------------------------------------------------------------- */

void supervision_init(struct supervision_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
    (void)string_copy(tree->groups[SUPERVISION_ROOT].name, SUPERVISION_NAME_MAX,
                      SUPERVISION_ROOT_NAME);
    tree->groups[SUPERVISION_ROOT].parent = SUPERVISION_NONE;
    for (uint32_t i = 0; i < SUPERVISION_MEMBERS_MAX; i++) {
        tree->parent_of[i] = SUPERVISION_NONE;
    }
}

static void append(struct supervision_tree *tree, uint32_t group, uint32_t child)
{
    struct supervision_group *to = &tree->groups[group];

    to->children[to->child_count++] = (uint8_t)child;
    *parent_at(tree, child) = group;
}

static void detach(struct supervision_tree *tree, uint32_t child)
{
    struct supervision_group *from = &tree->groups[*parent_at(tree, child)];
    uint32_t place = place_among(from, child);

    HX_ASSERT(place < from->child_count, "a group knows its children");
    from->child_count--;
    memmove(&from->children[place], &from->children[place + 1], from->child_count - place);
}

static void move_to(struct supervision_tree *tree, uint32_t group, uint32_t child)
{
    detach(tree, child);
    append(tree, group, child);
}

static void remove_group(struct supervision_tree *tree, uint32_t group)
{
    detach(tree, group | SUPERVISION_GROUP);
    tree->groups[group].name[0] = '\0';
}

/* With one that goes the one above it may become empty. */
static void remove_empty_groups(struct supervision_tree *tree)
{
    uint32_t i = 1;

    while (i < SUPERVISION_GROUPS_MAX) {
        if (tree->groups[i].name[0] != '\0' && tree->groups[i].child_count == 0) {
            remove_group(tree, i);
            i = 0;
        }
        i++;
    }
}

void supervision_add(struct supervision_tree *tree, uint32_t member)
{
    HX_ASSERT(member < SUPERVISION_MEMBERS_MAX, "a member's number is below the maximum");
    if (tree->parent_of[member] == SUPERVISION_NONE) {
        append(tree, SUPERVISION_ROOT, member);
    }
}

static hx_err make_group(struct supervision_tree *tree, const char *name, uint32_t *group)
{
    uint32_t free = 1;

    while (free < SUPERVISION_GROUPS_MAX && tree->groups[free].name[0] != '\0') {
        free++;
    }
    if (free == SUPERVISION_GROUPS_MAX) {
        return HX_ENOSPC;
    }
    tree->groups[free] = (struct supervision_group){.strategy = SUPERVISION_ONE_FOR_ONE};
    (void)string_copy(tree->groups[free].name, SUPERVISION_NAME_MAX, name);
    append(tree, SUPERVISION_ROOT, free | SUPERVISION_GROUP);
    *group = free;
    return HX_OK;
}

hx_err supervision_depend(struct supervision_tree *tree, uint32_t member, uint32_t needed,
                          const char *name)
{
    uint32_t group = tree->parent_of[needed];

    HX_ASSERT(is_there(tree, member) && is_there(tree, needed), "both are members");
    if (group == SUPERVISION_ROOT) {
        hx_err error = !is_name(name)                                     ? HX_EINVAL
                       : supervision_find(tree, name) != SUPERVISION_NONE ? HX_EEXIST
                                                                          : HX_OK;

        error = error == HX_OK ? make_group(tree, name, &group) : error;
        if (error != HX_OK) {
            return error;
        }
        move_to(tree, group, needed);
    }
    move_to(tree, group, member);
    return HX_OK;
}

/* --- changing --------------------------------------------------------------------------------- */

/* Whether a group is child itself, or somewhere below it. */
static bool is_within(const struct supervision_tree *tree, uint32_t group, uint32_t child)
{
    while (group != SUPERVISION_NONE) {
        if ((group | SUPERVISION_GROUP) == child) {
            return true;
        }
        group = tree->groups[group].parent;
    }
    return false;
}

static hx_err check_children(const struct supervision_tree *tree, uint32_t group,
                             const uint8_t *children, uint32_t count)
{
    uint64_t seen[2] = {0}; /* members, groups */

    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = 1ULL << number_of(children[i]) % 64;

        if (!is_there(tree, children[i])) {
            return HX_ENOENT;
        }
        if ((seen[is_group(children[i])] & bit) != 0 || is_within(tree, group, children[i]) ||
            children[i] == (SUPERVISION_GROUP | SUPERVISION_ROOT)) {
            return HX_EINVAL;
        }
        seen[is_group(children[i])] |= bit;
    }
    return HX_OK;
}

/* All that can go wrong; *group is SUPERVISION_NONE if there is none of that name yet. */
static hx_err check_set(const struct supervision_tree *tree, const char *name,
                        const uint8_t *children, uint32_t count, uint32_t *group)
{
    *group = supervision_find(tree, name);
    if (!is_name(name) || (*group == SUPERVISION_NONE && count == 0) ||
        (*group == SUPERVISION_ROOT && count != 0) || count > SUPERVISION_CHILDREN_MAX) {
        return HX_EINVAL;
    }
    return check_children(tree, *group, children, count);
}

static void set_children(struct supervision_tree *tree, uint32_t group, const uint8_t *children,
                         uint32_t count)
{
    struct supervision_group *changed = &tree->groups[group];

    while (changed->child_count > 0) {
        move_to(tree, changed->parent, changed->children[0]);
    }
    for (uint32_t i = 0; i < count; i++) {
        move_to(tree, group, children[i]);
    }
    remove_empty_groups(tree);
}

hx_err supervision_set(struct supervision_tree *tree, const char *name,
                       enum supervision_strategy strategy, const uint8_t *children, uint32_t count)
{
    uint32_t group;
    hx_err error = check_set(tree, name, children, count, &group);

    if (error == HX_OK && group == SUPERVISION_NONE) {
        error = make_group(tree, name, &group);
    }
    if (error != HX_OK) {
        return error;
    }
    tree->groups[group].strategy = strategy;
    if (count > 0) {
        set_children(tree, group, children, count);
    }
    return HX_OK;
}

hx_err supervision_dissolve(struct supervision_tree *tree, const char *name)
{
    uint32_t group = supervision_find(tree, name);

    if (group == SUPERVISION_NONE) {
        return HX_ENOENT;
    }
    if (group == SUPERVISION_ROOT) {
        return HX_EINVAL;
    }
    set_children(tree, group, NULL, 0);
    return HX_OK;
}

/* --- deciding --------------------------------------------------------------------------------- */

/* A child of the group has died. Returns false when that was one too many. */
static bool bear_death(struct supervision_group *group, uint32_t borne, uint64_t window_ns,
                       uint64_t now_ns)
{
    uint32_t kept = 0;

    if (group->parent == SUPERVISION_NONE) {
        return true;
    }
    for (uint32_t i = 0; i < group->death_count; i++) {
        if (now_ns - group->deaths_ns[i] <= window_ns) {
            group->deaths_ns[kept++] = group->deaths_ns[i];
        }
    }
    group->death_count = kept;
    if (kept >= borne) {
        return false;
    }
    group->deaths_ns[group->death_count++] = now_ns;
    return true;
}

/* A child is restarted, with all that is below it: the walk goes down into groups, and back up by
 * their parents; places remember where it was in each. */
static void restart(struct supervision_tree *tree, uint32_t child,
                    struct supervision_verdict *verdict)
{
    uint32_t places[SUPERVISION_GROUPS_MAX] = {0};
    uint32_t top = is_group(child) ? number_of(child) : SUPERVISION_NONE;
    uint32_t at = top;

    if (top == SUPERVISION_NONE) {
        verdict->members[verdict->count++] = (uint8_t)child;
        return;
    }
    for (;;) {
        struct supervision_group *group = &tree->groups[at];

        group->death_count = 0;
        if (places[at] == group->child_count) {
            if (at == top) {
                return;
            }
            at = group->parent;
        } else if (is_group(group->children[places[at]])) {
            at = number_of(group->children[places[at]++]);
        } else {
            verdict->members[verdict->count++] = group->children[places[at]++];
        }
    }
}

static void apply_strategy(struct supervision_tree *tree, uint32_t group, uint32_t dead,
                           struct supervision_verdict *verdict)
{
    const struct supervision_group *deciding = &tree->groups[group];
    uint32_t place = place_among(deciding, dead);
    uint32_t first = deciding->strategy == SUPERVISION_ONE_FOR_ALL ? 0 : place;
    uint32_t end =
        deciding->strategy == SUPERVISION_ONE_FOR_ONE ? place + 1 : deciding->child_count;

    verdict->group = group;
    verdict->count = 0;
    for (uint32_t i = first; i < end; i++) {
        restart(tree, deciding->children[i], verdict);
    }
}

void supervision_died(struct supervision_tree *tree, uint32_t member, uint32_t borne,
                      uint64_t window_ns, uint64_t now_ns, struct supervision_verdict *verdict)
{
    uint32_t dead = member;
    uint32_t group = tree->parent_of[member];

    HX_ASSERT(is_there(tree, member), "it is a member that died");
    while (!bear_death(&tree->groups[group], borne, window_ns, now_ns)) {
        dead = group | SUPERVISION_GROUP;
        group = tree->groups[group].parent;
    }
    apply_strategy(tree, group, dead, verdict);
}
