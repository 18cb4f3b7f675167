/* Pipes and FIFOs, waiting for several files at once. */
#include <hal/clock.h>
#include <tests/host/vfs/vfs_machine.h>

static struct file *ends[2];

static void make_pipe(uint32_t flags)
{
    CHECK(pipe_create(flags, vfs_owner, ends) == HX_OK);
}

static void close_end(unsigned end)
{
    file_put(ends[end]);
}

static unsigned ready(struct file *file)
{
    return file_poll(file, NULL);
}

/* --- one thread ------------------------------------------------------------------------------- */

VFS_TEST(a_pipe_gives_what_it_was_given_in_order)
{
    struct vfs_balance before = vfs_balance();

    make_pipe(0);
    put_text(ends[1], "one ");
    put_text(ends[1], "two");
    CHECK(reads(ends[0], "one two"));
    put_text(ends[1], "rest");
    close_end(1);
    CHECK(reads(ends[0], "rest") && reads(ends[0], "") && reads(ends[0], ""));
    close_end(0);
    vfs_check_balance(before);
}

VFS_TEST(a_pipe_that_nobody_reads_is_broken)
{
    size_t done;

    make_pipe(0);
    close_end(0);
    CHECK(write_text(ends[1], "x", &done) == HX_ECLOSED && done == 0);
    CHECK(write_text(ends[1], "", &done) == HX_OK);
    CHECK((ready(ends[1]) & POLL_ERROR) != 0);
    close_end(1);
}

VFS_TEST(small_writes_are_whole_or_not_at_all)
{
    static char bytes[PIPE_SIZE];
    struct transfer transfer;
    char byte;
    size_t done;

    make_pipe(FILE_NON_BLOCKING);
    CHECK(read_bytes(ends[0], &byte, 1, &done) == HX_EAGAIN);
    transfer_init_kernel(&transfer, bytes, PIPE_SIZE - 1000);
    CHECK(file_write(ends[1], &transfer, &done) == HX_OK && done == PIPE_SIZE - 1000);
    CHECK((ready(ends[1]) & POLL_OUT) == 0);
    transfer_init_kernel(&transfer, bytes, 1001);
    CHECK(file_write(ends[1], &transfer, &done) == HX_EAGAIN && done == 0);
    transfer_init_kernel(&transfer, bytes, 5000);
    CHECK(file_write(ends[1], &transfer, &done) == HX_OK && done == 1000);
    CHECK(file_write(ends[1], &transfer, &done) == HX_EAGAIN);
    transfer_init_kernel(&transfer, bytes, PIPE_SIZE);
    CHECK(file_read(ends[0], &transfer, &done) == HX_OK && done == PIPE_SIZE);
    CHECK((ready(ends[1]) & POLL_OUT) != 0 && ready(ends[0]) == 0);
    close_end(0);
    close_end(1);
}

VFS_TEST(the_ring_goes_round)
{
    static char out[3000];
    static char in[3000];
    struct transfer transfer;
    size_t done;

    make_pipe(0);
    for (unsigned i = 0; i < 100; i++) {
        memset(out, (int)i, sizeof(out));
        out[0] = (char)(i + 1);
        transfer_init_kernel(&transfer, out, sizeof(out));
        CHECK(file_write(ends[1], &transfer, &done) == HX_OK && done == sizeof(out));
        CHECK(read_bytes(ends[0], in, sizeof(in), &done) == HX_OK && done == sizeof(in));
        CHECK(memcmp(in, out, sizeof(in)) == 0);
    }
    close_end(0);
    close_end(1);
}

VFS_TEST(pipes_cannot_seek)
{
    struct transfer transfer;
    uint64_t position;
    char byte;
    size_t done;

    make_pipe(0);
    transfer_init_kernel(&transfer, &byte, 1);
    CHECK(file_seek(ends[0], 0, SEEK_FROM_START, &position) == HX_ESPIPE);
    CHECK(file_read_at(ends[0], &transfer, 0, &done) == HX_ESPIPE);
    CHECK(write_text(ends[0], "x", &done) == HX_EBADF);
    close_end(0);
    close_end(1);
}

/* --- threads ---------------------------------------------------------------------------------- */

static uint32_t rounds(void)
{
    return getenv("HELIX_SOAK") != NULL ? 200000 : 3000;
}

