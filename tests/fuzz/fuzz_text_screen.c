/* Any bytes on a screen of text of any size: the cursor stays on it, and what was not marked as
 * changed has not changed. */
#include <base/memory.h>
#include <base/text_screen.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define SIDE_MAX  32U
#define PIECE_MAX 16U

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* As who draws: what is shown follows the marks alone. */
static void draw(struct text_screen *screen, uint32_t *shown)
{
    uint32_t scrolled = text_screen_scrolled(screen);

    for (uint32_t row = 0; row < screen->rows; row++) {
        uint32_t *place = &shown[(scrolled + row) % screen->rows * screen->columns];
        uint32_t wanted[SIDE_MAX];

        text_screen_read_row(screen, scrolled, row, wanted);
        if (text_screen_take_change(screen, scrolled, row)) {
            memcpy(place, wanted, screen->columns * sizeof(uint32_t));
        }
        require(memcmp(place, wanted, screen->columns * sizeof(uint32_t)) == 0);
    }
}

static void require_cursor(const struct text_screen *screen)
{
    uint32_t cursor = atomic_load(&screen->cursor);

    require(cursor == TEXT_SCREEN_HIDDEN || cursor < screen->rows * screen->columns);
    require(screen->top < screen->bottom && screen->bottom <= screen->rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct text_screen screen;
    uint32_t columns = size > 1 ? bytes[0] % SIDE_MAX + 1U : 1;
    uint32_t rows = size > 1 ? bytes[1] % SIDE_MAX + 1U : 1;
    _Atomic uint32_t *cells =
        malloc(columns * rows * sizeof(uint32_t)); /* exactly, for the sanitizer */
    uint32_t *shown = calloc(columns * rows, sizeof(uint32_t));

    text_screen_init(&screen, columns, rows, cells, &console_glyphs);
    for (size_t at = 2; at < size; at += PIECE_MAX) {
        size_t piece = size - at < PIECE_MAX ? size - at : PIECE_MAX;

        if (bytes[at] == 0) {
            text_screen_print(&screen, (const char *)bytes + at, piece, bytes[at] % 16);
        } else {
            text_screen_feed(&screen, (const char *)bytes + at, piece);
        }
        draw(&screen, shown);
        require_cursor(&screen);
    }
    free(shown);
    free((void *)cells);
    return 0;
}
