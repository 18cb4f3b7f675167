/* Sets of files that are waited for together. */
#include <subsys/vfs/event_counter.h>
#include <subsys/vfs/event_set.h>
#include <tests/host/vfs/vfs_machine.h>

static struct file *set;
static struct file *ends[2];

static void start(void)
{
    CHECK(event_set_create(vfs_owner, &set) == HX_OK);
    CHECK(pipe_create(0, vfs_owner, ends) == HX_OK);
}

static void end(void)
{
    file_put(ends[0]);
    file_put(ends[1]);
    file_put(set);
}

static hx_err add(struct file *member, int descriptor, uint32_t events)
{
    return event_set_add(set, member, descriptor,
                         &(struct event){events, (uint64_t)(unsigned)descriptor});
}

/* How many events there are now; the first one's data and bits. */
static size_t look(struct event *first)
{
    struct event events[8];
    size_t count;

    CHECK(event_set_wait(set, events, 8, 0, &count) == HX_OK);
    *first = count > 0 ? events[0] : (struct event){0, 0};
    return count;
}

static size_t count_events(void)
{
    struct event first;

    return look(&first);
}

static void read_all(struct file *file)
{
    char bytes[64];
    size_t done;

    CHECK(read_bytes(file, bytes, sizeof(bytes), &done) == HX_OK);
}

VFS_TEST(a_member_is_told_of_as_long_as_it_is_ready)
{
    struct vfs_balance before = vfs_balance();
    struct event first;

    start();
    CHECK(add(ends[0], 5, POLL_IN) == HX_OK && count_events() == 0);
    put_text(ends[1], "x");
    CHECK(look(&first) == 1 && first.events == POLL_IN && first.data == 5);
    CHECK(count_events() == 1);
    read_all(ends[0]);
    CHECK(count_events() == 0);
    CHECK(event_set_remove(set, ends[0], 5) == HX_OK);
    CHECK(event_set_remove(set, ends[0], 5) == HX_ENOENT);
    put_text(ends[1], "x");
    CHECK(count_events() == 0);
    end();
    vfs_check_balance(before);
}

VFS_TEST(an_edge_is_told_of_once)
{
    start();
    CHECK(add(ends[0], 5, POLL_IN | (uint32_t)EVENT_EDGE) == HX_OK);
    for (unsigned i = 0; i < 3; i++) {
        put_text(ends[1], "x");
        CHECK(count_events() == 1 && count_events() == 0);
    }
    read_all(ends[0]);
    CHECK(count_events() == 0);
    put_text(ends[1], "x");
    read_all(ends[0]);
    put_text(ends[1], "x");
    CHECK(count_events() == 1 && count_events() == 0);
    end();
}

VFS_TEST(once_is_once_until_it_is_changed)
{
    const struct event again = {POLL_IN | (uint32_t)EVENT_ONCE, 9};
    struct event first;

    start();
    CHECK(add(ends[0], 5, POLL_IN | (uint32_t)EVENT_ONCE) == HX_OK);
    put_text(ends[1], "x");
    CHECK(count_events() == 1 && count_events() == 0);
    CHECK(event_set_change(set, ends[0], 5, &again) == HX_OK);
    CHECK(look(&first) == 1 && first.data == 9 && count_events() == 0);
    CHECK(event_set_change(set, ends[0], 6, &again) == HX_ENOENT);
    end();
}

VFS_TEST(a_file_that_ends_leaves_its_sets)
{
    struct vfs_balance before = vfs_balance();
    struct file *other;

    start();
    CHECK(event_set_create(vfs_owner, &other) == HX_OK);
    CHECK(add(ends[1], 5, POLL_OUT) == HX_OK && add(ends[1], 6, POLL_OUT) == HX_OK);
    CHECK(event_set_add(other, ends[1], 5, &(struct event){POLL_OUT, 5}) == HX_OK);
    CHECK(add(ends[1], 5, POLL_OUT) == HX_EEXIST);
    CHECK(count_events() == 2);
    file_put(ends[1]);
    ends[1] = NULL;
    CHECK(count_events() == 0);
    file_put(other);
    end();
    vfs_check_balance(before);
}

VFS_TEST(a_set_with_members_can_end_first)
{
    struct vfs_balance before = vfs_balance();

    start();
    CHECK(add(ends[0], 5, POLL_IN) == HX_OK);
    file_put(set);
    set = NULL;
    end();
    vfs_check_balance(before);
}

