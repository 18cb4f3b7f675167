/* The numbers of helixctl top, from /helix/state, threads and topics, and /proc. */
#include "output.h"
#include "source.h"
#include "table.h"
#include "top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

/* --- the machine ------------------------------------------------------------------------------ */

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool take_state(struct top_sample *sample)
{
    char *text = source_read("state", NULL);
    struct table state;

    if (text == NULL || !table_parse(&state, text)) {
        free(text);
        return false;
    }
    copy(sample->version, sizeof(sample->version), table_value(&state, "version"));
    copy(sample->state, sizeof(sample->state), table_value(&state, "state"));
    sample->is_healthy = strcmp(table_value(&state, "healthy"), "yes") == 0;
    sample->uptime_ms = table_number(&state, 0, "uptime_ms");
    sample->memory_total = table_number(&state, 0, "memory_total");
    sample->memory_used = sample->memory_total - table_number(&state, 0, "memory_free");
    sample->heap = table_number(&state, 0, "heap");
    sample->processors = (unsigned)table_number(&state, 0, "cpus_online");
    sample->processes = (unsigned)table_number(&state, 0, "processes");
    sample->all_threads = (unsigned)table_number(&state, 0, "threads");
    table_free(&state);
    free(text);
    return true;
}

static void take_load(struct top_sample *sample)
{
    char text[64];
    FILE *file = fopen("/proc/loadavg", "r");

    copy(sample->load, sizeof(sample->load), "-");
    if (file != NULL) {
        if (fgets(text, sizeof(text), file) != NULL) {
            char one[8], five[8], fifteen[8];

            if (sscanf(text, "%7s %7s %7s", one, five, fifteen) == 3) {
                (void)snprintf(sample->load, sizeof(sample->load), "%s %s %s", one, five, fifteen);
            }
        }
        fclose(file);
    }
}

/* Who may not see the topics sees the rest. */
static void take_events(struct top_sample *sample)
{
    char *text = source_try_read("topics", NULL);
    struct table topics;

    if (text != NULL && table_parse(&topics, text)) {
        sample->has_events = true;
        for (size_t i = 0; i < topics.rows; i++) {
            sample->events += table_number(&topics, i, "published");
        }
        table_free(&topics);
    }
    free(text);
}

/* --- threads and processes -------------------------------------------------------------------- */

