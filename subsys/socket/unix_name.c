/* Names of Unix sockets: paths in the file system, and abstract ones. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <subsys/socket/socket_private.h>

/* --- abstract names --------------------------------------------------------------------------- */

#define BUCKETS 64U

static struct mutex table_mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "abstract names"),
                                   .waiters = LIST_INIT(table_mutex.waiters)};
static struct list table[BUCKETS]; /* by name_link */

void unix_names_init(void)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        list_init(&table[i]);
    }
}

/* FNV-1a (Fowler, Noll, Vo). */
static struct list *bucket_of(const struct socket_address *address)
{
    uint32_t hash = 2166136261U;

    for (uint16_t i = 0; i < address->length; i++) {
        hash = (hash ^ (uint8_t)address->name[i]) * 16777619U;
    }
    return &table[hash % BUCKETS];
}

static bool is_abstract(const struct socket_address *address)
{
    return address->name[0] == '\0';
}

/* A stream and a datagram socket may have the same name. */
static struct socket *find_abstract_locked(const struct socket_address *address, unsigned type)
{
    LIST_FOR_EACH (link, bucket_of(address)) {
        struct socket *socket = LIST_ENTRY(link, struct socket, name_link);

        if (socket->kind->type == type && socket->name.length == address->length &&
            memcmp(socket->name.name, address->name, address->length) == 0) {
            return socket;
        }
    }
    return NULL;
}

/* The socket's mutex is held. */
static hx_err take_abstract_name(struct socket *socket, const struct socket_address *address)
{
    hx_err error = HX_EADDRINUSE;

    mutex_lock(&table_mutex);
    if (find_abstract_locked(address, socket->kind->type) == NULL) {
        socket->name = *address;
        socket->is_in_table = true;
        list_push_back(bucket_of(address), &socket->name_link);
        error = HX_OK;
    }
    mutex_unlock(&table_mutex);
    return error;
}

/* Five hexadecimal digits, as on Linux. */
static hx_err take_any_name(struct socket *socket)
{
    static _Atomic uint32_t next; /* relaxed: any is as good */
    struct socket_address address = {.family = SOCKET_UNIX, .length = 6};
    hx_err error = HX_EADDRINUSE;

    for (uint32_t tries = 0; tries <= 0xfffff && error == HX_EADDRINUSE; tries++) {
        (void)format_text(
            address.name + 1, 6, "%05x",
            (unsigned)(atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) & 0xfffff));
        error = take_abstract_name(socket, &address);
    }
    return error;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* The vnode's mutex guards which socket it has. */
static void give_to_vnode(struct vnode *vnode, struct socket *socket)
{
    mutex_lock(&vnode->mutex);
    vnode->context = socket;
    mutex_unlock(&vnode->mutex);
}

static hx_err take_path(struct socket *socket, const struct socket_address *address,
                        const struct path_walk *walk)
{
    const struct vnode_making making = {
        .type = VNODE_SOCKET,
        .mode = 0777 & ~atomic_load_explicit(&walk->context->umask, memory_order_relaxed),
        .user = walk->who->effective_user,
        .group = walk->who->effective_group,
    };
    hx_err error = path_make(walk, address->name, &making, &socket->place);

    if (error == HX_OK) {
        socket->name = *address;
        give_to_vnode(socket->place.vnode, socket);
    }
    return error == HX_EEXIST ? HX_EADDRINUSE : error;
}

static hx_err find_in(struct vnode *vnode, const struct path_walk *walk, struct socket **found)
{
    hx_err error = vnode_may(vnode, walk->who, ACCESS_WRITE);

    if (error != HX_OK) {
        return error;
    }
    if (vnode->type != VNODE_SOCKET) {
        return HX_ECONNREFUSED;
    }
    mutex_lock(&vnode->mutex);
    *found = vnode->context;
    if (*found != NULL) {
        socket_get(*found);
    }
    mutex_unlock(&vnode->mutex);
    return *found != NULL ? HX_OK : HX_ECONNREFUSED;
}

static hx_err find_by_path(const struct socket_address *address, const struct path_walk *walk,
                           struct socket **found)
{
    struct location place;
    hx_err error = path_find(walk, address->name, PATH_FOLLOW, &place);

    if (error == HX_OK) {
        error = find_in(place.vnode, walk, found);
        location_put(&place);
    }
    return error;
}

/* --- both ------------------------------------------------------------------------------------- */

static hx_err find_abstract(const struct socket_address *address, unsigned type,
                            struct socket **found)
{
    mutex_lock(&table_mutex);
    *found = find_abstract_locked(address, type);
    if (*found != NULL) {
        socket_get(*found);
    }
    mutex_unlock(&table_mutex);
    return *found != NULL ? HX_OK : HX_ECONNREFUSED;
}

hx_err unix_bind(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller)
{
    hx_err error;

    mutex_lock(&socket->mutex);
    if (socket->name.length > 0) {
        error = address->length == 0 ? HX_OK : HX_EINVAL;
    } else if (address->length == 0) {
        error = take_any_name(socket);
    } else if (is_abstract(address)) {
        error = take_abstract_name(socket, address);
    } else {
        error = take_path(socket, address, caller->walk);
    }
    mutex_unlock(&socket->mutex);
    return error;
}

hx_err unix_find(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller, struct socket **found)
{
    hx_err error;

    if (address->length == 0) {
        return HX_EINVAL;
    }
    error = is_abstract(address) ? find_abstract(address, socket->kind->type, found)
                                 : find_by_path(address, caller->walk, found);
    if (error == HX_OK && (*found)->kind != socket->kind) {
        socket_put(*found);
        error = HX_EPROTOTYPE;
    }
    return error;
}

/* Who wants to be told of senders can be told apart, too. */
hx_err unix_name_itself(struct socket *socket, const struct socket_caller *caller)
{
    const struct socket_address any = {.family = SOCKET_UNIX};

    return socket_has_flag(socket, SOCKET_TELLS_CREDENTIALS) ? unix_bind(socket, &any, caller)
                                                             : HX_OK;
}

void unix_forget(struct socket *socket)
{
    mutex_lock(&table_mutex);
    if (socket->is_in_table) {
        list_remove(&socket->name_link);
        socket->is_in_table = false;
    }
    mutex_unlock(&table_mutex);
    if (socket->place.vnode != NULL) {
        give_to_vnode(socket->place.vnode, NULL);
        location_put(&socket->place);
        socket->place = (struct location){0};
    }
}
