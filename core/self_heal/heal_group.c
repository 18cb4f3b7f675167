/* The groups of the running kernel: how they are set, and what is done for them. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <base/text.h>
#include <core/config/command_line.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <core/self_heal/heal_event.h>
#include <core/self_heal/heal_member.h>
#include <hal/clock.h>
#include <kern/heap.h>

_Static_assert(SLOT_MAX <= SUPERVISION_MEMBERS_MAX, "each slot can be a member");

/* Keys: G = lock */
static struct {
    struct mutex lock;
    struct supervision_tree tree; /* G */
    bool is_made;                 /* written once, at boot */
} groups;

static void make_groups(void)
{
    if (!groups.is_made) {
        mutex_init(&groups.lock, "healer's groups");
        supervision_init(&groups.tree);
        groups.is_made = true;
    }
}

void heal_group_add(uint32_t slot)
{
    make_groups();
    mutex_lock(&groups.lock);
    supervision_add(&groups.tree, slot);
    mutex_unlock(&groups.lock);
}

hx_err healer_needs(struct slot *slot, struct slot *needed)
{
    hx_err error;

    mutex_lock(&groups.lock);
    error = supervision_depend(&groups.tree, (uint32_t)slot_index(slot),
                               (uint32_t)slot_index(needed), needed->name);
    mutex_unlock(&groups.lock);
    return error;
}

/* --- setting one ------------------------------------------------------------------------------ */

