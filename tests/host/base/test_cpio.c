/* base/cpio.h: good archives, hostile ones, and every single-byte corruption of a good one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/cpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/random.h>

struct builder {
    uint8_t bytes[8192];
    size_t size;
};

static void pad(struct builder *builder, size_t multiple)
{
    while (builder->size % multiple != 0) {
        builder->bytes[builder->size++] = 0;
    }
}

static void add_raw(struct builder *builder, const void *bytes, size_t size)
{
    memcpy(builder->bytes + builder->size, bytes, size);
    builder->size += size;
}

/* Sizes are given apart from the text, so that they can lie. */
static void add_header(struct builder *builder, const char *name, uint32_t name_size,
                       uint32_t file_size)
{
    char header[111];

    snprintf(header, sizeof(header), "070701%08X%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
             0xabcU, 0100755U, 1000U, 100U, 2U, 0x65000000U, file_size, 8U, 1U, 4U, 64U, name_size,
             0U);
    add_raw(builder, header, 110);
    add_raw(builder, name, strlen(name) + 1);
    pad(builder, 4);
}

static void add_file(struct builder *builder, const char *name, const char *data)
{
    add_header(builder, name, (uint32_t)strlen(name) + 1, (uint32_t)strlen(data));
    add_raw(builder, data, strlen(data));
    pad(builder, 4);
}

static void add_trailer(struct builder *builder)
{
    add_file(builder, "TRAILER!!!", "");
}

/*
 * The archive in a heap block of exactly its size, so that the address sanitizer sees any read
 * outside it; release with free().
 */
static struct cpio_archive exact_copy(const struct builder *builder, size_t size)
{
    void *bytes = malloc(size > 0 ? size : 1);

    memcpy(bytes, builder->bytes, size);
    return (struct cpio_archive){.bytes = bytes, .size = size};
}

static bool has_data(const struct cpio_entry *entry, const char *text)
{
    return entry->size == strlen(text) && memcmp(entry->data, text, entry->size) == 0;
}

static void entries_come_in_order_with_all_their_fields(void **state)
{
    struct builder builder = {.size = 0};
    struct cpio_archive archive;
    struct cpio_reader reader;
    struct cpio_entry entry;

    (void)state;
    add_file(&builder, "init", "#!/bin/sh\n");
    add_file(&builder, "empty", "");
    add_file(&builder, "a/rather/long/path/to/a/file", "x");
    add_trailer(&builder);
    archive = exact_copy(&builder, builder.size);
    cpio_open(&reader, archive);
    assert_int_equal(cpio_next(&reader, &entry), HX_OK);
    assert_string_equal(entry.name, "init");
    assert_true(has_data(&entry, "#!/bin/sh\n"));
    assert_int_equal(entry.ino, 0xabc);
    assert_int_equal(entry.mode, 0100755);
    assert_int_equal(entry.uid, 1000);
    assert_int_equal(entry.gid, 100);
    assert_int_equal(entry.nlink, 2);
    assert_int_equal(entry.mtime, 0x65000000);
    assert_int_equal(entry.rdev_major, 4);
    assert_int_equal(entry.rdev_minor, 64);
    assert_int_equal(cpio_next(&reader, &entry), HX_OK);
    assert_string_equal(entry.name, "empty");
    assert_int_equal(entry.size, 0);
    assert_int_equal(cpio_next(&reader, &entry), HX_OK);
    assert_true(has_data(&entry, "x"));
    assert_int_equal(cpio_next(&reader, &entry), HX_ENOENT);
    assert_int_equal(cpio_next(&reader, &entry), HX_ENOENT);
    free((void *)archive.bytes);
}

static void an_archive_of_nothing_is_no_error(void **state)
{
    struct builder builder = {.size = 0};
    struct cpio_archive nothing = {.bytes = NULL, .size = 0};
    struct cpio_reader reader;
    struct cpio_entry entry;

    (void)state;
    cpio_open(&reader, nothing);
    assert_int_equal(cpio_next(&reader, &entry), HX_ENOENT);
    cpio_open(&reader, (struct cpio_archive){.bytes = builder.bytes, .size = 512});
    assert_int_equal(cpio_next(&reader, &entry), HX_ENOENT);
    add_trailer(&builder);
    cpio_open(&reader, (struct cpio_archive){.bytes = builder.bytes, .size = builder.size});
    assert_int_equal(cpio_next(&reader, &entry), HX_ENOENT);
}

