/* From file to file, vectors with flags, and advice about files. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static int in, out, folder, ends[2], path;

static void show_out(void)
{
    char text[200] = "";
    ssize_t size = pread(out, text, sizeof(text) - 1, 0);

    for (ssize_t i = 0; i < size; i++) {
        text[i] = text[i] != '\0' ? text[i] : '.';
    }
    printf("%zd <%s>\n", size, text);
}

static void copying(void)
{
    off_t from = 5, to = 20;
    int appending = open("out", O_WRONLY | O_APPEND), null = open("/dev/null", O_RDWR);

    SHOW(copy_file_range(in, NULL, out, NULL, 10, 0));
    SHOW(copy_file_range(in, &from, out, &to, 1000, 0));
    printf("%ld %ld\n", (long)from, (long)to);
    show_out();
    SHOW(copy_file_range(in, NULL, out, NULL, 3, 0));
    printf("%ld %ld\n", (long)lseek(in, 0, SEEK_CUR), (long)lseek(out, 0, SEEK_CUR));
    from = 100;
    SHOW(copy_file_range(in, &from, out, NULL, 3, 0));
    SHOW(copy_file_range(in, NULL, out, NULL, 0, 0));
    show_out();
    from = 0;
    to = 2;
    SHOW(copy_file_range(out, &from, out, &to, 5, 0));
    to = 5;
    SHOW(copy_file_range(out, &from, out, &to, 5, 0));
    show_out();
    SHOW(copy_file_range(in, NULL, out, NULL, 3, 1));
    SHOW(copy_file_range(in, NULL, folder, NULL, 3, 0));
    SHOW(copy_file_range(ends[0], NULL, out, NULL, 3, 0));
    SHOW(copy_file_range(in, NULL, null, NULL, 3, 0));
    SHOW(copy_file_range(in, NULL, appending, NULL, 3, 0));
    SHOW(copy_file_range(appending, NULL, out, NULL, 3, 0));
    SHOW(copy_file_range(99, NULL, out, NULL, 3, 0));
    SHOW(copy_file_range(in, (off_t *)8, out, NULL, 3, 0));
    to = INT64_MAX - 1;
    SHOW(copy_file_range(in, NULL, out, &to, 30, 0));
    SHOW(copy_file_range(in, NULL, out, &to, SIZE_MAX, 0));
    close(appending);
    close(null);
}

static void vectors(void)
{
    char one[3] = "", two[4] = "";
    struct iovec parts[] = {{one, 2}, {two, 3}};

    lseek(in, 1, SEEK_SET);
    SHOW(syscall(SYS_preadv2, in, parts, 2, 3L, 0L, 0));
    printf("%s %s\n", one, two);
    SHOW(syscall(SYS_preadv2, in, parts, 2, -1L, 0L, 0));
    printf("%s %s %ld\n", one, two, (long)lseek(in, 0, SEEK_CUR));
    SHOW(syscall(SYS_pwritev2, out, parts, 2, 0L, 0L, 4));
    SHOW(syscall(SYS_preadv2, in, parts, 2, -2L, 0L, 0));
    SHOW(syscall(SYS_preadv2, in, parts, 2, 0L, 0L, 0x4000));
    SHOW(syscall(SYS_preadv2, ends[0], parts, 2, 0L, 0L, 0));
    SHOW(syscall(SYS_pwritev2, 99, parts, 2, 0L, 0L, 0));
    show_out();
}

static void advice(void)
{
    SHOW_CODE(posix_fadvise(in, 0, 0, POSIX_FADV_SEQUENTIAL));
    SHOW_CODE(posix_fadvise(in, 0, 0, POSIX_FADV_DONTNEED));
    SHOW_CODE(posix_fadvise(in, 0, -1, POSIX_FADV_NORMAL));
    SHOW_CODE(posix_fadvise(in, 0, 0, 6));
    SHOW_CODE(posix_fadvise(ends[0], 0, 0, 0));
    SHOW_CODE(posix_fadvise(99, 0, 0, 0));
    SHOW_CODE(posix_fadvise(path, 0, 0, 0));
    SHOW(readahead(in, 0, 100));
    SHOW(readahead(ends[0], 0, 100));
    SHOW(readahead(ends[1], 0, 100));
    SHOW(readahead(folder, 0, 100));
    SHOW(readahead(99, 0, 100));
    SHOW(sync_file_range(out, 0, 0, 7));
    SHOW(sync_file_range(out, 0, 0, 8));
    SHOW(sync_file_range(out, -1, 0, 0));
    SHOW(sync_file_range(out, INT64_MAX, 2, 0));
    SHOW(sync_file_range(ends[0], 0, 0, 0));
    SHOW(sync_file_range(99, 0, 0, 0));
    SHOW(syncfs(out));
    SHOW(syncfs(folder));
    SHOW(syncfs(99));
    SHOW(syncfs(path));
}

/* What musl itself does not ask the kernel about. */
static void scheduling(void)
{
    struct sched_param none = {0}, one = {.sched_priority = 1};
    struct timespec slice;

    for (int policy = -1; policy < 7; policy++) {
        printf("policy %d\n", policy);
        SHOW(syscall(SYS_sched_get_priority_min, policy));
        SHOW(syscall(SYS_sched_get_priority_max, policy));
    }
    SHOW(syscall(SYS_sched_getscheduler, 0));
    SHOW(syscall(SYS_sched_setscheduler, 0, 0, &none));
    SHOW(syscall(SYS_sched_setscheduler, 0, 0, &one));
    SHOW(syscall(SYS_sched_setscheduler, 0, 1, &none));
    SHOW(syscall(SYS_sched_setscheduler, 0, 77, &none));
    SHOW(syscall(SYS_sched_setscheduler, -1, 0, &none));
    SHOW(syscall(SYS_sched_setscheduler, 999999, 0, &none));
    SHOW(syscall(SYS_sched_setscheduler, 0, 0, NULL));
    SHOW(syscall(SYS_sched_setscheduler, 0, 0, (void *)8));
    SHOW(syscall(SYS_sched_setparam, 0, &none));
    SHOW(syscall(SYS_sched_setparam, 0, &one));
    SHOW(syscall(SYS_sched_setparam, 999999, &none));
    SHOW(syscall(SYS_sched_getparam, 0, &one));
    printf("priority %d\n", one.sched_priority);
    SHOW(syscall(SYS_sched_getparam, -1, &one));
    SHOW(syscall(SYS_sched_rr_get_interval, 0, &slice));
    SHOW(syscall(SYS_sched_rr_get_interval, -1, &slice));
    SHOW(syscall(SYS_sched_rr_get_interval, 999999, &slice));
    SHOW(syscall(SYS_sched_rr_get_interval, 0, (void *)8));
}