/* A slot's name, or @ and a group's. SUPERVISION_NONE: there is none of that name. */
static uint32_t find_child_locked(const char *text, size_t length)
{
    char name[SUPERVISION_NAME_MAX];
    struct slot *slot;
    uint32_t group;

    if (length == 0 || length >= sizeof(name)) {
        return SUPERVISION_NONE;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    if (name[0] == '@') {
        group = supervision_find(&groups.tree, name + 1);
        return group != SUPERVISION_NONE ? group | SUPERVISION_GROUP : SUPERVISION_NONE;
    }
    slot = slot_find(name);
    return slot != NULL ? (uint32_t)slot_index(slot) : SUPERVISION_NONE;
}

static size_t length_until(const char *text, char end)
{
    size_t length = 0;

    while (text[length] != '\0' && text[length] != end) {
        length++;
    }
    return length;
}

/* Names with commas between. */
static hx_err read_children_locked(const char *text, uint8_t children[SUPERVISION_CHILDREN_MAX],
                                   uint32_t *count)
{
    for (;;) {
        size_t length = length_until(text, ',');
        uint32_t child = find_child_locked(text, length);

        if (child == SUPERVISION_NONE) {
            return HX_ENOENT;
        }
        if (*count == SUPERVISION_CHILDREN_MAX) {
            return HX_ENOSPC;
        }
        children[(*count)++] = (uint8_t)child;
        if (text[length] == '\0') {
            return HX_OK;
        }
        text += length + 1;
    }
}

static hx_err set_locked(const char *name, const char *text)
{
    uint8_t children[SUPERVISION_CHILDREN_MAX];
    enum supervision_strategy strategy;
    size_t length = length_until(text, ':');
    uint32_t count = 0;
    hx_err error = HX_OK;

    if (string_equal(text, "none")) {
        return supervision_dissolve(&groups.tree, name);
    }
    if (!supervision_strategy_parse(text, length, &strategy)) {
        return HX_EINVAL;
    }
    if (text[length] == ':') {
        error = read_children_locked(text + length + 1, children, &count);
    }
    return error == HX_OK ? supervision_set(&groups.tree, name, strategy, children, count) : error;
}

hx_err healer_set_group(const char *name, const char *text)
{
    hx_err error;

    mutex_lock(&groups.lock);
    error = set_locked(name, text);
    mutex_unlock(&groups.lock);
    return error;
}

void heal_group_read_command_line(void)
{
    static const char prefix[] = "group.";
    const struct command_line *line = kernel_command_line();

    for (size_t i = 0; i < line->count; i++) {
        const struct command_line_option *option = &line->options[i];

        if (string_has_prefix(option->key, prefix) &&
            healer_set_group(option->key + sizeof(prefix) - 1, option->value) != HX_OK) {
            kwarn("%s=%s is no group; there is none of that name", option->key, option->value);
        }
    }
}

/* --- what there is ---------------------------------------------------------------------------- */

static void add_child(struct text *text, uint32_t child)
{
    const char *comma = text->length > 0 ? "," : "";

    if ((child & SUPERVISION_GROUP) != 0) {
        text_add(text, "%s@%s", comma, groups.tree.groups[child & ~SUPERVISION_GROUP].name);
    } else {
        text_add(text, "%s%s", comma, slot_at(child)->name);
    }
}

static void describe_locked(const struct supervision_group *group, struct heal_group_info *info)
{
    const uint64_t window = healer_policy().window;
    uint64_t now = hal_clock_now();
    struct text text;

    *info = (struct heal_group_info){.strategy = group->strategy};
    text = text_into(info->children, sizeof(info->children));
    (void)string_copy(info->name, sizeof(info->name), group->name);
    if (group->parent != SUPERVISION_NONE) {
        (void)string_copy(info->above, sizeof(info->above), groups.tree.groups[group->parent].name);
    }
    for (uint32_t i = 0; i < group->death_count; i++) {
        info->deaths += now - group->deaths_ns[i] <= window;
    }
    for (uint32_t i = 0; i < group->child_count; i++) {
        add_child(&text, group->children[i]);
    }
}

bool healer_group_info(uint32_t place, struct heal_group_info *info)
{
    bool is_there = false;

    mutex_lock(&groups.lock);
    for (uint32_t i = 0; i < SUPERVISION_GROUPS_MAX && !is_there; i++) {
        if (groups.tree.groups[i].name[0] != '\0' && place-- == 0) {
            describe_locked(&groups.tree.groups[i], info);
            is_there = true;
        }
    }
    mutex_unlock(&groups.lock);
    return is_there;
}

void healer_group_name(uint32_t group, char name[SUPERVISION_NAME_MAX])
{
    mutex_lock(&groups.lock);
    (void)string_copy(name, SUPERVISION_NAME_MAX,
                      group < SUPERVISION_GROUPS_MAX ? groups.tree.groups[group].name : "");
    mutex_unlock(&groups.lock);
}

/* --- a death ---------------------------------------------------------------------------------- */

void heal_group_died(const struct heal_member *member, uint64_t now_ns,
                     struct heal_companions *companions)
{
    const struct heal_policy policy = healer_policy();
    uint32_t dead = (uint32_t)slot_index(member->slot);
    struct supervision_verdict verdict;

    mutex_lock(&groups.lock);
    supervision_died(&groups.tree, dead, (uint32_t)policy.group_deaths, policy.window, now_ns,
                     &verdict);
    mutex_unlock(&groups.lock);
    *companions = (struct heal_companions){.group = verdict.group};
    for (uint32_t i = 0; i < verdict.count; i++) {
        if (verdict.members[i] != dead) {
            companions->slots[companions->count++] = verdict.members[i];
        }
    }
}

/* --- restarting who lives --------------------------------------------------------------------- */

static void tell(const struct slot *slot, uint32_t group, const struct swap_report *report,
                 uint64_t begun_ns)
{
    char name[SUPERVISION_NAME_MAX];
    struct heal_event data = {
        .duration_us = (uint32_t)((hal_clock_now() - begun_ns) / 1000),
        .action = report->is_migrated ? HEAL_RESTART_WITH_STATE : HEAL_RESTART_CLEAN,
        .group = (uint8_t)(group + 1),
    };

    healer_group_name(group, name);
    if (report->error == HX_OK) {
        kinfo("heal: %s is restarted with its group %s", slot->name, name);
    } else {
        kwarn("heal: %s is not restarted with its group %s: %s", slot->name, name, report->why);
    }
    heal_event_publish(slot, report->error == HX_OK ? HEAL_EVENT_RESTARTED : HEAL_EVENT_FAILED,
                       &data);
}

/* The same version takes over from the one that serves, which is asked for its state. */
static void restart_in_turn(struct heal_member *member, uint32_t group)
{
    static const struct swap_options options = {.drain_limit_ns = SWAP_DRAIN_LIMIT_NS_DEFAULT};
    struct swap_report *report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    uint64_t begun_ns = hal_clock_now();
    struct heal_product product;
    struct hot_reload_death who;

    /* Who died too, or is on trial, is looked after for that. */
    if (report != NULL && hot_reload_find_serving(member->slot, &who) == HX_OK &&
        member->factory->open(member->slot, &who, HEAL_WANT_SAME, &product) == HX_OK) {
        (void)!hot_reload_swap(member->slot, &product.image, &options, report);
        member->factory->close(&product);
        member->factory->note(member->slot, "restart", report);
        tell(member->slot, group, report, begun_ns);
    }
    heap_free(report);
}

/* The next one to be restarted with a member that serves; false: there is none. */
static bool next_companion(struct heal_member *member, uint32_t *slot, uint32_t *group)
{
    bool is_there;

    mutex_lock(&member->lock);
    is_there = member->phase == MEMBER_UP && member->companions.count > 0;
    *slot = member->companions.slots[0];
    *group = member->companions.group;
    mutex_unlock(&member->lock);
    return is_there;
}

/* It is done with. Another death of the member may have begun the list anew. */
static void remove_companion(struct heal_member *member, uint32_t slot)
{
    struct heal_companions *companions = &member->companions;

    mutex_lock(&member->lock);
    if (companions->count > 0 && companions->slots[0] == slot) {
        companions->count--;
        memmove(&companions->slots[0], &companions->slots[1], companions->count);
    }
    mutex_unlock(&member->lock);
}

hx_err heal_group_restart(struct heal_member *member)
{
    uint32_t slot;
    uint32_t group;

    while (next_companion(member, &slot, &group)) {
        struct heal_member *other = member_of(slot_at(slot));

        if (failpoint_step_by_name("heal-group", other->slot->name) != HX_OK) {
            return HX_EIO;
        }
        mutex_lock(&other->turn);
        restart_in_turn(other, group);
        mutex_unlock(&other->turn);
        remove_companion(member, slot);
    }
    return HX_OK;
}
