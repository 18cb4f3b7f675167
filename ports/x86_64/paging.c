/* Four-level page tables (Intel SDM 3A 4.5). */
#include <base/assert.h>
#include <base/memory.h>
#include <core/config/boot_configuration.h>
#include <hal/memory.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/memory_check.h>
#include <ports/x86_64/page_table.h>
#include <ports/x86_64/paging.h>

#define LARGE_SIZE  (2UL << 20)
#define PDPT_SPAN   (1UL << 30)
#define PML4_SPAN   (1UL << 39)
#define BOOT_MAPPED (4UL << 30) /* what boot.S mapped directly */

extern struct hal_space boot_pml4;
extern uint64_t boot_pdpt_direct[TABLE_ENTRIES];
extern uint64_t boot_pdpt_high[TABLE_ENTRIES];
extern uint64_t boot_pd_direct[4 * TABLE_ENTRIES];
extern char boot_stack_guard[];
extern char kernel_image_end[];
extern char text_end[];
extern char rodata_start[];
extern char rodata_end[];
extern char data_start[];
extern char data_end[];

static struct hal_space *kernel_space;

/* --- memory for tables ------------------------------------------------------------------------ */

static const struct boot_configuration *boot_config;
static uint64_t supply_next; /* physical: the boot supply is done with [end of the image, next) */
static struct hal_table_source table_source;
static uintptr_t device_next = DEVICE_BASE;

bool x86_range_is_usable(uint64_t base, uint64_t size)
{
    for (size_t i = 0; i < boot_config->memory_count; i++) {
        const struct memory_region *region = &boot_config->memory_map[i];

        if (region->kind == MEMORY_USABLE && base >= region->base &&
            base + size <= region->base + region->size) {
            return true;
        }
    }
    return false;
}

static bool range_hits_module(uint64_t base, uint64_t size)
{
    for (size_t i = 0; i < boot_config->module_count; i++) {
        const struct boot_module *module = &boot_config->modules[i];

        if (base < module->physical + module->size && module->physical < base + size) {
            return true;
        }
    }
    return false;
}

static bool page_can_be_supplied(uint64_t page)
{
    bool is_retained = page - RETAINED_BASE < RETAINED_SIZE;

    return !is_retained && x86_range_is_usable(page, HAL_PAGE_SIZE) &&
           !range_hits_module(page, HAL_PAGE_SIZE);
}

/* What it passes over is nobody's, or lies in the way for good: reserving it all loses nothing. */
static uint64_t supply_allocate(void)
{
    while (supply_next < BOOT_MAPPED) {
        uint64_t page = supply_next;

        supply_next += HAL_PAGE_SIZE;
        if (page_can_be_supplied(page)) {
            return page;
        }
    }
    return 0;
}

static void supply_release(uint64_t physical)
{
    /* Boot tables live for ever. */
    (void)physical;
}

void hal_memory_set_table_source(const struct hal_table_source *source)
{
    table_source = *source;
}

size_t hal_memory_reserved(struct hal_physical_range *ranges, size_t max)
{
    const struct hal_physical_range all[] = {
        {0, HAL_PAGE_SIZE}, /* so that physical 0 is never a valid frame */
        {AP_TRAMPOLINE, HAL_PAGE_SIZE},
        {KERNEL_LOAD, supply_next - KERNEL_LOAD},
        {RETAINED_BASE, hal_retained_memory().size}, /* which may be none */
    };
    size_t count = HX_ARRAY_SIZE(all) - (hal_retained_memory().size == 0);

    HX_ASSERT(max >= count, "the caller's table holds the port's reserved ranges");
    memcpy(ranges, all, sizeof(all));
    return count;
}

uint64_t *x86_table_allocate(void)
{
    uint64_t physical = table_source.allocate();

    return physical != 0 ? memset(hal_direct_map(physical), 0, HAL_PAGE_SIZE) : NULL;
}

void x86_table_release(uint64_t physical)
{
    table_source.release(physical);
}

/* --- walking ---------------------------------------------------------------------------------- */

