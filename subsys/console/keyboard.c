#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <core/lifecycle/lifecycle.h>
#include <hal/clock.h>
#include <hal/keyboard.h>
#include <helix/attributes.h>
#include <helix/keyboard.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <subsys/console/console_input.h>
#include <subsys/console/keyboard.h>

#define TRIES_MAX 2U /* instances that may die of a code */
#define PAUSE_NS  (10 * HAL_NS_PER_MS)

/* Keys: A = atomic, C = controller, T = the thread alone */
static struct {
    struct spinlock controller; /* of its registers */
    struct wait_queue arrived;
    uint8_t codes[KEYBOARD_CODES]; /* C  between tail and head */
    _Atomic uint32_t head;         /* A  written under C */
    _Atomic uint32_t tail;         /* A  written by T */
    struct slot *slot;             /* T  NULL: not found yet */
    _Atomic uint32_t layout;       /* A  enum hx_keyboard_layout */
    _Atomic uint64_t bytes;        /* A */
    _Atomic uint64_t dropped;      /* A */
    struct thread *thread;         /* of who starts it; NULL: there is no keyboard */
} keyboard = {
    .controller = SPINLOCK_INIT(LOCK_RANK_CORE, "keyboard"),
    .arrived = WAIT_QUEUE_INIT(keyboard.arrived, "keyboard"),
};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- layouts ---------------------------------------------------------------------------------- */

static const char *const layout_names[HX_KEYBOARD_LAYOUTS] = {
    [HX_KEYBOARD_US] = "us",
    [HX_KEYBOARD_DE] = "de",
};

hx_err keyboard_set_layout(const char *name, size_t length)
{
    for (uint32_t i = 0; i < HX_KEYBOARD_LAYOUTS; i++) {
        if (string_length_max(layout_names[i], length + 1) == length &&
            string_has_prefix(name, layout_names[i])) {
            atomic_store_explicit(&keyboard.layout, i, memory_order_relaxed);
            return HX_OK;
        }
    }
    return HX_EINVAL;
}

static uint32_t layout(void)
{
    return atomic_load_explicit(&keyboard.layout, memory_order_relaxed);
}

const char *keyboard_layout(void)
{
    return layout_names[layout()];
}

/* --- codes ------------------------------------------------------------------------------------ */

static uint32_t load(const _Atomic uint32_t *place)
{
    return atomic_load_explicit(place, memory_order_acquire);
}

static void keep_locked(uint8_t code)
{
    uint32_t head = load(&keyboard.head);

    if (head - load(&keyboard.tail) == KEYBOARD_CODES) {
        count(&keyboard.dropped);
        return;
    }
    keyboard.codes[head % KEYBOARD_CODES] = code;
    /* Release: pairs with wait_for_code. */
    atomic_store_explicit(&keyboard.head, head + 1, memory_order_release);
}

static enum interrupt_action on_code(void *argument, struct hal_frame *frame)
{
    hal_interrupt_state state = spinlock_acquire(&keyboard.controller);
    int code;

    (void)argument;
    (void)frame;
    while ((code = hal_keyboard_read()) >= 0) {
        keep_locked((uint8_t)code);
    }
    spinlock_release(&keyboard.controller, state);
    wait_queue_wake_all(&keyboard.arrived);
    return INTERRUPT_RESCHEDULE;
}

