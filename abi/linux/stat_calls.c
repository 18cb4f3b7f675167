/* Calls on attributes: stat and its kin, modes, owners, times, access. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/memory.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/read_section.h>
#include <subsys/time/wall_clock.h>
#include <subsys/vfs/watch.h>
#include <subsys/vm/memory_object.h>

/* --- stat ------------------------------------------------------------------------------------- */

/* struct stat of x86-64 and of the generic 64-bit ABI's first words. */
struct linux_stat {
    uint64_t device;
    uint64_t number;
    uint64_t links;
    uint32_t mode;
    uint32_t user;
    uint32_t group;
    uint32_t padding;
    uint64_t device_number;
    int64_t size;
    int64_t block_size;
    int64_t blocks;
    struct linux_timespec accessed, modified, changed;
    int64_t unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "the kernel's ABI");

/* Of a file in memory. */
static uint64_t blocks_in_memory(const struct vnode *vnode)
{
    return vnode->contents != NULL
               ? memory_object_resident_pages(vnode->contents) * (HAL_PAGE_SIZE / 512)
               : 0;
}

static uint64_t blocks_of(const struct vnode *vnode)
{
    return vnode->ops->sectors != NULL ? vnode->ops->sectors(vnode) : blocks_in_memory(vnode);
}

static void refresh(const struct location *location)
{
    if (location->vnode->ops->refresh != NULL) {
        location->vnode->ops->refresh(location->vnode);
    }
}

static uint32_t mode_of(const struct vnode *vnode)
{
    return (uint32_t)vnode->type << 12 | vnode->mode;
}

/* What a vnode's attributes, which are up to date, come to. One after the other, so that none waits
 * in a register for the others. */
static HX_ALWAYS_INLINE void fill(struct linux_stat *stat, const struct vnode *vnode)
{
    stat->blocks = (int64_t)blocks_in_memory(vnode);
    stat->device = linux_device(vnode->file_system->device);
    stat->number = vnode->number;
    stat->links = atomic_load_explicit(&vnode->links, memory_order_relaxed);
    stat->mode = mode_of(vnode);
    stat->user = vnode->user;
    stat->group = vnode->group;
    stat->padding = 0;
    stat->device_number = linux_device(vnode->device);
    stat->size = (int64_t)atomic_load_explicit(&vnode->size, memory_order_relaxed);
    stat->block_size = HAL_PAGE_SIZE;
    stat->accessed = linux_timespec_of(vnode->times.accessed);
    stat->modified = linux_timespec_of(vnode->times.modified);
    stat->changed = linux_timespec_of(vnode->times.changed);
    memset(stat->unused, 0, sizeof(stat->unused));
}

/* Of one that has to be asked. */
static HX_NOINLINE void ask_and_fill(struct linux_stat *stat, const struct location *location)
{
    refresh(location);
    fill(stat, location->vnode);
    stat->blocks = (int64_t)blocks_of(location->vnode);
}

static HX_NOINLINE int64_t tell(const struct location *location, uint64_t address)
{
    struct linux_stat stat;

    if (HX_UNLIKELY(location->vnode->ops->refresh != NULL)) {
        ask_and_fill(&stat, location);
    } else {
        fill(&stat, location->vnode);
    }
    return linux_result(hal_user_copy_out(address, &stat, sizeof(stat)));
}

/* Everybody may use a socket that he has. */
static uint32_t nameless_mode(const struct file *file)
{
    return (uint32_t)file->ops->type << 12 | (file->ops->type == VNODE_SOCKET ? 0777U : 0600U);
}

/* A pipe or its like has no place in a file system. */
static int64_t tell_nameless(const struct file *file, uint64_t address)
{
    const struct linux_stat stat = {
        .device = FILE_NAMELESS_DEVICE,
        .number = file_number(file),
        .links = 1,
        .mode = nameless_mode(file),
        .block_size = HAL_PAGE_SIZE,
    };

    return linux_result(hal_user_copy_out(address, &stat, sizeof(stat)));
}

int64_t linux_fstat(uint64_t descriptor, uint64_t address)
{
    struct file_use use = linux_use_file(descriptor);
    int64_t result;

    if (use.file == NULL) {
        return linux_result(HX_EBADF);
    }
    result = use.file->location.vnode != NULL ? tell(&use.file->location, address)
                                              : tell_nameless(use.file, address);
    file_use_end(use);
    return result;
}

