/* Slots, what is put into them, and what became of it. */
#include <base/format.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/debug/screen.h>
#include <core/debug/symbols.h>
#include <core/fault_injection/fault_injection.h>
#include <core/gate/gate.h>
#include <core/hot_reload/loader.h>
#include <core/hot_reload/module_symbols.h>
#include <core/interrupts/exceptions.h>
#include <core/ipc/event_bus.h>
#include <core/scheduling/scheduler_slot.h>
#include <core/self_heal/healer.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/access/access.h>
#include <subsys/modules/modules.h>

#define NOBODY "" /* such a slot begins empty */

/* The slots of this image, in the order in which they are filled, and with what, unless
 * module.SLOT= on the command line says something else. */
static const struct slot_row {
    const char *name;
    enum hx_category category;
    const char *module;
    const char *backup;      /* stands in for it when it cannot be healed; NULL: nothing does */
    const char *needs;       /* a slot before it, without which it cannot work; NULL: none */
    bool (*is_of_use)(void); /* else it begins empty, unless module.SLOT= is given; NULL: always */
} slot_rows[] = {
    {.name = "demo", .category = HX_CATEGORY_DEMO, .module = "demo"},
    {.name = "scheduler",
     .category = HX_CATEGORY_SCHEDULER,
     .module = "sched_rr",
     .backup = "sched_prio"},
    {.name = "memory", .category = HX_CATEGORY_CHARACTER, .module = "memory_devices"},
    {.name = "block", .category = HX_CATEGORY_BLOCK, .module = "virtio_blk"},
    {.name = "file_system",
     .category = HX_CATEGORY_FILE_SYSTEM,
     .module = "ext2",
     .needs = "block"},
    {.name = "entropy", .category = HX_CATEGORY_ENTROPY, .module = "entropy"},
    {.name = "console", .category = HX_CATEGORY_CONSOLE, .module = "serial"},
    {.name = "hook.security", .category = HX_CATEGORY_HOOK, .module = "security"},
    {.name = "hook.audit", .category = HX_CATEGORY_HOOK, .module = "audit"},
    {.name = "hook.metrics", .category = HX_CATEGORY_HOOK, .module = "metrics"},
    {.name = "witness", .category = HX_CATEGORY_FILE_SYSTEM, .module = NOBODY},
    {.name = "screen",
     .category = HX_CATEGORY_SCREEN,
     .module = "screen",
     .is_of_use = screen_is_there},
    {.name = "keyboard",
     .category = HX_CATEGORY_KEYBOARD,
     .module = "ps2_keyboard",
     .is_of_use = screen_is_there},
};

/* Keys: M = mutex */
struct slot_record {
    struct mutex mutex;
    struct swap_options options;                    /* M */
    struct modules_change history[MODULES_HISTORY]; /* M  a ring: change n stands at n mod size */
    uint64_t changes;                               /* M */
    char before[HX_MODULE_NAME_MAX];         /* M  what was in the slot before, "": nothing */
    struct hx_module_version before_version; /* M */
    char blockers[SWAP_BLOCKERS_MAX];        /* M */
};

static struct slot_record *records[SLOT_MAX];
static _Atomic uint64_t loads;
static _Atomic uint64_t failures;
static _Atomic hx_err last_failure;

static struct slot_record *record_of(const struct slot *slot)
{
    return records[slot_index(slot)];
}

/* --- what is said of a change ----------------------------------------------------------------- */

static void publish(enum kernel_event_kind kind, const char *text)
{
    struct kernel_event event = {.kind = kind, .topic = EVENT_TOPIC_MODULE_LIFECYCLE};
    size_t length = 0;

    /* Only the name: what is before the version. */
    while (text[length] != '\0' && text[length] != ' ' && length < sizeof(event.module.name) - 1) {
        event.module.name[length] = text[length];
        length++;
    }
    (void)event_publish(&event);
}

static void publish_change(const struct swap_report *report)
{
    if (report->state == SWAP_COMPLETED && report->from[0] != '\0') {
        publish(EVENT_MODULE_UNLOADED, report->from);
    }
    if (report->state == SWAP_COMPLETED && report->to[0] != '\0') {
        publish(EVENT_MODULE_LOADED, report->to);
    }
}

