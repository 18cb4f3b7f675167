/* Futexes without a library. */
#define _GNU_SOURCE
#include "userland.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum {
    WAIT = 0,
    WAKE = 1,
    REQUEUE = 3,
    CMP_REQUEUE = 4,
    WAKE_OP = 5,
    WAIT_BITSET = 9,
    WAKE_BITSET = 10,
    PRIVATE = 128,
    REALTIME = 256,
};

static _Atomic uint32_t word, other, ready;

static long futex(_Atomic uint32_t *address, int operation, uint32_t value, const void *time,
                  _Atomic uint32_t *second, uint32_t bits)
{
    return syscall(SYS_futex, address, operation, value, time, second, bits);
}

static void errors(void)
{
    struct timespec brief = {0, 20000000}, bad = {0, 1000000000}, past = {1, 0};

    SHOW(futex(&word, WAIT, 1, NULL, NULL, 0));
    SHOW(futex(&word, WAIT, 0, &brief, NULL, 0));
    SHOW(futex(&word, WAIT | PRIVATE, 0, &brief, NULL, 0));
    SHOW(futex(&word, WAIT, 0, &bad, NULL, 0));
    SHOW(futex(&word, WAIT, 0, (void *)8, NULL, 0));
    SHOW(futex((void *)((char *)&word + 1), WAIT, 0, &brief, NULL, 0));
    SHOW(futex((void *)8, WAIT, 0, &brief, NULL, 0));
    SHOW(futex((void *)6, WAKE, 1, NULL, NULL, 0));
    SHOW(futex(&word, WAKE, 1, NULL, NULL, 0));
    SHOW(futex(&word, WAIT_BITSET, 0, &past, NULL, ~0U));
    SHOW(futex(&word, WAIT_BITSET | REALTIME, 0, &past, NULL, ~0U));
    SHOW(futex(&word, WAIT_BITSET, 0, &past, NULL, 0));
    SHOW(futex(&word, WAKE_BITSET, 1, NULL, NULL, 0));
    SHOW(futex(&word, CMP_REQUEUE, 1, (void *)1, &other, 5));
    SHOW(futex(&word, 99, 0, NULL, NULL, 0));
    SHOW(futex(&word, WAKE_OP, 1, (void *)1, &other, 1U << 28 | 5U << 12));
    printf("after the operation: %u\n", atomic_load(&other));
    atomic_store(&other, 0);
}

static void *wait_word(void *bits)
{
    long result;

    atomic_fetch_add(&ready, 1);
    do {
        result = futex(&word, WAIT_BITSET | PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)bits);
    } while (result == -1 && errno == EINTR);
    atomic_fetch_add(&other, 1);
    return (void *)result;
}

/* Until the kernel has that many to wake; they are moved to the same place. */
static void until_waiting(long count)
{
    while (futex(&word, CMP_REQUEUE | PRIVATE, 0, (void *)1000, &word, 0) != count) {
        usleep(1000);
    }
}

static void until_awake(uint32_t count)
{
    while (atomic_load(&other) != count) {
        usleep(1000);
    }
}

static void waking(void)
{
    static _Atomic uint32_t second;
    pthread_t threads[8];

    for (uintptr_t i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, wait_word, (void *)(i < 4 ? 1UL : 2UL));
    }
    until_waiting(8);
    SHOW(futex(&word, WAKE_BITSET | PRIVATE, 100, NULL, NULL, 4));
    SHOW(futex(&word, WAKE_BITSET | PRIVATE, 3, NULL, NULL, 2));
    until_awake(3);
    SHOW(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0));
    until_awake(4);
    SHOW(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)2, &second, 0));
    until_awake(5);
    SHOW(futex(&word, WAKE | PRIVATE, 100, NULL, NULL, 0));
    until_awake(6);
    SHOW(futex(&second, WAKE | PRIVATE, 100, NULL, NULL, 0));
    until_awake(8);
    for (int i = 0; i < 8; i++) {
        void *result;

        pthread_join(threads[i], &result);
        printf("%ld ", (long)result);
    }
    printf("\n");
}

static void between_processes(void)
{
    _Atomic uint32_t *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    flush();
    if (fork() == 0) {
        for (uint32_t i = 0; i < 500; i++) {
            while (atomic_load(shared) != 2 * i + 1) {
                futex(shared, WAIT, 2 * i, NULL, NULL, 0);
            }
            atomic_store(shared, 2 * i + 2);
            futex(shared, WAKE, 1, NULL, NULL, 0);
        }
        _exit(0);
    }
    for (uint32_t i = 0; i < 500; i++) {
        atomic_store(shared, 2 * i + 1);
        futex(shared, WAKE, 1, NULL, NULL, 0);
        while (atomic_load(shared) != 2 * i + 2) {
            futex(shared, WAIT, 2 * i + 1, NULL, NULL, 0);
        }
    }
    wait(NULL);
    printf("turns %u\n", atomic_load(shared));
}

int main(void)
{
    errors();
    waking();
    between_processes();
    return 0;
}
