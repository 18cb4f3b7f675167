/*
 * The state of an instance on its way to another one: versioned, self-describing, checksummed.
 *
 * Rules:
 * - A state is a header and records, in one piece of memory: it can be kept, copied and read again
 *   by another version. Multi-byte fields are little endian.
 * - It is built by put, closed by seal, and from then on read only; read accepts foreign bytes only
 * after it has checked all of them.
 * - Of records that an importer did not ask for, those marked HX_STATE_OPTIONAL are carried along,
 * others make the import fail.
 * - One thread at a time.
 */
#ifndef CORE_GATE_MODULE_STATE_H
#define CORE_GATE_MODULE_STATE_H

#include <helix/error.h>
#include <helix/module.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module_state;

/* What a state says of itself. */
struct module_state_label {
    char kind[HX_STATE_KIND_MAX];
    uint16_t major;
    uint16_t minor;
};

/* An empty state; the caller's, to be given back with module_state_destroy.
 * Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err module_state_create(const struct module_state_label *label,
                                       struct module_state **state);

/*
 * Read size foreign bytes; they are copied. *why: NULL, or a sentence, a constant.
 * Context: thread.  Errors: HX_EFORMAT, HX_ENOMEM.
 */
HX_MUST_USE hx_err module_state_read(const void *bytes, size_t size, struct module_state **state,
                                     const char **why);

/* NULL is allowed.  Context: thread. */
void module_state_destroy(struct module_state *state);

/*
 * Add a record; tag may have HX_STATE_OPTIONAL beside it. *room is where its bytes go.
 * Context: thread.
 * Errors: HX_EINVAL tag 0, HX_ESTATE it is sealed, HX_ERANGE above HX_STATE_SIZE_MAX, HX_ENOMEM.
 */
HX_MUST_USE hx_err module_state_put(struct module_state *state, uint32_t tag, size_t size,
                                    void **room);

/* Make a bit of a record's bytes the other one, which of them chance picks; a state without any
 * stays as it is. It is not sealed yet.  Context: thread. */
void module_state_flip(struct module_state *state, uint64_t chance);

/* No more records: the checksum is made.  Context: thread. */
void module_state_seal(struct module_state *state);

/*
 * Check the checksum of a sealed state once more.  Context: thread.  Errors: HX_EFORMAT.
 */
HX_MUST_USE hx_err module_state_check(const struct module_state *state);

/* Bytes of record number index of a tag (without flags), NULL: there is none. Marks it as asked
 * for. */
const void *module_state_get(struct module_state *state, uint32_t tag, uint32_t index,
                             size_t *size);

/* Forget who asked for what: a new import begins.  Context: thread. */
void module_state_rewind(struct module_state *state);

/*
 * After an import: what nobody asked for. Optional records become *carried (NULL: none), a state of
 * the same label.
 * Context: thread.  Errors: HX_EVERSION there is a record that is not optional, HX_ENOMEM.
 */
HX_MUST_USE hx_err module_state_leftovers(const struct module_state *state,
                                          struct module_state **carried);

/* Add all records of another state whose tags are not in this one.  Context: thread.
 * Errors: those of put. */
HX_MUST_USE hx_err module_state_append(struct module_state *state, const struct module_state *from);

const struct module_state_label *module_state_label(const struct module_state *state);

/* The whole, to be kept or sent; valid until the next put.  */
const void *module_state_bytes(const struct module_state *state, size_t *size);

#endif
