/*
 * What subsys/tty needs of the kernel, for one thread and in virtual time: a wait goes on to the
 * next event of the test's schedule, or to its deadline; one that nothing would end fails the test.
 * Processes are four structures. Included by one test program each.
 */
#ifndef TESTS_HOST_TTY_TERMINAL_MACHINE_H
#define TESTS_HOST_TTY_TERMINAL_MACHINE_H

#include <base/assert.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <kern/dispatch.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <subsys/access/access.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process.h>
#include <subsys/process/terminal_link.h>
#include <subsys/tty/terminal.h>
#include <subsys/tty/terminal_private.h>

#include <cmocka.h>

/* --- the processor ---------------------------------------------------------------------------- */

static struct thread caller;
static bool interrupts_off;
static bool has_token;
static uint64_t now_ns;

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s (%s)\n", file, line, sentence, expression);
    abort();
}

uint32_t hosted_cpu_id(void)
{
    return 0;
}

struct thread *hosted_thread_current(void)
{
    return &caller;
}

hal_interrupt_state hosted_interrupts_save(void)
{
    hal_interrupt_state was_on = !interrupts_off;

    interrupts_off = true;
    return was_on;
}

void hosted_interrupts_restore(hal_interrupt_state state)
{
    interrupts_off = state == 0;
}

bool hosted_interrupts_enabled(void)
{
    return !interrupts_off;
}

void hosted_cpu_relax(void)
{
}

void thread_preempt(void)
{
}

uint64_t hal_clock_now(void)
{
    return now_ns;
}

void thread_unpark(struct thread *thread)
{
    assert_ptr_equal(thread, &caller);
    has_token = true;
}

/* Nobody waits for a mutex here, so nobody lends a priority. */
void dispatch_change_priority(struct thread *thread, uint8_t priority)
{
    (void)thread;
    (void)priority;
}

void dispatch_tell_priority(struct thread *thread)
{
    (void)thread;
}

/* The superuser of these tests has every privilege, and nobody else has one. */
hx_err access_require_privilege(enum privilege privilege)
{
    (void)privilege;
    return process_current()->credentials.effective_user == 0 ? HX_OK : HX_EPERM;
}

/* --- the schedule ----------------------------------------------------------------------------- */

struct event {
    uint64_t at_ns;
    void (*action)(const char *text);
    const char *text;
};

static struct event events[16];
static size_t event_count;
static size_t next_event;

HX_UNUSED static void after_ms(uint64_t milliseconds, void (*action)(const char *text),
                               const char *text)
{
    if (next_event == event_count) {
        next_event = event_count = 0;
    }
    events[event_count++] = (struct event){now_ns + milliseconds * HAL_NS_PER_MS, action, text};
}

static bool take_event(uint64_t deadline_ns)
{
    const struct event *event = &events[next_event];

    if (next_event == event_count || event->at_ns > deadline_ns) {
        return false;
    }
    next_event++;
    now_ns = event->at_ns > now_ns ? event->at_ns : now_ns;
    event->action(event->text);
    return true;
}

hx_err thread_park(uint64_t deadline_ns)
{
    while (!has_token) {
        if (!take_event(deadline_ns)) {
            assert_true(deadline_ns != THREAD_NO_DEADLINE); /* it would wait for ever */
            now_ns = deadline_ns > now_ns ? deadline_ns : now_ns;
            return HX_ETIMEDOUT;
        }
    }
    has_token = false;
    return HX_OK;
}

/* --- memory ----------------------------------------------------------------------------------- */

static unsigned allocations;
static bool memory_is_out;

void *heap_allocate_zeroed(size_t size, owner_tag owner)
{
    (void)owner;
    allocations += memory_is_out ? 0U : 1U;
    return memory_is_out ? NULL : calloc(1, size);
}

void heap_free(void *pointer)
{
    allocations -= pointer != NULL ? 1U : 0U;
    free(pointer);
}

hx_err hal_user_copy_in(void *to, uintptr_t from, size_t size)
{
    if (from == 0) {
        return HX_EFAULT;
    }
    memcpy(to, (const void *)from, size);
    return HX_OK;
}

