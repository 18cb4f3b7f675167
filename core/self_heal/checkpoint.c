/* Rings of checkpoints: what is kept, what goes, what is given out. */
#include <base/assert.h>
#include <base/crc32c.h>
#include <base/memory.h>
#include <core/self_heal/checkpoint.h>

void checkpoint_ring_init(struct checkpoint_ring *ring)
{
    memset(ring, 0, sizeof(*ring));
    mutex_init(&ring->mutex, "checkpoints");
}

void checkpoint_ring_fini(struct checkpoint_ring *ring)
{
    for (uint32_t i = 0; i < HEAL_CHECKPOINTS_MAX; i++) {
        module_state_destroy(ring->places[i].state);
    }
    memset(ring->places, 0, sizeof(ring->places));
}

void checkpoint_drop(struct checkpoint_ring *ring)
{
    mutex_lock(&ring->mutex);
    checkpoint_ring_fini(ring);
    mutex_unlock(&ring->mutex);
}

/* --- looking at one --------------------------------------------------------------------------- */

static bool is_good(const struct checkpoint *place)
{
    return place->state != NULL && !place->is_poisoned;
}

/* The size first: a damaged one must not lead out of the memory there is. */
static bool is_intact(const struct checkpoint *place)
{
    size_t size;
    const void *bytes = module_state_bytes(place->state, &size);

    return size == place->size && crc32c(0, bytes, size) == place->checksum;
}

static bool is_equal(const struct checkpoint *a, const struct checkpoint *b)
{
    size_t size;

    return a->size == b->size && a->checksum == b->checksum && is_intact(a) &&
           memcmp(module_state_bytes(a->state, &size), module_state_bytes(b->state, &size),
                  a->size) == 0;
}

static struct checkpoint *find_locked(struct checkpoint_ring *ring, uint64_t number)
{
    for (uint32_t i = 0; i < HEAL_CHECKPOINTS_MAX; i++) {
        if (ring->places[i].state != NULL && ring->places[i].number == number) {
            return &ring->places[i];
        }
    }
    return NULL;
}

/* --- keeping ---------------------------------------------------------------------------------- */

static void remove_locked(struct checkpoint_ring *ring, uint32_t place)
{
    struct checkpoint *at = &ring->places[place];

    module_state_destroy(at->state);
    memmove(at, at + 1, (HEAL_CHECKPOINTS_MAX - 1 - place) * sizeof(*at));
    ring->places[HEAL_CHECKPOINTS_MAX - 1] = (struct checkpoint){0};
}

/* So many good ones stay, the newest. */
static void shrink_locked(struct checkpoint_ring *ring, uint32_t keep)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < HEAL_CHECKPOINTS_MAX;) {
        if (is_good(&ring->places[i]) && ++good > keep) {
            remove_locked(ring, i);
        } else {
            i++;
        }
    }
}

/* There are no more good ones than leave a place, or poisoned ones beside them. */
static void make_place_locked(struct checkpoint_ring *ring)
{
    if (ring->places[HEAL_CHECKPOINTS_MAX - 1].state == NULL) {
        return;
    }
    for (uint32_t i = HEAL_CHECKPOINTS_MAX; i-- > 0;) {
        if (ring->places[i].is_poisoned) {
            remove_locked(ring, i);
            return;
        }
    }
}

static bool is_known_as_poisoned_locked(const struct checkpoint_ring *ring,
                                        const struct checkpoint *fresh)
{
    for (uint32_t i = 0; i < HEAL_CHECKPOINTS_MAX; i++) {
        if (ring->places[i].is_poisoned && is_equal(&ring->places[i], fresh)) {
            return true;
        }
    }
    return false;
}

static void insert_locked(struct checkpoint_ring *ring, const struct checkpoint *fresh,
                          uint32_t keep)
{
    shrink_locked(ring, keep - 1);
    make_place_locked(ring);
    HX_ASSERT(ring->places[HEAL_CHECKPOINTS_MAX - 1].state == NULL,
              "there is a place for a new checkpoint");
    memmove(&ring->places[1], &ring->places[0],
            (HEAL_CHECKPOINTS_MAX - 1) * sizeof(ring->places[0]));
    ring->places[0] = *fresh;
    ring->places[0].number = ++ring->taken;
}