/* What a call with AT_EMPTY_PATH is about; the path is given back.  Errors: HX_ENODEV a descriptor
 * without a place. */
static hx_err find_by_path(struct linux_path *path, uint64_t flags, struct location *location)
{
    hx_err error;

    if (path->text[0] == '\0' && path->base_file != NULL && path->base.vnode == NULL) {
        error = (flags & LINUX_AT_EMPTY_PATH) != 0 ? HX_ENODEV : HX_ENOENT;
    } else {
        error = linux_path_find(path, flags, (flags & LINUX_AT_SYMLINK_NOFOLLOW) == 0, location);
    }
    linux_path_put(path);
    return error;
}

static hx_err find_described(uint64_t base, uint64_t address, uint64_t flags,
                             struct location *location)
{
    struct linux_path path;
    hx_err error = linux_path_get(&path, (int64_t)base, address);

    return error == HX_OK ? find_by_path(&path, flags, location) : error;
}

/* A file that can be had without references. */
static HX_ALWAYS_INLINE bool look_at(const struct linux_path *path, uint64_t flags,
                                     struct linux_stat *stat)
{
    unsigned follow = (flags & LINUX_AT_SYMLINK_NOFOLLOW) == 0 ? (unsigned)PATH_FOLLOW : 0U;
    struct location found;
    bool is_told;

    read_enter();
    /* Nothing but the object is looked at: that its mount may be on its way out does not matter. */
    is_told =
        path_peek(&path->walk, path->text, follow, &found) && found.vnode->ops->refresh == NULL;
    if (HX_LIKELY(is_told)) {
        fill(stat, found.vnode);
    }
    read_leave();
    return is_told;
}

/* Any other. */
static HX_NOINLINE int64_t stat_any(struct linux_path *path, uint64_t base, uint64_t address,
                                    uint64_t flags)
{
    struct location location;
    int64_t result;
    hx_err error = find_by_path(path, flags, &location);

    if (error == HX_ENODEV) {
        return linux_fstat(base, address); /* of a pipe, by its descriptor */
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    result = tell(&location, address);
    location_put(&location);
    return result;
}

int64_t linux_newfstatat(uint64_t base, uint64_t text, uint64_t address, uint64_t flags)
{
    struct linux_path path;
    struct linux_stat stat;
    hx_err error = HX_EINVAL;

    if (HX_LIKELY((flags & ~(uint64_t)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW |
                                       LINUX_AT_NO_AUTOMOUNT)) == 0)) {
        error = linux_path_get_inline(&path, (int64_t)base, text);
    }
    if (HX_UNLIKELY(error != HX_OK)) {
        return linux_result(error);
    }
    if (HX_UNLIKELY(!look_at(&path, flags, &stat))) {
        return stat_any(&path, base, address, flags);
    }
    linux_path_put(&path);
    return linux_result(hal_user_copy_out(address, &stat, sizeof(stat)));
}

int64_t linux_stat(uint64_t path, uint64_t address)
{
    return linux_newfstatat((uint64_t)LINUX_AT_FDCWD, path, address, 0);
}

int64_t linux_lstat(uint64_t path, uint64_t address)
{
    return linux_newfstatat((uint64_t)LINUX_AT_FDCWD, path, address, LINUX_AT_SYMLINK_NOFOLLOW);
}

/* --- statx ------------------------------------------------------------------------------------ */

struct linux_statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t padding;
};

struct linux_statx {
    uint32_t mask;
    uint32_t block_size;
    uint64_t attributes;
    uint32_t links;
    uint32_t user;
    uint32_t group;
    uint16_t mode;
    uint16_t padding;
    uint64_t number;
    uint64_t size;
    uint64_t blocks;
    uint64_t attributes_mask;
    struct linux_statx_time accessed, created, changed, modified;
    uint32_t device_major, device_minor; /* st_rdev */
    uint32_t system_major, system_minor; /* st_dev */
    uint64_t mount_id;
    uint64_t unused[13];
};
_Static_assert(sizeof(struct linux_statx) == 256, "the kernel's ABI");

#define STATX_BASIC 0x7ffU

