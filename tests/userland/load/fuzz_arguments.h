/*
 * Arguments: values of each kind, good ones and bad ones, made from a random number alone, so that
 * whoever keeps the number can make them again.
 *
 * Rules:
 * - Nothing here uses the library or thread-local storage: both may be gone by what was called.
 */
#ifndef FUZZ_ARGUMENTS_H
#define FUZZ_ARGUMENTS_H

#include <stdint.h>

#define PAGE        4096UL
#define ARENA       0x10000000UL /* data, then a page that is read-only, then a hole, … */
#define ARENA_PAGES 64UL
#define READ_ONLY   (ARENA + ARENA_PAGES * PAGE)
#define HOLE        (READ_ONLY + PAGE)
#define MAPPINGS    0x20000000UL /* where calls on memory are aimed */
#define DESCRIPTORS 24

struct random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t next(struct random *random)
{
    uint64_t value = random->state += 0x9e3779b97f4a7c15ULL;

    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
    return value ^ value >> 31;
}

static inline uint64_t below(struct random *random, uint64_t limit)
{
    return next(random) % limit;
}

#define PICK(random, array) (array)[below(random, sizeof(array) / sizeof((array)[0]))]

static uint32_t own_process, own_thread_hint; /* set by each worker before its threads start */

/* --- numbers ---------------------------------------------------------------------------------- */

static uint64_t any_number(struct random *random)
{
    static const uint64_t edges[] = {0,          1,          2,          0x7f,       0x80,
                                     0xff,       0x100,      0xfff,      0x1000,     0x7fffffff,
                                     0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 47, INT64_MAX,
                                     1ULL << 63, UINT64_MAX, -4095ULL,   -4096ULL,   -2ULL};

    switch (below(random, 4)) {
    case 0:
        return PICK(random, edges) + below(random, 3) - 1;
    case 1:
        return 1ULL << below(random, 64);
    case 2:
        return below(random, 64);
    default:
        return next(random) >> below(random, 64);
    }
}

static uint64_t length(struct random *random)
{
    static const uint64_t edges[] = {0,         1,         8,          PAGE - 1,   PAGE,
                                     PAGE + 1,  65536,     1UL << 20,  0x7ffff000, 0x7fffffff,
                                     1UL << 32, 1UL << 46, 1ULL << 47, INT64_MAX,  UINT64_MAX};

    return below(random, 3) == 0 ? PICK(random, edges) : below(random, 3 * PAGE);
}

static uint64_t flags(struct random *random)
{
    uint64_t set = 0;

    for (uint64_t bits = below(random, 5); bits > 0; bits--) {
        set |= 1ULL << below(random, below(random, 16) == 0 ? 64 : 24);
    }
    return set;
}

/* --- pointers --------------------------------------------------------------------------------- */

static uint64_t bad_pointer(struct random *random)
{
    static const uint64_t wild[] = {
        0, /* nobody's */
        1,
        HOLE,           /* unmapped */
        HOLE - 8,       /* from a read-only page into a hole */
        READ_ONLY,      /* read-only */
        READ_ONLY - 4,  /* from a writable page into a read-only one */
        0x7fffffffe000, /* the last page of the user half */
        0x7fffffffffff,
        0x800000000000, /* not canonical */
        0x1234567800000000,
        0xffff7fffffffffff,
        0xffff800000000000, /* the kernel's */
        0xffff800000100000,
        0xffffffff80000000,
        0xffffffff80100000,
        0xffffffffffffe000,
        UINT64_MAX,
        UINT64_MAX - 7,
    };

    return PICK(random, wild) + (below(random, 4) == 0 ? below(random, 64) : 0);
}

static uint64_t buffer(struct random *random)
{
    switch (below(random, 8)) {
    case 0:
        return bad_pointer(random);
    case 1: /* over the end */
        return READ_ONLY - 1 - below(random, 64);
    default:
        return ARENA + below(random, ARENA_PAGES * PAGE - 4 * PAGE);
    }
}

/* A place for something to be filled in, aligned. */
static uint64_t *room(struct random *random)
{
    return (uint64_t *)(ARENA + below(random, ARENA_PAGES * PAGE / 2 - PAGE) / 8 * 8);
}

static uint64_t address(struct random *random)
{
    switch (below(random, 8)) {
    case 0:
        return bad_pointer(random);
    case 1:
        return next(random) >> below(random, 40);
    case 2:
        return 0;
    default:
        return MAPPINGS + below(random, 256) * PAGE;
    }
}

static uint64_t path(struct random *random)
{
    static const char *const paths[] = {
        "a",
        "b",
        "c",
        "d",
        "d/a",
        "d/b",
        "d/c/a",
        "a/b",
        ".",
        "..",
        "",
        "/",
        "d/..",
        "./a",
        "l",
        "l/a",
        "//",
        "d/",
        "/proc/self/status",
        "/proc/self/maps",
        "/proc/self/fd/3",
        "/proc/1/stat",
        "/dev/null",
        "/dev/zero",
        "/dev/nothing",
        "/proc/self/exe",
        "/bin/true",
        "/proc/meminfo",
        "/sys/devices/system/cpu/online",
        "proc",
        "tmpfs",
        "sysfs",
        "fifo",
        "user.a",
        "/helix/state",
        "/helix/hooks",
        "/helix/policy",
        "/helix/audit",
        "a/../../../../../../../../../../dev/null",
    };

    if (below(random, 16) == 0) {
        return buffer(random); /* no text, or one without an end */
    }
    return (uint64_t)(uintptr_t)PICK(random, paths);
}

