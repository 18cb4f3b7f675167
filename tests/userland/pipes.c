/* Pipes, and waiting for several things at once. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char buffer[200000];

static void basics(void)
{
    int ends[2], waiting = 0;
    struct stat status;

    SHOW(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    printf("descriptors %d %d\n", ends[0], ends[1]);
    SHOW(fcntl(ends[0], F_GETFD));
    SHOW(fcntl(ends[0], F_GETFL) & (O_NONBLOCK | O_ACCMODE));
    SHOW(read(ends[0], buffer, 10));
    SHOW(read(ends[0], buffer, 0));
    SHOW(write(ends[1], buffer, sizeof(buffer)));
    SHOW(write(ends[1], buffer, 1));
    SHOW(ioctl(ends[0], FIONREAD, &waiting));
    printf("waiting %d\n", waiting);
    SHOW(read(ends[0], buffer, 4095));
    SHOW(write(ends[1], buffer, 4096));
    SHOW(read(ends[0], buffer, 1));
    SHOW(write(ends[1], buffer, 4096));
    SHOW(read(ends[0], buffer, sizeof(buffer)));
    SHOW(read(ends[1], buffer, 1));
    SHOW(write(ends[0], buffer, 1));
    SHOW(lseek(ends[0], 0, SEEK_SET));
    SHOW(pread(ends[0], buffer, 1, 0));
    SHOW(ftruncate(ends[1], 0));
    fstat(ends[0], &status);
    printf("a pipe: %d\n", S_ISFIFO(status.st_mode));
    close(ends[1]);
    SHOW(read(ends[0], buffer, 1));
    close(ends[0]);
    SHOW(pipe2(ends, 0x10));
    SHOW(pipe((int *)8));
    SHOW(fcntl(0, F_GETPIPE_SZ) > 0 || errno == EBADF);
}

static void vectors(void)
{
    int ends[2];
    char one[3], two[10];
    struct iovec out[3] = {{"abc", 3}, {"", 0}, {"defgh", 5}};
    struct iovec in[2] = {{one, 3}, {two, 10}};

    pipe(ends);
    SHOW(writev(ends[1], out, 3));
    SHOW(readv(ends[0], in, 2));
    printf("%.3s %.5s\n", one, two);
    SHOW(writev(ends[1], out, -1));
    SHOW(writev(ends[1], out, 2000));
    SHOW(writev(ends[1], (struct iovec *)8, 1));
    out[0].iov_base = (void *)8;
    SHOW(writev(ends[1], out, 1));
    close(ends[0]);
    close(ends[1]);
}

/* --- poll and select ---------------------------------------------------------------------------
 */

static void show_poll(const char *what, int count, struct pollfd *waits)
{
    printf("%s: %d", what, poll(waits, (nfds_t)count, 0));
    for (int i = 0; i < count; i++) {
        printf(" %x", (unsigned)waits[i].revents);
    }
    printf("\n");
}

static void polling(void)
{
    int ends[2];
    pipe2(ends, O_NONBLOCK);
    struct pollfd waits[4] = {
        {ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {-1, POLLIN, 0}, {77, POLLIN, 0}};

    show_poll("empty", 4, waits);
    write(ends[1], "x", 1);
    show_poll("one byte", 4, waits);
    while (write(ends[1], buffer, 4096) > 0) {
    }
    show_poll("full", 2, waits);
    int copy = dup(ends[1]);

    close(ends[1]);
    waits[1].fd = copy;
    show_poll("copied", 2, waits);
    close(copy);
    show_poll("no writer", 1, waits);
    while (read(ends[0], buffer, sizeof(buffer)) > 0) {
    }
    show_poll("end", 1, waits);
    close(ends[0]);
    pipe(ends);
    close(ends[0]);
    waits[1].fd = ends[1];
    show_poll("no reader", 1, waits + 1);
    close(ends[1]);
    int file = open(".", O_RDONLY);

    waits[0] = (struct pollfd){file, POLLIN | POLLOUT | POLLPRI, 0};
    show_poll("a folder", 1, waits);
    close(file);
    SHOW(poll(NULL, 0, 10));
    SHOW(poll((struct pollfd *)8, 1, 0));
    SHOW(poll(waits, 1 << 30, 0));
}

static void selecting(void)
{
    int ends[2];
    fd_set reading, writing;
    struct timeval brief = {0, 20000};

    pipe(ends);
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_SET(ends[0], &reading);
    SHOW(select(ends[1] + 1, &reading, NULL, NULL, &brief));
    printf("still set %d\n", FD_ISSET(ends[0], &reading));
    FD_SET(ends[0], &reading);
    FD_SET(ends[1], &writing);
    write(ends[1], "x", 1);
    SHOW(select(ends[1] + 1, &reading, &writing, NULL, NULL));
    printf("set %d %d\n", FD_ISSET(ends[0], &reading), FD_ISSET(ends[1], &writing));
    dup2(ends[0],
         150); /* bits behind the table's room mean nothing: make sure that there is room */
    close(150);
    FD_SET(99, &reading);
    SHOW(select(100, &reading, NULL, NULL, &brief));
    SHOW(select(-1, NULL, NULL, NULL, &brief));
    brief.tv_sec = -1;
    SHOW(select(0, NULL, NULL, NULL, &brief));
    close(ends[0]);
    close(ends[1]);
}

/* --- between processes -------------------------------------------------------------------------
 */

static void a_lot(void)
{
    int ends[2];
    unsigned long sum = 0;
    long total = 0, got;

    pipe(ends);
    flush();
    if (fork() == 0) {
        unsigned char value = 0;

        close(ends[0]);
        for (int i = 0; i < 300; i++) {
            size_t size = (size_t)(i * 37 % 9000 + 1);

            for (size_t j = 0; j < size; j++) {
                buffer[j] = (char)value++;
            }
            write(ends[1], buffer, size);
        }
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], buffer, (size_t)(total * 7 % 12345 + 1))) > 0) {
        for (long j = 0; j < got; j++) {
            sum += (unsigned char)buffer[j] == (unsigned char)(total + j);
        }
        total += got;
    }
    printf("%ld bytes, %lu right\n", total, sum);
    close(ends[0]);
    wait(NULL);
}

static void whole_lines(void)
{
    int ends[2], torn = 0, lines = 0;

    pipe(ends);
    flush();
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            memset(buffer, 'a' + i, 1000);
            for (int j = 0; j < 100; j++) {
                write(ends[1], buffer, 1000);
            }
            _exit(0);
        }
    }
    close(ends[1]);
    FILE *input = fdopen(ends[0], "r");

    while (fread(buffer, 1000, 1, input) == 1) {
        lines++;
        for (int j = 1; j < 1000; j++) {
            torn += buffer[j] != buffer[0];
        }
    }
    printf("%d writes, %d torn bytes\n", lines, torn);
    while (wait(NULL) > 0) {
    }
    fclose(input);
}

static void named(void)
{
    SHOW(mkfifo("fifo", 0600));
    SHOW(mkfifo("fifo", 0600));
    SHOW_ERROR(open("fifo", O_WRONLY | O_NONBLOCK));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);

    SHOW(read(reader, buffer, 1));
    int writer = open("fifo", O_WRONLY | O_NONBLOCK);

    SHOW(read(reader, buffer, 1));
    SHOW(write(writer, "hello", 5));
    SHOW(read(reader, buffer, 100));
    close(reader);
    close(writer);
    SHOW(unlink("fifo"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    basics();
    vectors();
    polling();
    selecting();
    a_lot();
    whole_lines();
    named();
    return 0;
}
