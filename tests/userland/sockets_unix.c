/* Unix sockets: pairs, names, connections, messages, their ends. */
#define _GNU_SOURCE
#include "userland.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static int a, b;

static void make(int type)
{
    int pair[2];

    if (socketpair(AF_UNIX, type, 0, pair) != 0) {
        printf("socketpair: %s\n", error_name(errno));
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

static void ready(const char *what, int descriptor)
{
    struct pollfd asked = {descriptor, POLLIN | POLLOUT | POLLRDHUP, 0};

    poll(&asked, 1, 0);
    printf("%s ready %x\n", what, (unsigned)asked.revents);
}

static void get(int descriptor, size_t size, int flags)
{
    char buffer[256] = "";
    ssize_t got = recv(descriptor, buffer, size, flags);

    printf("recv %zu %#x: %zd %s '%.*s'\n", size, (unsigned)flags, got,
           got < 0 ? error_name(errno) : "", got > 0 ? (int)(got < 40 ? got : 40) : 0, buffer);
}

static void put(int descriptor, const char *text, int flags)
{
    ssize_t put = send(descriptor, text, strlen(text), flags | MSG_NOSIGNAL);

    printf("send '%s': %zd %s\n", text, put, put < 0 ? error_name(errno) : "");
}

static int option(int descriptor, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    return getsockopt(descriptor, level, name, &value, &size) == 0 ? value : -errno;
}

static struct sockaddr_un address(const char *name, socklen_t *size)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(name);

    memcpy(to.sun_path, name, length);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    if (name[0] == '@') {
        to.sun_path[0] = '\0';
        (*size)--;
    }
    return to;
}

static int bind_to(int descriptor, const char *name)
{
    socklen_t size;
    struct sockaddr_un to = address(name, &size);

    return bind(descriptor, (struct sockaddr *)&to, size);
}

static int connect_to(int descriptor, const char *name)
{
    socklen_t size;
    struct sockaddr_un to = address(name, &size);

    return connect(descriptor, (struct sockaddr *)&to, size);
}

static void show_name(const char *what, const struct sockaddr_un *name, socklen_t size)
{
    printf("%s: family %d size %u '", what, size >= 2 ? name->sun_family : -1, (unsigned)size);
    for (socklen_t i = 0; i + 2 < size; i++) {
        putchar(name->sun_path[i] != '\0' ? name->sun_path[i] : '@');
    }
    printf("'\n");
}

static void names(int descriptor)
{
    struct sockaddr_un name;
    socklen_t size = sizeof(name);

    memset(&name, 0, sizeof(name));
    if (getsockname(descriptor, (struct sockaddr *)&name, &size) == 0) {
        show_name("own", &name, size);
    }
    size = sizeof(name);
    memset(&name, 0, sizeof(name));
    if (getpeername(descriptor, (struct sockaddr *)&name, &size) == 0) {
        show_name("peer", &name, size);
    } else {
        printf("peer: %s\n", error_name(errno));
    }
}

/* --- streams ---------------------------------------------------------------------------------- */

static void bytes(void)
{
    struct iovec parts[3] = {{"one ", 4}, {"", 0}, {"two", 3}};
    struct stat status;
    char text[64];
    int waiting;

    make(SOCK_STREAM);
    ready("new", a);
    put(a, "hello", 0);
    put(a, " world", 0);
    ready("with bytes", b);
    ioctl(b, FIONREAD, &waiting);
    printf("waiting %d\n", waiting);
    get(b, 3, MSG_PEEK);
    get(b, 3, 0);
    get(b, 100, MSG_DONTWAIT);
    get(b, 100, MSG_DONTWAIT);
    SHOW(writev(a, parts, 3));
    parts[0] = (struct iovec){text, 2};
    parts[1] = (struct iovec){text + 2, 3};
    parts[2] = (struct iovec){text + 5, 20};
    SHOW(readv(b, parts, 3));
    printf("%.7s\n", text);
    SHOW(fstat(a, &status));
    printf("mode %o size %ld links %ld\n", status.st_mode, (long)status.st_size,
           (long)status.st_nlink);
    SHOW(lseek(a, 0, SEEK_SET));
    SHOW(pread(a, text, 1, 0));
    SHOW(fsync(a));
    SHOW(ftruncate(a, 0));
    SHOW(read(a, text, 0));
    SHOW(write(a, text, 0));
    names(a);
    snprintf(text, sizeof(text), "/proc/self/fd/%d", a);
    text[63] = '\0';
    char link[64] = "";
    ssize_t length = readlink(text, link, sizeof(link) - 1);
    printf("link %.8s %d\n", link, length > 9);
    SHOW(open(text, O_RDWR));
    end();
}

static void ends(void)
{
    signal(SIGPIPE, SIG_IGN);
    make(SOCK_STREAM);
    put(a, "last", 0);
    SHOW(shutdown(a, SHUT_WR));
    put(a, "more", 0);
    SHOW(write(a, "x", 1));
    ready("shut", a);
    ready("the other", b);
    get(b, 10, 0);
    get(b, 10, 0);
    put(b, "back", 0);
    get(a, 10, 0);
    SHOW(shutdown(b, SHUT_RD));
    SHOW(shutdown(a, 7));
    close(a);
    ready("left alone", b);
    get(b, 10, 0);
    put(b, "x", 0);
    close(b);
    make(SOCK_STREAM);
    put(a, "unread", 0);
    put(b, "unread", 0);
    close(a);
    ready("with a reset", b);
    get(b, 10, 0);
    get(b, 10, 0);
    get(b, 10, 0);
    close(b);
    make(SOCK_STREAM);
    put(b, "unread", 0);
    close(a);
    printf("error %d %d\n", option(b, SOL_SOCKET, SO_ERROR) == ECONNRESET,
           option(b, SOL_SOCKET, SO_ERROR));
    close(b);
    make(SOCK_STREAM);
    SHOW(shutdown(b, SHUT_RD));
    put(a, "x", 0);
    ready("shut for reading", b);
    ready("its peer", a);
    get(b, 10, 0);
    end();
    make(SOCK_STREAM);
    SHOW(shutdown(a, SHUT_RDWR));
    ready("shut both", a);
    ready("its peer", b);
    end();
}

static void on_pipe(int number)
{
    (void)number;
    (void)!write(1, "SIGPIPE\n", 8);
}

static void signals(void)
{
    char byte = 'x';

    flush();
    signal(SIGPIPE, on_pipe);
    make(SOCK_STREAM);
    close(b);
    SHOW(write(a, "x", 1));
    flush();
    SHOW(send(a, "x", 1, 0));
    flush();
    SHOW(send(a, &byte, 1, MSG_NOSIGNAL));
    close(a);
    make(SOCK_SEQPACKET);
    close(b);
    SHOW(send(a, "x", 1, 0));
    close(a);
    make(SOCK_DGRAM);
    close(b);
    SHOW(send(a, "x", 1, 0));
    close(a);
    flush();
    signal(SIGPIPE, SIG_IGN);
}

static void waits(void)
{
    struct timeval soon = {0, 20000};
    struct timeval told;
    socklen_t size = sizeof(told);
    char buffer[8] = "";
    pid_t child;

    make(SOCK_STREAM);
    SHOW(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
    SHOW(recv(a, buffer, 1, 0));
    getsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &told, &size);
    printf("time-out of %ld s, %d\n", (long)told.tv_sec, told.tv_usec >= 20000);
    soon.tv_usec = 1000000;
    SHOW(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
    SHOW(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &soon, 4));
    flush();
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 6; i++) {
            usleep(1000);
            (void)!write(a, "abcdef" + i, 1);
        }
        _exit(0);
    }
    SHOW(recv(b, buffer, 6, MSG_WAITALL));
    printf("%s\n", buffer);
    waitpid(child, NULL, 0);
    put(a, "abc", 0);
    SHOW(shutdown(a, SHUT_WR));
    SHOW(recv(b, buffer, 6, MSG_WAITALL));
    end();
}

