#include <base/assert.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/hot_reload/signature.h>
#include <core/hot_reload/signature_difference.h>
#include <stdatomic.h>

#define HEADING         "helix signatures "
#define VERSION         "1"
#define CHECKSUM_DIGITS 16

/* core/hot_reload/signature_text.S */
extern const char signature_kernel_text[];
extern const char signature_kernel_text_end[];

/* --- the text --------------------------------------------------------------------------------- */

/* The index takes index_size bytes of the rest, and an empty line follows it. */
static struct signatures divide(struct signature_part rest, size_t index_size)
{
    return (struct signatures){
        .index = {rest.bytes, index_size},
        .descriptions = {rest.bytes + index_size + 1, rest.size - index_size - 1},
    };
}

/* The two parts are apart by an empty line; an index without one is the whole rest. */
static hx_err split(struct signature_part rest, struct signatures *signatures)
{
    size_t limit = rest.size < SIGNATURE_INDEX_MAX ? rest.size : SIGNATURE_INDEX_MAX;
    const char *end = rest.bytes + limit;
    const char *line = rest.bytes;

    for (const char *at = line; at != end; at++) {
        if (*at != '\n') {
            continue;
        }
        if (at == line) {
            *signatures = divide(rest, (size_t)(line - rest.bytes));
            return HX_OK;
        }
        line = at + 1;
    }
    return limit == rest.size ? HX_EFORMAT : HX_ERANGE;
}

struct signatures signatures_of_kernel(void)
{
    /* Where the index ends, once somebody has looked; who is first does not matter. 0: not yet. */
    static _Atomic size_t known_index_size;
    const char *text = signature_kernel_text + sizeof(HEADING VERSION "\n") - 1;
    struct signature_part rest = {text,
                                  (size_t)((uintptr_t)signature_kernel_text_end - (uintptr_t)text)};
    size_t index_size = atomic_load_explicit(&known_index_size, memory_order_relaxed);
    struct signatures signatures;
    hx_err error;

    if (index_size == 0) {
        error = split(rest, &signatures);
        HX_ASSERT(error == HX_OK, "the kernel's own signatures are well formed");
        atomic_store_explicit(&known_index_size, signatures.index.size, memory_order_relaxed);
        return signatures;
    }
    return divide(rest, index_size);
}

/* A text made with this kernel's headers has its very index: where that ends is known already. */
static hx_err read_parts(struct signature_part rest, struct signatures *signatures)
{
    struct signature_part known = signatures_of_kernel().index;

    if (rest.size > known.size && memcmp(rest.bytes, known.bytes, known.size + 1) == 0) {
        *signatures = divide(rest, known.size);
        signatures->index = known; /* that comparing the two is one look */
        return HX_OK;
    }
    return split(rest, signatures);
}

hx_err signatures_read(const char *bytes, size_t size, struct signatures *signatures)
{
    static const char heading[] = HEADING;
    static const char version[] = VERSION "\n";
    const size_t heading_size = sizeof(heading) - 1;
    const size_t version_size = sizeof(version) - 1;

    if (size < heading_size + version_size || memcmp(bytes, heading, heading_size) != 0) {
        return HX_EFORMAT;
    }
    if (memcmp(bytes + heading_size, version, version_size) != 0) {
        return HX_EVERSION;
    }
    bytes += heading_size + version_size;
    return read_parts((struct signature_part){bytes, size - heading_size - version_size},
                      signatures);
}

bool signatures_are_equal(const struct signatures *a, const struct signatures *b)
{
    return a->index.size == b->index.size &&
           (a->index.bytes == b->index.bytes ||
            memcmp(a->index.bytes, b->index.bytes, a->index.size) == 0);
}

struct signature_part signatures_checksum(const struct signatures *signatures, const char *name)
{
    struct signature_part line = signature_line(signatures->index, name, " ");

    return line.size == CHECKSUM_DIGITS ? line : (struct signature_part){NULL, 0};
}

/* --- checksums -------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits. Source: Eastlake and others, RFC 9923. */
#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static void hash_bytes(uint64_t *hash, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        *hash = (*hash ^ (uint8_t)bytes[i]) * FNV_PRIME;
    }
}

static void hash_line(uint64_t *hash, struct signature_part name, struct signature_part entries)
{
    hash_bytes(hash, name.bytes, name.size);
    hash_bytes(hash, " | ", 3);
    hash_bytes(hash, entries.bytes, entries.size);
    hash_bytes(hash, "\n", 1);
}

/* Whether the checksum of a name is that of its description and of all types it says it uses. */
static bool is_consistent(const struct signatures *signatures, const char *name)
{
    struct signature_part digits = signatures_checksum(signatures, name);
    struct signature_part entries = signature_description(signatures, name);
    struct signature_part uses = signature_uses(entries);
    struct signature_part type;
    uint64_t hash = FNV_BASIS;
    char computed[CHECKSUM_DIGITS + 1];
    struct text text = text_into(computed, sizeof(computed));

    hash_line(&hash, (struct signature_part){name, string_length(name)}, entries);
    while (signature_next_use(&uses, &type)) {
        hash_line(&hash, type, signature_type(signatures, type));
    }
    text_add(&text, "%016llx", (unsigned long long)hash);
    return digits.size == CHECKSUM_DIGITS && memcmp(digits.bytes, computed, CHECKSUM_DIGITS) == 0;
}

/* --- comparing -------------------------------------------------------------------------------- */

static hx_err explain(const struct signatures *module, const struct signatures *kernel,
                      const char *name, struct text *why)
{
    enum signature_verdict verdict = signature_find_difference(module, kernel, name, why);

    if (verdict == SIGNATURE_DIFFERS) {
        return HX_EVERSION;
    }
    if (verdict == SIGNATURE_GROWN && is_consistent(module, name)) {
        return HX_OK;
    }
    if (verdict != SIGNATURE_UNREADABLE) {
        text_add(why, "%s: its checksum does not belong to its description", name);
    }
    return HX_EFORMAT;
}

hx_err signatures_compare(const struct signatures *module, const struct signatures *kernel,
                          const char *name, struct text *why)
{
    struct signature_part theirs = signatures_checksum(module, name);
    struct signature_part ours = signatures_checksum(kernel, name);

    if (ours.size == 0) {
        text_add(why, "%s: the kernel exports nothing of this name", name);
        return HX_EIMPORT;
    }
    if (theirs.size == 0) {
        text_add(why, "%s: the module's signatures do not have it", name);
        return HX_EFORMAT;
    }
    return memcmp(ours.bytes, theirs.bytes, ours.size) == 0 ? HX_OK
                                                            : explain(module, kernel, name, why);
}
