/*
 * Moving the image and the direct map (slide.h).
 *
 * Both places of either are mapped while numbers are changed, so it does not matter which of two
 * addresses an instruction has just then; but they must not be mixed. What is computed from
 * addresses is therefore computed before, and kept out of the compiler's sight. Text and read-only
 * data are changed through the direct map, where all is writable still.
 */
#include <base/memory.h>
#include <core/config/boot_configuration.h>
#include <hal/cpu.h>
#include <hal/memory.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/page_table.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/slide.h>

#define LARGE_SIZE   (2UL << 20)
#define GIB          (1UL << 30)
#define IMAGE_SLOTS  ((MODULE_BASE - KERNEL_BASE) / LARGE_SIZE)
#define IMAGE_MAPPED 4U /* entries of boot.S for the image, each for LARGE_SIZE */
#define DIRECT_TABLE (TABLE_ENTRIES * GIB)
#define DIRECT_SIZE  (AREA_BASE - DIRECT_MAP)
#define BOOT_MAPPED  4U /* entries of boot.S for the direct map, each for GIB */

extern struct hal_space boot_pml4;
extern uint64_t boot_pdpt_direct[TABLE_ENTRIES];
extern uint64_t boot_pd_image[TABLE_ENTRIES];
extern const char data_start[];
extern const uint8_t relocations[]; /* see tools/relocations */

/* boot.S: go on as if the loader had just been left, at the place where this is called. */
HX_NORETURN void boot_again(void);

/* What relocating is done with; no address in it changes meanwhile. */
struct relocator {
    const uint8_t *next; /* byte of the list */
    char *image;         /* the first byte, through the direct map */
    char *data;
    void (*again)(void); /* boot_again, at the new place */
};

static struct hal_slide slide;

struct hal_slide hal_kernel_slide(void)
{
    return slide;
}

/* --- drawing ---------------------------------------------------------------------------------- */

/* A number in [0, count). */
static uint64_t draw(uint64_t count)
{
    return hal_cpu_entropy() % count;
}

/* The old entries and the new ones of a table are not the same ones. */
static uint64_t draw_image(void)
{
    return (IMAGE_MAPPED + draw(IMAGE_SLOTS - 2UL * IMAGE_MAPPED + 1)) * LARGE_SIZE;
}

/* What boot.S mapped stays in one table, and all memory in the window. 0: there is no room. */
static uint64_t draw_direct(const struct boot_configuration *config)
{
    uint64_t end = paging_direct_map_end(config);
    uint64_t tables = end < DIRECT_SIZE ? (DIRECT_SIZE - end) / DIRECT_TABLE : 0;

    if (tables == 0) {
        return 0;
    }
    return draw(tables) * DIRECT_TABLE +
           (BOOT_MAPPED + draw(TABLE_ENTRIES - 2UL * BOOT_MAPPED + 1)) * GIB;
}

/* --- mapping ---------------------------------------------------------------------------------- */

static void copy_entries(uint64_t *table, unsigned count, uint64_t distance)
{
    for (unsigned i = 0; i < count; i++) {
        table[distance + i] = table[i];
    }
}

static void map_new_places(void)
{
    uint64_t *tables = &boot_pml4.entries[table_index(DIRECT_MAP, 3)];

    copy_entries(boot_pd_image, IMAGE_MAPPED, slide.image / LARGE_SIZE);
    if (slide.direct != 0) {
        tables[slide.direct / DIRECT_TABLE] = tables[0];
        copy_entries(boot_pdpt_direct, BOOT_MAPPED, slide.direct % DIRECT_TABLE / GIB);
    }
}

static void unmap_first_places(void)
{
    memset(boot_pd_image, 0, IMAGE_MAPPED * sizeof(boot_pd_image[0]));
    if (slide.direct != 0) {
        memset(boot_pdpt_direct, 0, BOOT_MAPPED * sizeof(boot_pdpt_direct[0]));
    }
    if (slide.direct >= DIRECT_TABLE) {
        boot_pml4.entries[table_index(DIRECT_MAP, 3)] = 0;
    }
    hal_tlb_flush_local(0, SIZE_MAX >> HAL_PAGE_SHIFT);
}

/* --- relocating ------------------------------------------------------------------------------- */

static struct relocator make_relocator(void)
{
    struct relocator relocator = {
        .next = relocations,
        .image = hal_direct_map(KERNEL_LOAD),
        .data = hal_direct_map(x86_image_physical(data_start)),
        .again = (void (*)(void))((uintptr_t)boot_again + slide.image),
    };

    /* To be loaded from here, not made of addresses again. */
    __asm__ volatile("" : "+m"(relocator));
    return relocator;
}

/* LEB128, unsigned. */
static uint64_t next_number(struct relocator *relocator)
{
    uint64_t number = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = *relocator->next++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    return number;
}

static void move_words(struct relocator *relocator, char *place, uint64_t distance)
{
    for (uint64_t left = next_number(relocator); left > 0; left--) {
        uint64_t word;

        place += next_number(relocator);
        memcpy(&word, place, sizeof(word));
        word += distance;
        memcpy(place, &word, sizeof(word));
    }
}

static void move_longs(struct relocator *relocator, char *place, uint64_t distance)
{
    for (uint64_t left = next_number(relocator); left > 0; left--) {
        uint32_t number;

        place += next_number(relocator);
        memcpy(&number, place, sizeof(number));
        number += (uint32_t)distance;
        memcpy(place, &number, sizeof(number));
    }
}

HX_NORETURN static void relocate(void)
{
    struct relocator relocator = make_relocator();
    struct hal_slide by = slide;

    move_words(&relocator, relocator.image, by.image);
    move_words(&relocator, relocator.data, by.image);
    move_longs(&relocator, relocator.image, by.image);
    move_words(&relocator, relocator.image, by.direct);
    relocator.again();
    __builtin_unreachable();
}

void slide_kernel(const struct boot_configuration *config)
{
    if (slide.image != 0) {
        unmap_first_places();
        return;
    }
    if (boot_configuration_has_flag(config, "nokaslr")) {
        return;
    }
    slide.image = draw_image();
    slide.direct = draw_direct(config);
    map_new_places();
    relocate();
}
