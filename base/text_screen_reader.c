/* The reader of orders: ECMA-48's sequences, and the VT100's own, as far as they are known; those
 * that are not are read to their end and have no effect. */
#include <base/text_screen_private.h>
#include <helix/attributes.h>
#include <helix/cell.h>

enum reader_state {
    TEXT,
    ESCAPE,  /* ESC */
    SKIP,    /* ESC and a byte that wants another one */
    NUMBERS, /* ESC [ */
    STRING,  /* ESC ] and its like, up to BEL or ESC \ */
    END,     /* ESC within a string */
};

#define ESC        '\x1b'
#define NUMBER_MAX 9999U

bool text_screen_is_reading(const struct text_screen *screen)
{
    return screen->state != TEXT;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* Number i of an order; what it is if it is absent or 0. */
static uint32_t number(const struct text_screen *screen, uint32_t i, uint32_t otherwise)
{
    return i < screen->count && screen->numbers[i] != 0 ? screen->numbers[i] : otherwise;
}

static void begin_numbers(struct text_screen *screen)
{
    screen->state = NUMBERS;
    screen->mark = 0;
    screen->count = 1;
    screen->numbers[0] = 0;
}

static void add_digit(struct text_screen *screen, char digit)
{
    uint32_t *last = &screen->numbers[screen->count - 1];

    *last = *last * 10 + (uint32_t)(digit - '0');
    *last = *last < NUMBER_MAX ? *last : NUMBER_MAX;
}

/* Those that find no room go into the last one. */
static void add_number(struct text_screen *screen)
{
    screen->count += screen->count < TEXT_SCREEN_NUMBERS ? 1 : 0;
    screen->numbers[screen->count - 1] = 0;
}

/* --- style ------------------------------------------------------------------------------------ */

/* The nearest of the sixteen: bright where a part of it is. */
static uint8_t colour_of(uint32_t red, uint32_t green, uint32_t blue)
{
    uint32_t most = red > green ? red : green;
    uint32_t half;

    most = most > blue ? most : blue;
    half = most / 2 > 32 ? most / 2 : 32;
    return (uint8_t)((red > half ? COLOUR_RED : 0) | (green > half ? COLOUR_GREEN : 0) |
                     (blue > half ? COLOUR_BLUE : 0) | (most > 191 ? COLOUR_BRIGHT : 0));
}

/* One of xterm's 256: the sixteen, a cube of six steps each way, and a ramp of greys. */
static uint8_t colour_of_index(uint32_t index)
{
    uint32_t grey = (index - 232) * 10 + 8;

    if (index < 16) {
        return (uint8_t)index;
    }
    if (index < 232) {
        index -= 16;
        return colour_of(index / 36 * 51, index / 6 % 6 * 51, index % 6 * 51);
    }
    return colour_of(grey, grey, grey);
}

/* 38 or 48 with what follows it: 5;INDEX or 2;RED;GREEN;BLUE. Returns how many numbers it was. */
static uint32_t set_extended(const struct text_screen *screen, uint32_t i, uint8_t *colour)
{
    const uint32_t *numbers = &screen->numbers[i];
    uint32_t left = screen->count - i;

    if (left >= 3 && numbers[1] == 5) {
        *colour = colour_of_index(numbers[2] & 255);
        return 3;
    }
    if (left >= 5 && numbers[1] == 2) {
        *colour = colour_of(numbers[2] & 255, numbers[3] & 255, numbers[4] & 255);
        return 5;
    }
    return left;
}

static void set_one_style(struct text_screen_style *style, uint32_t order)
{
    switch (order) {
    case 0:
        *style = (struct text_screen_style){.ink = COLOUR_WHITE};
        break;
    case 1:
    case 22:
        style->is_bright = order == 1;
        break;
    case 4:
    case 24:
        style->is_underlined = order == 4;
        break;
    case 7:
    case 27:
        style->is_reverse = order == 7;
        break;
    case 39:
        style->ink = COLOUR_WHITE;
        break;
    case 49:
        style->paper = COLOUR_BLACK;
        break;
    default:
        break;
    }
}

/* Whether an order is one of eight colours from `first` on. */
static bool is_colour(uint32_t order, uint32_t first)
{
    return order >= first && order < first + 8;
}

/* Returns how many numbers it was. */
static uint32_t set_style(struct text_screen *screen, uint32_t i)
{
    struct text_screen_style *style = &screen->now.style;
    uint32_t order = screen->numbers[i];

    if (order == 38 || order == 48) {
        return set_extended(screen, i, order == 38 ? &style->ink : &style->paper);
    }
    if (is_colour(order, 30) || is_colour(order, 90)) {
        style->ink = (uint8_t)(order < 90 ? order - 30 : order - 90 + COLOUR_BRIGHT);
    } else if (is_colour(order, 40) || is_colour(order, 100)) {
        style->paper = (uint8_t)(order < 100 ? order - 40 : order - 100 + COLOUR_BRIGHT);
    } else {
        set_one_style(style, order);
    }
    return 1;
}

static void set_styles(struct text_screen *screen)
{
    for (uint32_t i = 0; i < screen->count;) {
        i += set_style(screen, i);
    }
    text_screen_set_pen(screen);
}

/* --- erasing ---------------------------------------------------------------------------------- */

static void erase_rows(struct text_screen *screen, uint32_t from, uint32_t to)
{
    for (uint32_t row = from; row < to; row++) {
        text_screen_erase(screen, row, 0, screen->columns);
    }
}

/* 0: from the cursor on, 1: up to it, 2: all of it. */
static void erase_in_row(struct text_screen *screen, uint32_t what)
{
    text_screen_erase(screen, screen->now.row, what == 0 ? screen->now.column : 0,
                      what == 1 ? screen->now.column + 1 : screen->columns);
}

static void erase_in_screen(struct text_screen *screen, uint32_t what)
{
    if (what < 2) {
        erase_in_row(screen, what);
    }
    erase_rows(screen, what == 0 ? screen->now.row + 1 : 0,
               what == 1 ? screen->now.row : screen->rows);
}

/* --- modes ------------------------------------------------------------------------------------ */

/* There is one screen: who asks for the other one gets it empty, and leaves it so. */
static void use_other_screen(struct text_screen *screen, bool is_on)
{
    if (is_on) {
        screen->before = screen->now;
    }
    erase_rows(screen, 0, screen->rows);
    if (!is_on) {
        screen->now = screen->before;
        screen->is_full = false;
        text_screen_set_pen(screen);
    }
}

static void set_mode(struct text_screen *screen, uint32_t mode, bool is_on)
{
    switch (mode) {
    case 7:
        screen->wraps = is_on;
        break;
    case 25:
        screen->hides_cursor = !is_on;
        break;
    case 47:
    case 1047:
    case 1049:
        use_other_screen(screen, is_on);
        break;
    default:
        break;
    }
}

static void set_modes(struct text_screen *screen, bool is_on)
{
    for (uint32_t i = 0; i < screen->count && screen->mark == '?'; i++) {
        set_mode(screen, screen->numbers[i], is_on);
    }
}

static void set_region(struct text_screen *screen)
{
    uint32_t top = number(screen, 0, 1);
    uint32_t bottom = number(screen, 1, screen->rows);

    bottom = bottom < screen->rows ? bottom : screen->rows;
    if (top < bottom) {
        screen->top = top - 1;
        screen->bottom = bottom;
        text_screen_move(screen, 0, 0);
    }
}

static void restore(struct text_screen *screen)
{
    screen->now = screen->saved;
    screen->is_full = false;
    text_screen_set_pen(screen);
}

/* --- orders ----------------------------------------------------------------------------------- */

/* Up and down end at the region's edges when they begin within it. */
static void move_rows(struct text_screen *screen, int32_t way, uint32_t column)
{
    uint32_t by = number(screen, 0, 1);
    uint32_t row = screen->now.row;
    uint32_t first = row >= screen->top ? screen->top : 0;
    uint32_t last = (row < screen->bottom ? screen->bottom : screen->rows) - 1;

    if (way < 0) {
        row = row - first > by ? row - by : first;
    } else {
        row = last - row > by ? row + by : last;
    }
    text_screen_move(screen, column, row);
}

static bool obey_move(struct text_screen *screen, char order)
{
    uint32_t by = number(screen, 0, 1);
    uint32_t column = screen->now.column;

    switch (order) {
    case 'A':
    case 'F':
        move_rows(screen, -1, order == 'A' ? column : 0);
        return true;
    case 'B':
    case 'e':
    case 'E':
        move_rows(screen, 1, order == 'E' ? 0 : column);
        return true;
    case 'C':
    case 'a':
        text_screen_move(screen, column + by, screen->now.row);
        return true;
    case 'D':
        text_screen_move(screen, column > by ? column - by : 0, screen->now.row);
        return true;
    case 'G':
    case '`':
        text_screen_move(screen, by - 1, screen->now.row);
        return true;
    case 'd':
        text_screen_move(screen, column, by - 1);
        return true;
    case 'H':
    case 'f':
        text_screen_move(screen, number(screen, 1, 1) - 1, by - 1);
        return true;
    default:
        return false;
    }
}

/* Lines are inserted and deleted within the region. */
static void move_lines(struct text_screen *screen, bool is_inserted)
{
    uint32_t row = screen->now.row;

    if (row < screen->top || row >= screen->bottom) {
        return;
    }
    if (is_inserted) {
        text_screen_move_down(screen, row, number(screen, 0, 1));
    } else {
        text_screen_move_up(screen, row, number(screen, 0, 1));
    }
}

static void erase_some(struct text_screen *screen)
{
    uint32_t by = number(screen, 0, 1);
    uint32_t left = screen->columns - screen->now.column;

    text_screen_erase(screen, screen->now.row, screen->now.column,
                      screen->now.column + (by < left ? by : left));
}

static bool obey_edit(struct text_screen *screen, char order)
{
    uint32_t by = number(screen, 0, 1);

    switch (order) {
    case 'J':
        erase_in_screen(screen, number(screen, 0, 0));
        return true;
    case 'K':
        erase_in_row(screen, number(screen, 0, 0));
        return true;
    case 'L':
    case 'M':
        move_lines(screen, order == 'L');
        return true;
    case '@':
        text_screen_insert(screen, by);
        return true;
    case 'P':
        text_screen_delete(screen, by);
        return true;
    case 'X':
        erase_some(screen);
        return true;
    case 'S':
        text_screen_move_up(screen, screen->top, by);
        return true;
    case 'T':
        text_screen_move_down(screen, screen->top, by);
        return true;
    default:
        return false;
    }
}

static void obey_setting(struct text_screen *screen, char order)
{
    switch (order) {
    case 'm':
        set_styles(screen);
        break;
    case 'h':
    case 'l':
        set_modes(screen, order == 'h');
        break;
    case 'r':
        set_region(screen);
        break;
    case 's':
        screen->saved = screen->now;
        break;
    case 'u':
        restore(screen);
        break;
    default:
        break;
    }
}

/* Of those with a mark before their numbers only modes are known. */
static void obey(struct text_screen *screen, char order)
{
    screen->state = TEXT;
    if (screen->mark != 0) {
        if (order == 'h' || order == 'l') {
            set_modes(screen, order == 'h');
        }
    } else if (!obey_move(screen, order) && !obey_edit(screen, order)) {
        obey_setting(screen, order);
    }
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void read_number(struct text_screen *screen, char byte)
{
    if (byte >= '0' && byte <= '9') {
        add_digit(screen, byte);
    } else if (byte == ';' || byte == ':') {
        add_number(screen);
    } else if (byte >= '<' && byte <= '?') {
        screen->mark = byte;
    } else if (byte >= '@' && byte <= '~') {
        obey(screen, byte);
    } else if (byte < ' ' || byte > '/') {
        screen->state = TEXT; /* it ends there, whatever it was */
    } else {
        screen->mark = byte; /* of an order that is not known */
    }
}

static void read_escape(struct text_screen *screen, char byte)
{
    screen->state = TEXT;
    switch (byte) {
    case '[':
        begin_numbers(screen);
        break;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
        screen->state = STRING;
        break;
    case ' ':
    case '#':
    case '%':
    case '(':
    case ')':
    case '*':
    case '+':
        screen->state = SKIP;
        break;
    case '7':
        screen->saved = screen->now;
        break;
    case '8':
        restore(screen);
        break;
    case 'D':
    case 'E':
        screen->now.column = byte == 'E' ? 0 : screen->now.column;
        text_screen_next_row(screen);
        break;
    case 'M':
        text_screen_previous_row(screen);
        break;
    case 'c':
        text_screen_reset(screen);
        break;
    default:
        break;
    }
}

/* Control characters are obeyed within an order, too; in a string only its end is. */
static void read_control(struct text_screen *screen, char byte)
{
    bool is_string = screen->state == STRING || screen->state == END;

    if (byte == ESC) {
        screen->state = screen->state == STRING ? END : ESCAPE;
    } else if (byte == '\x18' || byte == '\x1a' || (is_string && byte == '\a')) {
        screen->state = TEXT;
    } else if (!is_string) {
        text_screen_control(screen, byte);
    }
}

static void read_order(struct text_screen *screen, char byte)
{
    switch ((enum reader_state)screen->state) {
    case ESCAPE:
        read_escape(screen, byte);
        break;
    case NUMBERS:
        read_number(screen, byte);
        break;
    case END:
        screen->state = byte == '\\' ? TEXT : STRING;
        break;
    case SKIP:
        screen->state = TEXT;
        break;
    case STRING:
    case TEXT:
        break;
    }
}

static void read_text(struct text_screen *screen, uint8_t byte)
{
    uint32_t character;
    bool again = true;

    while (again && text_screen_decode(&screen->utf8, byte, &character, &again)) {
        if (character >= ' ' && character != 0x7f) {
            text_screen_put(screen, character);
        } else {
            read_control(screen, (char)character);
        }
    }
}

void text_screen_read(struct text_screen *screen, char byte)
{
    if (screen->state == TEXT) {
        read_text(screen, (uint8_t)byte);
    } else if (byte >= 0 && byte < ' ') {
        read_control(screen, byte);
    } else {
        read_order(screen, byte);
    }
}
