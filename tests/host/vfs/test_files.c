/* Open files: opening, reading, writing, positions, directories, archives. */
#include <subsys/vm/memory_object.h>
#include <tests/host/vfs/vfs_machine.h>

/* --- opening ---------------------------------------------------------------------------------- */

VFS_TEST(opening_has_its_rules)
{
    CHECK(make_directory("/d") == HX_OK);
    CHECK(try_open("/f", FILE_READ_ONLY) == HX_ENOENT);
    CHECK(try_open("/f", FILE_READ_ONLY | FILE_CREATE) == HX_OK);
    CHECK(try_open("/f", FILE_CREATE | FILE_EXCLUSIVE | FILE_WRITE_ONLY) == HX_EEXIST);
    CHECK(try_open("/f/", FILE_READ_ONLY) == HX_ENOTDIR);
    CHECK(try_open("/f", FILE_DIRECTORY) == HX_ENOTDIR && try_open("/d", FILE_DIRECTORY) == HX_OK);
    CHECK(try_open("/f", FILE_DIRECTORY | FILE_PATH) == HX_ENOTDIR);
    CHECK(try_open("/d", FILE_WRITE_ONLY) == HX_EISDIR);
    CHECK(try_open("/d", FILE_READ_ONLY | FILE_CREATE) == HX_EISDIR);
    CHECK(try_open("/new/", FILE_CREATE | FILE_WRITE_ONLY) == HX_EISDIR);
    CHECK(try_open("/none/new", FILE_CREATE | FILE_WRITE_ONLY) == HX_ENOENT);
    CHECK(make_node("/s", VNODE_SOCKET, 0666) == HX_OK && try_open("/s", 0) == HX_ENXIO);
    CHECK(try_open("/t", FILE_TEMPORARY | FILE_DIRECTORY | FILE_WRITE_ONLY) == HX_EOPNOTSUPP);
}

VFS_TEST(a_file_is_made_at_the_end_of_a_chain_of_links)
{
    CHECK(make_directory("/d") == HX_OK && make_symlink("d/b", "/a") == HX_OK);
    CHECK(make_symlink("../c", "/d/b") == HX_OK && make_symlink("d/e", "/c") == HX_OK);
    CHECK(try_open("/a", FILE_CREATE | FILE_EXCLUSIVE | FILE_WRITE_ONLY) == HX_EEXIST);
    CHECK(try_open("/a", FILE_CREATE | FILE_NO_FOLLOW | FILE_WRITE_ONLY) == HX_ELOOP);
    make_file("/a", "made");
    CHECK(contains("/d/e", "made"));
    CHECK(make_symlink("none/x", "/dead") == HX_OK);
    CHECK(try_open("/dead", FILE_CREATE | FILE_WRITE_ONLY) == HX_ENOENT);
}

VFS_TEST(a_new_file_may_be_written_whatever_its_mode)
{
    struct file *file;

    who.effective_user = 7;
    who.effective_group = 8;
    CHECK(file_open(&walk, "/f", FILE_CREATE | FILE_WRITE_ONLY, 0, vfs_owner, &file) == HX_OK);
    put_text(file, "x");
    file_put(file);
    CHECK(try_open("/f", FILE_READ_ONLY) == HX_EACCES);
    who.effective_user = 0;
    CHECK(contains("/f", "x"));
}

/* Also with O_RDONLY | O_TRUNC the count of writers is given back. */
VFS_TEST(a_program_that_runs_is_not_written)
{
    struct location found;

    make_file("/f", "x");
    CHECK(try_open("/f", FILE_READ_ONLY | FILE_TRUNCATE) == HX_OK);
    CHECK(path_find(&walk, "/f", 0, &found) == HX_OK);
    CHECK(atomic_load(&found.vnode->writers) == 0);
    atomic_fetch_add(&found.vnode->executors, 1);
    CHECK(try_open("/f", FILE_WRITE_ONLY) == HX_ETXTBSY && try_open("/f", FILE_READ_ONLY) == HX_OK);
    CHECK(try_open("/f", FILE_READ_ONLY | FILE_TRUNCATE) == HX_ETXTBSY);
    CHECK(file_truncate(&found, 0, &who) == HX_ETXTBSY);
    atomic_fetch_sub(&found.vnode->executors, 1);
    CHECK(atomic_load(&found.vnode->writers) == 0 && try_open("/f", FILE_WRITE_ONLY) == HX_OK);
    location_put(&found);
}

