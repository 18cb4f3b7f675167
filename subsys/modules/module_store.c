/* Module files, by name and version. */
#include <base/format.h>
#include <base/string.h>
#include <core/config/initrd.h>
#include <core/debug/log.h>
#include <core/hot_reload/loader.h>
#include <core/hot_reload/module_symbols.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/modules/module_store.h>

#define FOLDER "lib/modules/"
#define SUFFIX ".hxm"

/* Keys: M = mutex */
struct store_entry {
    struct module_file file; /* M  bytes NULL: the place is free */
    uint32_t pins;           /* M */
};

static struct {
    struct mutex mutex;
    struct store_entry entries[MODULE_STORE_MAX];
} store;

/* Of the initrd's; written by module_store_init alone. */
static uint32_t left_out;
static hx_err last_left_out;

/* --- versions --------------------------------------------------------------------------------- */

int module_version_compare(const struct hx_module_version *a, const struct hx_module_version *b)
{
    int major = (int)a->major - (int)b->major;
    int minor = (int)a->minor - (int)b->minor;

    return major != 0 ? major : minor != 0 ? minor : (int)a->patch - (int)b->patch;
}

hx_err module_version_parse(const char *text, size_t length, struct hx_module_version *version)
{
    uint16_t *const parts[] = {&version->major, &version->minor, &version->patch};
    const char *end = text + length;

    *version = (struct hx_module_version){0};
    for (size_t i = 0; i < HX_ARRAY_SIZE(parts); i++) {
        const char *dot = text;
        uint64_t number;

        while (dot < end && *dot != '.') {
            dot++;
        }
        if (string_to_u64(text, (size_t)(dot - text), &number) != HX_OK || number > UINT16_MAX ||
            (dot == end) != (i == HX_ARRAY_SIZE(parts) - 1)) {
            return HX_EINVAL;
        }
        *parts[i] = (uint16_t)number;
        text = dot + 1;
    }
    return HX_OK;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* The entry of a name and version, of the youngest version without; NULL: there is none. */
static struct store_entry *find_locked(const char *name, const struct hx_module_version *version)
{
    struct store_entry *found = NULL;

    for (size_t i = 0; i < MODULE_STORE_MAX; i++) {
        struct store_entry *entry = &store.entries[i];

        if (entry->file.bytes == NULL || !string_equal(entry->file.name, name)) {
            continue;
        }
        if (version != NULL ? module_version_compare(&entry->file.version, version) == 0
                            : found == NULL || module_version_compare(&entry->file.version,
                                                                      &found->file.version) > 0) {
            found = entry;
        }
    }
    return found;
}

static hx_err add_locked(const struct module_file *file)
{
    if (find_locked(file->name, &file->version) != NULL) {
        return HX_EEXIST;
    }
    for (size_t i = 0; i < MODULE_STORE_MAX; i++) {
        if (store.entries[i].file.bytes == NULL) {
            store.entries[i] = (struct store_entry){.file = *file};
            return HX_OK;
        }
    }
    return HX_ENOSPC;
}

static hx_err add(const void *bytes, size_t size, bool is_of_initrd, struct module_file *file,
                  char *why)
{
    struct hx_module_descriptor descriptor;
    /* Whether the initrd's can be loaded is found out when they are: most of them never are. */
    hx_err error = loader_identify(bytes, size, is_of_initrd ? LOADER_NAMED : LOADER_CHECKED,
                                   &descriptor, why);

    if (error != HX_OK) {
        return error;
    }
    *file = (struct module_file){.version = descriptor.version,
                                 .category = descriptor.category,
                                 .bytes = bytes,
                                 .size = size,
                                 .is_of_initrd = is_of_initrd};
    (void)string_copy(file->name, sizeof(file->name), descriptor.name);
    mutex_lock(&store.mutex);
    error = add_locked(file);
    mutex_unlock(&store.mutex);
    if (error != HX_OK) {
        (void)string_copy(why, LOADER_WHY_MAX,
                          error == HX_EEXIST ? "a module of that name and version is known"
                                             : "there are too many modules");
    }
    return error;
}

hx_err module_store_add(void *bytes, size_t size, struct module_file *file, char *why)
{
    return add(bytes, size, false, file, why);
}

hx_err module_store_drop(const char *name, const struct hx_module_version *version)
{
    struct store_entry *entry;
    const void *bytes = NULL;
    hx_err error = HX_OK;

    mutex_lock(&store.mutex);
    entry = find_locked(name, version);
    if (entry == NULL) {
        error = HX_ENOENT;
    } else if (entry->file.is_of_initrd) {
        error = HX_EPERM;
    } else if (entry->pins != 0) {
        error = HX_EBUSY;
    } else {
        bytes = entry->file.bytes;
        entry->file.bytes = NULL;
    }
    mutex_unlock(&store.mutex);
    if (bytes != NULL) {
        module_symbols_forget(bytes);
    }
    heap_free((void *)(uintptr_t)bytes);
    return error;
}

hx_err module_store_get(const char *name, const struct hx_module_version *version,
                        struct module_file *file)
{
    struct store_entry *entry;

    mutex_lock(&store.mutex);
    entry = find_locked(name, version);
    if (entry != NULL) {
        entry->pins++;
        *file = entry->file;
    }
    mutex_unlock(&store.mutex);
    return entry != NULL ? HX_OK : HX_ENOENT;
}

hx_err module_store_get_older(const char *name, const struct hx_module_version *version,
                              struct module_file *file)
{
    struct store_entry *found = NULL;

    mutex_lock(&store.mutex);
    for (size_t i = 0; i < MODULE_STORE_MAX; i++) {
        struct store_entry *entry = &store.entries[i];

        if (entry->file.bytes != NULL && string_equal(entry->file.name, name) &&
            module_version_compare(&entry->file.version, version) < 0 &&
            (found == NULL ||
             module_version_compare(&entry->file.version, &found->file.version) > 0)) {
            found = entry;
        }
    }
    if (found != NULL) {
        found->pins++;
        *file = found->file;
    }
    mutex_unlock(&store.mutex);
    return found != NULL ? HX_OK : HX_ENOENT;
}

void module_store_put(const struct module_file *file)
{
    mutex_lock(&store.mutex);
    find_locked(file->name, &file->version)->pins--;
    mutex_unlock(&store.mutex);
}

bool module_store_at(size_t index, struct module_file *file)
{
    bool is_there = false;

    mutex_lock(&store.mutex);
    for (size_t i = 0; i < MODULE_STORE_MAX && !is_there; i++) {
        if (store.entries[i].file.bytes != NULL && index-- == 0) {
            *file = store.entries[i].file;
            is_there = true;
        }
    }
    mutex_unlock(&store.mutex);
    return is_there;
}

/* --- the initrd ------------------------------------------------------------------------------- */

static bool is_module_path(const char *path)
{
    size_t length = string_length(path);

    return string_has_prefix(path, FOLDER) && length > sizeof(SUFFIX) - 1 &&
           string_equal(path + length - (sizeof(SUFFIX) - 1), SUFFIX);
}

static void add_from_initrd(const struct cpio_entry *entry)
{
    struct module_file file;
    char why[LOADER_WHY_MAX];
    hx_err error = add(entry->data, entry->size, true, &file, why);

    if (error != HX_OK) {
        last_left_out = error;
        left_out++;
        kwarn("module %s: left out: %s (%s)", entry->name, why, hx_error_name(error));
    }
}

uint32_t module_store_left_out(hx_err *why)
{
    *why = last_left_out;
    return left_out;
}

/* The module files of the initrd, each path once. */
struct found {
    struct cpio_entry entries[MODULE_STORE_MAX];
    size_t count;
};

/* What is laid over an archive comes behind it, and takes the place of what it has the path of. */
static void note_found(struct found *found, const struct cpio_entry *entry)
{
    size_t i = 0;

    while (i < found->count && !string_equal(found->entries[i].name, entry->name)) {
        i++;
    }
    if (i == MODULE_STORE_MAX) {
        kwarn("module %s: left out: there are too many modules", entry->name);
        return;
    }
    found->entries[i] = *entry;
    found->count += i == found->count ? 1 : 0;
}

static void find_all(struct cpio_reader *reader, struct found *found)
{
    struct cpio_entry entry;

    while (cpio_next_below(reader, FOLDER, &entry) == HX_OK) {
        if (is_module_path(entry.name)) {
            note_found(found, &entry);
        }
    }
}

void module_store_init(void)
{
    struct cpio_reader reader;
    struct found *found;

    mutex_init(&store.mutex, "module store");
    if (!initrd_open(&reader)) {
        return;
    }
    found = heap_allocate_zeroed(sizeof(*found), OWNER_CORE);
    if (found == NULL) {
        kwarn("modules of the initrd are left out: %s", hx_error_text(HX_ENOMEM));
        return;
    }
    find_all(&reader, found);
    for (size_t i = 0; i < found->count; i++) {
        add_from_initrd(&found->entries[i]);
    }
    heap_free(found);
}

void module_store_fini(void)
{
    for (size_t i = 0; i < MODULE_STORE_MAX; i++) {
        struct module_file *file = &store.entries[i].file;

        if (file->bytes != NULL && !file->is_of_initrd) {
            module_symbols_forget(file->bytes);
            heap_free((void *)(uintptr_t)file->bytes);
        }
        file->bytes = NULL;
    }
}
