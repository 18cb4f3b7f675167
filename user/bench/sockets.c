/* Sockets: a byte to another process and back, and many bytes. */
#include "bench.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUCH 65536

static void answer_all(int descriptor)
{
    while (read_byte(descriptor) && write_byte(descriptor)) {
    }
    _exit(0);
}

/* A child answers at one end, this process asks at the other. */
static uint64_t round_trips(int asks, int answers, uint32_t runs)
{
    uint32_t done = 0;
    int status;
    int64_t child = call_0(SYS_fork);

    if (child == 0) {
        close(asks);
        answer_all(answers);
    }
    close(answers);
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        done += (uint32_t)(write_byte(asks) && read_byte(asks));
    }
    uint64_t all = instructions_since(start);

    close(asks);
    return child > 0 && waitpid((pid_t)child, &status, 0) == child && done == runs ? all : FAILED;
}

static uint64_t unix_round_trip(uint32_t runs)
{
    int ends[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 ? round_trips(ends[0], ends[1], runs)
                                                          : FAILED;
}

/* Linux has it down until somebody says otherwise. */
static void have_loopback(int socket)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};

    (void)ioctl(socket, SIOCSIFFLAGS, &request);
}

/* A connection through the loopback interface: ends[0] connected, ends[1] accepted. */
static int connect_tcp(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int server = socket(AF_INET, SOCK_STREAM, 0);

    have_loopback(server);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&address, size) != 0 || listen(server, 1) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &size) != 0 ||
        connect(ends[0], (struct sockaddr *)&address, size) != 0) {
        return 0;
    }
    ends[1] = accept(server, NULL, NULL);
    close(server);
    return ends[1] >= 0;
}

static uint64_t tcp_round_trip(uint32_t runs)
{
    int ends[2];

    return connect_tcp(ends) ? round_trips(ends[0], ends[1], runs) : FAILED;
}

/* 64 KiB in one call, and out in as many as it takes. */
static uint64_t unix_stream_64k(uint32_t runs)
{
    char *bytes = mmap(NULL, MUCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t moved = 0;
    int ends[2];

    if (bytes == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return FAILED;
    }
    memset(bytes, 1, MUCH);
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        int64_t left = call_3(SYS_write, ends[0], (int64_t)bytes, MUCH);

        while (left > 0) {
            int64_t got = call_3(SYS_read, ends[1], (int64_t)bytes, left);

            moved += got > 0 ? (uint64_t)got : 0;
            left = got > 0 ? left - got : 0;
        }
    }
    uint64_t all = instructions_since(start);

    close(ends[0]);
    close(ends[1]);
    munmap(bytes, MUCH);
    return moved == (uint64_t)runs * MUCH ? all : FAILED;
}

const struct figure socket_figures[] = {
    {"unix_round_trip", 2000, unix_round_trip},
    {"unix_stream_64k", 20, unix_stream_64k},
    {"tcp_round_trip", 2000, tcp_round_trip},
    {0},
};