/* The table an entry on the way to an address is to lead to.  NULL: no memory. */
static uint64_t *make_table(struct hal_space *space, uintptr_t address, uint64_t *entry)
{
    uint64_t *table;

    if (address < USER_BASE + USER_SIZE && space != kernel_space) {
        return x86_user_table_make(space, entry);
    }
    table = x86_table_allocate();
    if (table != NULL) {
        /* Upper levels allow everything: the last level decides. */
        *entry = hal_direct_physical(table) | PTE_PRESENT | PTE_WRITE |
                 (address >= USER_MODULE_BASE ? PTE_USER : 0);
    }
    return table;
}

uint64_t *x86_find_entry(struct hal_space *space, uintptr_t address, bool create)
{
    uint64_t *table = space->entries;

    for (unsigned level = 3; level > 0; level--) {
        uint64_t *entry = &table[table_index(address, level)];

        if ((*entry & PTE_PRESENT) == 0 && (!create || make_table(space, address, entry) == NULL)) {
            return NULL;
        }
        if ((*entry & PTE_LARGE) != 0) {
            return NULL;
        }
        table = entry_table(*entry);
    }
    return &table[table_index(address, 0)];
}

static bool range_within(uintptr_t address, size_t size, uintptr_t base, size_t window)
{
    return address >= base && size <= window && address - base <= window - size;
}

static bool protection_is_valid(unsigned protection)
{
    const unsigned both = HAL_WRITE | HAL_EXECUTE;

    return (protection & both) != both && (protection & HAL_READ) != 0;
}

/* Whether a range may be mapped in a space with a protection: user pages in user windows only. */
static bool mapping_is_valid(const struct hal_space *space, uintptr_t address, size_t pages,
                             unsigned protection)
{
    size_t size = pages << HAL_PAGE_SHIFT;

    if (pages == 0 || pages > (1UL << 36) || (address & (HAL_PAGE_SIZE - 1)) != 0 ||
        !protection_is_valid(protection)) {
        return false;
    }
    if (space == kernel_space) {
        return (protection & HAL_USER) == 0 &&
               (range_within(address, size, AREA_BASE, AREA_SIZE) ||
                range_within(address, size, MODULE_BASE, MODULE_SIZE) ||
                range_within(address, size, DEVICE_BASE, DEVICE_SIZE));
    }
    return (protection & HAL_USER) != 0 &&
           (range_within(address, size, USER_BASE, USER_SIZE) ||
            range_within(address, size, USER_MODULE_BASE, USER_MODULE_SIZE));
}

static hx_err map_pages(struct hal_space *space, uintptr_t address, uint64_t physical, size_t pages,
                        uint64_t flags)
{
    for (size_t i = 0; i < pages; i++) {
        uint64_t *entry = x86_find_entry(space, address + (i << HAL_PAGE_SHIFT), true);
        hx_err error = HX_OK;

        if (entry == NULL) {
            error = HX_ENOMEM;
        } else if ((*entry & PTE_PRESENT) != 0) {
            error = HX_EEXIST;
        }
        if (error != HX_OK) {
            hal_space_unmap(space, address, i);
            return error;
        }
        *entry = (physical + (i << HAL_PAGE_SHIFT)) | flags;
    }
    return HX_OK;
}

hx_err hal_space_map(struct hal_space *space, uintptr_t address, uint64_t physical, size_t pages,
                     unsigned protection)
{
    if (!mapping_is_valid(space, address, pages, protection) || (physical & ~PTE_ADDRESS) != 0) {
        return HX_EINVAL;
    }
    return map_pages(space, address, physical, pages, entry_flags(protection));
}

void hal_space_unmap(struct hal_space *space, uintptr_t address, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        uint64_t *entry = x86_find_entry(space, address + (i << HAL_PAGE_SHIFT), false);

        if (entry != NULL) {
            *entry = 0;
        }
    }
    hal_tlb_flush_local(address, pages);
}

