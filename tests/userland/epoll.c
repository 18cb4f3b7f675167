/* Sets of files that are waited for together. */
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>

static int set;

static int by_data(const void *a, const void *b)
{
    const struct epoll_event *left = a;
    const struct epoll_event *right = b;

    return (left->data.u64 > right->data.u64) - (left->data.u64 < right->data.u64);
}

/* What there is, sorted. */
static void show_events(const char *when, int capacity, int milliseconds)
{
    struct epoll_event events[16];
    int count = epoll_wait(set, events, capacity, milliseconds);

    printf("%s: %d", when, count);
    if (count < 0) {
        printf(" %s", error_name(errno));
    } else {
        qsort(events, (size_t)count, sizeof(events[0]), by_data);
    }
    for (int i = 0; i < count; i++) {
        printf(" %llu:%x", (unsigned long long)events[i].data.u64, events[i].events);
    }
    printf("\n");
}

static int control(int operation, int descriptor, uint32_t events, uint64_t data)
{
    struct epoll_event event = {events, {.u64 = data}};

    errno = 0;
    return epoll_ctl(set, operation, descriptor, &event);
}

static void refusals(void)
{
    int counter = eventfd(0, 0);
    int file = open("file", O_RDWR | O_CREAT, 0600);
    struct epoll_event events[2];

    set = epoll_create1(EPOLL_CLOEXEC);
    SHOW(fcntl(set, F_GETFD));
    SHOW(epoll_create1(1));
    SHOW(epoll_create(0));
    SHOW(epoll_create(-1));
    SHOW(control(EPOLL_CTL_ADD, counter, EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_ADD, counter, EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_MOD, file, EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_ADD, file, EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_ADD, 99, EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_ADD, set, EPOLLIN, 1));
    SHOW(control(9, counter, EPOLLIN, 1));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, counter, NULL));
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, counter, NULL));
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, counter, NULL));
    SHOW(epoll_ctl(counter, EPOLL_CTL_DEL, set, NULL));
    SHOW(epoll_ctl(99, EPOLL_CTL_DEL, set, NULL));
    SHOW(control(EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
    SHOW(control(EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLEXCLUSIVE, 1));
    SHOW(control(EPOLL_CTL_MOD, counter, EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_MOD, counter, EPOLLIN | EPOLLEXCLUSIVE, 1));
    SHOW(epoll_wait(set, events, 0, 0));
    SHOW(epoll_wait(set, events, -1, 0));
    SHOW(epoll_wait(counter, events, 1, 0));
    SHOW(epoll_wait(99, events, 1, 0));
    SHOW(epoll_wait(set, events, 1, 0));
    SHOW(read(set, events, 8));
    SHOW(write(set, events, 8));
    close(set);
    close(counter);
    close(file);
}

/* With room for one of two, both are told of in two calls. */
static void take_turns(void)
{
    struct epoll_event first;
    struct epoll_event second;

    SHOW(epoll_wait(set, &first, 1, 100));
    SHOW(epoll_wait(set, &second, 1, 100));
    SHOW_TRUE(first.data.u64 + second.data.u64 == 11 + 12);
}

static void levels(void)
{
    uint64_t one = 1;
    int counters[3];

    set = epoll_create1(0);
    for (unsigned i = 0; i < 3; i++) {
        counters[i] = eventfd(i == 1, EFD_NONBLOCK);
        control(EPOLL_CTL_ADD, counters[i], EPOLLIN, 10 + i);
    }
    show_events("one is ready", 16, -1);
    show_events("and still is", 16, 0);
    write(counters[2], &one, 8);
    show_events("two are", 16, 100);
    take_turns();
    SHOW(control(EPOLL_CTL_MOD, counters[0], EPOLLOUT | EPOLLIN, 77));
    show_events("also to be written", 16, 0);
    read(counters[1], &one, 8);
    read(counters[2], &one, 8);
    SHOW(control(EPOLL_CTL_DEL, counters[0], 0, 0));
    show_events("none is", 16, 10);
    close(counters[0]);
    close(counters[1]);
    close(counters[2]);
    close(set);
}

static void edges(void)
{
    char bytes[8];
    int ends[2];

    set = epoll_create1(0);
    pipe2(ends, O_NONBLOCK);
    control(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET, 1);
    show_events("empty", 16, 0);
    write(ends[1], "abc", 3);
    show_events("bytes came", 16, 0);
    show_events("nothing new", 16, 0);
    write(ends[1], "def", 3);
    show_events("more came", 16, 0);
    read(ends[0], bytes, 2);
    show_events("some were read", 16, 0);
    read(ends[0], bytes, 8);
    show_events("all were read", 16, 0);
    write(ends[1], "ghi", 3);
    show_events("new ones", 16, 0);
    read(ends[0], bytes, 8);
    write(ends[1], "ghi", 3);
    show_events("read and written in between", 16, 0);
    SHOW(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 2));
    show_events("asked anew", 16, 0);
    show_events("and told", 16, 0);
    close(ends[1]);
    show_events("hung up", 16, 0);
    close(ends[0]);
    close(set);
}

