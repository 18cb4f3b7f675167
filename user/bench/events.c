/* What a program is told of: signals, and files that are ready. */
#include "bench.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static volatile uint32_t handled;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

/* From kill to the line behind it, with the handler between them. */
static uint64_t signal_to_oneself(uint32_t runs)
{
    const struct sigaction action = {.sa_handler = count_signal};
    int64_t self = getpid();

    handled = 0;
    if (sigaction(SIGUSR1, &action, NULL) != 0) {
        return FAILED;
    }
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        (void)call_2(SYS_kill, self, SIGUSR1);
    }
    uint64_t all = instructions_since(start);

    (void)signal(SIGUSR1, SIG_DFL);
    return handled == runs ? all : FAILED;
}

#define MEMBERS 4

/* Watched counters, of which only the last has something to read. */
static int watch_counters(int set, int counters[MEMBERS])
{
    int added = 0;

    for (unsigned i = 0; i < MEMBERS; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = i};

        counters[i] = eventfd(i == MEMBERS - 1, EFD_NONBLOCK);
        added += epoll_ctl(set, EPOLL_CTL_ADD, counters[i], &wanted) == 0;
    }
    return added == MEMBERS;
}

static uint64_t epoll_wait_ready(uint32_t runs)
{
    struct epoll_event event = {0};
    int counters[MEMBERS];
    int set = epoll_create1(0);
    uint32_t done = 0;

    if (!watch_counters(set, counters)) {
        return FAILED;
    }
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += call_4(SYS_epoll_wait, set, (int64_t)&event, 1, -1) == 1;
    }
    uint64_t all = instructions_since(start);

    for (unsigned i = 0; i < MEMBERS; i++) {
        close(counters[i]);
    }
    close(set);
    return done == runs && event.data.u32 == MEMBERS - 1 ? all : FAILED;
}

const struct figure event_figures[] = {
    {"signal_self", 5000, signal_to_oneself},
    {"epoll_wait_ready", 5000, epoll_wait_ready},
    {0},
};
