/* Wrong arguments of every kind, and what is answered. */
#include "native.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define WILD     ((void *)0x10)
#define KERNEL   ((void *)0xffff800000000000UL)
#define NOWHERE  ((void *)0x0123456789abcdefUL)
#define NO_FILE  777
#define THE_PAST 1

static void *const bad_addresses[] = {NULL, WILD, KERNEL, NOWHERE, (void *)UINTPTR_MAX};
#define BAD_ADDRESSES (sizeof(bad_addresses) / sizeof(bad_addresses[0]))

static void channels_that_cannot_be_made(void)
{
    int ends[2];

    EXPECT_ERROR(channel_create(0, 4, 0, ends), EINVAL);
    EXPECT_ERROR(channel_create(HELIX_ITEM_MAX + 1, 4, 0, ends), EINVAL);
    EXPECT_ERROR(channel_create(UINT32_MAX, 4, 0, ends), EINVAL);
    EXPECT_ERROR(channel_create(8, 0, 0, ends), EINVAL);
    EXPECT_ERROR(channel_create(8, HELIX_CAPACITY_MAX + 1, 0, ends), EINVAL);
    EXPECT_ERROR(channel_create(8, UINT32_MAX, 0, ends), EINVAL);
    EXPECT_ERROR(channel_create(8, 4, 1, ends), EINVAL);
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(channel_create(8, 4, 0, bad_addresses[i]), EFAULT);
    }
    /* Nothing of these is left open. */
    int next = dup(0);
    EXPECT(next >= 0 && next < 8);
    close(next);
}

static void channels_wrongly_used(void)
{
    uint64_t item = 1;
    int ends[2];
    int mailbox = mailbox_create("errors", 1, 0);

    EXPECT_EQUAL(channel_create(8, 2, HELIX_NONBLOCK | HELIX_CLOEXEC, ends), 0);
    EXPECT_EQUAL(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    EXPECT_ERROR(channel_send(NO_FILE, &item, THE_PAST), EBADF);
    EXPECT_ERROR(channel_send(-1, &item, THE_PAST), EBADF);
    EXPECT_ERROR(channel_receive(NO_FILE, &item, 1, THE_PAST), EBADF);
    EXPECT_ERROR(channel_send(0, &item, THE_PAST), EINVAL);
    EXPECT_ERROR(channel_receive(0, &item, 1, THE_PAST), EINVAL);
    EXPECT_ERROR(channel_send(mailbox, &item, THE_PAST), EINVAL);
    EXPECT_ERROR(channel_send(ends[0], &item, THE_PAST), EBADF);
    EXPECT_ERROR(channel_receive(ends[1], &item, 1, THE_PAST), EBADF);
    EXPECT_ERROR(channel_receive(ends[0], &item, 0, THE_PAST), EINVAL);
    EXPECT_ERROR(channel_receive(ends[0], &item, UINT32_MAX, THE_PAST), EINVAL);
    EXPECT_ERROR(channel_receive(ends[0], &item, 1, THE_PAST), EAGAIN);
    EXPECT_ERROR(read(ends[0], &item, sizeof(item)), EINVAL);
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(channel_send(ends[1], bad_addresses[i], THE_PAST), EFAULT);
    }
    EXPECT_EQUAL(channel_send(ends[1], &item, THE_PAST), 0);
    for (size_t i = 2; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(channel_receive(ends[0], bad_addresses[i], 1, THE_PAST), EFAULT);
    }
    EXPECT_EQUAL(channel_receive(ends[0], &item, 1, THE_PAST), 1);
    close(ends[0]);
    close(ends[1]);
    close(mailbox);
}

