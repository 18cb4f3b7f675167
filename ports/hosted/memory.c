/*
 * Physical memory as a memfd, and the windows in which its pages are mapped.
 */
#define _GNU_SOURCE
#include <base/memory.h>
#include <elf.h>
#include <ports/hosted/hosted.h>
#include <ports/hosted/machine.h>
#include <ports/hosted/space.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_WINDOW_SIZE   (16UL << 30)
#define MODULE_WINDOW_SIZE (256UL << 20)
#define USER_WINDOW_SIZE   (256UL << 20)

/* What is aligned in physical memory is so in the direct map, as on metal. */
#define DIRECT_MAP_ALIGNMENT (1UL << 30)

/*
 * Where the module window may lie: in the low 2 GiB, as the text of a non-PIE program does (image
 * at 0x400000), and in ranges that the sanitizers leave to the application.
 */
#define MODULE_WINDOW_FIRST 0x20000000UL
#define MODULE_WINDOW_LAST  0x60000000UL

#define PROTECTION_MASK (HAL_READ | HAL_WRITE | HAL_EXECUTE | HAL_USER | HAL_DEVICE | HAL_MARK)

struct window {
    struct hal_range range;
    _Atomic uint64_t *entries; /* one a page; written under the space's lock, read by anyone */
};

/* The kernel's space; its user half is the user window. Others are in space.c. */
struct hal_space {
    struct window windows[3];
};

enum { WINDOW_AREA, WINDOW_MODULE, WINDOW_USER };

static struct hal_space kernel_space;
static int memory_fd = -1;
static uint64_t memory_size;
uintptr_t hosted_direct_base;

/* --- the host's memory ------------------------------------------------------------------------ */

void *hosted_reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void hosted_unreserve(void *memory, size_t size)
{
    if (memory != NULL) {
        munmap(memory, size);
    }
}

/* Reserve inaccessible addresses, at `at` when it is not 0. */
static bool reserve_range(uintptr_t at, size_t size, struct hal_range *range)
{
    int placement = at != 0 ? MAP_FIXED_NOREPLACE : 0;
    void *memory = mmap((void *)at, size, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | placement, -1, 0);

    if (memory == MAP_FAILED) {
        return false;
    }
    if (at != 0 && memory != (void *)at) { /* Linux before 4.17 takes the address as a hint */
        munmap(memory, size);
        return false;
    }
    *range = (struct hal_range){.base = (uintptr_t)memory, .size = size};
    return true;
}

static bool window_open(struct window *window, uintptr_t at, size_t size)
{
    if (!reserve_range(at, size, &window->range)) {
        return false;
    }
    window->entries = hosted_reserve(size / HAL_PAGE_SIZE * sizeof *window->entries);
    return window->entries != NULL;
}

static void window_close(struct window *window)
{
    if (window->range.size != 0) {
        munmap((void *)window->range.base, window->range.size);
        hosted_unreserve((void *)window->entries,
                         window->range.size / HAL_PAGE_SIZE * sizeof *window->entries);
    }
    *window = (struct window){.range.size = 0};
}

/* Without a free place there is no module window; loading modules is then not supported. */
static void open_module_window(struct window *window)
{
    for (uintptr_t at = MODULE_WINDOW_FIRST; at <= MODULE_WINDOW_LAST; at += MODULE_WINDOW_SIZE) {
        if (window_open(window, at, MODULE_WINDOW_SIZE)) {
            return;
        }
        window_close(window);
    }
}

/* Reserve size bytes on a multiple of alignment; 0 when the host refuses. */
static uintptr_t reserve_aligned(size_t size, size_t alignment)
{
    struct hal_range range;
    uintptr_t base;

    if (!reserve_range(0, size + alignment, &range)) {
        return 0;
    }
    base = (range.base + alignment - 1) & ~(alignment - 1);
    if (base != range.base) {
        munmap((void *)range.base, base - range.base);
    }
    munmap((void *)(base + size), range.base + alignment - base);
    return base;
}

static bool open_direct_map(uint64_t bytes)
{
    hosted_direct_base = reserve_aligned(bytes, DIRECT_MAP_ALIGNMENT);
    memory_size = bytes;
    memory_fd = memfd_create("helix-memory", MFD_CLOEXEC);
    return hosted_direct_base != 0 && memory_fd >= 0 && ftruncate(memory_fd, (off_t)bytes) == 0 &&
           mmap((void *)hosted_direct_base, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE | MAP_FIXED, memory_fd, 0) != MAP_FAILED;
}

bool hosted_memory_start(uint64_t bytes)
{
    struct window *windows = kernel_space.windows;

    if (!open_direct_map(bytes) || !window_open(&windows[WINDOW_AREA], 0, AREA_WINDOW_SIZE) ||
        !window_open(&windows[WINDOW_USER], 0, USER_WINDOW_SIZE)) {
        hosted_memory_stop();
        return false;
    }
    open_module_window(&windows[WINDOW_MODULE]);
    return true;
}