hx_err hal_space_protect(struct hal_space *space, uintptr_t address, size_t pages,
                         unsigned protection)
{
    if (!mapping_is_valid(space, address, pages, protection)) {
        return HX_EINVAL;
    }
    for (size_t i = 0; i < pages; i++) {
        const uint64_t *entry = x86_find_entry(space, address + (i << HAL_PAGE_SHIFT), false);

        if (entry == NULL || (*entry & PTE_PRESENT) == 0) {
            return HX_ENOENT;
        }
    }
    for (size_t i = 0; i < pages; i++) {
        uint64_t *entry = x86_find_entry(space, address + (i << HAL_PAGE_SHIFT), false);

        *entry = (*entry & PTE_ADDRESS) | entry_flags(protection);
    }
    hal_tlb_flush_local(address, pages);
    return HX_OK;
}

/* The last entry of a walk that also understands large pages; *size is what it covers. */
static uint64_t find_translation(const struct hal_space *space, uintptr_t address, size_t *size)
{
    const uint64_t *table = space->entries;

    for (unsigned level = 3;; level--) {
        uint64_t entry = table[table_index(address, level)];

        *size = HAL_PAGE_SIZE << (9U * level);
        if ((entry & PTE_PRESENT) == 0 || level == 0 || (entry & PTE_LARGE) != 0) {
            return entry;
        }
        table = entry_table(entry);
    }
}

bool hal_space_lookup(const struct hal_space *space, uintptr_t address, uint64_t *physical,
                      unsigned *protection)
{
    size_t size;
    uint64_t entry;

    /* Not canonical: bits 47 to 63 differ. */
    if ((uint64_t)((int64_t)(address << 16) >> 16) != address) {
        return false;
    }
    entry = find_translation(space, address, &size);
    if ((entry & PTE_PRESENT) == 0) {
        return false;
    }
    if (physical != NULL) {
        *physical = (entry & PTE_ADDRESS & ~(uint64_t)(size - 1)) |
                    (address & (size - 1) & ~(HAL_PAGE_SIZE - 1));
    }
    if (protection != NULL) {
        *protection = flags_protection(entry);
    }
    return true;
}

/* Beyond this many pages one full flush is cheaper than single ones. */
#define FLUSH_SINGLE_MAX 64

void hal_tlb_flush_local(uintptr_t address, size_t pages)
{
    if (pages > FLUSH_SINGLE_MAX) {
        uint64_t cr4;

        /* Toggling CR4.PGE drops global entries too (Intel SDM 3A 4.10.4.1). */
        __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
        __asm__ volatile("movq %0, %%cr4" ::"r"(cr4 & ~0x80UL) : "memory");
        __asm__ volatile("movq %0, %%cr4" ::"r"(cr4) : "memory");
        return;
    }
    for (size_t i = 0; i < pages; i++) {
        __asm__ volatile("invlpg (%0)" ::"r"(address + (i << HAL_PAGE_SHIFT)) : "memory");
    }
}

/* --- spaces ----------------------------------------------------------------------------------- */

struct hal_space *hal_space_kernel(void)
{
    return kernel_space;
}

uint64_t x86_kernel_cr3(void)
{
    return x86_image_physical(&boot_pml4);
}

/* --- windows ---------------------------------------------------------------------------------- */

struct hal_range hal_area_window(void)
{
    return (struct hal_range){AREA_BASE, AREA_SIZE};
}

struct hal_range hal_module_window(void)
{
    return (struct hal_range){MODULE_BASE, MODULE_SIZE};
}

struct hal_range hal_user_module_window(void)
{
    return (struct hal_range){USER_MODULE_BASE, USER_MODULE_SIZE};
}

struct hal_image hal_kernel_image(void)
{
    return (struct hal_image){
        .text = {(uintptr_t)kernel_image_start, (size_t)(text_end - kernel_image_start)},
        .rodata = {(uintptr_t)rodata_start, (size_t)(rodata_end - rodata_start)},
        .data = {(uintptr_t)data_start, (size_t)(data_end - data_start)},
    };
}

/* --- boot ------------------------------------------------------------------------------------- */

/* Whether the direct map should cover a kind: everything that is memory, not what may be a device.
 */
