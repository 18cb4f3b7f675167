/*
 * The module ext2, its operations called as the kernel calls them, on images in memory: what it
 * makes of random calls is what e2fsck finds in order, and no image, however damaged, makes it do
 * anything but answer.
 */
#include <helix/disk.h>
#include <helix/file_system.h>
#include <helix/loan.h>
#include <helix/module.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/random.h>
#include <unistd.h>

#include <cmocka.h>

#define IMAGE_SIZE (4UL << 20)
#define LOANS      4
#define PIECE      3000U

/* --- the kernel's side ------------------------------------------------------------------------ */

static uint8_t disk[IMAGE_SIZE];

#define CHANGES_MAX 100000U

/* What the call under way has written over, the last one last. */
static struct {
    uint64_t offset;
    size_t size;
    size_t place; /* in what_was */
} changes[CHANGES_MAX];
static uint8_t what_was[8UL << 20];
static uint32_t change_count;

static void note_change(uint64_t offset, size_t size)
{
    size_t place =
        change_count > 0 ? changes[change_count - 1].place + changes[change_count - 1].size : 0;

    assert_true(change_count < CHANGES_MAX && place + size <= sizeof(what_was));
    changes[change_count].offset = offset;
    changes[change_count].size = size;
    changes[change_count++].place = place;
    memcpy(what_was + place, disk + offset, size);
}

static void take_changes_back(void)
{
    while (change_count > 0) {
        change_count--;
        memcpy(disk + changes[change_count].offset, what_was + changes[change_count].place,
               changes[change_count].size);
    }
}

static struct {
    void *bytes;
    size_t size;
} loans[LOANS];

static const struct hx_file_system_operations *ops;

uint64_t hx_disk_size(void)
{
    return IMAGE_SIZE;
}

static bool is_within(uint64_t offset, size_t size, uint64_t whole)
{
    return size <= whole && offset <= whole - size;
}

hx_err hx_disk_read(uint64_t offset, void *to, size_t size)
{
    if (!is_within(offset, size, IMAGE_SIZE)) {
        return HX_ERANGE;
    }
    memcpy(to, disk + offset, size);
    return HX_OK;
}

hx_err hx_disk_write(uint64_t offset, const void *from, size_t size)
{
    if (!is_within(offset, size, IMAGE_SIZE)) {
        return HX_ERANGE;
    }
    note_change(offset, size);
    memcpy(disk + offset, from, size);
    return HX_OK;
}

static hx_err loan_at(uint64_t loan, uint64_t offset, size_t size, uint8_t **bytes)
{
    if (loan == 0 || loan > LOANS) {
        return HX_EINVAL;
    }
    *bytes = (uint8_t *)loans[loan - 1].bytes + offset;
    return is_within(offset, size, loans[loan - 1].size) ? HX_OK : HX_ERANGE;
}

hx_err hx_loan_read(uint64_t loan, uint64_t offset, void *to, size_t size)
{
    uint8_t *bytes;
    hx_err error = loan_at(loan, offset, size, &bytes);

    if (error == HX_OK) {
        memcpy(to, bytes, size);
    }
    return error;
}

hx_err hx_loan_write(uint64_t loan, uint64_t offset, const void *from, size_t size)
{
    uint8_t *bytes;
    hx_err error = loan_at(loan, offset, size, &bytes);

    if (error == HX_OK) {
        memcpy(bytes, from, size);
    }
    return error;
}

hx_err hx_disk_read_to_loan(uint64_t offset, uint64_t loan, uint64_t loan_offset, size_t size)
{
    uint8_t *bytes;
    hx_err error = loan_at(loan, loan_offset, size, &bytes);

    return error == HX_OK ? hx_disk_read(offset, bytes, size) : error;
}

hx_err hx_disk_write_from_loan(uint64_t offset, uint64_t loan, uint64_t loan_offset, size_t size)
{
    uint8_t *bytes;
    hx_err error = loan_at(loan, loan_offset, size, &bytes);

    return error == HX_OK ? hx_disk_write(offset, bytes, size) : error;
}

hx_err hx_log(const char *text, size_t length)
{
    (void)text;
    (void)length;
    return HX_OK;
}

