/*
 * The console on standard input and output. Input: a helper pthread waits until bytes are there and
 * raises the line once; it waits again after the kernel has read all of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <hal/console.h>
#include <poll.h>
#include <ports/hosted/hosted.h>
#include <ports/hosted/machine.h>
#include <unistd.h>

#define CONSOLE_LINE 4 /* COM1's on a PC */

#define WRITE_TIMEOUT_MS 10000 /* whoever reads there may have to wait for a busy host */

/* What the helper does: values of the futex word `input`. */
enum { INPUT_IDLE, INPUT_WANTED, INPUT_STOPPING };

static _Atomic uint32_t input;
static pthread_t helper;
static bool has_helper;

/* Wait until an event is there, at most so long (-1: for ever). */
static bool wait_for(int descriptor, short event, int timeout_ms)
{
    struct pollfd poll_for = {.fd = descriptor, .events = event};

    return poll(&poll_for, 1, timeout_ms) == 1 && (poll_for.revents & (event | POLLHUP)) != 0;
}

void hal_console_write(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);

        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (errno != EINTR &&
                   (errno != EAGAIN || !wait_for(STDOUT_FILENO, POLLOUT, WRITE_TIMEOUT_MS))) {
            return;
        }
    }
}

/* write(2) has handed everything over already. */
void hal_console_flush(void)
{
}

static void want_input(void)
{
    uint32_t expected = INPUT_IDLE;

    if (atomic_compare_exchange_strong_explicit(&input, &expected, INPUT_WANTED,
                                                memory_order_acq_rel, memory_order_relaxed)) {
        hosted_futex_wake(&input);
    }
}

int hal_console_read(void)
{
    unsigned char byte;

    if (wait_for(STDIN_FILENO, POLLIN, 0)) {
        if (read(STDIN_FILENO, &byte, 1) == 1) {
            return byte;
        }
        return -1; /* the end: nothing will come any more, so the line stays silent */
    }
    if (has_helper) {
        want_input();
    }
    return -1;
}

/* There is a descriptor, and no device. */
bool hal_console_has_registers(void)
{
    return false;
}

uint8_t hal_console_register(uint32_t index)
{
    (void)index;
    return 0;
}

void hal_console_set_register(uint32_t index, uint8_t value)
{
    (void)index;
    (void)value;
}

int hal_console_line(void)
{
    return CONSOLE_LINE;
}

/* Sleeps in poll in steps, so that hosted_console_stop can end it. */
static void *helper_main(void *argument)
{
    uint32_t wanted;

    (void)argument;
    while ((wanted = atomic_load_explicit(&input, memory_order_acquire)) != INPUT_STOPPING) {
        if (wanted == INPUT_IDLE) {
            hosted_futex_wait(&input, INPUT_IDLE, HOSTED_NO_DEADLINE);
        } else if (wait_for(STDIN_FILENO, POLLIN, WRITE_TIMEOUT_MS) &&
                   atomic_compare_exchange_strong_explicit(
                       &input, &wanted, INPUT_IDLE, memory_order_acq_rel, memory_order_relaxed)) {
            hosted_raise_line(CONSOLE_LINE);
        }
    }
    return NULL;
}

void hal_console_enable_input(void)
{
    if (!has_helper) {
        atomic_store_explicit(&input, INPUT_WANTED, memory_order_relaxed);
        has_helper = pthread_create(&helper, NULL, helper_main, NULL) == 0;
    }
}

void hosted_console_stop(void)
{
    if (has_helper) {
        atomic_store_explicit(&input, INPUT_STOPPING, memory_order_release);
        hosted_futex_wake(&input);
        pthread_join(helper, NULL);
        has_helper = false;
    }
}
