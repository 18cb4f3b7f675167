/* read(2): whole lines, or bytes by c_cc's MIN and TIME. */
#include <hal/clock.h>
#include <kern/thread.h>
#include <subsys/process/signal.h>
#include <subsys/tty/terminal_private.h>

#define TENTH_OF_A_SECOND_NS (HAL_NS_PER_S / 10)

/* --- what there is ------------------------------------------------------------------------------
 */

static bool is_canonical_locked(const struct terminal *terminal)
{
    return terminal_has_locked(terminal, ICANON);
}

uint32_t terminal_readable_locked(const struct terminal *terminal)
{
    const struct terminal_input *input = &terminal->input;
    uint32_t count = 0;

    if (!is_canonical_locked(terminal)) {
        return input->head - input->tail;
    }
    for (uint32_t at = input->tail; at != input->lines; at++) {
        count += input->marks[terminal_index(at)] != INPUT_FILE_END ? 1U : 0U;
    }
    return count;
}

/* Bytes that a raw read waits for at least. */
static uint32_t minimum_locked(const struct terminal *terminal)
{
    return terminal->settings.special[VMIN];
}

static uint64_t time_limit_locked(const struct terminal *terminal)
{
    return terminal->settings.special[VTIME] * TENTH_OF_A_SECOND_NS;
}

bool terminal_is_readable_locked(const struct terminal *terminal)
{
    const struct terminal_input *input = &terminal->input;
    uint32_t wanted = 1;

    if (is_canonical_locked(terminal)) {
        return input->tail != input->lines;
    }
    if (time_limit_locked(terminal) == 0 && minimum_locked(terminal) > 1) {
        wanted = minimum_locked(terminal);
    }
    return input->head - input->tail >= wanted;
}

/* --- taking it ----------------------------------------------------------------------------------
 */

/* Bytes from the front, at most size, that lie in one piece of the buffer; the number of them. */
static uint32_t piece_size_locked(const struct terminal_input *input, uint32_t end, size_t size)
{
    uint32_t index = terminal_index(input->tail);
    uint32_t count = end - input->tail;

    if (count > TERMINAL_LINE_MAX - index) {
        count = TERMINAL_LINE_MAX - index;
    }
    return count < size ? count : (uint32_t)size;
}

/* The end of what one read gets: behind the first line's end, or before an end of the file. */
static uint32_t end_of_line_locked(const struct terminal_input *input)
{
    uint32_t at = input->tail;

    while (at != input->lines && input->marks[terminal_index(at)] == INPUT_PLAIN) {
        at++;
    }
    return at != input->lines && input->marks[terminal_index(at)] == INPUT_LINE_END ? at + 1 : at;
}

static hx_err copy_locked(struct terminal *terminal, struct transfer *transfer, uint32_t end,
                          size_t *done)
{
    struct terminal_input *input = &terminal->input;
    hx_err error = HX_OK;

    while (error == HX_OK && input->tail != end && transfer->left > 0) {
        uint32_t count = piece_size_locked(input, end, transfer->left);
        size_t moved;

        error = transfer_out(transfer, &input->bytes[terminal_index(input->tail)], count, &moved);
        input->tail += count;
        *done += moved;
    }
    wait_queue_wake_all(&terminal->room);
    return error;
}

static hx_err take_line_locked(struct terminal *terminal, struct transfer *transfer, size_t *done)
{
    struct terminal_input *input = &terminal->input;

    if (input->marks[terminal_index(input->tail)] == INPUT_FILE_END) {
        input->tail++;
        return HX_OK;
    }
    return copy_locked(terminal, transfer, end_of_line_locked(input), done);
}

