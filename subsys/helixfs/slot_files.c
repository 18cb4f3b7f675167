/* /helix/slots/NAME: one directory for each slot. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/gate/gate.h>
#include <core/gate/slot.h>
#include <core/hot_reload/hot_reload.h>
#include <core/self_heal/healer.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <subsys/access/access.h>
#include <subsys/console/console_input.h>
#include <subsys/console/console_taker.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/modules/modules.h>

#define COUNTER_PATIENCE_NS (10 * HAL_NS_PER_S)

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

static hx_err show_status(const struct pseudo_node *node, struct text *text)
{
    text_add(text, "%s\n", slot_status_name(modules_content_of(slot_of(node)).status));
    return HX_OK;
}

/* Every module that fits: one line each, what is in the slot marked. */
static hx_err show_versions(const struct pseudo_node *node, struct text *text)
{
    struct slot *slot = slot_of(node);
    struct modules_content content = modules_content_of(slot);
    struct module_file file;

    for (size_t i = 0; module_store_at(i, &file); i++) {
        char version[16];

        if (file.category != (uint32_t)slot->category->number) {
            continue;
        }
        (void)format_text(version, sizeof(version), "%u.%u.%u", file.version.major,
                          file.version.minor, file.version.patch);
        text_add(text, "%c %s %s %llu %s\n",
                 string_equal(file.name, content.name) && string_equal(version, content.version)
                     ? '*'
                     : '-',
                 file.name, version, (unsigned long long)file.size,
                 file.is_of_initrd ? "initrd" : "loaded");
    }
    return HX_OK;
}

static void add_waiting(struct slot *slot, struct text *text)
{
    for (uint64_t cpus = cpu_online_mask(); cpus != 0; cpus &= cpus - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(cpus);

        text_add(text, "waiting_%u %llu\n", cpu, (unsigned long long)modules_waiting_at(slot, cpu));
    }
}

/* What core knows of the console's input, whatever its driver says. */
static void add_input(struct text *text)
{
    uint64_t by_driver = console_input_driver_count();

    text_add(text, "input_by_driver %llu\n", (unsigned long long)by_driver);
    text_add(text, "input_by_core %llu\n", (unsigned long long)(console_input_count() - by_driver));
    text_add(text, "input_lapses %llu\n", (unsigned long long)console_taker_lapses());
}

/* What a scheduler, a disk's driver and the console's count, by name; of a scheduler how many
 * threads wait for each CPU, of the console who took its input. */
static hx_err show_statistics(const struct pseudo_node *node, struct text *text)
{
    struct slot *slot = slot_of(node);
    const char *name;
    uint64_t value;

    for (uint32_t i = 0; modules_statistic_at(slot, i, &name, &value); i++) {
        text_add(text, "%s %llu\n", name, (unsigned long long)value);
    }
    if (slot->category->number == HX_CATEGORY_SCHEDULER) {
        add_waiting(slot, text);
    } else if (slot->category->number == HX_CATEGORY_CONSOLE) {
        add_input(text);
    }
    return HX_OK;
}

/* The youngest change last: number, seconds, what, from -> to, how it ended, microseconds of pause.
 */
static hx_err show_history(const struct pseudo_node *node, struct text *text)
{
    struct modules_change change;

    for (size_t i = MODULES_HISTORY; i-- > 0;) {
        if (!modules_change_at(slot_of(node), i, &change)) {
            continue;
        }
        text_add(text, "%llu %llu.%06llu %s %s -> %s: %s, pause %llu us, state %s",
                 (unsigned long long)change.number,
                 (unsigned long long)(change.time_ns / HAL_NS_PER_S),
                 (unsigned long long)(change.time_ns % HAL_NS_PER_S / 1000), change.what,
                 change.from[0] != '\0' ? change.from : "-", change.to[0] != '\0' ? change.to : "-",
                 swap_state_name(change.state), (unsigned long long)(change.pause_ns / 1000),
                 change.is_migrated ? "kept" : "none");
        text_add(text, change.why[0] != '\0' ? "; %s\n" : "%s\n", change.why);
    }
    return HX_OK;
}

