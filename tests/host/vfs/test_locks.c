/* Locks of whole files and of ranges of bytes. */
#include <base/string.h>
#include <subsys/vfs/file_lock.h>
#include <subsys/vfs/record_lock.h>
#include <tests/host/random.h>
#include <tests/host/vfs/vfs_machine.h>

#define BYTES  32U
#define OWNERS 3U

static struct file *any_file(void)
{
    return opened("/locked", FILE_CREATE | FILE_READ_WRITE);
}

/* --- whole files ------------------------------------------------------------------------------ */

VFS_TEST(readers_share_a_lock_and_a_writer_has_it_alone)
{
    struct file *one = any_file();
    struct file *two = any_file();

    CHECK(file_lock(one, FILE_LOCK_SHARED, false) == HX_OK);
    CHECK(file_lock(two, FILE_LOCK_SHARED, false) == HX_OK);
    CHECK(file_lock(two, FILE_LOCK_EXCLUSIVE, false) == HX_EAGAIN);
    CHECK(file_lock(one, FILE_LOCK_EXCLUSIVE, false) == HX_OK); /* two has lost its own */
    CHECK(file_lock(two, FILE_LOCK_SHARED, false) == HX_EAGAIN);
    file_unlock(one);
    CHECK(file_lock(two, FILE_LOCK_EXCLUSIVE, false) == HX_OK);
    file_put(one);
    file_put(two);
}

VFS_TEST(the_last_reference_takes_the_lock_along)
{
    struct vfs_balance before;
    struct file *one;
    struct file *two;

    file_put(any_file());
    before = vfs_balance();
    one = any_file();
    two = any_file();
    CHECK(file_lock(one, FILE_LOCK_EXCLUSIVE, false) == HX_OK);
    file_put(file_get(one));
    CHECK(file_lock(two, FILE_LOCK_SHARED, false) == HX_EAGAIN);
    file_put(one);
    CHECK(file_lock(two, FILE_LOCK_SHARED, false) == HX_OK);
    file_put(two);
    vfs_check_balance(before);
}

static uint32_t counter; /* whole file lock */

static void count_with_lock(uint32_t number)
{
    struct file *mine = any_file();

    (void)number;
    for (unsigned i = 0; i < 200; i++) {
        uint32_t seen;

        CHECK(file_lock(mine, FILE_LOCK_EXCLUSIVE, true) == HX_OK);
        seen = counter;
        thread_yield();
        counter = seen + 1;
        file_unlock(mine);
    }
    file_put(mine);
}

VFS_TEST(who_waits_for_a_lock_gets_it)
{
    counter = 0;
    on_threads(4, count_with_lock);
    CHECK(counter == 800);
}

/* --- ranges: against a table of bytes --------------------------------------------------------- */

static enum record_lock_kind model[OWNERS][BYTES];

static struct record_lock range_of(unsigned owner, enum record_lock_kind kind, uint64_t first,
                                   uint64_t last)
{
    return (struct record_lock){kind, first, last, &model[owner], (int32_t)owner};
}

static bool model_refuses(const struct record_lock *wanted)
{
    for (unsigned owner = 0; owner < OWNERS; owner++) {
        for (uint64_t i = wanted->first; i <= wanted->last && (int32_t)owner != wanted->process;
             i++) {
            if (model[owner][i] == RECORD_LOCK_WRITE ||
                (model[owner][i] == RECORD_LOCK_READ && wanted->kind == RECORD_LOCK_WRITE)) {
                return true;
            }
        }
    }
    return false;
}

static void change_at_random(struct file *file)
{
    unsigned owner = (unsigned)random_below(OWNERS);
    uint64_t first = random_below(BYTES);
    uint64_t last = first + random_below(BYTES - first);
    const struct record_lock wanted =
        range_of(owner, (enum record_lock_kind)random_below(3), first, last);
    bool is_refused = wanted.kind != RECORD_LOCK_NONE && model_refuses(&wanted);

    CHECK(record_lock_set(file, &wanted, false) == (is_refused ? HX_EAGAIN : HX_OK));
    for (uint64_t i = first; i <= last && !is_refused; i++) {
        model[owner][i] = wanted.kind;
    }
}

/* How many ranges of one kind the owners have: what is kept is joined. */
static unsigned ranges_in_model(void)
{
    unsigned count = 0;

    for (unsigned owner = 0; owner < OWNERS; owner++) {
        for (unsigned i = 0; i < BYTES; i++) {
            count += model[owner][i] != RECORD_LOCK_NONE &&
                             (i == 0 || model[owner][i] != model[owner][i - 1])
                         ? 1U
                         : 0U;
        }
    }
    return count;
}

