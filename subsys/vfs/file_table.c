/* Descriptors. */
#include <base/memory.h>
#include <core/resource/resource.h>
#include <kern/heap.h>
#include <kern/spinlock.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/record_lock.h>

#define FIRST_CAPACITY 32U
#define LEAST_ROOM     64U

/* Member by member: the bytes between them do not matter. */
static HX_ALWAYS_INLINE void set_entry(struct descriptor *place, struct descriptor entry)
{
    place->file = entry.file;
    place->charge = entry.charge;
    place->close_on_exec = entry.close_on_exec;
}

/* A place is filled. */
static void note_used_locked(struct file_table *table, uint32_t at)
{
    table->used_end = at < table->used_end ? table->used_end : at + 1;
}

/* --- life ------------------------------------------------------------------------------------- */

static hx_err make(uint32_t capacity, uint32_t limit, owner_tag owner, struct file_table **table)
{
    struct file_table *made = heap_allocate_zeroed(sizeof(*made), OWNER_CORE);
    struct descriptor *entries =
        heap_allocate_zeroed(capacity * sizeof(struct descriptor), OWNER_CORE);

    if (made == NULL || entries == NULL) {
        heap_free(made);
        heap_free(entries);
        return HX_ENOMEM;
    }
    atomic_init(&made->references, 1);
    spinlock_init(&made->lock, LOCK_RANK_PROCESS, "file table");
    made->owner = owner;
    made->entries = entries;
    made->capacity = capacity;
    made->limit = limit;
    *table = made;
    return HX_OK;
}

hx_err file_table_create(uint32_t limit, owner_tag owner, struct file_table **table)
{
    return make(FIRST_CAPACITY, limit, owner, table);
}

struct file_table *file_table_get(struct file_table *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
    return table;
}

/* A descriptor of the file is no more in the table. */
static HX_ALWAYS_INLINE void let_go(const struct file_table *table, struct file *file)
{
    record_lock_close(file, table);
    if (HX_UNLIKELY(file->ops->close != NULL)) {
        file->ops->close(file, table);
    }
    file_put(file);
}

static void give_up(const struct file_table *table, struct descriptor entry)
{
    if (entry.charge != RESOURCE_HANDLE_NONE) {
        (void)!resource_release(entry.charge, table->owner);
    }
    if (entry.file != NULL) {
        let_go(table, entry.file);
    }
}

void file_table_put(struct file_table *table)
{
    /* acq_rel: the last one sees what all others did */
    if (table == NULL ||
        atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < table->used_end; i++) {
        give_up(table, table->entries[i]);
    }
    heap_free(table->entries);
    heap_free(table);
}

void file_table_set_limit(struct file_table *table, uint32_t limit)
{
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    table->limit = limit;
    spinlock_release(&table->lock, state);
}

static uint32_t limit_of(struct file_table *table)
{
    hal_interrupt_state state = spinlock_acquire(&table->lock);
    uint32_t limit = table->limit;

    spinlock_release(&table->lock, state);
    return limit;
}

/* --- finding ---------------------------------------------------------------------------------- */

struct file *file_table_find(struct file_table *table, int descriptor)
{
    struct file *file = NULL;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    if ((uint32_t)descriptor < table->capacity && table->entries[descriptor].file != NULL) {
        file = file_get(table->entries[descriptor].file);
    }
    spinlock_release(&table->lock, state);
    return file;
}

struct file_use file_table_use_counted(struct file_table *table, int descriptor)
{
    struct file *file = file_table_find(table, descriptor);

    return (struct file_use){file, file != NULL};
}

int file_table_next(struct file_table *table, int from)
{
    int found = -1;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    for (uint32_t i = (uint32_t)from; i < table->capacity && found < 0; i++) {
        found = table->entries[i].file != NULL ? (int)i : -1;
    }
    spinlock_release(&table->lock, state);
    return found;
}

uint32_t file_table_room(struct file_table *table)
{
    hal_interrupt_state state = spinlock_acquire(&table->lock);
    uint32_t room = table->capacity;

    spinlock_release(&table->lock, state);
    return room > LEAST_ROOM ? room : LEAST_ROOM;
}

/* --- growing ---------------------------------------------------------------------------------- */

/* Install a larger array, unless somebody else has; answers what is to be freed. */
static struct descriptor *exchange_entries(struct file_table *table, struct descriptor *larger,
                                           uint32_t capacity)
{
    struct descriptor *unused = larger;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    if (table->capacity < capacity) {
        unused = table->entries;
        memcpy(larger, table->entries, table->capacity * sizeof(*larger));
        table->entries = larger;
        table->capacity = capacity;
    }
    spinlock_release(&table->lock, state);
    return unused;
}

/* Have room for a descriptor. */
static hx_err grow_to(struct file_table *table, uint32_t descriptor)
{
    uint32_t capacity = FIRST_CAPACITY;
    struct descriptor *larger;

    while (capacity <= descriptor) {
        capacity *= 2;
    }
    larger = heap_allocate_zeroed(capacity * sizeof(*larger), OWNER_CORE);
    if (larger == NULL) {
        return HX_ENOMEM;
    }
    heap_free(exchange_entries(table, larger, capacity));
    return HX_OK;
}

