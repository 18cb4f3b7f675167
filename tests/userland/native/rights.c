/* Who may, who may not, and who may no more. */
#define _GNU_SOURCE
#include "native.h"

#include <sys/wait.h>

/* How many grants one subject can have on one resource: CAPABILITY_SAME_MAX. */
#define GRANTS_MAX 32

/* --- without ---------------------------------------------------------------------------------- */

static int try_all(void *argument)
{
    int failures = 0;
    int ends[2];

    (void)argument;
    failures += mailbox_create("theirs", 1, 0) != -1 || errno != EACCES;
    failures += mailbox_create("nobodys", 1, 0) != -1 || errno != EACCES;
    failures += mailbox_open("theirs") != -1 || errno != EACCES;
    failures += mailbox_open("nobodys") != -1 || errno != EACCES;
    failures += mailbox_open("monitor") != -1 || errno != EACCES;
    failures += channel_create(8, 1, 0, ends) != -1 || errno != EACCES;
    return failures;
}

static void without_a_capability_everything_is_refused(void)
{
    int server = mailbox_create("theirs", 1, 0);
    struct child child = start(OUTSIDER, try_all, NULL);

    let_go(&child);
    EXPECT_EQUAL(end_of(&child), 0);
    close(server);
}

/* Descriptors that it has inherited are no rights. */
static int use_inherited(void *argument)
{
    const int *descriptors = argument; /* client, receiving, sending */
    struct helix_message message = {.code = 1}, response = {.progress = 9};
    uint64_t item = 1;
    int failures = 0;

    if (setresuid(OUTSIDER, OUTSIDER, OUTSIDER) != 0) {
        return 98;
    }
    failures += call(descriptors[0], &message, &response, patience()) != -1 || errno != EACCES;
    failures += response.progress != 9;
    failures += send_envelope(descriptors[0], &message, HELIX_LOW) != -1 || errno != EACCES;
    failures += channel_receive(descriptors[1], &item, 1, 1) != -1 || errno != EACCES;
    failures += channel_send(descriptors[2], &item, 1) != -1 || errno != EACCES;
    failures += delegate(descriptors[0], getpid(), HELIX_RIGHT_WRITE) != -1 || errno != EPERM;
    failures += revoke(descriptors[0], getpid()) != -1 || errno != EPERM;
    return failures;
}

static void a_descriptor_is_no_right(void)
{
    int server = mailbox_create("theirs", 1, 0);
    int descriptors[3] = {mailbox_open("theirs")};

    EXPECT_EQUAL(channel_create(8, 1, 0, &descriptors[1]), 0);
    struct child child = start(0, use_inherited, descriptors);

    let_go(&child);
    EXPECT_EQUAL(end_of(&child), 0);
    for (int i = 0; i < 3; i++) {
        close(descriptors[i]);
    }
    close(server);
}

/* --- with ------------------------------------------------------------------------------------- */

/* May ask, and neither serve nor pass it on. */
static int ask_only(void *argument)
{
    struct helix_message message = {.code = 1};
    int client = mailbox_open("theirs");
    int failures = client < 0;

    failures += send_envelope(client, &message, HELIX_LOW) != 0;
    failures += mailbox_open("others") != -1 || errno != EACCES;
    failures += delegate(client, getppid(), HELIX_RIGHT_WRITE) != -1 || errno != EPERM;
    failures += revoke(client, getpid()) != -1 || errno != EPERM;
    failures += mailbox_create("theirs2", 1, 0) != -1 || errno != EACCES;
    (void)argument;
    return failures;
}

static void who_may_ask_may_do_no_more(void)
{
    struct helix_message message;
    int server = mailbox_create("theirs", 1, 0);
    int other = mailbox_create("others", 1, 0);
    struct child child = start_client(server, ask_only, NULL);

    let_go(&child);
    EXPECT_EQUAL(end_of(&child), 0);
    EXPECT_EQUAL(receive(server, &message, 1), 0);
    close(server);
    close(other);
}

/* May serve the one name. */
static int serve_given(void *argument)
{
    struct helix_message message;
    int server = mailbox_create("given", 1, 0);

    (void)argument;
    return server < 0 || receive(server, &message, patience()) != 0 ||
           reply_and_wait(server, &message, NULL, 0) != 0;
}

