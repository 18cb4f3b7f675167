/* Mappings of every kind. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096UL

static char *map(size_t pages, int protection, int flags, int file, off_t offset)
{
    return mmap(NULL, pages * PAGE, protection, flags, file, offset);
}

/* The signal that reading or writing there ends a process with, 0 for none. */
static int touch(volatile char *where, int write)
{
    int status;

    flush();
    pid_t child = fork();

    if (child == 0) {
        if (write) {
            *where = 1;
        } else {
            (void)*where;
        }
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void anonymous(void)
{
    char *memory = map(64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long sum = 0;

    for (size_t i = 0; i < 64 * PAGE; i++) {
        sum += memory[i];
    }
    printf("all zero: %ld\n", sum);
    memset(memory, 7, 64 * PAGE);
    SHOW(madvise(memory + PAGE, PAGE, MADV_DONTNEED));
    printf("%d %d %d\n", memory[0], memory[PAGE], memory[2 * PAGE]);
    SHOW(munmap(memory + 10 * PAGE, 2 * PAGE));
    printf("hole: %d, before: %d, after: %d\n", touch(memory + 10 * PAGE, 0),
           touch(memory + 10 * PAGE - 1, 0), touch(memory + 12 * PAGE, 0));
    SHOW(mprotect(memory, 3 * PAGE, PROT_READ));
    printf("read only: %d %d\n", touch(memory + PAGE, 0), touch(memory + PAGE, 1));
    SHOW(mprotect(memory, PAGE, PROT_NONE));
    printf("none: %d, next: %d\n", touch(memory, 0), touch(memory + PAGE, 0));
    SHOW(mprotect(memory, 3 * PAGE, PROT_READ | PROT_WRITE));
    printf("again: %d %d\n", touch(memory, 1), memory[0]);
    SHOW(mprotect(memory + 9 * PAGE, 4 * PAGE, PROT_READ));
    SHOW(munmap(memory, 64 * PAGE));
    SHOW(munmap(memory, 64 * PAGE));
}

static void fixed(void)
{
    char *memory = map(8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *again;

    memset(memory, 1, 8 * PAGE);
    again = mmap(memory + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("over it: %d, %d %d\n", again == memory + PAGE, again[0], memory[2 * PAGE]);
    SHOW_TRUE(mmap(memory, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                   0) == MAP_FAILED &&
              errno == EEXIST);
    SHOW_TRUE(mmap(memory + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                  MAP_FAILED &&
              errno == EINVAL);
    SHOW_TRUE(mmap(memory + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    munmap(memory, 8 * PAGE);
    SHOW_TRUE(mmap(memory, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == memory);
}

static void of_files(void)
{
    int file = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int reading = open("mapped", O_RDONLY);
    char text[8] = "";
    char *shared, *private;

    for (int i = 0; i < 5000; i++) {
        write(file, "abcd", 4);
    }
    shared = map(5, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    private = map(5, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    printf("%.4s %.4s\n", shared, private + PAGE);
    memcpy(shared, "WXYZ", 4);
    memcpy(private + PAGE, "1234", 4);
    pread(file, text, 4, 0);
    printf("the file says %s, private sees %.4s\n", text, private);
    pread(file, text, 4, PAGE);
    printf("the file says %s\n", text);
    pwrite(file, "late", 4, PAGE);
    printf("shared sees %.4s, private keeps %.4s\n", shared + PAGE, private + PAGE);
    printf("behind the end in the last page: %d\n", shared[20001]);
    SHOW(msync(shared, 5 * PAGE, MS_SYNC));
    SHOW(ftruncate(file, PAGE));
    printf("cut off: %d, kept: %d\n", touch(shared + PAGE, 0), touch(shared, 0));
    SHOW(ftruncate(file, 3 * PAGE));
    printf("grown: %d value %d\n", touch(shared + 2 * PAGE, 0), shared[2 * PAGE]);
    SHOW_TRUE(map(1, PROT_READ | PROT_WRITE, MAP_SHARED, reading, 0) == MAP_FAILED &&
              errno == EACCES);
    SHOW_TRUE(map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE, reading, 0) != MAP_FAILED);
    SHOW_TRUE(map(1, PROT_READ, MAP_SHARED, reading, 1) == MAP_FAILED && errno == EINVAL);
    SHOW_TRUE(map(1, PROT_READ, 0, reading, 0) == MAP_FAILED && errno == EINVAL);
    SHOW_TRUE(map(1, PROT_READ, MAP_SHARED, 77, 0) == MAP_FAILED && errno == EBADF);
    SHOW_TRUE(map(0, PROT_READ, MAP_SHARED, reading, 0) == MAP_FAILED && errno == EINVAL);
    close(reading);
    reading = open("mapped", O_WRONLY);
    SHOW_TRUE(map(1, PROT_READ, MAP_PRIVATE, reading, 0) == MAP_FAILED && errno == EACCES);
    close(file);
    close(reading);
    unlink("mapped");
    printf("without a name: %.4s\n", shared);
    reading = open(".", O_RDONLY);
    SHOW_TRUE(map(1, PROT_READ, MAP_PRIVATE, reading, 0) == MAP_FAILED && errno == ENODEV);
    close(reading);
}

static void over_fork(void)
{
    char *shared = map(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *private = map(200, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status, wrong = 0;

    memset(private, 5, 200 * PAGE);
    flush();
    if (fork() == 0) {
        shared[0] = 1;
        for (int i = 0; i < 200; i += 2) {
            private[(size_t)i * PAGE] = 6;
        }
        for (int i = 0; i < 200; i++) {
            wrong += private[(size_t)i * PAGE] != (i % 2 == 0 ? 6 : 5);
        }
        _exit(wrong);
    }
    wait(&status);
    for (int i = 0; i < 200; i++) {
        wrong += private[(size_t)i * PAGE] != 5;
    }
    printf("child %d wrong, here %d wrong, shared %d\n", WEXITSTATUS(status), wrong, shared[0]);
}

static void moving(void)
{
    char *memory = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *moved;

    memset(memory, 3, 4 * PAGE);
    moved = mremap(memory, 4 * PAGE, 400 * PAGE, MREMAP_MAYMOVE);
    printf("grown: %d %d %d\n", moved != MAP_FAILED, moved[0], moved[399 * PAGE]);
    SHOW_TRUE(mremap(moved, 400 * PAGE, 2 * PAGE, 0) == moved);
    printf("shrunk: %d, kept %d\n", touch(moved + 2 * PAGE, 0), moved[PAGE]);
    SHOW_TRUE(mremap(moved + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
    SHOW_TRUE(mremap((void *)PAGE, PAGE, 2 * PAGE, 0) == MAP_FAILED && errno == EFAULT);
    SHOW_TRUE(mremap(moved, PAGE, 0, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
}

static void heap(void)
{
    char *start = sbrk(0);

    SHOW_TRUE(sbrk(0) != (void *)-1);
    for (int i = 1; i <= 200; i++) {
        char *memory = malloc((size_t)i * 1000);

        memset(memory, i, (size_t)i * 1000);
        if (i % 3 == 0) {
            free(memory);
        }
    }
    SHOW_TRUE((char *)sbrk(0) >= start);
    SHOW_TRUE(malloc((size_t)1 << 46) == NULL && errno == ENOMEM);
}

static void residence(void)
{
    char *memory = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char there[4] = {9, 9, 9, 9};

    memory[PAGE] = 1;
    SHOW(mincore(memory, 4 * PAGE, there));
    printf("there %d %d %d %d\n", there[0] & 1, there[1] & 1, there[2] & 1, there[3] & 1);
    SHOW(mincore(memory, PAGE + 1, there));
    SHOW(mincore(memory, 0, there));
    SHOW(mincore(memory + 1, PAGE, there));
    SHOW(mincore(memory, 4 * PAGE, (unsigned char *)8));
    SHOW(mincore(memory, SIZE_MAX / 2, there));
    munmap(memory + 2 * PAGE, PAGE);
    SHOW(mincore(memory, 4 * PAGE, there));
    SHOW(syscall(SYS_mlock2, memory, PAGE, 0));
    SHOW(syscall(SYS_mlock2, memory, PAGE, 1));
    SHOW(syscall(SYS_mlock2, memory, PAGE, 2));
    SHOW(syscall(SYS_mlock2, memory, 3 * PAGE, 0));
}

/* More than any machine has, in one go. */
static void too_much(void)
{
    const size_t much = (size_t)1 << 45;
    char *start = sbrk(0);
    char *reserved = mmap(NULL, much, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *unchecked = mmap(NULL, much, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    SHOW_TRUE(reserved != MAP_FAILED);
    SHOW(mprotect(reserved, much, PROT_READ | PROT_WRITE));
    SHOW(mprotect(reserved, PAGE, PROT_READ | PROT_WRITE));
    SHOW_TRUE(unchecked != MAP_FAILED);
    SHOW_TRUE(mmap(NULL, much, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    SHOW_TRUE(mmap(NULL, much, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
              errno == ENOMEM);
    SHOW_TRUE(mremap(map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE, much,
                     MREMAP_MAYMOVE) == MAP_FAILED &&
              errno == ENOMEM);
    syscall(SYS_brk, start + much);
    SHOW_TRUE(sbrk(0) == start);
}

static void stack(void)
{
    volatile char big[2000000];

    for (size_t i = 0; i < sizeof(big); i += 1000) {
        big[i] = 1;
    }
    printf("two megabytes of stack\n");
}

int main(void)
{
    anonymous();
    fixed();
    of_files();
    over_fork();
    moving();
    heap();
    residence();
    too_much();
    stack();
    return 0;
}
