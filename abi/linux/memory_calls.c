/* Calls on memory. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/frames.h>
#include <subsys/vfs/mount.h>
#include <subsys/vm/memory_object.h>

enum linux_protection { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, PROT_KNOWN = 15 };
enum linux_map {
    MAP_SHARED = 0x01,
    MAP_PRIVATE = 0x02,
    MAP_SHARED_VALIDATE = 0x03,
    MAP_TYPE = 0x0f,
    MAP_FIXED = 0x10,
    MAP_ANONYMOUS = 0x20,
    MAP_GROWSDOWN = 0x100,
    MAP_NORESERVE = 0x4000,
    MAP_POPULATE = 0x8000,
    MAP_FIXED_NOREPLACE = 0x100000,
};

static struct address_space *own_space(void)
{
    return process_current()->space;
}

/* Readable when anything is allowed, as x86-64 has it. */
static unsigned access_of(uint64_t protection)
{
    unsigned access =
        (protection & (PROT_READ | PROT_WRITE | PROT_EXEC)) != 0 ? (unsigned)MAPPING_READ : 0U;

    access |= (protection & PROT_WRITE) != 0 ? (unsigned)MAPPING_WRITE : 0U;
    access |= (protection & PROT_EXEC) != 0 ? (unsigned)MAPPING_EXECUTE : 0U;
    return access;
}

/* --- overcommitment ------------------------------------------------------------------------------
 */

#define SURELY_THERE (16UL << 20)

/* Memory that a program may come to own in one go: not more than the machine has (on Linux,
 * overcommit_memory 0). More of it than is free may be asked for: most is never touched. */
static bool is_obvious_overcommit(uint64_t size)
{
    struct frame_statistics frames;

    if (size <= SURELY_THERE) {
        return false;
    }
    frames_statistics(&frames);
    return size >> HAL_PAGE_SHIFT > frames.total;
}

/* Pages of a private mapping that can be written, or of an object of its own, are the program's. */
static bool is_own_memory(uint64_t protection, uint64_t flags)
{
    bool is_shared = (flags & MAP_TYPE) != MAP_PRIVATE;

    return (flags & MAP_NORESERVE) == 0 &&
           (is_shared ? (flags & MAP_ANONYMOUS) != 0 : (protection & PROT_WRITE) != 0);
}

/* --- mmap ----------------------------------------------------------------------------------------
 */

static hx_err check_file(const struct file *file, uint64_t protection, bool is_shared)
{
    if (!file_can_read(file) ||
        (is_shared && (protection & PROT_WRITE) != 0 && !file_can_write(file))) {
        return HX_EACCES;
    }
    if ((protection & PROT_EXEC) != 0 && file->location.mount != NULL &&
        (file->location.mount->flags & MOUNT_NO_EXECUTE) != 0) {
        return HX_EPERM;
    }
    return file->ops->map != NULL ? HX_OK : HX_ENODEV;
}

static hx_err map_file(struct file *file, struct mapping_request *request, uint64_t protection,
                       uintptr_t *address)
{
    bool is_shared = (request->flags & MAPPING_SHARED) != 0;
    hx_err error = check_file(file, protection, is_shared);

    if (error != HX_OK) {
        return error;
    }
    error = file->ops->map(file, &request->object);
    if (error != HX_OK) {
        return error;
    }
    if (is_shared && file_can_write(file)) {
        request->flags |= MAPPING_MAY_WRITE;
    }
    request->name = request->object != NULL ? linux_mapping_name(file) : NULL;
    error = address_space_map(own_space(), request, address);
    if (request->object != NULL) {
        memory_object_put(request->object);
    }
    return error;
}

/* Shared memory without a file is an object that nobody else has. */
static hx_err map_anonymous(struct mapping_request *request, uintptr_t *address)
{
    hx_err error;

    request->offset = 0;
    if ((request->flags & MAPPING_SHARED) == 0) {
        return address_space_map(own_space(), request, address);
    }
    error =
        memory_object_create(NULL, NULL, request->size, process_current()->owner, &request->object);
    if (error != HX_OK) {
        return error;
    }
    request->flags |= MAPPING_MAY_WRITE;
    error = address_space_map(own_space(), request, address);
    memory_object_put(request->object);
    return error;
}

