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
    bool programs_listen;        /* L */
    bool is_escaped;             /* L  CONSOLE_ESCAPE was the last byte */
    int held;                    /* L  a byte that found no room; NONE */
    struct input_channel *owner; /* L  whose that is */
    _Atomic uint64_t taken;      /* A */
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

static bool attend_locked(void)
{
    bool was_there = false;
    int byte;

    while (give_held_locked() && (byte = hal_console_read()) >= 0) {
        was_there = true;
        atomic_fetch_add_explicit(&input.taken, 1, memory_order_relaxed);
        input.owner = owner_of_locked((char)byte);
        input.held = input.owner != NULL ? byte : NONE;
    }
    return was_there;
}

bool console_input_attend(void)
{
    hal_interrupt_state state = spinlock_acquire(&input.lock);
    bool was_there = attend_locked();

    spinlock_release(&input.lock, state);
    return was_there;
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
        (void)console_input_attend();
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

static hx_err make(struct input_channel **channel)
{
    return *channel == NULL ? input_channel_create(INPUT_SIZE, NULL, OWNER_CORE, channel) : HX_OK;
}

hx_err console_input_init(void)
{
    hx_err error = make(&input.keys);

    return error == HX_OK ? make(&input.programs) : error;
}

void console_input_fini(void)
{
    input_channel_sender_put(input.keys);
    input_channel_sender_put(input.programs);
}

uint64_t console_input_count(void)
{
    return atomic_load_explicit(&input.taken, memory_order_relaxed);
}

size_t console_input_memory(void)
{
    return heap_usable_size(input.keys) + heap_usable_size(input.programs);
}