/* --- structures ------------------------------------------------------------------------------- */

static uint64_t descriptor(struct random *random)
{
    static const uint64_t odd[] = {-1ULL, -100ULL, 0x7fffffff, 0x80000000, 1000000, 255, 256, 1024};

    return below(random, 12) == 0 ? PICK(random, odd) : below(random, DESCRIPTORS + 8);
}

static uint64_t pid(struct random *random)
{
    static const uint64_t odd[] = {0x7fffffff, 0x80000001, 4194304, 99999999, 0x100000000};

    switch (below(random, 4)) {
    case 0:
        return PICK(random, odd);
    case 1:
        return own_thread_hint + below(random, 4);
    default:
        return own_process;
    }
}

/* Short, or wrong: nobody is to sleep long. */
static uint64_t timespec(struct random *random)
{
    uint64_t *time = room(random);

    if (below(random, 8) == 0) {
        return buffer(random);
    }
    for (unsigned i = 0; i < 4; i += 2) {
        time[i] = below(random, 16) == 0 ? any_number(random) : 0;
        time[i + 1] = below(random, 16) == 0 ? any_number(random) : below(random, 100000);
    }
    return (uint64_t)(uintptr_t)time;
}

static uint64_t vectors(struct random *random)
{
    uint64_t *vector = room(random);

    if (below(random, 8) == 0) {
        return buffer(random);
    }
    for (unsigned i = 0; i < 16; i += 2) {
        vector[i] = buffer(random);
        vector[i + 1] = below(random, 4) == 0 ? length(random) : below(random, 256);
    }
    return (uint64_t)(uintptr_t)vector;
}

static uint64_t events(struct random *random)
{
    uint64_t *event = room(random);

    for (unsigned i = 0; i < 16; i++) {
        event[i] = below(random, 2) == 0 ? descriptor(random) | flags(random) << 32
                                         : flags(random) | descriptor(random) << 32;
    }
    return below(random, 8) == 0 ? buffer(random) : (uint64_t)(uintptr_t)event;
}

/* SIG_DFL, SIG_IGN, or nonsense: never SIGALRM's of the worker, whose number `g` leaves out. */
static uint64_t action(struct random *random)
{
    uint64_t *sigaction = room(random);

    sigaction[0] = below(random, 4) == 0 ? address(random) : below(random, 2);
    sigaction[1] = flags(random) << below(random, 32);
    sigaction[2] = address(random);
    sigaction[3] = next(random);
    return below(random, 8) == 0 ? buffer(random) : (uint64_t)(uintptr_t)sigaction;
}

static uint64_t signal_set(struct random *random)
{
    uint64_t *set = room(random);

    set[0] = below(random, 2) == 0 ? next(random) : flags(random);
    set[0] &= ~(1ULL << 13); /* SIGALRM gets everybody out */
    return below(random, 8) == 0 ? buffer(random) : (uint64_t)(uintptr_t)set;
}

static const uint64_t signals[] = {0,  1,  10, 12, 13, 15, 16, 17, 18, 20,
                                   21, 22, 23, 28, 29, 34, 35, 63, 64, 65};

static uint64_t signal_number(struct random *random)
{
    uint64_t number = below(random, 8) == 0 ? any_number(random) : PICK(random, signals);

    return (uint32_t)number == 14 ? 0 : number;
}

static uint64_t texts(struct random *random)
{
    uint64_t *array = room(random);

    for (unsigned i = 0; i < 4; i++) {
        array[i] = path(random);
    }
    array[4] = below(random, 8) == 0 ? bad_pointer(random) : 0;
    array[5] = 0;
    return below(random, 4) == 0 ? buffer(random) : (uint64_t)(uintptr_t)array;
}

/* --- by letter -------------------------------------------------------------------------------- */

static uint64_t of_kind(char kind, struct random *random)
{
    switch (kind) {
    case 'f':
        return descriptor(random);
    case 'p':
        return buffer(random);
    case 's':
        return path(random);
    case 'l':
        return length(random);
    case 'o':
        return below(random, 4) == 0 ? any_number(random) : below(random, 65536);
    case 'a':
        return address(random);
    case 'i':
        return flags(random);
    case 'n':
        return below(random, 8) == 0 ? any_number(random) : below(random, 40);
    case 'm':
        return below(random, 8) == 0 ? any_number(random) : below(random, 07777) | 0700;
    case 'g':
        return signal_number(random);
    case 'u':
        return below(random, 4) == 0 ? any_number(random) : below(random, 2) * 1000;
    case 'd':
        return pid(random);
    case 't':
        return timespec(random);
    case 'v':
        return vectors(random);
    case 'e':
        return events(random);
    case 'c':
        return action(random);
    case 'k':
        return signal_set(random);
    case 'w':
        return ARENA + below(random, 16) * 4;
    case 'z':
        return texts(random);
    case '0':
        return 0;
    default:
        return below(random, 2) == 0 ? any_number(random) : buffer(random);
    }
}

#endif