VFS_TEST(what_cannot_be_a_member_is_refused)
{
    struct file *other;

    start();
    CHECK(event_set_create(vfs_owner, &other) == HX_OK);
    CHECK(add(set, 5, POLL_IN) == HX_EINVAL);
    CHECK(add(other, 5, POLL_IN) == HX_OK);
    CHECK(event_set_add(other, set, 5, &(struct event){POLL_IN, 5}) == HX_ELOOP);
    CHECK(event_set_is(set) && !event_set_is(ends[0]));
    file_put(other);
    end();
}

/* --- sets in sets ----------------------------------------------------------------------------- */

#define CHAIN (EVENT_SET_NESTS + 1) /* sets in a row, as many as there may be */

static struct file *chain[CHAIN + 1];

static hx_err put_in(struct file *outer, struct file *inner)
{
    return event_set_add(outer, inner, 1, &(struct event){POLL_IN, 1});
}

static void make_chain(void)
{
    for (unsigned i = 0; i <= CHAIN; i++) {
        CHECK(event_set_create(vfs_owner, &chain[i]) == HX_OK);
    }
    for (unsigned i = 1; i < CHAIN; i++) {
        CHECK(put_in(chain[i], chain[i - 1]) == HX_OK);
    }
}

static void end_chain(void)
{
    for (unsigned i = 0; i <= CHAIN; i++) {
        file_put(chain[i]);
    }
}

VFS_TEST(sets_go_into_each_other_so_deep_and_never_in_a_circle)
{
    struct vfs_balance before = vfs_balance();

    make_chain();
    CHECK(put_in(chain[CHAIN], chain[CHAIN - 1]) == HX_ELOOP); /* above */
    CHECK(put_in(chain[0], chain[CHAIN]) == HX_ELOOP);         /* below */
    CHECK(event_set_remove(chain[2], chain[1], 1) == HX_OK);
    CHECK(put_in(chain[0], chain[CHAIN]) == HX_OK);
    CHECK(put_in(chain[CHAIN], chain[1]) == HX_ELOOP);
    CHECK(put_in(chain[CHAIN], chain[0]) == HX_ELOOP);
    CHECK(event_set_remove(chain[0], chain[CHAIN], 1) == HX_OK);
    CHECK(event_set_remove(chain[0], chain[CHAIN], 1) == HX_ENOENT);
    end_chain();
    vfs_check_balance(before);
}

VFS_TEST(what_is_ready_deep_down_is_told_of_on_top)
{
    struct event event;
    size_t count;

    start();
    make_chain();
    CHECK(event_set_add(chain[0], ends[0], 3, &(struct event){POLL_IN, 3}) == HX_OK);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(event_set_wait(chain[CHAIN - 1], &event, 1, 0, &count) == HX_OK && count == 0);
        put_text(ends[1], "x");
        CHECK(event_set_wait(chain[CHAIN - 1], &event, 1, 0, &count) == HX_OK && count == 1);
        CHECK(event_set_wait(chain[CHAIN - 1], &event, 1, 0, &count) == HX_OK && count == 1);
        read_all(ends[0]);
    }
    end_chain();
    end();
}

/* --- growth ----------------------------------------------------------------------------------- */

/* A file that is ready when it is told to be, and counts how often it is asked. */
struct asked_file {
    struct wait_queue queue;
    bool is_ready;
};

static unsigned asked;

static unsigned answer(struct file *file, struct poll_table *table)
{
    struct asked_file *self = file->context;

    poll_add(table, &self->queue);
    asked++;
    return self->is_ready ? POLL_IN : 0;
}

static const struct file_ops asked_ops = {.poll = answer};

#define MANY 10000U

static struct asked_file asked_files[MANY];
static struct file *watched[MANY];

static void watch(uint32_t count)
{
    CHECK(event_set_create(vfs_owner, &set) == HX_OK);
    for (uint32_t i = 0; i < count; i++) {
        wait_queue_init(&asked_files[i].queue, "asked file");
        asked_files[i].is_ready = false;
        CHECK(file_create(&asked_ops, 0, &asked_files[i], vfs_owner, &watched[i]) == HX_OK);
        CHECK(add(watched[i], (int)i, POLL_IN) == HX_OK);
    }
    CHECK(count_events() == 0);
}

static void stop_watching(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        file_put(watched[i]);
    }
    file_put(set);
}