static void deadlines_of_channels(void)
{
    uint64_t item = 1;
    int ends[2];

    EXPECT_EQUAL(channel_create(8, 1, 0, ends), 0);
    EXPECT_ERROR(channel_receive(ends[0], &item, 1, 0), ETIMEDOUT);
    EXPECT_ERROR(channel_receive(ends[0], &item, 1, THE_PAST), ETIMEDOUT);
    EXPECT_ERROR(channel_receive(ends[0], &item, 1, now() + MS), ETIMEDOUT);
    EXPECT_EQUAL(channel_send(ends[1], &item, 0), 0);
    EXPECT_ERROR(channel_send(ends[1], &item, now() + MS), ETIMEDOUT);
    EXPECT_EQUAL(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    EXPECT_ERROR(channel_send(ends[1], &item, HELIX_NO_DEADLINE), EAGAIN);
    close(ends[0]);
    EXPECT_ERROR(channel_send(ends[1], &item, HELIX_NO_DEADLINE), EPIPE);
    close(ends[1]);
}

static void names_of_mailboxes(void)
{
    static const char *const bad[] = {"", "a b", "a/b", "\x80", "a\n"};
    char longest[HELIX_NAME_MAX + 1];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT_ERROR(mailbox_create(bad[i], 1, 0), EINVAL);
        EXPECT_ERROR(mailbox_open(bad[i]), EINVAL);
    }
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(mailbox_create(bad_addresses[i], 1, 0), EFAULT);
        EXPECT_ERROR(mailbox_open(bad_addresses[i]), EFAULT);
    }
    memset(longest, 'x', sizeof(longest));
    longest[HELIX_NAME_MAX] = '\0';
    EXPECT_ERROR(mailbox_create(longest, 1, 0), ENAMETOOLONG);
    EXPECT_ERROR(mailbox_open(longest), ENAMETOOLONG);
    longest[HELIX_NAME_MAX - 1] = '\0';
    EXPECT_ERROR(mailbox_open(longest), ENOENT);
    EXPECT_ERROR(mailbox_create("errors", 0, 0), EINVAL);
    EXPECT_ERROR(mailbox_create("errors", HELIX_MESSAGES_MAX + 1, 0), EINVAL);
    EXPECT_ERROR(mailbox_create("errors", 1, 1), EINVAL);
    EXPECT_ERROR(syscall(HELIX_SYS_mailbox_open, "errors", 1), EINVAL);
    int mailbox = mailbox_create(longest, 1, 0);
    EXPECT(mailbox >= 0);
    EXPECT_ERROR(mailbox_create(longest, 1, 0), EEXIST);
    close(mailbox);
    EXPECT_ERROR(mailbox_open(longest), ENOENT);
}

/* The kernel's own mailboxes are there too, and are not a program's to serve. */
static void the_kernels_mailboxes(void)
{
    struct helix_message request = {.code = 0}, response = {.code = 0};
    int monitor = mailbox_open("monitor");

    EXPECT(monitor >= 0);
    EXPECT_EQUAL(call(monitor, &request, &response, patience()), 0);
    EXPECT_EQUAL(response.progress, HELIX_REPLIED);
    EXPECT_ERROR(mailbox_create("monitor", 1, 0), EEXIST);
    close(monitor);
}

