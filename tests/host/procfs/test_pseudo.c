/* Pseudo file systems: tables as trees, texts as files. */
/* <signal.h> has enumerators of these names for another thing. */
#define POLL_IN  library_poll_in
#define POLL_OUT library_poll_out
#include <tests/host/core/machine.h>
#undef POLL_IN
#undef POLL_OUT

#include <base/string.h>
#include <core/resource/resource.h>
#include <subsys/process/load_average.h>
#include <subsys/process/system_name.h>
#include <subsys/pseudo/pseudo.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/path.h>

/* --- a small tree ----------------------------------------------------------------------------- */

static unsigned shown;       /* times a text was written */
static size_t wanted_length; /* of the long file */
static bool is_gone;         /* what check answers */
static char stored[64];      /* what was written last */
static unsigned put_count;   /* subjects given back */
static uint32_t lowest;      /* members are the even numbers from here to 10 */

static hx_err show_count(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%u\n", ++shown);
    return HX_OK;
}

static hx_err show_long(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    for (size_t i = 0; i < wanted_length; i++) {
        text_add_bytes(text, &(char){(char)('a' + i % 26)}, 1);
    }
    return HX_OK;
}

static hx_err show_number(const struct pseudo_node *node, struct text *text)
{
    text_add(text, "%u", (unsigned)node->parent->number);
    return HX_OK;
}

static hx_err store(const struct pseudo_node *node, const char *text, size_t length)
{
    (void)node;
    CHECK(text[length] == '\0');
    return string_copy(stored, sizeof(stored), text) ? HX_OK : HX_EINVAL;
}

static bool next(const struct pseudo_node *directory, uint32_t from, uint32_t *number)
{
    (void)directory;
    from = from < lowest ? lowest : from;
    *number = from + from % 2;
    return *number <= 10;
}

static hx_err find(const struct pseudo_node *directory, uint32_t number, void **subject)
{
    (void)directory;
    *subject = stored;
    return number % 2 == 0 && number >= lowest && number <= 10 ? HX_OK : HX_ENOENT;
}

static void put(void *subject)
{
    CHECK(subject == stored);
    put_count++;
}

static hx_err check(const struct pseudo_node *node)
{
    (void)node;
    return is_gone ? HX_ESRCH : HX_OK;
}

static const struct pseudo_entry member_rows[] = {
    PSEUDO_FILE("number", 0444, show_number, "its number"),
    {.name = NULL},
};
static const struct pseudo_entry member = PSEUDO_DIRECTORY("N", member_rows);
static const struct pseudo_family family = {
    .prefix = "m", .member = &member, .next = next, .find = find, .put = put};
static const struct pseudo_entry rows[] = {
    PSEUDO_FILE("count", 0444, show_count, "how often it was read"),
    PSEUDO_FILE("long", 0444, show_long, "many bytes"),
    {.name = "set", .type = VNODE_FILE, .mode = 0644, .show = show_count, .store = store},
    {.name = "link", .type = VNODE_SYMLINK, .mode = 0777, .show = show_count},
    {.name = NULL},
};
static const struct pseudo_entry root = {
    .name = "", .type = VNODE_DIRECTORY, .mode = 0555, .children = rows, .family = &family};
static const struct pseudo_type type = {.magic = 1, .root = &root, .check = check};

static hx_err mount(const char *source, const char *data, struct file_system **file_system)
{
    (void)source;
    return pseudo_mount(&type, data, file_system);
}

static struct path_context *paths;
static const struct credentials superuser;

static void start(void)
{
    static struct file_system_type system = {.name = "test", .mount = mount};

    resource_init();
    file_system_type_register(&system);
    CHECK(mount_root("test") == HX_OK);
    CHECK(path_context_create(&paths) == HX_OK);
}

static hx_err open_path(const char *path, uint32_t flags, struct file **file)
{
    const struct path_walk walk = {paths, &superuser, NULL};

    return file_open(&walk, path, flags, 0, OWNER_CORE, file);
}

/* Bytes read at an offset; an error as 1000 + number. */
static size_t read_at(struct file *file, uint64_t offset, char *bytes, size_t size)
{
    struct transfer transfer;
    size_t done;
    hx_err error;

    transfer_init_kernel(&transfer, bytes, size);
    error = file_read_at(file, &transfer, offset, &done);
    return error == HX_OK ? done : 1000 + (size_t)error;
}

static void (*body)(void);

static void run_body(void)
{
    machine_run(1, body);
}

static void passes(void (*function)(void))
{
    body = function;
    passes_in_child(run_body);
}

