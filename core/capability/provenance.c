/* Who holds what, and through whom; and numbers. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/capability/broker.h>
#include <core/capability/grant_store.h>
#include <core/capability/grant_table.h>
#include <kern/read_section.h>

static void describe(const struct grant *grant, uint32_t depth, struct capability_record *record)
{
    const struct grant *origin = atomic_load_explicit(&grant->origin, memory_order_relaxed);

    *record = (struct capability_record){
        .handle = grant_handle(grant),
        .origin = origin != NULL ? grant_handle(origin) : CAPABILITY_NONE,
        .subject = atomic_load_explicit(&grant->subject, memory_order_relaxed),
        .through = origin != NULL ? atomic_load_explicit(&origin->subject, memory_order_relaxed)
                                  : SUBJECT_KERNEL,
        .resource = atomic_load_explicit(&grant->resource, memory_order_relaxed),
        .rights = atomic_load_explicit(&grant->rights, memory_order_relaxed),
        .depth = depth,
    };
}

hx_err capability_describe(capability_handle handle, struct capability_record *record)
{
    hx_err error = broker_lock();
    const struct grant *grant;
    uint32_t depth;

    if (error != HX_OK) {
        return error;
    }
    grant = broker_find_locked(handle);
    if (grant != NULL && broker_is_held(grant, &depth)) {
        describe(grant, depth, record);
    }
    broker_unlock();
    return grant != NULL ? HX_OK : HX_ESTALE;
}

/* Whether this record is a grant on the resource, which is then described. */
static bool is_wanted(const struct grant *grant, resource_id resource,
                      struct capability_record *record)
{
    uint32_t depth;

    if (resource != 0 && atomic_load_explicit(&grant->resource, memory_order_relaxed) != resource) {
        return false;
    }
    if (!broker_is_held(grant, &depth)) {
        return false;
    }
    describe(grant, depth, record);
    return true;
}

static hx_err next_locked(uint32_t *position, resource_id resource,
                          struct capability_record *record)
{
    for (uint32_t i = 0; i < BROKER_SLICE; i++) {
        const struct grant *grant = grant_at(*position);

        if (grant == NULL) {
            return HX_ENOENT;
        }
        (*position)++;
        if (is_wanted(grant, resource, record)) {
            return HX_OK;
        }
    }
    return HX_EAGAIN;
}

hx_err capability_next(uint32_t *position, resource_id resource, struct capability_record *record)
{
    hx_err error = broker_lock();

    if (error == HX_OK) {
        error = next_locked(position, resource, record);
        broker_unlock();
    }
    return error;
}

/* --- names ----------------------------------------------------------------------------------- */

void capability_subject_name(subject_id id, char *buffer)
{
    const struct subject *subject = NULL;

    (void)string_copy(buffer, SUBJECT_NAME_MAX, "?");
    if (broker_lock() != HX_OK) {
        return;
    }
    subject = subject_find(id);
    if (subject != NULL) {
        (void)string_copy(buffer, SUBJECT_NAME_MAX, subject->name);
    }
    broker_unlock();
}

const char *resource_type_name(enum resource_type type)
{
#define RESOURCE_TYPE_TEXT(name, number, text, meaning) [name] = text,
    static const char *const names[] = {RESOURCE_TYPE_LIST(RESOURCE_TYPE_TEXT)};
#undef RESOURCE_TYPE_TEXT

    return type < RESOURCE_TYPE_COUNT ? names[type] : "?";
}

static const char *right_name(unsigned bit)
{
#define PERMISSION_TEXT(name, number, text, meaning) [number] = text,
    static const char *const names[] = {PERMISSION_LIST(PERMISSION_TEXT)};
#undef PERMISSION_TEXT

    return bit < HX_ARRAY_SIZE(names) ? names[bit] : NULL;
}

void capability_rights_text(uint64_t rights, char *buffer, size_t size)
{
    const char *separator = "";
    size_t used = 0;

    rights &= ~(uint64_t)PERMISSION_HELD;
    (void)format_text(buffer, size, "-");
    for (; rights != 0 && used < size; rights &= rights - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(rights);
        const char *name = right_name(bit);

        used += name != NULL ? format_text(buffer + used, size - used, "%s%s", separator, name)
                             : format_text(buffer + used, size - used, "%sbit%u", separator, bit);
        separator = ",";
    }
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return word != NULL && string_length(word) == length && memcmp(text, word, length) == 0;
}

/* A right's name, or bit1 to bit63. */
static bool parse_right(const char *text, size_t length, uint64_t *rights)
{
    uint64_t bit = 1;

    while (bit < 64 && !is_word(text, length, right_name((unsigned)bit))) {
        bit++;
    }
    if (bit == 64 && (length <= 3 || memcmp(text, "bit", 3) != 0 ||
                      string_to_u64(text + 3, length - 3, &bit) != HX_OK || bit == 0 || bit > 63)) {
        return false;
    }
    *rights |= 1ULL << bit;
    return true;
}

hx_err capability_rights_parse(const char *text, size_t length, uint64_t *rights)
{
    uint64_t found = 0;

    for (size_t start = 0; start <= length;) {
        size_t end = start;

        while (end < length && text[end] != ',') {
            end++;
        }
        if (!parse_right(text + start, end - start, &found)) {
            return HX_EINVAL;
        }
        start = end + 1;
    }
    *rights = found;
    return HX_OK;
}

/* --- numbers --------------------------------------------------------------------------------- */

static uint64_t read_counter(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void capability_statistics(struct capability_statistics *statistics)
{
    uint64_t buckets;

    read_enter();
    buckets = grant_table_buckets();
    read_leave();
    *statistics = (struct capability_statistics){
        .grants = read_counter(&broker.grants),
        .subjects = subject_count(),
        .operations = read_counter(&broker.operations),
        .refusals = read_counter(&broker.refusals),
        .reclaiming = read_counter(&broker.reclaiming),
        .longest = read_counter(&broker.longest),
        .buckets = buckets,
        .memory = grant_store_chunks() * GRANT_CHUNK * sizeof(struct grant) + subject_memory() +
                  buckets * sizeof(struct grant *),
    };
}
