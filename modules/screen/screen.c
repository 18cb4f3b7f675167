/* Draws the console's text: makes pixels of cells. */
#include <helix/attributes.h>
#include <helix/cell.h>
#include <helix/loan.h>
#include <helix/module.h>
#include <helix/screen.h>
#include <stdatomic.h>

#define STATE_NUMBERS 1U

#define CELL_SIZE (HX_GLYPH_WIDTH * HX_GLYPH_HEIGHT * sizeof(uint32_t))

extern const struct hx_font console_font;

/* One call draws at a time. */
static uint32_t cells[HX_SCREEN_CELLS_MAX];
static uint64_t pixels[HX_SCREEN_CELLS_MAX * CELL_SIZE / sizeof(uint64_t)];

/* Relaxed: statistics. */
static _Atomic uint64_t numbers[HX_SCREEN_NUMBERS];

static uint64_t draw(uint64_t lent_cells, uint64_t count, uint64_t lent_pixels)
{
    if (count > HX_SCREEN_CELLS_MAX ||
        hx_loan_read(lent_cells, 0, cells, count * sizeof(cells[0])) != HX_OK) {
        return 0;
    }
    hx_cells_draw(&console_font, cells, count, pixels, count * HX_GLYPH_WIDTH * sizeof(uint32_t));
    if (hx_loan_write(lent_pixels, 0, pixels, count * CELL_SIZE) != HX_OK) {
        return 0;
    }
    atomic_fetch_add_explicit(&numbers[HX_SCREEN_CELLS], count, memory_order_relaxed);
    atomic_fetch_add_explicit(&numbers[HX_SCREEN_CALLS], 1, memory_order_relaxed);
    return count;
}

static uint64_t number(uint64_t index)
{
    return index < HX_SCREEN_NUMBERS ? atomic_load_explicit(&numbers[index], memory_order_relaxed)
                                     : 0;
}

static const struct hx_screen_operations operations = {.draw = draw, .number = number};

/* --- state ------------------------------------------------------------------------------------ */

static hx_err import_state(uint64_t minor)
{
    uint64_t old[HX_SCREEN_NUMBERS];
    hx_err error = hx_state_get(STATE_NUMBERS, 0, old, sizeof(old));

    (void)minor;
    for (unsigned i = 0; i < HX_SCREEN_NUMBERS && error == HX_OK; i++) {
        atomic_store_explicit(&numbers[i], old[i], memory_order_relaxed);
    }
    return error;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now[HX_SCREEN_NUMBERS];

    (void)minor;
    for (unsigned i = 0; i < HX_SCREEN_NUMBERS; i++) {
        now[i] = number(i);
    }
    return hx_state_put(STATE_NUMBERS, now, sizeof(now));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "screen",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_SCREEN,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "screen",
};
