/* The mailboxes there are: names, registering, ends, looking. */
#include <base/string.h>
#include <core/ipc/mailbox.h>
#include <core/ipc/name.h>
#include <kern/heap.h>

_Static_assert(ROUTER_NAME_MAX == IPC_NAME_MAX, "mailboxes are named like topics");

/* Keys: T = lock */
struct mailbox_table mailbox_table = {
    .lock = SPINLOCK_INIT(LOCK_RANK_CORE, "mailbox names"),
    .idle = WAIT_QUEUE_INIT(mailbox_table.idle, "mailboxes"),
    .places = {[0 ... ROUTER_MAILBOX_MAX - 1] = {.lock =
                                                     SPINLOCK_INIT(LOCK_RANK_MAILBOX, "mailbox")}},
};

/* --- names --------------------------------------------------------------------------------------
 */

/* Every name there has been, at the place of its number - 1; T */
static char names[ROUTER_NAME_COUNT_MAX][ROUTER_NAME_MAX];

static uint32_t number_of_locked(const char *name)
{
    for (uint32_t i = 0; i < ROUTER_NAME_COUNT_MAX && names[i][0] != '\0'; i++) {
        if (string_equal(names[i], name)) {
            return i + 1;
        }
    }
    return 0;
}

/* Give a name its number, unless it has one.  Errors: HX_ENOSPC. */
static hx_err intern_locked(const char *name)
{
    for (uint32_t i = 0; i < ROUTER_NAME_COUNT_MAX; i++) {
        if (string_equal(names[i], name)) {
            return HX_OK;
        }
        if (names[i][0] == '\0') {
            (void)string_copy(names[i], ROUTER_NAME_MAX, name);
            return HX_OK;
        }
    }
    return HX_ENOSPC;
}

uint32_t router_number_of(const char *name)
{
    uint32_t number;

    if (!ipc_name_is_valid(name)) {
        return 0;
    }

    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);

    number = number_of_locked(name);
    spinlock_release(&mailbox_table.lock, state);
    return number;
}

bool router_name_of(uint32_t number, char name[ROUTER_NAME_MAX])
{
    bool found;

    if (number == 0 || number > ROUTER_NAME_COUNT_MAX) {
        return false;
    }

    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);

    found = names[number - 1][0] != '\0';
    (void)string_copy(name, ROUTER_NAME_MAX, names[number - 1]);
    spinlock_release(&mailbox_table.lock, state);
    return found;
}

static struct mailbox *find_locked(const char *name)
{
    for (size_t i = 0; i < ROUTER_MAILBOX_MAX; i++) {
        if (string_equal(mailbox_table.places[i].name, name)) {
            return &mailbox_table.places[i];
        }
    }
    return NULL;
}

/* --- registering --------------------------------------------------------------------------------
 */

/* A new mailbox; under both locks. */
static void make_locked(struct mailbox *mailbox, const struct router_options *options,
                        struct mailbox_preparation *preparation)
{
    (void)string_copy(mailbox->name, ROUTER_NAME_MAX, options->name);
    mailbox->kind = preparation->kind;
    mailbox->first_generation = mailbox->generation + 1;
    mailbox->openings = 0;
    mailbox->is_closing = false;
    mailbox->served = 0;
    mailbox->errors = 0;
    mailbox->left_before = atomic_load_explicit(&mailbox->left, memory_order_relaxed);
    mailbox_queue_init(mailbox, preparation->envelopes,
                       preparation->kind != MAILBOX_DIRECT ? options->capacity : 0);
    preparation->envelopes = NULL;
}

/* Give a mailbox, new or inherited, its server or handler, and a new generation. */
static void open_locked(struct mailbox *mailbox, const struct router_options *options,
                        const struct mailbox_preparation *preparation, router_mailbox *id)
{
    struct server *server = preparation->server;

    mailbox->generation++;
    mailbox->id =
        (uint64_t)mailbox->generation << 32 | (uint64_t)(mailbox - mailbox_table.places + 1);
    mailbox->owner = options->owner != OWNER_NONE ? options->owner : OWNER_CORE;
    mailbox->server = server;
    mailbox->readable = preparation->readable;
    *id = mailbox->id;
    if (server != NULL) {
        server->mailbox = mailbox;
        return;
    }
    /* Release, and in this order: pairs with the acquires of send_direct. */
    atomic_store_explicit(&mailbox->handler, options->handler, memory_order_release);
    atomic_store_explicit(&mailbox->argument, options->argument, memory_order_release);
    atomic_store_explicit(&mailbox->direct_id, mailbox->id, memory_order_seq_cst);
}

/* Whether a mailbox that is there can be taken over. */
static hx_err check_inheritance_locked(const struct mailbox *mailbox, enum mailbox_kind kind)
{
    bool has_server = mailbox->server != NULL ||
                      atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) != 0;

    if (has_server || mailbox->is_closing) {
        return HX_EEXIST;
    }
    return mailbox->kind == kind ? HX_OK : HX_EINVAL;
}

/* Under the router's lock. */
static hx_err commit_locked(const struct router_options *options,
                            struct mailbox_preparation *preparation, router_mailbox *id)
{
    struct mailbox *mailbox = find_locked(options->name);
    bool is_new = mailbox == NULL;
    hx_err error = HX_OK;

    if (is_new) {
        mailbox = find_locked("");
    }
    if (mailbox == NULL) {
        return HX_ENOSPC;
    }
    spinlock_acquire_nested(&mailbox->lock);
    if (is_new) {
        make_locked(mailbox, options, preparation);
    } else {
        error = check_inheritance_locked(mailbox, preparation->kind);
    }
    if (error == HX_OK) {
        open_locked(mailbox, options, preparation, id);
    }
    spinlock_release_nested(&mailbox->lock);
    return error;
}

