/* Calls that need nobody else. */
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t null_call(uint32_t runs)
{
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        (void)call_0(SYS_getppid);
    }
    return instructions_since(start);
}

/* One line into a file of the kernel's that exists already; whether it took it. */
static int tell(const char *path, const char *line)
{
    int file = open(path, O_WRONLY);
    int done = file >= 0 && write(file, line, strlen(line)) == (ssize_t)strlen(line);

    close(file);
    return done;
}

/* The same while system calls are recorded: Helix alone has such a file. */
static uint64_t null_call_recorded(uint32_t runs)
{
    uint64_t all;

    (void)mount("helix", "/helix", "helixfs", 0, NULL);
    if (!tell("/helix/trace", "on calls")) {
        return FAILED;
    }
    all = null_call(runs);
    return tell("/helix/trace", "off calls") ? all : FAILED;
}

static uint64_t read_zero(uint32_t runs)
{
    int file = open("/dev/zero", O_RDONLY);
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += (uint32_t)read_byte(file);
    }
    uint64_t all = instructions_since(start);

    close(file);
    return done == runs ? all : FAILED;
}

static uint64_t pipe_to_oneself(uint32_t runs)
{
    int ends[2];
    uint32_t done = 0;

    if (pipe(ends) != 0) {
        return FAILED;
    }
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += (uint32_t)(write_byte(ends[1]) && read_byte(ends[0]));
    }
    uint64_t all = instructions_since(start);

    close(ends[0]);
    close(ends[1]);
    return done == runs ? all : FAILED;
}

static uint64_t open_close(uint32_t runs)
{
    const char *path = own_path();
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        int64_t file = call_3(SYS_open, (int64_t)path, O_RDONLY, 0);

        done += call_1(SYS_close, file) == 0;
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

static uint64_t stat_file(uint32_t runs)
{
    const char *path = own_path();
    struct stat status;
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += call_2(SYS_stat, (int64_t)path, (int64_t)&status) == 0;
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

/* Through the library, which asks the vDSO. */
static uint64_t read_clock(uint32_t runs)
{
    struct timespec now;
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += clock_gettime(CLOCK_MONOTONIC, &now) == 0;
    }
    uint64_t all = instructions_since(start);

    return done == runs ? all : FAILED;
}

const struct figure call_figures[] = {
    {"getppid", 10000, null_call},        {"getppid_recorded", 10000, null_call_recorded},
    {"read_zero", 10000, read_zero},      {"pipe_self", 10000, pipe_to_oneself},
    {"open_close", 5000, open_close},     {"stat", 5000, stat_file},
    {"clock_gettime", 10000, read_clock}, {0},
};
