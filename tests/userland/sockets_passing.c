/* What Unix sockets carry beside bytes: descriptors, and who sent them. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define CONTROL_SIZE 2048

static int a, b;

static void make(int type)
{
    int pair[2];

    if (socketpair(AF_UNIX, type, 0, pair) != 0) {
        exit(1);
    }
    a = pair[0];
    b = pair[1];
}

static void end(void)
{
    close(a);
    close(b);
}

static ssize_t give(int to, const char *text, const int *descriptors, size_t count)
{
    static char control[CONTROL_SIZE] __attribute__((aligned(8)));
    struct iovec part = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        struct cmsghdr *head = (struct cmsghdr *)control;

        head->cmsg_len = CMSG_LEN(count * sizeof(int));
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(head), descriptors, count * sizeof(int));
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    /* The library's has little room for descriptors. */
    return syscall(SYS_sendmsg, to, &message, MSG_NOSIGNAL);
}

/* Receive, tell what came, and close the descriptors but the first, which is answered. */
static int take(int from, size_t size, size_t control_size, int flags)
{
    static char control[CONTROL_SIZE] __attribute__((aligned(8)));
    char buffer[64] = "";
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control_size > 0 ? control : NULL,
                             .msg_controllen = (socklen_t)control_size};
    ssize_t got = recvmsg(from, &message, flags);
    int first = -1;

    printf("recvmsg %zu: %zd %s '%s' flags %x control %zu", size, got,
           got < 0 ? error_name(errno) : "", buffer, (unsigned)message.msg_flags,
           got < 0 ? 0 : (size_t)message.msg_controllen);
    for (struct cmsghdr *head = got < 0 ? NULL : CMSG_FIRSTHDR(&message); head != NULL;
         head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type == SCM_RIGHTS) {
            size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            printf(", %zu files", count);
            for (size_t i = 0; i < count; i++) {
                int descriptor;

                memcpy(&descriptor, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
                printf(" %s", fcntl(descriptor, F_GETFD) == FD_CLOEXEC ? "(close)" : "");
                if (first < 0) {
                    first = descriptor;
                } else {
                    close(descriptor);
                }
            }
        } else if (head->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;

            memcpy(&who, CMSG_DATA(head), sizeof(who));
            printf(", from %s user %d group %d",
                   who.pid == getpid() ? "me" : (who.pid == 0 ? "nobody" : "another"), (int)who.uid,
                   (int)who.gid);
        }
    }
    printf("\n");
    return first;
}

static void files(int type)
{
    int file = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    int pipe_ends[2];
    int got;
    char text[16] = "";
    int many[300];

    printf("type %d\n", type);
    (void)!write(file, "contents", 8);
    make(type);
    (void)!pipe(pipe_ends);
    SHOW(give(a, "one", &file, 1));
    close(file);
    got = take(b, 64, 256, MSG_CMSG_CLOEXEC);
    SHOW(lseek(got, 0, SEEK_CUR));
    SHOW(pread(got, text, 8, 0));
    printf("%s\n", text);
    close(got);
    SHOW(give(a, "both", pipe_ends, 2));
    close(pipe_ends[0]);
    got = take(b, 64, 256, 0);
    (void)!write(pipe_ends[1], "through", 7);
    SHOW(read(got, text, sizeof(text)));
    close(got);
    SHOW_ERROR(write(pipe_ends[1], "x", 1));
    SHOW(give(a, "cut", (int[]){a, b, a}, 3));
    got = take(b, 64, CMSG_LEN(2 * sizeof(int)), 0);
    close(got);
    SHOW(give(a, "none", &a, 1));
    (void)take(b, 64, 0, 0);
    SHOW(give(a, "plain", &a, 1));
    SHOW(recv(b, text, sizeof(text), 0));
    SHOW(give(a, "peek", &a, 1));
    close(take(b, 64, 256, MSG_PEEK));
    close(take(b, 64, 256, 0));
    SHOW(give(a, "wrong", (int[]){a, 999}, 2));
    for (int i = 0; i < 300; i++) {
        many[i] = a;
    }
    SHOW(give(a, "x", many, 253));
    close(take(b, 64, CONTROL_SIZE, 0));
    SHOW(give(a, "x", many, 254));
    close(pipe_ends[1]);
    end();
}

