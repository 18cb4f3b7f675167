/*
 * storm THREADS FILE US: so many threads, in pairs that wake each other, all of which take one
 * mutex and rest for so many microseconds after each turn, until there is a file of that name. A
 * wake-up that is lost makes it hang, a turn that is lost or doubled makes it fail.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_SIZE 16384U

struct pair {
    sem_t turn[2];
    uint64_t turns; /* whose turn it is has them */
    bool is_over;   /* the same */
};

struct player {
    struct pair *pair;
    unsigned side;
    uint64_t turns;
    pthread_t thread;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t all_turns; /* under mutex */
static atomic_bool shall_stop;
static useconds_t rest;

static void take_turn(struct player *player)
{
    player->turns++;
    player->pair->turns++;
    pthread_mutex_lock(&mutex);
    all_turns++;
    pthread_mutex_unlock(&mutex);
    if (rest != 0) {
        usleep(rest);
    }
}

static void *play(void *argument)
{
    struct player *player = argument;
    struct pair *pair = player->pair;
    bool is_over = false;

    while (!is_over) {
        while (sem_wait(&pair->turn[player->side]) != 0) {
        }
        is_over = pair->is_over;
        if (!is_over) {
            take_turn(player);
            pair->is_over = is_over = atomic_load(&shall_stop);
        }
        sem_post(&pair->turn[player->side ^ 1]);
    }
    return NULL;
}

static bool start(struct player *players, struct pair *pairs, unsigned count)
{
    pthread_attr_t attributes;
    bool is_well = pthread_attr_init(&attributes) == 0 &&
                   pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0;

    for (unsigned i = 0; i < count && is_well; i++) {
        struct pair *pair = &pairs[i / 2];

        is_well = sem_init(&pair->turn[i % 2], 0, i % 2 == 0) == 0;
        players[i] = (struct player){.pair = pair, .side = i % 2};
    }
    for (unsigned i = 0; i < count && is_well; i++) {
        is_well = pthread_create(&players[i].thread, &attributes, play, &players[i]) == 0;
    }
    return is_well;
}

/* Whether each turn was counted once by everybody. */
static bool end(const struct player *players, const struct pair *pairs, unsigned count)
{
    uint64_t sum = 0;
    bool is_well = true;

    for (unsigned i = 0; i < count; i++) {
        is_well = pthread_join(players[i].thread, NULL) == 0 && is_well;
    }
    for (unsigned i = 0; i < count; i += 2) {
        is_well = is_well && players[i].turns + players[i + 1].turns == pairs[i / 2].turns;
        sum += pairs[i / 2].turns;
    }
    return is_well && sum == all_turns;
}

int main(int argc, char **argv)
{
    unsigned count = argc == 4 ? (unsigned)strtoul(argv[1], NULL, 10) / 2 * 2 : 0;
    struct player *players = calloc(count, sizeof(*players));
    struct pair *pairs = calloc(count / 2, sizeof(*pairs));

    if (count == 0 || players == NULL || pairs == NULL) {
        fprintf(stderr, "usage: storm THREADS FILE US\n");
        return 2;
    }
    rest = (useconds_t)strtoul(argv[3], NULL, 10);
    if (!start(players, pairs, count)) {
        fprintf(stderr, "storm: no more threads\n");
        return 1;
    }
    while (access(argv[2], F_OK) != 0) {
        usleep(20000);
    }
    atomic_store(&shall_stop, true);
    return end(players, pairs, count) ? 0 : 1;
}
