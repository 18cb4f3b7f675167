/*
 * Any sequence of changes to a tree of files against a plain model: names, objects, link counts and
 * the bytes of files; and the same operations with each allocation failing in turn.
 */
#include <tests/host/random.h>
#include <tests/host/vfs/vfs_machine.h>

#define NAMES   5U /* in each directory */
#define OBJECTS 400U
#define BYTES   24U
#define NOTHING 0U /* object 0 */
#define ROOT    1U

struct object {
    enum vnode_type type;
    uint32_t parent;       /* of a directory */
    uint32_t names[NAMES]; /* of a directory: objects */
    uint32_t links;
    char bytes[BYTES]; /* of a file, with a NUL */
};

static struct object objects[OBJECTS];
static uint32_t object_count;
static uint64_t seed;

#define AGREE(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);                              \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

/* --- places ----------------------------------------------------------------------------------- */

struct place {
    uint32_t directory;
    uint32_t name;
    char path[64];
};

static uint32_t at(const struct place *place)
{
    return objects[place->directory].names[place->name];
}

static bool is_directory(uint32_t object)
{
    return object != NOTHING && objects[object].type == VNODE_DIRECTORY;
}

/* Any name in a directory at most four deep. */
static struct place any_place(void)
{
    struct place place = {.directory = ROOT};
    uint64_t depth = random_below(4);

    for (;;) {
        size_t length = strlen(place.path);

        place.name = (uint32_t)random_below(NAMES);
        snprintf(place.path + length, sizeof(place.path) - length, "/%c", 'a' + (int)place.name);
        if (depth-- == 0 || !is_directory(at(&place))) {
            return place;
        }
        place.directory = at(&place);
    }
}

static bool is_empty(uint32_t directory)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        if (objects[directory].names[i] != NOTHING) {
            return false;
        }
    }
    return true;
}

static bool is_above(uint32_t directory, uint32_t other)
{
    while (other != directory && other != ROOT) {
        other = objects[other].parent;
    }
    return other == directory;
}

/* --- operations, each with what it must answer ------------------------------------------------ */

static uint32_t new_object(enum vnode_type type, uint32_t parent)
{
    uint32_t number = object_count++;

    objects[number] = (struct object){.type = type, .parent = parent, .links = 1};
    return number;
}

static void make_any(void)
{
    struct place place = any_place();
    enum vnode_type type = random_below(2) == 0 ? VNODE_DIRECTORY : VNODE_FILE;
    hx_err expected = at(&place) != NOTHING ? HX_EEXIST : HX_OK;

    if (object_count == OBJECTS) {
        return;
    }
    AGREE(make_node(place.path, type, 0755) == expected);
    if (expected == HX_OK) {
        objects[place.directory].names[place.name] = new_object(type, place.directory);
    }
}

static hx_err expected_removal(uint32_t object, bool wants_directory)
{
    if (object == NOTHING) {
        return HX_ENOENT;
    }
    if (is_directory(object) != wants_directory) {
        return wants_directory ? HX_ENOTDIR : HX_EISDIR;
    }
    return is_directory(object) && !is_empty(object) ? HX_ENOTEMPTY : HX_OK;
}

static void remove_any(void)
{
    struct place place = any_place();
    bool wants_directory = random_below(2) == 0;
    hx_err expected = expected_removal(at(&place), wants_directory);

    AGREE((wants_directory ? path_remove_directory(&walk, place.path)
                           : path_unlink(&walk, place.path)) == expected);
    if (expected == HX_OK) {
        objects[at(&place)].links--;
        objects[place.directory].names[place.name] = NOTHING;
    }
}

static void link_any(void)
{
    struct place from = any_place();
    struct place to = any_place();
    hx_err expected = at(&from) == NOTHING      ? HX_ENOENT
                      : at(&to) != NOTHING      ? HX_EEXIST
                      : is_directory(at(&from)) ? HX_EPERM
                                                : HX_OK;

    AGREE(link_to(from.path, to.path) == expected);
    if (expected == HX_OK) {
        objects[to.directory].names[to.name] = at(&from);
        objects[at(&from)].links++;
    }
}

static hx_err expected_renaming(const struct place *from, const struct place *to, unsigned flags)
{
    uint32_t source = at(from);
    uint32_t target = at(to);

    if (source == NOTHING) {
        return HX_ENOENT;
    }
    if (target == NOTHING ? flags == RENAME_EXCHANGE : flags == RENAME_NO_REPLACE) {
        return target == NOTHING ? HX_ENOENT : HX_EEXIST;
    }
    if (target != NOTHING && flags != RENAME_EXCHANGE &&
        is_directory(source) != is_directory(target)) {
        return is_directory(source) ? HX_ENOTDIR : HX_EISDIR;
    }
    if (is_directory(source) && is_above(source, to->directory)) {
        return HX_EINVAL;
    }
    if (is_directory(target) && is_above(target, from->directory)) {
        return flags == RENAME_EXCHANGE ? HX_EINVAL : HX_ENOTEMPTY;
    }
    return flags == 0 && source != target && is_directory(target) && !is_empty(target)
               ? HX_ENOTEMPTY
               : HX_OK;
}

static void put_at(const struct place *place, uint32_t object)
{
    objects[place->directory].names[place->name] = object;
    if (is_directory(object)) {
        objects[object].parent = place->directory;
    }
}

static void rename_any(void)
{
    static const unsigned kinds[] = {0, 0, RENAME_NO_REPLACE, RENAME_EXCHANGE};
    struct place from = any_place();
    struct place to = any_place();
    unsigned flags = kinds[random_below(4)];
    uint32_t source = at(&from);
    uint32_t target = at(&to);
    hx_err expected = expected_renaming(&from, &to, flags);

    AGREE(rename_to(from.path, to.path, flags) == expected);
    if (expected != HX_OK || source == target) {
        return;
    }
    put_at(&to, source);
    put_at(&from, flags == RENAME_EXCHANGE ? target : NOTHING);
    if (flags != RENAME_EXCHANGE && target != NOTHING) {
        objects[target].links--;
    }
}

