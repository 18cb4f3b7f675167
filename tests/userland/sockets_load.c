/* [ROUNDS]: many processes over streams, messages and connections at once; all bytes are summed up.
 */
#define _GNU_SOURCE
#include "userland.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define CLIENTS 6

static unsigned rounds = 2;

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static uint64_t sum_of(uint64_t sum, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum = sum * 31 + bytes[i];
    }
    return sum;
}

static int send_all(int to, const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t put = send(to, bytes + at, size - at, MSG_NOSIGNAL);

        if (put <= 0) {
            return 0;
        }
        at += (size_t)put;
    }
    return 1;
}

/* Send back all that comes. */
static void serve_one(int taken)
{
    static unsigned char bytes[30000];
    ssize_t got;

    while ((got = read(taken, bytes, sizeof(bytes))) > 0 && send_all(taken, bytes, (size_t)got)) {
    }
    _exit(got == 0 ? 0 : 1);
}

static void serve(int server)
{
    int wrong = 0;
    int status;

    for (unsigned i = 0; i < CLIENTS * rounds; i++) {
        int taken = accept(server, NULL, NULL);

        if (taken < 0) {
            _exit(1);
        }
        if (fork() == 0) {
            close(server);
            serve_one(taken);
        }
        close(taken);
        while (waitpid(-1, &status, i % 8 == 7 ? 0 : WNOHANG) > 0) {
            wrong |= status;
        }
    }
    while (wait(&status) > 0) {
        wrong |= status;
    }
    _exit(wrong != 0);
}

/* One process sends, its child receives what comes back. */
static int talk(int to, uint32_t seed)
{
    static unsigned char bytes[20000];
    uint64_t sent = 0, heard = 0;
    size_t size = 0;
    int status;
    pid_t child = fork();

    if (child == 0) {
        uint32_t state = seed;

        for (unsigned i = 0; i < 8; i++) {
            size_t piece = 1 + next(&state) % sizeof(bytes);

            for (size_t k = 0; k < piece; k++) {
                bytes[k] = (unsigned char)next(&state);
            }
            if (!send_all(to, bytes, piece)) {
                _exit(1);
            }
        }
        shutdown(to, SHUT_WR);
        _exit(0);
    }
    for (ssize_t got; (got = read(to, bytes, sizeof(bytes))) > 0;) {
        heard = sum_of(heard, bytes, (size_t)got);
        size += (size_t)got;
    }
    uint32_t state = seed;

    for (unsigned i = 0; i < 8; i++) {
        size_t piece = 1 + next(&state) % sizeof(bytes);

        for (size_t k = 0; k < piece; k++) {
            unsigned char byte = (unsigned char)next(&state);

            sent = sum_of(sent, &byte, 1);
        }
        size -= piece;
    }
    waitpid(child, &status, 0);
    return status == 0 && size == 0 && sent == heard;
}

static void run_clients(const char *what, int domain, const struct sockaddr *address,
                        socklen_t size)
{
    unsigned wrong = 0;
    int status;

    for (unsigned i = 0; i < CLIENTS; i++) {
        if (fork() == 0) {
            for (unsigned k = 0; k < rounds; k++) {
                int to = socket(domain, SOCK_STREAM, 0);

                if (connect(to, address, size) != 0 || !talk(to, i * 1000 + k)) {
                    _exit(1);
                }
                close(to);
            }
            _exit(0);
        }
    }
    while (wait(&status) > 0) {
        wrong += status != 0;
    }
    printf("%s: %u of them were wrong\n", what, wrong);
}

static void connections(void)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "load"};
    socklen_t size = sizeof(inet);
    int server = socket(AF_INET, SOCK_STREAM, 0);

    bind(server, (struct sockaddr *)&inet, size);
    getsockname(server, (struct sockaddr *)&inet, &size);
    listen(server, 100);
    flush();
    if (fork() == 0) {
        serve(server);
    }
    close(server);
    run_clients("connections of TCP", AF_INET, (struct sockaddr *)&inet, size);
    server = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(server, (struct sockaddr *)&path, sizeof(path));
    listen(server, 2);
    flush();
    if (fork() == 0) {
        serve(server);
    }
    close(server);
    run_clients("connections of Unix", AF_UNIX, (struct sockaddr *)&path, sizeof(path));
    unlink("load");
}

/* Several send messages to one, which sums them up in any order. */
static void messages(int type)
{
    unsigned char bytes[3000];
    uint64_t all = 0;
    unsigned count = 0;
    int ends[2];
    ssize_t got;

    socketpair(AF_UNIX, type, 0, ends);
    flush();
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (fork() == 0) {
            for (unsigned k = 0; k < 50 * rounds; k++) {
                size_t size = 1 + (k * 37 + i) % sizeof(bytes);

                memset(bytes, (int)(k + i), size);
                if (send(ends[0], bytes, size, 0) != (ssize_t)size) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    while (count < CLIENTS * 50 * rounds && (got = recv(ends[1], bytes, sizeof(bytes), 0)) > 0) {
        all += sum_of(7, bytes, (size_t)got);
        count++;
    }
    while (wait(NULL) > 0) {
    }
    close(ends[0]);
    close(ends[1]);
    printf("messages of type %d: %u, sum %llx\n", type, count, (unsigned long long)all);
}

/* A socket goes from hand to hand: who has it answers once, and passes it on. */
static void hand_on(void)
{
    int ring[CLIENTS + 1][2];
    int pair[2];
    int status, wrong = 0;
    char byte = 0;

    for (unsigned i = 0; i <= CLIENTS; i++) {
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ring[i]);
    }
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    flush();
    for (unsigned i = 0; i <= CLIENTS; i++) {
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        struct cmsghdr *head = (struct cmsghdr *)control;

        if (i == CLIENTS) { /* this process begins */
            head->cmsg_len = CMSG_LEN(sizeof(int));
            head->cmsg_level = SOL_SOCKET;
            head->cmsg_type = SCM_RIGHTS;
            memcpy(CMSG_DATA(head), &pair[1], sizeof(int));
            sendmsg(ring[0][0], &message, 0);
            close(pair[1]);
            break;
        }
        if (fork() == 0) {
            for (unsigned k = 0; k < 10 * rounds; k++) {
                int file;

                message.msg_controllen = sizeof(control);
                if (recvmsg(ring[i][1], &message, 0) != 1) {
                    _exit(1);
                }
                memcpy(&file, CMSG_DATA(head), sizeof(int));
                if (write(file, "x", 1) != 1 ||
                    (i + 1 < CLIENTS || k + 1 < 10 * rounds
                         ? sendmsg(ring[(i + 1) % CLIENTS][0], &message, 0)
                         : 1) != 1) {
                    _exit(1);
                }
                close(file);
            }
            _exit(0);
        }
    }
    unsigned heard = 0;

    while (heard < CLIENTS * 10 * rounds && read(pair[0], &byte, 1) == 1) {
        heard++;
    }
    while (wait(&status) > 0) {
        wrong += status != 0;
    }
    printf("handed on %u times, %d were wrong\n", heard, wrong);
}

int main(int count, char **words)
{
    if (count > 1) {
        rounds = (unsigned)atoi(words[1]);
    }
    connections();
    messages(SOCK_DGRAM);
    messages(SOCK_SEQPACKET);
    hand_on();
    return 0;
}
