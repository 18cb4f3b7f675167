/*
 * The tests of Helix's own system calls: one program, process 1 of a guest, which says for each of
 * them whether it held. Nothing but syscall() is used.
 */
#ifndef TESTS_USERLAND_NATIVE_NATIVE_H
#define TESTS_USERLAND_NATIVE_NATIVE_H

#include <errno.h>
#include <helix/system_calls.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#define MS 1000000ULL

/* A user that has no rights of its own, and another one. */
#define STRANGER 1000
#define OUTSIDER 2000

struct test {
    const char *name;
    void (*run)(void);
};

/* The tables, each ending with a NULL name. */
extern const struct test error_tests[];
extern const struct test call_tests[];
extern const struct test death_tests[];
extern const struct test channel_tests[];
extern const struct test right_tests[];
extern const struct test example_tests[];

/* Note a failed expectation of the running test. */
void failed(const char *file, int line, const char *what, long got, long wanted);

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            failed(__FILE__, __LINE__, #condition, 0, 0);                                          \
        }                                                                                          \
    } while (0)

#define EXPECT_EQUAL(call, wanted) expect_equal(__FILE__, __LINE__, #call, (long)(call), wanted)
/* A call that fails with this errno. */
#define EXPECT_ERROR(call, error)                                                                  \
    expect_error(__FILE__, __LINE__, #call, (errno = 0, (long)(call)), error)

static inline void expect_equal(const char *file, int line, const char *what, long got, long wanted)
{
    if (got != wanted) {
        failed(file, line, what, got, wanted);
    }
}

static inline void expect_error(const char *file, int line, const char *what, long got, int error)
{
    if (got != -1 || errno != error) {
        failed(file, line, what, got == -1 ? errno : -got, error);
    }
}

/* --- the calls -------------------------------------------------------------------------------- */

static inline long channel_create(uint32_t size, uint32_t capacity, int flags, int *descriptors)
{
    return syscall(HELIX_SYS_channel_create, size, capacity, flags, descriptors);
}

static inline long channel_send(int channel, const void *item, uint64_t deadline)
{
    return syscall(HELIX_SYS_channel_send, channel, item, deadline);
}

static inline long channel_receive(int channel, void *items, uint32_t maximum, uint64_t deadline)
{
    return syscall(HELIX_SYS_channel_receive, channel, items, maximum, deadline);
}

static inline int mailbox_create(const char *name, uint32_t capacity, int flags)
{
    return (int)syscall(HELIX_SYS_mailbox_create, name, capacity, flags);
}

static inline int mailbox_open(const char *name)
{
    return (int)syscall(HELIX_SYS_mailbox_open, name, 0);
}

static inline long call_lending(int mailbox, const struct helix_message *request,
                                struct helix_message *response, uint64_t deadline,
                                const struct helix_loan *loan)
{
    return syscall(HELIX_SYS_call, mailbox, request, response, deadline, loan, HELIX_NORMAL);
}

static inline long call(int mailbox, const struct helix_message *request,
                        struct helix_message *response, uint64_t deadline)
{
    return call_lending(mailbox, request, response, deadline, NULL);
}

static inline long receive(int mailbox, struct helix_message *request, uint64_t deadline)
{
    return syscall(HELIX_SYS_receive, mailbox, request, deadline, NULL);
}

static inline long reply_and_wait(int mailbox, const struct helix_message *response,
                                  struct helix_message *request, uint64_t deadline)
{
    return syscall(HELIX_SYS_reply_and_wait, mailbox, response, request, deadline, NULL);
}

static inline long send_envelope(int mailbox, const struct helix_message *envelope, int priority)
{
    return syscall(HELIX_SYS_send, mailbox, envelope, priority);
}

static inline long delegate(int descriptor, pid_t process, uint32_t rights)
{
    return syscall(HELIX_SYS_delegate, descriptor, process, rights);
}

static inline long revoke(int descriptor, pid_t process)
{
    return syscall(HELIX_SYS_revoke, descriptor, process);
}

/* --- others ----------------------------------------------------------------------------------- */

uint64_t now(void);

/* Long enough for anything that is bound to happen. */
static inline uint64_t patience(void)
{
    return now() + 60000 * MS;
}

/*
 * A child that is that user, and runs main when it is let go; its status is what main returns.
 * Failed expectations of its own count.
 */
struct child {
    pid_t id;
    int go; /* closing it lets the child go */
};
struct child start(uid_t user, int (*main)(void *argument), void *argument);
void let_go(struct child *child);

/* A stranger that may ask by the mailbox of a descriptor. */
struct child start_client(int mailbox, int (*main)(void *argument), void *argument);

/* Its status as main's result, or -1 if it was ended by a signal. */
int end_of(const struct child *child);

/* Wait until a process waits in the kernel. */
void until_asleep(pid_t id);

/* A number that looks random, and the sum over bytes. */
uint32_t mix(uint32_t value);
uint32_t sum_of(const uint8_t *data, size_t length);

/* Memory that children share. */
void *shared(size_t size);

#endif