static void a_name_can_be_given_away(void)
{
    struct helix_message request = {.code = 8}, response;
    int server = mailbox_create("given", 1, 0);
    int client = mailbox_open("given");
    struct child child = start(STRANGER, serve_given, NULL);

    EXPECT_EQUAL(delegate(server, child.id, HELIX_RIGHT_CONTROL), 0);
    close(server);
    let_go(&child);
    /* The one that it makes is another one. */
    while (call(client, &request, &response, patience()) != 0 && errno == ESTALE) {
        close(client);
        client = mailbox_open("given");
    }
    EXPECT_EQUAL(response.progress, HELIX_REPLIED);
    EXPECT_EQUAL(end_of(&child), 0);
    close(client);
}

/* What it gives is on the name, and it is there already. */
static void who_makes_a_mailbox_again_holds_it_once(void)
{
    for (int round = 0; round < 2 * GRANTS_MAX; round++) {
        int server = mailbox_create("again", 1, 0);

        EXPECT(server >= 0);
        EXPECT_EQUAL(delegate(server, getpid(), HELIX_RIGHT_CONTROL), 0);
        close(server);
    }
}

/* --- no more ---------------------------------------------------------------------------------- */

static _Atomic uint32_t *is_revoked;

/* Status 0: it was served until it was revoked, and no call that began afterwards passed. */
static int ask_until_revoked(void *argument)
{
    struct helix_message request = {.code = 1}, response;
    int client = mailbox_open("theirs");
    uint32_t passed = 0;

    (void)argument;
    for (;;) {
        uint32_t was_revoked = *is_revoked;

        if (call(client, &request, &response, patience()) != 0) {
            break;
        }
        if (was_revoked) {
            return 1;
        }
        passed++;
    }
    if (errno != EACCES) {
        return 2;
    }
    return passed == 0 ? 3 : mailbox_open("theirs") != -1 || errno != EACCES;
}

static void what_is_revoked_ends_at_once(void)
{
    struct helix_message message;
    int server = mailbox_create("theirs", 4, 0);
    struct child child;
    uint32_t served = 0;
    long error;

    is_revoked = shared(sizeof(*is_revoked));
    child = start_client(server, ask_until_revoked, NULL);
    let_go(&child);
    error = receive(server, &message, patience());
    while (error == 0 && served++ < 200) {
        error = reply_and_wait(server, &message, &message, patience());
    }
    EXPECT_EQUAL(error, 0);
    EXPECT_EQUAL(revoke(server, child.id), 0);
    *is_revoked = 1;
    EXPECT_ERROR(revoke(server, child.id), ENOENT);
    EXPECT_EQUAL(reply_and_wait(server, &message, NULL, 0), 0); /* what was under way is answered */
    EXPECT_EQUAL(end_of(&child), 0);
    close(server);
}

static int send_by_channel(void *argument)
{
    uint64_t item = 9;

    return channel_send(*(int *)argument, &item, patience()) != 0;
}

static void a_right_on_channels_can_be_taken_back(void)
{
    uint64_t item = 0;
    int ends[2];

    EXPECT_EQUAL(channel_create(8, 2, 0, ends), 0);
    for (int round = 0; round < 2; round++) {
        struct child child = start(0, send_by_channel, &ends[1]);

        EXPECT_EQUAL(delegate(ends[1], child.id, HELIX_RIGHT_WRITE), 0);
        let_go(&child);
        EXPECT_EQUAL(end_of(&child), 0);
        EXPECT_EQUAL(channel_receive(ends[0], &item, 1, patience()), 1);
        EXPECT_EQUAL(item, 9);
    }
    close(ends[0]);
    close(ends[1]);
}

const struct test right_tests[] = {
    {"without_a_capability_everything_is_refused", without_a_capability_everything_is_refused},
    {"a_descriptor_is_no_right", a_descriptor_is_no_right},
    {"who_may_ask_may_do_no_more", who_may_ask_may_do_no_more},
    {"a_name_can_be_given_away", a_name_can_be_given_away},
    {"who_makes_a_mailbox_again_holds_it_once", who_makes_a_mailbox_again_holds_it_once},
    {"what_is_revoked_ends_at_once", what_is_revoked_ends_at_once},
    {"a_right_on_channels_can_be_taken_back", a_right_on_channels_can_be_taken_back},
    {0},
};
