/* Changing the line that is being typed, and showing that. */
#include <subsys/tty/terminal_private.h>

static bool is_empty_locked(const struct terminal *terminal)
{
    return terminal->input.head == terminal->input.lines;
}

static char byte_at_locked(const struct terminal *terminal, uint32_t position)
{
    return terminal->input.bytes[terminal_index(position)];
}

static bool is_continuation_locked(const struct terminal *terminal, char byte)
{
    return (terminal->settings.input & IUTF8) != 0 && ((unsigned char)byte & 0xc0) == 0x80;
}

/* Where the last character begins, all bytes of it. */
static uint32_t last_character_locked(const struct terminal *terminal)
{
    uint32_t position = terminal->input.head - 1;

    while (position != terminal->input.lines &&
           is_continuation_locked(terminal, byte_at_locked(terminal, position))) {
        position--;
    }
    return position;
}

/* The column after the line's bytes before a position. */
static uint32_t column_before_locked(const struct terminal *terminal, uint32_t position)
{
    uint32_t column = terminal->line_column;

    for (uint32_t at = terminal->input.lines; at != position; at++) {
        column += terminal_echo_width_locked(terminal, byte_at_locked(terminal, at), column);
    }
    return column;
}

/* A tab is stepped back over; anything else is painted over. */
static void wipe_locked(struct terminal *terminal, char first, uint32_t position)
{
    uint32_t begin = column_before_locked(terminal, position);
    uint32_t width = terminal_echo_width_locked(terminal, first, begin);

    for (uint32_t i = 0; i < width; i++) {
        terminal_put_locked(terminal, '\b');
        if (first != '\t') {
            terminal_put_locked(terminal, ' ');
            terminal_put_locked(terminal, '\b');
        }
    }
}

static void erase_last_locked(struct terminal *terminal, bool paints)
{
    uint32_t position = last_character_locked(terminal);

    if (terminal_has_locked(terminal, ECHO) && paints) {
        wipe_locked(terminal, byte_at_locked(terminal, position), position);
    }
    terminal->input.head = position;
}

static void echo_special_locked(struct terminal *terminal, enum terminal_special which)
{
    if (terminal_has_locked(terminal, ECHO)) {
        terminal_echo_locked(terminal, (char)terminal->settings.special[which]);
    }
}

void terminal_erase_character_locked(struct terminal *terminal)
{
    if (is_empty_locked(terminal)) {
        return;
    }
    erase_last_locked(terminal, terminal_has_locked(terminal, ECHOE));
    if (!terminal_has_locked(terminal, ECHOE)) {
        echo_special_locked(terminal, VERASE);
    }
}

/* Of characters of several bytes the first; all of these count. */
static bool is_word_byte(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || (unsigned char)byte >= 0xc0;
}

static bool ends_in_word_locked(const struct terminal *terminal)
{
    return is_word_byte(byte_at_locked(terminal, last_character_locked(terminal)));
}

/* What stands behind the last word, and the word; painted over even without ECHOE, as on Linux. */
void terminal_erase_word_locked(struct terminal *terminal)
{
    while (!is_empty_locked(terminal) && !ends_in_word_locked(terminal)) {
        erase_last_locked(terminal, true);
    }
    while (!is_empty_locked(terminal) && ends_in_word_locked(terminal)) {
        erase_last_locked(terminal, true);
    }
}

void terminal_kill_line_locked(struct terminal *terminal)
{
    static const uint32_t paints = ECHOK | ECHOKE | ECHOE;

    if (is_empty_locked(terminal)) {
        return;
    }
    if ((terminal->settings.local & paints) == paints) {
        while (!is_empty_locked(terminal)) {
            erase_last_locked(terminal, true);
        }
        return;
    }
    terminal->input.head = terminal->input.lines;
    echo_special_locked(terminal, VKILL);
    if (terminal_has_locked(terminal, ECHO) && terminal_has_locked(terminal, ECHOK)) {
        terminal_put_locked(terminal, '\n');
    }
}

void terminal_reprint_locked(struct terminal *terminal)
{
    echo_special_locked(terminal, VREPRINT);
    terminal_put_locked(terminal, '\n');
    terminal->line_column = terminal->column;
    for (uint32_t at = terminal->input.lines; at != terminal->input.head; at++) {
        terminal_echo_locked(terminal, byte_at_locked(terminal, at));
    }
}