/* Only for what a swap is about, which is tested in the guest. */
hx_err hx_state_put(uint32_t tag, const void *bytes, size_t size)
{
    (void)tag;
    (void)bytes;
    (void)size;
    return HX_ESTATE;
}

hx_err hx_state_get(uint32_t tag, uint32_t index, void *to, size_t size)
{
    (void)tag;
    (void)index;
    (void)to;
    (void)size;
    return HX_ESTATE;
}

static uint64_t lend(uint32_t place, const void *bytes, size_t size)
{
    loans[place].bytes = (void *)(uintptr_t)bytes;
    loans[place].size = size;
    return place + 1;
}

/* What an operation that fails has written was never there. */
#define CALL(call)                                                                                 \
    ({                                                                                             \
        hx_err answer_;                                                                            \
        change_count = 0;                                                                          \
        answer_ = (call);                                                                          \
        if (answer_ != HX_OK && answer_ != HX_EAGAIN) {                                            \
            take_changes_back();                                                                   \
        }                                                                                          \
        answer_;                                                                                   \
    })

/* --- images ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/helix-ext2-XXXXXX";
static char path[64];

static void make_image(const char *options)
{
    char command[200];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/image", folder);
    (void)snprintf(command, sizeof(command), "mke2fs -q -F -t ext2 %s %s 4M", options, path);
    assert_int_equal(system(command), 0);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(disk, 1, IMAGE_SIZE, file), IMAGE_SIZE);
    (void)fclose(file);
}

static int judge_image(void)
{
    char command[200];
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(disk, 1, IMAGE_SIZE, file), IMAGE_SIZE);
    (void)fclose(file);
    (void)snprintf(command, sizeof(command), "e2fsck -fn %s > %s/said 2>&1", path, folder);
    return system(command);
}

static void remove_folder(void)
{
    char said[64];

    (void)snprintf(said, sizeof(said), "%s/said", folder);
    (void)unlink(said);
    (void)unlink(path);
    (void)rmdir(folder);
}

static hx_err mount(void)
{
    struct hx_file_system_mounted mounted;

    return CALL(ops->mount(0, lend(0, &mounted, sizeof(mounted))));
}

/* --- random calls ----------------------------------------------------------------------------- */

static bool is_damaged; /* the image: then nothing is to be relied on */

static uint64_t pick(uint64_t limit)
{
    return random_below(limit);
}

/* Few names, of several lengths, so that they are met again. */
static uint32_t random_name(char name[HX_FILE_NAME_MAX])
{
    uint32_t length = 1 + (uint32_t)pick(6) * 40;

    memset(name, 'a' + (int)pick(4), length);
    return length;
}

static hx_err look_up(uint64_t directory, const char *name, uint32_t length,
                      struct hx_file_attributes *found)
{
    return CALL(
        ops->lookup(directory, lend(0, name, length), length, lend(1, found, sizeof(*found))));
}

/* A directory a few steps below the root. */
static uint64_t random_directory(void)
{
    uint64_t number = 2;

    for (uint64_t steps = pick(4); steps > 0; steps--) {
        struct hx_file_attributes found;
        char name[HX_FILE_NAME_MAX];
        uint32_t length = random_name(name);

        if (look_up(number, name, length, &found) == HX_OK && found.type == HX_FILE_DIRECTORY) {
            number = found.number;
        }
    }
    return number;
}

static void try_make(void)
{
    static const uint32_t types[] = {HX_FILE_REGULAR, HX_FILE_REGULAR,   HX_FILE_DIRECTORY,
                                     HX_FILE_SYMLINK, HX_FILE_CHARACTER, HX_FILE_FIFO};
    struct hx_file_attributes made;
    char texts[HX_FILE_NAME_MAX + 200];
    struct hx_file_making making = {.type = types[pick(6)], .mode = 0644, .now = 1ULL << 60};
    uint64_t directory = random_directory();

    making.name_length = random_name(texts);
    making.target_length = making.type == HX_FILE_SYMLINK ? (uint32_t)pick(200) : 0;
    memset(texts + making.name_length, 't', making.target_length);
    if (look_up(directory, texts, making.name_length, &made) == HX_ENOENT) {
        (void)!CALL(ops->make(directory, lend(0, &making, sizeof(making)),
                              lend(1, texts, making.name_length + making.target_length),
                              lend(2, &made, sizeof(made))));
    }
}

