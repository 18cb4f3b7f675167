/* TCP and UDP over the loopback interface. */
#define _GNU_SOURCE
#include "userland.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

static const char *ip_text(const struct sockaddr_in *address)
{
    return inet_ntoa(address->sin_addr);
}

static struct sockaddr_in at(const char *ip, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    inet_aton(ip, &address.sin_addr);
    return address;
}

static int bind_to(int descriptor, const char *ip, int port)
{
    struct sockaddr_in address = at(ip, port);

    return bind(descriptor, (struct sockaddr *)&address, sizeof(address));
}

static int connect_to(int descriptor, const char *ip, int port)
{
    struct sockaddr_in address = at(ip, port);

    return connect(descriptor, (struct sockaddr *)&address, sizeof(address));
}

static int own_port(int descriptor)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    return getsockname(descriptor, (struct sockaddr *)&address, &size) == 0
               ? ntohs(address.sin_port)
               : -1;
}

static void names(const char *what, int descriptor)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    if (getsockname(descriptor, (struct sockaddr *)&address, &size) == 0) {
        printf("%s own %s, a port %d, size %u\n", what, ip_text(&address), address.sin_port != 0,
               (unsigned)size);
    }
    size = sizeof(address);
    if (getpeername(descriptor, (struct sockaddr *)&address, &size) == 0) {
        printf("%s peer %s, a port %d\n", what, ip_text(&address), address.sin_port != 0);
    } else {
        printf("%s peer %s\n", what, error_name(errno));
    }
}

static void ready(const char *what, int descriptor)
{
    struct pollfd asked = {descriptor, POLLIN | POLLOUT | POLLRDHUP, 0};

    poll(&asked, 1, 0);
    printf("%s ready %x\n", what, (unsigned)asked.revents);
}

/* What travels takes its time on Linux. */
static void await(int descriptor, short events)
{
    struct pollfd asked = {descriptor, events, 0};

    poll(&asked, 1, 10000);
}

static void get(int descriptor, size_t size, int flags)
{
    char buffer[256] = "";
    ssize_t got = recv(descriptor, buffer, size, flags);

    printf("recv %zu %#x: %zd %s '%.*s'\n", size, (unsigned)flags, got,
           got < 0 ? error_name(errno) : "", got > 0 ? (int)(got < 40 ? got : 40) : 0, buffer);
}

static void put(int descriptor, const char *text)
{
    ssize_t put = send(descriptor, text, strlen(text), MSG_NOSIGNAL);

    printf("send '%s': %zd %s\n", text, put, put < 0 ? error_name(errno) : "");
}

static int option(int descriptor, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    return getsockopt(descriptor, level, name, &value, &size) == 0 ? value : -errno;
}

/* --- TCP -------------------------------------------------------------------------------------- */

static int server, client, taken;
static int port;

static void listen_somewhere(int backlog)
{
    server = socket(AF_INET, SOCK_STREAM, 0);
    bind_to(server, "127.0.0.1", 0);
    listen(server, backlog);
    port = own_port(server);
}

static void have_connection(void)
{
    listen_somewhere(5);
    client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect_to(client, "127.0.0.1", port) != 0) {
        printf("connect: %s\n", error_name(errno));
    }
    taken = accept(server, NULL, NULL);
}

static void end(void)
{
    close(server);
    close(client);
    close(taken);
}

static void first_steps(void)
{
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    char byte;

    server = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    ready("new", client);
    names("new", server);
    SHOW(accept(server, NULL, NULL));
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    SHOW(recv(client, &byte, 1, 0));
    SHOW(shutdown(client, SHUT_WR));
    SHOW(bind_to(server, "127.0.0.1", 0));
    SHOW(bind_to(server, "127.0.0.1", 0));
    SHOW(bind_to(client, "8.8.8.8", 0));
    port = own_port(server);
    SHOW(bind_to(client, "127.0.0.1", port));
    SHOW(bind_to(client, "0.0.0.0", port));
    SHOW(connect_to(client, "127.0.0.1", port));
    SHOW(listen(server, 5));
    ready("server", server);
    SHOW(connect_to(client, "127.0.0.1", port));
    SHOW(connect_to(client, "127.0.0.1", port));
    SHOW(connect_to(server, "127.0.0.1", port));
    await(server, POLLIN);
    ready("server", server);
    put(client, "early");
    taken = accept(server, (struct sockaddr *)&from, &size);
    printf("from %s %u, the client's port %d\n", ip_text(&from), (unsigned)size,
           ntohs(from.sin_port) == own_port(client));
    names("client", client);
    names("taken", taken);
    await(taken, POLLIN);
    get(taken, 100, 0);
    ready("taken", taken);
    size = sizeof(from);
    put(taken, "there");
    SHOW(recvfrom(client, &byte, 1, 0, (struct sockaddr *)&from, &size));
    printf("size %u\n", (unsigned)size);
    get(client, 100, MSG_PEEK);
    get(client, 100, 0);
    get(client, 100, MSG_DONTWAIT);
    end();
    client = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect_to(client, "127.0.0.1", port));
    names("refused", client);
    close(client);
}

