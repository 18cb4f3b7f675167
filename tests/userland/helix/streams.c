/* Streams of system calls and of the log. */
#define _GNU_SOURCE
#include "helix_events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The same of system calls, which come faster than anybody reads. */
void calls(void)
{
    int file = open("/helix/events", O_RDWR | O_NONBLOCK);
    unsigned long before, told;
    struct heard heard, last;

    CHECK(file >= 0);
    CHECK(write(file, "syscall.audit", 13) == 13);
    before = topic_number("syscall.audit", 2);
    write_file("/helix/hooks", "on audit");
    for (int i = 0; i < 1000; i++) {
        (void)getppid();
    }
    write_file("/helix/hooks", "off audit");
    told = topic_number("syscall.audit", 2) - before;
    CHECK(told >= 1000);
    heard = drain(file, 4096);
    CHECK(heard.events == 256 && heard.dropped == 0);
    CHECK(write(file, "process", 7) == 7);
    make_events(1); /* what was missed is told with what comes next */
    last = drain(file, 4096);
    CHECK(last.events == 2 && heard.events + last.dropped == told);
    close(file);
}

/* A child that reads the next calls from an open file, and ends well if it got some. */
static pid_t start_reading(int file)
{
    int ready[2];
    char byte;
    pid_t reader;

    CHECK(pipe(ready) == 0);
    reader = fork();
    CHECK(reader >= 0);
    if (reader == 0) {
        CHECK(write(ready[1], "r", 1) == 1);
        _exit(read(file, buffer, 4096) > 0 ? 0 : 1);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return reader;
}

/* Calls of others can be polled for, also while somebody waits in a read of the same open file. */
void audited(void)
{
    int file = open("/helix/audit", O_RDONLY);
    struct pollfd wanted = {.fd = file, .events = POLLIN};
    int status;
    pid_t reader;

    CHECK(file >= 0);
    CHECK(poll(&wanted, 1, 0) == 0);
    reader = start_reading(file);
    for (int i = 0; i < 20; i++) {
        CHECK(poll(&wanted, 1, 10) == 0); /* the hook is off */
    }
    write_file("/helix/hooks", "on audit");
    do {
        make_events(1);
        CHECK(poll(&wanted, 1, 0) >= 0);
    } while (waitpid(reader, &status, WNOHANG) == 0);
    CHECK(status == 0);
    reader = fork();
    if (reader == 0) {
        for (;;) {
            (void)getppid();
            (void)usleep(1000);
        }
    }
    while (poll(&wanted, 1, 0) == 1) {
        CHECK(read(file, buffer, 4096) > 0);
    }
    CHECK(poll(&wanted, 1, -1) == 1 && wanted.revents == POLLIN); /* woken */
    CHECK(read(file, buffer, 4096) > 0 && strstr(buffer, "() = ") != NULL);
    CHECK(kill(reader, SIGKILL) == 0 && waitpid(reader, &status, 0) == reader);
    write_file("/helix/hooks", "off audit");
    close(file);
}

/* The kernel says in which state it is: who polls its log hears of it. */
void messages(void)
{
    int file = open("/helix/messages", O_RDONLY | O_NONBLOCK);
    struct pollfd wanted = {.fd = file, .events = POLLIN};
    ssize_t got;

    CHECK(file >= 0);
    CHECK(poll(&wanted, 1, 0) == 1); /* the log from its oldest line on */
    while ((got = read(file, buffer, 4096)) > 0) {
    }
    CHECK(errno == EAGAIN && poll(&wanted, 1, 0) == 0);
    write_file("/helix/power", "suspend");
    write_file("/helix/power", "resume");
    CHECK(poll(&wanted, 1, -1) == 1 && wanted.revents == POLLIN);
    got = read(file, buffer, 4096);
    CHECK(got > 0 && memmem(buffer, (size_t)got, "Suspended", 9) != NULL);
    close(file);
}