static void queue(int number, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d code %d value %d\n", number, info->si_code, info->si_value.sival_int);
}

static void queueing(void)
{
    struct sigaction action = {.sa_sigaction = queue, .sa_flags = SA_SIGINFO};
    siginfo_t info = {.si_code = SI_QUEUE, .si_value.sival_int = 42};
    pid_t self = getpid();

    sigaction(SIGUSR1, &action, NULL);
    SHOW(syscall(SYS_rt_tgsigqueueinfo, self, self, SIGUSR1, &info));
    SHOW(syscall(SYS_rt_tgsigqueueinfo, self, 999999, SIGUSR1, &info));
    SHOW(syscall(SYS_rt_tgsigqueueinfo, self, -1, SIGUSR1, &info));
    SHOW(syscall(SYS_rt_tgsigqueueinfo, self, self, 65, &info));
    SHOW(syscall(SYS_rt_tgsigqueueinfo, self, self, SIGUSR1, (void *)8));
    info.si_code = SI_USER;
    SHOW(syscall(SYS_rt_tgsigqueueinfo, 1, 1, SIGUSR1, &info));
}

int main(void)
{
    in = open("in", O_RDWR | O_CREAT, 0600);
    out = open("out", O_RDWR | O_CREAT, 0600);
    folder = open(".", O_RDONLY);
    path = open("in", O_PATH);
    pipe(ends);
    write(in, "abcdefghijklmnopqrstuvwxyz", 26);
    lseek(in, 0, SEEK_SET);
    copying();
    vectors();
    advice();
    scheduling();
    queueing();
    unlink("in");
    unlink("out");
    return 0;
}