static hx_err show_blockers(const struct pseudo_node *node, struct text *text)
{
    char *blockers = heap_allocate(SWAP_BLOCKERS_MAX, OWNER_CORE);

    if (blockers == NULL) {
        return HX_ENOMEM;
    }
    modules_blockers(slot_of(node), blockers);
    text_add(text, "%s", blockers);
    heap_free(blockers);
    return HX_OK;
}

/* --- how swaps are done ----------------------------------------------------------------------- */

static hx_err show_options(const struct pseudo_node *node, struct text *text)
{
    struct swap_options options = modules_options(slot_of(node));

    text_add(text, "drain_ms %llu\ntrial_calls %u\ntrial_ms %llu\n",
             (unsigned long long)(options.drain_limit_ns / HAL_NS_PER_MS), options.trial_calls,
             (unsigned long long)(options.trial_ns / HAL_NS_PER_MS));
    return HX_OK;
}

#define OPTION_MAX_MS 3600000U

/* NAME NUMBER */
static hx_err set_option(struct swap_options *options, const struct helixfs_word words[2])
{
    uint64_t number;

    if (string_to_u64(words[1].start, words[1].length, &number) != HX_OK ||
        number > OPTION_MAX_MS) {
        return HX_EINVAL;
    }
    if (helixfs_is_word(&words[0], "drain_ms")) {
        options->drain_limit_ns = number * HAL_NS_PER_MS;
    } else if (helixfs_is_word(&words[0], "trial_calls")) {
        options->trial_calls = (uint32_t)number;
    } else if (helixfs_is_word(&words[0], "trial_ms")) {
        options->trial_ns = number * HAL_NS_PER_MS;
    } else {
        return HX_EINVAL;
    }
    return HX_OK;
}

static hx_err require_control(const struct slot *slot)
{
    return access_require(modules_slot_resource(slot), PERMISSION_CONTROL, HX_EPERM);
}

static hx_err change_options(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    struct swap_options options = modules_options(slot);
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    if (error != HX_OK || count != 2) {
        return HX_EINVAL;
    }
    error = set_option(&options, words);
    if (error == HX_OK) {
        error = require_control(slot);
    }
    if (error == HX_OK) {
        modules_set_options(slot, &options);
    }
    return error;
}

/* --- changes ---------------------------------------------------------------------------------- */

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
    error = require_control(slot);
    return error == HX_OK ? modules_reload(syscall_caller().subject, slot, backend) : error;
}

/* The path of a module file: it is one of those known from then on. */
static hx_err load(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    struct module_file file;
    void *bytes;
    size_t size;
    hx_err error = require_control(slot);

    if (error == HX_OK) {
        error = access_require_privilege(PRIVILEGE_MODULE);
    }
    if (error == HX_OK) {
        error = helixfs_read_file(text, length, &bytes, &size);
    }
    return error == HX_OK ? modules_add(slot, bytes, size, &file) : error;
}

/* NAME, or NAME VERSION. */
static hx_err parse_module(const char *text, size_t length, char name[HX_MODULE_NAME_MAX],
                           struct hx_module_version *version, bool *has_version)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    if (error != HX_OK || count < 1 || count > 2 || words[0].length >= HX_MODULE_NAME_MAX) {
        return HX_EINVAL;
    }
    memcpy(name, words[0].start, words[0].length);
    name[words[0].length] = '\0';
    *has_version = count == 2;
    return *has_version ? module_version_parse(words[1].start, words[1].length, version) : HX_OK;
}

static hx_err swap(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    char name[HX_MODULE_NAME_MAX];
    struct hx_module_version version;
    bool has_version;
    hx_err error = parse_module(text, length, name, &version, &has_version);

    if (error == HX_OK) {
        error = require_control(slot);
    }
    return error == HX_OK ? modules_swap(slot, name, has_version ? &version : NULL) : error;
}

/* Forget a module that was loaded; without a name, take out what is in the slot. */
static hx_err unload(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    char name[HX_MODULE_NAME_MAX];
    struct hx_module_version version;
    bool has_version;
    size_t count;
    hx_err error = require_control(slot);

    if (error != HX_OK) {
        return error;
    }
    error = helixfs_split(text, length, words, &count);
    if (error == HX_OK && count == 0) {
        return modules_unload(slot);
    }
    error = parse_module(text, length, name, &version, &has_version);
    return error == HX_OK && has_version ? module_store_drop(name, &version) : HX_EINVAL;
}

