/* What happens to files and in directories, read from a file: inotify. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int watcher;

static void show_mask(uint32_t mask)
{
    static const char *const names[] = {"ACCESS",     "MODIFY",  "ATTRIB",   "CLOSE_WRITE",
                                        "CLOSE_READ", "OPEN",    "FROM",     "TO",
                                        "CREATE",     "DELETE",  "DELETED",  "MOVED",
                                        "?",          "UNMOUNT", "OVERFLOW", "IGNORED"};

    for (unsigned i = 0; i < 16; i++) {
        if ((mask & 1U << i) != 0) {
            printf(" %s", names[i]);
        }
    }
    if ((mask & IN_ISDIR) != 0) {
        printf(" (directory)");
    }
    if ((mask & 0x3fff0000) != 0) {
        printf(" more: %x", mask & 0x3fff0000);
    }
}

/* All that is to be read; cookies are numbered as they come. */
static void show_events(const char *when)
{
    static char bytes[65536] __attribute__((aligned(8)));
    static uint32_t seen[64];
    static unsigned seen_count;
    ssize_t size = read(watcher, bytes, sizeof(bytes));

    printf("%s:", when);
    if (size < 0) {
        printf(" %s", error_name(errno));
    }
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        unsigned number = 0;

        printf(" [%d", event->wd);
        show_mask(event->mask);
        while (event->cookie != 0 && number < seen_count && seen[number] != event->cookie) {
            number++;
        }
        if (event->cookie != 0) {
            seen[number] = event->cookie;
            seen_count += number == seen_count;
            printf(" cookie %u", number);
        }
        if (event->len > 0) {
            printf(" %s(%u)", event->name, event->len);
        }
        printf("]");
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    printf("\n");
}

static void put(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

    write(file, text, strlen(text));
    close(file);
}

static void take(const char *path)
{
    char bytes[16];
    int file = open(path, O_RDONLY);

    read(file, bytes, sizeof(bytes));
    close(file);
}