hx_err hal_user_copy_out(uintptr_t to, const void *from, size_t size)
{
    if (to == 0) {
        return HX_EFAULT;
    }
    memcpy((void *)to, from, size);
    return HX_OK;
}

size_t hal_user_copy_in_partly(void *to, uintptr_t from, size_t size)
{
    return hal_user_copy_in(to, from, size) == HX_OK ? size : 0;
}

size_t hal_user_copy_out_partly(uintptr_t to, const void *from, size_t size)
{
    return hal_user_copy_out(to, from, size) == HX_OK ? size : 0;
}

size_t hal_user_clear_partly(uintptr_t to, size_t size)
{
    memset((void *)to, 0, size);
    return size;
}

/* --- processes -------------------------------------------------------------------------------- */

/* Session 10: its leader's group 10, and group 11. Session 20: its leader's group 20. */
static struct session sessions[2] = {{.id = 10}, {.id = 20}};
static struct process_group groups[3] = {{.id = 10, .session = &sessions[0]},
                                         {.id = 11, .session = &sessions[0]},
                                         {.id = 20, .session = &sessions[1]}};
static struct identity identities[3];
static struct process processes[3];
static struct user_thread threads[3];

enum { LEADER, MEMBER, STRANGER, KERNEL };

struct mutex process_mutex;
static bool is_orphaned;
static char signals_sent[256]; /* "GROUP:NUMBER " each */

struct identity *id_find(uint32_t id)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(groups); i++) {
        if (groups[i].id == id) {
            identities[i].group = &groups[i];
            return &identities[i];
        }
    }
    return NULL;
}

hx_err signal_send_group(uint32_t group_id, unsigned number)
{
    size_t length = strlen(signals_sent);

    mutex_lock(&process_mutex); /* as the real one does: the caller must not hold it */
    mutex_unlock(&process_mutex);
    snprintf(signals_sent + length, sizeof signals_sent - length, "%u:%u ", group_id, number);
    return HX_OK;
}

bool process_group_is_orphaned(uint32_t group_id)
{
    (void)group_id;
    return is_orphaned;
}

static void run_as(unsigned which)
{
    caller.process = which == KERNEL ? NULL : &processes[which];
    caller.user = which == KERNEL ? NULL : &threads[which];
    atomic_store(&caller.user_work, 0);
}

static void start_processes(void)
{
    memset(processes, 0, sizeof processes);
    memset(threads, 0, sizeof threads);
    for (size_t i = 0; i < HX_ARRAY_SIZE(processes); i++) {
        processes[i].id = groups[i].id;
        processes[i].group = &groups[i];
        spinlock_init(&processes[i].lock, LOCK_RANK_PROCESS, "process");
    }
    sessions[0].terminal = sessions[1].terminal = NULL;
    mutex_init(&process_mutex, "processes");
    is_orphaned = false;
    signals_sent[0] = '\0';
    run_as(LEADER);
}

/* --- a terminal and its device ---------------------------------------------------------------- */

static char shown[1U << 16];
static size_t shown_length;
static int device_users;

static void device_write(const char *bytes, size_t size)
{
    assert_true(size <= TERMINAL_OUTPUT_SIZE);
    assert_true(shown_length + size < sizeof shown);
    memcpy(shown + shown_length, bytes, size);
    shown_length += size;
    shown[shown_length] = '\0';
}

static void device_in_use(bool is_open)
{
    device_users += is_open ? 1 : -1;
}

static const struct terminal_device device = {
    .name = "test", .write = device_write, .in_use = device_in_use};

static void forget_shown(void)
{
    shown_length = 0;
    shown[0] = '\0';
}

#define assert_shown(text)                                                                         \
    do {                                                                                           \
        assert_string_equal(shown, text);                                                          \
        forget_shown();                                                                            \
    } while (0)

#define assert_signals(text)                                                                       \
    do {                                                                                           \
        assert_string_equal(signals_sent, text);                                                   \
        signals_sent[0] = '\0';                                                                    \
    } while (0)

static struct terminal *terminal;
static struct file file;

