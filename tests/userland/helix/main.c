/*
 * helix_events CHECK…: what a program may rely on of /helix/events and of big tables in /helix.
 * Prints a line "ok CHECK" for each that holds; ends at the first that does not.
 */
#define _GNU_SOURCE
#include "helix_events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char buffer[BUFFER_SIZE];

/* --- helpers ---------------------------------------------------------------------------------- */

size_t read_file(const char *path, size_t piece)
{
    int file = open(path, O_RDONLY);
    size_t used = 0;
    ssize_t got;

    CHECK(file >= 0);
    while ((got = read(file, buffer + used, piece)) > 0) {
        used += (size_t)got;
        CHECK(used + piece < sizeof(buffer));
    }
    CHECK(got == 0);
    close(file);
    buffer[used] = '\0';
    return used;
}

unsigned long topic_number(const char *topic, int column)
{
    unsigned long numbers[3] = {0};
    char *row;

    read_file("/helix/topics", 4096);
    row = strstr(buffer, topic);
    CHECK(row != NULL && sscanf(row + strlen(topic), "%lu %lu", &numbers[1], &numbers[2]) == 2);
    return numbers[column];
}

int open_stream(int flags)
{
    int file = open("/helix/events", O_RDWR | flags);

    CHECK(file >= 0);
    CHECK(write(file, "process\n", 8) == 8);
    return file;
}

void make_events(int children)
{
    for (int i = 0; i < children; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            _exit(0);
        }
        CHECK(waitpid(child, NULL, 0) == child);
    }
}

struct heard drain(int file, size_t piece)
{
    struct heard heard = {0};
    size_t used = 0;
    ssize_t got;

    while ((got = read(file, buffer + used, piece)) > 0) {
        used += (size_t)got;
        CHECK(used + piece < sizeof(buffer));
    }
    CHECK(got < 0 && errno == EAGAIN);
    buffer[used] = '\0';
    for (char *line = strtok(buffer, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        unsigned long seconds, parts, count;
        char topic[32];

        CHECK(sscanf(line, "%lu.%6lu %31s", &seconds, &parts, topic) == 3);
        if (strcmp(topic, "dropped") == 0) {
            CHECK(sscanf(strstr(line, "count="), "count=%lu", &count) == 1);
            heard.dropped += count;
        } else {
            CHECK(strcmp(topic, "process") == 0 || strcmp(topic, "syscall.audit") == 0);
            heard.events++;
        }
    }
    return heard;
}

void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY);

    CHECK(file >= 0);
    CHECK(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

/* Stays until it is killed, for whoever wants to look at it. */
static void stay(void)
{
    for (;;) {
        (void)pause();
    }
}

/* --- which ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"slow", slow},       {"calls", calls},   {"channels", channels}, {"messages", messages},
    {"audited", audited}, {"pieces", pieces}, {"polled", polled},     {"woken", woken},
    {"many", many},       {"killed", killed}, {"topics", topics},     {"big", big},
    {"stay", stay},
};

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i < count; i++) {
        for (size_t each = 0; each < sizeof(checks) / sizeof(checks[0]); each++) {
            if (strcmp(words[i], checks[each].name) == 0) {
                checks[each].run();
                printf("ok %s\n", words[i]);
            }
        }
    }
    return 0;
}
