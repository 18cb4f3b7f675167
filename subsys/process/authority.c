/* Which subject a process acts as. */
#include <base/assert.h>
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/access/access.h>
#include <subsys/process/authority.h>
#include <subsys/process/process.h>

#define ALL_RIGHTS                                                                                 \
    (PERMISSION_READ | PERMISSION_WRITE | PERMISSION_EXECUTE | PERMISSION_CONTROL |                \
     PERMISSION_DELEGATE)

static struct {
    struct mutex mutex;
    struct list users; /* those of users; confined ones are nobody else's to find */
} authorities;

void authority_init(void)
{
    mutex_init(&authorities.mutex, "authorities");
    list_init(&authorities.users);
}

/* --- making ----------------------------------------------------------------------------------- */

static hx_err make(const char *name, uint32_t user, bool is_confined, struct authority **authority)
{
    struct authority *made = heap_allocate_zeroed(sizeof(*made), OWNER_CORE);
    hx_err error = made != NULL ? capability_subject_create(name, &made->subject) : HX_ENOMEM;

    if (error != HX_OK) {
        heap_free(made);
        return error == HX_ENOSPC ? HX_EAGAIN : error;
    }
    made->user = user;
    made->is_confined = is_confined;
    list_init(&made->link);
    atomic_init(&made->references, 1);
    *authority = made;
    return HX_OK;
}

static struct authority *find_locked(uint32_t user)
{
    for (struct list *node = authorities.users.next; node != &authorities.users;
         node = node->next) {
        struct authority *authority = LIST_ENTRY(node, struct authority, link);

        if (authority->user == user) {
            return authority_get(authority);
        }
    }
    return NULL;
}

static hx_err make_of_user_locked(uint32_t user, struct authority **authority)
{
    char name[SUBJECT_NAME_MAX] = "root";
    hx_err error;

    if (user != 0) {
        (void)format_text(name, sizeof(name), "user:%u", (unsigned)user);
    }
    error = make(name, user, false, authority);
    if (error == HX_OK) {
        list_push_back(&authorities.users, &(*authority)->link);
    }
    return error;
}

hx_err authority_of_user(uint32_t user, struct authority **authority)
{
    hx_err error = HX_OK;

    mutex_lock(&authorities.mutex);
    *authority = find_locked(user);
    if (*authority == NULL) {
        error = make_of_user_locked(user, authority);
    }
    mutex_unlock(&authorities.mutex);
    return error;
}

/* --- references ------------------------------------------------------------------------------- */

struct authority *authority_get(struct authority *authority)
{
    atomic_fetch_add_explicit(&authority->references, 1, memory_order_relaxed);
    return authority;
}

