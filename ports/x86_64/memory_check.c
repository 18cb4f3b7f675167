#include <core/config/boot_configuration.h>
#include <hal/memory.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/memory_check.h>
#include <ports/x86_64/page_table.h>
#include <ports/x86_64/start.h>

#define STEP  (2UL << 20) /* a large page */
#define PARTS 4           /* of a region that is all there */

/* The last page of boot.S's direct map shows what is tried; paging.c makes what it is to be. */
#define WINDOW      ((4UL << 30) - STEP)
#define WINDOW_PAGE (WINDOW / STEP)

/* AMD APM 3, E.4.7; what was there before it could be asked had 36 bits. */
#define CPUID_EXTENDED      0x80000000U
#define CPUID_ADDRESS_SIZES 0x80000008U
#define ADDRESS_BITS_LEAST  36U
#define DIRECT_MAP_BITS     46U

_Static_assert(AREA_BASE - DIRECT_MAP == 1UL << DIRECT_MAP_BITS, "layout.h");

extern uint64_t boot_pd_direct[4 * TABLE_ENTRIES];

/* --- what no board has ------------------------------------------------------------------------ */

static const struct foreign {
    struct memory_region region;
    enum memory_kind limit; /* kinds before this one are wrong there */
} FOREIGN[] = {
    /* The screen, ROMs and the BIOS, whose tables may well be named. */
    {{.base = 0xa0000, .size = 0x60000, .kind = MEMORY_RESERVED}, MEMORY_IMAGE},
    /* APICs, HPET, firmware. */
    {{.base = 0xfec00000, .size = 0x1400000, .kind = MEMORY_RESERVED}, MEMORY_RESERVED},
};

static bool is_called_memory(const struct boot_configuration *config, const struct foreign *foreign)
{
    uint64_t base = foreign->region.base;
    uint64_t end = base + foreign->region.size;

    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (region->kind < foreign->limit && region->base < end &&
            base < region->base + region->size) {
            return true;
        }
    }
    return false;
}

void memory_check_board(struct boot_configuration *config)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(FOREIGN); i++) {
        const struct memory_region *region = &FOREIGN[i].region;

        if (is_called_memory(config, &FOREIGN[i])) {
            x86_boot_warn("the memory map calls the board's own addresses memory");
            /* In a table that is full it cuts the usable ones. */
            (void)!boot_configuration_add_memory(config, region->base, region->size, region->kind);
        }
    }
}

/* --- what can be addressed -------------------------------------------------------------------- */

uint64_t x86_physical_end(void)
{
    unsigned bits = ADDRESS_BITS_LEAST;

    if (x86_cpuid(CPUID_EXTENDED, 0).registers[X86_EAX] >= CPUID_ADDRESS_SIZES) {
        bits = x86_cpuid(CPUID_ADDRESS_SIZES, 0).registers[X86_EAX] & 0xFF;
    }
    return 1UL << (bits < DIRECT_MAP_BITS ? bits : DIRECT_MAP_BITS);
}

/* --- what is there ---------------------------------------------------------------------------- */

static void show_in_window(uint64_t page)
{
    boot_pd_direct[WINDOW_PAGE] = page | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_GLOBAL | PTE_NX;
    __asm__ volatile("invlpg (%0)" : : "r"(hal_direct_map(WINDOW)) : "memory");
}

/* Store a word in memory itself: what only a cache holds says nothing about what is behind it. */
static void store_through(volatile uint64_t *word, uint64_t value)
{
    *word = value;
    __asm__ volatile("clflush (%0)\n\tmfence" : : "r"(word) : "memory");
}

/* Whether the word that ends at an address, a multiple of 8, keeps what is written. */
static bool is_there(uint64_t end)
{
    uint64_t address = end - sizeof(uint64_t);
    volatile uint64_t *word = hal_direct_map(WINDOW + address % STEP);
    uint64_t before;
    bool kept;

    show_in_window(address & ~(STEP - 1));
    before = *word;
    store_through(word, ~before);
    kept = *word == ~before;
    store_through(word, before);
    return kept;
}

/* The end of each part of a region: who adds up memory wrongly gets its end wrong. */
static bool seems_there(uint64_t base, uint64_t end)
{
    uint64_t part = (end - base) / PARTS;

    for (uint64_t i = 1; i <= PARTS && part >= sizeof(uint64_t); i++) {
        if (!is_there((base + i * part) & ~(sizeof(uint64_t) - 1))) {
            return false;
        }
    }
    return true;
}

/* Where the memory of a region ends: at the first large page whose last word is not there. */
static uint64_t find_end(uint64_t base, uint64_t end)
{
    uint64_t last = end & ~(sizeof(uint64_t) - 1);

    if (seems_there(base, end)) {
        return end;
    }
    while (base < last) {
        uint64_t next = (base & ~(STEP - 1)) + STEP;

        next = next < last ? next : last;
        if (next - base >= sizeof(uint64_t) && !is_there(next)) {
            return base;
        }
        base = next;
    }
    return end;
}

static void check_region(struct boot_configuration *config, size_t index)
{
    const struct memory_region *region = &config->memory_map[index];
    uint64_t limit = x86_physical_end();
    uint64_t end = region->base + region->size;
    uint64_t kept = end < limit ? end : limit;

    if (region->kind == MEMORY_USABLE && region->base < limit) {
        kept = find_end(region->base, kept);
    }
    if (kept < end && region->kind == MEMORY_USABLE) {
        x86_boot_warn("the memory map has usable memory that is not there: cut");
    }
    if (kept < end) {
        boot_configuration_cut_memory(config, index, kept);
    }
}

/* Downwards: a region that is taken out moves those behind it. */
void memory_check_presence(struct boot_configuration *config)
{
    uint64_t shown = boot_pd_direct[WINDOW_PAGE];

    for (size_t i = config->memory_count; i-- > 0;) {
        check_region(config, i);
    }
    boot_pd_direct[WINDOW_PAGE] = shown;
    __asm__ volatile("invlpg (%0)" : : "r"(hal_direct_map(WINDOW)) : "memory");
}
