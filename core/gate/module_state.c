/* States of modules: building, checking, looking records up. */
#include <base/crc32c.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/gate/module_state.h>
#include <kern/heap.h>

#define STATE_MAGIC    0x3145544154535848ULL /* "HXSTATE1" in memory */
#define RECORD_MAX     4096U
#define CAPACITY_FIRST 256U

struct state_header {
    uint64_t magic;
    uint32_t checksum; /* CRC-32C of all that follows this member */
    uint32_t size;     /* of the whole */
    struct module_state_label label;
    uint32_t record_count;
};

/* Its bytes follow, then zeros up to a multiple of 8. */
struct record_header {
    uint32_t tag; /* HX_STATE_OPTIONAL beside it */
    uint32_t size;
};

_Static_assert(sizeof(struct state_header) == 48 && sizeof(struct record_header) == 8,
               "the form is the same for every version and machine");

#define CHECKED_FROM (offsetof(struct state_header, checksum) + sizeof(uint32_t))

struct module_state {
    union {
        uint8_t *bytes;
        struct state_header *header;
    };
    uint32_t capacity;
    bool is_sealed;
    /* Where the last lookup ended: records of one tag are asked for in order. */
    struct {
        uint32_t tag;
        uint32_t index;
        uint32_t offset;
        uint32_t number;
    } last;
    uint64_t asked[RECORD_MAX / 64]; /* bit n: somebody asked for record n */
};

static uint32_t padded(uint32_t size)
{
    return (size + 7U) & ~7U;
}

static uint32_t checksum_of(const uint8_t *bytes, uint32_t size)
{
    return crc32c(0, bytes + CHECKED_FROM, size - CHECKED_FROM);
}

/* --- building --------------------------------------------------------------------------------- */

static hx_err make(uint32_t capacity, struct module_state **state)
{
    struct module_state *fresh = heap_allocate_zeroed(sizeof(*fresh), OWNER_CORE);

    if (fresh == NULL) {
        return HX_ENOMEM;
    }
    fresh->bytes = heap_allocate_zeroed(capacity, OWNER_CORE);
    if (fresh->bytes == NULL) {
        heap_free(fresh);
        return HX_ENOMEM;
    }
    fresh->capacity = capacity;
    *state = fresh;
    return HX_OK;
}

hx_err module_state_create(const struct module_state_label *label, struct module_state **state)
{
    hx_err error = make(CAPACITY_FIRST, state);

    if (error == HX_OK) {
        *(*state)->header = (struct state_header){
            .magic = STATE_MAGIC, .size = sizeof(struct state_header), .label = *label};
    }
    return error;
}

void module_state_destroy(struct module_state *state)
{
    if (state != NULL) {
        heap_free(state->bytes);
        heap_free(state);
    }
}

static hx_err make_room(struct module_state *state, uint32_t size)
{
    uint32_t capacity = state->capacity;
    uint8_t *larger;

    if (size <= capacity) {
        return HX_OK;
    }
    while (capacity < size) {
        capacity *= 2;
    }
    larger = heap_allocate_zeroed(capacity, OWNER_CORE);
    if (larger == NULL) {
        return HX_ENOMEM;
    }
    memcpy(larger, state->bytes, state->header->size);
    heap_free(state->bytes);
    state->bytes = larger;
    state->capacity = capacity;
    return HX_OK;
}

hx_err module_state_put(struct module_state *state, uint32_t tag, size_t size, void **room)
{
    uint32_t at = state->header->size;
    hx_err error;

    if ((tag & ~HX_STATE_OPTIONAL) == 0) {
        return HX_EINVAL;
    }
    if (state->is_sealed) {
        return HX_ESTATE;
    }
    if (size > HX_STATE_SIZE_MAX - sizeof(struct record_header) - at ||
        state->header->record_count == RECORD_MAX) {
        return HX_ERANGE;
    }
    error = make_room(state, at + padded((uint32_t)(sizeof(struct record_header) + size)));
    if (error != HX_OK) {
        return error;
    }
    *(struct record_header *)(state->bytes + at) = (struct record_header){tag, (uint32_t)size};
    *room = state->bytes + at + sizeof(struct record_header);
    state->header->size = at + padded((uint32_t)(sizeof(struct record_header) + size));
    state->header->record_count++;
    return HX_OK;
}