hx_err mailbox_commit(const struct router_options *options, struct mailbox_preparation *preparation,
                      router_mailbox *id)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);
    hx_err error = intern_locked(options->name);

    if (error == HX_OK) {
        error = commit_locked(options, preparation, id);
    }
    spinlock_release(&mailbox_table.lock, state);
    return error;
}

static hx_err check_options(const struct router_options *options)
{
    bool is_ok =
        ipc_name_is_valid(options->name) && options->handler != NULL &&
        (!options->threaded || (options->capacity > 0 && options->capacity <= ROUTER_CAPACITY_MAX &&
                                options->thread_priority <= THREAD_PRIORITY_HIGHEST));

    return is_ok ? HX_OK : HX_EINVAL;
}

static hx_err prepare(const struct router_options *options, struct mailbox_preparation *preparation)
{
    hx_err error;

    *preparation = (struct mailbox_preparation){.kind = MAILBOX_DIRECT};
    if (!options->threaded) {
        return HX_OK;
    }
    preparation->kind = MAILBOX_THREADED;
    preparation->envelopes = heap_allocate(options->capacity * sizeof(struct envelope), OWNER_CORE);
    error = preparation->envelopes != NULL ? mailbox_server_create(options, &preparation->server)
                                           : HX_ENOMEM;
    if (error != HX_OK) {
        heap_free(preparation->envelopes);
    }
    return error;
}

hx_err router_register(const struct router_options *options, router_mailbox *id)
{
    struct mailbox_preparation preparation;
    hx_err error = check_options(options);

    if (error == HX_OK) {
        error = prepare(options, &preparation);
    }
    if (error != HX_OK) {
        return error;
    }
    error = mailbox_commit(options, &preparation, id);
    heap_free(preparation.envelopes);
    if (preparation.server != NULL) {
        /* Without a mailbox it ends at once. */
        thread_start(preparation.server->thread);
    }
    return error;
}

/* --- looking at it ------------------------------------------------------------------------------
 */

hx_err router_find(const char *name, router_mailbox *id)
{
    struct mailbox *mailbox;
    hx_err error = HX_ENOENT;

    if (!ipc_name_is_valid(name)) {
        return HX_EINVAL;
    }

    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);

    mailbox = find_locked(name);
    if (mailbox != NULL) {
        spinlock_acquire_nested(&mailbox->lock);
        if (!mailbox->is_closing) {
            *id = mailbox->id;
            error = HX_OK;
        }
        spinlock_release_nested(&mailbox->lock);
    }
    spinlock_release(&mailbox_table.lock, state);
    return error;
}

/* Whether the mailbox that is there has had this id since its place was taken. */
static bool is_of_locked(const struct mailbox *mailbox, router_mailbox id)
{
    uint32_t generation = (uint32_t)(id >> 32);

    return mailbox->id != 0 && generation >= mailbox->first_generation &&
           generation <= mailbox->generation;
}

hx_err router_open(const char *name, router_mailbox *id)
{
    hx_err error = router_find(name, id);
    struct mailbox *mailbox;

    if (error != HX_OK) {
        return error;
    }
    mailbox = mailbox_place_of(*id);

    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    if (mailbox_is_open_locked(mailbox, *id)) {
        mailbox->openings++;
    } else {
        error = HX_ENOENT;
    }
    spinlock_release(&mailbox->lock, state);
    return error;
}

void router_close(router_mailbox id)
{
    struct mailbox *mailbox = mailbox_place_of(id);
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    if (is_of_locked(mailbox, id)) {
        mailbox->openings--;
    }
    spinlock_release(&mailbox->lock, state);
    mailbox_free_if_deserted(mailbox);
}

static void describe_locked(struct mailbox *mailbox, struct router_mailbox_info *info)
{
    uint64_t direct = atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed);
    uint64_t left = atomic_load_explicit(&mailbox->left, memory_order_relaxed);

    *info = (struct router_mailbox_info){
        .id = mailbox->id,
        .owner = mailbox->owner,
        .threaded = mailbox->kind == MAILBOX_THREADED,
        .is_served = mailbox->kind == MAILBOX_SERVED,
        .has_server = mailbox->server != NULL || direct != 0,
        .capacity = mailbox->capacity,
        .served = mailbox->kind != MAILBOX_DIRECT ? mailbox->served : left - mailbox->left_before,
        .errors = mailbox->errors,
        .memory_bytes = sizeof(*mailbox) + mailbox->capacity * sizeof(struct envelope) +
                        (mailbox->server != NULL ? sizeof(*mailbox->server) : 0),
    };
    (void)string_copy(info->name, ROUTER_NAME_MAX, mailbox->name);
    for (size_t i = 0; i < ROUTER_PRIORITY_COUNT; i++) {
        info->queued[i] = mailbox->queued[i];
    }
}

bool router_mailbox_info(uint32_t index, struct router_mailbox_info *info)
{
    struct mailbox *mailbox;
    bool found;

    if (index >= ROUTER_MAILBOX_MAX) {
        return false;
    }
    mailbox = &mailbox_table.places[index];

    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);

    spinlock_acquire_nested(&mailbox->lock);
    found = mailbox->id != 0;
    if (found) {
        describe_locked(mailbox, info);
    }
    spinlock_release_nested(&mailbox->lock);
    spinlock_release(&mailbox_table.lock, state);
    return found;
}
