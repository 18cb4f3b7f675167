/* The worked example of docs/native-ipc.md, which is taken from here, and that it works. */
#include "native.h"

/* example: adder */
/* Adds up what it is told, and answers with the sum; until it is told 0. */
static int serve_sum(int mailbox)
{
    struct helix_message message;
    uint32_t sum = 0;
    long failed = syscall(HELIX_SYS_receive, mailbox, &message, HELIX_NO_DEADLINE, NULL);

    while (!failed && message.code != 0) {
        sum += message.code;
        message = (struct helix_message){.code = sum};
        failed =
            syscall(HELIX_SYS_reply_and_wait, mailbox, &message, &message, HELIX_NO_DEADLINE, NULL);
    }
    return failed ? 1 : 0;
}

/* Returns the sum, or 0: nothing was added, or -1: nobody knows. */
static long add(int mailbox, uint32_t number)
{
    struct helix_message request = {.code = number};
    struct helix_message response;

    while (syscall(HELIX_SYS_call, mailbox, &request, &response, HELIX_NO_DEADLINE, NULL,
                   HELIX_NORMAL) != 0) {
        if (errno == EINTR && response.progress == HELIX_NOT_RUN) {
            continue;
        }
        return response.progress == HELIX_NOT_RUN ? 0 : -1;
    }
    return response.code;
}
/* end of example */

static int serve_main(void *argument)
{
    return serve_sum(*(int *)argument);
}

static void the_example_of_the_documentation_works(void)
{
    struct helix_message end = {.code = 0};
    int server = (int)syscall(HELIX_SYS_mailbox_create, "example.adder", 8, HELIX_CLOEXEC);
    int client = (int)syscall(HELIX_SYS_mailbox_open, "example.adder", HELIX_CLOEXEC);
    struct child child = start(0, serve_main, &server);

    close(server);
    let_go(&child);
    EXPECT_EQUAL(add(client, 20), 20);
    EXPECT_EQUAL(add(client, 22), 42);
    EXPECT_EQUAL(send_envelope(client, &end, HELIX_NORMAL), 0);
    EXPECT_EQUAL(end_of(&child), 0);
    close(client);
}

const struct test example_tests[] = {
    {"the_example_of_the_documentation_works", the_example_of_the_documentation_works},
    {0},
};