static void requests_wrongly_made(void)
{
    struct helix_message message = {.code = 1}, response;
    struct helix_message long_one = {.length = HELIX_DATA_MAX + 1};
    int server = mailbox_create("errors", 1, 0);
    int client = mailbox_open("errors");

    EXPECT_ERROR(call(NO_FILE, &message, &response, THE_PAST), EBADF);
    EXPECT_ERROR(call(0, &message, &response, THE_PAST), EINVAL);
    EXPECT_ERROR(call(server, &message, &response, THE_PAST), EINVAL);
    EXPECT_ERROR(send_envelope(NO_FILE, &message, 0), EBADF);
    EXPECT_ERROR(send_envelope(server, &message, 0), EINVAL);
    EXPECT_ERROR(call(client, &long_one, &response, patience()), EINVAL);
    EXPECT_ERROR(send_envelope(client, &long_one, 0), EINVAL);
    EXPECT_ERROR(send_envelope(client, &message, -1), EINVAL);
    EXPECT_ERROR(send_envelope(client, &message, HELIX_CRITICAL + 1), EINVAL);
    EXPECT_ERROR(syscall(HELIX_SYS_call, client, &message, &response, THE_PAST, NULL, 4), EINVAL);
    response.progress = 9;
    EXPECT_ERROR(call(client, &message, &response, THE_PAST), ETIMEDOUT);
    EXPECT_EQUAL(response.progress, HELIX_NOT_RUN);
    response.progress = 9;
    EXPECT_ERROR(call(client, &message, &response, now() + MS), ETIMEDOUT);
    EXPECT_EQUAL(response.progress, HELIX_NOT_RUN);
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(call(client, bad_addresses[i], &response, THE_PAST), EFAULT);
        EXPECT_ERROR(call(client, &message, bad_addresses[i], THE_PAST), EFAULT);
        EXPECT_ERROR(send_envelope(client, bad_addresses[i], 0), EFAULT);
    }
    EXPECT_EQUAL(send_envelope(client, &message, HELIX_LOW), 0);
    EXPECT_ERROR(send_envelope(client, &message, HELIX_LOW), EAGAIN);
    response.progress = 9;
    EXPECT_ERROR(call(client, &message, &response, patience()), EAGAIN);
    EXPECT_EQUAL(response.progress, HELIX_NOT_RUN);
    close(server);
    close(client);
}

static void what_is_lent_wrongly(void)
{
    struct helix_message message = {.code = 1}, response;
    struct helix_loan loan = {(uintptr_t)&message, 0};
    int server = mailbox_create("errors", 1, 0);
    int client = mailbox_open("errors");

    EXPECT_ERROR(call_lending(client, &message, &response, THE_PAST, &loan), EINVAL);
    loan.size = HELIX_LOAN_MAX + 1;
    EXPECT_ERROR(call_lending(client, &message, &response, THE_PAST, &loan), EINVAL);
    loan.size = UINT64_MAX;
    EXPECT_ERROR(call_lending(client, &message, &response, THE_PAST, &loan), EINVAL);
    loan.size = 8;
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        loan.address = (uintptr_t)bad_addresses[i];
        EXPECT_ERROR(call_lending(client, &message, &response, THE_PAST, &loan), EFAULT);
        if (i > 0) {
            EXPECT_ERROR(call_lending(client, &message, &response, THE_PAST, bad_addresses[i]),
                         EFAULT);
        }
    }
    loan.address = (uintptr_t)&message;
    EXPECT_ERROR(call_lending(client, &message, &response, now() + MS, &loan), ETIMEDOUT);
    close(server);
    close(client);
}

static void servers_wrongly_used(void)
{
    struct helix_message message = {.code = 7, .length = 3, .data = "abc"}, request, reply = {0};
    struct helix_message long_one = {.length = HELIX_DATA_MAX + 1};
    int server = mailbox_create("errors", 4, 0);
    int client = mailbox_open("errors");

    EXPECT_ERROR(receive(NO_FILE, &request, THE_PAST), EBADF);
    EXPECT_ERROR(receive(0, &request, THE_PAST), EINVAL);
    EXPECT_ERROR(receive(client, &request, THE_PAST), EINVAL);
    EXPECT_ERROR(reply_and_wait(NO_FILE, &reply, &request, THE_PAST), EBADF);
    EXPECT_ERROR(reply_and_wait(client, &reply, &request, THE_PAST), EINVAL);
    EXPECT_ERROR(reply_and_wait(server, &reply, &request, THE_PAST), EINVAL); /* nothing is taken */
    EXPECT_ERROR(reply_and_wait(server, &reply, NULL, 0), EINVAL);
    EXPECT_ERROR(receive(server, &request, 0), ETIMEDOUT);
    EXPECT_ERROR(receive(server, &request, now() + MS), ETIMEDOUT);
    EXPECT_EQUAL(fcntl(server, F_SETFL, O_NONBLOCK), 0);
    EXPECT_ERROR(receive(server, &request, HELIX_NO_DEADLINE), EAGAIN);
    EXPECT_EQUAL(send_envelope(client, &message, HELIX_LOW), 0);
    /* What could not be stored is there again. */
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(receive(server, bad_addresses[i], HELIX_NO_DEADLINE), EFAULT);
    }
    memset(&request, 0xee, sizeof(request));
    EXPECT_EQUAL(receive(server, &request, HELIX_NO_DEADLINE), 0);
    EXPECT(request.code == 7 && request.length == 3 && memcmp(request.data, "abc", 3) == 0);
    EXPECT(request.sender == (uint32_t)getpid() && request.lent == 0 && request.data[3] == 0xee);
    EXPECT_ERROR(reply_and_wait(server, &long_one, &request, 0), EINVAL);
    for (size_t i = 0; i < BAD_ADDRESSES; i++) {
        EXPECT_ERROR(reply_and_wait(server, bad_addresses[i], &request, 0), EFAULT);
        if (i > 0) {
            EXPECT_ERROR(
                syscall(HELIX_SYS_reply_and_wait, server, &reply, &request, 0, bad_addresses[i]),
                EFAULT);
        }
    }
    EXPECT_EQUAL(receive(server, &request, HELIX_NO_DEADLINE), 0); /* still the same */
    EXPECT_EQUAL(reply_and_wait(server, &reply, NULL, 0), 0);
    EXPECT_ERROR(reply_and_wait(server, &reply, NULL, 0), EINVAL);
    close(server);
    close(client);
}

