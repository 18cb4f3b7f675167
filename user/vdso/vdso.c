/*
 * The vDSO: calls on time and on the CPU that are answered without entering the kernel, if
 * possible. The functions are Linux's, with its symbols (vdso(7)); anything they do not know is the
 * kernel's.
 */
#include <helix/clock_page.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#define NS_PER_SECOND      1000000000U
#define NS_PER_MICROSECOND 1000U

#define SYS_GETTIMEOFDAY  96
#define SYS_TIME          201
#define SYS_CLOCK_GETTIME 228
#define SYS_CLOCK_GETRES  229
#define SYS_GETCPU        309

/* Clocks by number, as bits. */
#define CLOCKS_WALL (1U << 0 | 1U << 5) /* REALTIME, _COARSE */
#define CLOCKS_MONOTONIC                                                                           \
    (1U << 1 | 1U << 4 | 1U << 6 | 1U << 7) /* MONOTONIC, _RAW, _COARSE, BOOTTIME */
#define CLOCKS_END 8U

struct timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

struct timeval {
    int64_t seconds;
    int64_t microseconds;
};

struct timezone {
    int32_t minutes_west;
    int32_t summer_time;
};

EXPORT int __vdso_clock_gettime(int clock, struct timespec *time);
EXPORT int __vdso_clock_getres(int clock, struct timespec *resolution);
EXPORT int __vdso_gettimeofday(struct timeval *time, struct timezone *zone);
EXPORT int64_t __vdso_time(int64_t *time);
EXPORT int64_t __vdso_getcpu(uint32_t *cpu, uint32_t *node, void *unused);

/* Right behind the image's pages: vdso.lds. */
__attribute__((visibility("hidden"))) extern const struct hx_clock_page vdso_clock_page;

static inline int64_t system_call(int64_t number, uint64_t first, uint64_t second)
{
    int64_t result = number;

    __asm__ volatile("syscall" : "+a"(result) : "D"(first), "S"(second) : "rcx", "r11", "memory");
    return result;
}

/* The fence keeps the processor from reading the counter before it has done what comes before. */
static inline uint64_t counter(void)
{
    uint64_t low;
    uint64_t high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return high << 32 | low;
}

static inline bool is_in(unsigned clock, unsigned clocks)
{
    return clock < CLOCKS_END && (clocks >> clock & 1U) != 0;
}

int __vdso_clock_gettime(int clock, struct timespec *time)
{
    bool is_wall = is_in((unsigned)clock, CLOCKS_WALL);
    uint64_t ns;

    if (!is_in((unsigned)clock, CLOCKS_WALL | CLOCKS_MONOTONIC) ||
        !hx_clock_read(&vdso_clock_page, counter, is_wall, &ns)) {
        return (int)system_call(SYS_CLOCK_GETTIME, (uint64_t)clock, (uint64_t)time);
    }
    time->seconds = (int64_t)(ns / NS_PER_SECOND);
    time->nanoseconds = (int64_t)(ns % NS_PER_SECOND);
    return 0;
}

int __vdso_clock_getres(int clock, struct timespec *resolution)
{
    if (!is_in((unsigned)clock, CLOCKS_WALL | CLOCKS_MONOTONIC)) {
        return (int)system_call(SYS_CLOCK_GETRES, (uint64_t)clock, (uint64_t)resolution);
    }
    if (resolution != NULL) {
        *resolution = (struct timespec){.nanoseconds = 1};
    }
    return 0;
}

int __vdso_gettimeofday(struct timeval *time, struct timezone *zone)
{
    uint64_t ns;

    if (!hx_clock_read(&vdso_clock_page, counter, true, &ns)) {
        return (int)system_call(SYS_GETTIMEOFDAY, (uint64_t)time, (uint64_t)zone);
    }
    if (time != NULL) {
        time->seconds = (int64_t)(ns / NS_PER_SECOND);
        time->microseconds = (int64_t)(ns % NS_PER_SECOND / NS_PER_MICROSECOND);
    }
    if (zone != NULL) {
        *zone = (struct timezone){0};
    }
    return 0;
}

int64_t __vdso_time(int64_t *time)
{
    uint64_t ns;
    int64_t seconds;

    if (!hx_clock_read(&vdso_clock_page, counter, true, &ns)) {
        return system_call(SYS_TIME, (uint64_t)time, 0);
    }
    seconds = (int64_t)(ns / NS_PER_SECOND);
    if (time != NULL) {
        *time = seconds;
    }
    return seconds;
}

/* The kernel has put the number where rdtscp finds it. There is one node. */
int64_t __vdso_getcpu(uint32_t *cpu, uint32_t *node, void *unused)
{
    uint32_t number;

    (void)unused;
    if ((atomic_load_explicit(&vdso_clock_page.flags, memory_order_relaxed) &
         HX_CLOCK_HAS_CPU_NUMBER) == 0) {
        return system_call(SYS_GETCPU, (uint64_t)cpu, (uint64_t)node);
    }
    __asm__ volatile("rdtscp" : "=c"(number)::"rax", "rdx");
    if (cpu != NULL) {
        *cpu = number;
    }
    if (node != NULL) {
        *node = 0;
    }
    return 0;
}
