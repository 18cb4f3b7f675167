/*
 * liburcu's lock-free hash table (liburcu-dev): what a look-up costs, beside that of a handle.
 *
 *     lfht pairs ROUNDS    prints `NANOSECONDS ROUNDS`
 */
#define _LGPL_SOURCE
#include <urcu.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/rculfhash.h>

#define ENTRIES 1024U

struct entry {
    struct cds_lfht_node node;
    uint64_t key;
};

static struct entry entries[ENTRIES];

/* Multiplication by the golden ratio spreads the keys over the upper bits (Knuth, 6.4). */
static unsigned long hash_of(uint64_t key)
{
    return (unsigned long)(key * 0x9e3779b97f4a7c15ULL >> 20);
}

static int is_key(struct cds_lfht_node *node, const void *key)
{
    return caa_container_of(node, struct entry, node)->key == *(const uint64_t *)key;
}

static struct cds_lfht *make_table(void)
{
    struct cds_lfht *table = cds_lfht_new(ENTRIES, ENTRIES, 0, 0, NULL);

    if (table == NULL) {
        return NULL;
    }
    rcu_read_lock();
    for (uint64_t i = 0; i < ENTRIES; i++) {
        entries[i].key = i;
        cds_lfht_node_init(&entries[i].node);
        cds_lfht_add(table, hash_of(i), &entries[i].node);
    }
    rcu_read_unlock();
    return table;
}

/* Named as the loop of the others is, so that it is counted in the same way. */
uint64_t peer_pairs(struct cds_lfht *table, uint64_t rounds);
__attribute__((noinline)) uint64_t peer_pairs(struct cds_lfht *table, uint64_t rounds)
{
    uint64_t failed = 0;

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t key = i % ENTRIES;
        struct cds_lfht_iter found;

        rcu_read_lock();
        cds_lfht_lookup(table, hash_of(key), is_key, &key, &found);
        if (cds_lfht_iter_get_node(&found) == NULL) {
            failed++;
        }
        rcu_read_unlock();
    }
    return failed;
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

int main(int argc, char **argv)
{
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    struct cds_lfht *table;
    uint64_t start;
    uint64_t failed;

    if (rounds == 0) {
        fprintf(stderr, "usage: %s pairs ROUNDS\n", argv[0]);
        return 2;
    }
    rcu_register_thread();
    table = make_table();
    start = now();
    failed = table != NULL ? peer_pairs(table, rounds) : rounds;
    printf("%llu %llu\n", (unsigned long long)(now() - start), (unsigned long long)rounds);
    rcu_unregister_thread();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
