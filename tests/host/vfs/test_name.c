/* subsys/vfs/name.h: where a name ends in a path, and its hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <subsys/vfs/name.h>
#include <sys/mman.h>

#define PAGE       4096U
#define LENGTH_MAX 40U

/* The end of a page behind which there is nothing. */
static char *page_end(void)
{
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
    return pages + PAGE;
}

/* A name of any bytes but NUL and slash. */
static void fill(char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        do {
            name[i] = (char)rand();
        } while (name[i] == '\0' || name[i] == '/');
    }
}

/* A name that ends so many bytes before the end of memory, with what ends it and follows. */
static void check(char *memory_end, const char *name, size_t length, const char *rest)
{
    size_t size = strlen(rest) + 1;
    char *text = memory_end - size - length;
    struct name_scan scan;

    memcpy(text, name, length);
    memcpy(text + length, rest, size);
    scan = name_scan(text);
    assert_int_equal(scan.end - text, length);
    assert_int_equal(scan.hash, name_scan_of(name, length).hash);
    assert_int_equal(scan.last, name_scan_of(name, length).last);
}

static void a_name_ends_at_a_slash_or_the_end(void **state)
{
    char *end = page_end();
    char name[LENGTH_MAX];

    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        fill(name, length);
        check(end, name, length, "");
        check(end, name, length, "/");
        check(end, name, length, "/behind");
        for (size_t before = 1; before < 10; before++) {
            check(end - before, name, length, "");
            check(end - before, name, length, "//x");
        }
    }
    assert_int_equal(munmap(end - PAGE, 2 * PAGE), 0);
}

static void another_name_has_another_hash(void **state)
{
    char name[LENGTH_MAX];
    unsigned same = 0;

    (void)state;
    fill(name, sizeof(name));
    for (size_t length = 1; length <= LENGTH_MAX; length++) {
        uint32_t hash = name_scan_of(name, length).hash;

        for (size_t i = 0; i < length; i++) {
            name[i] ^= 1;
            same += name_scan_of(name, length).hash == hash ? 1U : 0U;
            name[i] ^= 1;
        }
        same += name_scan_of(name, length - 1).hash == hash ? 1U : 0U;
    }
    assert_true(same < 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_ends_at_a_slash_or_the_end),
        cmocka_unit_test(another_name_has_another_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
