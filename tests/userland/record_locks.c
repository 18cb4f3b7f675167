/* fcntl's locks of ranges of bytes: of a process, and of an open file. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static int file;

static struct flock range(int kind, long start, long length)
{
    return (struct flock){
        .l_type = (short)kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static int lock(int descriptor, int kind, long start, long length)
{
    struct flock wanted = range(kind, start, length);

    return fcntl(descriptor, F_SETLK, &wanted);
}

/* What another process finds in the way, from one lock to the next. */
static void show_locks(const char *when)
{
    pid_t parent = getpid();

    flush();
    if (fork() == 0) {
        struct flock found = range(F_WRLCK, 0, 0);

        printf("%s:", when);
        while (fcntl(file, F_GETLK, &found) == 0 && found.l_type != F_UNLCK) {
            long next = found.l_start + found.l_len;

            printf(" %s %ld+%ld%s", found.l_type == F_RDLCK ? "read" : "write", (long)found.l_start,
                   (long)found.l_len, found.l_pid == parent ? "" : "?");
            if (found.l_len == 0) {
                break;
            }
            found = range(F_WRLCK, next, 0);
        }
        printf("\n");
        flush();
        _exit(0);
    }
    wait(NULL);
}

/* --- ranges ------------------------------------------------------------------------------------
 */

static void ranges(void)
{
    struct flock moved = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = -5, .l_len = 3};

    SHOW(lock(file, F_WRLCK, 100, 100));
    show_locks("one");
    SHOW(lock(file, F_RDLCK, 130, 20));
    show_locks("cut in three");
    SHOW(lock(file, F_UNLCK, 90, 20));
    show_locks("less at the front");
    SHOW(lock(file, F_UNLCK, 190, 100));
    show_locks("less behind");
    SHOW(lock(file, F_WRLCK, 130, 20));
    show_locks("one again");
    SHOW(lock(file, F_WRLCK, 190, 10));
    SHOW(lock(file, F_WRLCK, 100, 10));
    show_locks("grown at both ends");
    SHOW(lock(file, F_RDLCK, 50, 0));
    show_locks("all of another kind");
    SHOW(lock(file, F_UNLCK, 60, 10));
    SHOW(lock(file, F_UNLCK, 1000, 0));
    show_locks("with a hole and an end");
    SHOW(lock(file, F_UNLCK, 0, 0));
    show_locks("none");
    lseek(file, 20, SEEK_SET);
    SHOW(fcntl(file, F_SETLK, &moved));
    moved = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 0, .l_len = -10};
    SHOW(fcntl(file, F_SETLK, &moved));
    show_locks("from here, and before the end");
    SHOW(lock(file, F_UNLCK, 0, 0));
}

static void errors(void)
{
    int reading = open("locked", O_RDONLY), writing = open("locked", O_WRONLY);
    int path = open("locked", O_PATH);
    struct flock wanted = range(F_UNLCK, 0, 0);

    SHOW(lock(reading, F_WRLCK, 0, 1));
    SHOW(lock(writing, F_RDLCK, 0, 1));
    SHOW(lock(path, F_RDLCK, 0, 1));
    SHOW(lock(99, F_RDLCK, 0, 1));
    SHOW(lock(file, 3, 0, 1));
    SHOW(lock(file, F_WRLCK, -1, 1));
    SHOW(lock(file, F_WRLCK, 5, -10));
    SHOW(lock(file, F_WRLCK, 0x7fffffffffffffff, 2));
    SHOW(lock(file, F_WRLCK, 0x7fffffffffffffff, 1));
    SHOW(fcntl(file, F_SETLK, (struct flock *)8));
    wanted = range(F_RDLCK, 0, 0);
    wanted.l_whence = 7;
    SHOW(fcntl(file, F_SETLK, &wanted));
    wanted = range(F_RDLCK, 0, 0);
    SHOW(fcntl(file, F_GETLK, &wanted));
    printf("free: type %d\n", wanted.l_type == F_UNLCK);
    wanted = range(F_WRLCK, 0, 0);
    wanted.l_pid = 1;
    SHOW(fcntl(file, F_OFD_SETLK, &wanted));
    close(reading);
    close(writing);
    close(path);
    SHOW(lock(file, F_UNLCK, 0, 0));
}

/* --- owners ------------------------------------------------------------------------------------
 */

