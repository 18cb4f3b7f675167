/* The way in: what each byte that comes from the device means. */
#include <kern/thread.h>
#include <subsys/process/signal.h>
#include <subsys/tty/terminal_private.h>

/* --- the buffer ------------------------------------------------------------------------------- */

static uint32_t used_locked(const struct terminal *terminal)
{
    return terminal->input.head - terminal->input.tail;
}

static bool is_canonical_locked(const struct terminal *terminal)
{
    return terminal_has_locked(terminal, ICANON);
}

void terminal_append_locked(struct terminal *terminal, char byte, enum input_mark mark)
{
    struct terminal_input *input = &terminal->input;
    uint32_t index = terminal_index(input->head);

    if (input->head == input->lines) {
        terminal->line_column = terminal->column;
    }
    input->bytes[index] = byte;
    input->marks[index] = (uint8_t)mark;
    input->head++;
}

static void finish_line_locked(struct terminal *terminal)
{
    terminal->input.lines = terminal->input.head;
    wait_queue_wake_all(&terminal->readable);
}

void terminal_flush_input_locked(struct terminal *terminal)
{
    terminal->input.tail = terminal->input.head;
    terminal->input.lines = terminal->input.head;
    terminal->takes_next_literally = false;
    wait_queue_wake_all(&terminal->room);
}

/* Ends of file are no bytes. */
static void drop_file_ends_locked(struct terminal_input *input)
{
    uint32_t kept = input->tail;

    for (uint32_t at = input->tail; at != input->head; at++) {
        if (input->marks[terminal_index(at)] != INPUT_FILE_END) {
            input->bytes[terminal_index(kept)] = input->bytes[terminal_index(at)];
            input->marks[terminal_index(kept)] = INPUT_PLAIN;
            kept++;
        }
    }
    input->head = kept;
}

void terminal_change_mode_locked(struct terminal *terminal, bool is_canonical)
{
    struct terminal_input *input = &terminal->input;

    drop_file_ends_locked(input);
    terminal->takes_next_literally = false;
    input->lines = input->tail;
    if (is_canonical && input->head != input->tail) {
        input->marks[terminal_index(input->head - 1)] = INPUT_LINE_END;
        input->lines = input->head;
    }
    wait_queue_wake_all(&terminal->readable);
}

/* --- bytes that are stored ---------------------------------------------------------------------
 */

static void ring_locked(struct terminal *terminal)
{
    if ((terminal->settings.input & IMAXBEL) != 0) {
        terminal_put_locked(terminal, '\a');
    }
}

/* The last place is kept for the line's end. */
static bool has_room_locked(struct terminal *terminal, bool is_line_end)
{
    uint32_t limit =
        is_line_end || !is_canonical_locked(terminal) ? TERMINAL_LINE_MAX : TERMINAL_LINE_MAX - 1;
    if (used_locked(terminal) < limit) {
        return true;
    }
    ring_locked(terminal);
    return false;
}

/* A newline is shown as ^J, as the other control bytes are, unless it was a carriage return. */
static void take_plain_locked(struct terminal *terminal, char byte, bool was_translated)
{
    if (!has_room_locked(terminal, false)) {
        return;
    }
    terminal_append_locked(terminal, byte, INPUT_PLAIN);
    if (terminal_has_locked(terminal, ECHO)) {
        if (byte == '\n' && was_translated) {
            terminal_put_locked(terminal, byte);
        } else {
            terminal_echo_locked(terminal, byte);
        }
    }
    if (!is_canonical_locked(terminal)) {
        wait_queue_wake_all(&terminal->readable);
    }
}

static void take_line_end_locked(struct terminal *terminal, char byte)
{
    if (!has_room_locked(terminal, true)) {
        return;
    }
    terminal_append_locked(terminal, byte, INPUT_LINE_END);
    if (byte == '\n' && terminal_has_locked(terminal, ECHO | ECHONL)) {
        terminal_put_locked(terminal, byte);
    } else if (byte != '\n' && terminal_has_locked(terminal, ECHO)) {
        terminal_echo_locked(terminal, byte);
    }
    finish_line_locked(terminal);
}