#define MESSAGE 777U

/* Two write messages of one letter each, two read bytes; each letter comes as often as written. */
static _Atomic uint64_t read_of[2];
static _Atomic uint32_t writers_left;

static void write_messages(uint32_t number)
{
    static char messages[2][MESSAGE];
    struct transfer transfer;
    size_t done;

    memset(messages[number], 'a' + (int)number, MESSAGE);
    for (uint32_t i = 0; i < rounds(); i++) {
        transfer_init_kernel(&transfer, messages[number], MESSAGE);
        CHECK(file_write(ends[1], &transfer, &done) == HX_OK && done == MESSAGE);
    }
    if (atomic_fetch_sub(&writers_left, 1) == 1) {
        close_end(1);
    }
}

static void read_messages(uint32_t number)
{
    char buffer[MESSAGE];
    size_t done;

    (void)number;
    do {
        CHECK(read_bytes(ends[0], buffer, sizeof(buffer), &done) == HX_OK);
        for (size_t i = 0; i < done; i++) {
            atomic_fetch_add(&read_of[buffer[i] - 'a'], 1);
        }
    } while (done > 0);
}

static void use_both_ends(uint32_t number)
{
    if (number < 2) {
        write_messages(number);
    } else {
        read_messages(number);
    }
}

VFS_TEST(nothing_is_lost_between_threads)
{
    struct vfs_balance before = vfs_balance();

    make_pipe(0);
    atomic_store(&writers_left, 2);
    on_threads(4, use_both_ends);
    CHECK(atomic_load(&read_of[0]) == (uint64_t)rounds() * MESSAGE);
    CHECK(atomic_load(&read_of[1]) == (uint64_t)rounds() * MESSAGE);
    close_end(0);
    vfs_check_balance(before);
}

/* One reader: no message is mixed with another, though the pipe is full all the time. */
static void write_or_check(uint32_t number)
{
    char buffer[MESSAGE];
    struct transfer transfer;
    size_t done;

    if (number < 2) {
        write_messages(number);
        return;
    }
    for (uint32_t i = 0; i < 2 * rounds(); i++) {
        size_t got = 0;

        while (got < MESSAGE) {
            transfer_init_kernel(&transfer, buffer + got, MESSAGE - got);
            CHECK(file_read(ends[0], &transfer, &done) == HX_OK && done > 0);
            got += done;
        }
        CHECK(memchr(buffer, 'a' + 'b' - buffer[0], MESSAGE) == NULL);
    }
}

VFS_TEST(writes_are_not_mixed)
{
    make_pipe(0);
    atomic_store(&writers_left, 2);
    on_threads(3, write_or_check);
    CHECK(reads(ends[0], ""));
    close_end(0);
}

/* Both ends are closed at the same time: one of the two frees the pipe. */
static struct file *many_ends[2][64];

static void close_all(uint32_t number)
{
    for (unsigned i = 0; i < 64; i++) {
        file_put(many_ends[number][i]);
    }
}

VFS_TEST(both_ends_are_closed_at_the_same_time)
{
    struct vfs_balance before = vfs_balance();

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 64; i++) {
            make_pipe(0);
            many_ends[0][i] = ends[0];
            many_ends[1][i] = ends[1];
        }
        on_threads(2, close_all);
    }
    vfs_check_balance(before);
}

/* --- FIFOs ------------------------------------------------------------------------------------ */

VFS_TEST(opening_a_fifo_without_waiting_has_its_rules)
{
    struct vfs_balance before;
    struct file *reader;
    struct file *writer;

    CHECK(make_node("/f", VNODE_FIFO, 0666) == HX_OK);
    before = vfs_balance();
    CHECK(try_open("/f", FILE_WRITE_ONLY | FILE_NON_BLOCKING) == HX_ENXIO);
    reader = opened("/f", FILE_READ_ONLY | FILE_NON_BLOCKING);
    CHECK(ready(reader) == 0 && reads(reader, "")); /* nobody has come yet: no hang-up */
    writer = opened("/f", FILE_WRITE_ONLY | FILE_NON_BLOCKING);
    put_text(writer, "x");
    CHECK(ready(reader) == POLL_IN && reads(reader, "x"));
    file_put(writer);
    CHECK(ready(reader) == POLL_HANGUP && reads(reader, ""));
    file_put(reader);
    writer = opened("/f", FILE_READ_WRITE);
    put_text(writer, "self");
    CHECK(reads(writer, "self"));
    file_put(writer);
    vfs_check_balance(before);
}