static uint8_t wait_for_code(void)
{
    struct waiter waiter;

    wait_queue_prepare(&keyboard.arrived, &waiter);
    while (load(&keyboard.head) == load(&keyboard.tail)) {
        (void)!wait_queue_wait(&keyboard.arrived, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&keyboard.arrived, &waiter);
    return keyboard.codes[load(&keyboard.tail) % KEYBOARD_CODES];
}

/* Release: the place is the interrupt's again. */
static void finish_code(void)
{
    atomic_store_explicit(&keyboard.tail, load(&keyboard.tail) + 1, memory_order_release);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* A reader that is slow is waited for. */
static void type(char byte)
{
    hx_err error;

    while ((error = console_input_type(byte)) == HX_EAGAIN) {
        thread_sleep(PAUSE_NS);
    }
    if (error == HX_OK) {
        count(&keyboard.bytes);
    }
}

static void obey(uint64_t answer)
{
    if ((answer & HX_KEYBOARD_RESTART) != 0) {
        kprintln("keyboard: Ctrl-Alt-Del");
        (void)lifecycle_request_shutdown(SHUTDOWN_REBOOT);
    }
    for (uint64_t i = 0; i < HX_KEYBOARD_COUNT(answer); i++) {
        type((char)(answer >> i * 8));
    }
}

/* --- the module ------------------------------------------------------------------------------- */

/* Slots are made after the console is there. */
static struct slot *slot_of_keyboard(void)
{
    while (keyboard.slot == NULL) {
        keyboard.slot = slot_find("keyboard");
        if (keyboard.slot == NULL) {
            thread_sleep(PAUSE_NS);
        }
    }
    return keyboard.slot;
}

static bool can_be(uint64_t answer)
{
    return (answer & ~HX_KEYBOARD_KNOWN) == 0 && HX_KEYBOARD_COUNT(answer) <= HX_KEYBOARD_BYTES_MAX;
}

/* Ask whatever is in the slot, when something is. */
static struct hal_gate_result ask(uint8_t code)
{
    struct slot *slot = slot_of_keyboard();
    struct hal_gate_result result = {.error = slot_wait_filled(slot, THREAD_NO_DEADLINE)};

    if (result.error == HX_OK) {
        result = gate_call(slot, KEYBOARD_SCAN, code, layout(), 0, 0);
    }
    if (result.error == HX_OK && !can_be(result.value)) {
        slot_distrust(slot);
        result.error = HX_EDIED;
    }
    return result;
}

static void translate(uint8_t code)
{
    uint32_t tries = 0;

    while (tries < TRIES_MAX) {
        struct hal_gate_result result = ask(code);

        if (result.error == HX_OK) {
            obey(result.value);
            return;
        }
        tries += result.error == HX_EDIED ? 1 : 0;
        thread_sleep(PAUSE_NS); /* there may be another one soon */
    }
    count(&keyboard.dropped);
}

HX_NORETURN static void keep_translating(void *argument)
{
    (void)argument;
    for (;;) {
        translate(wait_for_code());
        finish_code();
    }
}

/* --- set-up ----------------------------------------------------------------------------------- */

static hx_err connect(void)
{
    const struct hal_line_mode mode = {0};
    int line = hal_keyboard_line();
    uint8_t vector = interrupt_free_vector();
    hx_err error;

    if (line < 0 || vector == 0) {
        return HX_ENOSPC;
    }
    error = interrupt_register(vector, "keyboard", on_code, NULL, false);
    return error == HX_OK ? router_route((uint32_t)line, vector, mode, ROUTE_FIXED_CPU, 0) : error;
}

static void choose_layout(void)
{
    const char *name = command_line_text(kernel_command_line(), "keyboard.layout", "us");

    if (keyboard_set_layout(name, string_length_max(name, BOOT_COMMAND_LINE_MAX)) != HX_OK) {
        kwarn("keyboard.layout=%s: not a layout; us and de are", name);
    }
}

hx_err keyboard_start(void)
{
    static const struct thread_options options = {
        .name = "keyboard", .entry = keep_translating, .priority = THREAD_PRIORITY_NORMAL};
    hx_err error;

    choose_layout();
    if (keyboard.thread != NULL || !hal_keyboard_start()) {
        return HX_OK;
    }
    error = thread_create(&options, &keyboard.thread);
    if (error == HX_OK) {
        thread_start(keyboard.thread);
        error = connect();
    }
    return error;
}

/* --- after a sleep ---------------------------------------------------------------------------- */

/* Keys that are let go: shift, control, alt, each of both, and the locks. The first ends a prefix
 * whose key was thrown away. */
static const uint8_t releases[] = {0xaa, 0xaa, 0xb6, 0x9d, 0xe0, 0x9d,
                                   0xb8, 0xe0, 0xb8, 0xba, 0xc5};

/* The interrupt waits meanwhile: it would take the controller's answers for codes. */
static bool start_again(void)
{
    hal_interrupt_state state = spinlock_acquire(&keyboard.controller);
    bool has_started = hal_keyboard_start();

    for (size_t i = 0; i < HX_ARRAY_SIZE(releases); i++) {
        keep_locked(releases[i]);
    }
    spinlock_release(&keyboard.controller, state);
    return has_started;
}

void keyboard_resume(void)
{
    if (keyboard.thread == NULL) {
        return;
    }
    if (!start_again()) {
        kwarn("keyboard: its controller does not answer");
    }
    wait_queue_wake_all(&keyboard.arrived);
}

struct keyboard_statistics keyboard_statistics(void)
{
    return (struct keyboard_statistics){
        .is_there = keyboard.thread != NULL,
        .codes = load(&keyboard.head),
        .bytes = atomic_load_explicit(&keyboard.bytes, memory_order_relaxed),
        .dropped = atomic_load_explicit(&keyboard.dropped, memory_order_relaxed),
    };
}
