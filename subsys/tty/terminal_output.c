/* The way out: processing by c_oflag, echo, flow control. */
#include <kern/thread.h>
#include <subsys/process/signal.h>
#include <subsys/tty/terminal_private.h>

#define TAB_WIDTH 8U

/* --- to the device ---------------------------------------------------------------------------- */

void terminal_push_output_locked(struct terminal *terminal)
{
    if (!terminal->is_stopped && terminal->output_used > 0) {
        terminal->device->write(terminal->output, terminal->output_used);
        terminal->output_used = 0;
    }
}

/* While output is held, echoes wait here; what finds no room is lost, as on a device's line. */
void terminal_put_raw_locked(struct terminal *terminal, char byte)
{
    if (terminal->output_used == TERMINAL_OUTPUT_SIZE) {
        terminal_push_output_locked(terminal);
    }
    if (terminal->output_used < TERMINAL_OUTPUT_SIZE) {
        terminal->output[terminal->output_used++] = byte;
    }
}

void terminal_flush_output_locked(struct terminal *terminal)
{
    terminal->output_used = 0;
}

void terminal_stop_locked(struct terminal *terminal)
{
    terminal_push_output_locked(terminal);
    terminal->is_stopped = true;
}

void terminal_go_on_locked(struct terminal *terminal)
{
    if (terminal->is_stopped) {
        terminal->is_stopped = false;
        terminal_push_output_locked(terminal);
        wait_queue_wake_all(&terminal->writable);
    }
}

/* --- processing ------------------------------------------------------------------------------- */

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

static bool is_continuation_locked(const struct terminal *terminal, char byte)
{
    return (terminal->settings.input & IUTF8) != 0 && ((unsigned char)byte & 0xc0) == 0x80;
}

static uint32_t to_next_tab(uint32_t column)
{
    return TAB_WIDTH - column % TAB_WIDTH;
}

static void put_newline_locked(struct terminal *terminal)
{
    uint32_t flags = terminal->settings.output;

    if ((flags & ONLCR) != 0) {
        terminal_put_raw_locked(terminal, '\r');
    }
    if ((flags & (ONLCR | ONLRET)) != 0) {
        terminal->column = 0;
    }
    terminal_put_raw_locked(terminal, '\n');
}

static void put_return_locked(struct terminal *terminal)
{
    uint32_t flags = terminal->settings.output;

    if ((flags & ONOCR) != 0 && terminal->column == 0) {
        return;
    }
    if ((flags & OCRNL) != 0) {
        if ((flags & ONLRET) != 0) {
            terminal->column = 0;
        }
        terminal_put_raw_locked(terminal, '\n');
        return;
    }
    terminal->column = 0;
    terminal_put_raw_locked(terminal, '\r');
}

static void put_tab_locked(struct terminal *terminal)
{
    uint32_t width = to_next_tab(terminal->column);

    terminal->column += width;
    if ((terminal->settings.output & XTABS) != XTABS) {
        terminal_put_raw_locked(terminal, '\t');
        return;
    }
    while (width-- > 0) {
        terminal_put_raw_locked(terminal, ' ');
    }
}

static void put_other_locked(struct terminal *terminal, char byte)
{
    if (byte == '\b') {
        terminal->column -= terminal->column > 0 ? 1U : 0U;
    } else if (!is_control(byte) && !is_continuation_locked(terminal, byte)) {
        terminal->column++;
    }
    terminal_put_raw_locked(terminal, byte);
}

void terminal_put_locked(struct terminal *terminal, char byte)
{
    if ((terminal->settings.output & OPOST) == 0) {
        terminal_put_raw_locked(terminal, byte);
        return;
    }
    switch (byte) {
    case '\n':
        put_newline_locked(terminal);
        break;
    case '\r':
        put_return_locked(terminal);
        break;
    case '\t':
        put_tab_locked(terminal);
        break;
    default:
        put_other_locked(terminal, byte);
    }
}

/* --- echo ------------------------------------------------------------------------------------- */

/* Control bytes as ^X. */
void terminal_echo_locked(struct terminal *terminal, char byte)
{
    if (is_control(byte) && byte != '\t' && terminal_has_locked(terminal, ECHOCTL)) {
        terminal_put_locked(terminal, '^');
        terminal_put_locked(terminal, (char)(byte ^ 0x40));
    } else {
        terminal_put_locked(terminal, byte);
    }
}

uint32_t terminal_echo_width_locked(const struct terminal *terminal, char byte, uint32_t column)
{
    if (byte == '\t') {
        return to_next_tab(column);
    }
    if (is_control(byte)) {
        return terminal_has_locked(terminal, ECHOCTL) ? 2 : 0;
    }
    return is_continuation_locked(terminal, byte) ? 0 : 1;
}

/* --- write(2) --------------------------------------------------------------------------------- */

/* HX_EAGAIN: output is held. */
static hx_err try_write(const struct terminal_opening *opening, const char *bytes, size_t size)
{
    struct terminal *terminal = opening->terminal;
    hx_err error = HX_OK;

    terminal_lock(terminal);
    if (terminal_opening_is_dead(opening)) {
        error = HX_EIO;
    } else if (terminal->is_stopped) {
        error = HX_EAGAIN;
    } else {
        for (size_t i = 0; i < size; i++) {
            terminal_put_locked(terminal, bytes[i]);
        }
    }
    terminal_unlock(terminal);
    return error;
}

static hx_err write_when_allowed(const struct terminal_opening *opening, const char *bytes,
                                 size_t size)
{
    struct terminal *terminal = opening->terminal;
    struct waiter waiter;
    hx_err error;

    wait_queue_prepare(&terminal->writable, &waiter);
    while ((error = try_write(opening, bytes, size)) == HX_EAGAIN) {
        error = wait_queue_wait_interruptible(&terminal->writable, &waiter, THREAD_NO_DEADLINE);
        if (error != HX_OK) {
            break;
        }
    }
    wait_queue_finish(&terminal->writable, &waiter);
    return error;
}

static hx_err write_piece(const struct file *file, const char *bytes, size_t size)
{
    const struct terminal_opening *opening = terminal_opening_of(file);
    hx_err error = try_write(opening, bytes, size);

    return error == HX_EAGAIN && !file_does_not_block(file)
               ? write_when_allowed(opening, bytes, size)
               : error;
}

static hx_err may_write(const struct terminal_opening *opening)
{
    struct terminal *terminal = opening->terminal;
    bool asks;

    if (terminal_opening_is_dead(opening)) {
        return HX_EIO;
    }
    terminal_lock(terminal);
    asks = terminal_has_locked(terminal, TOSTOP);
    terminal_unlock(terminal);
    return asks ? terminal_check_job(terminal, SIGNAL_TERMINAL_OUT) : HX_OK;
}

hx_err terminal_write(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    char piece[TERMINAL_OUTPUT_SIZE];
    hx_err error = may_write(terminal_opening_of(file));

    (void)offset;
    while (error == HX_OK && transfer->left > 0) {
        size_t size;
        hx_err fault = transfer_in(transfer, piece, sizeof(piece), &size);

        error = write_piece(file, piece, size);
        if (error == HX_OK) {
            *done += size;
            error = fault == HX_OK && thread_is_interrupted() ? HX_EINTR : fault;
        }
    }
    return error;
}