/* What was read back is what was written. */
static void write_and_read(uint64_t number)
{
    static uint8_t wrote[PIECE];
    static uint8_t got[PIECE];
    uint64_t offset = pick(3) == 0 ? pick(1UL << 26) : pick(40000);
    uint64_t size = 1 + pick(PIECE);

    memset(wrote, (int)pick(256), size);
    if (CALL(ops->write(number, offset, lend(0, wrote, size), size)) == HX_OK &&
        CALL(ops->read(number, offset, lend(0, got, size), size)) == HX_OK && !is_damaged) {
        assert_memory_equal(wrote, got, size);
    }
}

static hx_err resize_to(uint64_t number, uint64_t size)
{
    hx_err error;

    do {
        error = CALL(ops->resize(number, size));
    } while (error == HX_EAGAIN);
    return error;
}

/* What a file grows by reads as zeros, whatever was there before it was cut. */
static void resize(uint64_t number)
{
    static const uint8_t zeros[PIECE];
    static uint8_t got[PIECE];
    uint64_t size = pick(60000);

    if (resize_to(number, size) == HX_OK && resize_to(number, size + PIECE) == HX_OK &&
        CALL(ops->read(number, size, lend(0, got, PIECE), PIECE)) == HX_OK && !is_damaged) {
        assert_memory_equal(zeros, got, PIECE);
    }
}

static void forget(uint64_t number)
{
    while (CALL(ops->forget(number, 1ULL << 60)) == HX_EAGAIN) {
    }
}

static void try_change(void)
{
    struct hx_file_attributes found;
    char name[HX_FILE_NAME_MAX];
    uint64_t directory = random_directory();
    uint32_t length = random_name(name);

    if (look_up(directory, name, length, &found) != HX_OK) {
        return;
    }
    if (pick(3) == 0) {
        if (CALL(ops->unlink(directory, lend(0, name, length), length, found.number)) == HX_OK) {
            forget(found.number);
        }
    } else if (found.type == HX_FILE_REGULAR && pick(4) == 0) {
        resize(found.number);
    } else if (found.type == HX_FILE_REGULAR) {
        write_and_read(found.number);
    }
}

/* Whether a directory is another, or lies above it: the kernel asks before it renames. */
static bool is_above(uint64_t directory, uint64_t other)
{
    struct hx_file_attributes up;

    for (uint32_t i = 0; i < 64 && other != directory && other != 2; i++) {
        if (look_up(other, "..", 2, &up) != HX_OK) {
            return true;
        }
        other = up.number;
    }
    return other == directory;
}

static void try_move(void)
{
    struct hx_file_move move = {.from = random_directory(), .to = random_directory()};
    char old_name[HX_FILE_NAME_MAX];
    char new_name[HX_FILE_NAME_MAX];
    struct hx_file_attributes source;
    struct hx_file_attributes target = {0};

    move.old_length = random_name(old_name);
    move.new_length = random_name(new_name);
    move.is_exchange = pick(4) == 0;
    if (look_up(move.from, old_name, move.old_length, &source) != HX_OK ||
        is_above(source.number, move.to)) {
        return;
    }
    if (look_up(move.to, new_name, move.new_length, &target) == HX_OK &&
        (is_above(target.number, move.from) || target.number == source.number ||
         (source.type == HX_FILE_DIRECTORY) != (target.type == HX_FILE_DIRECTORY))) {
        return;
    }
    if (CALL(ops->rename(lend(0, &move, sizeof(move)), lend(1, old_name, move.old_length),
                         lend(2, new_name, move.new_length))) == HX_OK &&
        move.is_exchange == 0 && move.replaced != 0) {
        forget(move.replaced);
    }
}

static void try_link(void)
{
    struct hx_file_attributes found;
    char name[HX_FILE_NAME_MAX];
    char other[HX_FILE_NAME_MAX];
    uint64_t directory = random_directory();
    uint32_t length = random_name(name);
    uint32_t other_length = random_name(other);
    struct hx_file_attributes there;

    if (look_up(directory, name, length, &found) == HX_OK && found.type != HX_FILE_DIRECTORY &&
        look_up(directory, other, other_length, &there) == HX_ENOENT) {
        (void)!CALL(ops->link(directory, lend(0, other, other_length), other_length, found.number));
    }
}

