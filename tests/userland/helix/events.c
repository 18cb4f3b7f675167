/* Events: what a reader hears, however it reads. */
#define _GNU_SOURCE
#include "helix_events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

/* A reader that lags gets what its ring holds, and hears how much it missed. */
void slow(void)
{
    int file = open_stream(O_NONBLOCK);
    unsigned long before = topic_number("process", 2);
    struct heard first, last;

    make_events(300);
    first = drain(file, 4096);
    CHECK(first.events == 256 && first.dropped == 0);
    make_events(1); /* what was missed is told with what comes next */
    last = drain(file, 4096);
    CHECK(last.events == 2);
    CHECK(first.events + last.events + last.dropped == topic_number("process", 2) - before);
    CHECK(last.dropped == 600 - 256);
    make_events(1);
    last = drain(file, 4096);
    CHECK(last.events == 2 && last.dropped == 0);
    close(file);
}

/* Bytes at a time, or into a hole of the address space: no line is lost or comes twice. */
void pieces(void)
{
    int file = open_stream(O_NONBLOCK);
    struct heard heard;
    char byte;

    make_events(20);
    CHECK(read(file, (char *)8, 100) == -1 && errno == EFAULT);
    CHECK(read(file, &byte, 0) == 0);
    heard = drain(file, 1);
    CHECK(heard.events == 40 && heard.dropped == 0);
    close(file);
}

void polled(void)
{
    int file = open_stream(O_NONBLOCK);
    int set = epoll_create1(0);
    struct pollfd wanted = {.fd = file, .events = POLLIN};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 7};

    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, file, &event) == 0);
    CHECK(poll(&wanted, 1, 0) == 0 && epoll_wait(set, &event, 1, 0) == 0);
    make_events(1);
    CHECK(poll(&wanted, 1, -1) == 1 && wanted.revents == POLLIN);
    CHECK(epoll_wait(set, &event, 1, -1) == 1 && event.data.u32 == 7);
    CHECK(drain(file, 64).events == 2);
    CHECK(poll(&wanted, 1, 0) == 0 && epoll_wait(set, &event, 1, 0) == 0);
    /* Half a line that is left is something to read. */
    make_events(1);
    CHECK(read(file, buffer, 3) == 3 && poll(&wanted, 1, 0) == 1);
    close(set);
    close(file);
}

/* A wait that begins before the event ends with it. */
void woken(void)
{
    int file = open_stream(0);
    int answer[2];
    char line[128];
    pid_t reader;

    CHECK(pipe(answer) == 0);
    reader = fork();
    if (reader == 0) {
        ssize_t got;

        drain(open_stream(O_NONBLOCK), 64);
        CHECK(write(answer[1], "r", 1) == 1);
        while ((got = read(file, line, sizeof(line))) > 0 &&
               memmem(line, (size_t)got, "ended", 5) == NULL) {
        }
        _exit(got > 0 ? 0 : 1);
    }
    CHECK(read(answer[0], line, 1) == 1);
    int status = 0;

    while (waitpid(reader, &status, WNOHANG) == 0) {
        make_events(1);
    }
    CHECK(status == 0);
    close(file);
}

#define READERS 50

void many(void)
{
    int files[READERS];
    unsigned long before = topic_number("process", 1);

    for (int i = 0; i < READERS; i++) {
        files[i] = open_stream(O_NONBLOCK);
    }
    CHECK(topic_number("process", 1) == before + READERS);
    make_events(10);
    for (int i = 0; i < READERS; i++) {
        struct heard heard = drain(files[i], 4096);

        CHECK(heard.events == 20 && heard.dropped == 0);
        close(files[i]);
    }
    CHECK(topic_number("process", 1) == before);
}

/* A reader that dies while it waits leaves nothing behind. */
void killed(void)
{
    unsigned long before = topic_number("process", 1);

    for (int i = 0; i < 20; i++) {
        pid_t reader = fork();
        int status;

        if (reader == 0) {
            int file = open("/helix/events", O_RDWR);

            CHECK(write(file, "memory.pressure process", 23) == 23);
            for (;;) {
                (void)!read(file, buffer, 1000);
            }
        }
        while (topic_number("process", 1) == before) {
        }
        make_events(i % 3);
        CHECK(kill(reader, SIGKILL) == 0 && waitpid(reader, &status, 0) == reader);
        CHECK(WIFSIGNALED(status) && topic_number("process", 1) == before);
        make_events(1);
    }
}

static void expect_refused(int file, const char *topics, size_t length, int error)
{
    CHECK(write(file, topics, length) == -1 && errno == error);
}

/* Topics that are not there change nothing. */
void topics(void)
{
    static char much[4000];
    int file = open_stream(O_NONBLOCK);

    memset(much, 'x', sizeof(much));
    expect_refused(file, "nothing", 7, ENOENT);
    expect_refused(file, "process nothing", 15, ENOENT);
    expect_refused(file, "process\nprocess", 15, EINVAL);
    expect_refused(file, " \n", 2, EINVAL);
    expect_refused(file, much, sizeof(much), EINVAL);
    expect_refused(file, (char *)8, 7, EFAULT);
    make_events(1);
    CHECK(drain(file, 4096).events == 2);
    CHECK(write(file, "memory.pressure  module.lifecycle\n", 34) == 34);
    make_events(3);
    CHECK(drain(file, 4096).events == 0);
    CHECK(write(file, "process", 7) == 7);
    make_events(3);
    CHECK(drain(file, 4096).events == 6);
    close(file);
}
