#include <core/ipc/channel.h>
#include <hal/console.h>
#include <kern/heap.h>
#include <kern/spinlock.h>
#include <subsys/console/console_input.h>
#include <subsys/console/console_subsystem.h>

#define INPUT_SIZE 256U
#define NONE       (-1)

CHANNEL_TYPE(input_channel, char)

/* Keys: I = immutable after init, A = atomic, L = lock */
static struct {
    struct input_channel *keys;     /* I  the monitor's */
    struct input_channel *programs; /* I */
    struct spinlock lock;
    bool is_open;                     /* L  bytes may be taken from the device */
    bool programs_listen;             /* L */
    bool is_escaped;                  /* L  CONSOLE_ESCAPE was the last byte */
    int held;                         /* L  a byte that found no room; NONE */
    struct input_channel *owner;      /* L  whose that is */
    uint32_t asked;                   /* L  bytes that the driver may still take */
    uint32_t answered;                /* L  those that it took since it was asked */
    _Atomic(void (*)(void)) request;  /* A */
    _Atomic uint64_t taken;           /* A */
    _Atomic uint64_t taken_by_driver; /* A */
} input = {
    .lock = SPINLOCK_INIT(LOCK_RANK_CORE, "console input"),
    .held = NONE,
};

/* Whose the byte is; NULL: it says whose the next one is. */
static struct input_channel *owner_of_locked(char byte)
{
    bool was_escaped = input.is_escaped;

    input.is_escaped = !was_escaped && byte == CONSOLE_ESCAPE;
    if (input.is_escaped) {
        return NULL;
    }
    return input.programs_listen && (!was_escaped || byte == CONSOLE_ESCAPE) ? input.programs
                                                                             : input.keys;
}

/* Returns whether there is room for a further one. */
static bool give_held_locked(void)
{
    char byte = (char)input.held;

    if (input.held != NONE && input_channel_try_send(input.owner, &byte) == HX_OK) {
        input.held = NONE;
    }
    return input.held == NONE;
}

/* A byte from the device to whose it is; NONE: there is none, or no room for one. */
static int take_locked(void)
{
    int byte = input.is_open && give_held_locked() ? hal_console_read() : NONE;

    if (byte >= 0) {
        atomic_fetch_add_explicit(&input.taken, 1, memory_order_relaxed);
        input.owner = owner_of_locked((char)byte);
        input.held = input.owner != NULL ? byte : NONE;
        (void)give_held_locked();
    }
    return byte;
}

/* As take_locked, of a byte that is here already. */
static bool type_locked(char byte)
{
    if (!give_held_locked()) {
        return false;
    }
    atomic_fetch_add_explicit(&input.taken, 1, memory_order_relaxed);
    input.owner = owner_of_locked(byte);
    input.held = input.owner != NULL ? (uint8_t)byte : NONE;
    (void)give_held_locked();
    return true;
}

hx_err console_input_type(char byte)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);
    hx_err error = HX_ECLOSED;

    if (input.is_open) {
        error = type_locked(byte) ? HX_OK : HX_EAGAIN;
    }
    spinlock_release(&input.lock, state);
    return error;
}

bool console_input_attend(void)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);
    bool was_there = false;

    while (take_locked() >= 0) {
        was_there = true;
    }
    spinlock_release(&input.lock, state);
    return was_there;
}

/* --- a driver --------------------------------------------------------------------------------- */

void console_input_ask(uint32_t count)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);

    input.asked = count;
    input.answered = 0;
    spinlock_release(&input.lock, state);
}

bool console_input_take(uint8_t *byte)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);
    int taken = input.asked > 0 ? take_locked() : NONE;

    if (taken >= 0) {
        input.asked--;
        input.answered++;
        atomic_fetch_add_explicit(&input.taken_by_driver, 1, memory_order_relaxed);
        *byte = (uint8_t)taken;
    }
    spinlock_release(&input.lock, state);
    return taken >= 0;
}

uint32_t console_input_answer(void)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);
    uint32_t answered = input.answered;

    input.asked = 0;
    spinlock_release(&input.lock, state);
    return answered;
}

/* --- readers ---------------------------------------------------------------------------------- */

void console_input_set_request(void (*request)(void))
{
    atomic_store_explicit(&input.request, request, memory_order_release);
}

static void go_on(void)
{
    void (*request)(void) = atomic_load_explicit(&input.request, memory_order_acquire);

    if (request != NULL) {
        request();
    } else {
        (void)console_input_attend();
    }
}

static bool is_held_up(void)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);
    bool answer = input.held != NONE;

    spinlock_release(&input.lock, state);
    return answer;
}

static hx_err read_from(struct input_channel *channel, char *byte, uint64_t deadline_ns)
{
    hx_err error = input_channel_receive(channel, byte, deadline_ns);

    if (error == HX_OK && is_held_up()) {
        go_on();
    }
    return error;
}

hx_err console_read_byte(char *byte, uint64_t deadline_ns)
{
    return read_from(input.keys, byte, deadline_ns);
}

hx_err console_read_program_byte(char *byte, uint64_t deadline_ns)
{
    return read_from(input.programs, byte, deadline_ns);
}

void console_let_programs_listen(bool listen)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);

    input.programs_listen = listen;
    spinlock_release(&input.lock, state);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static void set_open(bool is_open)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);

    input.is_open = is_open;
    spinlock_release(&input.lock, state);
}

static hx_err make(struct input_channel **channel)
{
    return *channel == NULL ? input_channel_create(INPUT_SIZE, NULL, OWNER_CORE, channel) : HX_OK;
}

hx_err console_input_init(void)
{
    hx_err error = make(&input.keys);

    error = error == HX_OK ? make(&input.programs) : error;
    if (error == HX_OK) {
        set_open(true);
    }
    return error;
}

void console_input_fini(void)
{
    set_open(false);
    input_channel_sender_put(input.keys);
    input_channel_sender_put(input.programs);
}

uint64_t console_input_count(void)
{
    return atomic_load_explicit(&input.taken, memory_order_relaxed);
}

uint64_t console_input_driver_count(void)
{
    return atomic_load_explicit(&input.taken_by_driver, memory_order_relaxed);
}

size_t console_input_memory(void)
{
    return heap_usable_size(input.keys) + heap_usable_size(input.programs);
}