VFS_TEST(an_open_file_knows_its_path)
{
    char text[64];
    struct path_walk from = walk;
    struct location base;
    struct file *file;

    CHECK(make_directory("/d") == HX_OK);
    make_file("/d/f", "x");
    CHECK(path_find(&walk, "/d", 0, &base) == HX_OK);
    from.base = &base;
    CHECK(file_open(&from, "f", 0, 0, vfs_owner, &file) == HX_OK);
    file_text(file, text, sizeof(text));
    CHECK(strcmp(text, "/d/f") == 0);
    file_put(file);
    location_put(&base);
    file = opened("d/f", 0);
    file_text(file, text, sizeof(text));
    CHECK(strcmp(text, "/d/f") == 0);
    file_put(file);
}

/* --- reading and writing ---------------------------------------------------------------------- */

VFS_TEST(a_file_that_was_removed_lives_while_it_is_open)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    uint64_t position;

    CHECK(path_unlink(&walk, "/f") == HX_OK);
    put_text(file, "hello");
    CHECK(file_seek(file, 0, SEEK_FROM_START, &position) == HX_OK && reads(file, "hello"));
    file_put(file);
}

VFS_TEST(appending_goes_to_the_end)
{
    struct file *a = opened("/f", FILE_CREATE | FILE_WRITE_ONLY | FILE_APPEND);
    struct file *b = opened("/f", FILE_WRITE_ONLY | FILE_APPEND);
    struct transfer transfer;
    size_t done;

    put_text(a, "one ");
    put_text(b, "two ");
    put_text(a, "three ");
    transfer_init_kernel(&transfer, (void *)(uintptr_t) "four", 4);
    CHECK(file_write_at(b, &transfer, 0, &done) == HX_OK && done == 4);
    CHECK(contains("/f", "one two three four"));
    file_put(a);
    file_put(b);
}

VFS_TEST(a_write_of_nothing_changes_nothing)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    uint64_t position;

    CHECK(file_seek(file, 100, SEEK_FROM_START, &position) == HX_OK);
    put_text(file, "");
    CHECK(file_seek(file, 0, SEEK_FROM_END, &position) == HX_OK && position == 0);
    file_put(file);
}

VFS_TEST(what_is_not_open_for_it_is_refused)
{
    struct file *reader;
    struct file *writer;
    struct file *place;
    struct transfer transfer;
    char byte;
    size_t done;
    uint64_t position;

    make_file("/f", "x");
    reader = opened("/f", FILE_READ_ONLY);
    writer = opened("/f", FILE_WRITE_ONLY);
    place = opened("/f", FILE_PATH | FILE_READ_WRITE);
    CHECK(write_text(reader, "y", &done) == HX_EBADF);
    CHECK(read_bytes(writer, &byte, 1, &done) == HX_EBADF);
    CHECK(read_bytes(place, &byte, 1, &done) == HX_EBADF);
    CHECK(file_resize(reader, 0) == HX_EINVAL && file_resize(writer, 0) == HX_OK);
    CHECK(file_seek(place, 0, SEEK_FROM_START, &position) == HX_ESPIPE);
    transfer_init_kernel(&transfer, &byte, 1);
    CHECK(file_read_at(reader, &transfer, UINT64_MAX, &done) == HX_EINVAL);
    CHECK(file_read_at(writer, &transfer, 0, &done) == HX_EBADF);
    file_put(reader);
    file_put(writer);
    file_put(place);
}