static void once(void)
{
    int counter = eventfd(1, 0);

    set = epoll_create1(0);
    control(EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLONESHOT, 1);
    show_events("once", 16, 0);
    show_events("not twice", 16, 0);
    SHOW(control(EPOLL_CTL_MOD, counter, EPOLLIN | EPOLLONESHOT, 2));
    show_events("again", 16, 0);
    show_events("over", 16, 0);
    close(counter);
    close(set);
}

/* The last descriptor takes a file out; a copy of it does not. */
static void closing(void)
{
    int ends[2];
    int copy;

    set = epoll_create1(0);
    pipe(ends);
    write(ends[1], "x", 1);
    copy = dup(ends[0]);
    SHOW(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
    SHOW(control(EPOLL_CTL_ADD, copy, EPOLLIN, 2));
    show_events("under two descriptors", 16, 0);
    close(ends[0]);
    show_events("one is closed", 16, 0);
    close(copy);
    show_events("both are", 16, 0);
    SHOW(control(EPOLL_CTL_ADD, ends[1], EPOLLOUT, 3));
    show_events("nobody reads", 16, 0);
    close(ends[1]);
    show_events("nothing is left", 16, 0);
    close(set);
}

static void *write_later(void *end)
{
    usleep(20000);
    write(*(int *)end, "x", 1);
    return NULL;
}

static void *add_later(void *end)
{
    usleep(20000);
    control(EPOLL_CTL_ADD, *(int *)end, EPOLLIN, 9);
    return NULL;
}

static void waiting(void)
{
    struct epoll_event event;
    struct pollfd asked;
    pthread_t thread;
    char byte;
    int ends[2];

    set = epoll_create1(0);
    asked = (struct pollfd){set, POLLIN, 0};
    pipe(ends);
    control(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET, 1);
    pthread_create(&thread, NULL, write_later, &ends[1]);
    show_events("a thread writes", 16, -1);
    pthread_join(thread, NULL);
    read(ends[0], &byte, 1);
    pthread_create(&thread, NULL, write_later, &ends[1]);
    SHOW(poll(&asked, 1, -1));
    printf("the set is ready %x\n", (unsigned)asked.revents);
    pthread_join(thread, NULL);
    show_events("as a member says", 16, 0);
    SHOW(poll(&asked, 1, 0));
    SHOW(control(EPOLL_CTL_DEL, ends[0], 0, 0));
    pthread_create(&thread, NULL, add_later, &ends[0]);
    show_events("one is added that is ready", 16, -1);
    pthread_join(thread, NULL);
    read(ends[0], &byte, 1);
    SHOW(epoll_wait(set, &event, 1, 15));
    close(ends[0]);
    close(ends[1]);
    close(set);
}

static void heard(int number)
{
    (void)number;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = heard, .sa_flags = SA_RESTART};
    struct epoll_event event;
    sigset_t none;
    sigset_t blocked;

    set = epoll_create1(0);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGUSR1);
    SHOW(epoll_wait(set, &event, 1, 5));
    SHOW(epoll_pwait(set, &event, 1, -1, &none));
    SHOW(epoll_pwait(set, &event, 1, 5, &none));
    close(set);
}

static int add_to(int outer, int inner, uint32_t events)
{
    struct epoll_event event = {events, {.u64 = (uint64_t)(unsigned)inner}};

    errno = 0;
    return epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
}

static void show_nested(const char *when, int outer, int milliseconds)
{
    set = outer;
    show_events(when, 16, milliseconds);
}

static void nesting(void)
{
    pthread_t thread;
    int sets[4];
    int ends[2];
    char byte;

    for (int i = 0; i < 4; i++) {
        sets[i] = epoll_create1(0);
    }
    pipe(ends);
    SHOW(add_to(sets[0], ends[0], EPOLLIN));
    SHOW(add_to(sets[1], sets[0], EPOLLIN | EPOLLEXCLUSIVE));
    SHOW(add_to(sets[1], sets[0], EPOLLIN));
    SHOW(add_to(sets[1], sets[0], EPOLLIN));
    SHOW(add_to(sets[2], sets[1], EPOLLIN | EPOLLOUT));
    SHOW(add_to(sets[3], sets[2], EPOLLIN));
    SHOW(add_to(sets[0], sets[3], EPOLLIN));
    SHOW(add_to(sets[2], sets[2], EPOLLIN));
    show_nested("none is ready", sets[3], 0);
    write(ends[1], "x", 1);
    show_nested("one is, deep down", sets[3], -1);
    show_nested("and still", sets[3], 0);
    read(ends[0], &byte, 1);
    show_nested("no longer", sets[3], 0);
    pthread_create(&thread, NULL, write_later, &ends[1]);
    show_nested("while it waits", sets[3], -1);
    pthread_join(thread, NULL);
    close(sets[1]);
    show_nested("cut off", sets[3], 0);
    show_nested("below the cut", sets[0], 0);
    close(sets[0]);
    close(sets[2]);
    close(sets[3]);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    refusals();
    levels();
    edges();
    once();
    closing();
    waiting();
    nesting();
    signals();
    return 0;
}