/* How often files were asked to tell of one that has become ready, twice. */
static unsigned looks_among(uint32_t count)
{
    struct event first;

    watch(count);
    asked = 0;
    asked_files[count / 2].is_ready = true;
    wait_queue_wake_all(&asked_files[count / 2].queue);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(look(&first) == 1 && first.data == count / 2);
    }
    asked_files[count / 2].is_ready = false;
    CHECK(count_events() == 0 && count_events() == 0);
    stop_watching(count);
    return asked;
}

VFS_TEST(a_wait_costs_what_is_ready_and_not_what_is_watched)
{
    struct vfs_balance before = vfs_balance();

    CHECK(looks_among(10) == 3);
    CHECK(looks_among(MANY) == 3);
    vfs_check_balance(before);
}

VFS_TEST(who_was_told_of_comes_last)
{
    struct event events[1];
    unsigned seen = 0;
    size_t count;

    start();
    put_text(ends[1], "x");
    for (int i = 0; i < 5; i++) {
        CHECK(add(ends[0], i, POLL_IN) == HX_OK);
    }
    for (int i = 0; i < 5; i++) {
        CHECK(event_set_wait(set, events, 1, 0, &count) == HX_OK && count == 1);
        seen |= 1U << events[0].data;
    }
    CHECK(seen == 0x1f);
    end();
}

/* --- threads ---------------------------------------------------------------------------------- */

#define COUNTERS 40U /* more queues than there is room for without the heap */
#define ROUNDS   300U

static struct file *counters[COUNTERS];

static void add_one(struct file *counter)
{
    uint64_t one = 1;
    struct transfer transfer;
    size_t done;

    transfer_init_kernel(&transfer, &one, sizeof(one));
    CHECK(file_write(counter, &transfer, &done) == HX_OK);
}

static uint64_t take_all(struct file *counter)
{
    uint64_t value = 0;
    struct transfer transfer;
    size_t done;

    transfer_init_kernel(&transfer, &value, sizeof(value));
    return file_read(counter, &transfer, &done) == HX_OK ? value : 0;
}

static void write_or_wait(uint32_t number)
{
    uint64_t sum = 0;

    if (number < 2) {
        for (uint32_t i = 0; i < ROUNDS; i++) {
            add_one(counters[(i * 7 + number) % COUNTERS]);
        }
        return;
    }
    while (sum < 2 * ROUNDS) {
        struct event events[4];
        size_t count;

        CHECK(event_set_wait(set, events, 4, THREAD_NO_DEADLINE, &count) == HX_OK && count > 0);
        for (size_t i = 0; i < count; i++) {
            sum += take_all(counters[events[i].data]);
        }
    }
}

static void nothing_is_missed(uint32_t flags)
{
    struct vfs_balance before = vfs_balance();

    CHECK(event_set_create(vfs_owner, &set) == HX_OK);
    for (uint32_t i = 0; i < COUNTERS; i++) {
        CHECK(event_counter_create(0, false, FILE_NON_BLOCKING, vfs_owner, &counters[i]) == HX_OK);
        CHECK(add(counters[i], (int)i, POLL_IN | flags) == HX_OK);
    }
    on_threads(3, write_or_wait);
    for (uint32_t i = 0; i < COUNTERS; i++) {
        file_put(counters[i]);
    }
    file_put(set);
    vfs_check_balance(before);
}

VFS_TEST(no_level_is_missed_between_threads)
{
    nothing_is_missed(0);
}

VFS_TEST(no_edge_is_missed_between_threads)
{
    nothing_is_missed((uint32_t)EVENT_EDGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_told_of_as_long_as_it_is_ready),
        cmocka_unit_test(an_edge_is_told_of_once),
        cmocka_unit_test(once_is_once_until_it_is_changed),
        cmocka_unit_test(a_file_that_ends_leaves_its_sets),
        cmocka_unit_test(a_set_with_members_can_end_first),
        cmocka_unit_test(what_cannot_be_a_member_is_refused),
        cmocka_unit_test(sets_go_into_each_other_so_deep_and_never_in_a_circle),
        cmocka_unit_test(what_is_ready_deep_down_is_told_of_on_top),
        cmocka_unit_test(a_wait_costs_what_is_ready_and_not_what_is_watched),
        cmocka_unit_test(who_was_told_of_comes_last),
        cmocka_unit_test(no_level_is_missed_between_threads),
        cmocka_unit_test(no_edge_is_missed_between_threads),
    };

    return cmocka_run_group_tests_name("vfs/event_set", tests, NULL, NULL);
}
