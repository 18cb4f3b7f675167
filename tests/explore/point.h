/* Where the explorer comes in; see tests/explore/atomics.h. */
#ifndef TESTS_EXPLORE_POINT_H
#define TESTS_EXPLORE_POINT_H

struct spinlock;

/* Let another virtual thread go on, perhaps.  Outside of virtual threads: nothing. */
void explore_point(const char *file, int line);

/* The same, and wait until nobody holds the lock. */
void explore_lock_wait(const struct spinlock *lock, const char *file, int line);

#define EXPLORE_POINT() explore_point(__FILE__, __LINE__)

#endif