static struct linux_statx_time statx_time(uint64_t ns)
{
    return (struct linux_statx_time){(int64_t)(ns / 1000000000U), (uint32_t)(ns % 1000000000U), 0};
}

static int64_t tell_extended(const struct location *location, uint64_t address)
{
    const struct vnode *vnode = location->vnode;
    struct linux_statx stat;

    refresh(location);
    stat = (struct linux_statx){
        .mask = STATX_BASIC,
        .block_size = HAL_PAGE_SIZE,
        .links = atomic_load_explicit(&vnode->links, memory_order_relaxed),
        .user = vnode->user,
        .group = vnode->group,
        .mode = (uint16_t)mode_of(vnode),
        .number = vnode->number,
        .size = atomic_load_explicit(&vnode->size, memory_order_relaxed),
        .blocks = blocks_of(vnode),
        .accessed = statx_time(vnode->times.accessed),
        .changed = statx_time(vnode->times.changed),
        .modified = statx_time(vnode->times.modified),
        .device_major = (uint32_t)(vnode->device >> 32),
        .device_minor = (uint32_t)vnode->device,
        .system_minor = (uint32_t)vnode->file_system->device,
        .mount_id = location->mount->id,
    };
    return linux_result(hal_user_copy_out(address, &stat, sizeof(stat)));
}

/* Another thread may have closed it meanwhile. */
static int64_t tell_nameless_extended(uint64_t descriptor, uint64_t address)
{
    struct file *file = linux_file(descriptor);
    struct linux_statx stat;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    stat = (struct linux_statx){
        .mask = STATX_BASIC,
        .block_size = HAL_PAGE_SIZE,
        .links = 1,
        .mode = (uint16_t)nameless_mode(file),
        .number = file_number(file),
        .system_minor = 1,
    };
    file_put(file);
    return linux_result(hal_user_copy_out(address, &stat, sizeof(stat)));
}

#define STATX_RESERVED   0x80000000U
#define STATX_SYNC_TYPES 0x6000U

int64_t linux_statx(uint64_t base, uint64_t path, uint64_t flags, uint64_t mask, uint64_t address)
{
    struct location location;
    int64_t result;
    hx_err error = HX_EINVAL;

    /* Of what may be asked for, everything is told in any case. */
    if ((mask & STATX_RESERVED) == 0 &&
        (flags & ~(uint64_t)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW |
                             LINUX_AT_NO_AUTOMOUNT | STATX_SYNC_TYPES)) == 0) {
        error = find_described(base, path, flags, &location);
    }
    if (error == HX_ENODEV) {
        return tell_nameless_extended(base, address);
    }
    if (error != HX_OK) {
        return linux_result(error);
    }
    result = tell_extended(&location, address);
    location_put(&location);
    return result;
}

/* --- statfs ----------------------------------------------------------------------------------- */

struct linux_statfs {
    int64_t type;
    int64_t block_size;
    uint64_t blocks, blocks_free, blocks_available;
    uint64_t files, files_free;
    int32_t id[2];
    int64_t name_max;
    int64_t fragment_size;
    int64_t flags;
    int64_t unused[4];
};

static int64_t tell_system(const struct location *location, uint64_t address)
{
    struct file_system *system = location->mount->file_system;
    struct file_system_numbers numbers = {.block_size = HAL_PAGE_SIZE, .name_max = VNODE_NAME_MAX};
    struct linux_statfs stat;

    if (system->ops->numbers != NULL) {
        system->ops->numbers(system, &numbers);
    }
    stat = (struct linux_statfs){
        .type = (int64_t)numbers.magic,
        .block_size = (int64_t)numbers.block_size,
        .blocks = numbers.blocks,
        .blocks_free = numbers.blocks_free,
        .blocks_available = numbers.blocks_free,
        .files = numbers.files,
        .files_free = numbers.files_free,
        .id = {(int32_t)system->device, 0},
        .name_max = (int64_t)numbers.name_max,
        .fragment_size = (int64_t)numbers.block_size,
        .flags = (int64_t)(location->mount->flags & 15) | 0x20,
    };
    return linux_result(hal_user_copy_out(address, &stat, sizeof(stat)));
}

