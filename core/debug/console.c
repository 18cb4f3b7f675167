/*
 * How a line gets from the ring to the writers so that a panic can take over at any point: `next`
 * is the number of the record to print, and the only thing that says a line is done. The line in
 * progress is valid while its number equals `next`; each writer's progress is counted in `done`.
 */
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <core/debug/console.h>
#include <core/debug/console_outlet.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>

/* How long a panic waits for a printer that is in the middle of a line. */
#define PANIC_PATIENCE_NS (200 * HAL_NS_PER_MS)

#define LINE_MAX (LOG_TEXT_MAX + 64)

/* A line being printed. */
struct console_line {
    _Atomic uint64_t number; /* valid while equal to console.next */
    uint64_t next;           /* number of the record after it */
    enum log_level level;
    size_t length;
    size_t done[CONSOLE_WRITER_MAX]; /* bytes each writer has */
    char text[LINE_MAX];
};

/* Keys: A = atomic, P = whoever prints (busy, or the panicking CPU) */
static struct {
    _Atomic bool busy;           /* A  somebody prints */
    _Atomic uint32_t panic_cpu;  /* A  valid in CONSOLE_PANIC */
    _Atomic bool panic_printing; /* A  its printing must not nest */
    _Atomic uint64_t next;       /* A  record to print; written under P */
    const struct console_writer *writers[CONSOLE_WRITER_MAX]; /* P  NULL: free */
    struct console_line line;                                 /* P */
    _Atomic(struct thread *) thread;                          /* A */
    _Atomic bool deferred;                                    /* A  an NMI wants it woken */
    struct wait_queue flushed; /* woken when all there was is printed */
} console = {
    .next = 1,
    .flushed = {.lock = SPINLOCK_INIT(LOCK_RANK_WAIT_QUEUE, "console flush"),
                .waiters = LIST_INIT(console.flushed.waiters)},
};

_Atomic uint32_t console_mode;
_Atomic bool console_asleep;

static inline enum console_mode current_mode(void)
{
    return (enum console_mode)atomic_load_explicit(&console_mode, memory_order_acquire);
}

/*
 * Sequentially consistent, as the completion of a record is: when try_lock fails, whoever held the
 * lock looks for new records after it has let go (print_all), and sees the one the loser has
 * written.
 */
static bool try_lock(void)
{
    return !atomic_exchange_explicit(&console.busy, true, memory_order_seq_cst);
}

static void unlock(void)
{
    atomic_store_explicit(&console.busy, false, memory_order_seq_cst);
}

/* Sequentially consistent: see console_main. */
static bool is_locked(void)
{
    return atomic_load_explicit(&console.busy, memory_order_seq_cst);
}

/* --- one line --------------------------------------------------------------------------------- */

static uint64_t next_number(void)
{
    return atomic_load_explicit(&console.next, memory_order_relaxed);
}

/* Release: pairs with is_printed, which lets a waiter for the flush go on. */
static void set_next(uint64_t number)
{
    atomic_store_explicit(&console.next, number, memory_order_release);
}

static const char *prefix_of(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error: ";
    case LOG_WARN:
        return "warn: ";
    case LOG_DEBUG:
        return "debug: ";
    default:
        return "";
    }
}

static size_t render(const struct log_entry *entry, char *text, size_t size)
{
    uint64_t microseconds = entry->time_ns / 1000;

    if (entry->level == LOG_PLAIN) {
        return format_text(text, size, "%s\n", entry->text);
    }
    return format_text(text, size, "[%5llu.%06llu] %s%s\n",
                       (unsigned long long)(microseconds / 1000000),
                       (unsigned long long)(microseconds % 1000000),
                       prefix_of((enum log_level)entry->level), entry->text);
}

/* Make the record, or the word that some are lost, the line in progress. */
static void prepare_line(uint64_t number, const struct log_entry *entry)
{
    struct console_line *line = &console.line;

    atomic_store_explicit(&line->number, 0, memory_order_relaxed);
    if (entry->number == number) {
        line->level = (enum log_level)entry->level;
        line->length = render(entry, line->text, sizeof line->text);
        line->next = number + 1;
    } else {
        line->level = LOG_WARN;
        line->length = format_text(line->text, sizeof line->text, "[%llu lines lost]\n",
                                   (unsigned long long)(entry->number - number));
        line->next = entry->number;
    }
    for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
        line->done[i] = 0;
    }
    atomic_store_explicit(&line->number, number, memory_order_release);
}

