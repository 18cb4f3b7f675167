/*
 * One timed run of a peer: prints `NANOSECONDS OPERATIONS`.
 *
 *     PEER pairs ROUNDS              try_send and try_receive in turn on one thread
 *     PEER stream SENDERS ITEMS      so many in all from senders on threads of their own, trying
 *     PEER blocking SENDERS ITEMS    the same, sleeping
 *     PEER ping ROUNDS               there and back through two queues, sleeping
 *
 * Exit status: 0; 1 something went wrong; 2 wrong usage; 3 the peer cannot block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/bench-host/peer.h>
#include <tests/bench-host/threads.h>
#include <time.h>

#define CAPACITY 256U

#define WRONG_USAGE  2
#define CANNOT_BLOCK 3

struct run {
    uint32_t senders;
    uint64_t count; /* of each sender, or rounds */
    bool blocks;
    struct queue *there;
    struct queue *back; /* of ping */
    uint64_t sum;
    uint64_t nanoseconds;
    bool can_block;
};

struct sender {
    struct run *run;
    uint32_t number;
};

static struct run run;
static int (*chosen)(void);

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static uint64_t now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static struct queue *create(uint32_t senders, uint64_t most)
{
    struct queue *queue = peer_create(CAPACITY, senders, most);

    if (queue == NULL) {
        fprintf(stderr, "the queue cannot be made\n");
        _Exit(EXIT_FAILURE);
    }
    return queue;
}

static int report(uint64_t operations)
{
    printf("%llu %llu\n", (unsigned long long)run.nanoseconds, (unsigned long long)operations);
    return EXIT_SUCCESS;
}

/* --- one thread ------------------------------------------------------------------------------- */

/* Time on the CPU: on one thread, what others of the machine do does not belong to it. */
static void do_pairs(void *argument)
{
    uint64_t start = read_clock(CLOCK_THREAD_CPUTIME_ID);

    (void)argument;
    run.sum = peer_pairs(run.there, run.count);
    run.nanoseconds = read_clock(CLOCK_THREAD_CPUTIME_ID) - start;
}

static int run_pairs(void)
{
    const struct threads_work work = {do_pairs, NULL};

    run.there = create(1, run.count);
    threads_run(&work, 1);
    if (run.sum != 0) {
        fprintf(stderr, "%llu operations failed\n", (unsigned long long)run.sum);
        return EXIT_FAILURE;
    }
    return report(run.count);
}

/* --- several senders -------------------------------------------------------------------------- */

static void do_send(void *argument)
{
    const struct sender *sender = argument;

    if (run.blocks) {
        (void)peer_send_blocking(run.there, run.count);
    } else {
        peer_send(run.there, sender->number, run.count);
    }
}

static void do_receive(void *argument)
{
    uint64_t total = run.count * run.senders;
    uint64_t start = now();

    (void)argument;
    run.can_block = true;
    if (run.blocks) {
        run.can_block = peer_receive_blocking(run.there, total, &run.sum);
    } else {
        run.sum = peer_receive(run.there, total);
    }
    run.nanoseconds = now() - start;
}

static int run_stream(void)
{
    struct sender senders[THREADS_MAX];
    struct threads_work works[THREADS_MAX] = {{do_receive, NULL}};

    run.there = create(run.senders, run.count);
    for (uint32_t i = 0; i < run.senders; i++) {
        senders[i] = (struct sender){&run, i};
        works[i + 1] = (struct threads_work){do_send, &senders[i]};
    }
    threads_run(works, run.senders + 1);
    if (!run.can_block) {
        return CANNOT_BLOCK;
    }
    if (run.sum != run.senders * (run.count * (run.count + 1) / 2)) {
        fprintf(stderr, "what was received is not what was sent\n");
        return EXIT_FAILURE;
    }
    return report(run.count * run.senders);
}

/* --- there and back --------------------------------------------------------------------------- */

static void do_ping(void *argument)
{
    uint64_t start = now();

    (void)argument;
    for (uint64_t i = 0; i < run.count; i++) {
        run.can_block =
            peer_send_blocking(run.there, 1) && peer_receive_blocking(run.back, 1, &run.sum);
    }
    run.nanoseconds = now() - start;
}

static void do_pong(void *argument)
{
    uint64_t sum;

    (void)argument;
    for (uint64_t i = 0; i < run.count; i++) {
        if (!peer_receive_blocking(run.there, 1, &sum) || !peer_send_blocking(run.back, 1)) {
            return;
        }
    }
}

static int run_ping(void)
{
    const struct threads_work works[] = {{do_ping, NULL}, {do_pong, NULL}};

    run.there = create(1, run.count);
    run.back = create(1, run.count);
    threads_run(works, 2);
    return run.can_block ? report(run.count) : CANNOT_BLOCK;
}

/* --- usage ------------------------------------------------------------------------------------ */

/* The argument's positive number, 0 where it is none. */
static uint64_t number_at(int count, char **words, int index)
{
    return index < count ? strtoull(words[index], NULL, 10) : 0;
}

static bool choose(int count, char **words)
{
    const char *mode = count > 1 ? words[1] : "";
    bool is_alone = strcmp(mode, "pairs") == 0 || strcmp(mode, "ping") == 0;

    run.blocks = strcmp(mode, "blocking") == 0;
    run.senders = is_alone ? 1 : (uint32_t)number_at(count, words, 2);
    run.count = number_at(count, words, is_alone ? 2 : 3);
    if (run.senders == 0 || run.senders >= THREADS_MAX || run.count == 0) {
        return false;
    }
    run.count = (run.count + run.senders - 1) / run.senders;
    if (is_alone) {
        chosen = strcmp(mode, "pairs") == 0 ? run_pairs : run_ping;
        return true;
    }
    chosen = run_stream;
    return run.blocks || strcmp(mode, "stream") == 0;
}

int main(int argc, char **argv)
{
    if (!choose(argc, argv)) {
        fprintf(stderr, "usage: %s pairs|ping ROUNDS, or stream|blocking SENDERS ITEMS\n", argv[0]);
        return WRONG_USAGE;
    }
    threads_start(chosen == run_pairs ? 1 : chosen == run_ping ? 2 : run.senders + 1, chosen);
}
