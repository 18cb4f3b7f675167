/* The screen of text: what bytes make of its cells. And the pixels of cells. */
#include <base/string.h>
#include <base/text_screen.h>
#include <helix/cell.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COLUMNS 10U
#define ROWS    4U

static _Atomic uint32_t cells[COLUMNS * ROWS];
static struct text_screen screen;

static int make(void **state)
{
    (void)state;
    text_screen_init(&screen, COLUMNS, ROWS, cells, &console_glyphs);
    return 0;
}

static void feed(const char *bytes)
{
    text_screen_feed(&screen, bytes, string_length_max(bytes, 1000));
}

static uint32_t cell_at(uint32_t column, uint32_t row)
{
    uint32_t row_cells[COLUMNS];

    text_screen_read_row(&screen, text_screen_scrolled(&screen), row, row_cells);
    return row_cells[column];
}

/* Rows without the blanks at their ends, joined by '|'. */
static const char *shown(void)
{
    static char text[(COLUMNS + 1) * ROWS + 1];
    size_t length = 0;

    for (uint32_t row = 0; row < ROWS; row++) {
        size_t end = length;

        for (uint32_t column = 0; column < COLUMNS; column++) {
            uint32_t glyph = cell_at(column, row) & HX_CELL_GLYPH;
            char byte = '?';

            for (char candidate = ' '; candidate < 0x7f; candidate++) {
                if (glyph_find(&console_glyphs, (uint32_t)candidate) == glyph) {
                    byte = candidate;
                }
            }
            text[length++] = byte;
            end = byte != ' ' ? length : end;
        }
        length = end;
        text[length++] = '|';
    }
    text[length - 1] = '\0';
    return text;
}

static void assert_cursor(uint32_t column, uint32_t row)
{
    assert_int_equal(atomic_load(&screen.cursor), row * COLUMNS + column);
}

/* Each begins with an empty screen. */
static const struct {
    const char *bytes;
    const char *rows;
    uint32_t column, row;
} cases[] = {
    {"abc", "abc|||", 3, 0},
    {"abc\r\nd", "abc|d||", 1, 1},
    {"abc\nd", "abc|   d||", 4, 1},
    {"1234567890", "1234567890|||", 9, 0},
    {"1234567890x", "1234567890|x||", 1, 1},
    {"1234567890\r\nx", "1234567890|x||", 1, 1},
    {"1234567890\bx", "12345678x0|||", 9, 0},
    {"a\tb", "a       b|||", 9, 0},
    {"a\tb\tc", "a       bc|||", 9, 0},
    {"1\r\n2\r\n3\r\n4\r\n5", "2|3|4|5", 1, 3},
    {"\033[3;4Hx", "||   x|", 4, 2},
    {"\033[99;99Hx", "|||         x", 9, 3},
    {"\033[2;2Hx\033[A\033[2Dy", "y| x||", 1, 0},
    {"\033[3Bx\033[Cy", "|||x y", 3, 3},
    {"\033[2;5H\033[1Gx\033[3dy", "|x| y|", 2, 2},
    {"abc\033[2Fx\033[Ey", "xbc|y||", 1, 1},
    {"abcdef\033[3D\033[K", "abc|||", 3, 0},
    {"abcdef\033[3D\033[1K", "    ef|||", 3, 0},
    {"abcdef\033[3D\033[2Kx", "   x|||", 4, 0},
    {"a\r\nb\r\nc\033[2;1H\033[J", "a|||", 0, 1},
    {"a\r\nb\r\nc\033[2;1H\033[1J", "||c|", 0, 1},
    {"a\r\nb\033[2Jc", "| c||", 2, 1},
    {"abcdef\033[4D\033[2P", "abef|||", 2, 0},
    {"abcdef\033[4D\033[2@x", "abx cdef|||", 3, 0},
    {"abcdefghij\033[4D\033[9@", "abcde|||", 5, 0},
    {"abcdef\033[4D\033[2X", "ab  ef|||", 2, 0},
    {"a\r\nb\r\nc\033[2;1H\033[L", "a||b|c", 0, 1},
    {"a\r\nb\r\nc\033[1;1H\033[2M", "c|||", 0, 0},
    {"a\r\nb\r\nc\r\nd\033[2;3r\033[3;1H\nx", "a|c|x|d", 1, 2},
    {"a\r\nb\r\nc\r\nd\033[2;3r\033[2;1H\033Mx", "a|x|b|d", 1, 1},
    {"a\r\nb\r\nc\r\nd\033[2;3r\033[4;1H\n\nx", "a|b|c|x", 1, 3},
    {"a\r\nb\r\nc\033[S", "b|c||", 1, 2},
    {"a\r\nb\r\nc\033[T", "|a|b|c", 1, 2},
    {"ab\0337\033[3;3Hx\0338y", "aby||  x|", 3, 0},
    {"ab\033[s\033[3;3Hx\033[uy", "aby||  x|", 3, 0},
    {"ab\033[?1049hcd\033[?1049le", "  e|||", 3, 0},
    {"\033[?7l1234567890xyz", "123456789z|||", 9, 0},
    {"\033]0;a title\ab", "b|||", 1, 0},
    {"\033]0;a title\033\\b", "b|||", 1, 0},
    {"\033(Ba\033)0b", "ab|||", 2, 0},
    {"\033[12", "|||", 0, 0},
    {"\033[12\030a", "a|||", 1, 0},
    {"\033[1\r\n;3Hx", "  x|||", 3, 0},
    {"\033[>c\033[6n\033[?u\033[5$pa", "a|||", 1, 0},
    {"\033[99999999999999999999Cx", "         x|||", 9, 0},
    {"\033[;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;mx", "x|||", 1, 0},
    {"abc\033cx", "x|||", 1, 0},
};