void hosted_memory_stop(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(kernel_space.windows); i++) {
        window_close(&kernel_space.windows[i]);
    }
    if (hosted_direct_base != 0) {
        munmap((void *)hosted_direct_base, memory_size);
    }
    if (memory_fd >= 0) {
        close(memory_fd);
    }
    memory_fd = -1;
    hosted_direct_base = 0;
    memory_size = 0;
}

uint64_t hosted_memory_size(void)
{
    return memory_size;
}

/* --- where things are ------------------------------------------------------------------------- */

struct hal_range hal_area_window(void)
{
    return kernel_space.windows[WINDOW_AREA].range;
}

struct hal_range hal_module_window(void)
{
    return kernel_space.windows[WINDOW_MODULE].range;
}

struct hal_range hal_user_module_window(void)
{
    return (struct hal_range){.size = 0};
}

struct hal_range hosted_user_window(void)
{
    return kernel_space.windows[WINDOW_USER].range;
}

static void widen(struct hal_range *range, uintptr_t base, size_t size)
{
    uintptr_t end = base + size;

    if (range->size != 0) {
        end = range->base + range->size > end ? range->base + range->size : end;
        base = range->base < base ? range->base : base;
    }
    *range = (struct hal_range){.base = base, .size = end - base};
}

/* The program's own load segments say it (elf(5)); a PIE is moved by the distance to its headers.
 */
struct hal_image hal_kernel_image(void)
{
    const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
    size_t count = getauxval(AT_PHNUM);
    uintptr_t moved = 0;
    struct hal_image image = {.text.size = 0};

    for (size_t i = 0; i < count; i++) {
        if (headers[i].p_type == PT_PHDR) {
            moved = (uintptr_t)headers - headers[i].p_vaddr;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const Elf64_Phdr *header = &headers[i];

        if (header->p_type == PT_LOAD) {
            widen(header->p_flags & PF_X   ? &image.text
                  : header->p_flags & PF_W ? &image.data
                                           : &image.rodata,
                  moved + header->p_vaddr, header->p_memsz);
        }
    }
    return image;
}

/* --- spaces ----------------------------------------------------------------------------------- */

struct hal_space *hal_space_kernel(void)
{
    return &kernel_space;
}

void hal_tlb_flush_local(uintptr_t address, size_t pages)
{
    (void)address;
    (void)pages;
}

/* The program itself lies outside physical memory. */
size_t hal_memory_reserved(struct hal_physical_range *ranges, size_t max)
{
    (void)ranges;
    (void)max;
    return 0;
}

/* The memory ends with the process. */
struct hal_range hal_retained_memory(void)
{
    return (struct hal_range){0, 0};
}

/* --- mapping ---------------------------------------------------------------------------------- */

/* The first of `pages` entries from address on, NULL when they do not all lie in one window. */
static _Atomic uint64_t *find_entries(const struct hal_space *space, uintptr_t address,
                                      size_t pages)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(space->windows); i++) {
        const struct window *window = &space->windows[i];
        uintptr_t offset = address - window->range.base;

        if (offset < window->range.size && pages <= (window->range.size - offset) / HAL_PAGE_SIZE) {
            return &window->entries[offset / HAL_PAGE_SIZE];
        }
    }
    return NULL;
}

static uint64_t entry_load(const _Atomic uint64_t *entry)
{
    return atomic_load_explicit(entry, memory_order_acquire);
}

static void entry_store(_Atomic uint64_t *entry, uint64_t value)
{
    atomic_store_explicit(entry, value, memory_order_release);
}

static int host_protection(unsigned protection)
{
    return PROT_READ | (protection & HAL_WRITE ? PROT_WRITE : 0) |
           (protection & HAL_EXECUTE ? PROT_EXEC : 0);
}

static bool is_protection_valid(unsigned protection)
{
    return (protection & HAL_READ) && (protection & ~(unsigned)PROTECTION_MASK) == 0 &&
           (protection & (HAL_WRITE | HAL_EXECUTE)) != (HAL_WRITE | HAL_EXECUTE);
}

static bool is_physical_valid(uint64_t physical, size_t pages)
{
    return physical % HAL_PAGE_SIZE == 0 && physical < memory_size &&
           pages <= (memory_size - physical) / HAL_PAGE_SIZE;
}

static bool are_all_mapped(const _Atomic uint64_t *entries, size_t pages, bool wanted)
{
    for (size_t i = 0; i < pages; i++) {
        if ((entry_load(&entries[i]) != 0) != wanted) {
            return false;
        }
    }
    return true;
}

/* Pages of a space of its own, in the user window; nothing of the host's is mapped. */
static hx_err map_own(struct hal_space *space, uintptr_t address, uint64_t physical, size_t pages,
                      unsigned protection)
{
    for (size_t i = 0; i < pages; i++) {
        _Atomic uint64_t *entry = hosted_space_make_entry(space, address + i * HAL_PAGE_SIZE);
        hx_err error = entry == NULL ? HX_ENOMEM : entry_load(entry) != 0 ? HX_EEXIST : HX_OK;

        if (error != HX_OK) {
            hal_space_unmap(space, address, i);
            return error;
        }
        entry_store(entry, (physical + i * HAL_PAGE_SIZE) | protection | ENTRY_PRESENT);
    }
    return HX_OK;
}