int64_t linux_statfs(uint64_t path, uint64_t address)
{
    struct location location;
    int64_t result;
    hx_err error = linux_find(LINUX_AT_FDCWD, path, 0, true, &location);

    if (error != HX_OK) {
        return linux_result(error);
    }
    result = tell_system(&location, address);
    location_put(&location);
    return result;
}

int64_t linux_fstatfs(uint64_t descriptor, uint64_t address)
{
    struct file *file = linux_file(descriptor);
    int64_t result = linux_result(HX_ENOSYS);

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (file->location.vnode != NULL) {
        result = tell_system(&file->location, address);
    }
    file_put(file);
    return result;
}

/* --- changing attributes ---------------------------------------------------------------------- */

/* A change of one object's attributes, under its mutex. */
typedef hx_err (*attribute_change)(struct vnode *vnode, const struct credentials *who,
                                   const void *what);

static hx_err apply(const struct location *location, attribute_change change, const void *what)
{
    struct vnode *vnode = location->vnode;
    hx_err error;

    if (location_is_read_only(location)) {
        return HX_EROFS;
    }
    mutex_lock(&vnode->mutex);
    error = change(vnode, &process_current()->credentials, what);
    if (error == HX_OK) {
        vnode_touch(vnode, VNODE_CHANGED);
    }
    if (error == HX_OK && vnode->ops->attributes_changed != NULL) {
        error = vnode->ops->attributes_changed(vnode);
    }
    mutex_unlock(&vnode->mutex);
    if (error == HX_OK && watch_is_any()) {
        watch_tell(vnode, WATCH_ATTRIBUTES);
    }
    return error;
}

static int64_t apply_at(uint64_t base, uint64_t path, uint64_t flags, attribute_change change,
                        const void *what)
{
    struct location location;
    hx_err error =
        linux_find((int64_t)base, path, flags, (flags & LINUX_AT_SYMLINK_NOFOLLOW) == 0, &location);

    if (error == HX_OK) {
        error = apply(&location, change, what);
        location_put(&location);
    }
    return linux_result(error);
}

static int64_t apply_to(uint64_t descriptor, attribute_change change, const void *what)
{
    struct file *file = linux_file(descriptor);
    hx_err error;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = file->location.vnode != NULL ? apply(&file->location, change, what) : HX_OK;
    file_put(file);
    return linux_result(error);
}

/* --- mode ------------------------------------------------------------------------------------- */

static hx_err change_mode(struct vnode *vnode, const struct credentials *who, const void *what)
{
    uint32_t mode = *(const uint32_t *)what & MODE_MASK;

    if (!credentials_are_root(who) && who->effective_user != vnode->user) {
        return HX_EPERM;
    }
    if (vnode->type == VNODE_SYMLINK) {
        return HX_EOPNOTSUPP;
    }
    if (!credentials_are_root(who) && !credentials_in_group(who, vnode->group)) {
        mode &= ~MODE_SET_GROUP;
    }
    vnode->mode = mode;
    return HX_OK;
}

int64_t linux_fchmodat(uint64_t base, uint64_t path, uint64_t mode)
{
    uint32_t wanted = (uint32_t)mode;

    return apply_at(base, path, 0, change_mode, &wanted);
}

int64_t linux_chmod(uint64_t path, uint64_t mode)
{
    return linux_fchmodat((uint64_t)LINUX_AT_FDCWD, path, mode);
}

int64_t linux_fchmod(uint64_t descriptor, uint64_t mode)
{
    uint32_t wanted = (uint32_t)mode;

    return apply_to(descriptor, change_mode, &wanted);
}

/* --- owner ------------------------------------------------------------------------------------ */

#define KEEP 0xffffffffU

struct owner_change {
    uint32_t user;
    uint32_t group;
};

static bool may_give(const struct vnode *vnode, const struct credentials *who,
                     const struct owner_change *change)
{
    if (credentials_are_root(who)) {
        return true;
    }
    return who->effective_user == vnode->user &&
           (change->user == KEEP || change->user == vnode->user) &&
           (change->group == KEEP || credentials_in_group(who, change->group));
}

static hx_err change_owner(struct vnode *vnode, const struct credentials *who, const void *what)
{
    const struct owner_change *change = what;

    if (!may_give(vnode, who, change)) {
        return HX_EPERM;
    }
    vnode->user = change->user != KEEP ? change->user : vnode->user;
    vnode->group = change->group != KEEP ? change->group : vnode->group;
    if (vnode->type != VNODE_DIRECTORY) {
        uint32_t lost = (vnode->mode & 010) != 0 ? MODE_SET_USER | MODE_SET_GROUP : MODE_SET_USER;

        vnode->mode &= ~lost;
    }
    return HX_OK;
}

