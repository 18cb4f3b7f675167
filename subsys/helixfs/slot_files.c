/* /helix/slots/NAME: one directory for each slot. */
#include <base/string.h>
#include <core/gate/slot.h>
#include <core/syscall/syscall.h>
#include <subsys/access/access.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/modules/modules.h>

_Static_assert(SLOT_NAME_MAX <= PSEUDO_NAME_MAX, "a slot's name is a file's");

static bool next_slot(const struct pseudo_node *directory, uint32_t from, uint32_t *number)
{
    (void)directory;
    *number = from;
    return slot_at(from) != NULL;
}

static hx_err find_slot(const struct pseudo_node *directory, uint32_t number, void **subject)
{
    (void)directory;
    *subject = slot_at(number);
    return *subject != NULL ? HX_OK : HX_ENOENT;
}

static bool name_slot(uint32_t number, char name[PSEUDO_NAME_MAX])
{
    const struct slot *slot = slot_at(number);

    return slot != NULL && string_copy(name, PSEUDO_NAME_MAX, slot->name);
}

static struct slot *slot_of(const struct pseudo_node *node)
{
    return pseudo_member(node, &helixfs_slots)->subject;
}

const char *helixfs_gate_name(enum hal_gate_backend backend)
{
    return backend == HAL_GATE_USER ? "user" : "open";
}

/* --- files ------------------------------------------------------------------------------------ */

static hx_err show_active(const struct pseudo_node *node, struct text *text)
{
    struct modules_content content = modules_content_of(slot_of(node));

    if (content.is_filled) {
        text_add(text, "%s %s\n", content.name, content.version);
    } else {
        text_add(text, "-\n");
    }
    return HX_OK;
}

static hx_err show_gate(const struct pseudo_node *node, struct text *text)
{
    text_add(text, "%s\n", helixfs_gate_name(modules_content_of(slot_of(node)).backend));
    return HX_OK;
}

static hx_err show_deaths(const struct pseudo_node *node, struct text *text)
{
    text_add(text, "%llu\n", (unsigned long long)modules_content_of(slot_of(node)).deaths);
    return HX_OK;
}

/* Load the slot's file again, behind the gate that is named, or that of before. */
static hx_err reload(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    enum hal_gate_backend backend = modules_content_of(slot).backend;
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    if (error != HX_OK || count > 1) {
        return HX_EINVAL;
    }
    if (count == 1 && helixfs_is_word(&words[0], "user")) {
        backend = HAL_GATE_USER;
    } else if (count == 1 && helixfs_is_word(&words[0], "open")) {
        backend = HAL_GATE_OPEN;
    } else if (count == 1) {
        return HX_EINVAL;
    }
    error = access_require(modules_slot_resource(slot), PERMISSION_CONTROL, HX_EPERM);
    return error == HX_OK ? modules_reload(syscall_caller().subject, slot, backend) : error;
}

static const struct helixfs_node slot_node = {.file = HELIXFS_SLOTS};

#define SLOT_FILE(file_name, file_mode, function)                                                  \
    {                                                                                              \
        .name = (file_name), .type = VNODE_FILE, .mode = (file_mode), .show = (function),          \
        .context = &slot_node                                                                      \
    }

static const struct pseudo_entry slot_rows[] = {
    SLOT_FILE("active", 0444, show_active),
    SLOT_FILE("gate", 0444, show_gate),
    SLOT_FILE("deaths", 0444, show_deaths),
    {.name = "reload", .type = VNODE_FILE, .mode = 0222, .store = reload, .context = &slot_node},
    {.name = NULL},
};

static const struct pseudo_entry slot_directory = {
    .name = "NAME", .type = VNODE_DIRECTORY, .mode = 0555, .children = slot_rows};

const struct pseudo_family helixfs_slots = {.prefix = "",
                                            .member = &slot_directory,
                                            .next = next_slot,
                                            .find = find_slot,
                                            .name = name_slot};