static void orders_do_what_terminals_do(void **state)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        make(state);
        feed(cases[i].bytes);
        assert_string_equal(shown(), cases[i].rows);
        assert_cursor(cases[i].column, cases[i].row);
    }
}

static void an_order_may_come_byte_by_byte(void **state)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        make(state);
        for (const char *at = cases[i].bytes; *at != '\0'; at++) {
            text_screen_feed(&screen, at, 1);
        }
        assert_string_equal(shown(), cases[i].rows);
        assert_cursor(cases[i].column, cases[i].row);
    }
}

static void colours_are_those_that_were_asked_for(void **state)
{
    static const struct {
        const char *order;
        uint32_t ink, paper;
    } colours[] = {
        {"", 7, 0},
        {"\033[31m", 1, 0},
        {"\033[1;31m", 9, 0},
        {"\033[94m", 12, 0},
        {"\033[42;30m", 0, 2},
        {"\033[105m", 7, 13},
        {"\033[7m", 0, 7},
        {"\033[7;32;27m", 2, 0},
        {"\033[31;39;44;49m", 7, 0},
        {"\033[31m\033[m", 7, 0},
        {"\033[38;5;11m", 11, 0},
        {"\033[48;5;196m", 7, 9},
        {"\033[38;2;0;0;255;41m", 12, 1},
        {"\033[38;5;244m", 7, 0},
        {"\033[38m", 7, 0},
    };

    for (size_t i = 0; i < HX_ARRAY_SIZE(colours); i++) {
        make(state);
        feed(colours[i].order);
        feed("x");
        assert_int_equal(HX_CELL_INK(cell_at(0, 0)), colours[i].ink);
        assert_int_equal(HX_CELL_PAPER(cell_at(0, 0)), colours[i].paper);
    }
}

static void what_is_erased_has_the_papers_colour(void **state)
{
    (void)state;
    feed("\033[44m\033[2J");
    assert_int_equal(HX_CELL_PAPER(cell_at(5, 2)), 4);
}

static void utf8_is_decoded_and_what_is_none_is_a_box(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t characters[4];
    } texts[] = {
        {"\303\244\342\202\254", {0xe4, 0x20ac, ' '}},
        {"\360\237\230\200", {0x1f600, ' '}}, /* not in the font */
        {"\303x", {0xfffd, 'x', ' '}},
        {"\200x", {0xfffd, 'x', ' '}},
        {"\300\257x", {0xfffd, 0xfffd, 'x', ' '}}, /* longer than need be */
        {"\340\200\257x", {0xfffd, 'x', ' '}},
        {"\355\240\200x", {0xfffd, 'x', ' '}}, /* half a pair */
        {"\303\303\244", {0xfffd, 0xe4, ' '}},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(texts); i++) {
        make(NULL);
        feed(texts[i].bytes);
        for (uint32_t column = 0; texts[i].characters[column] != ' '; column++) {
            assert_int_equal(cell_at(column, 0) & HX_CELL_GLYPH,
                             glyph_find(&console_glyphs, texts[i].characters[column]));
        }
    }
    assert_int_equal(glyph_find(&console_glyphs, 0x1f600), console_glyphs.missing);
}

static void a_line_leaves_a_programs_colours_and_its_unfinished_order_alone(void **state)
{
    (void)state;
    feed("\033[32mab\033[3");
    text_screen_print(&screen, "line\n", 5, 9);
    feed("1mc");
    assert_string_equal(shown(), "abline|c||");
    assert_int_equal(HX_CELL_INK(cell_at(1, 0)), 2);
    assert_int_equal(HX_CELL_INK(cell_at(2, 0)), 9);
    assert_int_equal(HX_CELL_INK(cell_at(0, 1)), 1);
}

static void orders_in_a_line_are_boxes(void **state)
{
    (void)state;
    text_screen_print(&screen, "\033[2Jx", 5, 7);
    assert_string_equal(shown(), "?[2Jx|||");
}