int64_t linux_fchownat(uint64_t base, uint64_t path, uint64_t user, uint64_t group, uint64_t flags)
{
    const struct owner_change change = {(uint32_t)user, (uint32_t)group};

    if ((flags & ~(uint64_t)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW)) != 0) {
        return linux_result(HX_EINVAL);
    }
    return apply_at(base, path, flags, change_owner, &change);
}

int64_t linux_chown(uint64_t path, uint64_t user, uint64_t group)
{
    return linux_fchownat((uint64_t)LINUX_AT_FDCWD, path, user, group, 0);
}

int64_t linux_lchown(uint64_t path, uint64_t user, uint64_t group)
{
    return linux_fchownat((uint64_t)LINUX_AT_FDCWD, path, user, group, LINUX_AT_SYMLINK_NOFOLLOW);
}

int64_t linux_fchown(uint64_t descriptor, uint64_t user, uint64_t group)
{
    const struct owner_change change = {(uint32_t)user, (uint32_t)group};

    return apply_to(descriptor, change_owner, &change);
}

/* --- times ------------------------------------------------------------------------------------ */

#define UTIME_NOW  0x3fffffff
#define UTIME_OMIT 0x3ffffffe

struct time_change {
    struct linux_timespec accessed;
    struct linux_timespec modified;
    bool is_now; /* both, and by who may only write */
};

static bool is_special(const struct linux_timespec *time)
{
    return time->nanoseconds == UTIME_NOW || time->nanoseconds == UTIME_OMIT;
}

static hx_err check_time(const struct linux_timespec *time)
{
    return is_special(time) || (time->nanoseconds >= 0 && time->nanoseconds < 1000000000)
               ? HX_OK
               : HX_EINVAL;
}

/* What lies before 1970 becomes its beginning, the earliest time kept here. */
static void set_time(_Atomic uint64_t *to, const struct linux_timespec *time)
{
    uint64_t ns = 0;

    if (time->nanoseconds == UTIME_OMIT) {
        return;
    }
    if (time->nanoseconds == UTIME_NOW) {
        ns = wall_clock_now();
    } else if (time->seconds >= 0 && linux_timespec_to_ns(*time, &ns) != HX_OK) {
        return;
    }
    atomic_store_explicit(to, ns, memory_order_relaxed);
}

static hx_err change_times(struct vnode *vnode, const struct credentials *who, const void *what)
{
    const struct time_change *change = what;

    if (!credentials_are_root(who) && who->effective_user != vnode->user &&
        (!change->is_now || vnode_may(vnode, who, ACCESS_WRITE) != HX_OK)) {
        return change->is_now ? HX_EACCES : HX_EPERM;
    }
    set_time(&vnode->times.accessed, &change->accessed);
    set_time(&vnode->times.modified, &change->modified);
    return HX_OK;
}

static hx_err copy_times(uint64_t address, struct time_change *change)
{
    const struct linux_timespec now = {0, UTIME_NOW};
    hx_err error;

    *change = (struct time_change){now, now, true};
    if (address == 0) {
        return HX_OK;
    }
    error = hal_user_copy_in(change, address, 2 * sizeof(struct linux_timespec));
    if (error == HX_OK) {
        error = check_time(&change->accessed);
    }
    if (error == HX_OK) {
        error = check_time(&change->modified);
    }
    change->is_now =
        change->accessed.nanoseconds == UTIME_NOW && change->modified.nanoseconds == UTIME_NOW;
    return error;
}

static int64_t set_times(uint64_t base, uint64_t path, uint64_t flags,
                         const struct time_change *change)
{
    if (change->accessed.nanoseconds == UTIME_OMIT && change->modified.nanoseconds == UTIME_OMIT) {
        return 0;
    }
    if (path == 0 && (int32_t)base == LINUX_AT_FDCWD) {
        return linux_result(HX_EFAULT);
    }
    return path == 0 ? apply_to(base, change_times, change)
                     : apply_at(base, path, flags, change_times, change);
}