/* Bytes that came with files are not received together with those behind them. */
static void barriers(void)
{
    make(SOCK_STREAM);
    give(a, "aaa", NULL, 0);
    give(a, "bbb", &a, 1);
    give(a, "ccc", NULL, 0);
    give(a, "ddd", &a, 1);
    give(a, "eee", &b, 1);
    close(take(b, 64, 256, MSG_PEEK));
    close(take(b, 64, 256, 0));
    close(take(b, 4, 256, 0));
    close(take(b, 1, 256, 0));
    close(take(b, 64, 256, 0));
    close(take(b, 64, 256, MSG_DONTWAIT));
    end();
}

static void controls(void)
{
    char control[128] __attribute__((aligned(8))) = "";
    struct cmsghdr *head = (struct cmsghdr *)control;
    struct iovec part = {"x", 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4)};

    make(SOCK_STREAM);
    head->cmsg_len = 3;
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    head->cmsg_len = 1000;
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    head->cmsg_len = CMSG_LEN(4);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = 77;
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    head->cmsg_type = SCM_CREDENTIALS;
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(0);
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    message.msg_controllen = 1 << 30;
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    message.msg_controllen = 0;
    message.msg_iovlen = 2000;
    SHOW(syscall(SYS_sendmsg, a, &message, 0));
    SHOW(recvmsg(b, &message, MSG_DONTWAIT));
    SHOW(syscall(SYS_sendmsg, a, 8, 0));
    SHOW(syscall(SYS_recvmsg, b, 8, 0));
    end();
}

static ssize_t sign(int to, pid_t pid, uid_t uid, gid_t gid)
{
    char control[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8))) = "";
    struct cmsghdr *head = (struct cmsghdr *)control;
    struct ucred who = {pid, uid, gid};
    struct iovec part = {"signed", 6};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};

    head->cmsg_len = CMSG_LEN(sizeof(who));
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_CREDENTIALS;
    memcpy(CMSG_DATA(head), &who, sizeof(who));
    return sendmsg(to, &message, MSG_NOSIGNAL);
}

static void senders(int type)
{
    int on = 1;
    struct ucred who;
    socklen_t size = sizeof(who);
    pid_t child;

    printf("senders, type %d\n", type);
    make(type);
    SHOW(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &who, &size));
    printf("peer is me %d user %d group %d\n", who.pid == getpid(), (int)who.uid, (int)who.gid);
    SHOW(setsockopt(b, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    SHOW(give(a, "told", NULL, 0));
    (void)take(b, 64, 256, 0);
    SHOW(give(a, "told with a file", &a, 1));
    close(take(b, 64, 256, 0));
    SHOW(give(a, "cut", NULL, 0));
    (void)take(b, 64, CMSG_LEN(4), 0);
    SHOW(sign(a, getpid(), getuid(), getgid()));
    (void)take(b, 64, 256, 0);
    flush();
    child = fork();
    if (child == 0) {
        SHOW(setgid(50));
        SHOW(setuid(1000));
        SHOW(sign(a, 1, 0, 0));
        SHOW(sign(a, getpid(), 0, 50));
        SHOW(sign(a, getpid(), 1000, 50));
        SHOW(write(a, "written", 7));
        flush();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    give(a, "by me", NULL, 0);
    (void)take(b, 64, 256, 0);
    (void)take(b, 64, 256, MSG_DONTWAIT);
    (void)take(b, 64, 256, MSG_DONTWAIT);
    (void)take(b, 64, 256, MSG_DONTWAIT);
    end();
}

/* Each end of a connection knows who made the other: who listened, and who connected. */
static void peers(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "peers"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct ucred who;
    socklen_t size = sizeof(who);
    pid_t child;
    int taken;

    bind(server, (struct sockaddr *)&name, sizeof(name));
    SHOW(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &who, &size));
    printf("nobody %d %d %d\n", (int)who.pid, (int)who.uid, (int)who.gid);
    listen(server, 1);
    flush();
    child = fork();
    if (child == 0) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);

        connect(client, (struct sockaddr *)&name, sizeof(name));
        SHOW(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size));
        printf("the server %d\n", who.pid == getppid());
        flush();
        _exit(0);
    }
    taken = accept(server, NULL, NULL);
    waitpid(child, NULL, 0);
    SHOW(getsockopt(taken, SOL_SOCKET, SO_PEERCRED, &who, &size));
    printf("the client %d\n", who.pid == child);
    close(taken);
    close(server);
    unlink("peers");
}

