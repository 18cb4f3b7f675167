/* flock: locks of whole files, held by what was opened. */
#include "userland.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int open_file(void)
{
    return open("locked", O_RDWR | O_CREAT, 0600);
}

/* --- one process, several openings -------------------------------------------------------------
 */

static void kinds(void)
{
    int one = open_file(), two = open_file(), copy = dup(one);

    SHOW(flock(one, LOCK_SH));
    SHOW(flock(two, LOCK_SH | LOCK_NB));
    SHOW(flock(two, LOCK_EX | LOCK_NB));
    SHOW(flock(one, LOCK_EX | LOCK_NB)); /* the refused change has lost the shared one */
    SHOW(flock(copy, LOCK_EX | LOCK_NB));
    SHOW(flock(two, LOCK_SH | LOCK_NB));
    SHOW(flock(copy, LOCK_SH | LOCK_NB));
    SHOW(flock(two, LOCK_SH | LOCK_NB));
    SHOW(flock(two, LOCK_UN));
    SHOW(flock(two, LOCK_UN));
    SHOW(flock(one, LOCK_EX));
    SHOW(close(one));
    SHOW(flock(two, LOCK_EX | LOCK_NB)); /* the copy still has it */
    SHOW(close(copy));
    SHOW(flock(two, LOCK_EX | LOCK_NB));
    close(two);
}

static void errors(void)
{
    int file = open_file(), path = open("locked", O_PATH);
    int reading = open("locked", O_RDONLY), folder = open(".", O_RDONLY);
    int ends[2];

    pipe(ends);
    SHOW(flock(99, LOCK_EX));
    SHOW(flock(99, 3));
    SHOW(flock(file, 0));
    SHOW(flock(file, LOCK_SH | LOCK_EX));
    SHOW(flock(file, LOCK_EX | LOCK_UN));
    SHOW(flock(path, LOCK_SH));
    SHOW(flock(reading, LOCK_EX));
    SHOW(flock(folder, LOCK_EX));
    SHOW(flock(ends[0], LOCK_EX));
    for (int i = file; i <= ends[1]; i++) {
        close(i);
    }
}

/* --- several processes --------------------------------------------------------------------------
 */

/* The child has the parent's lock as long as either has the file open. */
static void inherited(void)
{
    int file = open_file(), other = open_file(), status;
    int ends[2];
    char byte;

    pipe(ends);
    SHOW(flock(file, LOCK_EX));
    flush();
    if (fork() == 0) {
        close(ends[1]);
        read(ends[0], &byte, 1);
        _exit(0);
    }
    close(file);
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    close(ends[1]);
    wait(&status);
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    close(other);
    close(ends[0]);
}

/* A counter in a file, raised by many: what a lock is for. */
static void counting(void)
{
    enum { CHILDREN = 8, TIMES = 50 };
    int status, file = open_file();
    int count = 0;

    write(file, &count, sizeof(count));
    flush();
    for (int i = 0; i < CHILDREN; i++) {
        if (fork() == 0) {
            int mine = open_file();

            for (int j = 0; j < TIMES; j++) {
                flock(mine, LOCK_EX);
                pread(mine, &count, sizeof(count), 0);
                if (j % 10 == 0) {
                    usleep(100);
                }
                count++;
                pwrite(mine, &count, sizeof(count), 0);
                flock(mine, LOCK_UN);
            }
            _exit(0);
        }
    }
    while (wait(&status) > 0) {
    }
    pread(file, &count, sizeof(count), 0);
    printf("counted %d\n", count);
    close(file);
}

static void do_nothing(int number)
{
    (void)number;
}

/* Waits for a lock that is held; the parent sends signals until it is done. */
static int interrupted(int flags, int releases)
{
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = flags};
    int file = open_file(), status;

    flock(file, LOCK_EX);
    flush();
    pid_t child = fork();

    if (child == 0) {
        int mine = open_file();

        close(file);
        sigaction(SIGUSR1, &action, NULL);
        _exit(flock(mine, LOCK_SH) == 0 ? 0 : errno);
    }
    for (int i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
        usleep(10000);
        if (i > 10) {
            kill(child, SIGUSR1);
        }
        if (i == 20 && releases) {
            flock(file, LOCK_UN);
        }
    }
    close(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    kinds();
    errors();
    inherited();
    counting();
    printf("a signal ends the wait: %s\n", error_name(interrupted(0, 0)));
    printf("or it goes on: %s\n", error_name(interrupted(SA_RESTART, 1)));
    unlink("locked");
    return 0;
}