static void archives_may_follow_each_other_with_zeros_between(void **state)
{
    for (unsigned padding = 0; padding < 4; padding++) {
        struct builder builder = {.size = 0};
        struct cpio_archive archive;
        struct cpio_reader reader;
        struct cpio_entry entry;

        (void)state;
        add_file(&builder, "one", "1");
        add_trailer(&builder);
        pad(&builder, padding == 0 ? 4 : 512);
        builder.size += 4UL * padding;
        add_file(&builder, "two", "2");
        add_trailer(&builder);
        pad(&builder, padding == 3 ? 4 : 512);
        archive = exact_copy(&builder, builder.size);
        cpio_open(&reader, archive);
        assert_int_equal(cpio_next(&reader, &entry), HX_OK);
        assert_string_equal(entry.name, "one");
        assert_int_equal(cpio_next(&reader, &entry), HX_OK);
        assert_string_equal(entry.name, "two");
        assert_int_equal(cpio_next(&reader, &entry), HX_ENOENT);
        free((void *)archive.bytes);
    }
}

static void a_later_entry_of_the_same_name_wins(void **state)
{
    struct builder builder = {.size = 0};
    struct cpio_archive archive;
    struct cpio_entry entry = {.size = 77};

    (void)state;
    add_file(&builder, "./etc/motd", "old");
    add_file(&builder, "etc/motdx", "other");
    add_trailer(&builder);
    pad(&builder, 512);
    add_file(&builder, "etc/motd", "new");
    add_trailer(&builder);
    archive = exact_copy(&builder, builder.size);
    assert_int_equal(cpio_find(archive, "etc/mot", &entry), HX_ENOENT);
    assert_int_equal(entry.size, 77);
    assert_int_equal(cpio_find(archive, "/etc/motd", &entry), HX_OK);
    assert_true(has_data(&entry, "new"));
    assert_int_equal(cpio_find(archive, "./etc/motdx", &entry), HX_OK);
    assert_true(has_data(&entry, "other"));
    assert_int_equal(cpio_find(archive, "TRAILER!!!", &entry), HX_ENOENT);
    free((void *)archive.bytes);
}

/* Where the archive below is found broken when cut to size: its entries end in 1 and 3 bytes of
 * padding, without which they are whole. */
static size_t broken_header(size_t size, size_t second, size_t trailer)
{
    if (size < second - 1) {
        return 0;
    }
    if (size >= second && size < trailer - 3) {
        return second;
    }
    return size < trailer ? size : trailer;
}

/* Cut anywhere, an archive is malformed; only padding behind the trailer may be missing. */
static void a_truncated_archive_is_refused_at_the_header_it_broke_in(void **state)
{
    struct builder builder = {.size = 0};
    size_t second;
    size_t trailer;

    (void)state;
    add_file(&builder, "first", "abc");
    second = builder.size;
    add_file(&builder, "second", "defgh");
    trailer = builder.size;
    add_trailer(&builder);
    for (size_t size = 1; size < builder.size; size++) {
        struct cpio_archive archive = exact_copy(&builder, size);
        struct cpio_reader reader;
        struct cpio_entry entry;
        hx_err error;

        cpio_open(&reader, archive);
        do {
            error = cpio_next(&reader, &entry);
        } while (error == HX_OK);
        if (size >= trailer + 110 + sizeof("TRAILER!!!")) {
            assert_int_equal(error, HX_ENOENT);
        } else {
            assert_int_equal(error, HX_EFORMAT);
            assert_int_equal(reader.offset, broken_header(size, second, trailer));
            assert_int_equal(cpio_next(&reader, &entry), HX_EFORMAT);
            assert_int_equal(cpio_find(archive, "first", &entry), HX_EFORMAT);
        }
        free((void *)archive.bytes);
    }
}

static void a_walk_below_a_prefix_passes_what_is_elsewhere(void **state)
{
    struct builder builder = {.size = 0};
    struct cpio_archive archive;
    struct cpio_reader reader;
    struct cpio_entry entry;
    size_t passed;

    (void)state;
    add_file(&builder, "bin/sh", "x");
    add_file(&builder, "./lib/one", "1");
    passed = builder.size;
    add_file(&builder, "lib64", "y");
    add_file(&builder, "lib/two", "22");
    add_trailer(&builder);
    builder.bytes[passed + 6] = 'g'; /* no digit: of one that is passed it does not matter */
    archive = exact_copy(&builder, builder.size);
    cpio_open(&reader, archive);
    assert_int_equal(cpio_next_below(&reader, "/lib/", &entry), HX_OK);
    assert_string_equal(entry.name, "./lib/one");
    assert_int_equal(cpio_next_below(&reader, "/lib/", &entry), HX_OK);
    assert_string_equal(entry.name, "lib/two");
    assert_int_equal(entry.size, 2);
    assert_int_equal(cpio_next_below(&reader, "/lib/", &entry), HX_ENOENT);
    cpio_open(&reader, archive);
    assert_int_equal(cpio_next_below(&reader, "lib6", &entry), HX_EFORMAT);
    assert_int_equal(reader.offset, passed);
    free((void *)archive.bytes);
}