/* --- adding ----------------------------------------------------------------------------------- */

static HX_ALWAYS_INLINE bool is_free_locked(const struct file_table *table, uint32_t at)
{
    return at < table->capacity && at < table->limit && table->entries[at].file == NULL;
}

static HX_NOINLINE hx_err find_free_locked(struct file_table *table, uint32_t from,
                                           uint32_t *descriptor)
{
    uint32_t at = from > table->lowest_free ? from : table->lowest_free;

    while (at < table->capacity && table->entries[at].file != NULL) {
        at++;
    }
    *descriptor = at;
    if (at >= table->limit) {
        return HX_EMFILE;
    }
    return at < table->capacity ? HX_OK : HX_EAGAIN;
}

/* HX_EAGAIN: the array must grow to hold *descriptor first. */
static HX_ALWAYS_INLINE hx_err try_add(struct file_table *table, struct descriptor entry,
                                       uint32_t from, uint32_t *descriptor)
{
    hal_interrupt_state state = spinlock_acquire(&table->lock);
    hx_err error = HX_OK;

    *descriptor = from > table->lowest_free ? from : table->lowest_free;
    if (HX_UNLIKELY(!is_free_locked(table, *descriptor))) {
        error = find_free_locked(table, from, descriptor);
    }
    if (HX_LIKELY(error == HX_OK)) {
        set_entry(&table->entries[*descriptor], entry);
        note_used_locked(table, *descriptor);
        if (from <= table->lowest_free) {
            table->lowest_free = *descriptor + 1;
        }
    }
    spinlock_release(&table->lock, state);
    return error;
}

/* Make room and try again; the charge is given up if there is none. */
static HX_NOINLINE hx_err add_growing(struct file_table *table, struct descriptor entry,
                                      uint32_t from, uint32_t *descriptor)
{
    hx_err error;

    while ((error = try_add(table, entry, from, descriptor)) == HX_EAGAIN) {
        error = grow_to(table, *descriptor);
        if (error != HX_OK) {
            break;
        }
    }
    if (error != HX_OK) {
        (void)!resource_release(entry.charge, table->owner);
    }
    return error;
}

hx_err file_table_add(struct file_table *table, struct file *file, int from, bool close_on_exec,
                      int *descriptor)
{
    struct descriptor entry = {.file = file, .close_on_exec = close_on_exec};
    resource_handle charge;
    uint32_t at;
    hx_err error;

    error = resource_allocate(table->owner, RESOURCE_FILE_HANDLES, 1, &charge);
    if (HX_UNLIKELY(error != HX_OK)) {
        return error == HX_ELIMIT ? HX_EMFILE : error;
    }
    entry.charge = charge;
    error = try_add(table, entry, (uint32_t)from, &at);
    *descriptor = (int)at;
    return HX_LIKELY(error == HX_OK)
               ? HX_OK
               : add_growing(table, entry, (uint32_t)from, (uint32_t *)descriptor);
}

/* Exchange what stands at a place; *old is what stood there.  Errors: HX_EBADF outside the array.
 */
static hx_err exchange(struct file_table *table, uint32_t at, struct descriptor entry,
                       struct descriptor *old)
{
    hx_err error = HX_EBADF;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    *old = (struct descriptor){0};
    if (at < table->capacity) {
        *old = table->entries[at];
        table->entries[at] = entry;
        error = HX_OK;
    }
    if (entry.file != NULL && error == HX_OK) {
        note_used_locked(table, at);
    } else if (entry.file == NULL && at < table->lowest_free) {
        table->lowest_free = at;
    }
    spinlock_release(&table->lock, state);
    return error;
}

/* Put an entry at a place, growing the array if need be. */
static hx_err place(struct file_table *table, uint32_t at, struct descriptor entry)
{
    struct descriptor old;
    hx_err error = exchange(table, at, entry, &old);

    if (error == HX_EBADF) {
        error = grow_to(table, at);
        if (error == HX_OK) {
            error = exchange(table, at, entry, &old);
        }
    }
    if (error == HX_OK) {
        give_up(table, old);
    }
    return error;
}

/* Where a file stands already, the new one takes its charge over.  Errors: HX_ENOENT none does. */
static hx_err replace(struct file_table *table, uint32_t at, struct descriptor entry)
{
    struct file *old = NULL;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    if (at < table->capacity && table->entries[at].file != NULL) {
        old = table->entries[at].file;
        entry.charge = table->entries[at].charge;
        table->entries[at] = entry;
    }
    spinlock_release(&table->lock, state);
    if (old != NULL) {
        let_go(table, old);
    }
    return old != NULL ? HX_OK : HX_ENOENT;
}