static bool kind_is_memory(enum memory_kind kind)
{
    return kind == MEMORY_USABLE || kind == MEMORY_IMAGE || kind == MEMORY_ACPI_RECLAIMABLE ||
           kind == MEMORY_ACPI_NVS;
}

uint64_t paging_direct_map_end(const struct boot_configuration *config)
{
    uint64_t last = BOOT_MAPPED - 1;

    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];
        uint64_t end = region->base + (region->size - 1);

        if (kind_is_memory(region->kind) && end > last) {
            last = end;
        }
    }
    return last < UINT64_MAX ? last + 1 : last;
}

/* Mark the large pages that a region touches, of those that boot.S mapped. */
static void mark_pages(const struct memory_region *region, uint8_t marks[])
{
    uint64_t end = region->base + region->size;

    end = end < BOOT_MAPPED ? end : BOOT_MAPPED;
    for (uint64_t base = region->base & ~(LARGE_SIZE - 1); base < end; base += LARGE_SIZE) {
        marks[base / LARGE_SIZE] = 1;
    }
}

/* Whether it shares bytes with memory: firmware has named something that is no device. */
static bool is_in_memory(uint64_t base, uint64_t size)
{
    bool is_in_image = base < x86_image_physical(kernel_image_end) && KERNEL_LOAD < base + size;

    for (size_t i = 0; i < boot_config->memory_count; i++) {
        const struct memory_region *region = &boot_config->memory_map[i];

        if (kind_is_memory(region->kind) && base < region->base + region->size &&
            region->base < base + size) {
            return true;
        }
    }
    return is_in_image;
}

static void narrow_direct_map(void)
{
    const struct memory_region image = {
        .base = KERNEL_LOAD,
        .size = x86_image_physical(kernel_image_end) - KERNEL_LOAD,
    };
    uint8_t marks[BOOT_MAPPED / LARGE_SIZE] = {1}; /* the first stays as it is */

    mark_pages(&image, marks); /* whatever a map says that it lies in */
    for (size_t i = 0; i < boot_config->memory_count; i++) {
        if (kind_is_memory(boot_config->memory_map[i].kind)) {
            mark_pages(&boot_config->memory_map[i], marks);
        }
    }
    for (size_t page = 0; page < HX_ARRAY_SIZE(marks); page++) {
        if (marks[page] == 0) {
            boot_pd_direct[page] = 0;
        }
    }
}

/* Map one large page of the direct map above what boot.S mapped. */
static hx_err map_direct_large(uint64_t base)
{
    uintptr_t address = (uintptr_t)hal_direct_map(base);
    uint64_t *pml4_entry = &kernel_space->entries[table_index(address, 3)];
    uint64_t *table = NULL;
    uint64_t *entry = pml4_entry;

    for (unsigned level = 3; level > 1; level--) {
        if ((*entry & PTE_PRESENT) == 0) {
            table = x86_table_allocate();
            if (table == NULL) {
                return HX_ENOMEM;
            }
            *entry = hal_direct_physical(table) | PTE_PRESENT | PTE_WRITE;
        }
        table = entry_table(*entry);
        entry = &table[table_index(address, level - 1)];
    }
    *entry = base | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_GLOBAL | PTE_NX;
    return HX_OK;
}

static hx_err extend_direct_map(void)
{
    for (size_t i = 0; i < boot_config->memory_count; i++) {
        const struct memory_region *region = &boot_config->memory_map[i];
        uint64_t end = region->base + region->size;
        uint64_t base = region->base & ~(LARGE_SIZE - 1);

        /* Firmware's tables are read where boot.S's map is. */
        if (region->kind != MEMORY_USABLE) {
            continue;
        }
        for (base = base < BOOT_MAPPED ? BOOT_MAPPED : base; base < end; base += LARGE_SIZE) {
            hx_err error = map_direct_large(base);

            if (error != HX_OK) {
                return error;
            }
        }
    }
    return HX_OK;
}

/* Cut the large pages that cover the image into small ones; text and rodata lose their write bit.
 */
