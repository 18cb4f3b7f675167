/*
 * helix_events CHECK…: what a program may rely on of /helix/events and of big tables in /helix.
 * Prints a line "ok CHECK" for each that holds; ends at the first that does not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: %s does not hold (errno %d)\n", __LINE__, #condition, errno);         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define BUFFER_SIZE (1 << 20)
static char buffer[BUFFER_SIZE];

/* --- helpers ---------------------------------------------------------------------------------- */

/* A whole file, in pieces of so many bytes, into the buffer. */
static size_t read_file(const char *path, size_t piece)
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

/* A column of the row of /helix/topics that begins with a name; column 1 subscribers, 2 published.
 */
static unsigned long topic_number(const char *topic, int column)
{
    unsigned long numbers[3] = {0};
    char *row;

    read_file("/helix/topics", 4096);
    row = strstr(buffer, topic);
    CHECK(row != NULL && sscanf(row + strlen(topic), "%lu %lu", &numbers[1], &numbers[2]) == 2);
    return numbers[column];
}

/* A stream that hears processes alone. */
static int open_stream(int flags)
{
    int file = open("/helix/events", O_RDWR | flags);

    CHECK(file >= 0);
    CHECK(write(file, "process\n", 8) == 8);
    return file;
}

/* So many children that end at once: two events each. */
static void make_events(int children)
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

struct heard {
    unsigned long events, dropped;
};

/* What is in a stream that does not block, from which so many bytes are taken at a time. */
static struct heard drain(int file, size_t piece)
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

/* --- the checks ------------------------------------------------------------------------------- */

/* A reader that lags gets what its ring holds, and hears how much it missed. */
static void slow(void)
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

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY);

    CHECK(file >= 0);
    CHECK(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

/* The same of system calls, which come faster than anybody reads. */
static void calls(void)
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
static void audited(void)
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
static void messages(void)
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

/* Bytes at a time, or into a hole of the address space: no line is lost or comes twice. */
static void pieces(void)
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

static void polled(void)
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
static void woken(void)
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

static void many(void)
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
static void killed(void)
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
static void topics(void)
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

#define PROCESSES 500

/* Tables of many rows come whole, in pieces of any size. */
static void big(void)
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
    {"slow", slow},     {"calls", calls},   {"messages", messages}, {"audited", audited},
    {"pieces", pieces}, {"polled", polled}, {"woken", woken},       {"many", many},
    {"killed", killed}, {"topics", topics}, {"big", big},           {"stay", stay},
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