/* HX_OK also when it is not kept because nothing has changed, or none is to be kept. */
static hx_err keep_locked(struct checkpoint_ring *ring, const struct checkpoint *fresh,
                          uint32_t keep, bool *is_kept)
{
    if (is_known_as_poisoned_locked(ring, fresh)) {
        ring->refused++;
        return HX_EPERM;
    }
    shrink_locked(ring, keep);
    if (is_good(&ring->places[0]) && is_equal(&ring->places[0], fresh)) {
        ring->unchanged++;
        ring->places[0].taken_ns = fresh->taken_ns;
        return HX_OK;
    }
    if (keep > 0) {
        insert_locked(ring, fresh, keep);
        *is_kept = true;
    }
    return HX_OK;
}

hx_err checkpoint_keep(struct checkpoint_ring *ring, struct module_state *state, uint32_t keep,
                       uint64_t now_ns)
{
    struct checkpoint fresh = {.state = state, .taken_ns = now_ns};
    hx_err error = module_state_check(state);
    bool is_kept = false;
    size_t size;
    const void *bytes = module_state_bytes(state, &size);

    HX_ASSERT(keep <= HEAL_CHECKPOINTS_MAX, "no more checkpoints are kept than there are places");
    fresh.size = (uint32_t)size;
    fresh.checksum = error == HX_OK ? crc32c(0, bytes, size) : 0;
    mutex_lock(&ring->mutex);
    if (error == HX_OK) {
        error = keep_locked(ring, &fresh, keep, &is_kept);
    } else {
        ring->refused++;
    }
    mutex_unlock(&ring->mutex);
    if (!is_kept) {
        module_state_destroy(state);
    }
    return error;
}

/* --- giving out ------------------------------------------------------------------------------- */

/* After a swap to an older version there may be states that only a younger one knows. */
static bool is_for(const struct checkpoint *place, const struct hx_module_version *reader)
{
    const struct module_state_label *label = module_state_label(place->state);

    return reader == NULL || (label->major == reader->major && label->minor <= reader->minor);
}

void checkpoint_good(struct checkpoint_ring *ring, const struct hx_module_version *reader,
                     uint64_t numbers[HEAL_CHECKPOINTS_MAX])
{
    uint32_t count = 0;

    memset(numbers, 0, HEAL_CHECKPOINTS_MAX * sizeof(numbers[0]));
    mutex_lock(&ring->mutex);
    for (uint32_t i = 0; i < HEAL_CHECKPOINTS_MAX; i++) {
        struct checkpoint *place = &ring->places[i];

        if (is_good(place)) {
            place->is_poisoned = !is_intact(place);
        }
        if (is_good(place) && is_for(place, reader)) {
            numbers[count++] = place->number;
        }
    }
    mutex_unlock(&ring->mutex);
}

static hx_err copy_locked(struct checkpoint_ring *ring, uint64_t number,
                          struct module_state **state)
{
    struct checkpoint *from = find_locked(ring, number);
    const char *why;
    size_t size;

    if (from == NULL) {
        return HX_ENOENT;
    }
    if (from->is_poisoned) {
        return HX_EPERM;
    }
    if (!is_intact(from)) {
        from->is_poisoned = true;
        return HX_EFORMAT;
    }
    return module_state_read(module_state_bytes(from->state, &size), from->size, state, &why);
}

hx_err checkpoint_copy(struct checkpoint_ring *ring, uint64_t number, struct module_state **state)
{
    hx_err error;

    mutex_lock(&ring->mutex);
    error = copy_locked(ring, number, state);
    mutex_unlock(&ring->mutex);
    return error;
}

void checkpoint_quarantine(struct checkpoint_ring *ring, uint64_t number)
{
    mutex_lock(&ring->mutex);
    for (uint32_t i = 0; i < HEAL_CHECKPOINTS_MAX && number != 0; i++) {
        if (ring->places[i].state != NULL && ring->places[i].number >= number) {
            ring->places[i].is_poisoned = true;
        }
    }
    mutex_unlock(&ring->mutex);
}

void checkpoint_counts(struct checkpoint_ring *ring, uint64_t *taken, uint64_t *unchanged)
{
    mutex_lock(&ring->mutex);
    *taken = ring->taken;
    *unchanged = ring->unchanged;
    mutex_unlock(&ring->mutex);
}

bool checkpoint_info(struct checkpoint_ring *ring, uint32_t place, struct checkpoint_info *info)
{
    bool is_there = false;

    mutex_lock(&ring->mutex);
    if (place < HEAL_CHECKPOINTS_MAX && ring->places[place].state != NULL) {
        const struct checkpoint *at = &ring->places[place];

        *info = (struct checkpoint_info){.number = at->number,
                                         .taken_ns = at->taken_ns,
                                         .size = at->size,
                                         .is_poisoned = at->is_poisoned};
        is_there = true;
    }
    mutex_unlock(&ring->mutex);
    return is_there;
}
