/* What an ordinary user may not do, and what becoming one takes away. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define USER 1234

static void the_machine(void)
{
    const struct timespec now = {1000000000, 0};

    SHOW(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)); /* LINUX_REBOOT_CMD_CAD_OFF */
    SHOW(sethostname("mine", 4));
    SHOW(setdomainname("mine", 4));
    SHOW(clock_settime(CLOCK_REALTIME, &now));
    SHOW(settimeofday(&(struct timeval){1000000000, 0}, NULL));
    SHOW(syscall(SYS_syslog, 5, NULL, 0));
}

static void files(void)
{
    SHOW(mount("none", ".", "tmpfs", 0, ""));
    SHOW(umount("/"));
    SHOW(umount2("/", MNT_DETACH));
    SHOW(chroot("."));
    SHOW(mknod("device", S_IFCHR | 0600, makedev(1, 3)));
    SHOW(mknod("block", S_IFBLK | 0600, makedev(7, 0)));
    SHOW(mknod("pipe", S_IFIFO | 0600, 0));
    SHOW(unlink("pipe"));
    SHOW(chown(".", 0, 0));
    SHOW(open("/proc/1/environ", O_RDONLY));
}

static void others(void)
{
    const gid_t groups[1] = {0};
    struct rlimit limit;

    SHOW(kill(1, 0));
    SHOW(kill(1, SIGTERM));
    SHOW(kill(getppid(), SIGTERM));
    SHOW(setuid(0));
    SHOW(seteuid(0));
    SHOW(setresuid(USER + 1, -1, -1));
    SHOW(setgid(0));
    SHOW(setgroups(1, groups));
    SHOW(setgroups(0, NULL));
    SHOW(setpriority(PRIO_PROCESS, 0, -1));
    SHOW(setpriority(PRIO_PROCESS, 1, 19));
    SHOW(getrlimit(RLIMIT_STACK, &limit));
    limit = (struct rlimit){4096, 4096};
    SHOW(setrlimit(RLIMIT_CORE, &limit));
    limit.rlim_max = 8192;
    SHOW(setrlimit(RLIMIT_CORE, &limit));
    SHOW(prlimit(1, RLIMIT_CORE, NULL, &limit));
    SHOW(prlimit(getppid(), RLIMIT_CORE, NULL, &limit));
}

static void become_ordinary(void)
{
    SHOW(setgroups(0, NULL));
    SHOW(setresgid(USER, USER, USER));
    SHOW(setresuid(USER, USER, USER));
    SHOW(prctl(PR_GET_DUMPABLE));
}

/* Effective only, and back. */
static void for_a_while(void)
{
    SHOW(seteuid(USER));
    SHOW(sethostname("mine", 4));
    SHOW(kill(1, 0));
    SHOW(seteuid(0));
    SHOW(kill(1, 0));
    SHOW(setreuid(USER, 0));
    SHOW(seteuid(USER));
    SHOW(setuid(0));
    SHOW(geteuid());
    SHOW(setuid(0));
    SHOW(getuid());
}

int main(void)
{
    int status;

    for_a_while();
    flush();
    chmod(".", 0777);
    if (fork() == 0) {
        become_ordinary();
        the_machine();
        files();
        others();
        flush();
        _exit(0);
    }
    wait(&status);
    SHOW_TRUE(status == 0);
    return 0;
}
