/* Threads of the host. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <tests/bench-host/pin.h>
#include <tests/bench-host/threads.h>

/* As often as the hosted port does it (ports/hosted/cpu.c). */
#define SPINS_PER_YIELD 32U

struct place {
    struct threads_work work;
    uint32_t number;
    pthread_t thread;
};

static struct place places[THREADS_MAX];
static uint32_t place_count;
static _Atomic uint32_t arrived;

void threads_relax(void)
{
    static _Thread_local uint32_t spins;

    __builtin_ia32_pause();
    if (++spins % SPINS_PER_YIELD == 0) {
        sched_yield();
    }
}

static void *do_work(void *argument)
{
    const struct place *place = argument;

    pin_to_turn(place->number);
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < place_count) {
        threads_relax();
    }
    place->work.function(place->work.argument);
    return NULL;
}

void threads_run(const struct threads_work *works, uint32_t count)
{
    place_count = count;
    atomic_store(&arrived, 0);
    for (uint32_t i = 0; i < count; i++) {
        places[i] = (struct place){.work = works[i], .number = i};
    }
    for (uint32_t i = 1; i < count; i++) {
        if (pthread_create(&places[i].thread, NULL, do_work, &places[i]) != 0) {
            abort();
        }
    }
    do_work(&places[0]);
    for (uint32_t i = 1; i < count; i++) {
        pthread_join(places[i].thread, NULL);
    }
}

void threads_start(uint32_t count, int (*function)(void))
{
    (void)count;
    pin_start();
    exit(function());
}