int64_t linux_utimensat(uint64_t base, uint64_t path, uint64_t times, uint64_t flags)
{
    struct time_change change;
    hx_err error = copy_times(times, &change);

    if ((flags & ~(uint64_t)(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW)) != 0) {
        error = HX_EINVAL;
    }
    return error == HX_OK ? set_times(base, path, flags, &change) : linux_result(error);
}

static bool is_microseconds(int64_t value)
{
    return value >= 0 && value < 1000000;
}

int64_t linux_futimesat(uint64_t base, uint64_t path, uint64_t times)
{
    const struct linux_timespec now = {0, UTIME_NOW};
    struct time_change change = {now, now, true};
    struct linux_timeval values[2];
    hx_err error;

    if (times != 0) {
        error = hal_user_copy_in(values, times, sizeof(values));
        if (error != HX_OK) {
            return linux_result(error);
        }
        if (!is_microseconds(values[0].microseconds) || !is_microseconds(values[1].microseconds)) {
            return linux_result(HX_EINVAL);
        }
        change = (struct time_change){{values[0].seconds, values[0].microseconds * 1000},
                                      {values[1].seconds, values[1].microseconds * 1000},
                                      false};
    }
    return set_times(base, path, 0, &change);
}

int64_t linux_utimes(uint64_t path, uint64_t times)
{
    return linux_futimesat((uint64_t)LINUX_AT_FDCWD, path, times);
}

int64_t linux_utime(uint64_t path, uint64_t times)
{
    const struct linux_timespec now = {0, UTIME_NOW};
    struct time_change change = {now, now, true};
    int64_t seconds[2];
    hx_err error;

    if (times != 0) {
        error = hal_user_copy_in(seconds, times, sizeof(seconds));
        if (error != HX_OK) {
            return linux_result(error);
        }
        change = (struct time_change){{seconds[0], 0}, {seconds[1], 0}, false};
    }
    return set_times((uint64_t)LINUX_AT_FDCWD, path, 0, &change);
}

/* --- access, truncate ------------------------------------------------------------------------- */

/* With the real user and group unless effective ones are asked for. */
static hx_err check_access(const struct location *location, uint64_t wanted, uint64_t flags)
{
    struct credentials who = process_current()->credentials;
    enum vnode_type type = location->vnode->type;

    if ((flags & LINUX_AT_EACCESS) == 0) {
        who.effective_user = who.user;
        who.effective_group = who.group;
    }
    if ((wanted & ACCESS_WRITE) != 0 && location_is_read_only(location) &&
        (type == VNODE_FILE || type == VNODE_DIRECTORY || type == VNODE_SYMLINK)) {
        return HX_EROFS;
    }
    return vnode_may(location->vnode, &who, (unsigned)wanted);
}

int64_t linux_faccessat2(uint64_t base, uint64_t path, uint64_t wanted, uint64_t flags)
{
    struct location location;
    hx_err error;

    if ((wanted & ~7ULL) != 0 || (flags & ~(uint64_t)(LINUX_AT_EACCESS | LINUX_AT_EMPTY_PATH |
                                                      LINUX_AT_SYMLINK_NOFOLLOW)) != 0) {
        return linux_result(HX_EINVAL);
    }
    error =
        linux_find((int64_t)base, path, flags, (flags & LINUX_AT_SYMLINK_NOFOLLOW) == 0, &location);
    if (error == HX_OK) {
        error = check_access(&location, wanted, flags);
        location_put(&location);
    }
    return linux_result(error);
}

int64_t linux_faccessat(uint64_t base, uint64_t path, uint64_t wanted)
{
    return linux_faccessat2(base, path, wanted, 0);
}

int64_t linux_access(uint64_t path, uint64_t wanted)
{
    return linux_faccessat2((uint64_t)LINUX_AT_FDCWD, path, wanted, 0);
}

int64_t linux_truncate(uint64_t path, uint64_t size)
{
    struct location location;
    hx_err error;

    if ((int64_t)size < 0) {
        return linux_result(HX_EINVAL);
    }
    error = linux_find(LINUX_AT_FDCWD, path, 0, true, &location);
    if (error == HX_OK) {
        error = file_truncate(&location, size, &process_current()->credentials);
        location_put(&location);
    }
    return linux_result(error);
}
