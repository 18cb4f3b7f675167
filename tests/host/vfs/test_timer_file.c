/* Timers in files, and files in no directory. */
#include <hal/clock.h>
#include <subsys/tmpfs/memory_file.h>
#include <subsys/vfs/timer_file.h>
#include <tests/host/vfs/vfs_machine.h>

#define MS 1000000ULL

static struct file *timer;

static void start(uint32_t flags)
{
    CHECK(timer_file_create(7, flags, vfs_owner, &timer) == HX_OK);
}

static struct timer_setting set(uint64_t next_ns, uint64_t period_ns)
{
    struct timer_setting old;

    timer_file_exchange(timer, &(struct timer_setting){next_ns, period_ns}, &old);
    return old;
}

static hx_err take(uint64_t *count)
{
    struct transfer transfer;
    size_t done;

    *count = 0;
    transfer_init_kernel(&transfer, count, sizeof(*count));
    return file_read(timer, &transfer, &done);
}

VFS_TEST(a_timer_is_read_when_its_time_has_come)
{
    struct vfs_balance before = vfs_balance();
    uint64_t count;

    start(0);
    CHECK(timer_file_is(timer) && timer_file_clock(timer) == 7);
    CHECK(file_poll(timer, NULL) == 0);
    set(hal_clock_now() + 5 * MS, 0);
    CHECK(take(&count) == HX_OK && count == 1);
    CHECK(file_poll(timer, NULL) == 0 && set(0, 0).next_ns == 0);
    file_put(timer);
    vfs_check_balance(before);
}

VFS_TEST(periods_that_were_missed_are_counted)
{
    uint64_t count;

    start(FILE_NON_BLOCKING);
    CHECK(take(&count) == HX_EAGAIN);
    thread_sleep(10 * MS); /* the clock began with the machine: there is no time before that */
    set(hal_clock_now() - 10 * MS, 3 * MS);
    CHECK(file_poll(timer, NULL) == POLL_IN);
    CHECK(take(&count) == HX_OK && count >= 4);
    CHECK(set(0, 0).period_ns == 3 * MS);
    CHECK(take(&count) == HX_EAGAIN);
    file_put(timer);
}

VFS_TEST(setting_forgets_what_was_not_read)
{
    struct timer_setting old;
    uint64_t count;

    start(FILE_NON_BLOCKING);
    set(1, 0);
    CHECK(file_poll(timer, NULL) == POLL_IN);
    CHECK(set(hal_clock_now() + 3600000 * MS, 0).next_ns == 0);
    CHECK(take(&count) == HX_EAGAIN);
    old = set(0, 0);
    CHECK(old.next_ns > 3000000 * MS && old.next_ns <= 3600000 * MS);
    file_put(timer);
}

VFS_TEST(who_polls_a_timer_is_woken)
{
    struct poll_entry entry = {.events = POLL_IN};
    size_t ready;

    start(0);
    entry.file = timer;
    set(hal_clock_now() + 5 * MS, 0);
    CHECK(poll_wait(&entry, 1, THREAD_NO_DEADLINE, &ready) == HX_OK && ready == 1);
    file_put(timer);
}

VFS_TEST(a_file_in_no_directory_goes_with_its_last_reference)
{
    struct vfs_balance before = vfs_balance();
    struct file *file;
    char text[64];

    CHECK(memory_file_create("label", 0, &who, vfs_owner, &file) == HX_OK);
    put_text(file, "some text");
    CHECK(file->location.vnode->links == 0 && file->location.vnode->size == 9);
    file_text(file, text, sizeof(text));
    CHECK(strcmp(text, "/memfd:label") == 0);
    file_put(file);
    vfs_check_balance(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_is_read_when_its_time_has_come),
        cmocka_unit_test(periods_that_were_missed_are_counted),
        cmocka_unit_test(setting_forgets_what_was_not_read),
        cmocka_unit_test(who_polls_a_timer_is_woken),
        cmocka_unit_test(a_file_in_no_directory_goes_with_its_last_reference),
    };

    return cmocka_run_group_tests_name("vfs/timer_file", tests, NULL, NULL);
}