static void one_side_stops_sending(void)
{
    have_connection();
    put(client, "last");
    SHOW(shutdown(client, SHUT_WR));
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    await(taken, POLLRDHUP);
    ready("taken", taken);
    ready("client", client);
    get(taken, 10, 0);
    get(taken, 10, 0);
    put(taken, "back");
    get(client, 10, 0);
    close(taken);
    await(client, POLLRDHUP);
    get(client, 10, 0);
    ready("client", client);
    SHOW(shutdown(client, SHUT_RD));
    end();
}

static void the_other_side_closes(void)
{
    have_connection();
    close(taken);
    await(client, POLLRDHUP);
    ready("closed on", client);
    put(client, "into nothing");
    await(client, POLLERR);
    ready("and told", client);
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    get(client, 10, 0);
    end();
}

static void what_was_not_read_resets(void)
{
    have_connection();
    put(client, "never read");
    await(taken, POLLIN);
    put(taken, "to be read");
    close(taken);
    await(client, POLLERR);
    ready("reset", client);
    get(client, 10, 0);
    get(client, 10, 0);
    get(client, 10, 0);
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    end();
}

static void lingering_for_nothing_resets(void)
{
    struct linger linger = {1, 0};

    have_connection();
    SHOW(setsockopt(taken, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
    close(taken);
    await(client, POLLERR);
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    SHOW(send(client, "x", 1, MSG_NOSIGNAL));
    names("reset", client);
    end();
}

static void the_listener_closes(void)
{
    listen_somewhere(5);
    client = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect_to(client, "127.0.0.1", port));
    await(server, POLLIN);
    close(server);
    await(client, POLLERR);
    get(client, 10, 0);
    close(client);
}

static void ends(void)
{
    one_side_stops_sending();
    the_other_side_closes();
    what_was_not_read_resets();
    lingering_for_nothing_resets();
    the_listener_closes();
}

static void without_waiting(void)
{
    int result;

    listen_somewhere(5);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SHOW(connect_to(client, "127.0.0.1", port));
    await(client, POLLOUT);
    ready("connected", client);
    printf("error %d\n", option(client, SOL_SOCKET, SO_ERROR));
    SHOW(connect_to(client, "127.0.0.1", port));
    SHOW(connect_to(client, "127.0.0.1", port));
    close(client);
    close(server);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    result = connect_to(client, "127.0.0.1", port);
    printf("connect %d %s\n", result, error_name(errno));
    await(client, POLLOUT);
    ready("refused", client);
    SHOW_TRUE(option(client, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
    printf("error %d\n", option(client, SOL_SOCKET, SO_ERROR));
    close(client);
    server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SHOW(listen(server, 3));
    names("by itself", server);
    SHOW(accept4(server, NULL, NULL, SOCK_NONBLOCK));
    SHOW(shutdown(server, SHUT_RD));
    SHOW(accept(server, NULL, NULL));
    close(server);
}

static void addresses(void)
{
    int value = 1;
    int one = socket(AF_INET, SOCK_STREAM, 0);
    int two = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = at("127.0.0.1", 1);

    SHOW(bind_to(one, "0.0.0.0", 0));
    port = own_port(one);
    SHOW(listen(one, 1));
    SHOW(setsockopt(two, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
    SHOW(bind_to(two, "127.0.0.5", port));
    SHOW(connect_to(two, "127.0.0.7", port));
    taken = accept(one, NULL, NULL);
    names("two", two);
    names("taken", taken);
    close(taken);
    close(two);
    close(one);
    one = socket(AF_INET, SOCK_STREAM, 0);
    two = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
    SHOW(setsockopt(two, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
    SHOW(bind_to(one, "127.0.0.1", 0));
    port = own_port(one);
    SHOW(bind_to(two, "127.0.0.1", port));
    SHOW(listen(one, 1));
    SHOW(listen(two, 1));
    close(two);
    two = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind_to(two, "127.0.0.2", port));
    SHOW(listen(two, 1));
    client = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect_to(client, "127.0.0.2", port));
    taken = accept(two, NULL, NULL);
    names("at 127.0.0.2", taken);
    close(taken);
    close(client);
    close(one);
    close(two);
    one = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind(one, (struct sockaddr *)&address, 8));
    address.sin_family = 99;
    SHOW(bind(one, (struct sockaddr *)&address, sizeof(address)));
    SHOW(connect(one, (struct sockaddr *)&address, sizeof(address)));
    SHOW(connect(one, (struct sockaddr *)&address, 1));
    flush();
    if (fork() == 0) {
        SHOW(setuid(1000));
        SHOW(bind_to(one, "127.0.0.1", 80));
        SHOW(bind_to(one, "127.0.0.1", 0));
        flush();
        _exit(0);
    }
    wait(NULL);
    close(one);
}

static void options(void)
{
    int value = 1;

    have_connection();
    SHOW(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)));
    printf("no delay %d %d\n", option(client, IPPROTO_TCP, TCP_NODELAY),
           option(taken, IPPROTO_TCP, TCP_NODELAY));
    SHOW(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)));
    value = 60;
    SHOW(setsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)));
    SHOW(setsockopt(client, IPPROTO_TCP, 9999, &value, sizeof(value)));
    SHOW(setsockopt(client, IPPROTO_IP, IP_TTL, &value, sizeof(value)));
    printf("type %d domain %d protocol %d listens %d %d\n", option(client, SOL_SOCKET, SO_TYPE),
           option(client, SOL_SOCKET, SO_DOMAIN), option(client, SOL_SOCKET, SO_PROTOCOL),
           option(server, SOL_SOCKET, SO_ACCEPTCONN), option(client, SOL_SOCKET, SO_ACCEPTCONN));
    end();
}