static void remember(struct slot *slot, const char *what, const struct swap_report *report)
{
    struct slot_record *record = record_of(slot);
    struct modules_change change = {.time_ns = hal_clock_now(),
                                    .what = what,
                                    .state = report->state,
                                    .failed_in = report->failed_in,
                                    .error = report->error,
                                    .is_migrated = report->is_migrated,
                                    .pause_ns = report->pause_ns};

    (void)string_copy(change.from, sizeof(change.from), report->from);
    (void)string_copy(change.to, sizeof(change.to), report->to);
    (void)string_copy(change.why, sizeof(change.why), report->why);
    mutex_lock(&record->mutex);
    change.number = ++record->changes;
    record->history[record->changes % MODULES_HISTORY] = change;
    (void)string_copy(record->blockers, sizeof(record->blockers), report->blockers);
    mutex_unlock(&record->mutex);
}

static void log_change(const struct slot *slot, const char *what, const struct swap_report *report)
{
    if (report->error != HX_OK) {
        kwarn("slot %s: %s of %s failed in %s: %s", slot->name, what,
              report->to[0] != '\0' ? report->to : "a module", swap_state_name(report->failed_in),
              report->why);
    } else if (report->state == SWAP_ROLLBACK && !string_equal(what, "rollback")) {
        kwarn("slot %s: %s is back: %s", slot->name, report->to, report->why);
    } else {
        kdebug("slot %s: %s: %s -> %s", slot->name, what, report->from, report->to);
    }
}