/* What was sent of a piece is done, also when a panic came in its middle. */
static void collect_sent(size_t index)
{
    hal_interrupt_state state = hal_interrupts_save();

    console.line.done[index] += console_outlet_collect(true);
    hal_interrupts_restore(state);
}

/* Up to the end of the line, whose bytes on the wire are others. */
static void offer_piece(size_t index, size_t piece)
{
    const char *text = console.line.text + console.line.done[index];
    size_t size = 0;

    while (size < piece && text[size] != '\n') {
        size++;
    }
    console_outlet_offer(text, size, true);
}

/* Give a writer the rest of the line, in pieces; the piece and its count are one step to
 * interrupts. */
static void feed_writer(size_t index)
{
    const struct console_writer *writer = console.writers[index];
    struct console_line *line = &console.line;

    if (writer->has_outlet) {
        collect_sent(index);
    }
    while (line->done[index] < line->length) {
        size_t left = line->length - line->done[index];
        size_t piece = left < CONSOLE_CHUNK ? left : CONSOLE_CHUNK;
        size_t done = line->done[index];
        hal_interrupt_state state;

        if (writer->has_outlet) {
            offer_piece(index, piece);
            collect_sent(index);
            if (line->done[index] != done) {
                continue;
            }
        }
        state = hal_interrupts_save();
        if (line->done[index] == 0) {
            writer->set_level(line->level);
        }
        writer->write_string(line->text + line->done[index], piece);
        line->done[index] += piece;
        hal_interrupts_restore(state);
    }
}

static void feed_writers(bool in_panic)
{
    for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
        if (console.writers[i] != NULL && (!in_panic || console.writers[i]->works_in_panic)) {
            feed_writer(i);
        }
    }
}

/* Print the next record, or finish the one begun. Returns whether there was one. */
static bool print_next(bool in_panic)
{
    uint64_t number = next_number();
    struct log_entry entry;

    if (atomic_load_explicit(&console.line.number, memory_order_acquire) != number) {
        if (log_read(number, in_panic, &entry) != LOG_READ_RECORD) {
            return false;
        }
        if (entry.number == number && entry.level > log_level()) {
            set_next(number + 1);
            return true;
        }
        prepare_line(number, &entry);
    }
    feed_writers(in_panic);
    set_next(console.line.next);
    return true;
}

/* --- who prints ------------------------------------------------------------------------------- */

static bool has_more(void)
{
    return log_is_complete(next_number());
}

/* Print what there is unless somebody else does; he then prints what we would have. */
static void print_all(void)
{
    do {
        if (!try_lock()) {
            return;
        }
        while (!console_in_panic() && print_next(false)) {
        }
        unlock();
    } while (has_more() && !console_in_panic());
}

static bool panics_here(void)
{
    return atomic_load_explicit(&console.panic_cpu, memory_order_relaxed) == hal_cpu_id();
}

/* On the panicking CPU alone. What an NMI adds meanwhile is printed by the loop it interrupted. */
static void print_all_in_panic(void)
{
    if (!panics_here() ||
        atomic_exchange_explicit(&console.panic_printing, true, memory_order_relaxed)) {
        return;
    }
    while (print_next(true)) {
    }
    atomic_store_explicit(&console.panic_printing, false, memory_order_relaxed);
}

static void wake_thread(void)
{
    struct thread *thread = atomic_load_explicit(&console.thread, memory_order_acquire);

    /* Pairs with the store before the last look in console_main. */
    if (atomic_load_explicit(&console_asleep, memory_order_seq_cst) &&
        atomic_exchange_explicit(&console_asleep, false, memory_order_seq_cst)) {
        thread_unpark(thread);
    }
}

