/*
 * Clocks and CPU numbers as the library gets them, through the vDSO, beside the system calls: no
 * reading is before an earlier one, whichever way and on whichever CPU it was taken.
 *
 * vdso      what also holds on Linux
 * vdso own  in the guest: the image's symbols, and setting the time of day under it all
 */
#define _GNU_SOURCE
#include "userland.h"

#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define THREADS  4
#define READINGS 20000
#define SECOND   1000000000LL

static long long ns_of(struct timespec time)
{
    return time.tv_sec * SECOND + time.tv_nsec;
}

static long long by_library(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return ns_of(time);
}

static long long by_call(clockid_t clock)
{
    struct timespec time;

    syscall(SYS_clock_gettime, clock, &time);
    return ns_of(time);
}

/* --- several CPUs ----------------------------------------------------------------------------- */

static _Atomic long long latest;   /* the latest reading that some thread has published */
static _Atomic long long backward; /* the farthest a reading was before it */
static _Atomic int reading;        /* threads that still read */

static void raise_to(_Atomic long long *word, long long value)
{
    long long old = atomic_load(word);

    while (old < value && !atomic_compare_exchange_weak(word, &old, value)) {
    }
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void *read_on(void *argument)
{
    pin((int)(long)argument); /* where there is such a CPU */
    for (int i = 0; i < READINGS; i++) {
        long long before = atomic_load(&latest);
        long long now = i % 2 == 0 ? by_library(CLOCK_MONOTONIC) : by_call(CLOCK_MONOTONIC);

        raise_to(&backward, before - now);
        raise_to(&latest, now);
    }
    atomic_fetch_sub(&reading, 1);
    return NULL;
}

/* The calling thread does something else meanwhile, over and over, if there is something. */
static void read_everywhere(int (*meanwhile)(void))
{
    pthread_t threads[THREADS];
    int wrong = 0;

    atomic_store(&reading, THREADS);
    for (long i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, read_on, (void *)i);
    }
    while (meanwhile != NULL && atomic_load(&reading) > 0) {
        wrong += meanwhile();
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("backward by %lld, %d wrong\n", atomic_load(&backward), wrong);
}

/* --- the other calls -------------------------------------------------------------------------- */

/* Readings in turn, one way and the other, cut to what each can tell. */
static void times_of_day(void)
{
    struct timespec resolution = {1, 1};
    int wrong = 0;

    for (int i = 0; i < READINGS; i++) {
        struct timeval day;
        long long first = by_call(CLOCK_REALTIME);
        long long second = by_library(CLOCK_REALTIME);
        long long third = gettimeofday(&day, NULL) == 0 ? day.tv_sec * 1000000LL + day.tv_usec : 0;
        long long fourth = by_call(CLOCK_REALTIME);

        wrong += first > second || second / 1000 > third || third > fourth / 1000;
        wrong += time(NULL) > by_call(CLOCK_REALTIME) / SECOND;
    }
    printf("times of day: %d wrong\n", wrong);
    SHOW(clock_getres(CLOCK_REALTIME, &resolution));
    printf("resolution %ld.%09ld\n", (long)resolution.tv_sec, resolution.tv_nsec);
    SHOW(clock_getres(CLOCK_REALTIME, NULL));
    SHOW(clock_gettime(-1, &resolution));
    SHOW(clock_getres(1000, &resolution));
}

static void processors(void)
{
    cpu_set_t all;
    int wrong = 0;

    sched_getaffinity(0, sizeof(all), &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        unsigned number = 0;

        if (CPU_ISSET(cpu, &all)) {
            pin(cpu);
            syscall(SYS_getcpu, &number, NULL, NULL);
            wrong += number != (unsigned)cpu || sched_getcpu() != cpu;
        }
    }
    sched_setaffinity(0, sizeof(all), &all);
    printf("processors: %d wrong\n", wrong);
}

/* --- in the guest ----------------------------------------------------------------------------- */

/* Set the time of day, there and back again; how many readings do not follow. */
static int set_the_time(void)
{
    static long long day = 1800000000;
    struct timeval time;
    int wrong = 0;

    day = day == 1800000000 ? 1900000000 : 1800000000;
    time = (struct timeval){.tv_sec = day, .tv_usec = 500000};
    wrong += settimeofday(&time, NULL) != 0;
    for (int i = 0; i < 10; i++) {
        long long first = by_library(CLOCK_REALTIME);
        long long second = by_call(CLOCK_REALTIME);
        long long third = by_library(CLOCK_REALTIME);

        wrong += first < day * SECOND + SECOND / 2 || first > second || second > third ||
                 third > (day + 1000) * SECOND;
    }
    return wrong;
}

/* As the dynamic section says, from the image's first byte. */
static const void *entry_of(const char *image, int64_t tag)
{
    const Elf64_Ehdr *header = (const void *)image;
    const Elf64_Phdr *segment = (const void *)(image + header->e_phoff);
    const Elf64_Dyn *entry;

    while (segment->p_type != PT_DYNAMIC) {
        segment++;
    }
    entry = (const void *)(image + segment->p_offset);
    while (entry->d_tag != tag && entry->d_tag != DT_NULL) {
        entry++;
    }
    return entry->d_tag == tag ? image + entry->d_un.d_ptr : NULL;
}

/* Once more through the symbols themselves, which the library may not use. */
static void image(void)
{
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    const uint32_t *hash = image != NULL ? entry_of(image, DT_HASH) : NULL;
    const Elf64_Sym *symbols = image != NULL ? entry_of(image, DT_SYMTAB) : NULL;
    const char *strings = image != NULL ? entry_of(image, DT_STRTAB) : NULL;

    if (hash == NULL || symbols == NULL || strings == NULL) {
        printf("no vDSO\n");
        return;
    }
    for (uint32_t i = 1; i < hash[1]; i++) {
        printf("symbol %s\n", strings + symbols[i].st_name);
    }
}

/* How the mappings are listed. */
static void mappings(void)
{
    char line[256];
    FILE *maps = fopen("/proc/self/maps", "r");

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        const char *name = strchr(line, '[');

        if (name != NULL && (strstr(name, "vdso") != NULL || strstr(name, "vvar") != NULL)) {
            printf("mapping %.4s %s", strchr(line, ' ') + 1, name);
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

int main(int count, char **words)
{
    read_everywhere(NULL);
    times_of_day();
    processors();
    if (count > 1 && strcmp(words[1], "own") == 0) {
        image();
        mappings();
        read_everywhere(set_the_time);
    }
    return 0;
}