/* A server that sends back, clients that compare. */
static void echo(void)
{
    static unsigned char out[30000], in[30000];
    unsigned long wrong = 0;
    pid_t child;

    listen_somewhere(8);
    flush();
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 4; i++) {
            ssize_t got;

            taken = accept(server, NULL, NULL);
            while ((got = read(taken, in, 1000 + (size_t)i * 7000)) > 0) {
                for (ssize_t at = 0; at < got;) {
                    at += write(taken, in + at, (size_t)(got - at));
                }
            }
            close(taken);
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        client = socket(AF_INET, SOCK_STREAM, 0);
        connect_to(client, "127.0.0.1", port);
        for (int round = 0; round < 20; round++) {
            size_t size = 1 + (size_t)(round * 1571) % sizeof(out);

            for (size_t k = 0; k < size; k++) {
                out[k] = (unsigned char)(k * 13 + (size_t)round);
            }
            for (size_t sent = 0; sent < size;) {
                sent += (size_t)write(client, out + sent, size - sent);
            }
            if (recv(client, in, size, MSG_WAITALL) != (ssize_t)size ||
                memcmp(in, out, size) != 0) {
                wrong++;
            }
        }
        close(client);
    }
    waitpid(child, NULL, 0);
    close(server);
    printf("echoes that were wrong: %lu\n", wrong);
}

/* --- UDP -------------------------------------------------------------------------------------- */

/* Two sockets and a third; the first one has the port. */
static struct {
    int one, two, three;
} boxes;

static void send_to_port(int from, const char *bytes, size_t size, int to)
{
    struct sockaddr_in address = at("127.0.0.1", to);

    SHOW(sendto(from, bytes, size, 0, (struct sockaddr *)&address, sizeof(address)));
}