/* One reference less, if it is not the last. */
static bool put_not_last(struct authority *authority)
{
    uint32_t count = atomic_load_explicit(&authority->references, memory_order_relaxed);

    while (count > 1) {
        /* release: what was done with it comes before its end, which the last one's mutex orders */
        if (atomic_compare_exchange_weak_explicit(&authority->references, &count, count - 1,
                                                  memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

/* The last one is given up under the mutex, so that nobody finds it meanwhile. */
static bool put_last(struct authority *authority)
{
    bool is_last;

    mutex_lock(&authorities.mutex);
    /* acquire: pairs with the release of the others */
    is_last = atomic_fetch_sub_explicit(&authority->references, 1, memory_order_acq_rel) == 1;
    if (is_last) {
        list_remove(&authority->link);
    }
    mutex_unlock(&authorities.mutex);
    return is_last;
}

void authority_put(struct authority *authority)
{
    while (authority != NULL && !put_not_last(authority) && put_last(authority)) {
        struct authority *origin = authority->origin;

        (void)!capability_subject_destroy(authority->subject);
        heap_free(authority);
        authority = origin;
    }
}

void authority_keep(struct authority *authority)
{
    mutex_lock(&authorities.mutex);
    if (!authority->is_kept) {
        authority->is_kept = true;
        (void)authority_get(authority);
    }
    mutex_unlock(&authorities.mutex);
}

/* --- what the kernel delegates to process 1 --------------------------------------------------- */

static hx_err grant_named(subject_id subject, const struct resource_names *names)
{
    uint64_t number = 0;
    hx_err error = HX_OK;

    while (error == HX_OK && names->next(number, &number)) {
        error = capability_grant(subject, resource_make(names->type, number), ALL_RIGHTS, NULL);
        number++;
    }
    return error;
}

hx_err authority_grant_all(struct authority *authority)
{
    hx_err error = HX_OK;

    for (unsigned type = 1; type < RESOURCE_TYPE_COUNT && error == HX_OK; type++) {
        const struct resource_names *names = resource_names_of((enum resource_type)type);

        if (names != NULL) {
            error = grant_named(authority->subject, names);
        }
    }
    return error;
}

/* --- of processes ----------------------------------------------------------------------------- */

hx_err authority_after(const struct process *process, uint32_t effective_user,
                       struct authority **next)
{
    struct authority *own;

    mutex_lock(&process_mutex);
    own = authority_get(process->authority);
    mutex_unlock(&process_mutex);
    if (own->is_confined || own->user == effective_user) {
        *next = own;
        return HX_OK;
    }
    authority_put(own);
    return authority_of_user(effective_user, next);
}

struct authority *authority_change_locked(struct process *process, struct authority *next)
{
    struct authority *old = process->authority;
    hal_interrupt_state state;

    process->authority = next;
    /* relaxed: a check with the old one's subject is refused once it has ended, or came before */
    atomic_store_explicit(&process->subject, next->subject, memory_order_relaxed);
    state = spinlock_acquire(&process->lock);
    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        struct thread *thread = LIST_ENTRY(node, struct user_thread, link)->thread;

        atomic_store_explicit(&thread->subject, next->subject, memory_order_relaxed);
    }
    spinlock_release(&process->lock, state);
    return old;
}

static hx_err delegate(subject_id from, subject_id to, const struct authority_right *rights,
                       size_t count)
{
    hx_err error = HX_OK;

    for (size_t i = 0; i < count && error == HX_OK; i++) {
        error = capability_delegate(from, to, rights[i].resource, rights[i].rights, NULL);
    }
    return error;
}

/* A subject of its own with some of the rights of the calling process, whose authority is from. */
static hx_err make_confined(struct authority *from, const struct authority_right *rights,
                            size_t count, struct authority **made)
{
    char name[SUBJECT_NAME_MAX];
    hx_err error;

    (void)format_text(name, sizeof(name), "confined:%u", (unsigned)process_current()->id);
    error = make(name, from->user, true, made);
    if (error == HX_OK) {
        (*made)->origin = authority_get(from);
        error = delegate(from->subject, (*made)->subject, rights, count);
        if (error != HX_OK) {
            authority_put(*made);
        }
    }
    return error;
}

hx_err authority_confine(const struct authority_right *rights, size_t count)
{
    struct process *self = process_current();
    struct authority *from;
    struct authority *made;
    hx_err error;

    if (count > AUTHORITY_RIGHTS_MAX) {
        return HX_EINVAL;
    }
    mutex_lock(&process_mutex);
    from = authority_get(self->authority);
    mutex_unlock(&process_mutex);
    error = make_confined(from, rights, count, &made);
    authority_put(from);
    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&process_mutex);
    from = authority_change_locked(self, made);
    self->gains_no_rights = true;
    mutex_unlock(&process_mutex);
    authority_put(from);
    return HX_OK;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_word(const char *text, size_t length, const char *word)
{
    return string_length(word) == length && memcmp(text, word, length) == 0;
}

/* The number behind a prefix; false: the text is not of that form. */
static bool parse_number(const char *text, size_t length, const char *prefix, uint32_t *number)
{
    size_t skipped = string_length(prefix);
    uint64_t value;

    if (length <= skipped || memcmp(text, prefix, skipped) != 0 ||
        string_to_u64(text + skipped, length - skipped, &value) != HX_OK || value >= UINT32_MAX) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

static hx_err subject_of_user(uint32_t user, bool is_to_keep, subject_id *subject)
{
    struct authority *authority;
    hx_err error = HX_OK;

    mutex_lock(&authorities.mutex);
    authority = find_locked(user);
    mutex_unlock(&authorities.mutex);
    if (authority == NULL) {
        error = is_to_keep ? authority_of_user(user, &authority) : HX_ENOENT;
    }
    if (error != HX_OK) {
        return error;
    }
    *subject = authority->subject;
    if (is_to_keep) {
        authority_keep(authority);
    }
    authority_put(authority);
    return HX_OK;
}

static hx_err subject_of_process(uint32_t id, subject_id *subject)
{
    struct process *process = process_find(id);

    if (process == NULL) {
        return HX_ENOENT;
    }
    *subject = atomic_load_explicit(&process->subject, memory_order_relaxed);
    process_put(process);
    return HX_OK;
}

hx_err authority_parse(const char *text, size_t length, bool is_to_keep, subject_id *subject)
{
    uint32_t number = 0;

    if (is_word(text, length, "kernel")) {
        *subject = SUBJECT_KERNEL;
        return HX_OK;
    }
    if (is_word(text, length, "root") || parse_number(text, length, "user:", &number)) {
        return subject_of_user(number, is_to_keep, subject);
    }
    if (parse_number(text, length, "process:", &number)) {
        return subject_of_process(number, subject);
    }
    return HX_EINVAL;
}