/* Bytes that a process has in memory; 0 for one that has ended meanwhile. */
static uint64_t resident_bytes(unsigned process)
{
    char path[32];
    unsigned long long all, resident = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%u/statm", process);
    file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &all, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What a process was started as, with blanks between the words; its name otherwise. */
static void name_process(struct top_row *row)
{
    char path[32];
    char words[TOP_NAME_MAX];
    size_t length;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%u/cmdline", row->id);
    file = fopen(path, "r");
    if (file == NULL) {
        return;
    }
    length = fread(words, 1, sizeof(words) - 1, file);
    fclose(file);
    while (length > 0 && words[length - 1] == '\0') {
        length--;
    }
    for (size_t i = 0; i < length; i++) {
        row->name[i] = words[i];
        if ((unsigned char)words[i] <= ' ') {
            row->name[i] = ' ';
        }
    }
    if (length > 0) {
        row->name[length] = '\0';
    }
}

static bool take_threads(struct top_sample *sample, const struct table *threads)
{
    struct top_rows *all = &sample->by_thread;

    all->rows = calloc(threads->rows + 1, sizeof(*all->rows));
    if (all->rows == NULL) {
        return false;
    }
    for (size_t i = 0; i < threads->rows; i++) {
        const char *state = table_cell(threads, i, table_column(threads, "state"));
        struct top_row *row = &all->rows[all->count];

        if (strcmp(state, "idle") == 0 || table_number(threads, i, "priority") == 0) {
            continue; /* that is nobody's work */
        }
        row->id = (unsigned)table_number(threads, i, "id");
        row->process = (unsigned)table_number(threads, i, "process");
        row->threads = 1;
        row->run_us = table_number(threads, i, "run_us");
        copy(row->state, sizeof(row->state), state);
        copy(row->name, sizeof(row->name), table_cell(threads, i, table_column(threads, "name")));
        all->count++;
    }
    return true;
}

static int compare_processes(const void *left, const void *right)
{
    const struct top_row *a = left, *b = right;
    int by_process = (a->process > b->process) - (a->process < b->process);

    return by_process != 0 ? by_process : (a->id > b->id) - (a->id < b->id);
}

/* The row of the process of a thread. */
static void begin_process(struct top_row *row, const struct top_row *thread, uint64_t heap)
{
    *row = *thread;
    row->id = thread->process;
    row->threads = 0;
    row->run_us = row->used_us = 0;
    if (row->id == 0) {
        row->memory = heap;
        copy(row->name, sizeof(row->name), "(kernel)");
    } else {
        row->memory = resident_bytes(row->id);
        name_process(row);
    }
}

/* Add up the threads of each process; sorted, they stand side by side. */
static bool sum_processes(struct top_sample *sample)
{
    const struct top_rows *threads = &sample->by_thread;
    struct top_rows *all = &sample->by_process;

    all->rows = calloc(threads->count + 1, sizeof(*all->rows));
    if (all->rows == NULL) {
        return false;
    }
    qsort(threads->rows, threads->count, sizeof(*threads->rows), compare_processes);
    for (size_t i = 0; i < threads->count; i++) {
        const struct top_row *thread = &threads->rows[i];
        struct top_row *row = all->rows + all->count;

        if (all->count > 0 && row[-1].id == thread->process) {
            row--;
        } else {
            begin_process(row, thread, sample->heap);
            all->count++;
        }
        row->threads++;
        row->run_us += thread->run_us;
        row->used_us += thread->used_us;
    }
    return true;
}

static int compare_ids(const void *left, const void *right)
{
    const struct top_row *a = left, *b = right;

    return (a->id > b->id) - (a->id < b->id);
}

/* What each thread used since the sample before; a new one, since its start. */
static void compare_with(struct top_sample *sample, const struct top_sample *before)
{
    struct top_rows *threads = &sample->by_thread;

    sample->span_us = sample->time_us - before->time_us;
    sample->new_events = sample->events - before->events;
    qsort(before->by_thread.rows, before->by_thread.count, sizeof(struct top_row), compare_ids);
    for (size_t i = 0; i < threads->count; i++) {
        struct top_row *row = &threads->rows[i];
        const struct top_row *old = bsearch(row, before->by_thread.rows, before->by_thread.count,
                                            sizeof(*row), compare_ids);
        uint64_t used_before = old != NULL ? old->run_us : 0;

        row->used_us = row->run_us > used_before ? row->run_us - used_before : 0;
        sample->busy_us += row->used_us;
    }
}

bool top_take(struct top_sample *sample, const struct top_sample *before)
{
    struct table threads;
    char *text;
    bool is_whole;

    *sample = (struct top_sample){.time_us = now_us()};
    text = source_read("threads", NULL);
    if (text == NULL) {
        return false;
    }
    if (!table_parse(&threads, text)) {
        free(text);
        return false;
    }
    is_whole = take_threads(sample, &threads) && take_state(sample);
    table_free(&threads);
    free(text);
    take_load(sample);
    take_events(sample);
    if (is_whole && before != NULL) {
        compare_with(sample, before);
    }
    return is_whole && sum_processes(sample);
}

void top_release(struct top_sample *sample)
{
    free(sample->by_process.rows);
    free(sample->by_thread.rows);
    *sample = (struct top_sample){.time_us = 0};
}

/* --- order ------------------------------------------------------------------------------------ */

static int greater_first(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int by_cpu(const void *left, const void *right)
{
    const struct top_row *a = left, *b = right;
    int order = greater_first(a->used_us, b->used_us);

    order = order != 0 ? order : greater_first(a->run_us, b->run_us);
    return order != 0 ? order : compare_ids(left, right);
}

static int by_memory(const void *left, const void *right)
{
    const struct top_row *a = left, *b = right;
    int order = greater_first(a->memory, b->memory);

    return order != 0 ? order : compare_ids(left, right);
}

static int by_name(const void *left, const void *right)
{
    const struct top_row *a = left, *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : compare_ids(left, right);
}

void top_sort(struct top_rows *rows, enum top_order order)
{
    static int (*const comparisons[])(const void *, const void *) = {
        [TOP_BY_CPU] = by_cpu,
        [TOP_BY_MEMORY] = by_memory,
        [TOP_BY_NUMBER] = compare_ids,
        [TOP_BY_NAME] = by_name,
    };

    qsort(rows->rows, rows->count, sizeof(*rows->rows), comparisons[order]);
}