static unsigned mapping_flags(uint64_t protection, uint64_t flags)
{
    unsigned result = access_of(protection);

    result |= (flags & MAP_TYPE) != MAP_PRIVATE ? (unsigned)MAPPING_SHARED : 0U;
    result |= (flags & MAP_GROWSDOWN) != 0 ? (unsigned)MAPPING_GROWS_DOWN : 0U;
    result |= (flags & MAP_POPULATE) != 0 ? (unsigned)MAPPING_POPULATE : 0U;
    return result;
}

static hx_err check_mapping(uint64_t address, uint64_t size, uint64_t protection, uint64_t flags,
                            uint64_t offset)
{
    uint64_t type = flags & MAP_TYPE;
    bool is_fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;

    if (size == 0 || offset % HAL_PAGE_SIZE != 0 ||
        (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE) ||
        (is_fixed && address % HAL_PAGE_SIZE != 0)) {
        return HX_EINVAL;
    }
    return size > hal_user_window().size ||
                   (is_own_memory(protection, flags) && is_obvious_overcommit(size))
               ? HX_ENOMEM
               : HX_OK;
}

int64_t linux_mmap(uint64_t address, uint64_t size, uint64_t protection, uint64_t flags,
                   uint64_t descriptor, uint64_t offset)
{
    struct mapping_request request = {
        .address = address & ~(HAL_PAGE_SIZE - 1),
        .size = (size + HAL_PAGE_SIZE - 1) & ~(HAL_PAGE_SIZE - 1),
        .flags = mapping_flags(protection, flags),
        .is_fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0,
        .is_exclusive = (flags & MAP_FIXED_NOREPLACE) != 0,
        .offset = offset,
    };
    uintptr_t mapped = 0;
    struct file *file;
    hx_err error = check_mapping(address, size, protection, flags, offset);

    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((flags & MAP_ANONYMOUS) != 0) {
        return linux_count(map_anonymous(&request, &mapped), mapped);
    }
    file = linux_file(descriptor);
    error = file != NULL ? map_file(file, &request, protection, &mapped) : HX_EBADF;
    file_put(file);
    return linux_count(error, mapped);
}

/* --- the rest --------------------------------------------------------------------------------- */

int64_t linux_munmap(uint64_t address, uint64_t size)
{
    return linux_result(address_space_unmap(own_space(), address,
                                            (size + HAL_PAGE_SIZE - 1) & ~(HAL_PAGE_SIZE - 1)));
}

int64_t linux_mprotect(uint64_t address, uint64_t size, uint64_t protection)
{
    if (address % HAL_PAGE_SIZE != 0 || (protection & ~(uint64_t)PROT_KNOWN) != 0) {
        return linux_result(HX_EINVAL);
    }
    if (size == 0) {
        return 0;
    }
    size = (size + HAL_PAGE_SIZE - 1) & ~(HAL_PAGE_SIZE - 1);
    if (size == 0 || ((protection & PROT_WRITE) != 0 && is_obvious_overcommit(size))) {
        return linux_result(HX_ENOMEM); /* 0: it wrapped */
    }
    return linux_result(address_space_protect(own_space(), address, size, access_of(protection)));
}

enum linux_mremap { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };

int64_t linux_mremap(uint64_t address, uint64_t old_size, uint64_t new_size, uint64_t flags,
                     uint64_t new_address)
{
    const uint64_t mask = ~(HAL_PAGE_SIZE - 1);
    uintptr_t moved = 0;
    hx_err error;

    if ((flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED)) != 0 || flags == MREMAP_FIXED ||
        address % HAL_PAGE_SIZE != 0 || new_size == 0) {
        return linux_result(HX_EINVAL);
    }
    if (new_size > old_size && is_obvious_overcommit(new_size - old_size)) {
        return linux_result(HX_ENOMEM);
    }
    error =
        address_space_remap(own_space(), address, (old_size + HAL_PAGE_SIZE - 1) & mask,
                            (new_size + HAL_PAGE_SIZE - 1) & mask, (flags & MREMAP_MAYMOVE) != 0,
                            (flags & MREMAP_FIXED) != 0 ? new_address : 0, &moved);
    return linux_count(error, moved);
}