void console_attend(void)
{
    switch (current_mode()) {
    case CONSOLE_BOOT:
        print_all();
        break;
    case CONSOLE_THREAD:
        if (HX_UNLIKELY(thread_current()->nmi_depth != 0)) {
            atomic_store_explicit(&console.deferred, true, memory_order_relaxed);
        } else {
            wake_thread();
        }
        break;
    case CONSOLE_PANIC:
        print_all_in_panic();
        break;
    }
}

void console_deferred(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&console.deferred, memory_order_relaxed)) &&
        atomic_exchange_explicit(&console.deferred, false, memory_order_relaxed)) {
        wake_thread();
    }
}

struct wait_queue *console_attended(void)
{
    return &console.flushed;
}

HX_NORETURN static void console_main(void *argument)
{
    (void)argument;
    for (;;) {
        print_all();
        wait_queue_wake_all(&console.flushed);
        /* Pairs with log_ring_write's completion and wake_thread: one sees what the other stored.
         * And with unlock: who has the turn now wakes this thread for the lines left to it. */
        atomic_store_explicit(&console_asleep, true, memory_order_seq_cst);
        if (console_in_panic() || is_locked() || !has_more()) {
            thread_wait();
        }
        atomic_store_explicit(&console_asleep, false, memory_order_relaxed);
    }
}

hx_err console_start_thread(void)
{
    static const struct thread_options options = {
        .name = "console",
        .entry = console_main,
        .priority = THREAD_PRIORITY_NORMAL,
    };
    struct thread *thread;
    hx_err error;

    if (current_mode() != CONSOLE_BOOT) {
        return HX_ESTATE;
    }
    error = thread_create(&options, &thread);
    if (error != HX_OK) {
        return error;
    }
    atomic_store_explicit(&console.thread, thread, memory_order_release);
    atomic_store_explicit(&console_mode, CONSOLE_THREAD, memory_order_release);
    thread_start(thread);
    return HX_OK;
}

/* Before anybody has opened a console there is nobody yet who prints, and nobody to race with. */
void console_open_for_panic(const struct console_writer *writer)
{
    for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
        if (console.writers[i] != NULL) {
            return;
        }
    }
    console.writers[0] = writer;
}

void console_enter_panic(void)
{
    uint64_t deadline = hal_clock_now() + PANIC_PATIENCE_NS;

    atomic_store_explicit(&console.panic_cpu, hal_cpu_id(), memory_order_relaxed);
    atomic_store_explicit(&console.panic_printing, false, memory_order_relaxed);
    /* A printer on another CPU sees this at the end of its line, and lets go. */
    if (atomic_exchange_explicit(&console_mode, CONSOLE_PANIC, memory_order_acq_rel) !=
        CONSOLE_PANIC) {
        while (!try_lock() && hal_clock_now() < deadline) {
            hal_cpu_relax();
        }
    }
}

/* --- writers ---------------------------------------------------------------------------------- */

/* Wait for one's turn among those who print: for at most the lines they have. */
static void lock(void)
{
    while (!try_lock()) {
        if (context_can_block()) {
            thread_yield();
        } else {
            hal_cpu_relax();
        }
    }
}

/* Who came meanwhile and could not print relies on the holder. */
static void unlock_and_print(void)
{
    unlock();
    if (has_more()) {
        console_notify();
    }
}

static size_t find_writer(const struct console_writer *writer)
{
    size_t index = 0;

    while (index < CONSOLE_WRITER_MAX && console.writers[index] != writer) {
        index++;
    }
    return index;
}

static hx_err add_writer(const struct console_writer *writer)
{
    size_t index = find_writer(NULL);

    if (find_writer(writer) < CONSOLE_WRITER_MAX) {
        return HX_EEXIST;
    }
    if (index == CONSOLE_WRITER_MAX) {
        return HX_ENOSPC;
    }
    console.writers[index] = writer;
    return HX_OK;
}

hx_err console_register(const struct console_writer *writer)
{
    hx_err error;

    lock();
    error = add_writer(writer);
    unlock_and_print();
    return error;
}

