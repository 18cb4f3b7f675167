/* helixctl top: take a sample, draw it, mind the keys. */
#include "top.h"

#include "helixctl.h"
#include "output.h"
#include "screen.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_MS 200L /* what the first picture looks back on */

struct top {
    struct top_sample before, now;
    struct top_view view;
    long interval_ms;
    unsigned long pictures; /* that are still to be shown */
};

static bool take(struct top *top)
{
    struct top_sample next;

    if (!top_take(&next, top->now.time_us != 0 ? &top->now : NULL)) {
        top_release(&next);
        return false;
    }
    top_release(&top->before);
    top->before = top->now;
    top->now = next;
    return true;
}

static void draw(struct top *top)
{
    screen_begin();
    top_draw(&top->now, &top->view);
    screen_show();
}

/* Whether there is to be more. */
static bool obey(struct top *top, int key)
{
    struct top_view *view = &top->view;

    switch (key) {
    case 'q':
    case KEY_END:
        return false;
    case 'h':
    case '?':
        view->shows_help = !view->shows_help;
        break;
    case 'c':
        view->order = TOP_BY_CPU;
        break;
    case 'm':
        view->order = TOP_BY_MEMORY;
        break;
    case 'p':
        view->order = TOP_BY_NUMBER;
        break;
    case 'n':
        view->order = TOP_BY_NAME;
        break;
    case 't':
        view->shows_threads = !view->shows_threads;
        break;
    default:
        break;
    }
    return true;
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Show the sample, and as the keys want it, until the next is due; whether there is to be more. */
static bool show(struct top *top)
{
    long end = now_ms() + top->interval_ms;
    bool goes_on = true;
    long left;

    draw(top);
    while (goes_on && (left = end - now_ms()) > 0) {
        int key = screen_wait(left);

        goes_on = obey(top, key);
        if (goes_on && key != KEY_NONE) {
            draw(top);
        }
    }
    return goes_on;
}

static int run_on_screen(struct top *top)
{
    bool goes_on = true;
    int status = STATUS_OK;

    while (goes_on && top->pictures-- > 0) {
        if (!take(top)) {
            status = STATUS_FAILED; /* the sentence is gone with the screen: see below */
            break;
        }
        goes_on = show(top);
    }
    screen_leave();
    if (status != STATUS_OK) {
        (void)take(top); /* it says again what is wrong */
    }
    return status;
}

/* No terminal: the pictures one after the other. */
static int run_plain(struct top *top)
{
    top->view.is_plain = true;
    for (;;) {
        if (!take(top)) {
            return STATUS_FAILED;
        }
        top_draw(&top->now, &top->view);
        fflush(stdout);
        if (--top->pictures == 0) {
            return STATUS_OK;
        }
        putchar('\n');
        (void)nanosleep(&(struct timespec){.tv_sec = top->interval_ms / 1000,
                                           .tv_nsec = top->interval_ms % 1000 * 1000000},
                        NULL);
    }
}

static int run(struct top *top, bool is_endless)
{
    int status;

    if (!take(top)) {
        return STATUS_FAILED;
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = FIRST_MS * 1000000}, NULL);
    if (screen_enter()) {
        return run_on_screen(top);
    }
    top->pictures = is_endless ? 1 : top->pictures;
    status = run_plain(top);
    return status;
}

int run_top(struct request *request)
{
    const char *delay = request_take_value(request, "-d");
    const char *count = request_take_value(request, "-n");
    struct top top = {.interval_ms = 2000, .pictures = ULONG_MAX};
    int status;

    if (!request_has_words(request, 0, 0)) {
        return STATUS_USAGE;
    }
    if (request->is_json) {
        return request_is_wrong(request, "for programs there is helixctl --json threads");
    }
    if (delay != NULL) {
        top.interval_ms = (long)(strtod(delay, NULL) * 1000);
    }
    if (count != NULL) {
        top.pictures = strtoul(count, NULL, 10);
    }
    if (top.interval_ms < 100 || top.interval_ms > 3600000 || top.pictures == 0) {
        return request_is_wrong(request, "SECONDS are 0.1 to 3600, COUNT at least 1");
    }
    status = run(&top, count == NULL);
    top_release(&top.before);
    top_release(&top.now);
    return status;
}