static void note(struct slot *slot, const char *what, const struct swap_report *report)
{
    atomic_fetch_add_explicit(&loads, report->error == HX_OK ? 1 : 0, memory_order_relaxed);
    if (report->error != HX_OK) {
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        atomic_store_explicit(&last_failure, report->error, memory_order_relaxed);
    }
    remember(slot, what, report);
    log_change(slot, what, report);
    if (report->error == HX_OK) {
        publish_change(report);
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

/* What the slot holds is what a later rollback leads to, once something else has taken its place.
 */
struct holder {
    char name[HX_MODULE_NAME_MAX];
    struct hx_module_version version;
    enum hal_gate_backend backend;
};

static bool holder_of(struct slot *slot, struct holder *holder)
{
    const struct module_instance *instance;

    mutex_lock(&slot->change);
    instance = slot_instance(slot);
    if (instance != NULL) {
        (void)string_copy(holder->name, sizeof(holder->name), instance->name);
        holder->version = instance->version;
        holder->backend = instance->gate.backend;
    }
    mutex_unlock(&slot->change);
    return instance != NULL;
}

static void set_before(struct slot *slot, const struct holder *holder)
{
    struct slot_record *record = record_of(slot);

    mutex_lock(&record->mutex);
    (void)string_copy(record->before, sizeof(record->before), holder->name);
    record->before_version = holder->version;
    mutex_unlock(&record->mutex);
}

static hx_err fill_from(struct slot *slot, const struct module_file *file,
                        enum hal_gate_backend backend, struct swap_report *report)
{
    const struct hot_reload_image image = {file->bytes, file->size, backend};
    hx_err error = hot_reload_fill(slot, &image, report);

    note(slot, "fill", report);
    if (error == HX_OK) {
        healer_forget(slot, false);
    }
    return error;
}

static hx_err swap_to(struct slot *slot, const struct module_file *file,
                      enum hal_gate_backend backend, struct swap_report *report)
{
    const struct swap_options options = modules_options(slot);
    const struct hot_reload_image image = {file->bytes, file->size, backend};
    hx_err error = hot_reload_swap(slot, &image, &options, report);

    note(slot, "swap", report);
    if (error == HX_OK) {
        healer_forget(slot, true);
    }
    healer_wake(); /* there may be a trial to end */
    return error;
}

/* A trial that is under way ends with what is known by now. */
static void end_trial(struct slot *slot, struct swap_report *report)
{
    if (hot_reload_settle(slot, HOT_RELOAD_JUDGE, report) != HX_ENOENT) {
        note(slot, "settle", report);
    }
}

static hx_err put_into(struct slot *slot, const struct module_file *file)
{
    struct swap_report *report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    struct holder holder;
    hx_err error;

    if (report == NULL) {
        return HX_ENOMEM;
    }
    end_trial(slot, report);
    if (holder_of(slot, &holder)) {
        error = swap_to(slot, file, holder.backend, report);
        if (error == HX_OK) {
            set_before(slot, &holder);
        }
    } else {
        error = fill_from(slot, file, slot->backend, report);
    }
    heap_free(report);
    return error;
}

hx_err modules_swap(struct slot *slot, const char *name, const struct hx_module_version *version)
{
    struct module_file file;
    hx_err error = module_store_get(name, version, &file);

    if (error == HX_OK) {
        error = put_into(slot, &file);
        module_store_put(&file);
    }
    return error;
}

hx_err modules_unload(struct slot *slot)
{
    struct swap_report *report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    struct holder holder;
    hx_err error;

    if (report == NULL) {
        return HX_ENOMEM;
    }
    if (holder_of(slot, &holder)) {
        set_before(slot, &holder);
    }
    error = hot_reload_unload(slot, modules_options(slot).drain_limit_ns, report);
    if (error != HX_ENOENT) {
        note(slot, "unload", report);
    }
    heap_free(report);
    return error;
}

/* End the trial in a slot if there is one; HX_ENOENT: there is none. */
static hx_err reject_trial(struct slot *slot)
{
    struct swap_report *report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    hx_err error;

    if (report == NULL) {
        return HX_ENOMEM;
    }
    error = hot_reload_settle(slot, HOT_RELOAD_REJECT, report);
    if (error != HX_ENOENT) {
        note(slot, "rollback", report);
    }
    heap_free(report);
    return error;
}

hx_err modules_rollback(struct slot *slot)
{
    struct slot_record *record = record_of(slot);
    struct hx_module_version version;
    char name[HX_MODULE_NAME_MAX];
    hx_err error = reject_trial(slot);

    if (error != HX_ENOENT) {
        return error;
    }
    mutex_lock(&record->mutex);
    (void)string_copy(name, sizeof(name), record->before);
    version = record->before_version;
    mutex_unlock(&record->mutex);
    return name[0] != '\0' ? modules_swap(slot, name, &version) : HX_ENOENT;
}

hx_err modules_add(struct slot *slot, void *bytes, size_t size, struct module_file *file)
{
    char why[LOADER_WHY_MAX];
    hx_err error = module_store_add(bytes, size, file, why);

    if (error == HX_OK && file->category != (uint32_t)slot->category->number) {
        (void)!module_store_drop(file->name, &file->version); /* which frees the bytes */
        kwarn("slot %s: module %s: of another category than the slot's", slot->name, file->name);
        return HX_EVERSION;
    }
    if (error != HX_OK) {
        kwarn("slot %s: a module is not taken: %s (%s)", slot->name, why, hx_error_name(error));
        heap_free(bytes);
    }
    return error;
}

/* The module that belongs into a slot that nobody has put anything into. */
static const char *name_of_default(const struct slot *slot)
{
    char key[SLOT_NAME_MAX + sizeof("module.")];

    const struct slot_row *row = &slot_rows[slot_index(slot)];

    (void)format_text(key, sizeof(key), "module.%s", slot->name);
    return command_line_text(kernel_command_line(), key,
                             row->is_of_use == NULL || row->is_of_use() ? row->module : NOBODY);
}

static hx_err begin_anew(struct slot *slot, enum hal_gate_backend backend,
                         struct swap_report *report)
{
    struct module_file file;
    struct holder holder;
    hx_err error;

    if (holder_of(slot, &holder)) {
        error = module_store_get(holder.name, &holder.version, &file);
    } else {
        error = module_store_get(name_of_default(slot), NULL, &file);
    }
    if (error != HX_OK) {
        return error;
    }
    error = hot_reload_unload(slot, SWAP_DRAIN_LIMIT_NS_DEFAULT, report);
    if (error != HX_ENOENT) {
        note(slot, "unload", report);
    }
    if (error == HX_OK || error == HX_ENOENT) {
        error = fill_from(slot, &file, backend, report);
    }
    module_store_put(&file);
    return error;
}

hx_err modules_reload(subject_id subject, struct slot *slot, enum hal_gate_backend backend)
{
    struct swap_report *report;
    hx_err error;

    if (!capability_check(subject, modules_slot_resource(slot), PERMISSION_CONTROL)) {
        return HX_EPERM;
    }
    report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    if (report == NULL) {
        return HX_ENOMEM;
    }
    error = begin_anew(slot, backend, report);
    heap_free(report);
    return error;
}

#define RENEW_LOOKS   100U
#define RENEW_LOOK_NS (10 * HAL_NS_PER_MS)

/* Who is still inside the old one leaves at his next interrupt. */
static bool is_served_again(struct slot *slot)
{
    for (unsigned i = 0; i < RENEW_LOOKS; i++) {
        if (slot_instance(slot) != NULL) {
            return true;
        }
        (void)healer_trigger_recovery(slot);
        thread_sleep(RENEW_LOOK_NS);
    }
    return false;
}

hx_err modules_renew(subject_id subject, struct slot *slot)
{
    if (!capability_check(subject, modules_slot_resource(slot), PERMISSION_CONTROL)) {
        return HX_EPERM;
    }
    if (slot_instance(slot) == NULL || !healer_is_on()) {
        return modules_reload(subject, slot, slot->backend);
    }
    healer_forget(slot, false);
    slot_end(slot, DEATH_ORDERED);
    (void)healer_trigger_recovery(slot);
    if (!is_served_again(slot)) {
        return HX_ETIMEDOUT;
    }
    healer_forget(slot, false);
    return HX_OK;
}

/* --- what the healer puts into a slot ----------------------------------------------------------
 */

/* Without one, there is nothing of that name to stand in. */
static const char *name_of_backup(const struct slot *slot)
{
    char key[SLOT_NAME_MAX + sizeof("backup.")];
    const char *backup = slot_rows[slot_index(slot)].backup;

    (void)format_text(key, sizeof(key), "backup.%s", slot->name);
    return command_line_text(kernel_command_line(), key, backup != NULL ? backup : "");
}

static hx_err find_wanted(struct slot *slot, const struct hot_reload_death *death,
                          enum heal_wanted wanted, struct module_file *file)
{
    const char *backup = name_of_backup(slot);

    switch (wanted) {
    case HEAL_WANT_SAME:
        return module_store_get(death->name, &death->version, file);
    case HEAL_WANT_PREVIOUS:
        return module_store_get_older(death->name, &death->version, file);
    case HEAL_WANT_BACKUP:
        /* One that has died as its own backup is none. */
        return string_equal(death->name, backup) ? HX_ENOENT : module_store_get(backup, NULL, file);
    }
    return HX_ENOENT;
}

static hx_err open_product(struct slot *slot, const struct hot_reload_death *death,
                           enum heal_wanted wanted, struct heal_product *product)
{
    struct module_file *file = heap_allocate(sizeof(*file), OWNER_CORE);
    hx_err error = file != NULL ? find_wanted(slot, death, wanted, file) : HX_ENOMEM;

    if (error != HX_OK) {
        heap_free(file);
        return error;
    }
    *product =
        (struct heal_product){.image = {file->bytes, file->size, death->backend}, .held = file};
    return HX_OK;
}

static void close_product(struct heal_product *product)
{
    module_store_put(product->held);
    heap_free(product->held);
}

static const struct heal_factory factory = {
    .open = open_product, .close = close_product, .note = note};

/* --- options and what there is ---------------------------------------------------------------- */

void modules_set_options(struct slot *slot, const struct swap_options *options)
{
    struct slot_record *record = record_of(slot);

    mutex_lock(&record->mutex);
    record->options = *options;
    mutex_unlock(&record->mutex);
}

struct swap_options modules_options(struct slot *slot)
{
    struct slot_record *record = record_of(slot);
    struct swap_options options;

    mutex_lock(&record->mutex);
    options = record->options;
    mutex_unlock(&record->mutex);
    return options;
}

struct modules_content modules_content_of(struct slot *slot)
{
    struct modules_content content = {.backend = slot->backend};
    struct holder holder;

    content.is_filled = holder_of(slot, &holder);
    if (content.is_filled) {
        content.backend = holder.backend;
        (void)string_copy(content.name, sizeof(content.name), holder.name);
        (void)format_text(content.version, sizeof(content.version), "%u.%u.%u",
                          holder.version.major, holder.version.minor, holder.version.patch);
    }
    content.status = (enum slot_status)atomic_load_explicit(&slot->status, memory_order_relaxed);
    content.deaths = atomic_load_explicit(&slot->deaths, memory_order_relaxed);
    return content;
}

bool modules_change_at(struct slot *slot, size_t index, struct modules_change *change)
{
    struct slot_record *record = record_of(slot);
    bool is_there;

    mutex_lock(&record->mutex);
    is_there = index < MODULES_HISTORY && index < record->changes;
    if (is_there) {
        *change = record->history[(record->changes - index) % MODULES_HISTORY];
    }
    mutex_unlock(&record->mutex);
    return is_there;
}

void modules_blockers(struct slot *slot, char text[SWAP_BLOCKERS_MAX])
{
    struct slot_record *record = record_of(slot);

    mutex_lock(&record->mutex);
    (void)string_copy(text, SWAP_BLOCKERS_MAX, record->blockers);
    mutex_unlock(&record->mutex);
}

void modules_report(void)
{
    struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        struct modules_content content = modules_content_of(slot);

        if (!content.is_filled) {
            kprintln("slot %s: empty, %llu deaths", slot->name, (unsigned long long)content.deaths);
        } else {
            kprintln("slot %s: %s %s, %s gate, %llu deaths", slot->name, content.name,
                     content.version, content.backend == HAL_GATE_USER ? "user" : "open",
                     (unsigned long long)content.deaths);
        }
    }
}

/* --- names of slots as resources -------------------------------------------------------------- */

resource_id modules_slot_resource(const struct slot *slot)
{
    return resource_make(RESOURCE_TYPE_SLOT, slot_index(slot));
}

static hx_err find_slot(const char *name, uint64_t *number)
{
    struct slot *slot = slot_find(name);

    if (slot == NULL) {
        return HX_ENOENT;
    }
    *number = slot_index(slot);
    return HX_OK;
}

static bool name_slot(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    const struct slot *slot = slot_at((size_t)number);

    return slot != NULL && string_copy(name, RESOURCE_NAME_SIZE, slot->name);
}

static bool next_slot(uint64_t from, uint64_t *number)
{
    *number = from;
    return slot_at((size_t)from) != NULL;
}

static const struct resource_names names_of_slots = {
    .type = RESOURCE_TYPE_SLOT, .find = find_slot, .name = name_slot, .next = next_slot};

/* --- the subsystem ---------------------------------------------------------------------------- */

static enum exception_action module_fault(struct hal_frame *frame, void *argument)
{
    (void)argument;
    return gate_handle_exception(frame) ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

static hx_err catch_faults(void)
{
    for (unsigned kind = 0; kind < HAL_EXCEPTION_COUNT; kind++) {
        hx_err error = exception_register(kind, "gate", EXCEPTION_ORDER_OWNER, module_fault, NULL);

        if (error != HX_OK) {
            return error;
        }
    }
    return HX_OK;
}

static void stats(struct component_stats *numbers)
{
    hx_err left_out;

    numbers->operations = atomic_load_explicit(&loads, memory_order_relaxed);
    numbers->errors =
        atomic_load_explicit(&failures, memory_order_relaxed) + module_store_left_out(&left_out);
    numbers->last_error = atomic_load_explicit(&last_failure, memory_order_relaxed);
    if (numbers->last_error == HX_OK) {
        numbers->last_error = left_out;
    }
}

static const struct component modules_component = {
    .name = "modules",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err make_slot(const struct slot_row *row)
{
    struct slot *slot;
    struct slot_record *record;
    hx_err error = slot_create(row->name, row->category, &slot);

    if (error != HX_OK) {
        return error;
    }
    record = heap_allocate_zeroed(sizeof(*record), OWNER_CORE);
    if (record == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&record->mutex, "slot record");
    record->options = (struct swap_options){.drain_limit_ns = SWAP_DRAIN_LIMIT_NS_DEFAULT,
                                            .trial_calls = SWAP_TRIAL_CALLS_DEFAULT,
                                            .trial_ns = SWAP_TRIAL_NS_DEFAULT};
    records[slot_index(slot)] = record;
    error = healer_register(slot, &factory, false);
    if (error == HX_OK && row->needs != NULL) {
        error = healer_needs(slot, slot_find(row->needs));
    }
    if (error != HX_OK) {
        return error;
    }
    if (row->category == HX_CATEGORY_SCHEDULER) {
        scheduler_slot_install(slot);
    }
    /* A slot that stays empty is reported by then and can be filled later. */
    if (!string_equal(name_of_default(slot), NOBODY) &&
        modules_reload(SUBJECT_KERNEL, slot, slot->backend) == HX_ENOENT) {
        kwarn("slot %s: there is no module %s", slot->name, name_of_default(slot));
    }
    return HX_OK;
}

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = catch_faults();

    (void)config;
    symbols_set_finder(module_symbols_find);
    module_store_init();
    if (command_line_has(kernel_command_line(), "inject")) {
        fault_injection_allow();
    }
    if (error == HX_OK) {
        error = resource_names_register(&names_of_slots);
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(slot_rows) && error == HX_OK; i++) {
        error = make_slot(&slot_rows[i]);
    }
    if (error == HX_OK) {
        error = healer_start();
    }
    return error == HX_OK ? component_register(&modules_component) : error;
}

static hx_err shutdown(void)
{
    struct slot *slot;
    hx_err error = HX_OK;

    healer_stop();
    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        hx_err one = modules_unload(slot);

        error = error == HX_OK && one != HX_ENOENT ? one : error;
    }
    module_store_fini();
    hx_err last = component_unregister(&modules_component);

    return error == HX_OK ? last : error;
}

static const char *const dependencies[] = {"resources", "capabilities", "processors", NULL};

const struct subsystem modules_subsystem = {
    .name = "modules",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