/* Descriptors that nobody can receive any more: who waits at the other end of a pipe hears of it.
 */
static void lost(const char *what, void (*lose)(int descriptor))
{
    int ends[2];
    char byte;
    struct pollfd asked;

    (void)!pipe(ends);
    lose(ends[1]);
    close(ends[1]);
    make(SOCK_STREAM);
    end();
    asked = (struct pollfd){ends[0], POLLIN, 0};
    poll(&asked, 1, 10000);
    printf("%s: %x %zd\n", what, (unsigned)asked.revents, read(ends[0], &byte, 1));
    close(ends[0]);
}

static void in_a_closed_socket(int descriptor)
{
    make(SOCK_STREAM);
    give(a, "x", &descriptor, 1);
    end();
}

static void in_itself(int descriptor)
{
    make(SOCK_DGRAM);
    give(a, "x", (int[]){descriptor, b}, 2);
    end();
}

static void in_a_ring(int descriptor)
{
    int first[2], second[2], third[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, first);
    socketpair(AF_UNIX, SOCK_STREAM, 0, second);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, third);
    give(first[0], "x", &second[1], 1);
    give(second[0], "x", (int[]){descriptor, third[1]}, 2);
    give(third[0], "x", &first[1], 1);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
        close(third[i]);
    }
}

static void before_accept(int descriptor)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "waiting"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);

    bind(server, (struct sockaddr *)&name, sizeof(name));
    listen(server, 5);
    connect(client, (struct sockaddr *)&name, sizeof(name));
    give(client, "x", (int[]){descriptor, server}, 2);
    close(client);
    close(server);
    unlink("waiting");
}

/* What is only reached through another socket under way is not lost. */
static void kept(void)
{
    int ends[2];
    int inner[2];
    char text[8] = "";
    int got;

    (void)!pipe(ends);
    make(SOCK_STREAM);
    socketpair(AF_UNIX, SOCK_STREAM, 0, inner);
    give(inner[0], "inner", &ends[0], 1);
    give(a, "outer", &inner[1], 1);
    close(ends[0]);
    close(inner[1]);
    int other[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, other);
    close(other[0]);
    close(other[1]);
    (void)!write(ends[1], "kept", 4);
    got = take(b, 64, 256, 0);
    ends[0] = take(got, 64, 256, 0);
    SHOW(read(ends[0], text, sizeof(text)));
    printf("%s\n", text);
    close(got);
    close(ends[0]);
    close(ends[1]);
    close(inner[0]);
    end();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    files(SOCK_STREAM);
    files(SOCK_DGRAM);
    files(SOCK_SEQPACKET);
    barriers();
    controls();
    senders(SOCK_STREAM);
    senders(SOCK_DGRAM);
    peers();
    lost("in a closed socket", in_a_closed_socket);
    lost("in itself", in_itself);
    lost("in a ring", in_a_ring);
    lost("before accept", before_accept);
    kept();
    return 0;
}