static void only_rows_that_were_written_to_have_changed(void **state)
{
    (void)state;
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_true(text_screen_take_change(&screen, 0, row));
        assert_false(text_screen_take_change(&screen, 0, row));
    }
    feed("a\033[3;1Hb");
    assert_true(text_screen_take_change(&screen, 0, 0));
    assert_false(text_screen_take_change(&screen, 0, 1));
    assert_true(text_screen_take_change(&screen, 0, 2));
    assert_false(text_screen_take_change(&screen, 0, 3));
}

static void a_scroll_changes_the_row_that_comes_in_and_those_of_the_cursor(void **state)
{
    (void)state;
    feed("1\r\n2\r\n3\r\n4");
    for (uint32_t row = 0; row < ROWS; row++) {
        (void)text_screen_take_change(&screen, 0, row);
    }
    feed("\r\n5");
    assert_int_equal(text_screen_scrolled(&screen), 1);
    assert_false(text_screen_take_change(&screen, 1, 0));
    assert_false(text_screen_take_change(&screen, 1, 1));
    assert_true(text_screen_take_change(&screen, 1, 2)); /* the cursor was there */
    assert_true(text_screen_take_change(&screen, 1, 3));
}

static void the_cursor_is_its_cell_turned_over_until_it_is_hidden(void **state)
{
    (void)state;
    feed("a\b");
    assert_int_equal(HX_CELL_PAPER(cell_at(0, 0)), 7);
    feed("\033[?25l");
    assert_int_equal(HX_CELL_PAPER(cell_at(0, 0)), 0);
    feed("\033[?25h");
    assert_int_equal(HX_CELL_PAPER(cell_at(0, 0)), 7);
}

/* --- pixels ----------------------------------------------------------------------------------- */

#define CELLS 3U
#define PITCH ((CELLS * HX_GLYPH_WIDTH + 2) * sizeof(uint32_t))

static void pixels_are_the_glyphs_and_nothing_beside_them(void **state)
{
    static const uint32_t colours[] = HX_COLOURS;
    static uint32_t pixels[HX_GLYPH_HEIGHT][PITCH / sizeof(uint32_t)] __attribute__((aligned(8)));
    const uint32_t drawn[CELLS] = {
        glyph_find(&console_glyphs, 'g') | HX_CELL_IN(9, 4),
        glyph_find(&console_glyphs, ' ') | HX_CELL_IN(7, 0) | HX_CELL_UNDERLINED,
        0xffff | HX_CELL_IN(15, 0), /* no such glyph: a box */
    };

    (void)state;
    for (size_t y = 0; y < HX_GLYPH_HEIGHT; y++) {
        for (size_t x = 0; x < HX_ARRAY_SIZE(pixels[0]); x++) {
            pixels[y][x] = 0xdead;
        }
    }
    hx_cells_draw(&console_font, drawn, CELLS, pixels, PITCH);
    for (size_t y = 0; y < HX_GLYPH_HEIGHT; y++) {
        for (size_t x = 0; x < CELLS * HX_GLYPH_WIDTH; x++) {
            uint32_t cell = drawn[x / HX_GLYPH_WIDTH];
            uint32_t glyph = cell & HX_CELL_GLYPH;
            uint8_t row =
                console_font.rows[glyph < console_font.count ? glyph : console_glyphs.missing][y];
            bool is_ink = (row >> (7 - x % HX_GLYPH_WIDTH) & 1) != 0 ||
                          ((cell & HX_CELL_UNDERLINED) != 0 && y == HX_CELL_UNDERLINE_ROW);

            assert_int_equal(pixels[y][x],
                             colours[is_ink ? HX_CELL_INK(cell) : HX_CELL_PAPER(cell)]);
        }
        assert_int_equal(pixels[y][CELLS * HX_GLYPH_WIDTH], 0xdead);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(orders_do_what_terminals_do, make),
        cmocka_unit_test_setup(an_order_may_come_byte_by_byte, make),
        cmocka_unit_test_setup(colours_are_those_that_were_asked_for, make),
        cmocka_unit_test_setup(what_is_erased_has_the_papers_colour, make),
        cmocka_unit_test_setup(utf8_is_decoded_and_what_is_none_is_a_box, make),
        cmocka_unit_test_setup(a_line_leaves_a_programs_colours_and_its_unfinished_order_alone,
                               make),
        cmocka_unit_test_setup(orders_in_a_line_are_boxes, make),
        cmocka_unit_test_setup(only_rows_that_were_written_to_have_changed, make),
        cmocka_unit_test_setup(a_scroll_changes_the_row_that_comes_in_and_those_of_the_cursor,
                               make),
        cmocka_unit_test_setup(the_cursor_is_its_cell_turned_over_until_it_is_hidden, make),
        cmocka_unit_test(pixels_are_the_glyphs_and_nothing_beside_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