static void write_any(void)
{
    struct place place = any_place();
    char text[BYTES];

    if (at(&place) == NOTHING || is_directory(at(&place))) {
        return;
    }
    snprintf(text, sizeof(text), "%llx", (unsigned long long)random_u64());
    make_file(place.path, text);
    strcpy(objects[at(&place)].bytes, text);
}

/* --- agreement -------------------------------------------------------------------------------- */

static uint32_t subdirectories(uint32_t directory)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < NAMES; i++) {
        count += is_directory(objects[directory].names[i]) ? 1U : 0U;
    }
    return count;
}

static void check_tree(uint32_t directory, const char *path)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        uint32_t object = objects[directory].names[i];
        char below[256];

        snprintf(below, sizeof(below), "%s/%c", path, 'a' + (int)i);
        if (object == NOTHING) {
            AGREE(find(below, 0) == HX_ENOENT);
        } else if (is_directory(object)) {
            AGREE(links_of(below) == 2 + subdirectories(object));
            if (strlen(below) < 200) {
                check_tree(object, below);
            }
        } else {
            AGREE(links_of(below) == objects[object].links);
            AGREE(contains(below, objects[object].bytes));
        }
    }
}

static void model_body(void)
{
    static void (*const operations[])(void) = {make_any,   make_any, remove_any, rename_any,
                                               rename_any, link_any, write_any};
    uint64_t steps = getenv("HELIX_SOAK") != NULL ? 20000 : 600;
    unsigned runs = getenv("HELIX_SOAK") != NULL ? 20 : 2;
    char name[] = "/a";

    seed = random_start();
    for (unsigned run = 0; run < runs; run++) {
        struct location old;

        memset(objects, 0, sizeof(objects));
        object_count = ROOT;
        (void)new_object(VNODE_DIRECTORY, ROOT);
        for (uint64_t i = 0; i < steps; i++) {
            operations[random_below(HX_ARRAY_SIZE(operations))]();
            if (i % 50 == 0) {
                check_tree(ROOT, "");
            }
        }
        check_tree(ROOT, "");
        AGREE(links_of("/") == 2 + subdirectories(ROOT));
        /* The next run is in a file system of its own, below this one. */
        name[1] = (char)('A' + (int)run);
        CHECK(make_directory(name) == HX_OK && mount_at(name, 0) == HX_OK);
        CHECK(path_find(&walk, name, 0, &old) == HX_OK);
        path_context_set_root(context, old);
    }
}

static void any_sequence_agrees_with_the_model(void **state)
{
    (void)state;
    vfs_passes(model_body);
}

/* --- failing allocations ---------------------------------------------------------------------- */

/* Each step may fail; the rest is then to go on or be refused, and everything to be given back. */
static void use_files(void)
{
    struct file *ends[2];
    struct file *file;
    struct file_table *table;
    size_t done;
    int descriptor;

    (void)!make_directory("/m");
    (void)!mount_at("/m", 0);
    (void)!make_directory("/m/d");
    (void)!make_symlink("d/../d/f", "/m/l");
    if (open_as("/m/l", FILE_CREATE | FILE_READ_WRITE, &file) == HX_OK) {
        (void)!write_text(file, "some text", &done);
        (void)!link_to("/m/d/f", "/m/d/g");
        if (file_table_create(100, vfs_owner, &table) == HX_OK) {
            if (file_table_add(table, file_get(file), 60, false, &descriptor) != HX_OK) {
                file_put(file);
            }
            file_table_put(table);
        }
        file_put(file);
    }
    (void)!rename_to("/m/d/g", "/m/g", 0);
    if (pipe_create(0, vfs_owner, ends) == HX_OK) {
        (void)!write_text(ends[1], "x", &done);
        file_put(ends[0]);
        file_put(ends[1]);
    }
    (void)!make_node("/m/fifo", VNODE_FIFO, 0600);
    (void)!try_open("/m/fifo", FILE_READ_WRITE);
    (void)!unmount("/m", true);
    (void)!path_unlink(&walk, "/m/l");
    (void)!path_unlink(&walk, "/m/g");
    (void)!path_unlink(&walk, "/m/fifo");
    (void)!path_unlink(&walk, "/m/d/f");
    (void)!path_unlink(&walk, "/m/d/g");
    (void)!path_remove_directory(&walk, "/m/d");
    (void)!path_remove_directory(&walk, "/m");
}

static void fail_each(void (*fail_nth)(uint64_t n), uint64_t (*failures)(void))
{
    struct vfs_balance before = vfs_balance();
    uint64_t failed = failures();

    for (uint64_t n = 1;; n++) {
        fail_nth(n);
        use_files();
        fail_nth(0);
        CHECK(find("/m", 0) == HX_ENOENT);
        vfs_check_balance(before);
        if (failures() == failed) {
            CHECK(n > 1);
            return;
        }
        failed = failures();
    }
}

static uint64_t failed_frames(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.failures;
}

static uint64_t failed_objects(void)
{
    struct heap_statistics statistics;

    heap_statistics(&statistics);
    return statistics.failures;
}

static void failing_body(void)
{
    use_files(); /* what is made once is made */
    fail_each(frames_fail_nth, failed_frames);
    fail_each(heap_fail_nth, failed_objects);
}

static void nothing_leaks_whichever_allocation_fails(void **state)
{
    (void)state;
    vfs_passes(failing_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_agrees_with_the_model),
        cmocka_unit_test(nothing_leaks_whichever_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