/* Much more than fits, through a pair, both ways. */
static void much(int type, size_t size)
{
    static unsigned char block[20000];
    unsigned long sum = 0;
    size_t all = 0;
    ssize_t got;
    pid_t child;

    make(type);
    flush();
    child = fork();
    if (child == 0) {
        close(a);
        for (size_t i = 0; i < 2000000 / size; i++) {
            memset(block, (int)(i * 7), size);
            for (size_t at = 0; at < size;) {
                ssize_t put = write(b, block + at, size - at);

                if (put <= 0) {
                    _exit(1);
                }
                at += (size_t)put;
            }
        }
        _exit(0);
    }
    close(b);
    while ((got = read(a, block, sizeof(block))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            sum = sum * 31 + block[i];
        }
        all += (size_t)got;
    }
    waitpid(child, NULL, 0);
    close(a);
    printf("much of type %d: %zu bytes, sum %lx\n", type, all, sum);
}

/* --- messages --------------------------------------------------------------------------------- */

static void bounds(int type)
{
    char buffer[8];
    struct iovec part = {buffer, 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int waiting;

    printf("type %d\n", type);
    make(type);
    put(a, "first", 0);
    put(a, "", 0);
    put(a, "third", 0);
    put(a, "fourth", 0);
    ioctl(b, FIONREAD, &waiting);
    printf("waiting %d\n", waiting);
    get(b, 3, MSG_PEEK);
    get(b, 3, MSG_PEEK | MSG_TRUNC);
    get(b, 100, 0);
    get(b, 100, 0);
    SHOW(recvmsg(b, &message, 0));
    printf("flags %x '%.4s' %zu\n", (unsigned)message.msg_flags, buffer,
           (size_t)message.msg_controllen);
    SHOW(recv(b, buffer, 2, MSG_TRUNC));
    get(b, 1, MSG_DONTWAIT);
    SHOW(shutdown(a, SHUT_WR));
    put(a, "x", 0);
    ready("shut", a);
    ready("the other", b);
    close(a);
    ready("alone", b);
    get(b, 10, MSG_DONTWAIT);
    put(b, "x", 0);
    close(b);
}

static void several(void)
{
    struct iovec parts[3] = {{"one", 3}, {"second", 6}, {"3", 1}};
    char buffers[3][16] = {"", "", ""};
    struct mmsghdr messages[3];

    make(SOCK_DGRAM);
    memset(messages, 0, sizeof(messages));
    for (int i = 0; i < 3; i++) {
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    SHOW(sendmmsg(a, messages, 3, 0));
    printf("%u %u %u\n", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
    for (int i = 0; i < 3; i++) {
        parts[i] = (struct iovec){buffers[i], 15};
    }
    SHOW(recvmmsg(b, messages, 3, MSG_WAITFORONE, NULL));
    printf("%s %s %s %u\n", buffers[0], buffers[1], buffers[2], messages[1].msg_len);
    SHOW(recvmmsg(b, messages, 3, MSG_DONTWAIT, NULL));
    end();
}

/* --- names ------------------------------------------------------------------------------------ */

static void listening(int type, const char *name)
{
    struct sockaddr_un from;
    socklen_t size = sizeof(from);
    struct stat status;
    int server = socket(AF_UNIX, type, 0);
    int other = socket(AF_UNIX, type, 0);
    int client = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    int taken;

    printf("listening: type %d at %s\n", type, name);
    SHOW(accept(server, NULL, NULL));
    SHOW(listen(server, 1));
    SHOW(connect_to(client, name));
    SHOW(bind_to(server, name));
    SHOW(bind_to(server, "/another"));
    SHOW(bind_to(other, name));
    SHOW(connect_to(client, name));
    SHOW(listen(server, 1));
    printf("accepts %d %d\n", option(server, SOL_SOCKET, SO_ACCEPTCONN),
           option(client, SOL_SOCKET, SO_ACCEPTCONN));
    ready("server", server);
    ready("client", client);
    SHOW(connect_to(client, name));
    ready("server", server);
    ready("client", client);
    SHOW(connect_to(client, name));
    names(client);
    put(client, "before accept", 0);
    taken = accept(server, (struct sockaddr *)&from, &size);
    printf("accepted %d from size %u\n", taken > 0, (unsigned)size);
    names(taken);
    get(taken, 100, 0);
    put(taken, "answer", 0);
    get(client, 100, 0);
    if (name[0] != '@') {
        SHOW(stat(name, &status));
        printf("mode %o\n", status.st_mode);
        SHOW(open(name, O_RDWR));
    }
    fcntl(server, F_SETFL, O_NONBLOCK);
    SHOW(accept4(server, NULL, NULL, 0));
    SHOW(accept4(server, NULL, NULL, 1));
    close(taken);
    close(client);
    client = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    SHOW(connect_to(client, name));
    close(server);
    get(client, 10, 0);
    get(client, 10, 0);
    close(client);
    client = socket(AF_UNIX, type, 0);
    SHOW(connect_to(client, name));
    unlink(name);
    SHOW(connect_to(client, name));
    close(client);
    close(other);
}

static void backlog(void)
{
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    int clients[4];

    SHOW(bind_to(server, "full"));
    SHOW(listen(server, 1));
    for (int i = 0; i < 4; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        SHOW(connect_to(clients[i], "full"));
    }
    close(accept(server, NULL, NULL));
    SHOW(connect_to(clients[2], "full"));
    SHOW(connect_to(clients[3], "full"));
    for (int i = 0; i < 4; i++) {
        close(clients[i]);
    }
    close(server);
    unlink("full");
}

static void datagrams(void)
{
    struct sockaddr_un from;
    socklen_t size;
    struct sockaddr_un to = address("d1", &size);
    int one = socket(AF_UNIX, SOCK_DGRAM, 0);
    int two = socket(AF_UNIX, SOCK_DGRAM, 0);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    char buffer[32] = "";

    SHOW(bind_to(one, "d1"));
    SHOW(bind_to(two, "d2"));
    SHOW(send(two, "x", 1, 0));
    SHOW(sendto(two, "letter", 6, 0, (struct sockaddr *)&to, size));
    size = sizeof(from);
    SHOW(recvfrom(one, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size));
    show_name(buffer, &from, size);
    SHOW(connect_to(stream, "d1"));
    SHOW(connect_to(two, "d1"));
    names(two);
    put(two, "connected", 0);
    get(one, 100, 0);
    SHOW(connect_to(one, "d1"));
    SHOW(send(two, "x", 1, 0));
    SHOW(connect(one, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
    close(one);
    put(two, "lost", 0);
    put(two, "lost", 0);
    SHOW(connect_to(two, "d1"));
    SHOW(connect_to(two, "nowhere"));
    SHOW(listen(two, 1));
    SHOW(accept(two, NULL, NULL));
    close(two);
    close(stream);
    unlink("d1");
    unlink("d2");
}

static void wrong(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct sockaddr_un name;
    socklen_t size;
    int one = socket(AF_UNIX, SOCK_STREAM, 0);
    char byte;

    SHOW(socket(AF_UNIX, 9, 0));
    SHOW(socket(AF_UNIX, 99, 0));
    SHOW(socket(AF_UNIX, SOCK_STREAM, 7));
    SHOW(socket(99, SOCK_STREAM, 0));
    SHOW(socket(AF_INET, SOCK_SEQPACKET, 0));
    SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, (int *)&name));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
    SHOW(send(0, "x", 1, 0));
    SHOW(send(99, "x", 1, 0));
    SHOW(bind(one, (struct sockaddr *)&to, 1));
    SHOW(bind(one, (struct sockaddr *)&to, 200));
    SHOW(bind(one, (struct sockaddr *)8, 10));
    to.sun_family = AF_INET;
    SHOW(bind(one, (struct sockaddr *)&to, 16));
    SHOW(connect(one, (struct sockaddr *)&to, 16));
    SHOW(bind_to(one, "no/such/place"));
    SHOW(connect_to(one, "not there"));
    close(open("plain", O_CREAT | O_RDWR, 0600));
    SHOW(connect_to(one, "plain"));
    SHOW(bind_to(one, "plain"));
    SHOW(send(one, "x", 1, MSG_NOSIGNAL));
    SHOW(recv(one, &byte, 1, 0));
    SHOW(shutdown(one, SHUT_RDWR));
    SHOW(send(one, &byte, 1, MSG_NOSIGNAL));
    size = (socklen_t)-1;
    SHOW(getsockname(one, (struct sockaddr *)&name, &size));
    SHOW(getsockname(one, (struct sockaddr *)&name, (socklen_t *)8));
    SHOW(getpeername(one, (struct sockaddr *)&name, &size));
    close(one);
    one = socket(AF_UNIX, SOCK_STREAM, 0);
    size = 2;
    to.sun_family = AF_UNIX;
    SHOW(bind(one, (struct sockaddr *)&to, size));
    size = sizeof(name);
    SHOW(getsockname(one, (struct sockaddr *)&name, &size));
    printf("size %u %d\n", (unsigned)size, name.sun_path[0]);
    close(one);
    make(SOCK_STREAM);
    SHOW(recv(a, (void *)8, 1, MSG_DONTWAIT));
    put(b, "x", 0);
    SHOW(recv(a, (void *)8, 1, 0));
    SHOW(recv(a, &byte, 1, 0));
    SHOW(send(a, (void *)8, 1, 0));
    SHOW(sendto(a, "x", 1, 0, (struct sockaddr *)&to, 3));
    end();
}

static void options(void)
{
    struct linger linger = {1, 5};
    socklen_t size = sizeof(linger);
    int value = 1;
    int one = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    printf("type %d domain %d protocol %d error %d\n", option(one, SOL_SOCKET, SO_TYPE),
           option(one, SOL_SOCKET, SO_DOMAIN), option(one, SOL_SOCKET, SO_PROTOCOL),
           option(one, SOL_SOCKET, SO_ERROR));
    SHOW(setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
    SHOW(setsockopt(one, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)));
    SHOW(setsockopt(one, SOL_SOCKET, SO_BROADCAST, &value, 3));
    SHOW(setsockopt(one, SOL_SOCKET, SO_TYPE, &value, sizeof(value)));
    SHOW(setsockopt(one, SOL_SOCKET, 9999, &value, sizeof(value)));
    SHOW(setsockopt(one, IPPROTO_TCP, 1, &value, sizeof(value)));
    SHOW(setsockopt(one, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
    memset(&linger, 0, sizeof(linger));
    SHOW(getsockopt(one, SOL_SOCKET, SO_LINGER, &linger, &size));
    printf("linger %d %d reuse %d alive %d\n", linger.l_onoff, linger.l_linger,
           option(one, SOL_SOCKET, SO_REUSEADDR), option(one, SOL_SOCKET, SO_KEEPALIVE));
    value = 10000;
    SHOW(setsockopt(one, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)));
    SHOW(setsockopt(one, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)));
    printf("buffers %d %d\n", option(one, SOL_SOCKET, SO_SNDBUF),
           option(one, SOL_SOCKET, SO_RCVBUF));
    value = 1;
    SHOW(setsockopt(one, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)));
    SHOW(setsockopt(one, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)));
    printf("buffers %d %d\n", option(one, SOL_SOCKET, SO_SNDBUF),
           option(one, SOL_SOCKET, SO_RCVBUF));
    size = 2;
    value = 0;
    SHOW(getsockopt(one, SOL_SOCKET, SO_TYPE, &value, &size));
    printf("cut to %u: %d\n", (unsigned)size, value);
    close(one);
}

static void edges(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    struct epoll_event got;
    int set = epoll_create1(0);

    make(SOCK_STREAM);
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, a, &event));
    SHOW(epoll_wait(set, &got, 1, 0));
    printf("events %x\n", got.events);
    SHOW(epoll_wait(set, &got, 1, 0));
    put(b, "x", 0);
    SHOW(epoll_wait(set, &got, 1, 0));
    printf("events %x\n", got.events);
    SHOW(epoll_wait(set, &got, 1, 0));
    put(b, "y", 0);
    SHOW(epoll_wait(set, &got, 1, 0));
    get(a, 10, 0);
    SHOW(epoll_wait(set, &got, 1, 0));
    close(b);
    SHOW(epoll_wait(set, &got, 1, 0));
    printf("events %x\n", got.events);
    close(a);
    SHOW(epoll_wait(set, &got, 1, 0));
    close(set);
}

static void from_file(void)
{
    int file = open("source", O_CREAT | O_RDWR, 0600);
    off_t at = 2;

    (void)!write(file, "0123456789", 10);
    make(SOCK_STREAM);
    SHOW(sendfile(a, file, &at, 5));
    get(b, 100, 0);
    close(b);
    at = 0;
    SHOW(sendfile(a, file, &at, 5));
    SHOW(sendfile(file, a, NULL, 5));
    close(a);
    close(file);
}

int main(void)
{
    bytes();
    ends();
    signals();
    waits();
    much(SOCK_STREAM, 37);
    much(SOCK_STREAM, 9973);
    much(SOCK_STREAM, 20000);
    much(SOCK_SEQPACKET, 5000);
    bounds(SOCK_SEQPACKET);
    bounds(SOCK_DGRAM);
    several();
    listening(SOCK_STREAM, "stream");
    listening(SOCK_SEQPACKET, "packets");
    listening(SOCK_STREAM, "@abstract helix test");
    backlog();
    datagrams();
    wrong();
    options();
    edges();
    from_file();
    return 0;
}