static void closing(void)
{
    int other = open("locked", O_RDWR), copy = dup(file);

    SHOW(lock(file, F_WRLCK, 0, 10));
    SHOW(lock(other, F_WRLCK, 5, 10)); /* its own lock is in nobody's way */
    show_locks("one owner");
    close(copy); /* any descriptor of the file */
    show_locks("after closing a copy");
    SHOW(lock(file, F_WRLCK, 0, 10));
    dup2(0, other);
    show_locks("after replacing another opening");
    close(other);
    SHOW(lock(file, F_WRLCK, 0, 10));
    flush();
    if (fork() == 0) {
        SHOW(lock(file, F_WRLCK, 0, 10)); /* not inherited */
        close(file);
        flush();
        _exit(0);
    }
    wait(NULL);
    show_locks("after a child's closing");
    SHOW(lock(file, F_UNLCK, 0, 0));
}

static void of_open_files(void)
{
    int other = open("locked", O_RDWR), copy = dup(other);
    struct flock wanted = range(F_WRLCK, 0, 10), found = range(F_RDLCK, 5, 1);

    SHOW(fcntl(other, F_OFD_SETLK, &wanted));
    SHOW(lock(file, F_RDLCK, 5, 1));
    SHOW(fcntl(file, F_GETLK, &found));
    printf("held by %d, type %d, %ld+%ld\n", found.l_pid, found.l_type == F_WRLCK,
           (long)found.l_start, (long)found.l_len);
    SHOW(fcntl(copy, F_OFD_SETLK, &wanted));
    close(other);
    SHOW(lock(file, F_RDLCK, 5, 1));
    close(copy);
    SHOW(lock(file, F_RDLCK, 5, 1));
    SHOW(lock(file, F_UNLCK, 0, 0));
}

/* --- waiting -----------------------------------------------------------------------------------
 */

static void counting(void)
{
    enum { CHILDREN = 6, TIMES = 50 };
    int count = 0;

    pwrite(file, &count, sizeof(count), 0);
    flush();
    for (int i = 0; i < CHILDREN; i++) {
        if (fork() == 0) {
            for (int j = 0; j < TIMES; j++) {
                struct flock wanted = range(F_WRLCK, 0, 4);

                fcntl(file, F_SETLKW, &wanted);
                pread(file, &count, sizeof(count), 0);
                if (j % 10 == 0) {
                    usleep(100);
                }
                count++;
                pwrite(file, &count, sizeof(count), 0);
                lock(file, F_UNLCK, 0, 0);
            }
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    pread(file, &count, sizeof(count), 0);
    printf("counted %d\n", count);
}

static void do_nothing(int number)
{
    (void)number;
}

/* Two that have one byte each and want the other's: one of them hears of it. */
static void ring(void)
{
    struct flock first = range(F_WRLCK, 0, 1), second = range(F_WRLCK, 1, 1);
    int ends[2], status;
    char byte;

    pipe(ends);
    SHOW(fcntl(file, F_SETLK, &first));
    flush();
    pid_t child = fork();

    if (child == 0) {
        fcntl(file, F_SETLK, &second);
        write(ends[1], "x", 1);
        _exit(fcntl(file, F_SETLKW, &first) == 0 ? 0 : errno);
    }
    read(ends[0], &byte, 1);
    int error = fcntl(file, F_SETLKW, &second) == 0 ? 0 : errno;

    lock(file, F_UNLCK, 0, 0);
    waitpid(child, &status, 0);
    printf("one of them: %s\n", error_name(error != 0 ? error : WEXITSTATUS(status)));
    printf("both: %d\n", error != 0 && WEXITSTATUS(status) != 0);
    close(ends[0]);
    close(ends[1]);
}

static void interrupted(void)
{
    struct sigaction action = {.sa_handler = do_nothing};
    int status;

    lock(file, F_WRLCK, 0, 0);
    flush();
    pid_t child = fork();

    if (child == 0) {
        struct flock wanted = range(F_RDLCK, 0, 1);

        sigaction(SIGUSR1, &action, NULL);
        _exit(fcntl(file, F_SETLKW, &wanted) == 0 ? 0 : errno);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        usleep(200000);
        kill(child, SIGUSR1);
    }
    printf("a signal ends the wait: %s\n",
           WIFEXITED(status) ? error_name(WEXITSTATUS(status)) : "it ended the process");
    lock(file, F_UNLCK, 0, 0);
}

int main(void)
{
    file = open("locked", O_RDWR | O_CREAT, 0600);
    ftruncate(file, 100);
    ranges();
    errors();
    closing();
    of_open_files();
    counting();
    ring();
    interrupted();
    unlink("locked");
    return 0;
}
