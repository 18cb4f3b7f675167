/* The picture of helixctl top. */
#include "output.h"
#include "screen.h"
#include "top.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BAR_WIDTH 20

/* A line on the screen, or of plain output. */
__attribute__((format(printf, 2, 3))) static void line(const struct top_view *view,
                                                       const char *format, ...)
{
    char text[512];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (view->is_plain) {
        puts(text);
    } else {
        screen_line("%s", text);
    }
}

/* Tenths of a percent. */
static unsigned share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (unsigned)(part * 1000 / whole) : 0;
}

static const char *bar(unsigned tenths)
{
    static char text[BAR_WIDTH + 1];
    unsigned full = tenths * BAR_WIDTH / 1000;

    for (unsigned i = 0; i < BAR_WIDTH; i++) {
        text[i] = i < full ? '#' : '.';
    }
    text[BAR_WIDTH] = '\0';
    return text;
}

static void draw_head(const struct top_sample *sample, const struct top_view *view)
{
    unsigned long long seconds = sample->uptime_ms / 1000;
    enum style health = sample->is_healthy ? STYLE_GOOD : STYLE_BAD;
    unsigned busy = share(sample->busy_us, sample->span_us * sample->processors);
    unsigned used = share(sample->memory_used, sample->memory_total);
    char events[32] = "-";

    if (sample->has_events && sample->span_us > 0) {
        (void)snprintf(events, sizeof(events), "%llu/s",
                       (unsigned long long)(sample->new_events * 1000000 / sample->span_us));
    }
    busy = busy > 1000 ? 1000 : busy;
    line(view, "Helix %s  %s, %s%s%s  up %llu:%02llu:%02llu  load %s", sample->version,
         sample->state, style_begin(health), sample->is_healthy ? "healthy" : "not healthy",
         style_end(health), seconds / 3600, seconds / 60 % 60, seconds % 60, sample->load);
    line(view, "CPU     %3u.%u%%  [%s]  of %u  events %s", busy / 10, busy % 10, bar(busy),
         sample->processors, events);
    line(view, "Memory  %3u.%u%%  [%s]  %s of %s  kernel heap %s", used / 10, used % 10, bar(used),
         as_size(sample->memory_used), as_size(sample->memory_total), as_size(sample->heap));
    line(view, "Running %u processes, %u threads", sample->processes, sample->all_threads);
    line(view, "%s", "");
}

/* The name of a column, marked if it is the one that sorts. */
static const char *heading(const struct top_view *view, enum top_order order, const char *name,
                           char text[16])
{
    (void)snprintf(text, 16, "%s%s", view->order == order ? "*" : "", name);
    return text;
}

static void draw_heading(const struct top_view *view)
{
    char cpu[16], memory[16], number[16], name[16];

    heading(view, TOP_BY_CPU, "CPU%", cpu);
    heading(view, TOP_BY_MEMORY, "MEMORY", memory);
    heading(view, TOP_BY_NAME, "NAME", name);
    if (view->shows_threads) {
        heading(view, TOP_BY_NUMBER, "THREAD", number);
        line(view, "%s%7s %7s %6s %10s  %-9s %s%s", style_begin(STYLE_HEADING), number, "PID", cpu,
             "TIME", "STATE", name, style_end(STYLE_HEADING));
    } else {
        heading(view, TOP_BY_NUMBER, "PID", number);
        line(view, "%s%7s %7s %6s %10s %8s  %s%s", style_begin(STYLE_HEADING), number, "THREADS",
             cpu, "TIME", memory, name, style_end(STYLE_HEADING));
    }
}

static void draw_row(const struct top_row *row, const struct top_sample *sample,
                     const struct top_view *view)
{
    unsigned cpu = share(row->used_us, sample->span_us);
    char time[24];

    (void)snprintf(time, sizeof(time), "%llu.%02llu", (unsigned long long)(row->run_us / 1000000),
                   (unsigned long long)(row->run_us / 10000 % 100));
    if (view->shows_threads) {
        line(view, "%7u %7u %4u.%u %10s  %-9s %s", row->id, row->process, cpu / 10, cpu % 10, time,
             row->state, row->name);
    } else {
        line(view, "%7u %7u %4u.%u %10s %8s  %s", row->id, row->threads, cpu / 10, cpu % 10, time,
             as_size(row->memory), row->name);
    }
}

static void draw_help(const struct top_view *view)
{
    static const char *const lines[] = {
        "Keys",
        "",
        "  c  sort by use of the processors",
        "  m  sort by memory",
        "  p  sort by number",
        "  n  sort by name",
        "  t  threads, or processes",
        "  h  this page, and back",
        "  q  quit; so does ^C. ^Z stops, fg goes on",
        "",
        "CPU% is of one processor, since the picture before; TIME in seconds.",
        "Process 0 is the kernel's own threads, its memory their heap.",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        line(view, "%s", lines[i]);
    }
}

void top_draw(struct top_sample *sample, const struct top_view *view)
{
    struct top_rows *rows = view->shows_threads ? &sample->by_thread : &sample->by_process;

    draw_head(sample, view);
    if (view->shows_help) {
        draw_help(view);
        return;
    }
    draw_heading(view);
    top_sort(rows, view->order);
    for (size_t i = 0; i < rows->count && (view->is_plain || screen_rows_left() > 1); i++) {
        draw_row(&rows->rows[i], sample, view);
    }
    if (!view->is_plain) {
        while (screen_rows_left() > 1) {
            screen_line("%s", "");
        }
        screen_line("%sq quit  h help  sort: c cpu  m memory  p number  n name  t threads%s",
                    style_begin(STYLE_FAINT), style_end(STYLE_FAINT));
    }
}