static bool is_own_range(uintptr_t address, size_t pages)
{
    return find_entries(&kernel_space, address, pages) != NULL &&
           address - hal_user_window().base < hal_user_window().size;
}

hx_err hal_space_map(struct hal_space *space, uintptr_t address, uint64_t physical, size_t pages,
                     unsigned protection)
{
    if (space != &kernel_space) {
        bool is_valid = is_own_range(address, pages) && pages != 0 &&
                        address % HAL_PAGE_SIZE == 0 && is_physical_valid(physical, pages) &&
                        is_protection_valid(protection);

        return is_valid ? map_own(space, address, physical, pages, protection) : HX_EINVAL;
    }

    _Atomic uint64_t *entries = find_entries(space, address, pages);

    if (entries == NULL || pages == 0 || address % HAL_PAGE_SIZE != 0 ||
        !is_physical_valid(physical, pages) || !is_protection_valid(protection)) {
        return HX_EINVAL;
    }
    if (!are_all_mapped(entries, pages, false)) {
        return HX_EEXIST;
    }
    if (mmap((void *)address, pages * HAL_PAGE_SIZE, host_protection(protection),
             MAP_SHARED | MAP_FIXED, memory_fd, (off_t)physical) == MAP_FAILED) {
        return HX_ENOMEM;
    }
    hosted_unpoison(address, address + pages * HAL_PAGE_SIZE);
    for (size_t i = 0; i < pages; i++) {
        entry_store(&entries[i], (physical + i * HAL_PAGE_SIZE) | protection | ENTRY_PRESENT);
    }
    return HX_OK;
}

static void unmap_own(const struct hal_space *space, uintptr_t address, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        _Atomic uint64_t *entry = hosted_space_entry(space, address + i * HAL_PAGE_SIZE);

        if (entry != NULL) {
            entry_store(entry, 0);
        }
    }
}

void hal_space_unmap(struct hal_space *space, uintptr_t address, size_t pages)
{
    if (space != &kernel_space) {
        unmap_own(space, address, pages);
        return;
    }

    _Atomic uint64_t *entries = find_entries(space, address, pages);

    if (entries == NULL || pages == 0 || address % HAL_PAGE_SIZE != 0) {
        return;
    }
    for (size_t i = 0; i < pages; i++) {
        entry_store(&entries[i], 0);
    }
    if (mmap((void *)address, pages * HAL_PAGE_SIZE, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        __builtin_trap(); /* the host has no more mappings, and the pages would stay accessible */
    }
}

static hx_err protect_own(const struct hal_space *space, uintptr_t address, size_t pages,
                          unsigned protection)
{
    for (size_t i = 0; i < pages; i++) {
        const _Atomic uint64_t *entry = hosted_space_entry(space, address + i * HAL_PAGE_SIZE);

        if (entry == NULL || entry_load(entry) == 0) {
            return HX_ENOENT;
        }
    }
    for (size_t i = 0; i < pages; i++) {
        _Atomic uint64_t *entry = hosted_space_entry(space, address + i * HAL_PAGE_SIZE);

        entry_store(entry, (entry_load(entry) & ~ENTRY_FLAGS) | protection | ENTRY_PRESENT);
    }
    return HX_OK;
}

hx_err hal_space_protect(struct hal_space *space, uintptr_t address, size_t pages,
                         unsigned protection)
{
    if (space != &kernel_space) {
        return is_protection_valid(protection) ? protect_own(space, address, pages, protection)
                                               : HX_EINVAL;
    }

    _Atomic uint64_t *entries = find_entries(space, address, pages);

    if (entries == NULL || pages == 0 || address % HAL_PAGE_SIZE != 0 ||
        !is_protection_valid(protection)) {
        return HX_EINVAL;
    }
    if (!are_all_mapped(entries, pages, true)) {
        return HX_ENOENT;
    }
    for (size_t i = 0; i < pages; i++) {
        uint64_t physical = entry_load(&entries[i]) & ~ENTRY_FLAGS;

        entry_store(&entries[i], physical | protection | ENTRY_PRESENT);
    }
    mprotect((void *)address, pages * HAL_PAGE_SIZE, host_protection(protection));
    return HX_OK;
}

bool hal_space_lookup(const struct hal_space *space, uintptr_t address, uint64_t *physical,
                      unsigned *protection)
{
    bool is_own = space != &kernel_space && address - hal_user_window().base < USER_WINDOW_SIZE;
    const _Atomic uint64_t *entry =
        is_own ? hosted_space_entry(space, address) : find_entries(&kernel_space, address, 1);
    uint64_t value = entry != NULL ? entry_load(entry) : 0;

    if ((value & ENTRY_PRESENT) == 0) {
        return false;
    }
    if (physical != NULL) {
        *physical = value & ~ENTRY_FLAGS;
    }
    if (protection != NULL) {
        *protection = (unsigned)(value & PROTECTION_MASK);
    }
    return true;
}

/* A process has no such table: its debugger knows the names. */
struct hal_symbols hal_kernel_symbols(void)
{
    return (struct hal_symbols){.count = 0};
}