static void who_asks_itself(void)
{
    struct helix_message message = {.code = 7}, request, response;
    int server = mailbox_create("errors", 4, 0);
    int client = mailbox_open("errors");

    EXPECT_EQUAL(send_envelope(client, &message, HELIX_LOW), 0);
    EXPECT_EQUAL(receive(server, &request, 0), 0);
    EXPECT_ERROR(call(client, &message, &response, HELIX_NO_DEADLINE), EBUSY);
    EXPECT_EQUAL(response.progress, HELIX_NOT_RUN);
    close(server);
    close(client);
}

static void rights_wrongly_passed_on(void)
{
    int server = mailbox_create("errors", 4, 0);

    EXPECT_ERROR(delegate(NO_FILE, getpid(), HELIX_RIGHT_WRITE), EBADF);
    EXPECT_ERROR(delegate(0, getpid(), HELIX_RIGHT_WRITE), EINVAL);
    EXPECT_ERROR(delegate(server, getpid(), 0), EINVAL);
    EXPECT_ERROR(delegate(server, getpid(), 1U << 20), EINVAL);
    EXPECT_ERROR(delegate(server, 99999, HELIX_RIGHT_WRITE), ESRCH);
    EXPECT_ERROR(delegate(server, -1, HELIX_RIGHT_WRITE), ESRCH);
    EXPECT_ERROR(revoke(NO_FILE, getpid()), EBADF);
    EXPECT_ERROR(revoke(0, getpid()), EINVAL);
    EXPECT_ERROR(revoke(server, 99999), ESRCH);
    close(server);
}

static void numbers_behind_the_last_are_absent(void)
{
    EXPECT_ERROR(syscall(491), ENOSYS);
    EXPECT_ERROR(syscall(479), ENOSYS);
}

const struct test error_tests[] = {
    {"channels_that_cannot_be_made", channels_that_cannot_be_made},
    {"channels_wrongly_used", channels_wrongly_used},
    {"deadlines_of_channels", deadlines_of_channels},
    {"names_of_mailboxes", names_of_mailboxes},
    {"the_kernels_mailboxes", the_kernels_mailboxes},
    {"requests_wrongly_made", requests_wrongly_made},
    {"what_is_lent_wrongly", what_is_lent_wrongly},
    {"servers_wrongly_used", servers_wrongly_used},
    {"who_asks_itself", who_asks_itself},
    {"rights_wrongly_passed_on", rights_wrongly_passed_on},
    {"numbers_behind_the_last_are_absent", numbers_behind_the_last_are_absent},
    {0},
};