static hx_err protect_image_alias(void)
{
    uint64_t read_only_end = x86_image_physical(rodata_end);

    for (uint64_t base = 0; base < x86_image_physical(kernel_image_end); base += LARGE_SIZE) {
        uint64_t *table = x86_table_allocate();

        if (table == NULL) {
            return HX_ENOMEM;
        }
        for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
            uint64_t page = base + i * HAL_PAGE_SIZE;
            bool read_only = page >= KERNEL_LOAD && page < read_only_end;

            table[i] = page | PTE_PRESENT | PTE_GLOBAL | PTE_NX | (read_only ? 0 : PTE_WRITE);
        }
        boot_pd_direct[base / LARGE_SIZE] = hal_direct_physical(table) | PTE_PRESENT | PTE_WRITE;
    }
    return HX_OK;
}

static hx_err share_top_level(void)
{
    for (uintptr_t base = AREA_BASE; base < AREA_BASE + AREA_SIZE; base += PML4_SPAN) {
        uint64_t *table = x86_table_allocate();

        if (table == NULL) {
            return HX_ENOMEM;
        }
        kernel_space->entries[table_index(base, 3)] =
            hal_direct_physical(table) | PTE_PRESENT | PTE_WRITE;
    }
    uint64_t *devices = x86_table_allocate();

    if (devices == NULL) {
        return HX_ENOMEM;
    }
    boot_pdpt_high[table_index(DEVICE_BASE, 2)] =
        hal_direct_physical(devices) | PTE_PRESENT | PTE_WRITE;
    return HX_OK;
}

hx_err paging_init(const struct boot_configuration *config)
{
    static const struct hal_table_source boot_supply = {
        .allocate = supply_allocate,
        .release = supply_release,
    };
    hx_err error;

    boot_config = config;
    supply_next = x86_image_physical(kernel_image_end);
    table_source = boot_supply;
    kernel_space = hal_direct_map(x86_image_physical(&boot_pml4));

    error = share_top_level();
    if (error == HX_OK) {
        error = extend_direct_map();
    }
    if (error == HX_OK) {
        error = protect_image_alias();
    }
    if (error != HX_OK) {
        return error;
    }
    narrow_direct_map();
    kernel_space->entries[0] = 0;
    *x86_find_entry(kernel_space, (uintptr_t)boot_stack_guard, false) = 0;
    hal_tlb_flush_local(0, FLUSH_SINGLE_MAX + 1);
    return HX_OK;
}

volatile void *x86_map_device(uint64_t physical, size_t size)
{
    uint64_t offset = physical & (HAL_PAGE_SIZE - 1);
    size_t pages = (size + offset + HAL_PAGE_SIZE - 1) >> HAL_PAGE_SHIFT;
    uintptr_t address = device_next;

    if (physical > x86_physical_end() - size || is_in_memory(physical, size)) {
        return NULL;
    }
    if (hal_space_map(kernel_space, address, physical - offset, pages,
                      HAL_READ | HAL_WRITE | HAL_DEVICE) != HX_OK) {
        return NULL;
    }
    device_next += pages << HAL_PAGE_SHIFT;
    return (volatile void *)(address + offset);
}

void *x86_map_stack(size_t pages)
{
    uintptr_t base = device_next + HAL_PAGE_SIZE;

    for (size_t i = 0; i < pages; i++) {
        uint64_t physical = table_source.allocate();

        if (physical == 0 || hal_space_map(kernel_space, base + (i << HAL_PAGE_SHIFT), physical, 1,
                                           HAL_READ | HAL_WRITE) != HX_OK) {
            return NULL;
        }
        memset(hal_direct_map(physical), 0, HAL_PAGE_SIZE);
    }
    device_next = base + ((pages + 1) << HAL_PAGE_SHIFT);
    return (void *)base;
}

hx_err x86_identity_page(uint64_t physical, bool on)
{
    uint64_t *entry;

    HX_ASSERT(physical < (1UL << 20), "only the trampoline is mapped at its own address");
    entry = x86_find_entry(kernel_space, physical, true);
    if (entry == NULL) {
        return HX_ENOMEM;
    }
    *entry = on ? physical | PTE_PRESENT : 0;
    hal_tlb_flush_local(physical, 1);
    return HX_OK;
}