void module_state_seal(struct module_state *state)
{
    state->is_sealed = true;
    state->header->checksum = checksum_of(state->bytes, state->header->size);
}

/* --- checking --------------------------------------------------------------------------------- */

/* The records fill the state exactly, and their padding is zero. */
static const char *check_records(const uint8_t *bytes, const struct state_header *header)
{
    uint32_t at = sizeof(*header);

    for (uint32_t i = 0; i < header->record_count; i++) {
        struct record_header record;

        if (header->size - at < sizeof(record)) {
            return "a record begins outside of the state";
        }
        memcpy(&record, bytes + at, sizeof(record));
        if ((record.tag & ~HX_STATE_OPTIONAL) == 0) {
            return "a record has no tag";
        }
        at += sizeof(record);
        if (record.size > header->size - at || padded(record.size) > header->size - at) {
            return "a record ends outside of the state";
        }
        at += padded(record.size);
    }
    return at == header->size ? NULL : "there is more than the records";
}

static const char *check(const uint8_t *bytes, size_t size)
{
    struct state_header header;

    if (size < sizeof(header) || size > HX_STATE_SIZE_MAX || size % 8 != 0) {
        return "not the size of a state";
    }
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != STATE_MAGIC || header.size != size) {
        return "not a state, or cut off";
    }
    if (header.checksum != checksum_of(bytes, header.size)) {
        return "the checksum is wrong";
    }
    if (!string_ends_within(header.label.kind, HX_STATE_KIND_MAX)) {
        return "the kind's name does not end";
    }
    if (header.record_count > RECORD_MAX) {
        return "too many records";
    }
    return check_records(bytes, &header);
}

hx_err module_state_read(const void *bytes, size_t size, struct module_state **state,
                         const char **why)
{
    hx_err error;

    *why = check(bytes, size);
    if (*why != NULL) {
        return HX_EFORMAT;
    }
    error = make((uint32_t)size, state);
    if (error == HX_OK) {
        memcpy((*state)->bytes, bytes, size);
        (*state)->is_sealed = true;
    }
    return error;
}

hx_err module_state_check(const struct module_state *state)
{
    return state->header->checksum == checksum_of(state->bytes, state->header->size) ? HX_OK
                                                                                     : HX_EFORMAT;
}

/* --- looking up ------------------------------------------------------------------------------- */

static const struct record_header *record_at(const struct module_state *state, uint32_t offset)
{
    return (const struct record_header *)(state->bytes + offset);
}

static uint32_t record_end(const struct module_state *state, uint32_t offset)
{
    return offset + (uint32_t)sizeof(struct record_header) + padded(record_at(state, offset)->size);
}

void module_state_rewind(struct module_state *state)
{
    state->last.tag = 0;
    memset(state->asked, 0, sizeof(state->asked));
}

/* Where a search for a record begins: at the last one found, if it comes before. */
static void begin(struct module_state *state, uint32_t tag, uint32_t index)
{
    if (state->last.tag != tag || state->last.index > index) {
        state->last.tag = tag;
        state->last.index = 0;
        state->last.offset = sizeof(struct state_header);
        state->last.number = 0;
    }
}