/* --- holes and sizes -------------------------------------------------------------------------- */

static uint64_t pages_of(const struct file *file)
{
    return memory_object_resident_pages(file->location.vnode->contents);
}

VFS_TEST(holes_read_as_zeros_and_take_no_memory)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    char buffer[16];
    uint64_t position;
    size_t done;

    CHECK(file_seek(file, 100 * (int64_t)PAGE, SEEK_FROM_START, &position) == HX_OK);
    put_text(file, "end");
    CHECK(pages_of(file) == 1);
    CHECK(file_seek(file, 50 * (int64_t)PAGE - 3, SEEK_FROM_START, &position) == HX_OK);
    memset(buffer, 1, sizeof(buffer));
    CHECK(read_bytes(file, buffer, sizeof(buffer), &done) == HX_OK && done == sizeof(buffer));
    CHECK(memcmp(buffer, (char[16]){0}, 16) == 0 && pages_of(file) == 1);
    file_put(file);
}

static uint64_t sought(struct file *file, uint64_t offset, unsigned origin)
{
    uint64_t position;
    hx_err error = file_seek(file, (int64_t)offset, origin, &position);

    return error == HX_OK ? position : UINT64_MAX - (uint64_t)error;
}

VFS_TEST(data_and_holes_are_found)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);

    CHECK(sought(file, 3 * PAGE + 5, SEEK_FROM_START) == 3 * PAGE + 5);
    put_text(file, "data");
    CHECK(file_resize(file, 10 * PAGE + 1) == HX_OK);
    CHECK(sought(file, 0, SEEK_DATA) == 3 * PAGE && sought(file, 0, SEEK_HOLE) == 0);
    CHECK(sought(file, 3 * PAGE + 7, SEEK_DATA) == 3 * PAGE + 7);
    CHECK(sought(file, 3 * PAGE + 7, SEEK_HOLE) == 4 * PAGE);
    CHECK(sought(file, 4 * PAGE, SEEK_DATA) == UINT64_MAX - HX_ENXIO);
    CHECK(sought(file, 10 * PAGE + 1, SEEK_HOLE) == UINT64_MAX - HX_ENXIO);
    CHECK(sought(file, 1ULL << 42, SEEK_DATA) == UINT64_MAX - HX_ENXIO);
    CHECK(file_resize(file, 1ULL << 42) == HX_OK && sought(file, 4 * PAGE, SEEK_HOLE) == 4 * PAGE);
    CHECK(sought(file, 4 * PAGE, SEEK_DATA) == UINT64_MAX - HX_ENXIO); /* without a long search */
    file_put(file);
}

VFS_TEST(positions_have_their_limits)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);

    put_text(file, "12345");
    CHECK(sought(file, (uint64_t)-6, SEEK_FROM_END) == UINT64_MAX - HX_EINVAL);
    CHECK(sought(file, (uint64_t)-5, SEEK_FROM_END) == 0);
    CHECK(sought(file, INT64_MAX, SEEK_FROM_END) == UINT64_MAX - HX_EINVAL);
    CHECK(sought(file, INT64_MAX, SEEK_FROM_START) == INT64_MAX);
    CHECK(sought(file, 0, 5) == UINT64_MAX - HX_EINVAL && sought(file, 0, SEEK_FROM_HERE) != 0);
    CHECK(file_resize(file, (1ULL << 43) + 1) == HX_EFBIG);
    file_put(file);
}

VFS_TEST(what_was_cut_off_comes_back_as_zeros)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);

    put_text(file, "12345");
    CHECK(file_resize(file, 2) == HX_OK && file_resize(file, 4) == HX_OK);
    CHECK(sought(file, 0, SEEK_FROM_START) == 0);
    char buffer[8];
    size_t done;
    CHECK(read_bytes(file, buffer, 8, &done) == HX_OK && done == 4);
    CHECK(memcmp(buffer, "12\0\0", 4) == 0);
    file_put(file);
}