/* The lines' own position goes with what is read in raw mode. */
static hx_err take_bytes_locked(struct terminal *terminal, struct transfer *transfer, size_t *done)
{
    struct terminal_input *input = &terminal->input;
    hx_err error = copy_locked(terminal, transfer, input->head, done);

    input->lines = input->tail;
    return error;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

/* One read under way. */
struct reading {
    struct file *file;
    struct transfer *transfer;
    size_t *done;
    uint64_t deadline_ns; /* of TIME; THREAD_NO_DEADLINE: none runs */
    bool has_started;     /* the time that runs from the beginning of a read with MIN 0 */
};

/* TIME runs from the read's beginning when MIN is 0, else from each byte on. */
static void set_deadline_locked(const struct terminal *terminal, struct reading *reading, bool got)
{
    uint64_t limit = time_limit_locked(terminal);
    bool from_beginning = minimum_locked(terminal) == 0 && !reading->has_started;

    if (limit == 0) {
        reading->deadline_ns = THREAD_NO_DEADLINE;
    } else if (got || from_beginning) {
        reading->deadline_ns = hal_clock_now() + limit;
    }
    reading->has_started = true;
}

/* HX_EAGAIN: more is to be waited for. */
static hx_err try_raw_locked(struct terminal *terminal, struct reading *reading)
{
    size_t before = *reading->done;
    uint32_t minimum = minimum_locked(terminal);
    hx_err error = take_bytes_locked(terminal, reading->transfer, reading->done);
    size_t done = *reading->done;

    if (error != HX_OK || reading->transfer->left == 0) {
        return error;
    }
    set_deadline_locked(terminal, reading, done != before);
    if (minimum == 0 && (done > 0 || time_limit_locked(terminal) == 0)) {
        return HX_OK;
    }
    return minimum > 0 && done >= minimum ? HX_OK : HX_EAGAIN;
}

static hx_err try_canonical_locked(struct terminal *terminal, struct reading *reading)
{
    reading->deadline_ns = THREAD_NO_DEADLINE;
    /* The mode may have changed in the middle of a raw read. */
    if (*reading->done > 0) {
        return HX_OK;
    }
    return terminal->input.tail != terminal->input.lines
               ? take_line_locked(terminal, reading->transfer, reading->done)
               : HX_EAGAIN;
}

static hx_err try_read(struct reading *reading)
{
    const struct terminal_opening *opening = terminal_opening_of(reading->file);
    struct terminal *terminal = opening->terminal;
    hx_err error;

    if (terminal_opening_is_dead(opening)) {
        return HX_OK; /* the end of the file */
    }
    terminal_lock(terminal);
    error = is_canonical_locked(terminal) ? try_canonical_locked(terminal, reading)
                                          : try_raw_locked(terminal, reading);
    terminal_unlock(terminal);
    return error;
}

static hx_err wait_and_read(struct reading *reading)
{
    struct terminal *terminal = terminal_opening_of(reading->file)->terminal;
    struct waiter waiter;
    hx_err error = HX_EAGAIN;

    wait_queue_prepare(&terminal->readable, &waiter);
    while (error == HX_EAGAIN) {
        error = terminal_check_job(terminal, SIGNAL_TERMINAL_IN);
        if (error == HX_OK) {
            error = try_read(reading);
        }
        if (error == HX_EAGAIN) {
            hx_err woken =
                wait_queue_wait_interruptible(&terminal->readable, &waiter, reading->deadline_ns);

            error = woken == HX_OK ? HX_EAGAIN : woken;
        }
    }
    wait_queue_finish(&terminal->readable, &waiter);
    return error == HX_ETIMEDOUT ? HX_OK : error;
}

hx_err terminal_read(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct reading reading = {.file = file, .transfer = transfer, .done = done};
    struct terminal *terminal = terminal_opening_of(file)->terminal;
    hx_err error;

    (void)offset;
    reading.deadline_ns = THREAD_NO_DEADLINE;
    if (terminal_opening_is_dead(terminal_opening_of(file)) || transfer->left == 0) {
        return HX_OK;
    }
    error = terminal_check_job(terminal, SIGNAL_TERMINAL_IN);
    if (error == HX_OK) {
        error = try_read(&reading);
    }
    return error == HX_EAGAIN && !file_does_not_block(file) ? wait_and_read(&reading) : error;
}
