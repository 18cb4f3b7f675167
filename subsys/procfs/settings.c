/* /proc/sys: what sysctl shows. */
#include <base/memory.h>
#include <subsys/process/core_dump.h>
#include <subsys/process/system_name.h>
#include <subsys/procfs/procfs_private.h>
#include <subsys/random/random.h>

/* --- names ------------------------------------------------------------------------------------ */

static hx_err show_name(enum system_name which, struct text *text)
{
    char name[SYSTEM_NAME_SIZE];

    system_name_get(which, name);
    text_add(text, "%s\n", name);
    return HX_OK;
}

static hx_err store_name(enum system_name which, const char *bytes, size_t length)
{
    char name[SYSTEM_NAME_SIZE];

    length -= length > 0 && bytes[length - 1] == '\n';
    if (length >= sizeof(name)) {
        return HX_EINVAL;
    }
    memcpy(name, bytes, length);
    name[length] = '\0';
    system_name_set(which, name);
    return HX_OK;
}

static hx_err show_node(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    return show_name(SYSTEM_NODE, text);
}

static hx_err store_node(const struct pseudo_node *node, const char *bytes, size_t length)
{
    (void)node;
    return store_name(SYSTEM_NODE, bytes, length);
}

static hx_err show_domain(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    return show_name(SYSTEM_DOMAIN, text);
}

static hx_err store_domain(const struct pseudo_node *node, const char *bytes, size_t length)
{
    (void)node;
    return store_name(SYSTEM_DOMAIN, bytes, length);
}

static hx_err show_type(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, SYSTEM_TYPE "\n");
    return HX_OK;
}

static hx_err show_release(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, SYSTEM_RELEASE "\n");
    return HX_OK;
}

static hx_err show_version(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, SYSTEM_VERSION "\n");
    return HX_OK;
}

static hx_err show_core_pattern(const struct pseudo_node *node, struct text *text)
{
    char pattern[CORE_PATTERN_SIZE];

    (void)node;
    core_pattern_get(pattern);
    text_add(text, "%s\n", pattern);
    return HX_OK;
}

static hx_err store_core_pattern(const struct pseudo_node *node, const char *bytes, size_t length)
{
    (void)node;
    return core_pattern_set(bytes, length);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static hx_err show_id_max(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%u\n", PROCESS_ID_MAX);
    return HX_OK;
}

/* Memory is charged when it is touched: any size may be mapped. */
static hx_err show_overcommit(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "1\n");
    return HX_OK;
}

/* --- random ----------------------------------------------------------------------------------- */

#define ENTROPY_BITS 256U /* of the generator's key */

struct uuid {
    uint8_t bytes[16];
};

static struct uuid boot_id;

/* Version 4 (RFC 4122): all random but for six bits. */
static struct uuid uuid_make(void)
{
    struct uuid uuid;

    random_fill(uuid.bytes, sizeof(uuid.bytes));
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    return uuid;
}

static hx_err add_uuid(struct text *text, const struct uuid *uuid)
{
    for (unsigned i = 0; i < sizeof(uuid->bytes); i++) {
        bool is_group = i == 4 || i == 6 || i == 8 || i == 10;

        text_add(text, "%s%02x", is_group ? "-" : "", (unsigned)uuid->bytes[i]);
    }
    text_add(text, "\n");
    return HX_OK;
}

static hx_err show_uuid(const struct pseudo_node *node, struct text *text)
{
    struct uuid uuid = uuid_make();

    (void)node;
    return add_uuid(text, &uuid);
}

static hx_err show_boot_id(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    return add_uuid(text, &boot_id);
}

static hx_err show_entropy(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%u\n", ENTROPY_BITS);
    return HX_OK;
}

void procfs_settings_init(void)
{
    boot_id = uuid_make();
}

/* --- the tables ------------------------------------------------------------------------------- */

static const struct pseudo_entry random_rows[] = {
    PSEUDO_FILE("boot_id", 0444, show_boot_id, "a number of this boot"),
    PSEUDO_FILE("entropy_avail", 0444, show_entropy, "bits of the generator's key"),
    PSEUDO_FILE("uuid", 0444, show_uuid, "a new number at each reading"),
    {.name = NULL},
};

static const struct pseudo_entry kernel_rows[] = {
    {.name = "core_pattern",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = show_core_pattern,
     .store = store_core_pattern,
     .meaning = "how core files are called, as in core(5)"},
    {.name = "domainname",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = show_domain,
     .store = store_domain,
     .meaning = "as in uname(2)"},
    {.name = "hostname",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = show_node,
     .store = store_node,
     .meaning = "as in uname(2)"},
    PSEUDO_FILE("osrelease", 0444, show_release, "as in uname(2)"),
    PSEUDO_FILE("ostype", 0444, show_type, "as in uname(2)"),
    PSEUDO_FILE("pid_max", 0444, show_id_max, "ids of processes and threads are below"),
    PSEUDO_DIRECTORY("random", random_rows),
    PSEUDO_FILE("version", 0444, show_version, "as in uname(2)"),
    {.name = NULL},
};

static const struct pseudo_entry memory_rows[] = {
    PSEUDO_FILE("overcommit_memory", 0444, show_overcommit, "1: any size may be mapped"),
    {.name = NULL},
};

const struct pseudo_entry procfs_settings_rows[] = {
    PSEUDO_DIRECTORY("kernel", kernel_rows),
    PSEUDO_DIRECTORY("vm", memory_rows),
    {.name = NULL},
};