VFS_TEST(a_full_file_system_says_so_and_keeps_what_fits)
{
    static char bytes[4 * 4096];
    struct location target;
    struct transfer transfer;
    struct file *file;
    size_t done;

    CHECK(make_directory("/m") == HX_OK && path_find(&walk, "/m", 0, &target) == HX_OK);
    CHECK(mount_add("none", &target, "tmpfs", 0, "size=8k,mode=700") == HX_OK);
    CHECK(mount_add("none", &target, "tmpfs", 0, "size=x") == HX_EINVAL);
    CHECK(mount_add("none", &target, "none", 0, "") == HX_ENODEV);
    location_put(&target);
    file = opened("/m/f", FILE_CREATE | FILE_READ_WRITE);
    transfer_init_kernel(&transfer, bytes, sizeof(bytes));
    CHECK(file_write(file, &transfer, &done) == HX_OK && done == 8192);
    CHECK(write_text(file, "x", &done) == HX_ENOSPC && done == 0);
    CHECK(sought(file, 0, SEEK_FROM_END) == 8192);
    CHECK(sought(file, 100000, SEEK_FROM_START) == 100000);
    CHECK(write_text(file, "x", &done) == HX_ENOSPC && sought(file, 0, SEEK_FROM_END) == 8192);
    CHECK(file_resize(file, 0) == HX_OK && write_text(file, "x", &done) == HX_OK);
    file_put(file);
}

/* --- directories ------------------------------------------------------------------------------ */

static unsigned seen_count;
static bool seen[1000];
static unsigned at_once;

static bool see(const struct directory_entry *entry, void *argument)
{
    (void)argument;
    if (at_once-- == 0) {
        return false;
    }
    seen_count++;
    if (entry->name[0] == 'n') {
        unsigned number = (unsigned)atoi(entry->name + 1);

        CHECK(!seen[number]);
        seen[number] = true;
    }
    return true;
}

static void make_numbered(unsigned number)
{
    char name[16];

    snprintf(name, sizeof(name), "/d/n%u", number);
    CHECK(make_node(name, VNODE_FILE, 0644) == HX_OK);
}

/* While it changes: what stays all the time is seen once. */
VFS_TEST(a_directory_is_listed_while_it_changes)
{
    char name[16];
    unsigned before;
    struct file *file;

    CHECK(make_directory("/d") == HX_OK);
    for (unsigned i = 0; i < 500; i++) {
        make_numbered(i);
    }
    file = opened("/d", FILE_READ_ONLY);
    for (unsigned i = 0; i < 2000; i++) {
        before = seen_count;
        at_once = 3;
        CHECK(file_read_directory(file, see, NULL) == HX_OK);
        if (seen_count == before) {
            break;
        }
        if (i < 100) {
            snprintf(name, sizeof(name), "/d/n%u", 2 * i + 1); /* the odd ones go */
            CHECK(path_unlink(&walk, name) == HX_OK);
            make_numbered(500 + i);
        }
    }
    for (unsigned i = 0; i < 500; i++) {
        CHECK(seen[i] || (i % 2 == 1 && i < 200));
    }
    file_put(file);
}

VFS_TEST(a_directory_begins_with_its_dots_and_a_removed_one_is_not_listed)
{
    struct file *file;

    CHECK(make_directory("/d") == HX_OK);
    file = opened("/d", FILE_READ_ONLY);
    at_once = 10;
    CHECK(file_read_directory(file, see, NULL) == HX_OK && seen_count == 2);
    CHECK(path_remove_directory(&walk, "/d") == HX_OK);
    CHECK(file_read_directory(file, see, NULL) == HX_ENOENT);
    file_put(file);
    make_file("/f", "x");
    file = opened("/f", FILE_READ_ONLY);
    CHECK(file_read_directory(file, see, NULL) == HX_ENOTDIR);
    file_put(file);
}

