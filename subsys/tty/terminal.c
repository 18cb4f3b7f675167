/* Terminals: life, opening, hang-up, poll. */
#include <kern/heap.h>
#include <subsys/process/signal.h>
#include <subsys/tty/terminal_private.h>

/* --- life ------------------------------------------------------------------------------------- */

#define CONTROL_KEY(letter) ((letter)&0x1f)
#define SPEED_SHOWN         38400U

static const struct terminal_settings cooked = {
    .input = ICRNL | IXON | IMAXBEL | IUTF8,
    .output = OPOST | ONLCR,
    .control = B38400 | CS8 | CREAD | HUPCL | CLOCAL,
    .local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .special =
        {
            [VINTR] = CONTROL_KEY('C'),
            [VQUIT] = CONTROL_KEY('\\'),
            [VERASE] = 0x7f,
            [VKILL] = CONTROL_KEY('U'),
            [VEOF] = CONTROL_KEY('D'),
            [VMIN] = 1,
            [VSTART] = CONTROL_KEY('Q'),
            [VSTOP] = CONTROL_KEY('S'),
            [VSUSP] = CONTROL_KEY('Z'),
            [VREPRINT] = CONTROL_KEY('R'),
            [VDISCARD] = CONTROL_KEY('O'),
            [VWERASE] = CONTROL_KEY('W'),
            [VLNEXT] = CONTROL_KEY('V'),
        },
    .input_speed = SPEED_SHOWN,
    .output_speed = SPEED_SHOWN,
};

static void make_raw(struct terminal_settings *settings)
{
    settings->input = 0;
    settings->output = 0;
    settings->local = 0;
}

hx_err terminal_create(const struct terminal_device *device, uint64_t device_number,
                       enum terminal_mode mode, struct terminal **terminal)
{
    struct terminal *made = heap_allocate_zeroed(sizeof(*made), OWNER_CORE);

    if (made == NULL) {
        return HX_ENOMEM;
    }
    made->device = device;
    made->number = device_number;
    made->settings = cooked;
    if (mode == TERMINAL_RAW) {
        make_raw(&made->settings);
    }
    mutex_init(&made->mutex, "terminal");
    wait_queue_init(&made->readable, "terminal readers");
    wait_queue_init(&made->writable, "terminal writers");
    wait_queue_init(&made->room, "terminal room");
    *terminal = made;
    return HX_OK;
}

uint64_t terminal_device_number(const struct terminal *terminal)
{
    return terminal != NULL ? terminal->number : 0;
}

uint32_t terminal_foreground_group(const struct terminal *terminal)
{
    return terminal != NULL ? atomic_load_explicit(&terminal->foreground, memory_order_relaxed) : 0;
}

/* --- the mutex -------------------------------------------------------------------------------- */

void terminal_lock(struct terminal *terminal)
{
    mutex_lock(&terminal->mutex);
}

static void send(struct terminal *terminal, uint64_t signals)
{
    while (signals != 0) {
        unsigned number = (unsigned)__builtin_ctzll(signals);

        signals &= signals - 1;
        terminal_signal_foreground(terminal, number);
    }
}

void terminal_unlock(struct terminal *terminal)
{
    uint64_t signals = terminal->signals;

    terminal_push_output_locked(terminal);
    terminal->signals = 0;
    mutex_unlock(&terminal->mutex);
    send(terminal, signals);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void count_openings(struct terminal *terminal, uint32_t change)
{
    bool was_open;
    bool is_open;

    mutex_lock(&terminal->mutex);
    was_open = terminal->openings != 0;
    terminal->openings += change;
    is_open = terminal->openings != 0;
    if (!is_open) {
        terminal_flush_input_locked(terminal);
        terminal_go_on_locked(terminal);
    }
    if (was_open != is_open && terminal->device->in_use != NULL) {
        terminal->device->in_use(is_open);
    }
    mutex_unlock(&terminal->mutex);
}

hx_err terminal_open(struct terminal *terminal, enum terminal_opening_kind kind, struct file *file)
{
    struct terminal_opening *opening = heap_allocate_zeroed(sizeof(*opening), OWNER_CORE);

    if (opening == NULL) {
        return HX_ENOMEM;
    }
    opening->terminal = terminal;
    opening->hang_ups = atomic_load_explicit(&terminal->hang_ups, memory_order_acquire);
    opening->outlives_hang_up = kind == TERMINAL_CONSOLE;
    file->ops = &terminal_file_ops;
    file->context = opening;
    count_openings(terminal, 1);
    if (kind == TERMINAL_ORDINARY) {
        terminal_adopt_at_open(terminal, file);
    }
    return HX_OK;
}

hx_err terminal_open_controlling(struct file *file)
{
    struct terminal *terminal = terminal_of_caller();

    return terminal != NULL ? terminal_open(terminal, TERMINAL_ORDINARY, file) : HX_ENXIO;
}

static void release(struct file *file)
{
    struct terminal_opening *opening = terminal_opening_of(file);

    count_openings(opening->terminal, (uint32_t)-1);
    heap_free(opening);
}

/* --- hang-up ---------------------------------------------------------------------------------- */

void terminal_cut_off(struct terminal *terminal)
{
    terminal_lock(terminal);
    terminal_flush_input_locked(terminal);
    terminal_go_on_locked(terminal);
    /* release: pairs with terminal_opening_is_dead */
    atomic_fetch_add_explicit(&terminal->hang_ups, 1, memory_order_release);
    wait_queue_wake_all(&terminal->readable);
    terminal_unlock(terminal);
}

/* --- settings from the kernel ----------------------------------------------------------------- */

void terminal_set_window(struct terminal *terminal, uint16_t rows, uint16_t columns)
{
    terminal_lock(terminal);
    if (terminal->window.rows != rows || terminal->window.columns != columns) {
        terminal->window = (struct terminal_window){.rows = rows, .columns = columns};
        terminal->signals |= 1ULL << SIGNAL_WINDOW;
    }
    terminal_unlock(terminal);
}

/* --- looking ---------------------------------------------------------------------------------- */

static unsigned poll_terminal(struct file *file, struct poll_table *table)
{
    const struct terminal_opening *opening = terminal_opening_of(file);
    struct terminal *terminal = opening->terminal;
    unsigned ready = 0;

    poll_add(table, &terminal->readable);
    poll_add(table, &terminal->writable);
    if (terminal_opening_is_dead(opening)) {
        return POLL_IN | POLL_OUT | POLL_ERROR | POLL_HANGUP;
    }
    terminal_lock(terminal);
    ready |= terminal_is_readable_locked(terminal) ? (unsigned)POLL_IN : 0U;
    ready |= !terminal->is_stopped ? (unsigned)POLL_OUT : 0U;
    terminal_unlock(terminal);
    return ready;
}

const struct file_ops terminal_file_ops = {
    .name = "terminal",
    .read = terminal_read,
    .write = terminal_write,
    .control = terminal_control,
    .poll = poll_terminal,
    .release = release,
};