static hx_err read_one(const struct builder *builder, size_t *offset)
{
    struct cpio_archive archive = exact_copy(builder, builder->size);
    struct cpio_reader reader;
    struct cpio_entry entry;
    hx_err error;

    cpio_open(&reader, archive);
    error = cpio_next(&reader, &entry);
    *offset = reader.offset;
    free((void *)archive.bytes);
    return error;
}

static void lying_headers_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t name_size;
        uint32_t file_size;
    } lies[] = {
        {"file", 0, 0},          {"file", 1, 0},
        {"file", 4, 0},          {"file", 6, 0},
        {"file", UINT32_MAX, 0}, {"file", 0x80000000, 0},
        {"file", 5, UINT32_MAX}, {"file", 5, 5},
        {"file", 5, 0xfffffff0}, {"", 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(lies); i++) {
        struct builder builder = {.size = 0};
        size_t offset;

        add_header(&builder, lies[i].name, lies[i].name_size, lies[i].file_size);
        add_raw(&builder, "data", 4);
        assert_int_equal(read_one(&builder, &offset), HX_EFORMAT);
        assert_int_equal(offset, 0);
    }
}

static void other_formats_are_refused(void **state)
{
    static const char *const magics[] = {"070702", "070707", "\xc7q0701", "\x1f\x8b\x08xyz"};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(magics); i++) {
        struct builder builder = {.size = 0};
        size_t offset;

        add_file(&builder, "file", "data");
        add_trailer(&builder);
        memcpy(builder.bytes, magics[i], 6);
        assert_int_equal(read_one(&builder, &offset), HX_EFORMAT);
    }
}

static void digits_are_hexadecimal_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        struct builder builder = {.size = 0};
        bool is_digit = byte != 0 && strchr("0123456789abcdefABCDEF", (int)byte) != NULL;
        size_t offset;

        add_file(&builder, "file", "data");
        add_trailer(&builder);
        builder.bytes[6] = (uint8_t)byte; /* of the inode number: any value is good */
        assert_int_equal(read_one(&builder, &offset), is_digit ? HX_OK : HX_EFORMAT);
    }
}

/* Whatever comes out lies in the buffer; the sanitizer watches the reading itself. */
static void walk_safely(struct cpio_archive archive)
{
    const char *first = archive.bytes;
    const char *end = first + archive.size;
    struct cpio_reader reader;
    struct cpio_entry entry;
    size_t last = 0;

    cpio_open(&reader, archive);
    while (cpio_next(&reader, &entry) == HX_OK) {
        const char *data = entry.data;

        assert_true(entry.name >= first && entry.name + strlen(entry.name) < end);
        assert_true(data >= first && data <= end && entry.size <= (size_t)(end - data));
        assert_true(reader.offset > last && reader.offset <= archive.size);
        last = reader.offset;
    }
    assert_true(reader.offset <= archive.size);
    cpio_open(&reader, archive);
    while (cpio_next_below(&reader, "s", &entry) == HX_OK) {
        assert_true(entry.name >= first && entry.name + strlen(entry.name) < end);
    }
    assert_true(reader.offset <= archive.size);
}

static void no_corruption_leads_outside_the_buffer(void **state)
{
    struct builder builder = {.size = 0};
    uint64_t seed = random_start();

    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    add_file(&builder, "first", "abc");
    add_file(&builder, "second", "defgh");
    add_trailer(&builder);
    for (unsigned round = 0; round < 100000; round++) {
        struct builder broken = builder;
        struct cpio_archive archive;

        for (uint64_t i = random_below(4) + 1; i > 0; i--) {
            static const char likely[] = "0123456789abcdefF\0";

            broken.bytes[random_below(builder.size)] =
                (uint8_t)(random_below(2) == 0 ? likely[random_below(18)] : (char)random_u64());
        }
        archive = exact_copy(&broken,
                             random_below(4) == 0 ? random_below(builder.size + 1) : builder.size);
        walk_safely(archive);
        free((void *)archive.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_in_order_with_all_their_fields),
        cmocka_unit_test(an_archive_of_nothing_is_no_error),
        cmocka_unit_test(archives_may_follow_each_other_with_zeros_between),
        cmocka_unit_test(a_later_entry_of_the_same_name_wins),
        cmocka_unit_test(a_truncated_archive_is_refused_at_the_header_it_broke_in),
        cmocka_unit_test(a_walk_below_a_prefix_passes_what_is_elsewhere),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(other_formats_are_refused),
        cmocka_unit_test(digits_are_hexadecimal_and_nothing_else),
        cmocka_unit_test(no_corruption_leads_outside_the_buffer),
    };

    return cmocka_run_group_tests_name("base/cpio", tests, NULL, NULL);
}