/* --- devices ---------------------------------------------------------------------------------- */

VFS_TEST(memory_devices_do_what_their_names_say)
{
    struct location target;
    struct file *file;
    char bytes[8] = "1234567";
    size_t done;

    CHECK(make_directory("/dev") == HX_OK && path_find(&walk, "/dev", 0, &target) == HX_OK);
    CHECK(mount_add("none", &target, "devtmpfs", 0, "") == HX_OK);
    location_put(&target);
    file = opened("/dev/null", FILE_READ_WRITE);
    put_text(file, "away");
    CHECK(reads(file, "") && sought(file, 5, SEEK_FROM_START) == 0);
    file_put(file);
    file = opened("/dev/zero", FILE_READ_WRITE);
    CHECK(read_bytes(file, bytes, 8, &done) == HX_OK && done == 8);
    CHECK(memcmp(bytes, (char[8]){0}, 8) == 0);
    file_put(file);
    file = opened("/dev/full", FILE_READ_WRITE);
    CHECK(write_text(file, "x", &done) == HX_ENOSPC && write_text(file, "", &done) == HX_OK);
    file_put(file);
    file = opened("/dev/urandom", FILE_READ_WRITE);
    CHECK(read_bytes(file, bytes, 8, &done) == HX_OK && done == 8);
    CHECK(memcmp(bytes, (char[8]){0}, 8) != 0);
    put_text(file, "stirred in");
    file_put(file);
    CHECK(make_node("/odd", VNODE_CHARACTER, 0666) == HX_OK && try_open("/odd", 0) == HX_ENXIO);
}

/* --- archives --------------------------------------------------------------------------------- */

static char archive[65536];
static size_t archive_size;

static void add(const char *name, unsigned ino, unsigned mode, unsigned links, const char *data)
{
    size_t name_size = strlen(name) + 1;

    archive_size += (size_t)sprintf(
        archive + archive_size, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", ino,
        mode, 3U, 4U, links, 1000U, strlen(data), 0U, 0U, 1U, 3U, name_size, 0U);
    memcpy(archive + archive_size, name, name_size);
    archive_size = (archive_size + name_size + 3) & ~(size_t)3;
    memcpy(archive + archive_size, data, strlen(data));
    archive_size = (archive_size + strlen(data) + 3) & ~(size_t)3;
}

static hx_err unpack(const char **why)
{
    struct location root = mount_root_location();
    hx_err error = tmpfs_unpack(&root, (struct cpio_archive){archive, archive_size}, why);

    location_put(&root);
    return error;
}

VFS_TEST(an_archive_becomes_files)
{
    const char *why;

    add(".", 1, 0040700, 2, "");
    add("./bin/sh", 2, 0104755, 1, "program");
    add("/bin", 3, 0040711, 2, "");
    add("link", 4, 0120777, 1, "bin/sh");
    add("null", 5, 0020666, 1, "");
    add("fifo", 6, 0010644, 1, "");
    add("bin/sh2", 7, 0100644, 1, "first");
    add("bin/sh2", 8, 0100644, 1, "second");
    add("TRAILER!!!", 0, 0, 1, "");
    CHECK(unpack(&why) == HX_OK && why == NULL);
    CHECK(contains("/link", "program") && contains("/bin/sh2", "second"));
    CHECK(try_open("/null", FILE_READ_WRITE) == HX_OK);
    struct location found;
    CHECK(path_find(&walk, "/bin/sh", 0, &found) == HX_OK);
    CHECK(found.vnode->mode == 04755 && found.vnode->user == 3 && found.vnode->group == 4);
    CHECK(atomic_load(&found.vnode->times.modified) == 1000 * 1000000000ULL);
    location_put(&found);
    CHECK(path_find(&walk, "/bin", 0, &found) == HX_OK && found.vnode->mode == 0711);
    location_put(&found);
}