/* Each byte, as somebody sees it who has none. */
static void compare(struct file *file)
{
    static const char stranger;

    for (unsigned i = 0; i < BYTES; i++) {
        const struct record_lock reading = {RECORD_LOCK_READ, i, i, &stranger, 99};
        const struct record_lock writing = {RECORD_LOCK_WRITE, i, i, &stranger, 99};
        struct record_lock found;

        record_lock_find(file, &reading, &found);
        CHECK((found.kind != RECORD_LOCK_NONE) == model_refuses(&reading));
        record_lock_find(file, &writing, &found);
        CHECK((found.kind != RECORD_LOCK_NONE) == model_refuses(&writing));
    }
    CHECK(atomic_load(&record_locks) == ranges_in_model());
}

VFS_TEST(ranges_are_cut_and_joined_as_their_bytes_are)
{
    struct vfs_balance before;
    struct file *file;

    for (unsigned owner = 0; owner < OWNERS; owner++) {
        for (unsigned i = 0; i < BYTES; i++) {
            model[owner][i] = RECORD_LOCK_NONE;
        }
    }
    (void)random_start();
    file_put(any_file());
    before = vfs_balance();
    file = any_file();
    for (unsigned i = 0; i < 3000; i++) {
        change_at_random(file);
        compare(file);
    }
    for (unsigned owner = 0; owner < OWNERS; owner++) {
        record_lock_drop(file, &model[owner]);
    }
    CHECK(atomic_load(&record_locks) == 0);
    file_put(file);
    vfs_check_balance(before);
}

VFS_TEST(closing_a_descriptor_gives_up_the_tables_locks_on_that_file)
{
    struct file_table *table;
    struct file *other = opened("/other", FILE_CREATE | FILE_READ_WRITE);
    int first;
    int second;

    CHECK(file_table_create(10, vfs_owner, &table) == HX_OK);
    CHECK(file_table_add(table, any_file(), 0, false, &first) == HX_OK);
    CHECK(file_table_add(table, any_file(), 0, false, &second) == HX_OK);
    for (int i = first; i <= second; i++) {
        struct file *file = file_table_find(table, i);
        const struct record_lock wanted = {RECORD_LOCK_WRITE, 0, RECORD_LOCK_END, table, 1};

        CHECK(record_lock_set(file, &wanted, false) == HX_OK);
        CHECK(record_lock_set(other, &wanted, false) == HX_OK);
        CHECK(atomic_load(&record_locks) == 2);
        file_put(file);
        CHECK(file_table_close(table, i) == HX_OK);
        CHECK(atomic_load(&record_locks) == 1);
    }
    record_lock_drop(other, table);
    file_table_put(table);
    file_put(other);
}

/* --- the limit of size ------------------------------------------------------------------------ */

static uint64_t limit = 5;
static unsigned told;

static uint64_t get_limit(void)
{
    return limit;
}

static void note_excess(void)
{
    told++;
}

VFS_TEST(a_file_grows_to_the_limit_and_no_further)
{
    static const struct file_size_limit size_limit = {get_limit, note_excess};
    struct file *file = any_file();
    size_t done;

    file_set_size_limit(&size_limit);
    CHECK(write_text(file, "seven b", &done) == HX_OK && done == 5 && told == 0);
    CHECK(write_text(file, "x", &done) == HX_EFBIG && done == 0 && told == 1);
    CHECK(write_text(file, "", &done) == HX_OK && told == 1);
    CHECK(file_resize(file, 6) == HX_EFBIG && told == 2);
    CHECK(file_resize(file, 5) == HX_OK && file_resize(file, 2) == HX_OK && told == 2);
    limit = 1;
    CHECK(file_resize(file, 2) == HX_OK); /* it does not grow */
    file_put(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_share_a_lock_and_a_writer_has_it_alone),
        cmocka_unit_test(the_last_reference_takes_the_lock_along),
        cmocka_unit_test(who_waits_for_a_lock_gets_it),
        cmocka_unit_test(ranges_are_cut_and_joined_as_their_bytes_are),
        cmocka_unit_test(closing_a_descriptor_gives_up_the_tables_locks_on_that_file),
        cmocka_unit_test(a_file_grows_to_the_limit_and_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