/* What was typed so far is a line as it stands; at the beginning of a line it is the file's end. */
static void take_file_end_locked(struct terminal *terminal)
{
    struct terminal_input *input = &terminal->input;

    if (input->head != input->lines) {
        input->marks[terminal_index(input->head - 1)] = INPUT_LINE_END;
    } else if (has_room_locked(terminal, true)) {
        terminal_append_locked(terminal, '\0', INPUT_FILE_END);
    } else {
        return;
    }
    finish_line_locked(terminal);
}

/* --- bytes with a meaning ----------------------------------------------------------------------
 */

static bool is_special_locked(const struct terminal *terminal, enum terminal_special which,
                              char byte)
{
    return byte != '\0' && (uint8_t)byte == terminal->settings.special[which];
}

static bool take_flow_locked(struct terminal *terminal, char byte)
{
    if ((terminal->settings.input & IXON) == 0) {
        return false;
    }
    if (is_special_locked(terminal, VSTART, byte)) {
        terminal_go_on_locked(terminal);
        return true;
    }
    if (is_special_locked(terminal, VSTOP, byte)) {
        terminal_stop_locked(terminal);
        return true;
    }
    return false;
}

static void flush_for_signal_locked(struct terminal *terminal)
{
    if (!terminal_has_locked(terminal, NOFLSH)) {
        terminal_flush_input_locked(terminal);
        terminal_flush_output_locked(terminal);
    }
}

static bool take_signal_locked(struct terminal *terminal, char byte)
{
    static const struct {
        enum terminal_special which;
        unsigned number;
    } signals[] = {{VINTR, SIGNAL_INTERRUPT}, {VQUIT, SIGNAL_QUIT}, {VSUSP, SIGNAL_TERMINAL_STOP}};

    if (!terminal_has_locked(terminal, ISIG)) {
        return false;
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(signals); i++) {
        if (is_special_locked(terminal, signals[i].which, byte)) {
            flush_for_signal_locked(terminal);
            terminal->signals |= 1ULL << signals[i].number;
            if ((terminal->settings.input & IXON) != 0) {
                terminal_go_on_locked(terminal);
            }
            if (terminal_has_locked(terminal, ECHO)) {
                terminal_echo_locked(terminal, byte);
            }
            return true;
        }
    }
    return false;
}

static void begin_literal_locked(struct terminal *terminal)
{
    terminal->takes_next_literally = true;
    if (terminal_has_locked(terminal, ECHO) && terminal_has_locked(terminal, ECHOCTL)) {
        terminal_put_raw_locked(terminal, '^');
        terminal_put_raw_locked(terminal, '\b');
    }
}

static bool take_extended_locked(struct terminal *terminal, char byte)
{
    if (!terminal_has_locked(terminal, IEXTEN)) {
        return false;
    }
    if (is_special_locked(terminal, VWERASE, byte)) {
        terminal_erase_word_locked(terminal);
    } else if (is_special_locked(terminal, VLNEXT, byte)) {
        begin_literal_locked(terminal);
    } else if (is_special_locked(terminal, VREPRINT, byte) && terminal_has_locked(terminal, ECHO)) {
        terminal_reprint_locked(terminal);
    } else {
        return false;
    }
    return true;
}

static bool is_line_end_locked(const struct terminal *terminal, char byte)
{
    return byte == '\n' || is_special_locked(terminal, VEOL, byte) ||
           (terminal_has_locked(terminal, IEXTEN) && is_special_locked(terminal, VEOL2, byte));
}

static bool take_editing_locked(struct terminal *terminal, char byte)
{
    if (!is_canonical_locked(terminal)) {
        return false;
    }
    if (is_special_locked(terminal, VERASE, byte)) {
        terminal_erase_character_locked(terminal);
    } else if (is_special_locked(terminal, VKILL, byte)) {
        terminal_kill_line_locked(terminal);
    } else if (take_extended_locked(terminal, byte)) {
        return true;
    } else if (is_special_locked(terminal, VEOF, byte)) {
        take_file_end_locked(terminal);
    } else if (is_line_end_locked(terminal, byte)) {
        take_line_end_locked(terminal, byte);
    } else {
        return false;
    }
    return true;
}

