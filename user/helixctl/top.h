/* What helixctl top looks at. */
#ifndef USER_HELIXCTL_TOP_H
#define USER_HELIXCTL_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOP_NAME_MAX 64

/* A process, all kernel threads together, or a thread. */
struct top_row {
    unsigned id;
    unsigned process;        /* of a thread; 0: the kernel */
    unsigned threads;        /* of a process */
    char state[12];          /* of a thread */
    uint64_t run_us;         /* since its start */
    uint64_t used_us;        /* since the sample before */
    uint64_t memory;         /* of a process, bytes resident */
    char name[TOP_NAME_MAX]; /* of a process: its command line */
};

struct top_rows {
    struct top_row *rows;
    size_t count;
};

/* The machine at one moment. */
struct top_sample {
    uint64_t time_us; /* CLOCK_MONOTONIC */
    uint64_t span_us; /* since the sample before */
    char version[32], state[16], load[32];
    bool is_healthy;
    uint64_t uptime_ms, memory_total, memory_used, heap;
    unsigned processors, processes, all_threads;
    uint64_t events;     /* published since the start */
    uint64_t busy_us;    /* of all processors, since the sample before */
    uint64_t new_events; /* since the sample before */
    bool has_events;     /* the topics may be seen */
    struct top_rows by_process, by_thread;
};

/*
 * Look at the machine; `before` is the sample before, or NULL. False: it could not be seen, which
 * was said.
 */
bool top_take(struct top_sample *sample, const struct top_sample *before);
void top_release(struct top_sample *sample);

enum top_order { TOP_BY_CPU, TOP_BY_MEMORY, TOP_BY_NUMBER, TOP_BY_NAME };

/* Sort rows; the greatest first where that matters. */
void top_sort(struct top_rows *rows, enum top_order order);

struct top_view {
    enum top_order order;
    bool shows_threads;
    bool shows_help;
    bool is_plain; /* to be printed, without a screen */
};

void top_draw(struct top_sample *sample, const struct top_view *view);

#endif