static void refusals(void)
{
    int pipe_ends[2];
    char small[16];

    pipe(pipe_ends);
    put("plain", "x");
    SHOW(inotify_init1(1));
    watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SHOW(fcntl(watcher, F_GETFD));
    SHOW(inotify_add_watch(watcher, "absent", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(watcher, "plain", 0));
    SHOW(inotify_add_watch(watcher, "plain", IN_OPEN | IN_ONLYDIR));
    SHOW(inotify_add_watch(watcher, "plain", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
    SHOW(inotify_add_watch(pipe_ends[0], "plain", IN_OPEN));
    SHOW(inotify_add_watch(99, "plain", IN_OPEN));
    SHOW(inotify_add_watch(watcher, NULL, IN_OPEN));
    SHOW(inotify_rm_watch(watcher, 1));
    SHOW(inotify_rm_watch(pipe_ends[0], 1));
    SHOW(inotify_rm_watch(99, 1));
    SHOW(read(watcher, small, sizeof(small)));
    SHOW(inotify_add_watch(watcher, "plain", IN_OPEN));
    SHOW(inotify_add_watch(watcher, "plain", IN_OPEN | IN_MASK_CREATE));
    take("plain");
    SHOW(read(watcher, small, 8));
    SHOW(write(watcher, small, 8));
    show_events("opened");
    SHOW(inotify_rm_watch(watcher, 1));
    SHOW(inotify_rm_watch(watcher, 1));
    show_events("removed");
    unlink("plain");
    close(watcher);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void one_file(void)
{
    int file;

    watcher = inotify_init1(IN_NONBLOCK);
    put("file", "abc");
    SHOW(inotify_add_watch(watcher, "file", IN_ALL_EVENTS));
    show_events("nothing yet");
    put("file", "def");
    show_events("written");
    take("file");
    show_events("read");
    chmod("file", 0600);
    show_events("mode");
    truncate("file", 1);
    show_events("cut");
    link("file", "other");
    show_events("linked");
    unlink("other");
    show_events("unlinked");
    rename("file", "elsewhere");
    show_events("moved");
    file = open("elsewhere", O_RDONLY);
    unlink("elsewhere");
    show_events("removed while open");
    close(file);
    show_events("closed");
    show_events("over");
    put("file", "abc");
    SHOW(inotify_add_watch(watcher, "file", IN_MODIFY));
    SHOW(inotify_add_watch(watcher, "file", IN_OPEN | IN_MASK_ADD));
    put("file", "x");
    put("file", "x");
    show_events("two of five");
    SHOW(inotify_add_watch(watcher, "file", IN_CLOSE | IN_ONESHOT));
    put("file", "x");
    put("file", "x");
    show_events("once");
    unlink("file");
    show_events("watched no more");
    close(watcher);
}

static void directories(void)
{
    watcher = inotify_init1(IN_NONBLOCK);
    mkdir("place", 0755);
    mkdir("away", 0755);
    SHOW(inotify_add_watch(watcher, "place", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(watcher, "away", IN_MOVE | IN_CREATE | IN_DELETE));
    put("place/a", "abc");
    show_events("made");
    take("place/a");
    show_events("read");
    chmod("place/a", 0600);
    show_events("mode");
    mkdir("place/inner", 0755);
    symlink("a", "place/link");
    link("place/a", "place/a-name-of-sixteen");
    show_events("more of them");
    rename("place/a", "place/b");
    show_events("renamed");
    rename("place/b", "away/c");
    show_events("moved");
    put("away/d", "x");
    rename("away/d", "away/c");
    show_events("replaced");
    syscall(316 /* renameat2 */, AT_FDCWD, "away/c", AT_FDCWD, "place/link", 2 /* exchange */);
    show_events("exchanged");
    rmdir("place/inner");
    unlink("place/link");
    unlink("place/a-name-of-sixteen");
    show_events("removed");
    rename("place", "there");
    show_events("moved itself");
    rmdir("there");
    show_events("gone itself");
    unlink("away/c");
    rmdir("away");
    show_events("the other");
    close(watcher);
}

static void two_watchers(void)
{
    int other;

    mkdir("place", 0755);
    put("place/f", "x");
    watcher = inotify_init1(IN_NONBLOCK);
    other = inotify_init1(IN_NONBLOCK);
    SHOW(inotify_add_watch(watcher, "place", IN_MODIFY));
    SHOW(inotify_add_watch(watcher, "place/f", IN_MODIFY));
    SHOW(inotify_add_watch(other, "place/f", IN_MODIFY | IN_DELETE_SELF));
    put("place/f", "x");
    show_events("directory and file");
    unlink("place/f");
    show_events("the first");
    close(watcher);
    watcher = other;
    show_events("the second");
    close(watcher);
    rmdir("place");
}

static void waiting(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct pollfd asked;
    int set = epoll_create1(0);
    int bytes = -1;
    pid_t child;

    watcher = inotify_init();
    asked = (struct pollfd){watcher, POLLIN, 0};
    mkdir("place", 0755);
    inotify_add_watch(watcher, "place", IN_CREATE | IN_DELETE);
    epoll_ctl(set, EPOLL_CTL_ADD, watcher, &event);
    SHOW(poll(&asked, 1, 0));
    SHOW(ioctl(watcher, FIONREAD, &bytes));
    SHOW(bytes);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        usleep(20000);
        mkdir("place/x", 0755);
        _exit(0);
    }
    show_events("a child's");
    waitpid(child, NULL, 0);
    rmdir("place/x");
    SHOW(poll(&asked, 1, 1000));
    SHOW(epoll_wait(set, &event, 1, 1000));
    SHOW(ioctl(watcher, FIONREAD, &bytes));
    SHOW(bytes);
    show_events("removed");
    SHOW(epoll_wait(set, &event, 1, 0));
    rmdir("place");
    close(set);
    close(watcher);
}

/* More than a queue holds: Linux's 16384 unless it was told otherwise. */
static void overflow(void)
{
    static char bytes[1 << 20];
    unsigned lost = 0;
    unsigned first = 0;
    ssize_t size;

    watcher = inotify_init1(IN_NONBLOCK);
    put("file", "x");
    inotify_add_watch(watcher, "file", IN_OPEN | IN_CLOSE);
    for (unsigned i = 0; i < 20000; i++) {
        close(open("file", O_RDONLY));
    }
    while ((size = read(watcher, bytes, sizeof(bytes))) > 0) {
        for (ssize_t at = 0; at < size; at += (ssize_t)sizeof(struct inotify_event)) {
            const struct inotify_event *event = (const void *)(bytes + at);

            lost += event->wd == -1 && event->mask == IN_Q_OVERFLOW;
            first += event->wd == 1;
        }
    }
    SHOW(lost);
    SHOW(first >= 16384);
    unlink("file");
    close(watcher);
}

int main(void)
{
    refusals();
    one_file();
    directories();
    two_watchers();
    waiting();
    overflow();
    return 0;
}