int64_t linux_brk(uint64_t address)
{
    if (is_obvious_overcommit(address)) {
        uint64_t now = address_space_set_break(own_space(), 0);

        if (address > now && is_obvious_overcommit(address - now)) {
            return (int64_t)now;
        }
    }
    return (int64_t)address_space_set_break(own_space(), address);
}

enum linux_advice { MADV_DONTNEED = 4, MADV_LAST = 25 };

/* Advice that is no more than that is taken note of. */
int64_t linux_madvise(uint64_t address, uint64_t size, uint64_t advice)
{
    size = (size + HAL_PAGE_SIZE - 1) & ~(HAL_PAGE_SIZE - 1);
    if (address % HAL_PAGE_SIZE != 0 || advice > MADV_LAST) {
        return linux_result(HX_EINVAL);
    }
    if (size == 0 || advice != MADV_DONTNEED) {
        return 0;
    }
    return linux_result(address_space_discard(own_space(), address, size));
}

#define MS_SYNC 4U

/* What files keep back of mappings is written with all the rest. */
int64_t linux_msync(uint64_t address, uint64_t size, uint64_t flags)
{
    if (address % HAL_PAGE_SIZE != 0 || (flags & ~7ULL) != 0 || (flags & 5) == 5) {
        return linux_result(HX_EINVAL);
    }
    if (size != 0 && !address_space_allows(own_space(), address, size, 0)) {
        return linux_result(HX_ENOMEM);
    }
    return (flags & MS_SYNC) != 0 ? linux_result(mount_sync_all()) : 0;
}

/* Nothing is ever paged out. */
int64_t linux_mlock(uint64_t address, uint64_t size)
{
    return size == 0 || address_space_allows(own_space(), address & ~(HAL_PAGE_SIZE - 1), size, 0)
               ? 0
               : linux_result(HX_ENOMEM);
}

/* On a fault or at once is the same here. */
int64_t linux_mlock2(uint64_t address, uint64_t size, uint64_t flags)
{
    return (flags & ~1ULL) != 0 ? linux_result(HX_EINVAL) : linux_mlock(address, size);
}

/* --- mincore ------------------------------------------------------------------------------------
 */

#define ANSWERS 256U /* told at once */

static void look(uintptr_t address, uint8_t *answers, size_t count)
{
    const struct hal_space *space = address_space_hal(own_space());

    for (size_t i = 0; i < count; i++) {
        answers[i] = hal_space_lookup(space, address + i * HAL_PAGE_SIZE, NULL, NULL) ? 1 : 0;
    }
}

/* A page is there when the program has it; of a file, one that it has not touched is not told. */
int64_t linux_mincore(uint64_t address, uint64_t size, uint64_t answers_address)
{
    uint64_t pages = (size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE;
    hx_err error = HX_OK;

    if (address % HAL_PAGE_SIZE != 0) {
        return linux_result(HX_EINVAL);
    }
    if (!hal_user_is_range(address, size)) {
        return linux_result(HX_ENOMEM);
    }
    if (!hal_user_is_range(answers_address, pages)) {
        return linux_result(HX_EFAULT);
    }
    if (pages > 0 && !address_space_allows(own_space(), address, pages * HAL_PAGE_SIZE, 0)) {
        return linux_result(HX_ENOMEM);
    }
    for (uint64_t done = 0; done < pages && error == HX_OK; done += ANSWERS) {
        uint8_t answers[ANSWERS];
        size_t count = pages - done < ANSWERS ? (size_t)(pages - done) : ANSWERS;

        look(address + done * HAL_PAGE_SIZE, answers, count);
        error = hal_user_copy_out(answers_address + done, answers, count);
    }
    return linux_result(error);
}

int64_t linux_munlock(uint64_t address, uint64_t size)
{
    return linux_mlock(address, size);
}

int64_t linux_mlockall(uint64_t flags)
{
    return flags != 0 && flags <= 7 ? 0 : linux_result(HX_EINVAL);
}

int64_t linux_munlockall(void)
{
    return 0;
}