static void meet(uint32_t number)
{
    for (uint32_t i = 0; i < rounds() / 4; i++) {
        struct file *file = opened("/f", number == 0 ? FILE_WRITE_ONLY : FILE_READ_ONLY);

        if (number == 0) {
            put_text(file, "hello");
        } else {
            CHECK(reads(file, "hello") && reads(file, ""));
        }
        file_put(file);
        /* Both are gone before they meet again. */
        atomic_fetch_add(&writers_left, 1);
        while (atomic_load(&writers_left) < 2 * (i + 1)) {
            thread_yield();
        }
    }
}

VFS_TEST(the_openers_of_a_fifo_wait_for_each_other)
{
    struct vfs_balance before;

    CHECK(make_node("/f", VNODE_FIFO, 0666) == HX_OK);
    before = vfs_balance();
    on_threads(2, meet);
    vfs_check_balance(before);
}

/* --- waiting for several ---------------------------------------------------------------------- */

VFS_TEST(poll_says_what_is_ready)
{
    struct poll_entry entries[3] = {0};
    size_t count;

    make_pipe(0);
    entries[0] = (struct poll_entry){.file = ends[0], .events = POLL_IN};
    entries[1] = (struct poll_entry){.ready = POLL_INVALID};
    CHECK(poll_wait(entries, 1, 0, &count) == HX_OK && count == 0);
    CHECK(poll_wait(entries, 1, hal_clock_now() + 1000, &count) == HX_OK && count == 0);
    CHECK(poll_wait(entries, 2, THREAD_NO_DEADLINE, &count) == HX_OK && count == 1);
    put_text(ends[1], "x");
    entries[1] = (struct poll_entry){.file = ends[1], .events = POLL_OUT};
    CHECK(poll_wait(entries, 3, THREAD_NO_DEADLINE, &count) == HX_OK && count == 2);
    CHECK(entries[0].ready == POLL_IN && entries[1].ready == POLL_OUT && entries[2].ready == 0);
    close_end(1);
    CHECK(poll_wait(entries, 1, THREAD_NO_DEADLINE, &count) == HX_OK);
    CHECK(entries[0].ready == (POLL_IN | POLL_HANGUP));
    close_end(0);
}

/* One polls many pipes for the byte that the other puts into one of them: no wake-up is lost. */
#define MANY 20U

static struct file *many[2][MANY];

static void poll_or_write(uint32_t number)
{
    struct poll_entry entries[MANY];
    size_t count;

    for (uint32_t i = 0; i < rounds(); i++) {
        if (number == 1) {
            put_text(many[1][i % MANY], "x");
            while (atomic_load(&writers_left) <= i) {
                thread_yield();
            }
            continue;
        }
        for (unsigned j = 0; j < MANY; j++) {
            entries[j] = (struct poll_entry){.file = many[0][j], .events = POLL_IN};
        }
        CHECK(poll_wait(entries, MANY, THREAD_NO_DEADLINE, &count) == HX_OK && count == 1);
        CHECK(entries[i % MANY].ready == POLL_IN && reads(many[0][i % MANY], "x"));
        atomic_fetch_add(&writers_left, 1);
    }
}

VFS_TEST(who_polls_is_woken)
{
    for (unsigned i = 0; i < MANY; i++) {
        make_pipe(0);
        many[0][i] = ends[0];
        many[1][i] = ends[1];
    }
    on_threads(2, poll_or_write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gives_what_it_was_given_in_order),
        cmocka_unit_test(a_pipe_that_nobody_reads_is_broken),
        cmocka_unit_test(small_writes_are_whole_or_not_at_all),
        cmocka_unit_test(the_ring_goes_round),
        cmocka_unit_test(pipes_cannot_seek),
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(writes_are_not_mixed),
        cmocka_unit_test(both_ends_are_closed_at_the_same_time),
        cmocka_unit_test(opening_a_fifo_without_waiting_has_its_rules),
        cmocka_unit_test(the_openers_of_a_fifo_wait_for_each_other),
        cmocka_unit_test(poll_says_what_is_ready),
        cmocka_unit_test(who_polls_is_woken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
