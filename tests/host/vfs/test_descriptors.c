/* Tables of descriptors. */
#include <tests/host/vfs/vfs_machine.h>

static struct file_table *table;

static struct file *any_file(void)
{
    return opened("/f", FILE_CREATE | FILE_READ_WRITE);
}

static int added(int from)
{
    int descriptor = -1;

    CHECK(file_table_add(table, any_file(), from, false, &descriptor) == HX_OK);
    return descriptor;
}

static bool is_open(struct file_table *of, int descriptor)
{
    struct file *file = file_table_find(of, descriptor);

    file_put(file);
    return file != NULL;
}

VFS_TEST(the_lowest_free_descriptor_is_taken)
{
    struct vfs_balance before;

    file_put(any_file());
    before = vfs_balance();
    CHECK(file_table_create(200, vfs_owner, &table) == HX_OK);
    for (int i = 0; i < 100; i++) {
        CHECK(added(0) == i);
    }
    CHECK(file_table_close(table, 50) == HX_OK && file_table_close(table, 7) == HX_OK);
    CHECK(added(8) == 50 && added(0) == 7 && added(0) == 100 && added(150) == 150);
    CHECK(file_table_close(table, 120) == HX_EBADF && file_table_close(table, -1) == HX_EBADF);
    CHECK(file_table_next(table, 101) == 150 && file_table_next(table, 151) == -1);
    CHECK(!is_open(table, 120) && !is_open(table, -1) && is_open(table, 150));
    file_table_put(table);
    vfs_check_balance(before);
}

VFS_TEST(a_call_counts_a_file_that_others_could_close)
{
    struct file_table *shared;
    struct file_use use;
    int descriptor;

    CHECK(file_table_create(200, vfs_owner, &table) == HX_OK);
    descriptor = added(0);
    use = file_table_use(table, true, descriptor);
    CHECK(use.file != NULL && !use.is_counted);
    file_use_end(use);
    CHECK(file_table_use(table, true, 77).file == NULL);
    CHECK(file_table_use(table, true, -1).file == NULL);

    use = file_table_use(table, false, descriptor); /* another thread of the process */
    CHECK(use.file != NULL && use.is_counted && file_table_close(table, descriptor) == HX_OK);
    file_use_end(use);

    descriptor = added(0);
    shared = file_table_get(table); /* another process */
    use = file_table_use(table, true, descriptor);
    CHECK(use.is_counted && file_table_close(shared, descriptor) == HX_OK);
    file_use_end(use);
    CHECK(!file_table_use(table, true, descriptor).is_counted);
    file_table_put(shared);
    file_table_put(table);
}

VFS_TEST(the_limit_is_kept)
{
    struct file *file = any_file();
    int descriptor;

    CHECK(file_table_create(3, vfs_owner, &table) == HX_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(added(0) == i);
    }
    CHECK(file_table_add(table, file, 0, false, &descriptor) == HX_EMFILE);
    CHECK(file_table_set(table, file, 3, false) == HX_EBADF);
    CHECK(file_table_set(table, file, 2, false) == HX_OK);
    file_table_set_limit(table, 100);
    CHECK(added(0) == 3 && file_table_set(table, any_file(), 99, false) == HX_OK);
    file_table_put(table);
}

/* The broker's limit counts what is open, not what is put over it. */
VFS_TEST(what_replaces_an_open_file_takes_its_charge_over)
{
    struct resource_usage usage;
    struct vfs_balance before;

    file_put(any_file());
    before = vfs_balance();
    CHECK(file_table_create(10, vfs_owner, &table) == HX_OK && added(0) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(file_table_set(table, any_file(), 0, false) == HX_OK);
    }
    CHECK(resource_get_usage(vfs_owner, RESOURCE_FILE_HANDLES, &usage) == HX_OK);
    CHECK(usage.used == before.handles + 1);
    file_table_put(table);
    vfs_check_balance(before);
}

VFS_TEST(exec_closes_what_is_marked)
{
    struct file_table *copy;
    bool is_set;
    int descriptor;

    CHECK(file_table_create(100, vfs_owner, &table) == HX_OK);
    for (int i = 0; i < 40; i++) {
        CHECK(file_table_add(table, any_file(), 0, i % 2 == 1, &descriptor) == HX_OK);
    }
    CHECK(file_table_copy(table, vfs_owner, &copy) == HX_OK);
    CHECK(file_table_close_on_exec(copy, 1, &is_set) == HX_OK && is_set);
    CHECK(file_table_set_close_on_exec(copy, 1, false) == HX_OK);
    CHECK(file_table_set_close_on_exec(copy, 41, false) == HX_EBADF);
    file_table_exec(copy);
    for (int i = 0; i < 40; i++) {
        CHECK(is_open(copy, i) == (i % 2 == 0 || i == 1) && is_open(table, i));
    }
    file_table_put(table);
    table = copy;
    CHECK(added(0) == 3);
    file_table_put(copy);
}

static uint32_t rounds(void)
{
    return getenv("HELIX_SOAK") != NULL ? 50000 : 1000;
}

static void use_table(uint32_t number)
{
    for (uint32_t i = 0; i < rounds(); i++) {
        struct file_table *copy;
        int descriptor;

        CHECK(file_table_add(table, any_file(), (int)(number * 20), false, &descriptor) == HX_OK);
        (void)is_open(table, (int)(i % 100));
        CHECK(file_table_set(table, any_file(), 90, false) == HX_OK);
        if (i % 8 == 0) {
            CHECK(file_table_copy(table, vfs_owner, &copy) == HX_OK);
            file_table_put(copy);
        }
        CHECK(file_table_close(table, descriptor) == HX_OK);
    }
}

VFS_TEST(threads_use_one_table_at_the_same_time)
{
    struct vfs_balance before;

    file_put(any_file());
    before = vfs_balance();
    CHECK(file_table_create(1000, vfs_owner, &table) == HX_OK);
    on_threads(4, use_table);
    CHECK(file_table_close(table, 90) == HX_OK && file_table_next(table, 0) == -1);
    file_table_put(table);
    vfs_check_balance(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_free_descriptor_is_taken),
        cmocka_unit_test(a_call_counts_a_file_that_others_could_close),
        cmocka_unit_test(the_limit_is_kept),
        cmocka_unit_test(what_replaces_an_open_file_takes_its_charge_over),
        cmocka_unit_test(exec_closes_what_is_marked),
        cmocka_unit_test(threads_use_one_table_at_the_same_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