/* Also when two archives follow each other and number their files alike. */
VFS_TEST(names_of_one_file_in_an_archive_are_hard_links)
{
    const char *why;

    add("a", 9, 0100644, 3, "");
    add("d/b", 9, 0100644, 3, "");
    add("c", 9, 0100644, 3, "data");
    add("TRAILER!!!", 0, 0, 1, "");
    add("x", 9, 0100644, 2, "");
    add("y", 9, 0100644, 2, "other");
    add("TRAILER!!!", 0, 0, 1, "");
    CHECK(unpack(&why) == HX_OK && links_of("/a") == 3 && links_of("/x") == 2);
    CHECK(number_at("/a") == number_at("/d/b") && number_at("/a") == number_at("/c"));
    CHECK(contains("/a", "data") && contains("/x", "other") && number_at("/x") == number_at("/y"));
}

VFS_TEST(a_file_of_an_archive_is_read_in_place_until_it_is_written)
{
    const char *why;
    struct file *file;

    add("f", 9, 0100644, 1, "0123456789");
    add("TRAILER!!!", 0, 0, 1, "");
    CHECK(unpack(&why) == HX_OK);
    file = opened("/f", FILE_READ_WRITE);
    CHECK(reads(file, "0123456789") && pages_of(file) == 0);
    CHECK(sought(file, 0, SEEK_HOLE) == 10 && sought(file, 3, SEEK_DATA) == 3);
    CHECK(sought(file, 10, SEEK_FROM_START) == 10);
    put_text(file, "ab");
    CHECK(contains("/f", "0123456789ab") && pages_of(file) == 1);
    CHECK(file_resize(file, 4) == HX_OK && file_resize(file, 3 * PAGE) == HX_OK);
    CHECK(sought(file, PAGE, SEEK_DATA) == UINT64_MAX - HX_ENXIO);
    file_put(file);
}

VFS_TEST(of_a_damaged_archive_what_came_before_is_there)
{
    const char *why;

    add("a", 1, 0100644, 1, "a");
    add("b", 2, 0100644, 2, "b");
    archive_size -= 4;
    CHECK(unpack(&why) == HX_EFORMAT && strcmp(why, "the archive is damaged") == 0);
    CHECK(contains("/a", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_has_its_rules),
        cmocka_unit_test(a_file_is_made_at_the_end_of_a_chain_of_links),
        cmocka_unit_test(a_new_file_may_be_written_whatever_its_mode),
        cmocka_unit_test(a_program_that_runs_is_not_written),
        cmocka_unit_test(an_open_file_knows_its_path),
        cmocka_unit_test(a_file_that_was_removed_lives_while_it_is_open),
        cmocka_unit_test(appending_goes_to_the_end),
        cmocka_unit_test(a_write_of_nothing_changes_nothing),
        cmocka_unit_test(what_is_not_open_for_it_is_refused),
        cmocka_unit_test(holes_read_as_zeros_and_take_no_memory),
        cmocka_unit_test(data_and_holes_are_found),
        cmocka_unit_test(positions_have_their_limits),
        cmocka_unit_test(what_was_cut_off_comes_back_as_zeros),
        cmocka_unit_test(a_full_file_system_says_so_and_keeps_what_fits),
        cmocka_unit_test(a_directory_is_listed_while_it_changes),
        cmocka_unit_test(a_directory_begins_with_its_dots_and_a_removed_one_is_not_listed),
        cmocka_unit_test(memory_devices_do_what_their_names_say),
        cmocka_unit_test(an_archive_becomes_files),
        cmocka_unit_test(names_of_one_file_in_an_archive_are_hard_links),
        cmocka_unit_test(a_file_of_an_archive_is_read_in_place_until_it_is_written),
        cmocka_unit_test(of_a_damaged_archive_what_came_before_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
