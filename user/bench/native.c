/*
 * Helix's own calls between two processes on one processor. On a kernel without them they cannot be
 * measured.
 */
#include "bench.h"

#include <helix/system_calls.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPACITY 64

static int64_t call_6(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e,
                      int64_t f)
{
    register int64_t fourth __asm__("r10") = d;
    register int64_t fifth __asm__("r8") = e;
    register int64_t sixth __asm__("r9") = f;
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

static int64_t wait_for(int64_t child)
{
    int status;

    return child > 0 && waitpid((pid_t)child, &status, 0) == child && status == 0;
}

/* --- a request and its reply ------------------------------------------------------------------ */

/* Answers with what it was asked, until it is told to leave: length 0. */
static void serve(int64_t mailbox)
{
    struct helix_message message;
    int64_t error = call_4(HELIX_SYS_receive, mailbox, (int64_t)&message, -1, 0);

    while (error == 0 && message.length != 0) {
        message.code++;
        error = call_6(HELIX_SYS_reply_and_wait, mailbox, (int64_t)&message, (int64_t)&message, -1,
                       0, 0);
    }
    _exit(error != 0);
}

static uint64_t ask(int64_t mailbox, uint32_t length, uint32_t runs)
{
    struct helix_message request = {.length = length};
    struct helix_message response;
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint32_t i = 0; i < runs; i++) {
        request.code = i;
        done += call_6(HELIX_SYS_call, mailbox, (int64_t)&request, (int64_t)&response, -1, 0,
                       HELIX_NORMAL) == 0 &&
                response.code == i + 1;
    }
    uint64_t all = instructions_since(start);

    request.length = 0;
    (void)call_3(HELIX_SYS_send, mailbox, (int64_t)&request, HELIX_NORMAL);
    return done == runs ? all : FAILED;
}

/* The child serves, the parent asks: two system calls and two switches for each. */
static uint64_t router_call(uint32_t length, uint32_t runs)
{
    int64_t server = call_3(HELIX_SYS_mailbox_create, (int64_t) "helix-bench", 4, 0);
    int64_t client = call_2(HELIX_SYS_mailbox_open, (int64_t) "helix-bench", 0);
    int64_t child = server < 0 || client < 0 ? -1 : call_0(SYS_fork);

    if (child == 0) {
        close((int)client);
        serve(server);
    }
    close((int)server);
    uint64_t all = child > 0 ? ask(client, length, runs) : FAILED;

    close((int)client);
    return wait_for(child) ? all : FAILED;
}

static uint64_t router_call_8(uint32_t runs)
{
    return router_call(8, runs);
}

static uint64_t router_call_64(uint32_t runs)
{
    return router_call(64, runs);
}

/* --- items through a channel ------------------------------------------------------------------ */

/* Receives so many, one system call for each, then says so. */
static void receive_all(int64_t channel, int answers, uint32_t runs)
{
    uint32_t done = 0;
    uint64_t item;

    while (done < runs && call_4(HELIX_SYS_channel_receive, channel, (int64_t)&item, 1, -1) == 1) {
        done += item == done;
    }
    _exit(!(done == runs && write_byte(answers)));
}

static uint64_t send_all(int64_t channel, int answers, uint32_t runs)
{
    uint32_t done = 0;
    uint64_t start = begin();

    for (uint64_t i = 0; i < runs; i++) {
        done += call_3(HELIX_SYS_channel_send, channel, (int64_t)&i, -1) == 0;
    }
    done += (uint32_t)read_byte(answers);
    uint64_t all = instructions_since(start);

    return done == runs + 1 ? all : FAILED;
}

/*
 * The parent sends, the child receives, each item by a system call of its own on either side; the
 * channel holds 64, so that the two switch every so many items. Measured until the last is
 * received.
 */
static uint64_t channel_pair(uint32_t runs)
{
    int ends[2], answers[2];
    int64_t error = call_4(HELIX_SYS_channel_create, 8, CAPACITY, 0, (int64_t)ends);
    int64_t child = error != 0 || pipe(answers) != 0 ? -1 : call_0(SYS_fork);

    if (child == 0) {
        close(ends[1]);
        receive_all(ends[0], answers[1], runs);
    }
    uint64_t all = FAILED;

    if (child > 0 && (call_3(HELIX_SYS_delegate, ends[0], child, HELIX_RIGHT_READ) == 0)) {
        all = send_all(ends[1], answers[0], runs);
    }
    if (error == 0) {
        close(ends[0]);
        close(ends[1]);
        close(answers[0]);
        close(answers[1]);
    }
    return wait_for(child) ? all : FAILED;
}

const struct figure native_figures[] = {
    {"router_call_processes", 5000, router_call_8},
    {"router_call_processes_64", 5000, router_call_64},
    {"channel_pair_processes", 20000, channel_pair},
    {0},
};
