/*
 * Spaces and the tables of their user windows.
 *
 * A space's last directory is its own, and but for its highest entries never leads anywhere. In
 * what is left of it stands where the tables of the user window hang: the entries that lead to
 * them, in the order they were made. Such a word is an address of 8 bytes' alignment, so for the
 * processor it is an entry that is not present. So the end of a space looks at the tables that it
 * has and at nothing else. They are empty then, as is the upper table's user half, and a few of
 * both are kept for the next space.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <hal/memory.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/page_table.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/port_lock.h>

#define HIGH         (TABLE_ENTRIES - 1)
#define NOTES_MAX    500U /* below the directory's entries that lead somewhere */
#define SPARE_TABLES 32U
#define SPARE_SPACES 4U

extern uint64_t boot_pdpt_high[TABLE_ENTRIES];

/* A space's own directory, as the port uses it. */
struct directory {
    uint64_t noted; /* doubled: bit 0 says present.  More than there is room for: scan */
    uint64_t notes[NOTES_MAX];
    uint64_t rest[TABLE_ENTRIES - 1 - NOTES_MAX]; /* device window, image, user modules */
};
_Static_assert(sizeof(struct directory) == HAL_PAGE_SIZE, "a directory is a table");
_Static_assert((DEVICE_BASE >> 30 & (TABLE_ENTRIES - 1)) > NOTES_MAX,
               "notes are below what is used");

/* Keys: L = lock */
static struct {
    struct port_lock lock;
    uint32_t table_count;                   /* L */
    uint32_t space_count;                   /* L */
    uint64_t *tables[SPARE_TABLES];         /* L  all zeros */
    struct hal_space *spaces[SPARE_SPACES]; /* L  with nothing in the user windows */
} spare = {.lock = PORT_LOCK_INIT};

static struct directory *directory_of(const struct hal_space *space)
{
    return (struct directory *)entry_table(space->entries[HIGH]);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static uint64_t *take_table(void)
{
    hal_interrupt_state state = port_lock_acquire(&spare.lock);
    uint64_t *table = spare.table_count != 0 ? spare.tables[--spare.table_count] : NULL;

    port_lock_release(&spare.lock, state);
    return table != NULL ? table : x86_table_allocate();
}

/* Keep the table that an entry leads to, and clear the entry; false: there are enough. */
static bool keep_table_locked(uint64_t *entry)
{
    if (spare.table_count == SPARE_TABLES) {
        return false;
    }
    spare.tables[spare.table_count++] = entry_table(*entry);
    *entry = 0;
    return true;
}

static struct hal_space *take_space(void)
{
    hal_interrupt_state state = port_lock_acquire(&spare.lock);
    struct hal_space *space = spare.space_count != 0 ? spare.spaces[--spare.space_count] : NULL;

    port_lock_release(&spare.lock, state);
    return space;
}

static bool keep_space(struct hal_space *space)
{
    hal_interrupt_state state = port_lock_acquire(&spare.lock);
    bool has_room = spare.space_count < SPARE_SPACES;

    if (has_room) {
        spare.spaces[spare.space_count++] = space;
    }
    port_lock_release(&spare.lock, state);
    return has_room;
}

/* --- tables of the user window ---------------------------------------------------------------- */

uint64_t *x86_user_table_make(struct hal_space *space, uint64_t *entry)
{
    uint64_t *table = take_table();
    struct directory *directory = directory_of(space);
    uint64_t count = directory->noted / 2;

    if (table == NULL) {
        return NULL;
    }
    if (count < NOTES_MAX) {
        directory->notes[count] = (uint64_t)entry;
    }
    directory->noted += count <= NOTES_MAX ? 2 : 0;
    *entry = hal_direct_physical(table) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    return table;
}

/* Return the tables below `count` entries of the given level, and clear these. */
static void release_below(uint64_t *entries, unsigned count, unsigned level)
{
    for (unsigned first = 0; first < count; first += SCAN_GROUP) {
        if (is_group_empty(&entries[first])) {
            continue;
        }
        for (unsigned i = first; i < first + SCAN_GROUP; i++) {
            if ((entries[i] & PTE_PRESENT) != 0) {
                if (level > 1) {
                    release_below(entry_table(entries[i]), TABLE_ENTRIES, level - 1);
                }
                x86_table_release(entries[i] & PTE_ADDRESS);
                entries[i] = 0;
            }
        }
    }
}

/* The last one noted has none below it. */
static void put_noted(struct directory *directory)
{
    uint64_t left = directory->noted / 2;
    hal_interrupt_state state = port_lock_acquire(&spare.lock);

    while (left > 0 && keep_table_locked((uint64_t *)directory->notes[left - 1])) {
        left--;
    }
    port_lock_release(&spare.lock, state);
    while (left > 0) {
        uint64_t *entry = (uint64_t *)directory->notes[--left];

        x86_table_release(*entry & PTE_ADDRESS);
        *entry = 0;
    }
}

static void put_user_tables(struct hal_space *space)
{
    struct directory *directory = directory_of(space);

    if (directory->noted / 2 <= NOTES_MAX) {
        put_noted(directory);
    } else {
        release_below(space->entries, TABLE_ENTRIES / 2, 3);
    }
    directory->noted = 0;
}

/* --- spaces ----------------------------------------------------------------------------------- */

static hx_err make_space(struct hal_space **space)
{
    struct hal_space *root = (struct hal_space *)x86_table_allocate();
    uint64_t *directory = x86_table_allocate();

    if (root == NULL || directory == NULL) {
        if (root != NULL) {
            x86_table_release(hal_direct_physical(root));
        }
        if (directory != NULL) {
            x86_table_release(hal_direct_physical(directory));
        }
        return HX_ENOMEM;
    }
    memcpy(root->entries + TABLE_ENTRIES / 2, hal_space_kernel()->entries + TABLE_ENTRIES / 2,
           HAL_PAGE_SIZE / 2);
    /* The last 512 GiB: image and devices are the kernel's, the user module window is the space's
     * own. */
    memcpy(directory, boot_pdpt_high, HAL_PAGE_SIZE);
    directory[table_index(USER_MODULE_BASE, 2)] = 0;
    root->entries[HIGH] = hal_direct_physical(directory) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    *space = root;
    return HX_OK;
}

hx_err hal_space_create(struct hal_space **space)
{
    struct hal_space *kept = take_space();

    if (kept == NULL) {
        return make_space(space);
    }
    *space = kept;
    return HX_OK;
}

void hal_space_destroy(struct hal_space *space)
{
    uint64_t *directory = (uint64_t *)directory_of(space);
    uint64_t *own = &directory[table_index(USER_MODULE_BASE, 2)];

    HX_ASSERT(space != hal_space_kernel(), "the kernel's space is never destroyed");
    put_user_tables(space);
    if ((*own & PTE_PRESENT) != 0) {
        release_below(entry_table(*own), TABLE_ENTRIES, 1);
        x86_table_release(*own & PTE_ADDRESS);
        *own = 0;
    }
    if (!keep_space(space)) {
        x86_table_release(hal_direct_physical(directory));
        x86_table_release(hal_direct_physical(space));
    }
}