hx_err file_table_set(struct file_table *table, struct file *file, int descriptor,
                      bool close_on_exec)
{
    struct descriptor entry = {.file = file, .close_on_exec = close_on_exec};
    hx_err error;

    if ((uint32_t)descriptor >= limit_of(table)) {
        return HX_EBADF;
    }
    if (replace(table, (uint32_t)descriptor, entry) == HX_OK) {
        return HX_OK;
    }
    error = resource_allocate(table->owner, RESOURCE_FILE_HANDLES, 1, &entry.charge);
    if (error != HX_OK) {
        return error == HX_ELIMIT ? HX_EMFILE : error;
    }
    error = place(table, (uint32_t)descriptor, entry);
    if (error != HX_OK) {
        (void)!resource_release(entry.charge, table->owner);
    }
    return error;
}

/* --- closing ---------------------------------------------------------------------------------- */

/* Empty a place; what stood there. */
static HX_ALWAYS_INLINE struct descriptor take_locked(struct file_table *table, uint32_t at)
{
    struct descriptor old = table->entries[at];

    set_entry(&table->entries[at], (struct descriptor){0});
    table->lowest_free = at < table->lowest_free ? at : table->lowest_free;
    return old;
}

hx_err file_table_close(struct file_table *table, int descriptor)
{
    struct descriptor old = {0};
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    if (HX_LIKELY((uint32_t)descriptor < table->capacity)) {
        old = take_locked(table, (uint32_t)descriptor);
    }
    spinlock_release(&table->lock, state);
    if (HX_UNLIKELY(old.file == NULL)) {
        return HX_EBADF;
    }
    give_up(table, old);
    return HX_OK;
}

/* Take the next that is closed by exec out, from a place on.  Errors: HX_ENOENT there is none. */
static hx_err take_marked(struct file_table *table, uint32_t *at, struct descriptor *old)
{
    hx_err error = HX_ENOENT;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    while (*at < table->used_end && !table->entries[*at].close_on_exec) {
        (*at)++;
    }
    if (*at < table->used_end) {
        *old = take_locked(table, *at);
        error = HX_OK;
    }
    spinlock_release(&table->lock, state);
    return error;
}

void file_table_exec(struct file_table *table)
{
    struct descriptor old;
    uint32_t at = 0;

    while (take_marked(table, &at, &old) == HX_OK) {
        give_up(table, old);
    }
}

/* --- the flag --------------------------------------------------------------------------------- */

hx_err file_table_close_on_exec(struct file_table *table, int descriptor, bool *is_set)
{
    hx_err error = HX_EBADF;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    if ((uint32_t)descriptor < table->capacity && table->entries[descriptor].file != NULL) {
        *is_set = table->entries[descriptor].close_on_exec;
        error = HX_OK;
    }
    spinlock_release(&table->lock, state);
    return error;
}

hx_err file_table_set_close_on_exec(struct file_table *table, int descriptor, bool set)
{
    hx_err error = HX_EBADF;
    hal_interrupt_state state = spinlock_acquire(&table->lock);

    if ((uint32_t)descriptor < table->capacity && table->entries[descriptor].file != NULL) {
        table->entries[descriptor].close_on_exec = set;
        error = HX_OK;
    }
    spinlock_release(&table->lock, state);
    return error;
}

/* --- copying ---------------------------------------------------------------------------------- */

static void copy_entry(struct descriptor *to, const struct descriptor *from)
{
    if (from->file != NULL) {
        to->file = file_get(from->file);
        to->close_on_exec = from->close_on_exec;
    }
}

/* The copy's places are empty before. Returns what room is needed; nothing is copied if there is
 * less. */
static uint32_t copy_entries(struct file_table *from, struct file_table *to)
{
    uint32_t needed;
    hal_interrupt_state state = spinlock_acquire(&from->lock);

    needed = from->capacity;
    if (needed <= to->capacity) {
        for (uint32_t i = 0; i < from->used_end; i++) {
            copy_entry(&to->entries[i], &from->entries[i]);
        }
        to->used_end = from->used_end;
    }
    to->lowest_free = from->lowest_free;
    to->limit = from->limit;
    spinlock_release(&from->lock, state);
    return needed;
}

static hx_err charge_all(struct file_table *table)
{
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < table->used_end && error == HX_OK; i++) {
        if (table->entries[i].file != NULL) {
            error = resource_allocate(table->owner, RESOURCE_FILE_HANDLES, 1,
                                      &table->entries[i].charge);
        }
    }
    return error;
}

hx_err file_table_copy(struct file_table *from, owner_tag owner, struct file_table **to)
{
    uint32_t capacity = FIRST_CAPACITY;
    uint32_t needed;
    hx_err error;

    for (;;) {
        error = make(capacity, 0, owner, to);
        if (error != HX_OK) {
            return error;
        }
        needed = copy_entries(from, *to);
        if (needed <= capacity) {
            break;
        }
        file_table_put(*to);
        capacity = needed;
    }
    error = charge_all(*to);
    if (error != HX_OK) {
        file_table_put(*to);
    }
    return error;
}
