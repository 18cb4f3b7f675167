/* Tables: of channels, and large ones. */
#define _GNU_SOURCE
#include "helix_events.h"

#include <fcntl.h>
#include <helix/system_calls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the file of channels says of the caller's one; 0: there is no row. */
static int channel_row(unsigned long *queued, unsigned long *waiting, char *receiver_waits)
{
    unsigned long process, size, capacity, senders;

    read_file("/helix/channels", 4096);
    for (char *row = strtok(buffer, "\n"); row != NULL; row = strtok(NULL, "\n")) {
        if (sscanf(row, "%*s %*s %lu %lu %lu %lu %lu %lu %3s", &process, &size, &capacity, queued,
                   &senders, waiting, receiver_waits) == 7 &&
            (pid_t)process == getpid()) {
            CHECK(size == 8 && capacity == 4 && senders == 1);
            return 1;
        }
    }
    return 0;
}

/* Whose a channel is, what is in it, and who waits. */
void channels(void)
{
    uint64_t item = 7;
    unsigned long queued, waiting;
    char receiver_waits[4];
    int ends[2];
    pid_t child;

    CHECK(channel_row(&queued, &waiting, receiver_waits) == 0);
    CHECK(syscall(HELIX_SYS_channel_create, 8, 4, 0, ends) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(channel_row(&queued, &waiting, receiver_waits) == 1);
        CHECK(queued == (unsigned long)i && waiting == 0 && strcmp(receiver_waits, "no") == 0);
        CHECK(syscall(HELIX_SYS_channel_send, ends[1], &item, HELIX_NO_DEADLINE) == 0);
    }
    child = fork();
    if (child == 0) {
        (void)syscall(HELIX_SYS_channel_send, ends[1], &item, HELIX_NO_DEADLINE);
        while (syscall(HELIX_SYS_channel_receive, ends[0], &item, 1, HELIX_NO_DEADLINE) == 1) {
        }
        _exit(1);
    }
    while (channel_row(&queued, &waiting, receiver_waits) == 1 && waiting != 1) {
    }
    CHECK(queued == 4 && waiting == 1);
    CHECK(syscall(HELIX_SYS_channel_receive, ends[0], &item, 1, HELIX_NO_DEADLINE) == 1);
    while (channel_row(&queued, &waiting, receiver_waits) == 1 &&
           strcmp(receiver_waits, "yes") != 0) {
    }
    CHECK(queued == 0 && waiting == 0);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    close(ends[0]);
    close(ends[1]);
    CHECK(channel_row(&queued, &waiting, receiver_waits) == 0);
}

#define PROCESSES 500

/* Tables of many rows come whole, in pieces of any size. */
void big(void)
{
    static pid_t children[PROCESSES];
    static const char *const tables[] = {"/helix/threads", "/helix/json/threads"};
    int stop[2];
    char byte;

    CHECK(pipe(stop) == 0);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            close(stop[1]);
            _exit(read(stop[0], &byte, 1) == 0 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        size_t length = read_file(tables[i], i == 0 ? 97 : 65536);

        CHECK(length > PROCESSES * 40);
        for (int each = 0; each < PROCESSES; each++) {
            char number[32];

            (void)snprintf(number, sizeof(number), i == 0 ? " %d  " : "\"process\": %d,",
                           (int)children[each]);
            CHECK(strstr(buffer, number) != NULL);
        }
        CHECK(buffer[length - 1] == '\n');
    }
    close(stop[1]);
    for (int i = 0; i < PROCESSES; i++) {
        CHECK(waitpid(children[i], NULL, 0) == children[i]);
    }
}