/* --- each byte -------------------------------------------------------------------------------- */

/* Returns whether the byte is left over. */
static bool translate_locked(const struct terminal *terminal, char *byte)
{
    uint32_t flags = terminal->settings.input;

    if (*byte == '\r' && (flags & IGNCR) != 0) {
        return false;
    }
    if (*byte == '\r' && (flags & ICRNL) != 0) {
        *byte = '\n';
    } else if (*byte == '\n' && (flags & INLCR) != 0) {
        *byte = '\r';
    }
    return true;
}

static void take_text_locked(struct terminal *terminal, char byte)
{
    char original = byte;

    if (translate_locked(terminal, &byte) && !take_editing_locked(terminal, byte)) {
        take_plain_locked(terminal, byte, byte != original);
    }
}

static void take_locked(struct terminal *terminal, char byte)
{
    if ((terminal->settings.input & ISTRIP) != 0) {
        byte = (char)(byte & 0x7f);
    }
    if (terminal->takes_next_literally) {
        terminal->takes_next_literally = false;
        take_plain_locked(terminal, byte, false);
        return;
    }
    if (take_flow_locked(terminal, byte)) {
        return;
    }
    if ((terminal->settings.input & (IXON | IXANY)) == (IXON | IXANY)) {
        terminal_go_on_locked(terminal);
    }
    if (!take_signal_locked(terminal, byte)) {
        take_text_locked(terminal, byte);
    }
}

static bool takes_more_locked(const struct terminal *terminal)
{
    return is_canonical_locked(terminal) || used_locked(terminal) < TERMINAL_LINE_MAX;
}

/* Nobody would read it. */
static bool drops(struct terminal *terminal)
{
    bool is_closed;

    terminal_lock(terminal);
    is_closed = terminal->openings == 0;
    terminal_unlock(terminal);
    return is_closed;
}

/* A signal goes out before the bytes behind it are looked at. */
static size_t take_some(struct terminal *terminal, const char *bytes, size_t size)
{
    size_t taken = 0;

    terminal_lock(terminal);
    while (taken < size && terminal->signals == 0 && takes_more_locked(terminal)) {
        take_locked(terminal, bytes[taken++]);
    }
    terminal_unlock(terminal);
    return taken;
}

static _Atomic uint64_t bytes_taken; /* relaxed: a count */

uint64_t terminal_bytes_taken(void)
{
    return atomic_load_explicit(&bytes_taken, memory_order_relaxed);
}

size_t terminal_input(struct terminal *terminal, const char *bytes, size_t size)
{
    size_t taken = 0;
    size_t last;

    if (drops(terminal)) {
        return size;
    }
    do {
        last = take_some(terminal, bytes + taken, size - taken);
        taken += last;
    } while (last > 0 && taken < size);
    atomic_fetch_add_explicit(&bytes_taken, taken, memory_order_relaxed);
    return taken;
}

void terminal_input_break(struct terminal *terminal)
{
    uint32_t flags;

    terminal_lock(terminal);
    flags = terminal->settings.input;
    if ((flags & IGNBRK) == 0 && (flags & BRKINT) != 0) {
        flush_for_signal_locked(terminal);
        terminal->signals |= 1ULL << SIGNAL_INTERRUPT;
    } else if ((flags & IGNBRK) == 0) {
        take_plain_locked(terminal, '\0', false);
    }
    terminal_unlock(terminal);
}

void terminal_await_room(struct terminal *terminal)
{
    struct waiter waiter;
    bool takes_more;
    hx_err error;

    wait_queue_prepare(&terminal->room, &waiter);
    do {
        terminal_lock(terminal);
        takes_more = takes_more_locked(terminal);
        terminal_unlock(terminal);
        error = takes_more ? HX_OK : wait_queue_wait(&terminal->room, &waiter, THREAD_NO_DEADLINE);
    } while (!takes_more && error == HX_OK);
    wait_queue_finish(&terminal->room, &waiter);
}