static void try_look(void)
{
    static uint64_t listing[512];
    struct hx_file_system_numbers numbers;
    uint64_t directory = random_directory();

    (void)!CALL(
        ops->list(directory, pick(3) * 100, lend(0, listing, sizeof(listing)), sizeof(listing)));
    (void)!CALL(ops->numbers(lend(0, &numbers, sizeof(numbers))));
}

static void call_at_random(uint32_t calls)
{
    for (uint32_t i = 0; i < calls; i++) {
        switch (pick(8)) {
        case 0:
        case 1:
        case 2:
            try_make();
            break;
        case 3:
            try_move();
            break;
        case 4:
            try_link();
            break;
        case 5:
            try_look();
            break;
        default:
            try_change();
            break;
        }
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static const char *const shapes[] = {"-b 1024", "-b 4096", "-b 1024 -r 0", "-b 2048 -g 512 -N 512"};

static void what_random_calls_leave_is_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        make_image(shapes[i]);
        assert_int_equal(mount(), HX_OK);
        for (int round = 0; round < 4; round++) {
            call_at_random(400);
            assert_int_equal(CALL(ops->sync()), HX_OK);
            assert_int_equal(judge_image(), 0);
        }
        assert_int_equal(CALL(ops->unmount()), HX_OK);
        assert_int_equal(CALL(ops->sync()), HX_ESTATE);
    }
}

/* Bytes of the first blocks, where the module's own numbers are, or words anywhere. */
static void damage(void)
{
    for (uint64_t i = 1 + pick(20); i > 0; i--) {
        uint64_t where = pick(4) == 0 ? pick(IMAGE_SIZE) : 1024 + pick(IMAGE_SIZE / 16);

        disk[where] = pick(2) == 0 ? (uint8_t)pick(256) : UINT8_MAX;
    }
}

static void no_damage_does_more_than_make_calls_fail(void **state)
{
    static uint8_t good[IMAGE_SIZE];
    uint32_t images = getenv("HELIX_SOAK") != NULL ? 20000 : 100;

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        make_image(shapes[i]);
        assert_int_equal(mount(), HX_OK);
        call_at_random(300);
        memcpy(good, disk, IMAGE_SIZE);
        is_damaged = true;
        for (uint32_t image = 0; image < images; image++) {
            memcpy(disk, good, IMAGE_SIZE);
            damage();
            if (mount() == HX_OK) {
                call_at_random(20);
            }
        }
        is_damaged = false;
    }
}

static void a_call_that_fails_for_room_leaves_all_as_it_was(void **state)
{
    static uint8_t bytes[HX_FILE_TRANSFER_MAX];
    struct hx_file_attributes made;
    struct hx_file_making making = {.type = HX_FILE_REGULAR, .name_length = 4};
    uint64_t offset = 0;
    hx_err error;

    (void)state;
    make_image(shapes[0]);
    assert_int_equal(mount(), HX_OK);
    assert_int_equal(CALL(ops->make(2, lend(0, &making, sizeof(making)), lend(1, "full", 4),
                                    lend(2, &made, sizeof(made)))),
                     HX_OK);
    do {
        error = CALL(ops->write(made.number, offset, lend(0, bytes, sizeof(bytes)), sizeof(bytes)));
        offset += sizeof(bytes);
    } while (error == HX_OK);
    assert_int_equal(error, HX_ENOSPC);
    assert_int_equal(CALL(ops->sync()), HX_OK);
    assert_int_equal(judge_image(), 0);
}

/* mke2fs and e2fsck are where not everybody looks. */
static void add_folder_of_tools(void)
{
    const char *old = getenv("PATH");
    char new[4096];

    (void)snprintf(new, sizeof(new), "%s:/usr/sbin:/sbin", old != NULL ? old : "/usr/bin:/bin");
    (void)setenv("PATH", new, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_random_calls_leave_is_in_order),
        cmocka_unit_test(no_damage_does_more_than_make_calls_fail),
        cmocka_unit_test(a_call_that_fails_for_room_leaves_all_as_it_was),
    };
    int failed;

    ops = hx_module.operations;
    add_folder_of_tools();
    print_message("# HELIX_SEED=%llu\n", (unsigned long long)random_start());
    assert_non_null(mkdtemp(folder));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder();
    return failed;
}
