/* eventfd. */
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void add(int counter, uint64_t value)
{
    ssize_t size = write(counter, &value, sizeof(value));

    printf("add %llu: %zd %s\n", (unsigned long long)value, size,
           size < 0 ? error_name(errno) : "");
}

static void take(int counter)
{
    uint64_t value = 99;
    ssize_t size = read(counter, &value, sizeof(value));

    printf("take: %zd %s %llu\n", size, size < 0 ? error_name(errno) : "",
           (unsigned long long)value);
}

static void show_ready(int counter)
{
    struct pollfd asked = {counter, POLLIN | POLLOUT, 0};

    poll(&asked, 1, 0);
    printf("ready %x\n", (unsigned)asked.revents);
}

static void plain(void)
{
    int counter = eventfd(3, EFD_NONBLOCK);
    struct stat status;
    char byte[16] = "";

    take(counter);
    take(counter);
    show_ready(counter);
    add(counter, 5);
    add(counter, 7);
    show_ready(counter);
    take(counter);
    add(counter, UINT64_MAX);
    add(counter, UINT64_MAX - 1);
    show_ready(counter);
    add(counter, 1);
    add(counter, 0);
    take(counter);
    SHOW(read(counter, byte, 7));
    SHOW(write(counter, byte, 7));
    SHOW(write(counter, (void *)8, 8));
    SHOW(write(counter, byte, 16));
    SHOW(fstat(counter, &status));
    printf("mode %o\n", status.st_mode);
    SHOW(fcntl(counter, F_GETFD));
    printf("flags %x\n", (unsigned)fcntl(counter, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
    close(counter);
}

static void semaphore(void)
{
    int counter = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE | EFD_CLOEXEC);

    take(counter);
    take(counter);
    take(counter);
    SHOW(fcntl(counter, F_GETFD));
    SHOW(eventfd(0, 8));
    close(counter);
}

/* A child waits to read, then the parent to write. */
static void waiting(void)
{
    int counter = eventfd(0, 0);
    uint64_t value = 0;
    int status;

    flush();
    if (fork() == 0) {
        read(counter, &value, sizeof(value));
        usleep(20000);
        read(counter, &value, sizeof(value));
        _exit(value == UINT64_MAX - 1 ? 0 : 1);
    }
    usleep(20000);
    add(counter, 42);
    add(counter, UINT64_MAX - 1);
    add(counter, 1);
    wait(&status);
    printf("the child %d\n", WEXITSTATUS(status));
    take(counter);
    close(counter);
}

int main(void)
{
    plain();
    semaphore();
    waiting();
    return 0;
}