const void *module_state_get(struct module_state *state, uint32_t tag, uint32_t index, size_t *size)
{
    if (tag == 0) {
        return NULL; /* no record has it; and it stands for "nothing was looked up" */
    }
    begin(state, tag, index);
    while (state->last.number < state->header->record_count) {
        const struct record_header *record = record_at(state, state->last.offset);
        bool is_of_tag = (record->tag & ~HX_STATE_OPTIONAL) == tag;

        if (is_of_tag && state->last.index == index) {
            state->asked[state->last.number / 64] |= 1ULL << state->last.number % 64;
            *size = record->size;
            return record + 1;
        }
        state->last.index += is_of_tag ? 1 : 0;
        state->last.offset = record_end(state, state->last.offset);
        state->last.number++;
    }
    state->last.tag = 0;
    return NULL;
}

/* --- faults ----------------------------------------------------------------------------------- */

/* The byte number wanted of all records; NULL past the last one. *count: how many there are up to
 * there. */
static uint8_t *payload_byte(const struct module_state *state, uint64_t wanted, uint64_t *count)
{
    uint32_t offset = sizeof(struct state_header);

    *count = 0;
    for (uint32_t i = 0; i < state->header->record_count; i++) {
        uint32_t size = record_at(state, offset)->size;

        if (wanted - *count < size) {
            return state->bytes + offset + sizeof(struct record_header) + (wanted - *count);
        }
        *count += size;
        offset = record_end(state, offset);
    }
    return NULL;
}

void module_state_flip(struct module_state *state, uint64_t chance)
{
    uint64_t count;

    (void)payload_byte(state, UINT64_MAX, &count);
    if (count != 0) {
        uint8_t *byte = payload_byte(state, chance / 8 % count, &count);

        *byte ^= (uint8_t)(1U << chance % 8);
    }
}

/* --- what is not known ------------------------------------------------------------------------ */

static hx_err copy_record(struct module_state *to, const struct record_header *record)
{
    void *room;
    hx_err error = module_state_put(to, record->tag, record->size, &room);

    if (error == HX_OK) {
        memcpy(room, record + 1, record->size);
    }
    return error;
}

static bool was_asked(const struct module_state *state, uint32_t number)
{
    return (state->asked[number / 64] >> number % 64 & 1) != 0;
}

/* Copy what nobody asked for; *carried is made with the first of it. */
static hx_err collect(const struct module_state *state, struct module_state **carried)
{
    uint32_t offset = sizeof(struct state_header);
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < state->header->record_count && error == HX_OK; i++) {
        const struct record_header *record = record_at(state, offset);

        if (!was_asked(state, i)) {
            if ((record->tag & HX_STATE_OPTIONAL) == 0) {
                return HX_EVERSION;
            }
            error = *carried != NULL ? HX_OK : module_state_create(&state->header->label, carried);
            error = error == HX_OK ? copy_record(*carried, record) : error;
        }
        offset = record_end(state, offset);
    }
    return error;
}

hx_err module_state_leftovers(const struct module_state *state, struct module_state **carried)
{
    hx_err error;

    *carried = NULL;
    error = collect(state, carried);
    if (error != HX_OK) {
        module_state_destroy(*carried);
        *carried = NULL;
    }
    return error;
}

hx_err module_state_append(struct module_state *state, const struct module_state *from)
{
    uint32_t own = state->header->record_count;
    uint32_t offset = sizeof(struct state_header);
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < from->header->record_count && error == HX_OK; i++) {
        const struct record_header *record = record_at(from, offset);
        uint32_t at = sizeof(struct state_header);
        bool is_known = false;

        for (uint32_t k = 0; k < own; k++) {
            is_known |= ((record_at(state, at)->tag ^ record->tag) & ~HX_STATE_OPTIONAL) == 0;
            at = record_end(state, at);
        }
        error = is_known ? HX_OK : copy_record(state, record);
        offset = record_end(from, offset);
    }
    return error;
}

const struct module_state_label *module_state_label(const struct module_state *state)
{
    return &state->header->label;
}

const void *module_state_bytes(const struct module_state *state, size_t *size)
{
    *size = state->header->size;
    return state->bytes;
}