/* --- files ------------------------------------------------------------------------------------ */

static void file_body(void)
{
    struct file *file;
    struct file *other;
    char bytes[16];

    start();
    CHECK(open_path("/count", FILE_READ_ONLY, &file) == HX_OK);
    CHECK(open_path("/count", FILE_READ_ONLY, &other) == HX_OK);
    CHECK(shown == 0);
    CHECK(read_at(file, 0, bytes, 1) == 1 && bytes[0] == '1');
    CHECK(read_at(other, 1, bytes, 8) == 1 && bytes[0] == '\n' && shown == 2);
    CHECK(read_at(file, 1, bytes, 8) == 1 && bytes[0] == '\n' && shown == 2);
    CHECK(read_at(file, 2, bytes, 8) == 0 && read_at(file, 100, bytes, 8) == 0);
    CHECK(read_at(file, 0, bytes, 8) == 2 && bytes[0] == '3');
    is_gone = true;
    CHECK(read_at(file, 1, bytes, 8) == 1);
    CHECK(read_at(file, 0, bytes, 8) == 1000 + HX_ESRCH);
    CHECK(open_path("/count", FILE_READ_ONLY, &file) == HX_ENOENT);
}

static void a_text_is_written_at_its_beginning_and_stays_for_the_rest(void **state)
{
    (void)state;
    passes(file_body);
}

static void long_body(void)
{
    static char bytes[100001];
    struct file *file;

    start();
    for (wanted_length = 1020; wanted_length < 1030; wanted_length++) {
        CHECK(open_path("/long", FILE_READ_ONLY, &file) == HX_OK);
        CHECK(read_at(file, 0, bytes, sizeof(bytes)) == wanted_length);
        CHECK(bytes[wanted_length - 1] == (char)('a' + (wanted_length - 1) % 26));
        file_put(file);
    }
    wanted_length = 100000;
    CHECK(open_path("/long", FILE_READ_ONLY, &file) == HX_OK);
    CHECK(read_at(file, 0, bytes, 1) == 1 && read_at(file, 99999, bytes, 9) == 1);
    CHECK(bytes[0] == (char)('a' + 99999 % 26));
    heap_fail_nth(1);
    CHECK(read_at(file, 0, bytes, 9) == 1000 + HX_ENOMEM);
    CHECK(read_at(file, 0, bytes, 9) == 9);
    file_put(file);
}

static void a_text_may_be_as_long_as_memory_goes(void **state)
{
    (void)state;
    passes(long_body);
}

static hx_err write_text(struct file *file, const char *text)
{
    struct transfer transfer;
    size_t done;
    hx_err error;

    transfer_init_kernel(&transfer, (void *)(uintptr_t)text, string_length(text));
    error = file_write(file, &transfer, &done);
    CHECK(error != HX_OK || done == string_length(text));
    return error;
}

static void store_body(void)
{
    static char much[PSEUDO_STORE_MAX + 2];
    struct file *file;

    start();
    CHECK(open_path("/set", FILE_WRITE_ONLY | FILE_TRUNCATE, &file) == HX_OK);
    CHECK(write_text(file, "one") == HX_OK && string_equal(stored, "one"));
    CHECK(write_text(file, "two") == HX_OK && string_equal(stored, "two"));
    for (unsigned i = 0; i < PSEUDO_STORE_MAX + 1; i++) {
        much[i] = 'x';
    }
    CHECK(write_text(file, much) == HX_EINVAL);
    file_put(file);
    CHECK(open_path("/count", FILE_WRITE_ONLY, &file) == HX_OK); /* the superuser may */
    CHECK(write_text(file, "one") == HX_EIO);
    file_put(file);
}

static void each_write_is_taken_as_a_whole(void **state)
{
    (void)state;
    passes(store_body);
}

/* --- directories ------------------------------------------------------------------------------ */

struct listing {
    char text[256];
    size_t used;
    unsigned stop_after;
};

static bool add_name(const struct directory_entry *entry, void *argument)
{
    struct listing *listing = argument;

    CHECK(entry->number != 0);
    listing->used += (size_t)snprintf(listing->text + listing->used,
                                      sizeof(listing->text) - listing->used, "%s ", entry->name);
    return --listing->stop_after > 0;
}