static void repeat_line(const struct console_writer *writer)
{
    const struct console_line *line = &console.line;
    size_t piece;

    for (size_t done = 0; done < line->length; done += piece) {
        hal_interrupt_state state = hal_interrupts_save();

        piece = line->length - done < CONSOLE_CHUNK ? line->length - done : CONSOLE_CHUNK;
        if (done == 0) {
            writer->set_level(line->level);
        }
        writer->write_string(line->text + done, piece);
        hal_interrupts_restore(state);
    }
}

/* Lines that are printed already. */
static void repeat_lines(const struct console_writer *writer)
{
    const struct console_line *line = &console.line;
    struct log_entry entry;

    for (uint64_t number = 1;
         number < next_number() && log_read(number, false, &entry) == LOG_READ_RECORD;
         number = line->next) {
        prepare_line(number, &entry);
        if (entry.number != number || line->level <= log_level()) {
            repeat_line(writer);
        }
    }
}

hx_err console_register_late(const struct console_writer *writer)
{
    hx_err error;

    lock();
    error = add_writer(writer);
    if (error == HX_OK) {
        repeat_lines(writer);
    }
    unlock_and_print();
    return error;
}

hx_err console_unregister(const struct console_writer *writer)
{
    size_t index;

    lock();
    index = find_writer(writer);
    if (index < CONSOLE_WRITER_MAX) {
        console.writers[index] = NULL;
    }
    unlock_and_print();
    return index < CONSOLE_WRITER_MAX ? HX_OK : HX_ENOENT;
}

/* --- bytes of programs ------------------------------------------------------------------------ */

/* As much of a chunk as the outlet sends; returns how much that is. */
static size_t send_chunk(const char *bytes, size_t size)
{
    size_t done = 0;
    size_t sent;

    do {
        console_outlet_offer(bytes + done, size - done, false);
        sent = console_outlet_collect(false);
        done += sent;
    } while (done < size && sent > 0);
    return done;
}

static void write_to(const struct console_writer *writer, const char *bytes, size_t size)
{
    size_t done = writer->has_outlet ? send_chunk(bytes, size) : 0;
    hal_interrupt_state state = hal_interrupts_save();

    if (done < size && !console_in_panic()) {
        writer->write_bytes(bytes + done, size - done);
    }
    hal_interrupts_restore(state);
}

static void write_chunk(const char *bytes, size_t size)
{
    for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
        if (console.writers[i] != NULL && console.writers[i]->write_bytes != NULL) {
            write_to(console.writers[i], bytes, size);
        }
    }
}

void console_write_bytes(const char *bytes, size_t size)
{
    lock();
    while (size > 0 && !console_in_panic()) {
        size_t chunk = size < CONSOLE_CHUNK ? size : CONSOLE_CHUNK;

        write_chunk(bytes, chunk);
        bytes += chunk;
        size -= chunk;
    }
    unlock_and_print();
}

/* --- flushing --------------------------------------------------------------------------------- */

/* Acquire: pairs with set_next. */
static bool is_printed(uint64_t number)
{
    return atomic_load_explicit(&console.next, memory_order_acquire) > number;
}

static void wait_printed(uint64_t number)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&console.flushed, &waiter);
    while (!is_printed(number) && error == HX_OK) {
        wake_thread();
        error = wait_queue_wait(&console.flushed, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&console.flushed, &waiter);
}

static void flush_writers(void)
{
    for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
        if (console.writers[i] != NULL) {
            console.writers[i]->flush();
        }
    }
}

/*
 * On another CPU it waits to be stopped: who flushes is often about to switch the machine off, and
 * the report comes first.
 */
static void flush_in_panic(void)
{
    while (!panics_here()) {
        hal_cpu_relax();
    }
    print_all_in_panic();
    flush_writers();
}

void console_flush(void)
{
    if (console_in_panic()) {
        flush_in_panic();
        return;
    }
    if (current_mode() == CONSOLE_THREAD && context_can_block()) {
        wait_printed(log_statistics().written);
    }
    lock();
    flush_writers();
    unlock_and_print();
}

void console_emergency(const char *text)
{
    for (; *text != '\0'; text++) {
        for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
            if (console.writers[i] != NULL && console.writers[i]->works_in_panic) {
                console.writers[i]->write_byte(*text);
            }
        }
    }
}
