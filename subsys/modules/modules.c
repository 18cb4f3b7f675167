/* Slots and what is in them. */
#include <base/format.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/config/initrd.h>
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/hot_reload/loader.h>
#include <core/interrupts/exceptions.h>
#include <core/ipc/event_bus.h>
#include <hal/clock.h>
#include <kern/mutex.h>
#include <subsys/access/access.h>
#include <subsys/modules/modules.h>

#define DRAIN_LIMIT_NS (1000 * HAL_NS_PER_MS)
#define PATH_MAX_BYTES 64

/* The slots of this image, in the order in which they are filled. */
static const struct {
    const char *name;
    enum hx_category category;
} slot_rows[] = {{"demo", HX_CATEGORY_DEMO}};

/* A dead instance has left its slot by itself: who loaded it still knows it here. */
static struct module_instance *loaded[SLOT_MAX];
static _Atomic uint64_t loads;
static _Atomic uint64_t failures;
static _Atomic hx_err last_failure;
static struct mutex reload_lock;

static hx_err load(const char *name, enum hal_gate_backend backend,
                   struct module_instance **instance)
{
    char path[PATH_MAX_BYTES];
    char sentence[LOADER_WHY_MAX];
    const char *why = sentence;
    struct cpio_entry entry;
    hx_err error;

    (void)format_text(path, sizeof(path), "lib/modules/%s.hxm", name);
    error = initrd_find(path, &entry, &why);
    if (error == HX_OK) {
        error = loader_load(entry.data, entry.size, backend, instance, sentence);
    }
    if (error != HX_OK) {
        kwarn("module %s: not loaded: %s (%s)", name, why, hx_error_name(error));
        return error;
    }
    kdebug("module %s: loaded from %s, %llu bytes", name, path, (unsigned long long)entry.size);
    return HX_OK;
}

static size_t slot_index(const struct slot *slot)
{
    size_t index = 0;

    while (slot_at(index) != slot) {
        index++;
    }
    return index;
}

static void publish(enum kernel_event_kind kind, const char *name)
{
    struct kernel_event event = {.kind = kind, .topic = EVENT_TOPIC_MODULE_LIFECYCLE};

    (void)string_copy(event.module.name, sizeof(event.module.name), name);
    (void)event_publish(&event);
}

static hx_err retire(struct slot *slot)
{
    struct module_instance **instance = &loaded[slot_index(slot)];
    hx_err error;

    if (*instance == NULL) {
        return HX_OK;
    }
    (void)slot_empty(slot);
    error = slot_drain(*instance, hal_clock_now() + DRAIN_LIMIT_NS);
    if (error == HX_OK) {
        char name[HX_MODULE_NAME_MAX];

        (void)string_copy(name, sizeof(name), (*instance)->name);
        loader_unload(*instance);
        *instance = NULL;
        publish(EVENT_MODULE_UNLOADED, name);
    }
    return error;
}

static hx_err fill(struct slot *slot, enum hal_gate_backend backend)
{
    struct module_instance **instance = &loaded[slot_index(slot)];
    hx_err error = load(slot->name, backend, instance);

    if (error != HX_OK) {
        *instance = NULL;
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        atomic_store_explicit(&last_failure, error, memory_order_relaxed);
        return error;
    }
    atomic_fetch_add_explicit(&loads, 1, memory_order_relaxed);
    atomic_store_explicit(&(*instance)->stage, INSTANCE_SERVING, memory_order_relaxed);
    error = slot_fill(slot, *instance);
    if (error == HX_OK) {
        publish(EVENT_MODULE_LOADED, (*instance)->name);
    }
    return error;
}

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

hx_err modules_reload(subject_id subject, struct slot *slot, enum hal_gate_backend backend)
{
    hx_err error;

    if (!capability_check(subject, modules_slot_resource(slot), PERMISSION_CONTROL)) {
        return HX_EPERM;
    }
    mutex_lock(&reload_lock);
    error = retire(slot);
    if (error == HX_OK) {
        error = fill(slot, backend);
    }
    mutex_unlock(&reload_lock);
    return error;
}

struct modules_content modules_content_of(const struct slot *slot)
{
    struct modules_content content = {.backend = slot->backend};
    const struct module_instance *instance;

    /* What is in a slot is unloaded under this lock alone. */
    mutex_lock(&reload_lock);
    instance = slot_instance(slot);
    if (instance != NULL) {
        content.is_filled = true;
        content.backend = instance->gate.backend;
        (void)string_copy(content.name, sizeof(content.name), instance->name);
        (void)format_text(content.version, sizeof(content.version), "%u.%u.%u",
                          instance->version.major, instance->version.minor,
                          instance->version.patch);
    }
    mutex_unlock(&reload_lock);
    content.deaths = atomic_load_explicit(&slot->deaths, memory_order_relaxed);
    return content;
}

static const char *backend_name(uint32_t backend)
{
    return backend == HAL_GATE_USER ? "user" : "open";
}

void modules_report(void)
{
    struct slot *slot;

    mutex_lock(&reload_lock);
    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        const struct module_instance *instance = slot_instance(slot);

        if (instance == NULL) {
            kprintln("slot %s: empty, %llu deaths", slot->name,
                     (unsigned long long)atomic_load_explicit(&slot->deaths, memory_order_relaxed));
        } else {
            kprintln("slot %s: %s %u.%u.%u, %s gate, text at %p, %llu deaths", slot->name,
                     instance->name, instance->version.major, instance->version.minor,
                     instance->version.patch, backend_name(instance->gate.backend),
                     (void *)instance->text.base,
                     (unsigned long long)atomic_load_explicit(&slot->deaths, memory_order_relaxed));
        }
    }
    mutex_unlock(&reload_lock);
}

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
    numbers->operations = atomic_load_explicit(&loads, memory_order_relaxed);
    numbers->errors = atomic_load_explicit(&failures, memory_order_relaxed);
    numbers->last_error = atomic_load_explicit(&last_failure, memory_order_relaxed);
}

static const struct component modules_component = {
    .name = "modules",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = catch_faults();

    (void)config;
    mutex_init(&reload_lock, "module reload");
    if (error == HX_OK) {
        error = resource_names_register(&names_of_slots);
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(slot_rows) && error == HX_OK; i++) {
        struct slot *slot;

        error = slot_create(slot_rows[i].name, slot_rows[i].category, &slot);
        if (error == HX_OK) {
            /* A slot that stays empty is reported above and can be filled later. */
            (void)!modules_reload(SUBJECT_KERNEL, slot, slot->backend);
        }
    }
    return error == HX_OK ? component_register(&modules_component) : error;
}

static hx_err shutdown(void)
{
    struct slot *slot;
    hx_err error = HX_OK;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        hx_err one = retire(slot);

        error = error == HX_OK ? one : error;
    }
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