static void unconnected_letters(void)
{
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    char buffer[100] = "";
    int waiting;

    ready("new", boxes.one);
    names("new", boxes.one);
    SHOW(send(boxes.one, "x", 1, 0));
    SHOW(bind_to(boxes.one, "127.0.0.1", 0));
    port = own_port(boxes.one);
    SHOW(bind_to(boxes.two, "127.0.0.1", port));
    SHOW(bind_to(boxes.two, "0.0.0.0", port));
    send_to_port(boxes.two, "letter", 6, port);
    send_to_port(boxes.two, "", 0, port);
    await(boxes.one, POLLIN);
    ioctl(boxes.one, FIONREAD, &waiting);
    printf("waiting %d\n", waiting);
    SHOW(recvfrom(boxes.one, buffer, 3, MSG_TRUNC, (struct sockaddr *)&from, &size));
    printf("'%.3s' from %s, its port %d\n", buffer, ip_text(&from),
           ntohs(from.sin_port) == own_port(boxes.two));
    get(boxes.one, 10, 0);
    get(boxes.one, 10, MSG_DONTWAIT);
}

static void connected_letters(void)
{
    static char large[70000];

    SHOW(connect_to(boxes.two, "127.0.0.1", port));
    names("two", boxes.two);
    put(boxes.two, "connected");
    await(boxes.one, POLLIN);
    get(boxes.one, 100, 0);
    send_to_port(boxes.three, "stranger", 8, own_port(boxes.two));
    get(boxes.two, 100, MSG_DONTWAIT);
    send_to_port(boxes.one, large, 20000, own_port(boxes.two));
    await(boxes.two, POLLIN);
    SHOW(recv(boxes.two, large, sizeof(large), 0));
    SHOW(send(boxes.two, large, 65508, 0));
}

static void letters_to_nobody(void)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    close(boxes.one);
    put(boxes.two, "to nobody");
    await(boxes.two, POLLERR);
    ready("told", boxes.two);
    put(boxes.two, "again");
    get(boxes.two, 10, MSG_DONTWAIT);
    SHOW(connect_to(boxes.two, "8.8.8.8", 0) == 0 ? 0 : 0);
    SHOW(connect(boxes.two, &nobody, sizeof(nobody)));
    SHOW(send(boxes.two, "x", 1, 0));
    SHOW(listen(boxes.two, 1));
    SHOW(accept(boxes.two, NULL, NULL));
    SHOW(shutdown(boxes.two, SHUT_WR));
}

static void datagrams(void)
{
    struct timeval soon = {0, 30000};

    boxes.one = socket(AF_INET, SOCK_DGRAM, 0);
    boxes.two = socket(AF_INET, SOCK_DGRAM, 0);
    boxes.three = socket(AF_INET, SOCK_DGRAM, 0);
    unconnected_letters();
    connected_letters();
    letters_to_nobody();
    SHOW(setsockopt(boxes.three, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
    get(boxes.three, 10, 0);
    send_to_port(boxes.three, "x", 1, 0);
    close(boxes.two);
    close(boxes.three);
}

static void interface(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int one = socket(AF_INET, SOCK_DGRAM, 0);

    SHOW(ioctl(one, SIOCGIFFLAGS, &request));
    printf("flags %x\n", (unsigned)request.ifr_flags);
    SHOW(ioctl(one, SIOCGIFADDR, &request));
    printf("address %s\n", ip_text((struct sockaddr_in *)&request.ifr_addr));
    SHOW(ioctl(one, SIOCGIFNETMASK, &request));
    printf("mask %s\n", ip_text((struct sockaddr_in *)&request.ifr_addr));
    SHOW(ioctl(one, SIOCGIFMTU, &request));
    printf("mtu %d\n", request.ifr_mtu);
    SHOW(ioctl(one, SIOCGIFINDEX, &request));
    printf("index %d\n", request.ifr_ifindex);
    SHOW(ioctl(one, SIOCGIFNAME, &request));
    printf("name %s\n", request.ifr_name);
    memcpy(request.ifr_name, "nope", 5);
    SHOW(ioctl(one, SIOCGIFFLAGS, &request));
    SHOW(ioctl(one, TIOCGPGRP, &request));
    close(one);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    first_steps();
    ends();
    without_waiting();
    addresses();
    options();
    echo();
    datagrams();
    interface();
    return 0;
}