static hx_err rollback(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    hx_err error = require_control(slot);

    (void)text, (void)length;
    return error == HX_OK ? modules_rollback(slot) : error;
}

/* Do now what is to be done about who died here, without waiting for the cooldown. */
static hx_err recover(const struct pseudo_node *node, const char *text, size_t length)
{
    struct slot *slot = slot_of(node);
    enum heal_health health;
    hx_err error = require_control(slot);

    (void)text, (void)length;
    if (error != HX_OK) {
        return error;
    }
    (void)healer_trigger_recovery(slot);
    health = healer_check_health(slot);
    return health == HEAL_CRASHED || health == HEAL_FAILED ? HX_EIO : HX_OK;
}

/* Whoever was there is about to be followed by another; the healer may not have seen it yet. */
static bool is_being_replaced(struct slot *slot)
{
    struct hot_reload_death death;
    enum heal_health health = healer_check_health(slot);

    return (healer_is_on() && hot_reload_find_death(slot, &death) == HX_OK) ||
           health == HEAL_CRASHED || health == HEAL_RECOVERING;
}

/* Who dies of it has not counted: the next one is asked. */
static struct hal_gate_result count(struct slot *slot)
{
    uint64_t deadline = hal_clock_now() + COUNTER_PATIENCE_NS;
    struct hal_gate_result result = gate_call(slot, DEMO_COUNT, 0, 0, 0, 0);

    while ((result.error == HX_EDIED || (result.error == HX_ENOENT && is_being_replaced(slot))) &&
           hal_clock_now() < deadline && slot_wait_filled(slot, deadline) == HX_OK) {
        result = gate_call(slot, DEMO_COUNT, 0, 0, 0, 0);
    }
    return result;
}

/* What a program can use of the demo slot: whoever counts there, no number is lost or comes twice.
 */
hx_err helixfs_show_counter(const struct pseudo_node *node, struct text *text)
{
    struct slot *slot = slot_find("demo");
    struct hal_gate_result result = {.error = HX_ENOENT};

    (void)node;
    if (slot != NULL) {
        result = count(slot);
    }
    if (result.error == HX_OK) {
        text_add(text, "%llu\n", (unsigned long long)result.value);
    }
    return result.error == HX_OK || result.error == HX_ENOENT ? result.error : HX_EIO;
}

static const struct helixfs_node slot_node = {.file = HELIXFS_SLOTS};

#define SLOT_FILE(file_name, file_mode, function)                                                  \
    {                                                                                              \
        .name = (file_name), .type = VNODE_FILE, .mode = (file_mode), .show = (function),          \
        .context = &slot_node                                                                      \
    }

#define SLOT_ACTION(file_name, function)                                                           \
    {                                                                                              \
        .name = (file_name), .type = VNODE_FILE, .mode = 0222, .store = (function),                \
        .context = &slot_node                                                                      \
    }

static const struct pseudo_entry slot_rows[] = {
    SLOT_FILE("active", 0444, show_active),
    SLOT_FILE("status", 0444, show_status),
    SLOT_FILE("gate", 0444, show_gate),
    SLOT_FILE("deaths", 0444, show_deaths),
    SLOT_FILE("versions", 0444, show_versions),
    SLOT_FILE("history", 0444, show_history),
    SLOT_FILE("statistics", 0444, show_statistics),
    SLOT_FILE("blockers", 0444, show_blockers),
    {.name = "options",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = show_options,
     .store = change_options,
     .context = &slot_node},
    SLOT_ACTION("load", load),
    SLOT_ACTION("swap", swap),
    SLOT_ACTION("rollback", rollback),
    SLOT_ACTION("unload", unload),
    SLOT_ACTION("reload", reload),
    SLOT_ACTION("recover", recover),
    {.name = NULL},
};

static const struct pseudo_entry slot_directory = {
    .name = "NAME", .type = VNODE_DIRECTORY, .mode = 0555, .children = slot_rows};

const struct pseudo_family helixfs_slots = {.prefix = "",
                                            .member = &slot_directory,
                                            .next = next_slot,
                                            .find = find_slot,
                                            .name = name_slot};