static void open_file(struct file *opened, uint32_t flags, enum terminal_opening_kind kind)
{
    memset(opened, 0, sizeof *opened);
    atomic_init(&opened->flags, flags);
    opened->can_read = (flags & FILE_ACCESS_MASK) != FILE_WRITE_ONLY;
    opened->can_write = (flags & FILE_ACCESS_MASK) != FILE_READ_ONLY;
    assert_int_equal(terminal_open(terminal, kind, opened), HX_OK);
}

HX_UNUSED static int make_terminal(void **state)
{
    (void)state;
    memset(&caller, 0, sizeof caller);
    next_event = event_count = 0;
    has_token = false;
    start_processes();
    forget_shown();
    assert_int_equal(terminal_create(&device, 0x400000040, TERMINAL_COOKED, &terminal), HX_OK);
    open_file(&file, FILE_READ_WRITE, TERMINAL_ORDINARY);
    return 0;
}

HX_UNUSED static int destroy_terminal(void **state)
{
    (void)state;
    file.ops->release(&file);
    assert_int_equal(device_users, 0);
    heap_free(terminal);
    assert_int_equal(allocations, 0);
    return 0;
}

/* --- short words ------------------------------------------------------------------------------ */

HX_UNUSED static void type(const char *text)
{
    assert_int_equal(terminal_input(terminal, text, strlen(text)), strlen(text));
}

HX_UNUSED static hx_err read_some(char *buffer, size_t size, size_t *done)
{
    struct transfer transfer;

    *done = 0;
    transfer_init_kernel(&transfer, buffer, size);
    return file.ops->read(&file, &transfer, 0, done);
}

HX_UNUSED static hx_err write_text(const char *text)
{
    struct transfer transfer;
    size_t done = 0;
    hx_err error;

    transfer_init_kernel(&transfer, (void *)(uintptr_t)text, strlen(text));
    error = file.ops->write(&file, &transfer, 0, &done);
    assert_true(error != HX_OK || done == strlen(text));
    return error;
}

#define assert_read(size, text)                                                                    \
    do {                                                                                           \
        static char read_buffer[TERMINAL_LINE_MAX + 1];                                            \
        size_t read_done;                                                                          \
        assert_int_equal(read_some(read_buffer, size, &read_done), HX_OK);                         \
        read_buffer[read_done] = '\0';                                                             \
        assert_string_equal(read_buffer, text);                                                    \
    } while (0)

#define assert_read_error(error)                                                                   \
    do {                                                                                           \
        char read_buffer[16];                                                                      \
        size_t read_done;                                                                          \
        assert_int_equal(read_some(read_buffer, sizeof read_buffer, &read_done), error);           \
        assert_int_equal(read_done, 0);                                                            \
    } while (0)

static hx_err control(uint32_t request, uintptr_t argument)
{
    int64_t result;

    return file.ops->control(&file, request, argument, &result);
}

static struct terminal_settings get_settings(void)
{
    struct terminal_settings settings;

    assert_int_equal(control(0x802c542a, (uintptr_t)&settings), HX_OK);
    return settings;
}

static void set_settings(const struct terminal_settings *settings)
{
    assert_int_equal(control(0x402c542b, (uintptr_t)settings), HX_OK);
}

enum flag_word { INPUT_FLAGS, OUTPUT_FLAGS, LOCAL_FLAGS };

static void change_flags(enum flag_word word, uint32_t on, uint32_t off)
{
    struct terminal_settings settings = get_settings();
    uint32_t *flags = word == INPUT_FLAGS    ? &settings.input
                      : word == OUTPUT_FLAGS ? &settings.output
                                             : &settings.local;

    *flags = (*flags | on) & ~off;
    set_settings(&settings);
}

static void set_special(enum terminal_special which, uint8_t byte)
{
    struct terminal_settings settings = get_settings();

    settings.special[which] = byte;
    set_settings(&settings);
}

HX_UNUSED static void raw(uint8_t minimum, uint8_t tenths)
{
    change_flags(LOCAL_FLAGS, 0, ICANON | ECHO);
    set_special(VMIN, minimum);
    set_special(VTIME, tenths);
}

#endif
