/* POSIX threads: exclusion, conditions, storage of their own, cancellation. */
#include "userland.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>

enum { THREADS = 8, ROUNDS = 5000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static _Thread_local long own = 7;

static void *count_up(void *number)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        own++;
    }
    return (void *)(own + (intptr_t)number);
}

static void exclude(void)
{
    pthread_t threads[THREADS];
    long sum = 0;

    for (intptr_t i = 0; i < THREADS; i++) {
        SHOW_CODE(pthread_create(&threads[i], NULL, count_up, (void *)i));
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;

        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    printf("counter %ld, results %ld, own %ld\n", counter, sum, own);
}

/* --- conditions --------------------------------------------------------------------------------
 */

static int queue[4], queued, taken_sum;

static void *consume(void *count)
{
    for (intptr_t i = 0; i < (intptr_t)count; i++) {
        pthread_mutex_lock(&mutex);
        while (queued == 0) {
            pthread_cond_wait(&changed, &mutex);
        }
        taken_sum += queue[--queued];
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void produce(void)
{
    pthread_t consumers[2];

    for (int i = 0; i < 2; i++) {
        pthread_create(&consumers[i], NULL, consume, (void *)1000);
    }
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&mutex);
        while (queued == 4) {
            pthread_cond_wait(&changed, &mutex);
        }
        queue[queued++] = i;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(consumers[i], NULL);
    }
    printf("consumed %d\n", taken_sum);
}

static void wait_in_vain(void)
{
    struct timespec when;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 50000000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    SHOW_CODE(pthread_cond_timedwait(&changed, &mutex, &when));
    pthread_mutex_unlock(&mutex);
    clock_gettime(CLOCK_REALTIME, &now);
    printf("not early: %d\n",
           now.tv_sec > when.tv_sec || (now.tv_sec == when.tv_sec && now.tv_nsec >= when.tv_nsec));
}

/* --- other kinds of locks ----------------------------------------------------------------------
 */

static void *lock_and_die(void *lock)
{
    pthread_mutex_lock(lock);
    return NULL;
}

static void kinds_of_mutex(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t lock;
    pthread_t thread;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attributes);
    SHOW_CODE(pthread_mutex_lock(&lock));
    SHOW_CODE(pthread_mutex_lock(&lock));
    SHOW_CODE(pthread_mutex_unlock(&lock));
    SHOW_CODE(pthread_mutex_unlock(&lock));
    SHOW_CODE(pthread_mutex_unlock(&lock));
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&lock, &attributes);
    SHOW_CODE(pthread_mutex_lock(&lock));
    SHOW_CODE(pthread_mutex_lock(&lock));
    SHOW_CODE(pthread_mutex_trylock(&lock));
    SHOW_CODE(pthread_mutex_unlock(&lock));
    SHOW_CODE(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    pthread_mutex_init(&lock, &attributes);
    pthread_create(&thread, NULL, lock_and_die, &lock);
    pthread_join(thread, NULL);
    SHOW_CODE(pthread_mutex_lock(&lock));
    SHOW_CODE(pthread_mutex_consistent(&lock));
    SHOW_CODE(pthread_mutex_unlock(&lock));
    SHOW_CODE(pthread_mutex_lock(&lock));
    SHOW_CODE(pthread_mutex_unlock(&lock));
}

static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void only_once(void)
{
    printf("once\n");
}

static void *meet(void *serial)
{
    pthread_once(&once, only_once);
    pthread_rwlock_rdlock(&rwlock);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        *(int *)serial += 1;
    }
    pthread_rwlock_unlock(&rwlock);
    sem_post(&semaphore);
    return NULL;
}

static void meetings(void)
{
    pthread_t threads[THREADS];
    int serial = 0;

    pthread_barrier_init(&barrier, NULL, THREADS);
    sem_init(&semaphore, 0, 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, meet, &serial);
    }
    for (int i = 0; i < THREADS; i++) {
        sem_wait(&semaphore);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("serial threads %d\n", serial);
    SHOW(sem_trywait(&semaphore));
    SHOW_CODE(pthread_rwlock_wrlock(&rwlock));
    SHOW_CODE(pthread_rwlock_tryrdlock(&rwlock));
    SHOW_CODE(pthread_rwlock_unlock(&rwlock));
}

/* --- cancellation, keys ------------------------------------------------------------------------
 */

static sem_t started;

static void say_cleanup(void *text)
{
    printf("cleaning up: %s\n", (char *)text);
}

static void *sleep_for_ever(void *nothing)
{
    pthread_cleanup_push(say_cleanup, "sleeper");
    sem_post(&started);
    for (;;) {
        pause();
    }
    pthread_cleanup_pop(0);
    return nothing;
}

static void *spin_for_ever(void *nothing)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    sem_post(&started);
    for (;;) {
        __asm__ volatile("pause");
    }
    return nothing;
}

static void *read_for_ever(void *ends)
{
    char byte;

    sem_post(&started);
    read(*(int *)ends, &byte, 1);
    return NULL;
}

static void cancel_one(const char *what, void *(*work)(void *), void *argument)
{
    pthread_t thread;
    void *result = NULL;

    pthread_create(&thread, NULL, work, argument);
    sem_wait(&started);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("%s: cancelled %d\n", what, result == PTHREAD_CANCELED);
}

static void *set_key(void *key)
{
    pthread_setspecific(*(pthread_key_t *)key, "a value");
    return NULL;
}

static void cancellation(void)
{
    int ends[2];
    pthread_key_t key;
    pthread_t thread;

    sem_init(&started, 0, 0);
    pipe(ends);
    cancel_one("sleeping", sleep_for_ever, NULL);
    cancel_one("spinning", spin_for_ever, NULL);
    cancel_one("reading", read_for_ever, ends);
    SHOW_CODE(pthread_key_create(&key, say_cleanup));
    pthread_create(&thread, NULL, set_key, &key);
    pthread_join(thread, NULL);
}

/* --- a lot -------------------------------------------------------------------------------------
 */

static void *nothing_at_all(void *argument)
{
    return argument;
}

static void many_after_another(void)
{
    pthread_attr_t attributes;
    int done = 0;

    pthread_attr_init(&attributes);
    SHOW_CODE(pthread_attr_setstacksize(&attributes, 65536));
    for (intptr_t i = 0; i < 500; i++) {
        pthread_t thread;
        void *result;

        done += pthread_create(&thread, &attributes, nothing_at_all, (void *)i) == 0 &&
                pthread_join(thread, &result) == 0 && result == (void *)i;
    }
    printf("one after another: %d\n", done);
}

static void *wait_at_gate(void *gate)
{
    sem_wait(gate);
    return NULL;
}

static void many_at_once(void)
{
    enum { MANY = 200 };
    static pthread_t threads[MANY];
    static sem_t gate;
    int done = 0;

    sem_init(&gate, 0, 0);
    for (int i = 0; i < MANY; i++) {
        done += pthread_create(&threads[i], NULL, wait_at_gate, &gate) == 0;
    }
    for (int i = 0; i < MANY; i++) {
        sem_post(&gate);
    }
    for (int i = 0; i < MANY; i++) {
        done += pthread_join(threads[i], NULL) == 0;
    }
    printf("at once: %d\n", done);
}

int main(void)
{
    exclude();
    produce();
    wait_in_vain();
    kinds_of_mutex();
    meetings();
    cancellation();
    many_after_another();
    many_at_once();
    return 0;
}