static void list_body(void)
{
    struct listing listing = {.stop_after = 7};
    struct file *file;

    start();
    CHECK(open_path("/", FILE_READ_ONLY | FILE_DIRECTORY, &file) == HX_OK);
    CHECK(file_read_directory(file, add_name, &listing) == HX_OK);
    CHECK(string_equal(listing.text, ". .. count long set link m0 "));
    lowest = 5; /* some have gone meanwhile */
    listing.stop_after = 100;
    CHECK(file_read_directory(file, add_name, &listing) == HX_OK);
    CHECK(string_equal(listing.text, ". .. count long set link m0 m6 m8 m10 "));
    CHECK(file_read_directory(file, add_name, &listing) == HX_OK);
    CHECK(string_equal(listing.text, ". .. count long set link m0 m6 m8 m10 "));
    file_put(file);
}

static void a_directory_is_listed_in_pieces_while_it_changes(void **state)
{
    (void)state;
    passes(list_body);
}

static void member_body(void)
{
    struct heap_statistics before;
    struct heap_statistics after;
    const struct path_walk walk = {paths, &superuser, NULL};
    struct path_walk from;
    struct location place;
    struct file *file;
    char bytes[64];

    (void)walk;
    start();
    heap_statistics(&before);
    from = (struct path_walk){paths, &superuser, NULL};
    CHECK(open_path("/m4/number", FILE_READ_ONLY, &file) == HX_OK);
    CHECK(read_at(file, 0, bytes, 8) == 1 && bytes[0] == '4');
    CHECK(path_find(&from, "/m4", PATH_DIRECTORY, &place) == HX_OK);
    CHECK(path_text(paths, &place, bytes, sizeof(bytes)) == HX_OK && string_equal(bytes, "/m4"));
    CHECK(place.vnode->number == pseudo_node_of(file->location.vnode)->parent->vnode.number);
    location_put(&place);
    CHECK(path_resolve(&from, "/m4/../m6/./number", bytes, sizeof(bytes)) == HX_OK);
    CHECK(string_equal(bytes, "/m6/number"));
    CHECK(path_resolve(&from, "m6/..", bytes, sizeof(bytes)) == HX_OK && string_equal(bytes, "/"));
    CHECK(path_resolve(&from, "/m6/number", bytes, 4) == HX_ERANGE);
    file_put(file);
    CHECK(put_count > 0);
    CHECK(open_path("/m5/number", FILE_READ_ONLY, &file) == HX_ENOENT);
    CHECK(open_path("/m04/number", FILE_READ_ONLY, &file) == HX_ENOENT);
    CHECK(open_path("/m/number", FILE_READ_ONLY, &file) == HX_ENOENT);
    CHECK(open_path("/m99999999999/number", FILE_READ_ONLY, &file) == HX_ENOENT);
    heap_statistics(&after);
    CHECK(after.objects == before.objects);
}

static void members_are_found_by_number_and_nothing_is_kept_of_them(void **state)
{
    (void)state;
    passes(member_body);
}

static void memory_body(void)
{
    struct heap_statistics before;
    struct heap_statistics after;
    struct file *file;
    hx_err error = HX_ENOMEM;

    start();
    heap_statistics(&before);
    for (uint64_t n = 1; error != HX_OK; n++) {
        heap_fail_nth(n);
        error = open_path("/m4/number", FILE_READ_ONLY, &file);
        CHECK(error == HX_OK || error == HX_ENOMEM);
    }
    heap_fail_nth(0);
    file_put(file);
    heap_statistics(&after);
    CHECK(after.objects == before.objects);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    passes(memory_body);
}

/* --- load and names --------------------------------------------------------------------------- */

static void a_load_average_goes_to_the_number_of_running_threads(void **state)
{
    uint32_t average = 0;

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        average = load_average_next(average, 1884, 2);
    }
    /* After its period it has come 1 - 1/e of the way. */
    assert_in_range(average, 2 * 2048 * 62 / 100, 2 * 2048 * 65 / 100);
    for (unsigned i = 0; i < 1000; i++) {
        average = load_average_next(average, 1884, 2);
    }
    assert_int_equal(average, 2 * 2048);
    for (unsigned i = 0; i < 1000; i++) {
        average = load_average_next(average, 1884, 0);
    }
    assert_int_equal(average, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_written_at_its_beginning_and_stays_for_the_rest),
        cmocka_unit_test(a_text_may_be_as_long_as_memory_goes),
        cmocka_unit_test(each_write_is_taken_as_a_whole),
        cmocka_unit_test(a_directory_is_listed_in_pieces_while_it_changes),
        cmocka_unit_test(members_are_found_by_number_and_nothing_is_kept_of_them),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(a_load_average_goes_to_the_number_of_running_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
